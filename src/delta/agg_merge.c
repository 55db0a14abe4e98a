/*-------------------------------------------------------------------------
 *
 * agg_merge.c
 *	  Merge the change of each touched group into its stored state.
 *
 * Counts and sums:  new = stored + d.
 *
 * Minimum (maximum is its mirror image).  Let m be the stored minimum, p the
 * least value among rows that came, q the least among rows that went, rows
 * counted before netting.  Put c = least(m, p).
 *
 *		If no row went, or q > c:	the new minimum is c.
 *		Otherwise:					the group is computed afresh.
 *
 * Proof of the first line: nothing below c was stored (c <= m) and nothing
 * below c came (c <= p), so nothing below c is there now.  Nothing equal to c
 * went (q > c), and c was stored or came, so c is there now.
 *
 * A column that the group keys determine is part of the key (see analyze.c).
 * If equal values of its type can be spelled differently, 1.0 and 1.00, its
 * spelling is determined too, but a delta grouped by equality has lost it:
 * such groups are computed afresh.  A key of GROUP BY itself has no determined
 * spelling; it keeps the one that was stored first.
 *
 * A group is also computed afresh when it holds a value that cannot be undone:
 * an aggregate without a rule, or a sum that is or was NaN or infinite (a finite
 * sum plus such a value cannot be told from it).  Computing afresh means the
 * query itself, restricted to the keys of those groups.
 *
 * HAVING h.  With G the groups before and G' after, and D the groups that the
 * delta names:
 *
 *		sigma_h(G') = sigma_h(G) - D  +  sigma_h(G' | D)
 *
 * because a group outside of D is the same in G and G'.  Stored is sigma_h(G),
 * so of the second term
 *
 *		a group that is stored has its state: it is merged, and tested;
 *		a group that is not was rejected before or did not exist, which is not
 *		known, and so its state is not: it is computed afresh, and tested.
 *
 * The test sees the merged or computed state, by which the outputs are formed
 * too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/queryenvironment.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* Keys of groups to be computed afresh, those with the same NULLs together. */
typedef struct AffectedGroups
{
	uint64		null_keys;
	Tuplestorestate *keys;		/* ord, keys */
	int			count;
	bool	   *seen;			/* per ord: the query still has it */
} AffectedGroups;

typedef struct MergeRun
{
	DeltaProgram *program;
	ApplyState *apply;
	ExprContext *econtext;
	TupleTableSlot *old;		/* stored row */
	TupleTableSlot *new;		/* row to store */
	Datum	   *state;			/* of the group at hand */
	bool	   *state_null;
	TupleDesc	affected_desc;
	List	   *affected;		/* of AffectedGroups */
	AffectedGroups *current;
	bool		full;			/* feed images of the whole result */
} MergeRun;

static void
prepare_outputs(DeltaProgram *program)
{
	QueryTree  *tree = program->tree;
	ExprState **outputs;
	MemoryContext old;
	int			i = 0;
	ListCell   *lc;

	if (program->outputs != NULL)
		return;

	old = MemoryContextSwitchTo(program->context);
	program->final_desc = CreateTemplateTupleDesc(tree->nkeys + list_length(tree->calls));
	foreach(lc, tree->keytypes)
	{
		OutputColumn *key = lfirst(lc);

		i++;
		TupleDescInitEntry(program->final_desc, i, NULL, key->type, key->typmod, 0);
		TupleDescInitEntryCollation(program->final_desc, i, key->collation);
	}
	foreach(lc, tree->calls)
	{
		AggregateCall *call = lfirst(lc);

		i++;
		TupleDescInitEntry(program->final_desc, i, NULL, call->resulttype,
						   call->resulttypmod, 0);
		TupleDescInitEntryCollation(program->final_desc, i, call->resultcollid);
	}
	program->final_slot = MakeSingleTupleTableSlot(program->final_desc, &TTSOpsVirtual);
	outputs = palloc0(sizeof(ExprState *) * list_length(tree->outputs));
	i = 0;
	foreach(lc, tree->outputs)
	{
		Expr	   *expr = copyObject(((OutputColumn *) lfirst(lc))->expr);

		outputs[i++] = ExecInitExpr(expression_planner(expr), NULL);
	}
	if (tree->having != NULL)
		program->having =
			ExecInitQual(make_ands_implicit(expression_planner(copyObject(tree->having))),
						 NULL);
	program->outputs = outputs;
	MemoryContextSwitchTo(old);
}

static MergeRun *
merge_begin(DeltaProgram *program, Relation st, ApplyState *apply)
{
	MergeRun   *run = palloc0(sizeof(MergeRun));
	int			i = 1;
	ListCell   *lc;

	prepare_outputs(program);
	run->program = program;
	run->apply = apply;
	run->econtext = CreateStandaloneExprContext();
	/* what an expression makes once and keeps must live as long as itself */
	run->econtext->ecxt_per_query_memory = program->context;
	run->econtext->ecxt_outertuple = program->final_slot;
	run->old = table_slot_create(st, NULL);
	run->new = MakeSingleTupleTableSlot(RelationGetDescr(st), &TTSOpsVirtual);
	run->state = palloc0(sizeof(Datum) * program->nstates);
	run->state_null = palloc0(sizeof(bool) * program->nstates);

	run->affected_desc = CreateTemplateTupleDesc(program->tree->nkeys + 1);
	TupleDescInitEntry(run->affected_desc, 1, "ord", INT4OID, -1, 0);
	foreach(lc, program->tree->keytypes)
	{
		OutputColumn *key = lfirst(lc);
		char		name[NAMEDATALEN];

		snprintf(name, sizeof(name), "c%d", i++);
		TupleDescInitEntry(run->affected_desc, i, name, key->type, key->typmod, 0);
		TupleDescInitEntryCollation(run->affected_desc, i, key->collation);
	}
	return run;
}

static void
merge_end(MergeRun *run)
{
	ExecDropSingleTupleTableSlot(run->old);
	ExecDropSingleTupleTableSlot(run->new);
	FreeExprContext(run->econtext, true);
}

static void
corrupted(const MergeRun *run, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the stored state of a group does not fit its changes"),
			 errdetail("%s", what),
			 errhint("The stream table was changed behind pg_trickle's back, or this is a bug; pgtrickle.alter_stream_table() with its own query rebuilds it.")));
}

/* ---- values of the query from the state of a group ---- */

static Datum
average(const MergeRun *run, const AggregateCall *call, const int *states)
{
	Datum		sum = run->state[states[0]];
	int64		count = DatumGetInt64(run->state[states[1]]);

	if (call->argtype == INTERVALOID)
		return DirectFunctionCall2(interval_div, sum,
								   Float8GetDatum((float8) count));
	if (run->program->states[states[0]].type == INT8OID)
		sum = DirectFunctionCall1(int8_numeric, sum);
	return DirectFunctionCall2(numeric_div, sum,
							   DirectFunctionCall1(int8_numeric, Int64GetDatum(count)));
}

/* Is the second state of the call the number of its values? */
static bool
has_nonnull(const AggregateCall *call)
{
	return call->kind == AGGREGATE_SUM || call->kind == AGGREGATE_AVG ||
		call->kind == AGGREGATE_BOOL_AND || call->kind == AGGREGATE_BOOL_OR;
}

static Datum
call_value(const MergeRun *run, int position, bool *isnull)
{
	const AggregateCall *call = list_nth(run->program->tree->calls, position);
	const int  *states = run->program->call_states[position];

	*isnull = false;
	if (has_nonnull(call))
	{
		if (DatumGetInt64(run->state[states[1]]) == 0)
		{
			*isnull = true;
			return (Datum) 0;
		}
		if (call->kind == AGGREGATE_AVG)
			return average(run, call, states);
		if (call->kind == AGGREGATE_BOOL_AND)
			return BoolGetDatum(DatumGetInt64(run->state[states[0]]) ==
								DatumGetInt64(run->state[states[1]]));
		if (call->kind == AGGREGATE_BOOL_OR)
			return BoolGetDatum(DatumGetInt64(run->state[states[0]]) > 0);
	}
	*isnull = run->state_null[states[0]];
	return run->state[states[0]];
}

/*
 * Form the row to store from the keys and the state at hand.  It lives until
 * the per-tuple memory of the run's expression context is reset.  False if
 * HAVING rejects the group.
 */
static bool
form_row(MergeRun *run, const Datum *keys, const bool *keys_null)
{
	DeltaProgram *program = run->program;
	int			nkeys = program->tree->nkeys;
	int			ncalls = list_length(program->tree->calls);
	int			noutputs = list_length(program->tree->outputs);
	TupleTableSlot *final = program->final_slot;
	TupleTableSlot *new = run->new;
	bool		holds;
	MemoryContext old = MemoryContextSwitchTo(run->econtext->ecxt_per_tuple_memory);

	ExecClearTuple(final);
	for (int key = 0; key < nkeys; key++)
	{
		final->tts_values[key] = keys[key];
		final->tts_isnull[key] = keys_null[key];
	}
	for (int call = 0; call < ncalls; call++)
		final->tts_values[nkeys + call] =
			call_value(run, call, &final->tts_isnull[nkeys + call]);
	ExecStoreVirtualTuple(final);
	holds = ExecQual(program->having, run->econtext);

	ExecClearTuple(new);
	memset(new->tts_isnull, true, sizeof(bool) * new->tts_tupleDescriptor->natts);
	for (int i = 0; i < nkeys; i++)
	{
		int			n = program->attnos[program->key_attnos[i] - 1] - 1;

		new->tts_values[n] = keys[i];
		new->tts_isnull[n] = keys_null[i];
	}
	for (int i = 0; i < program->nstates; i++)
	{
		int			n = program->attnos[program->states[i].attno - 1] - 1;

		new->tts_values[n] = run->state[i];
		new->tts_isnull[n] = run->state_null[i];
	}
	/* last, because a visible column may stand in for a state */
	for (int i = 0; i < noutputs && holds; i++)
	{
		int			n = program->attnos[i] - 1;

		new->tts_values[n] = ExecEvalExpr(program->outputs[i], run->econtext,
										  &new->tts_isnull[n]);
	}
	ExecStoreVirtualTuple(new);
	MemoryContextSwitchTo(old);
	return holds;
}

/* ---- merging ---- */

static void
load_state(MergeRun *run, bool found)
{
	for (int i = 0; i < run->program->nstates; i++)
	{
		const StateColumn *state = &run->program->states[i];

		if (found)
			run->state[i] = slot_getattr(run->old, run->program->attnos[state->attno - 1],
										 &run->state_null[i]);
		else
		{
			run->state[i] = (Datum) 0;
			run->state_null[i] = state->kind != STATE_ROWS &&
				state->kind != STATE_NONNULL && state->kind != STATE_TRUE;
		}
	}
}

static bool
sum_is_finite(Oid type, Datum value)
{
	if (type == NUMERICOID)
		return !numeric_is_nan(DatumGetNumeric(value)) &&
			!numeric_is_inf(DatumGetNumeric(value));
	if (type == INTERVALOID)
		return pgt_interval_is_finite(DatumGetIntervalP(value));
	return true;
}

static Datum
sum_add(Oid type, Datum a, Datum b)
{
	switch (type)
	{
		case INT8OID:
			return DirectFunctionCall2(int8pl, a, b);
		case NUMERICOID:
			return DirectFunctionCall2(numeric_add, a, b);
		case INTERVALOID:
			return DirectFunctionCall2(interval_pl, a, b);
		case CASHOID:
			return DirectFunctionCall2(cash_pl, a, b);
	}
	elog(ERROR, "no addition for type %u", type);
}

/* Add to a sum; a NULL stands for zero on either side.  False: recompute. */
static bool
merge_sum(MergeRun *run, int i, Datum delta, bool delta_null)
{
	Oid			type = run->program->states[i].type;

	if (!run->state_null[i] && !sum_is_finite(type, run->state[i]))
		return false;
	if (delta_null)
		return true;
	if (!sum_is_finite(type, delta))
		return false;
	run->state[i] = run->state_null[i] ? delta :
		sum_add(type, run->state[i], delta);
	run->state_null[i] = false;
	return true;
}

static bool
merge_interval_sum(MergeRun *run, int i, TupleTableSlot *slot, int column)
{
	bool		came_null,
				went_null,
				isnull;
	Datum		came = slot_getattr(slot, column, &came_null);
	Datum		went = slot_getattr(slot, column + 1, &went_null);

	if (DatumGetInt64(slot_getattr(slot, column + 2, &isnull)) != 0)
		return false;
	if (!went_null)
		went = DirectFunctionCall1(interval_um, went);
	return merge_sum(run, i, came, came_null) &&
		merge_sum(run, i, went, went_null);
}

/* Negative if a is the better extreme. */
static int
compare_extreme(const StateColumn *state, Datum a, Datum b)
{
	TypeCacheEntry *type = lookup_type_cache(state->call->argtype,
											 TYPECACHE_CMP_PROC_FINFO);
	int			cmp = DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo,
													  state->call->aggref->inputcollid,
													  a, b));

	return state->kind == STATE_MIN ? cmp : (cmp < 0) - (cmp > 0);
}

static bool
merge_extreme(MergeRun *run, int i, TupleTableSlot *slot, int column)
{
	const StateColumn *state = &run->program->states[i];
	bool		came_null,
				went_null;
	Datum		came = slot_getattr(slot, column, &came_null);
	Datum		went = slot_getattr(slot, column + 1, &went_null);

	if (!came_null &&
		(run->state_null[i] || compare_extreme(state, came, run->state[i]) < 0))
	{
		run->state[i] = came;
		run->state_null[i] = false;
	}
	return went_null ||
		(!run->state_null[i] && compare_extreme(state, went, run->state[i]) > 0);
}

/*
 * Give each sum the decimal places of its longest value; what is cut off are
 * zeros.
 */
static void
trim_scales(MergeRun *run)
{
	for (int i = 0; i < run->program->nstates; i++)
	{
		int			scales = run->program->states[i].scales;
		int			scale = 0;

		if (scales < 0 || run->state_null[i])
			continue;
		if (!run->state_null[scales])
			scale = scale_of_units(DatumGetNumeric(run->state[scales]));
		run->state[i] = DirectFunctionCall2(numeric_round, run->state[i],
											Int32GetDatum(scale));
	}
}

/* Merge a row of the delta into the state at hand.  False: recompute. */
static bool
merge_delta(MergeRun *run, TupleTableSlot *slot)
{
	int			column = run->program->tree->nkeys + 1;

	/* the number of rows is first, and is merged whatever else happens */
	for (int i = 0; i < run->program->nstates; i++)
	{
		bool		isnull;
		Datum		delta;

		switch (run->program->states[i].kind)
		{
			case STATE_ROWS:
			case STATE_NONNULL:
			case STATE_TRUE:
				delta = slot_getattr(slot, column++, &isnull);
				if (!isnull)
					run->state[i] = DirectFunctionCall2(int8pl, run->state[i], delta);
				if (DatumGetInt64(run->state[i]) < 0)
					corrupted(run, "A group would have a negative number of rows.");
				break;
			case STATE_SUM:
				if (run->program->states[i].type == INTERVALOID)
				{
					if (!merge_interval_sum(run, i, slot, column))
						return false;
					column += 3;
					break;
				}
				delta = slot_getattr(slot, column++, &isnull);
				if (!merge_sum(run, i, delta, isnull))
					return false;
				break;
			case STATE_SCALES:
				delta = slot_getattr(slot, column++, &isnull);
				if (!merge_sum(run, i, delta, isnull))
					return false;
				break;
			case STATE_MIN:
			case STATE_MAX:
				if (!merge_extreme(run, i, slot, column))
					return false;
				column += 2;
				break;
			case STATE_VALUE:
				return false;
		}
	}
	trim_scales(run);
	return run->program->fresh_keys == 0;
}

/* Remember a group that must be computed afresh. */
static void
add_affected(MergeRun *run, const Datum *keys, const bool *keys_null)
{
	int			nkeys = run->program->tree->nkeys;
	Datum	   *values = palloc(sizeof(Datum) * (nkeys + 1));
	bool	   *isnull = palloc(sizeof(bool) * (nkeys + 1));
	AffectedGroups *groups = NULL;
	uint64		null_keys = 0;
	ListCell   *lc;

	for (int key = 0; key < nkeys; key++)
		if (keys_null[key])
			null_keys |= UINT64CONST(1) << key;
	foreach(lc, run->affected)
		if (((AffectedGroups *) lfirst(lc))->null_keys == null_keys)
			groups = lfirst(lc);
	if (groups == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(run));

		groups = palloc0(sizeof(AffectedGroups));
		groups->null_keys = null_keys;
		groups->keys = tuplestore_begin_heap(true, false, work_mem);
		run->affected = lappend(run->affected, groups);
		MemoryContextSwitchTo(old);
	}

	values[0] = Int32GetDatum(groups->count++);
	isnull[0] = false;
	memcpy(values + 1, keys, sizeof(Datum) * nkeys);
	memcpy(isnull + 1, keys_null, sizeof(bool) * nkeys);
	tuplestore_putvalues(groups->keys, run->affected_desc, values, isnull);
	pfree(values);
	pfree(isnull);
}

/* Store the state at hand for a group. */
static void
store_group(MergeRun *run, bool found, Datum *keys, bool *keys_null)
{
	DeltaProgram *program = run->program;
	int			nkeys = program->tree->nkeys;

	if (DatumGetInt64(run->state[0]) == 0 && nkeys > 0)
	{
		if (found)
			apply_delete(run->apply, run->old);
		return;
	}
	/* the stored spelling of equal keys stays, unless it is determined */
	for (int key = 0; found && key < nkeys; key++)
		if ((program->fresh_keys & (UINT64CONST(1) << key)) == 0)
			keys[key] = slot_getattr(run->old, program->attnos[program->key_attnos[key] - 1],
									 &keys_null[key]);
	if (!form_row(run, keys, keys_null))
	{
		if (found)
			apply_delete(run->apply, run->old);
	}
	else if (found)
		apply_update(run->apply, run->old, run->new);
	else
		apply_insert(run->apply, run->new);
}

static void
get_keys(const MergeRun *run, TupleTableSlot *slot, int first,
		 Datum *keys, bool *keys_null)
{
	slot_getallattrs(slot);
	for (int key = 0; key < run->program->tree->nkeys; key++)
	{
		keys[key] = slot->tts_values[first + key];
		keys_null[key] = slot->tts_isnull[first + key];
	}
}

/* A row of the delta: keys, change of n, changes of states. */
static void
receive_delta(TupleTableSlot *slot, void *arg)
{
	MergeRun   *run = arg;
	MemoryContext per_tuple = run->econtext->ecxt_per_tuple_memory;
	MemoryContext old = MemoryContextSwitchTo(per_tuple);
	int			nkeys = run->program->tree->nkeys;
	Datum	   *keys = palloc(sizeof(Datum) * (nkeys + 1));
	bool	   *keys_null = palloc(sizeof(bool) * (nkeys + 1));
	bool		found;

	get_keys(run, slot, 0, keys, keys_null);
	found = apply_find(run->apply, keys, keys_null, run->old);
	if (!found && nkeys == 0)
		corrupted(run, "The row of an aggregate without GROUP BY is gone.");
	load_state(run, found);
	if (!found && run->program->having != NULL)
		add_affected(run, keys, keys_null);
	else if (merge_delta(run, slot))
		store_group(run, found, keys, keys_null);
	else if (DatumGetInt64(run->state[0]) == 0 && nkeys > 0)
		store_group(run, found, keys, keys_null);	/* nothing left to compute */
	else
		add_affected(run, keys, keys_null);

	MemoryContextSwitchTo(old);
	MemoryContextReset(per_tuple);
}

/* A row of a state query: [ord,] keys, n, states. */
static void
receive_state(TupleTableSlot *slot, void *arg)
{
	MergeRun   *run = arg;
	MemoryContext per_tuple = run->econtext->ecxt_per_tuple_memory;
	MemoryContext old = MemoryContextSwitchTo(per_tuple);
	int			nkeys = run->program->tree->nkeys;
	int			first = !run->full && nkeys > 0 ? 1 : 0;
	Datum	   *keys = palloc(sizeof(Datum) * (nkeys + 1));
	bool	   *keys_null = palloc(sizeof(bool) * (nkeys + 1));

	get_keys(run, slot, first, keys, keys_null);
	for (int i = 0; i < run->program->nstates; i++)
	{
		run->state[i] = slot->tts_values[first + nkeys + i];
		run->state_null[i] = slot->tts_isnull[first + nkeys + i];
	}
	if (run->full)
	{
		if (form_row(run, keys, keys_null))
			apply_image(run->apply, run->new, 1);
	}
	else
	{
		if (nkeys > 0)
			run->current->seen[DatumGetInt32(slot->tts_values[0])] = true;
		store_group(run, apply_find(run->apply, keys, keys_null, run->old),
					keys, keys_null);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(per_tuple);
}

/* Delete the groups that the query does not have any more. */
static void
delete_unseen(MergeRun *run, AffectedGroups *groups)
{
	int			nkeys = run->program->tree->nkeys;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(run->affected_desc,
													&TTSOpsMinimalTuple);
	Datum	   *keys = palloc(sizeof(Datum) * nkeys);
	bool	   *keys_null = palloc(sizeof(bool) * nkeys);

	tuplestore_rescan(groups->keys);
	while (tuplestore_gettupleslot(groups->keys, true, false, slot))
	{
		get_keys(run, slot, 1, keys, keys_null);
		if (!groups->seen[DatumGetInt32(slot->tts_values[0])] &&
			apply_find(run->apply, keys, keys_null, run->old))
			apply_delete(run->apply, run->old);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
recompute_groups(MergeRun *run, uint64 null_keys, int64 count)
{
	Statement	statement = {
		.key = {.kind = PLAN_RECOMPUTE, .nulls = null_keys},
		.rows = count
	};

	program_execute(run->program, &statement, receive_state, run);
}

static void
recompute_affected(MergeRun *run)
{
	ListCell   *lc;

	foreach(lc, run->affected)
	{
		AffectedGroups *groups = lfirst(lc);

		run->current = groups;
		if (run->program->tree->nkeys == 0)
		{
			recompute_groups(run, 0, 0);
			tuplestore_end(groups->keys);
			continue;
		}
		groups->seen = palloc0(sizeof(bool) * groups->count);
		program_register(SQLGEN_AFFECTED_NAME, run->affected_desc, groups->keys,
						 groups->count, NULL);
		recompute_groups(run, groups->null_keys, groups->count);
		program_unregister(SQLGEN_AFFECTED_NAME);
		delete_unseen(run, groups);
		tuplestore_end(groups->keys);
	}
}

void
aggregate_run_delta(DeltaProgram *program, Relation st,
					const Statement *statement, ApplyState *apply)
{
	MergeRun   *run = merge_begin(program, st, apply);

	program_execute(program, statement, receive_delta, run);
	recompute_affected(run);
	merge_end(run);
}

void
aggregate_run_full(DeltaProgram *program, Relation st, ApplyState *apply)
{
	MergeRun   *run = merge_begin(program, st, apply);
	Statement	statement = {.key = {.kind = PLAN_FULL}};

	run->full = true;
	program_execute(program, &statement, receive_state, run);
	merge_end(run);
}
