/*-------------------------------------------------------------------------
 *
 * events.c
 *	  What a backend tells the scheduler: changes captured, transactions
 *	  prepared, stream tables altered, what their queries stand on altered, the
 *	  extension created or dropped.
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
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
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

/* Has this transaction altered what a query may stand on? */
static bool pending_definitions = false;

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

/* Nobody is woken: this is looked at once a minute. */
static void
definitions_changed(void)
{
	DatabaseSlot *slot = slot_existing();

	if (slot != NULL)
		pg_atomic_fetch_add_u32(&slot->definitions, 1);
}

static void
scheduler_xact_callback(XactEvent event, void *arg)
{
	PendingChange change = pending_change;
	bool		definitions = pending_definitions;

	if (change == CHANGE_NONE && !definitions)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			pending_change = CHANGE_NONE;
			pending_definitions = false;
			if (definitions)
				definitions_changed();
			if (change != CHANGE_NONE)
				stream_tables_changed(change);
			break;
		case XACT_EVENT_PREPARE:
			pending_change = CHANGE_NONE;
			pending_definitions = false;
			transaction_prepared();
			break;
		case XACT_EVENT_ABORT:
			pending_change = CHANGE_NONE;
			pending_definitions = false;
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

/*
 * Can this give a query another result although no row is written?  Partitions
 * and children come and go with rows; functions, views and policies are replaced;
 * triggers are enabled again.  What replaces files, such as REFRESH MATERIALIZED
 * VIEW, alters two tables internally, and drops one.
 */
static bool
may_change_results(ObjectAccessType access, Oid classId, Oid objectId, void *arg)
{
	switch (classId)
	{
		case RelationRelationId:
			if (access == OAT_DROP)
				return is_lasting_table(objectId) && has_superclass(objectId);
			return access == OAT_POST_ALTER && is_lasting_table(objectId) &&
				!(arg != NULL && ((ObjectAccessPostAlter *) arg)->is_internal);
		case InheritsRelationId:
			return is_lasting_table(objectId);
		case PolicyRelationId:
		case ProcedureRelationId:
		case RewriteRelationId:
		case TriggerRelationId:
			return true;
		default:
			return false;
	}
}

/* CREATE EXTENSION, DROP EXTENSION and DDL call no function of ours. */
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
	if (!pending_definitions &&
		(access == OAT_POST_ALTER || access == OAT_POST_CREATE || access == OAT_DROP))
		pending_definitions = may_change_results(access, classId, objectId, arg);
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
