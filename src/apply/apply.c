/*-------------------------------------------------------------------------
 *
 * apply.c
 *	  One apply from begin to end, and the direct path: changes through the
 *	  table's access method.
 *
 * Ordinary heap operations throughout, so that WAL, replica identity, logical
 * decoding and vacuum know nothing of us.  Deletes and updates happen at once,
 * inserts in batches.  If the table has unique indexes besides the one of its
 * identity, every insert waits until all deletes are done, and updates are
 * done as delete and insert: two rows may then exchange their values.
 *
 * An update stores the old datum wherever images are equal.  Values stored out
 * of line are then not written again, and index columns are the same byte for
 * byte, which keeps the update heap-only.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "apply/apply_internal.h"
#include "monitor/progress.h"

static ApplyState *
begin(Relation st, const Identity *identity, Snapshot snapshot, ApplyPath path)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_trickle apply",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext save = MemoryContextSwitchTo(context);
	ApplyState *state = palloc0(sizeof(ApplyState));
	TupleConstr *constr;

	state->context = context;
	state->row_context = AllocSetContextCreate(context, "pg_trickle apply row",
											   ALLOCSET_SMALL_SIZES);
	state->st = st;
	state->desc = RelationGetDescr(st);
	state->identity = identity;
	state->snapshot = snapshot;
	state->path = path;
	constr = state->desc->constr;
	state->check_row = constr && (constr->has_not_null || constr->num_check > 0);
	state->row = MakeSingleTupleTableSlot(state->desc, &TTSOpsVirtual);
	identity_init(state);
	if (path == APPLY_SWAP)
		swap_init(state);
	else
		lookup_init(state);
	if (path == APPLY_STATEMENTS)
		statements_init(state);
	state->capture = capture_applied_begin(st);
	MemoryContextSwitchTo(save);
	return state;
}

static ApplyPath
ordinary_path(Relation st)
{
	if (pgt_debug_apply == APPLY_PATH_SQL || statements_needed(st))
		return APPLY_STATEMENTS;
	return APPLY_DIRECT;
}

ApplyState *
apply_begin(Relation st, const Identity *identity, Snapshot snapshot)
{
	return begin(st, identity, snapshot, ordinary_path(st));
}

ApplyState *
apply_begin_swap(Relation st, const Identity *identity, Snapshot snapshot)
{
	ApplyState *state;

	state = begin(st, identity, snapshot,
				  swap_possible(st) && pgt_debug_apply != APPLY_PATH_SQL ?
				  APPLY_SWAP : ordinary_path(st));
	state->close_st = true;
	return state;
}

static void
open_result_rel(ApplyState *state)
{
	MemoryContext save;

	if (state->result_rel)
		return;
	save = MemoryContextSwitchTo(state->context);
	state->estate = CreateExecutorState();
	state->result_rel = makeNode(ResultRelInfo);
	InitResultRelInfo(state->result_rel, state->st, 0, NULL, 0);
	if (state->path == APPLY_DIRECT)
		ExecOpenIndices(state->result_rel, false);
	MemoryContextSwitchTo(save);
}

static void
close_result_rel(ApplyState *state)
{
	if (state->result_rel == NULL)
		return;
	if (state->path == APPLY_DIRECT)
		ExecCloseIndices(state->result_rel);
	FreeExecutorState(state->estate);
	state->result_rel = NULL;
}

static void
check_constraints(ApplyState *state, TupleTableSlot *slot)
{
	if (!state->check_row)
		return;
	open_result_rel(state);
	ExecConstraints(state->result_rel, slot, state->estate);
	ResetPerTupleExprContext(state->estate);
}

static void
check_outcome(ApplyState *state, TM_Result result)
{
	switch (result)
	{
		case TM_Ok:
			return;
		case TM_Updated:
		case TM_Deleted:
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access to stream table \"%s\" due to a concurrent change",
							RelationGetRelationName(state->st))));
			break;
		case TM_SelfModified:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a row of stream table \"%s\" would be changed twice by one refresh",
							RelationGetRelationName(state->st)),
					 errhint("Set its refresh mode to FULL, refresh it, and set the mode back.")));
			break;
		default:
			elog(ERROR, "unexpected result %d of changing a stream table", result);
	}
}

/* As a statement would be: a subscriber must be able to find the row. */
static void
check_replica_identity(ApplyState *state, CmdType command)
{
	bool	   *checked = command == CMD_UPDATE ? &state->may_update : &state->may_delete;

	if (!*checked)
		CheckCmdReplicaIdentity(state->st, command);
	*checked = true;
}

static void
direct_delete(ApplyState *state, ItemPointer tid)
{
	TM_FailureData failure;

	check_replica_identity(state, CMD_DELETE);
	check_outcome(state,
				  table_tuple_delete(state->st, tid, GetCurrentCommandId(true),
									 state->snapshot, InvalidSnapshot, true,
									 &failure, false));
}

/* state->row replaces the row at tid. */
static void
direct_replace(ApplyState *state, ItemPointer tid)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	TU_UpdateIndexes indexes;

	check_replica_identity(state, CMD_UPDATE);
	check_outcome(state,
				  table_tuple_update(state->st, tid, state->row,
									 GetCurrentCommandId(true),
									 state->snapshot, InvalidSnapshot, true,
									 &failure, &lockmode, &indexes));
	if (indexes == TU_None)
		return;
	open_result_rel(state);
	list_free(ExecInsertIndexTuples(state->result_rel, state->row, state->estate,
									true, false, NULL, NIL,
									indexes == TU_Summarizing));
	ResetPerTupleExprContext(state->estate);
}

static void
flush_batch(ApplyState *state)
{
	InsertBatch *batch = &state->batch;
	CommandId	cid = GetCurrentCommandId(true);

	if (batch->nrows == 0)
		return;
	if (state->path == APPLY_SWAP)
		swap_insert(state, batch->slots, batch->nrows);
	else
	{
		MemoryContext save = MemoryContextSwitchTo(state->row_context);

		if (batch->nrows == 1)
			table_tuple_insert(state->st, batch->slots[0], cid, 0, NULL);
		else
			table_multi_insert(state->st, batch->slots, batch->nrows, cid, 0, NULL);
		MemoryContextSwitchTo(save);

		open_result_rel(state);
		for (int i = 0; i < batch->nrows; i++)
		{
			list_free(ExecInsertIndexTuples(state->result_rel, batch->slots[i],
											state->estate, false, false, NULL,
											NIL, false));
			ResetPerTupleExprContext(state->estate);
		}
	}
	for (int i = 0; i < batch->nrows; i++)
		ExecClearTuple(batch->slots[i]);
	batch->nrows = 0;
	batch->bytes = 0;
}

static void
batch_add(ApplyState *state, TupleTableSlot *row)
{
	InsertBatch *batch = &state->batch;

	if (batch->nrows == batch->nslots)
	{
		MemoryContext save = MemoryContextSwitchTo(state->context);

		/* A copy is not reference-counted, which would cost for each slot. */
		if (batch->desc == NULL)
			batch->desc = CreateTupleDescCopy(state->desc);
		batch->slots[batch->nslots++] =
			MakeSingleTupleTableSlot(batch->desc, table_slot_callbacks(state->st));
		MemoryContextSwitchTo(save);
	}
	batch->bytes += heap_compute_data_size(state->desc, row->tts_values,
										   row->tts_isnull);
	ExecCopySlot(batch->slots[batch->nrows++], row);
	if (batch->nrows == INSERT_BATCH_ROWS || batch->bytes >= INSERT_BATCH_BYTES)
		flush_batch(state);
}

static void
late_insert_add(ApplyState *state, TupleTableSlot *row)
{
	if (state->late_inserts == NULL)
	{
		MemoryContext save = MemoryContextSwitchTo(state->context);

		state->late_inserts = tuplestore_begin_heap(false, false, work_mem);
		MemoryContextSwitchTo(save);
	}
	tuplestore_puttupleslot(state->late_inserts, row);
}

void
apply_flush_inserts(ApplyState *state)
{
	if (state->late_inserts)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(state->desc,
														&TTSOpsMinimalTuple);

		while (tuplestore_gettupleslot(state->late_inserts, true, false, slot))
		{
			slot_getallattrs(slot);
			batch_add(state, slot);
		}
		ExecDropSingleTupleTableSlot(slot);
		tuplestore_end(state->late_inserts);
		state->late_inserts = NULL;
	}
	flush_batch(state);
}

/* Fill state->row: dropped columns are NULL, the row id is ours. */
static void
row_store(ApplyState *state, const Datum *values, const bool *isnull)
{
	TupleTableSlot *row = state->row;
	int			row_id = state->identity->row_id - 1;

	ExecClearTuple(row);
	memset(row->tts_isnull, true, sizeof(bool) * state->desc->natts);
	for (int i = 0; i < state->nimage; i++)
	{
		int			n = state->image[i];

		row->tts_values[n] = values[n];
		row->tts_isnull[n] = isnull[n];
	}
	if (row_id >= 0)
	{
		row->tts_values[row_id] =
			Int64GetDatum(identity_row_id(state, row->tts_values,
										  row->tts_isnull));
		row->tts_isnull[row_id] = false;
	}
	ExecStoreVirtualTuple(row);
}

/*
 * Fill state->row with the new image, made of old datums where they are
 * equal.  Returns false if all are.
 */
static bool
row_merge(ApplyState *state, const Datum *old_values, const bool *old_isnull,
		  const Datum *new_values, const bool *new_isnull)
{
	bool		changed = false;

	row_store(state, new_values, new_isnull);
	for (int i = 0; i < state->nimage; i++)
	{
		int			n = state->image[i];
		Form_pg_attribute att = TupleDescAttr(state->desc, n);

		if (old_isnull[n] && new_isnull[n])
			continue;
		if (old_isnull[n] == new_isnull[n] &&
			image_datum_equal(old_values[n], new_values[n], att->attbyval,
							  att->attlen))
			state->row->tts_values[n] = old_values[n];
		else
			changed = true;
	}
	return changed;
}

void
apply_observe(ApplyState *state, ApplyObserver observer, void *arg)
{
	state->observer = observer;
	state->observer_arg = arg;
}

void
apply_row_delete(ApplyState *state, Oid relid, ItemPointer tid,
				 const Datum *values, const bool *isnull)
{
	state->counts.deleted++;
	progress_row_written();
	if (state->capture)
		capture_rows_add(state->capture, -1, values, isnull);
	if (state->observer)
		state->observer(-1, values, isnull, state->observer_arg);
	if (state->path == APPLY_STATEMENTS)
		statements_delete(state, relid, tid);
	else
		direct_delete(state, tid);
}

void
apply_row_insert(ApplyState *state, const Datum *values, const bool *isnull)
{
	MemoryContext save = MemoryContextSwitchTo(state->row_context);

	row_store(state, values, isnull);
	state->counts.inserted++;
	progress_row_written();
	if (state->capture)
		capture_rows_add(state->capture, 1, state->row->tts_values,
						 state->row->tts_isnull);
	if (state->observer)
		state->observer(1, state->row->tts_values, state->row->tts_isnull,
						state->observer_arg);
	if (state->path == APPLY_STATEMENTS)
		statements_insert(state);
	else
	{
		check_constraints(state, state->row);
		if (state->other_unique)
			late_insert_add(state, state->row);
		else
			batch_add(state, state->row);
	}
	ExecClearTuple(state->row);
	MemoryContextSwitchTo(save);
	MemoryContextReset(state->row_context);
}

static void
direct_update(ApplyState *state, ItemPointer tid)
{
	check_constraints(state, state->row);
	if (!state->other_unique)
		direct_replace(state, tid);
	else
	{
		direct_delete(state, tid);
		late_insert_add(state, state->row);
	}
}

void
apply_row_update(ApplyState *state, Oid relid, ItemPointer tid,
				 const Datum *old_values, const bool *old_isnull,
				 const Datum *new_values, const bool *new_isnull)
{
	MemoryContext save = MemoryContextSwitchTo(state->row_context);

	if (row_merge(state, old_values, old_isnull, new_values, new_isnull))
	{
		state->counts.updated++;
		progress_row_written();
		if (state->capture)
			capture_rows_update(state->capture, old_values, old_isnull,
								state->row->tts_values, state->row->tts_isnull);
		if (state->observer)
		{
			state->observer(-1, old_values, old_isnull, state->observer_arg);
			state->observer(1, state->row->tts_values, state->row->tts_isnull,
							state->observer_arg);
		}
		if (state->path == APPLY_STATEMENTS)
			statements_update(state, relid, tid);
		else
			direct_update(state, tid);
	}
	ExecClearTuple(state->row);
	MemoryContextSwitchTo(save);
	MemoryContextReset(state->row_context);
}

void
apply_delete(ApplyState *state, TupleTableSlot *old)
{
	slot_getallattrs(old);
	apply_row_delete(state, old->tts_tableOid, &old->tts_tid,
					 old->tts_values, old->tts_isnull);
}

void
apply_update(ApplyState *state, TupleTableSlot *old, TupleTableSlot *new)
{
	slot_getallattrs(old);
	slot_getallattrs(new);
	apply_row_update(state, old->tts_tableOid, &old->tts_tid,
					 old->tts_values, old->tts_isnull,
					 new->tts_values, new->tts_isnull);
}

void
apply_insert(ApplyState *state, TupleTableSlot *new)
{
	slot_getallattrs(new);
	apply_row_insert(state, new->tts_values, new->tts_isnull);
}

void
apply_end(ApplyState *state, ApplyCounts *counts)
{
	Relation	st = state->st;
	bool		close_st = state->close_st;

	apply_images_done(state);
	if (state->path == APPLY_STATEMENTS)
		statements_run(state);
	else
		apply_flush_inserts(state);
	for (int i = 0; i < state->batch.nslots; i++)
		ExecDropSingleTupleTableSlot(state->batch.slots[i]);
	ExecDropSingleTupleTableSlot(state->row);
	if (state->capture)
		capture_rows_end(state->capture);
	close_result_rel(state);
	lookup_end(state);

	if (state->path == APPLY_SWAP)
		swap_finish(state);
	else if (close_st)
		table_close(st, NoLock);

	counts->inserted += state->counts.inserted;
	counts->updated += state->counts.updated;
	counts->deleted += state->counts.deleted;
	MemoryContextDelete(state->context);
}
