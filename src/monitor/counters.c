/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Counters of refreshes, in shared memory.
 *
 * A hash table whose entries last as long as the stream table does, in a
 * dynamic area that starts in the server's main segment and grows by others,
 * as PostgreSQL's own statistics do.
 *
 * A refresh may be undone by its transaction or by a savepoint, so what is to
 * be counted waits until the commit:
 *
 *		counted = sum over committed transactions of what was noted in them
 *				  outside of subtransactions that were rolled back
 *
 * Subtransactions are numbered in the order in which they start.  So the notes
 * made in one that aborts, and in those below it, are the ones with its number
 * or a greater one.  A transaction that is prepared counts nothing, for nobody
 * is there when it commits.
 *
 * Entries are made before the commit, where an error does no harm.  One that was
 * purged meanwhile is left out.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/xact.h"
#include "lib/dshash.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "monitor/counters.h"

#define AREA_BYTES		((Size) 256 * 1024)
#define TRANCHE_NAME	"PgTrickleCounters"

/* Entries of stream tables that are gone are looked for from here on. */
#define FIRST_PURGE		128

/* No padding: it is hashed as bytes. */
typedef struct CounterKey
{
	int64		pgt_id;
	Oid			dboid;
	uint32		zero;
} CounterKey;

typedef struct CounterEntry
{
	CounterKey	key;
	TimestampTz stats_reset;
	RefreshCounters counters;
} CounterEntry;

typedef struct CounterControl
{
	/* constant after the start of the server */
	TimestampTz began_at;
	int			tranche;
	dshash_table_handle table;
	pg_atomic_uint32 nentries;
	/* the area follows */
} CounterControl;

/* What a transaction will have done to an entry. */
typedef struct CounterNote
{
	slist_node	node;
	SubTransactionId subid;
	int64		pgt_id;
	bool		forget;
	RefreshCounters counters;
} CounterNote;

static CounterControl *control = NULL;
static dsa_area *area = NULL;
static dshash_table *table = NULL;

/* Newest first, in TopTransactionContext. */
static slist_head notes = SLIST_STATIC_INIT(notes);

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* ---- shared memory ---- */

static Size
control_size(void)
{
	return MAXALIGN(sizeof(CounterControl));
}

static void *
area_place(void)
{
	return (char *) control + control_size();
}

static dshash_parameters
table_parameters(void)
{
	dshash_parameters parameters = {
		.key_size = sizeof(CounterKey),
		.entry_size = sizeof(CounterEntry),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		.tranche_id = control->tranche
	};

	pgt_dshash_copy_bytes(&parameters);
	return parameters;
}

static void
counters_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(add_size(control_size(), AREA_BYTES));
}

/* The table must fit into the main segment, since no other exists yet. */
static void
control_init(void)
{
	dshash_parameters parameters;
	dsa_area   *first;
	dshash_table *made;

	control->began_at = GetCurrentTimestamp();
	control->tranche = LWLockNewTrancheId();
	pg_atomic_init_u32(&control->nentries, 0);

	parameters = table_parameters();
	first = dsa_create_in_place(area_place(), AREA_BYTES, control->tranche, NULL);
	dsa_pin(first);
	dsa_set_size_limit(first, AREA_BYTES);
	made = dshash_create(first, &parameters, NULL);
	control->table = dshash_get_hash_table_handle(made);
	dsa_set_size_limit(first, SIZE_MAX);
	dshash_detach(made);
	dsa_detach(first);
}

static void
counters_shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	control = ShmemInitStruct("pg_trickle counters",
							  add_size(control_size(), AREA_BYTES), &found);
	if (!found)
		control_init();
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche(control->tranche, TRANCHE_NAME);
}

static void
attach(void)
{
	dshash_parameters parameters;
	MemoryContext save;

	if (table != NULL)
		return;
	parameters = table_parameters();
	save = MemoryContextSwitchTo(TopMemoryContext);
	if (area == NULL)
	{
		area = dsa_attach_in_place(area_place(), NULL);
		dsa_pin_mapping(area);
		on_shmem_exit(dsa_on_shmem_exit_release_in_place, PointerGetDatum(area_place()));
	}
	table = dshash_attach(area, &parameters, control->table, NULL);
	MemoryContextSwitchTo(save);
}

bool
counters_available(void)
{
	return control != NULL;
}

TimestampTz
counters_began_at(void)
{
	return control->began_at;
}

/* ---- entries ---- */

static CounterKey
counter_key(int64 pgt_id)
{
	CounterKey	key = {.pgt_id = pgt_id, .dboid = MyDatabaseId};

	return key;
}

/* Of a database, or of a stream table of ours, that is not there any more? */
static bool
is_dead(const CounterEntry *entry, List *stream_tables)
{
	ListCell   *lc;

	if (entry->key.dboid != MyDatabaseId)
		return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(entry->key.dboid));
	foreach(lc, stream_tables)
		if (((StreamTable *) lfirst(lc))->pgt_id == entry->key.pgt_id)
			return false;
	return true;
}

/* What DROP DATABASE and DROP EXTENSION leave. */
static void
purge(void)
{
	List	   *stream_tables = stream_table_read_all();
	List	   *dead = NIL;
	dshash_seq_status scan;
	CounterEntry *entry;
	ListCell   *lc;

	dshash_seq_init(&scan, table, false);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		CounterEntry *copy = palloc(sizeof(CounterEntry));

		memcpy(copy, entry, sizeof(CounterEntry));
		dead = lappend(dead, copy);
	}
	dshash_seq_term(&scan);

	/* catalogs are not read under a lock of the table */
	foreach(lc, dead)
	{
		CounterEntry *copy = lfirst(lc);

		if (is_dead(copy, stream_tables) && dshash_delete_key(table, &copy->key))
			pg_atomic_fetch_sub_u32(&control->nentries, 1);
	}
}

/* Returns the number of entries that it brought them to, 0 if it was there. */
static uint32
ensure_entry(CounterKey key)
{
	bool		found;
	uint32		n = 0;
	CounterEntry *entry = dshash_find(table, &key, false);

	if (entry != NULL)
	{
		dshash_release_lock(table, entry);
		return 0;
	}
	entry = dshash_find_or_insert(table, &key, &found);
	if (!found)
	{
		entry->stats_reset = 0;
		memset(&entry->counters, 0, sizeof(entry->counters));
		n = pg_atomic_add_fetch_u32(&control->nentries, 1);
	}
	dshash_release_lock(table, entry);
	return n;
}

static void
add(RefreshCounters *to, const RefreshCounters *more)
{
	to->differential += more->differential;
	to->full += more->full;
	to->reinitialize += more->reinitialize;
	to->nothing += more->nothing;
	to->failed += more->failed;
	to->changes += more->changes;
	to->rows_inserted += more->rows_inserted;
	to->rows_updated += more->rows_updated;
	to->rows_deleted += more->rows_deleted;
	to->duration_us += more->duration_us;
}

/* ---- what a transaction notes ---- */

static CounterNote *
note_get(int64 pgt_id)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	CounterNote *note;

	if (!slist_is_empty(&notes))
	{
		note = slist_head_element(CounterNote, node, &notes);
		if (note->subid == subid && note->pgt_id == pgt_id)
			return note;
	}
	note = MemoryContextAllocZero(TopTransactionContext, sizeof(CounterNote));
	note->subid = subid;
	note->pgt_id = pgt_id;
	slist_push_head(&notes, &note->node);
	return note;
}

static void
note_counters(int64 pgt_id, const RefreshCounters *counters)
{
	uint32		nentries;

	if (!counters_available())
		return;
	attach();
	nentries = ensure_entry(counter_key(pgt_id));
	if (nentries >= FIRST_PURGE && (nentries & (nentries - 1)) == 0)
		purge();
	add(&note_get(pgt_id)->counters, counters);
}

void
counters_refreshed(const StreamTable *st, const RefreshOutcome *outcome)
{
	RefreshCounters counters = {0};

	if (strcmp(outcome->action, "NO_DATA") == 0)
		counters.nothing = 1;
	else
	{
		if (strcmp(outcome->action, "DIFFERENTIAL") == 0)
			counters.differential = 1;
		else if (strcmp(outcome->action, "FULL") == 0)
			counters.full = 1;
		else
			counters.reinitialize = 1;
		counters.changes = outcome->changes;
		counters.rows_inserted = outcome->rows_inserted;
		counters.rows_updated = outcome->rows_updated;
		counters.rows_deleted = outcome->rows_deleted;
		/* the clock may have been set back */
		counters.duration_us = Max(outcome->end_time - outcome->start_time, 0);
	}
	note_counters(st->pgt_id, &counters);
}

void
counters_failed(int64 pgt_id)
{
	RefreshCounters counters = {.failed = 1};

	note_counters(pgt_id, &counters);
}

void
counters_forget(int64 pgt_id)
{
	if (!counters_available())
		return;
	attach();
	note_get(pgt_id)->forget = true;
}

static void
note_count(const CounterNote *note)
{
	CounterKey	key = counter_key(note->pgt_id);
	CounterEntry *entry;

	if (note->forget)
	{
		if (dshash_delete_key(table, &key))
			pg_atomic_fetch_sub_u32(&control->nentries, 1);
		return;
	}
	entry = dshash_find(table, &key, true);
	if (entry == NULL)
		return;
	add(&entry->counters, &note->counters);
	dshash_release_lock(table, entry);
}

/* Oldest first does not matter but for what is forgotten, which ends it all. */
static void
counters_xact_callback(XactEvent event, void *arg)
{
	slist_iter	iter;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			slist_foreach(iter, &notes)
				note_count(slist_container(CounterNote, node, iter.cur));
			slist_init(&notes);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			slist_init(&notes);
			break;
		default:
			break;
	}
}

static void
counters_subxact_callback(SubXactEvent event, SubTransactionId subid,
						  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (!slist_is_empty(&notes) &&
		   slist_head_element(CounterNote, node, &notes)->subid >= subid)
		slist_pop_head_node(&notes);
}

/* ---- reading ---- */

bool
counters_read(int64 pgt_id, CountedTable *counted)
{
	CounterKey	key = counter_key(pgt_id);
	CounterEntry *entry;

	memset(counted, 0, sizeof(CountedTable));
	counted->dboid = MyDatabaseId;
	counted->pgt_id = pgt_id;
	if (!counters_available())
		return false;
	attach();
	entry = dshash_find(table, &key, false);
	if (entry == NULL)
		return false;
	counted->stats_reset = entry->stats_reset;
	counted->counters = entry->counters;
	dshash_release_lock(table, entry);
	return true;
}

List *
counters_read_all(void)
{
	List	   *all = NIL;
	dshash_seq_status scan;
	CounterEntry *entry;

	if (!counters_available())
		return NIL;
	attach();
	dshash_seq_init(&scan, table, false);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		CountedTable *counted = palloc(sizeof(CountedTable));

		counted->dboid = entry->key.dboid;
		counted->pgt_id = entry->key.pgt_id;
		counted->stats_reset = entry->stats_reset;
		counted->counters = entry->counters;
		all = lappend(all, counted);
	}
	dshash_seq_term(&scan);
	return all;
}

void
counters_reset(int64 pgt_id)
{
	CounterKey	key = counter_key(pgt_id);
	CounterEntry *entry;

	attach();
	(void) ensure_entry(key);
	entry = dshash_find(table, &key, true);
	if (entry == NULL)
		return;
	memset(&entry->counters, 0, sizeof(entry->counters));
	entry->stats_reset = GetCurrentTimestamp();
	dshash_release_lock(table, entry);
}

void
counters_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = counters_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = counters_shmem_startup;
	RegisterXactCallback(counters_xact_callback, NULL);
	RegisterSubXactCallback(counters_subxact_callback, NULL);
}
