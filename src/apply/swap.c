/*-------------------------------------------------------------------------
 *
 * swap.c
 *	  Fill an empty stream table by a new heap.
 *
 * The table has no pages, so every snapshot, however old, sees it empty; the
 * rows of the new heap carry our transaction id, so after the swap those
 * snapshots still see it empty.  Readers are locked out only while files are
 * exchanged and indexes are built.
 *
 * Not under logical decoding: rows that go into a heap that is about to be
 * swapped in are not decoded, and a subscriber would miss them.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/cluster.h"
#include "commands/tablecmds.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "apply/apply_internal.h"

typedef struct ApplySwap
{
	Relation	heap;
	BulkInsertState bulk;
} ApplySwap;

bool
swap_possible(Relation st)
{
	return st->rd_rel->relkind == RELKIND_RELATION &&
		!statements_needed(st) &&
		!(XLogLogicalInfoActive() && RelationNeedsWAL(st));
}

void
swap_init(ApplyState *state)
{
	Form_pg_class form = state->st->rd_rel;
	Oid			heap;

	heap = make_new_heap(RelationGetRelid(state->st), form->reltablespace,
						 form->relam, form->relpersistence, RowExclusiveLock);
	state->swap = palloc0(sizeof(ApplySwap));
	state->swap->heap = table_open(heap, NoLock);
	state->swap->bulk = GetBulkInsertState();
}

void
swap_insert(ApplyState *state, TupleTableSlot **slots, int nslots)
{
	MemoryContext save = MemoryContextSwitchTo(state->row_context);

	table_multi_insert(state->swap->heap, slots, nslots,
					   GetCurrentCommandId(true), TABLE_INSERT_SKIP_FSM,
					   state->swap->bulk);
	MemoryContextSwitchTo(save);
}

void
swap_finish(ApplyState *state)
{
	Relation	st = state->st;
	Oid			relid = RelationGetRelid(st);
	char		persistence = st->rd_rel->relpersistence;
	Oid			heap = RelationGetRelid(state->swap->heap);

	FreeBulkInsertState(state->swap->bulk);
	table_finish_bulk_insert(state->swap->heap, TABLE_INSERT_SKIP_FSM);
	table_close(state->swap->heap, NoLock);

	LockRelationOid(relid, AccessExclusiveLock);
	CheckTableNotInUse(st, "refresh");
	if (RelationGetNumberOfBlocks(st) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("stream table \"%s\" was written to while it was filled",
						RelationGetRelationName(st)),
				 errhint("Refresh it again.")));
	pgstat_count_heap_insert(st, state->counts.inserted);
	table_close(st, NoLock);

	finish_heap_swap(relid, heap, false, false, true, true, RecentXmin,
					 ReadNextMultiXactId(), persistence);
}
