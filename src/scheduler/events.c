/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What a backend tells the scheduler: changes captured, transactions
 *	  prepared, stream tables altered, the extension created or dropped.
 *
 * Everything is told after the commit, when a snapshot that the worker takes
 * sees it.  Nothing here may raise an error, because the transaction is over.
 * A transaction that was prepared is over only at COMMIT PREPARED, which runs
 * none of our code: the worker looks for that by itself, see prepared.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "capture/capture.h"
#include "scheduler/scheduler.h"
#include "scheduler/shmem.h"

/* What this transaction did to the set of stream tables. */
typedef enum PendingChange
{
	CHANGE_NONE,
	CHANGE_POSSIBLE,			/* a table was dropped, maybe one of ours */
	CHANGE_MADE
} PendingChange;

static PendingChange pending_change = CHANGE_NONE;

static object_access_hook_type prev_object_access_hook = NULL;

/* Slot of this database if it has or awaits a worker. */
static DatabaseSlot *
slot_existing(void)
{
	DatabaseSlot *slot;

	LWLockAcquire(scheduler_shared->lock, LW_SHARED);
	slot = slot_find(MyDatabaseId);
	LWLockRelease(scheduler_shared->lock);
	return slot;
}

/* Slot of this database, asking for a worker if there is none; may be NULL. */
static DatabaseSlot *
slot_want(void)
{
	DatabaseSlot *slot;
	bool		wanted = false;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot = slot_find(MyDatabaseId);
	if (slot == NULL)
	{
		slot = slot_claim(MyDatabaseId, SLOT_WANTED);
		wanted = slot != NULL;
	}
	LWLockRelease(scheduler_shared->lock);

	if (wanted)
		launcher_wake();
	return slot;
}

/*
 * Slot of this database, remembered until slots change hands.  A stale answer
 * sets a bit too many in another database, or misses a worker that starts
 * afterwards and takes everything for changed anyway.
 */
static DatabaseSlot *
my_slot(void)
{
	static uint32 known_generation = 0;
	static DatabaseSlot *known = NULL;
	uint32		generation = pg_atomic_read_u32(&scheduler_shared->generation);

	if (generation != known_generation)
	{
		known = slot_want();
		known_generation = generation;
	}
	return known;
}

static void
source_changed(Oid source)
{
	DatabaseSlot *slot = my_slot();
	uint32		bit = change_bit(source);
	uint32		mask = (uint32) 1 << (bit % 32);
	pg_atomic_uint32 *word;

	if (slot == NULL)
		return;

	word = &slot->changed[bit / 32];

	/* see shmem.h: orders the commit before the look at the bit */
	pg_memory_barrier();
	if (pg_atomic_read_u32(word) & mask)
		return;
	if (pg_atomic_fetch_or_u32(word, mask) & mask)
		return;
	slot_wake(slot);
}

static void
transaction_prepared(void)
{
	DatabaseSlot *slot = my_slot();

	if (slot == NULL)
		return;
	pg_atomic_fetch_add_u32(&slot->prepares, 1);
	slot_wake(slot);
}

static void
stream_tables_changed(PendingChange change)
{
	DatabaseSlot *slot = change == CHANGE_MADE ? slot_want() : slot_existing();

	if (slot == NULL)
		return;
	pg_atomic_fetch_add_u32(&slot->catalog_changes, 1);
	slot_wake(slot);
}

static void
scheduler_xact_callback(XactEvent event, void *arg)
{
	PendingChange change = pending_change;

	if (change == CHANGE_NONE)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			pending_change = CHANGE_NONE;
			stream_tables_changed(change);
			break;
		case XACT_EVENT_PREPARE:
			pending_change = CHANGE_NONE;
			transaction_prepared();
			break;
		case XACT_EVENT_ABORT:
			pending_change = CHANGE_NONE;
			break;
		default:
			break;
	}
}

void
scheduler_notify_change(void)
{
	if (scheduler_shared)
		pending_change = CHANGE_MADE;
}

static bool
is_lasting_table(Oid relid)
{
	char		relkind = get_rel_relkind(relid);

	return (relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE) &&
		get_rel_persistence(relid) != RELPERSISTENCE_TEMP;
}

/* CREATE EXTENSION, DROP EXTENSION and DROP TABLE call no function of ours. */
static void
scheduler_object_access(ObjectAccessType access, Oid classId, Oid objectId,
						int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (classId == ExtensionRelationId &&
		(access == OAT_POST_CREATE || access == OAT_DROP))
		scheduler_notify_change();
	else if (classId == RelationRelationId && access == OAT_DROP && subId == 0 &&
			 pending_change == CHANGE_NONE && is_lasting_table(objectId))
		pending_change = CHANGE_POSSIBLE;
}

void
scheduler_events_init(void)
{
	RegisterXactCallback(scheduler_xact_callback, NULL);
	prev_object_access_hook = object_access_hook;
	object_access_hook = scheduler_object_access;
	capture_commit_hook = source_changed;
	capture_prepare_hook = transaction_prepared;
}
