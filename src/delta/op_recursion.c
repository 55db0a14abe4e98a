/*-------------------------------------------------------------------------
 *
 * op_recursion.c
 *	  Delta rule for WITH RECURSIVE ... UNION ALL.
 *
 * The result is the sum of its rounds, X_0 = B(E), X_n+1 = T(X_n, E), over
 * inputs E, and ends with the first round that brings nothing.  T is linear in
 * its first argument, so with E the inputs now and dE what changed,
 *
 *		dX_0   = dB
 *		dX_n+1 = T(X_n + dX_n, E) - T(X_n, E - dE)
 *			   = T(dX_n, E)  +  [ T(X_n, E) - T(X_n, E - dE) ]
 *
 * where X_n is what the round had brought before, which is stored, and the
 * bracket is the delta of a join with X_n unchanged (op_join.c).  So the brackets
 * of all rounds are computed first, in one statement, and then round after round
 * T of what the last one changed is added.
 *
 * Each round is netted, completely, before the next.  Then dX_n is what the round
 * brings now less what it brought before, and empty beyond the last round of
 * both: the recursion ends if the query does now, and did before.  Without the
 * numbers of the rounds this is not so: dX = S + T(dX, E) would go around a cycle
 * in E for ever that only rows reach which are not in the result any more.
 *
 * In T(dX_n, E) and in T(X_n, dE) rows that are gone meet rows that came.  Where
 * the step can fail on such a pair, and has (analyze/net_first.c), the result
 * is computed now and compared with what is stored: stage->whole.
 *
 * Reads:  the deltas of the inputs, what they hold, and the program's own table,
 *		   all at the refresh's snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "buffer/consolidate.h"
#include "delta/delta.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

typedef struct Recursion
{
	DeltaRun   *run;
	const Stage *stage;
	TupleDesc	desc;			/* w, columns, the last being the round */
	Datum	   *values;
	bool	   *isnull;
	Tuplestorestate *seeds;		/* dB and the brackets, by round */
	TupleTableSlot *seed;		/* the next one, or empty */
} Recursion;

SourceMask
recursion_reads(const DeltaProgram *program, const Stage *stage)
{
	SourceMask	mask = branches_inputs(program, stage->branches) |
		branches_inputs(program, stage->step);

	return mask & ~INPUT_BIT(stage_input_index(program, stage->working));
}

/* ---- statements ---- */

static void
append_stored(const DeltaProgram *program, const Stage *stage, StringInfo out)
{
	appendStringInfoString(out, "SELECT");
	for (int column = 1; column <= list_length(stage->columns); column++)
		appendStringInfo(out, "%s c%d", column > 1 ? "," : "", column);
	appendStringInfo(out, " FROM %s",
					 quote_qualified_identifier(PGT_DEFS_SCHEMA, program->table));
}

static void
seeds_sql(const DeltaProgram *program, const Stage *stage, SourceMask changed,
		  StringInfo out)
{
	int			ncolumns = list_length(stage->columns);

	appendStringInfo(out, "WITH " SQLGEN_STAGE_NAME, stage->working->number);
	sqlgen_column_aliases(out, ncolumns);
	appendStringInfoString(out, " AS NOT MATERIALIZED (");
	append_stored(program, stage, out);
	appendStringInfoString(out, ") ");
	branches_delta_sql(program, list_concat_copy(stage->branches, stage->step),
					   changed, out);
	appendStringInfo(out, " ORDER BY %d", ncolumns);
}

static void
whole_sql(const DeltaProgram *program, const Stage *stage, StringInfo out)
{
	int			ncolumns = list_length(stage->columns);

	appendStringInfoString(out, "SELECT q.*, 1 AS w FROM (");
	stage_state_sql(stage, NIL, out);
	appendStringInfoString(out, ") q");
	sqlgen_column_aliases(out, ncolumns);
	appendStringInfoString(out, " UNION ALL SELECT q.*, -1 FROM (");
	append_stored(program, stage, out);
	appendStringInfoString(out, ") q");
}

void
recursion_sql(const DeltaProgram *program, const StatementKey *key, StringInfo out)
{
	const Stage *stage = program_stage(program, key->stage);

	switch (key->kind)
	{
		case PLAN_RECURSION_SEEDS:
			seeds_sql(program, stage, key->mask, out);
			break;
		case PLAN_RECURSION_STEP:
			branches_delta_sql(program, stage->step,
							   INPUT_BIT(stage_input_index(program, stage->working)),
							   out);
			break;
		case PLAN_RECURSION_WHOLE:
			whole_sql(program, stage, out);
			break;
		default:
			elog(ERROR, "statement kind %d is none of a recursion", (int) key->kind);
	}
}

static Statement
recursion_statement(const Recursion *r, PlanKind kind, SourceMask changed, int64 rows)
{
	Statement	statement = {
		.key = {.kind = kind, .stage = r->stage->number, .mask = changed},
		.rows = rows,
		.desc = r->desc
	};

	return statement;
}

/* ---- rows ---- */

/* A row of a store: w, c1, c2, ... */
static void
add_stored_row(Consolidation *c, TupleTableSlot *slot)
{
	int			ncolumns = slot->tts_tupleDescriptor->natts - 1;

	slot_getallattrs(slot);
	memcpy(consolidate_values(c) + 1, slot->tts_values + 1, sizeof(Datum) * ncolumns);
	memcpy(consolidate_isnull(c) + 1, slot->tts_isnull + 1, sizeof(bool) * ncolumns);
	consolidate_add(c, DatumGetInt32(slot->tts_values[0]));
}

static void
add_store(Consolidation *c, TupleDesc desc, Tuplestorestate *store)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_select_read_pointer(store, 0);
	tuplestore_rescan(store);
	while (tuplestore_gettupleslot(store, true, false, slot))
		add_stored_row(c, slot);
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- seeds ---- */

static void
receive_seed(TupleTableSlot *slot, void *arg)
{
	Recursion  *r = arg;
	int			ncolumns = r->desc->natts - 1;

	slot_getallattrs(slot);
	r->values[0] = slot->tts_values[ncolumns];
	memcpy(r->values + 1, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(r->isnull + 1, slot->tts_isnull, sizeof(bool) * ncolumns);
	tuplestore_putvalues(r->seeds, r->desc, r->values, r->isnull);
}

static void
next_seed(Recursion *r)
{
	(void) tuplestore_gettupleslot(r->seeds, true, false, r->seed);
}

static void
find_seeds(Recursion *r, SourceMask changed)
{
	Statement	statement = recursion_statement(r, PLAN_RECURSION_SEEDS, changed,
												run_rows(r->run, changed));

	statement.sizes = run_sizes(r->run, changed);
	r->values = palloc(sizeof(Datum) * r->desc->natts);
	r->isnull = palloc0(sizeof(bool) * r->desc->natts);
	r->seeds = tuplestore_begin_heap(false, false, work_mem);
	r->seed = MakeSingleTupleTableSlot(r->desc, &TTSOpsMinimalTuple);
	program_execute(r->run->program, &statement, receive_seed, r);
	tuplestore_rescan(r->seeds);
	next_seed(r);
}

static int32
seed_round(Recursion *r)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(r->seed, r->desc->natts, &isnull));
}

static void
add_seeds(Recursion *r, int32 round, Consolidation *c)
{
	while (!TTS_EMPTY(r->seed) && seed_round(r) == round)
	{
		add_stored_row(c, r->seed);
		next_seed(r);
	}
}

/* ---- rounds ---- */

/* T of what the last round changed. */
static void
add_step(Recursion *r, const ChangeWindow *last, Consolidation *c)
{
	DeltaProgram *program = r->run->program;
	int			input = stage_input_index(program, r->stage->working);
	char	   *name = psprintf(SQLGEN_DELTA_NAME, input + 1);
	Statement	statement = recursion_statement(r, PLAN_RECURSION_STEP,
												INPUT_BIT(input), last->nrows);

	program_register(name, r->desc, last->rows, last->nrows, NULL);
	program_execute(program, &statement, receive_weighted, c);
	program_unregister(name);
}

/* Replace what the last round changed by what this one does. */
static void
run_round(Recursion *r, int32 round, ChangeWindow *changes)
{
	Consolidation *c = consolidate_begin(r->desc, false);
	ChangeWindow next = {0};

	CHECK_FOR_INTERRUPTS();
	consolidate_hold(c);
	add_seeds(r, round, c);
	if (changes->rows != NULL)
	{
		add_step(r, changes, c);
		tuplestore_end(changes->rows);
	}
	consolidate_end(c, &next);
	*changes = next;
}

static void
run_rounds(Recursion *r, Consolidation *all)
{
	ChangeWindow changes = {0};
	int32		round = 0;

	while (changes.rows != NULL || !TTS_EMPTY(r->seed))
	{
		if (changes.rows == NULL)
			round = seed_round(r);
		run_round(r, round++, &changes);
		if (changes.rows != NULL)
			add_store(all, r->desc, changes.rows);
	}
}

void
recursion_run_delta(DeltaRun *run, const Stage *stage, SourceMask changed,
					ChangeWindow *window)
{
	DeltaProgram *program = run->program;
	TupleDesc	desc = program->window_desc[stage_input_index(program, stage)];
	Consolidation *all = consolidate_begin(desc, program->unit_weights);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "recursion",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Recursion	r = {.run = run,.stage = stage,.desc = desc};

	if (stage->whole)
	{
		Statement	statement = recursion_statement(&r, PLAN_RECURSION_WHOLE, 0,
													run_rows(run, changed));

		consolidate_hold(all);
		program_execute(program, &statement, receive_weighted, all);
	}
	else
	{
		find_seeds(&r, changed);
		run_rounds(&r, all);
		ExecDropSingleTupleTableSlot(r.seed);
		tuplestore_end(r.seeds);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	consolidate_end(all, window);
}
