/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Which stream table is due, and when.
 *
 * A schedule is a target of staleness, so a stream table is due
 *
 *		after a change					at the target
 *		while not populated, or invalid	at the target
 *		if the clock is an input		at the target, or a tick
 *		if it must be recomputed		at the target, not within a second
 *		if a source is polled			at the target, not within a second
 *
 *		target = started_at + schedule - lead (lead.c), or the first time after
 *				 started_at that a cron expression names
 *
 * but not before that is known, nor before retry_at, nor within REST_US of the
 * end of its last refresh: without that rest, a worker that follows every commit
 * takes a share of the processors that writers feel.
 *
 * A consistency group is refreshed as one, so it is due when its first member
 * is, and rests until its last one may be tried again.  Members that are held
 * back (refresh.c) are not counted.  What one member writes makes no other
 * member of its group dirty: it was refreshed in the same transaction.
 *
 * A gate keeps the whole unit out.  Its changes wait, and are due when the gate
 * is opened; refresh.c looks at the gates once more, for exactness.
 *
 * A stream table that is due waits for those that it reads, if these are due
 * too: it would have to be refreshed again after them.  It does not wait for one
 * that is being refreshed, which may take long.
 *
 * The units that have a time lie in a heap by that time, and the readers of a
 * source in a list by its bit, so that neither a commit nor a refresh costs
 * anything for each of the other stream tables.
 *
 * Time passes without an event, so a schedule of less than 100 ms, such as '0s',
 * is a wish that nobody could keep: then the clock is looked at by ticks of
 * 100 ms, which grow to 1 s while nothing is found, and with what a look takes
 * (attempt.c).  Data is followed at once all the same.
 *
 * Whether it must be recomputed without a change is known if a source is not
 * captured.  Otherwise (a function of the query may not be immutable) it is
 * learned, by one refresh when no change is known, from whether it found
 * anything to do.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "nodes/pg_list.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "dag/dag.h"
#include "scheduler/pool.h"
#include "scheduler/scheduler.h"
#include "scheduler/worker.h"

#define REST_US			US_PER_MS
#define RECOMPUTE_US	US_PER_S
#define PROBE_US		(3600 * US_PER_S)

/* A source of a stream table. */
typedef struct Reader
{
	Oid			source;
	ScheduledTable *table;
	struct Reader *next;		/* of a source with the same bit */
} Reader;

typedef struct TableEntry
{
	Oid			relid;			/* hash key */
	ScheduledTable *table;
} TableEntry;

/* All that is read from the catalog, and lives until it is read again. */
typedef struct Queue
{
	MemoryContext context;
	int			ntables;
	int			nunits;
	int			naside;			/* units that are set aside */
	ScheduledTable *tables;
	HTAB	   *by_relid;		/* of TableEntry */
	Reader	   *readers[CHANGE_BITS];
	pairingheap heap;			/* of units */
} Queue;

static Queue *queue = NULL;

/* The bits that were set, and noticed, and not taken since. */
static uint32 noticed[CHANGE_WORDS];

/* ---- reading the catalog ---- */

static ScheduledTable *
find_among(const Queue *among, Oid relid)
{
	TableEntry *entry = among ? hash_search(among->by_relid, &relid, HASH_FIND, NULL) : NULL;

	return entry ? entry->table : NULL;
}

/* It may have another table now, if its query changed. */
static ScheduledTable *
find_old(const StreamTable *st)
{
	ScheduledTable *old = find_among(queue, st->relid);

	if (old != NULL && old->pgt_id == st->pgt_id)
		return old;
	for (int i = 0; queue != NULL && i < queue->ntables; i++)
		if (queue->tables[i].pgt_id == st->pgt_id)
			return &queue->tables[i];
	return NULL;
}

/* In known lie the schedules that were found so far. */
static void
load_schedule(ScheduledTable *table, const StreamTable *st, HTAB *known)
{
	const char *text = schedule_in_force(st, known);

	if (schedule_read(text, &table->schedule))
		return;
	ereport(LOG,
			(errmsg("invalid schedule \"%s\" of stream table \"%s.%s\"",
					text, st->schema, st->name),
			 errdetail("pg_trickle.default_schedule is used instead."),
			 errhint("Set another schedule with alter_stream_table().")));
	/* a check hook guards the setting */
	(void) schedule_read(pgt_default_schedule, &table->schedule);
}

void
queue_set_started(ScheduledTable *table, TimestampTz started_at)
{
	table->started_at = started_at;
	table->target = schedule_next(&table->schedule, started_at);
	if (!table->schedule.is_cron)
		table->target -= lead_us(table->schedule.us,
								 table->first ? table->first->took_us : table->took_us,
								 started_at);
}

static void
load_sources(ScheduledTable *table, MemoryContext context)
{
	List	   *dependencies = dependency_read(table->pgt_id);
	ListCell   *lc;

	table->nsources = 0;
	table->sources = MemoryContextAlloc(context, sizeof(Oid) *
										Max(list_length(dependencies), 1));
	foreach(lc, dependencies)
	{
		Dependency *dependency = lfirst(lc);

		if (dependency_is_captured(dependency))
			table->sources[table->nsources++] = dependency->source;
		else
			table->uncaptured = true;
	}

	if (table->nsources == 0)
		table->uncaptured = true;
}

static bool
same_sources(const ScheduledTable *a, const ScheduledTable *b)
{
	return a->nsources == b->nsources &&
		memcmp(a->sources, b->sources, sizeof(Oid) * a->nsources) == 0;
}

/*
 * Keep what was learned, as long as it is of the same query.  What that stands
 * on may have changed in a way that nobody tells of (queue_unlearn()), so it is
 * learned anew once in a while.
 */
static void
carry_over(ScheduledTable *table, const ScheduledTable *old)
{
	table->last_us = old->first->last_us;
	table->took_us = old->first->took_us;
	table->due = old->first->due;
	queue_set_started(table, Max(table->started_at, old->started_at));
	table->ended_at = old->ended_at;
	table->unpruned = old->unpruned;
	table->pruned_at = old->pruned_at;

	table->resumed = old->status == STREAM_TABLE_SUSPENDED &&
		table->status != STREAM_TABLE_SUSPENDED;
	if (!same_sources(table, old))
		return;

	if (old->probed && old->defview == table->defview && old->mode == table->mode &&
		GetCurrentTimestamp() - old->probed_at < PROBE_US)
	{
		table->probed = true;
		table->probed_at = old->probed_at;
	}
	table->tick_us = old->tick_us;
	table->dirty = old->dirty;
	table->busy = old->busy;
	if (old->status != STREAM_TABLE_SUSPENDED)
	{
		table->retry_at = old->retry_at;
		table->failures = old->failures;
		table->transients = old->transients;
	}
	if (table->is_populated && !table->needs_reinit)
		table->recompute = table->recompute || old->recompute;
}

static void
load_table(ScheduledTable *table, const StreamTable *st, HTAB *known,
		   const List *gates, MemoryContext context)
{
	ScheduledTable *old = find_old(st);
	Oid			gate;

	memset(table, 0, sizeof(*table));
	table->pgt_id = st->pgt_id;
	table->relid = st->relid;
	table->name = MemoryContextStrdup(context,
									  quote_qualified_identifier(st->schema, st->name));
	table->defview = st->defview;
	table->mode = st->mode;
	table->status = st->status;
	table->is_populated = st->is_populated;
	table->needs_reinit = st->needs_reinit;
	table->due = DT_NOEND;
	load_schedule(table, st, known);
	load_sources(table, context);
	table->gated = gate_holds(gates, st->pgt_id, &gate);

	/* so that a restart does not refresh everything at once */
	queue_set_started(table, Min(st->data_timestamp, GetCurrentTimestamp()));
	table->dirty = true;
	/* of a definition that moved, so have the sources */
	table->recompute = table->uncaptured || st->definition_moved;
	table->probed = table->recompute;
	table->timed = st->evaluated_at != 0;
	if (old)
		carry_over(table, old);
}

/* Tie the members of a unit together, from its first one on. */
static void
link_unit(Queue *loaded, ScheduledTable *table)
{
	List	   *relids = dag_group(table->relid);
	ScheduledTable *last = table;
	bool		resumed = false;
	ListCell   *lc;

	loaded->nunits++;
	table->next = table->first = table;
	table->nmembers = 1;
	if (list_length(relids) < 2)
		return;
	foreach(lc, relids)
	{
		ScheduledTable *member = find_among(loaded, lfirst_oid(lc));

		if (member == NULL)
			continue;
		resumed |= member->resumed;
		if (member == table)
			continue;
		member->next = table;
		member->first = table;
		table->took_us = Max(table->took_us, member->took_us);
		table->nmembers++;
		last->next = member;
		last = member;
	}

	/* What was held back has been left behind without becoming dirty. */
	if (resumed)
		for (last = table->next; last != table; last = last->next)
			last->dirty = true;
	table->dirty |= resumed;
}

static void
link_sources(Queue *loaded, ScheduledTable *table)
{
	table->upstream = MemoryContextAlloc(loaded->context, sizeof(ScheduledTable *) *
										 Max(table->nsources, 1));
	table->nupstream = 0;
	for (int i = 0; i < table->nsources; i++)
	{
		ScheduledTable *source = find_among(loaded, table->sources[i]);
		Reader	   *reader = MemoryContextAlloc(loaded->context, sizeof(Reader));
		uint32		bit = change_bit(table->sources[i]);

		if (source)
			table->upstream[table->nupstream++] = source;
		reader->source = table->sources[i];
		reader->table = table;
		reader->next = loaded->readers[bit];
		loaded->readers[bit] = reader;
	}
}

/* What refresh workers are doing is under way still. */
static void
link_running(Queue *loaded)
{
	ListCell   *lc;

	foreach(lc, pool_targets())
	{
		ScheduledTable *table = find_among(loaded, lfirst_oid(lc));

		if (table)
			table->first->running++;
	}
}

static void
link_tables(Queue *loaded)
{
	for (int i = 0; i < loaded->ntables; i++)
		if (loaded->tables[i].next == NULL)
			link_unit(loaded, &loaded->tables[i]);
	for (int i = 0; i < loaded->ntables; i++)
		link_sources(loaded, &loaded->tables[i]);
	link_running(loaded);
}

static int
compare_due(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz due_a = pairingheap_const_container(ScheduledTable, node, a)->due;
	TimestampTz due_b = pairingheap_const_container(ScheduledTable, node, b)->due;

	/* the greatest comes first */
	return due_a < due_b ? 1 : due_a > due_b ? -1 : 0;
}

static Queue *
load_queue(MemoryContext context)
{
	Queue	   *loaded = MemoryContextAllocZero(context, sizeof(Queue));
	List	   *list = stream_table_read_all();
	List	   *gates = gate_read_all(NULL);
	HTAB	   *known = schedules_begin();
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(TableEntry),
		.hcxt = context
	};
	ListCell   *lc;

	loaded->context = context;
	loaded->heap.ph_compare = compare_due;
	loaded->by_relid = hash_create("pg_trickle queue", Max(list_length(list), 16), &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	loaded->tables = MemoryContextAlloc(context, sizeof(ScheduledTable) *
										Max(list_length(list), 1));
	foreach(lc, list)
	{
		ScheduledTable *table = &loaded->tables[loaded->ntables++];
		TableEntry *entry;

		load_table(table, lfirst(lc), known, gates, context);
		entry = hash_search(loaded->by_relid, &table->relid, HASH_ENTER, NULL);
		entry->table = table;
	}
	link_tables(loaded);
	return loaded;
}

static void
queue_load_task(void *arg)
{
	bool	   *exists = arg;
	MemoryContext context;
	Queue	   *loaded;

	*exists = pgt_extension_exists() && !cluster_is_worker();
	if (!*exists)
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_trickle queue",
									ALLOCSET_DEFAULT_SIZES);
	loaded = load_queue(context);

	trim_load(change_tracking_read_all());

	MemoryContextSetParent(context, TopMemoryContext);
	if (queue)
		MemoryContextDelete(queue->context);
	queue = loaded;
}

bool
queue_load(void)
{
	bool		exists = true;

	/* if it cannot be read now, go on with what is known */
	worker_try_log("reading the list of stream tables", queue_load_task, &exists);
	for (int i = 0; queue != NULL && i < queue->ntables; i++)
		if (queue->tables[i].first == &queue->tables[i])
			queue_update(&queue->tables[i]);
	return exists;
}

/* ---- changes ---- */

static inline uint32
bit_mask(Oid source)
{
	return (uint32) 1 << (change_bit(source) % 32);
}

static inline int
bit_word(Oid source)
{
	return change_bit(source) / 32;
}

bool
queue_same_group(const ScheduledTable *a, const ScheduledTable *b)
{
	const ScheduledTable *member = a;

	do
	{
		if (member == b)
			return true;
		member = member->next;
	} while (member != a);
	return false;
}

static bool
is_in_group(const ScheduledTable *table, Oid source)
{
	for (const ScheduledTable *member = table->next; member != table; member = member->next)
		if (member->relid == source)
			return true;
	return false;
}

/* Stream tables that read a source whose bit is in bits become dirty. */
static void
mark_dirty(const uint32 *bits)
{
	for (int word = 0; word < CHANGE_WORDS; word++)
		for (uint32 left = bits[word]; left != 0; left &= left - 1)
		{
			int			bit = word * 32 + pg_rightmost_one_pos32(left);

			for (Reader *reader = queue->readers[bit]; reader; reader = reader->next)
				if (!reader->table->dirty && !is_in_group(reader->table, reader->source))
				{
					reader->table->dirty = true;
					queue_update(reader->table);
				}
		}
}

void
queue_notice_changes(DatabaseSlot *slot)
{
	uint32		news[CHANGE_WORDS];
	uint32		any = 0;

	for (int i = 0; i < CHANGE_WORDS; i++)
	{
		news[i] = pg_atomic_read_u32(&slot->changed[i]) & ~noticed[i];
		noticed[i] |= news[i];
		any |= news[i];
	}
	if (any && queue != NULL)
		mark_dirty(news);
}

bool
queue_has_news(DatabaseSlot *slot)
{
	for (int i = 0; i < CHANGE_WORDS; i++)
		if (pg_atomic_read_u32(&slot->changed[i]) & ~noticed[i])
			return true;
	return false;
}

void
queue_mark_all(void)
{
	for (int i = 0; queue != NULL && i < queue->ntables; i++)
		if (queue->tables[i].nsources > 0)
		{
			queue->tables[i].dirty = true;
			queue_update(&queue->tables[i]);
		}
}

void
queue_unlearn(void)
{
	for (int i = 0; queue != NULL && i < queue->ntables; i++)
		if (!queue->tables[i].recompute)
		{
			queue->tables[i].probed = false;
			queue_update(&queue->tables[i]);
		}
}

/*
 * A bit that was set after the last notice concerns other stream tables of
 * the same source as well; they have to learn it before it is cleared.
 */
void
queue_take_changes(ScheduledTable *table, DatabaseSlot *slot)
{
	uint32		news[CHANGE_WORDS] = {0};
	uint32		any = 0;

	for (int j = 0; j < table->nsources; j++)
	{
		int			word = bit_word(table->sources[j]);
		uint32		mask = bit_mask(table->sources[j]);
		uint32		old = pg_atomic_fetch_and_u32(&slot->changed[word], ~mask);

		news[word] |= old & mask & ~noticed[word];
		any |= news[word];
		noticed[word] &= ~mask;
	}
	if (any)
		mark_dirty(news);
	table->dirty = false;
}

/* ---- order ---- */

bool
queue_is_held_back(const ScheduledTable *table)
{
	if (table->status == STREAM_TABLE_SUSPENDED)
		return true;
	for (int i = 0; table->next != table && i < table->nupstream; i++)
		if (queue_same_group(table, table->upstream[i]) &&
			queue_is_held_back(table->upstream[i]))
			return true;
	return false;
}

/* When may the group be refreshed? */
static TimestampTz
ready_at(const ScheduledTable *table)
{
	const ScheduledTable *member = table;
	TimestampTz ready = 0;

	do
	{
		if (member->status != STREAM_TABLE_SUSPENDED)
			ready = Max(ready, Max(member->retry_at, member->ended_at + REST_US));
		member = member->next;
	} while (member != table);
	return ready;
}

/* When is the clock looked at? */
static TimestampTz
tick_at(const ScheduledTable *table)
{
	if (table->schedule.us >= TICK_FIRST_US)
		return table->target;
	return table->started_at + Max(table->tick_us, TICK_FIRST_US);
}

/*
 * A refresh that reads a whole source again, however little has changed, does
 * not follow every commit.
 */
static TimestampTz
target_at(const ScheduledTable *table)
{
	bool		whole = table->uncaptured ||
		!(table->dirty || !table->is_populated || table->needs_reinit);

	return whole ? Max(table->target, table->started_at + RECOMPUTE_US) : table->target;
}

static TimestampTz
due_at(const ScheduledTable *table)
{
	TimestampTz due = DT_NOEND;

	if (table->dirty || !table->is_populated || table->needs_reinit)
		due = target_at(table);
	else if (table->timed && table->mode != REFRESH_MODE_FULL && !table->uncaptured)
		due = tick_at(table);
	else if (table->recompute || !table->probed)
		due = target_at(table);

	if (due == DT_NOEND || queue_is_held_back(table))
		return DT_NOEND;
	return Max(due, ready_at(table));
}

static TimestampTz
unit_due_at(const ScheduledTable *unit)
{
	const ScheduledTable *member = unit;
	TimestampTz due = DT_NOEND;

	if (unit->running > 0 || unit->set_aside)
		return DT_NOEND;
	do
	{
		if (member->gated)
			return DT_NOEND;
		due = Min(due, due_at(member));
		member = member->next;
	} while (member != unit);
	return due;
}

/*
 * What becomes due by a change is late from now on, not from the time that its
 * schedule has counted since the last refresh.
 */
void
queue_update(ScheduledTable *table)
{
	ScheduledTable *unit = table->first;
	TimestampTz due = unit_due_at(unit);
	TimestampTz now = GetCurrentTimestamp();

	if (due < now)
		due = Min(unit->due, now);
	if (unit->queued && unit->due == due)
		return;
	if (unit->queued)
		pairingheap_remove(&queue->heap, &unit->node);
	unit->queued = due != DT_NOEND;
	unit->due = due;
	if (unit->queued)
		pairingheap_add(&queue->heap, &unit->node);
}

void
queue_begin(ScheduledTable *table)
{
	table->first->running++;
	queue_update(table);
}

void
queue_end(ScheduledTable *table)
{
	if (table->first->running > 0)
		table->first->running--;
	queue_update(table);
}

void
queue_set_aside(ScheduledTable *table)
{
	table->first->set_aside = true;
	queue->naside++;
	queue_update(table);
}

void
queue_recall(void)
{
	for (int i = 0; queue != NULL && queue->naside > 0 && i < queue->ntables; i++)
		if (queue->tables[i].set_aside)
		{
			queue->tables[i].set_aside = false;
			queue->naside--;
			queue_update(&queue->tables[i]);
		}
}

ScheduledTable *
queue_first(TimestampTz *due)
{
	ScheduledTable *unit;

	*due = DT_NOEND;
	if (queue == NULL || pairingheap_is_empty(&queue->heap))
		return NULL;
	unit = pairingheap_container(ScheduledTable, node, pairingheap_first(&queue->heap));
	*due = unit->due;
	return unit;
}

/* A unit that this one reads, and that is due. */
static ScheduledTable *
due_upstream(ScheduledTable *unit, TimestampTz now)
{
	ScheduledTable *member = unit;

	do
	{
		for (int i = 0; i < member->nupstream; i++)
		{
			ScheduledTable *upstream = member->upstream[i]->first;

			if (upstream != unit && upstream->queued && upstream->due <= now)
				return upstream;
		}
		member = member->next;
	} while (member != unit);
	return NULL;
}

ScheduledTable *
queue_first_upstream(ScheduledTable *table)
{
	TimestampTz now = GetCurrentTimestamp();
	ScheduledTable *before;

	while ((before = due_upstream(table, now)) != NULL)
		table = before;
	return table;
}

ScheduledTable *
queue_find(Oid relid)
{
	return find_among(queue, relid);
}

int
queue_units(void)
{
	return queue ? queue->nunits : 0;
}

int
queue_length(void)
{
	return queue ? queue->ntables : 0;
}

ScheduledTable *
queue_get(int i)
{
	return &queue->tables[i];
}
