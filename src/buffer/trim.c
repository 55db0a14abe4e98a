/*-------------------------------------------------------------------------
 *
 * trim.c
 *	  Remove from a buffer what every consumer has consumed.
 *
 * Under AccessExclusiveLock no writer and no refresh is open: every row in the
 * buffer is committed or dead (or our own), and the frontiers that are visible
 * now are final.  If no row is new to any of them, the buffer is emptied.
 * Else, if the rows that anybody can still want begin behind its middle, they
 * are moved to a new file, with the xid and part that they have.
 *
 * Everything is first looked at under AccessShareLock, so that the strong lock
 * is asked for only if it pays, and held over the tail of the buffer only.
 *
 * Consumers that are to be recomputed do not hold rows back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/tablecmds.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "buffer/buffer.h"
#include "buffer/buffer_append.h"
#include "buffer/floor.h"
#include "buffer/scan.h"
#include "buffer/superuser.h"
#include "capture/capture.h"
#include "catalog/catalog.h"

/*
 * A smaller buffer is cheaper to leave than to empty: a new file takes some
 * tenths of a millisecond, whatever its size, while what was consumed is
 * looked at once in each backend.
 */
#define MIN_TRIM_BLOCKS		64

/* Fewer consumed blocks are not worth moving the others. */
#define MIN_MOVE_BLOCKS		128

typedef enum TrimAction
{
	TRIM_NOTHING,
	TRIM_EMPTY,
	TRIM_MOVE
} TrimAction;

/* Frontiers (SourceFrontier *) that rows of this source may be new to. */
static List *
consumer_frontiers(const SourceIdentifier *source)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, dependency_consumers(source->oid))
	{
		StreamTable *st = stream_table_read(lfirst_oid(lc), NULL);
		const SourceFrontier *f;

		if (st == NULL || !st->is_populated || st->needs_reinit ||
			st->frontier == NULL || !frontier_is_local(st->frontier))
			continue;
		f = frontier_lookup(st->frontier, source);
		if (f)
			result = lappend(result, unconstify(SourceFrontier *, f));
	}
	return result;
}

static bool
is_wanted(List *frontiers, HeapTuple tuple)
{
	ListCell   *lc;

	foreach(lc, frontiers)
		if (buffer_tuple_is_new(tuple, lfirst(lc)))
			return true;
	return false;
}

static bool
anything_wanted(Relation rel, List *frontiers, Snapshot snapshot)
{
	ListCell   *lc;

	foreach(lc, frontiers)
		if (buffer_has_changes(rel, lfirst(lc), snapshot))
			return true;
	return false;
}

/* Where the first of their windows begins; there is at least one. */
static BlockNumber
first_start(Relation rel, List *frontiers)
{
	BlockNumber result = InvalidBlockNumber;
	ListCell   *lc;

	foreach(lc, frontiers)
		result = Min(result, floor_start(rel, lfirst(lc)));
	return result;
}

static TrimAction
choose_action(Relation rel, List *frontiers, Snapshot snapshot)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	BlockNumber start;

	if (nblocks < MIN_TRIM_BLOCKS)
		return TRIM_NOTHING;
	if (!anything_wanted(rel, frontiers, snapshot))
		return TRIM_EMPTY;
	start = first_start(rel, frontiers);
	if (start >= MIN_MOVE_BLOCKS && start > nblocks / 2)
		return TRIM_MOVE;
	return TRIM_NOTHING;
}

/*
 * Wait in the queue, because under steady load there may be no moment without
 * an open writer.  New writers wait behind us meanwhile, so it must be short.
 * What the timeout raises must not reach the caller's transaction.
 */
static bool
lock_within(Oid relid, int wait_ms)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			save_timeout = LockTimeout;
	volatile bool locked = false;

	if (ConditionalLockRelationOid(relid, AccessExclusiveLock))
		return true;
	if (wait_ms <= 0)
		return false;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		LockTimeout = wait_ms;
		LockRelationOid(relid, AccessExclusiveLock);
		LockTimeout = save_timeout;
		ReleaseCurrentSubTransaction();
		locked = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		LockTimeout = save_timeout;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return locked;
}

/* Rows that somebody wants, without pointers into the file that goes. */
static Tuplestorestate *
collect_wanted(Relation rel, List *frontiers, Snapshot snapshot)
{
	Tuplestorestate *store = tuplestore_begin_heap(false, false, work_mem);
	TableScanDesc scan = buffer_scan_from(rel, first_start(rel, frontiers), snapshot);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		if (!is_wanted(frontiers, tuple))
			continue;
		if (HeapTupleHasExternal(tuple))
			ExecStoreHeapTuple(toast_flatten_tuple(tuple, RelationGetDescr(rel)), slot, true);
		else
			ExecStoreHeapTuple(tuple, slot, false);
		tuplestore_puttupleslot(store, slot);
		ExecClearTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return store;
}

void
buffer_empty(const SourceIdentifier *source)
{
	TruncateStmt *stmt = makeNode(TruncateStmt);
	SuperuserContext ctx;

	stmt->relations = list_make1(makeRangeVar(PGT_CHANGES_SCHEMA,
											  pstrdup(source_object_name(SOURCE_OBJECT_BUFFER, source)),
											  -1));
	stmt->behavior = DROP_RESTRICT;
	superuser_enter(&ctx);
	ExecuteTruncate(stmt);
	CommandCounterIncrement();
	superuser_leave(&ctx);
}

static void
put_back(Oid buffer, Tuplestorestate *store)
{
	Relation	rel = table_open(buffer, NoLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	CommandId	cid = GetCurrentCommandId(true);

	(void) GetTopTransactionId();
	buffer_append_begin(rel);
	while (tuplestore_gettupleslot(store, true, false, slot))
	{
		HeapTuple	tuple = ExecCopySlotHeapTuple(slot);

		buffer_append_one(rel, tuple, cid);
		heap_freetuple(tuple);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(store);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* What would be done now?  The caller holds some lock on the buffer. */
static TrimAction
examine(const SourceIdentifier *source, Oid buffer, Tuplestorestate **wanted)
{
	Relation	rel = try_table_open(buffer, NoLock);
	Snapshot	snapshot;
	List	   *frontiers;
	TrimAction	action;

	if (rel == NULL)
		return TRIM_NOTHING;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	frontiers = consumer_frontiers(source);
	action = choose_action(rel, frontiers, snapshot);
	if (action == TRIM_MOVE && wanted)
		*wanted = collect_wanted(rel, frontiers, snapshot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return action;
}

bool
buffer_trim(const SourceIdentifier *source, int wait_ms)
{
	Oid			buffer = buffer_relid(source);
	Tuplestorestate *wanted = NULL;
	TrimAction	action;

	if (!OidIsValid(buffer) || !ConditionalLockRelationOid(buffer, AccessShareLock))
		return false;
	action = examine(source, buffer, NULL);
	UnlockRelationOid(buffer, AccessShareLock);

	if (action == TRIM_NOTHING || !lock_within(buffer, wait_ms))
		return false;
	action = examine(source, buffer, &wanted);
	if (action == TRIM_NOTHING)
	{
		UnlockRelationOid(buffer, AccessExclusiveLock);
		return false;
	}
	buffer_empty(source);
	if (action == TRIM_MOVE)
		put_back(buffer, wanted);
	return true;
}
