/*-------------------------------------------------------------------------
 *
 * stages.c
 *	  The deltas of all inputs of one refresh: the windows of the sources, and
 *	  of the stages, in their order, those that something below has changed.
 *
 * A stage whose delta turns out to be empty counts as unchanged for its
 * readers.  The clock is an input of all stages that use it (op_clock.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "buffer/consolidate.h"
#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "utils/memutils.h"

int
stage_input_index(const DeltaProgram *program, const Stage *stage)
{
	int			i = list_length(program->sources);
	ListCell   *lc;

	foreach(lc, program->stored)
	{
		if (lfirst(lc) == stage)
			return i;
		i++;
	}
	foreach(lc, program->tree->stages)
	{
		if (lfirst(lc) == stage)
			return i;
		i++;
	}
	elog(ERROR, "stage %d is none of the query's", stage->number);
}

const Stage *
program_stage(const DeltaProgram *program, int number)
{
	ListCell   *lc;

	foreach(lc, program->tree->stages)
		if (((const Stage *) lfirst(lc))->number == number)
			return lfirst(lc);
	elog(ERROR, "the query has no stage %d", number);
}

/* Position of the first stage of its own among the inputs. */
static int
first_stage(const DeltaProgram *program)
{
	return list_length(program->sources) + list_length(program->stored);
}

/* Sources, and earlier stored stages, below a stored one. */
static SourceMask
stored_reads(const DeltaProgram *program, const Stage *stage)
{
	ListCell   *ls,
			   *lp;

	forboth(ls, program->stored, lp, program->parts)
		if (lfirst(ls) == stage)
		{
			const DeltaProgram *part = lfirst(lp);
			SourceMask	mask = branches_inputs(part, part->tree->branches);
			ListCell   *lc;

			foreach(lc, part->tree->stages)
				mask |= stage_reads(part, lfirst(lc));
			return mask & ((INPUT_BIT(first_stage(part)) - 1) | CLOCK_BIT);
		}
	return 0;
}

SourceMask
stage_reads(const DeltaProgram *program, const Stage *stage)
{
	SourceMask	mask = 0;
	ListCell   *lc;

	if (stage->rule == STAGE_STORED)
		return stored_reads(program, stage);
	if (stage->rule == STAGE_SUM)
		return branches_inputs(program, stage->branches);
	if (stage->rule == STAGE_RECURSION)
		return recursion_reads(program, stage);
	foreach(lc, stage->inputs)
		mask |= INPUT_BIT(stage_input_index(program, ((StageInput *) lfirst(lc))->stage));
	return mask;
}

SourceMask
inputs_below(const DeltaProgram *program, SourceMask sources)
{
	SourceMask	mask = sources;
	ListCell   *lc;

	foreach(lc, program->stored)
		if (mask & stage_reads(program, lfirst(lc)))
			mask |= INPUT_BIT(stage_input_index(program, lfirst(lc)));
	foreach(lc, program->tree->stages)
		if (mask & stage_reads(program, lfirst(lc)))
			mask |= INPUT_BIT(stage_input_index(program, lfirst(lc)));
	return mask;
}

int64
run_rows(const DeltaRun *run, SourceMask inputs)
{
	int64		rows = 0;

	for (int i = 0; i < program_ninputs(run->program); i++)
		if (run->changed & inputs & INPUT_BIT(i))
			rows += run->deltas[i].nrows;
	return rows;
}

uint64
run_sizes(const DeltaRun *run, SourceMask inputs)
{
	uint64		sizes = 0;

	for (int i = 0; i < program_ninputs(run->program); i++)
		if (run->changed & inputs & INPUT_BIT(i))
			sizes = sizes_add(sizes, i, run->deltas[i].nrows);
	return sizes;
}

void
run_publish(DeltaRun *run, int input)
{
	const ChangeWindow *window = &run->deltas[input];

	if (window->nrows == 0)
		return;
	run->changed |= INPUT_BIT(input);
	program_register(psprintf(SQLGEN_DELTA_NAME, input + 1),
					 run->program->window_desc[input], window->rows,
					 window->nrows, input_origin(run->program, input));
}

static void
set_clock(DeltaRun *run, TimestampTz before)
{
	run->clock_type = TIMESTAMPTZOID;
	run->clock_before = TimestampTzGetDatum(before);
	if (run->program->is_timed && before != GetCurrentTransactionStartTimestamp())
		run->changed |= CLOCK_BIT;
}

void
run_set_clock(DeltaRun *run, Statement *statement)
{
	if ((statement->key.mask & CLOCK_BIT) == 0)
		return;
	statement->nparams = 1;
	statement->types = &run->clock_type;
	statement->values = &run->clock_before;
}

DeltaRun *
run_begin(DeltaProgram *program, const ChangeWindow *windows, TimestampTz before)
{
	DeltaRun   *run = palloc0(sizeof(DeltaRun));

	/* an error may have ended the last run */
	program_register_none();
	run->program = program;
	run->context = AllocSetContextCreate(CurrentMemoryContext, "deltas of stages",
										 ALLOCSET_DEFAULT_SIZES);
	run->deltas = palloc0(sizeof(ChangeWindow) * (program_ninputs(program) + 1));
	for (int i = 0; i < list_length(program->sources); i++)
	{
		run->deltas[i] = windows[i];
		run_publish(run, i);
	}
	set_clock(run, before);
	return run;
}

DeltaRun *
run_begin_part(DeltaProgram *part, const DeltaRun *whole)
{
	DeltaRun   *run = palloc0(sizeof(DeltaRun));
	int			nshared = first_stage(part);

	run->program = part;
	run->context = AllocSetContextCreate(CurrentMemoryContext, "deltas of stages",
										 ALLOCSET_DEFAULT_SIZES);
	run->deltas = palloc0(sizeof(ChangeWindow) * (program_ninputs(part) + 1));
	memcpy(run->deltas, whole->deltas, sizeof(ChangeWindow) * nshared);
	run->changed = whole->changed & ((INPUT_BIT(nshared) - 1) | CLOCK_BIT);
	run->clock_type = whole->clock_type;
	run->clock_before = whole->clock_before;
	return run;
}

void
run_end(DeltaRun *run)
{
	/* what comes before the stages is the caller's, or the whole program's */
	for (int i = first_stage(run->program); i < program_ninputs(run->program); i++)
		if (run->deltas[i].rows != NULL)
		{
			program_unregister(psprintf(SQLGEN_DELTA_NAME, i + 1));
			tuplestore_end(run->deltas[i].rows);
		}
	MemoryContextDelete(run->context);
	pfree(run->deltas);
	pfree(run);
}

/* A row of the delta of a sum: c1, c2, ..., w */
void
receive_weighted(TupleTableSlot *slot, void *arg)
{
	Consolidation *c = arg;
	int			ncolumns = slot->tts_tupleDescriptor->natts - 1;
	int32		w;

	slot_getallattrs(slot);
	w = DatumGetInt32(slot->tts_values[ncolumns]);
	if (w == 0)
		return;
	memcpy(consolidate_values(c) + 1, slot->tts_values, sizeof(Datum) * ncolumns);
	memcpy(consolidate_isnull(c) + 1, slot->tts_isnull, sizeof(bool) * ncolumns);
	consolidate_add(c, w);
}

static void
sum_run_delta(DeltaRun *run, const Stage *stage, SourceMask changed,
			  ChangeWindow *window)
{
	DeltaProgram *program = run->program;
	TupleDesc	desc = program->window_desc[stage_input_index(program, stage)];
	Consolidation *c = consolidate_begin(desc, program->unit_weights);
	Statement	statement = {
		.key = {.kind = PLAN_DELTA, .stage = stage->number, .mask = changed},
		.rows = run_rows(run, changed),
		.sizes = run_sizes(run, changed),
		.desc = desc
	};

	if (stage->netted)
		consolidate_hold(c);
	run_set_clock(run, &statement);
	if (join_steps_begin(run, stage->branches, &statement))
		program_execute(program, &statement, receive_weighted, c);
	join_steps_end(run);
	consolidate_end(c, window);
}

void
run_stages(DeltaRun *run)
{
	const Stage *reevaluated = tree_reevaluated(run->program->tree);
	ListCell   *lc;

	foreach(lc, run->program->tree->stages)
	{
		const Stage *stage = lfirst(lc);
		int			input = stage_input_index(run->program, stage);
		SourceMask	changed = run->changed & stage_reads(run->program, stage);
		MemoryContext old;

		if (changed == 0 || stage == reevaluated)
			continue;
		old = MemoryContextSwitchTo(run->context);
		if (stage->rule == STAGE_SUM)
			sum_run_delta(run, stage, changed, &run->deltas[input]);
		else if (stage->rule == STAGE_RECURSION)
			recursion_run_delta(run, stage, changed, &run->deltas[input]);
		else
			slice_run_delta(run, stage, &run->deltas[input]);
		MemoryContextSwitchTo(old);
		run_publish(run, input);
	}
}
