/*-------------------------------------------------------------------------
 *
 * execute.c
 *	  Run a compiled query: its delta, or its whole result, into the stream
 *	  table.
 *
 * A full result Q is applied as the delta Q - ST, where ST are the stored
 * rows: equal rows cancel, so only differences are written, and readers are
 * never blocked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "delta/delta.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

/* Feeds rows of a query, visible columns first, to apply as images. */
typedef struct ImageRun
{
	ApplyState *apply;
	TupleTableSlot *row;		/* of the stream table's descriptor */
	int			nvisible;
	const AttrNumber *attnos;	/* where they go */
	bool		weighted;		/* the query's last column is the weight */
} ImageRun;

static void
receive_image(TupleTableSlot *slot, void *arg)
{
	ImageRun   *run = arg;
	TupleTableSlot *row = run->row;
	int32		w = 1;

	slot_getallattrs(slot);
	ExecClearTuple(row);
	memset(row->tts_isnull, true, sizeof(bool) * row->tts_tupleDescriptor->natts);
	for (int i = 0; i < run->nvisible; i++)
	{
		row->tts_values[run->attnos[i] - 1] = slot->tts_values[i];
		row->tts_isnull[run->attnos[i] - 1] = slot->tts_isnull[i];
	}
	ExecStoreVirtualTuple(row);
	if (run->weighted)
		w = DatumGetInt32(slot->tts_values[run->nvisible]);
	if (w != 0)
		apply_image(run->apply, row, w);
}

static ImageRun
image_run(const DeltaProgram *program, Relation st, ApplyState *apply, bool weighted)
{
	ImageRun	run = {
		.apply = apply,
		.row = MakeSingleTupleTableSlot(RelationGetDescr(st), &TTSOpsVirtual),
		.nvisible = list_length(program->tree->outputs),
		.attnos = program->attnos,
		.weighted = weighted
	};

	return run;
}

static void
run_images(DeltaProgram *program, Relation st, const Statement *statement,
		   ApplyState *apply)
{
	ImageRun	run = image_run(program, st, apply,
								statement->key.kind == PLAN_DELTA);

	program_execute(program, statement, receive_image, &run);
	ExecDropSingleTupleTableSlot(run.row);
}

static void
place(DeltaProgram *program, Relation rel)
{
	if (!program_place(program, RelationGetDescr(rel)))
		elog(ERROR, "columns of \"%s\" are not those of its query",
			 RelationGetRelationName(rel));
}

/*
 * Does some branch have two factors that the mask says may have changed?  The
 * clock counts for two: the ranges of its bounds are asked of rows that other
 * conditions of the branch may drop.
 */
static bool
branches_have_phantoms(const DeltaProgram *program, List *branches,
					   SourceMask changed)
{
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
	{
		int			nchanged = 0;

		if ((changed & CLOCK_BIT) && ((Branch *) lfirst(lb))->uses_clock)
			nchanged += 2;
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			int			input = factor_input(program, lfirst(lf));

			if (input >= 0 && (changed & INPUT_BIT(input)) != 0)
				nchanged++;
		}
		if (nchanged > 1)
			return true;
	}
	return false;
}

static bool
has_phantoms(const DeltaProgram *program, SourceMask changed)
{
	ListCell   *lc;

	foreach(lc, program->tree->stages)
	{
		const Stage *stage = lfirst(lc);

		if ((changed & stage_reads(program, stage)) == 0)
			continue;
		changed |= INPUT_BIT(stage_input_index(program, stage));
		if (stage->rule == STAGE_RECURSION ||
			branches_have_phantoms(program, stage->branches, changed))
			return true;
	}
	return branches_have_phantoms(program, program->tree->branches, changed);
}

bool
program_has_phantoms(const DeltaProgram *program, const ChangeWindow *windows)
{
	SourceMask	sources = 0;
	SourceMask	shared;
	ListCell   *lc;

	if (program->nets_first)
		return false;
	for (int i = 0; i < list_length(program->sources); i++)
		if (windows[i].nrows > 0)
			sources |= INPUT_BIT(i);
	if (program->is_timed)
		sources |= CLOCK_BIT;

	/* of what the parts have, too, the windows and the parts come first */
	shared = inputs_below(program, sources) &
		(CLOCK_BIT |
		 (INPUT_BIT(list_length(program->sources) + list_length(program->stored)) - 1));
	foreach(lc, program->parts)
		if (has_phantoms(lfirst(lc), shared))
			return true;
	return has_phantoms(program, shared);
}

/*
 * The shown stage is computed now, and what is stored of it goes: all of it if
 * it has no key, else what has a key that changes touch.
 */
static void
reevaluate(DeltaRun *run, const Stage *stage, Relation rel, ApplyState *apply)
{
	ImageRun	images = image_run(run->program, rel, apply, true);

	if (stage->nkeys == 0)
	{
		Statement	statement = {
			.key = {.kind = PLAN_REEVALUATE},
			.rows = run_rows(run, run->changed)
		};

		apply_stored_images(apply);
		program_execute(run->program, &statement, receive_image, &images);
	}
	else
		slice_run_touched(run, stage, receive_image, &images);
	ExecDropSingleTupleTableSlot(images.row);
	apply_images_done(apply);
}

void
run_top(DeltaRun *run, Relation rel, Snapshot snapshot, ApplyObserver observer,
		void *arg, ApplyCounts *counts)
{
	DeltaProgram *program = run->program;
	const Stage *reevaluated = tree_reevaluated(program->tree);
	Statement	statement = {.key = {.kind = PLAN_DELTA}};
	ApplyState *apply;

	statement.key.mask = run->changed &
		(reevaluated != NULL ? stage_reads(program, reevaluated) :
		 branches_inputs(program, program->tree->branches));
	if (statement.key.mask == 0)
		return;
	run_set_clock(run, &statement);
	statement.rows = run_rows(run, statement.key.mask);
	statement.sizes = run_sizes(run, statement.key.mask);
	if (reevaluated == NULL &&
		!join_steps_begin(run, program->tree->branches, &statement))
	{
		join_steps_end(run);
		return;
	}
	program->relid = RelationGetRelid(rel);
	place(program, rel);
	apply = apply_begin(rel, &program->placed, snapshot);
	if (observer != NULL)
		apply_observe(apply, observer, arg);
	if (reevaluated != NULL)
		reevaluate(run, reevaluated, rel, apply);
	else if (program->tree->aggregated)
		aggregate_run_delta(program, rel, &statement, apply);
	else
	{
		run_images(program, rel, &statement, apply);
		apply_images_done(apply);
	}
	apply_end(apply, counts);
	join_steps_end(run);
}

bool
program_run_delta(DeltaProgram *program, Relation st, ChangeWindow *windows,
				  TimestampTz before, Snapshot snapshot, ApplyCounts *counts)
{
	DeltaRun   *run;
	bool		wrote;

	Assert(program->reason == NULL);

	run = run_begin(program, windows, before);
	parts_run_delta(run, snapshot);
	run_stages(run);
	run_top(run, st, snapshot, NULL, NULL, counts);
	wrote = run->wrote || counts_any(counts);
	run_end(run);
	return wrote;
}

bool
run_whole(DeltaProgram *program, Relation rel, Snapshot snapshot,
		  ApplyObserver observer, void *arg, ApplyCounts *counts)
{
	bool		swap = observer == NULL &&
		rel->rd_rel->relkind == RELKIND_RELATION &&
		RelationGetNumberOfBlocks(rel) == 0;
	ApplyState *apply;
	Statement	statement = {.key = {.kind = PLAN_FULL}};

	place(program, rel);
	if (swap)
		apply = apply_begin_swap(rel, &program->placed, snapshot);
	else
	{
		apply = apply_begin(rel, &program->placed, snapshot);
		if (observer != NULL)
			apply_observe(apply, observer, arg);
		apply_stored_images(apply);
	}

	if (program->reason == NULL && program->tree->aggregated)
		aggregate_run_full(program, rel, apply);
	else
		run_images(program, rel, &statement, apply);
	if (!swap)
		apply_images_done(apply);
	apply_end(apply, counts);
	return swap;
}

bool
program_run_full(DeltaProgram *program, Relation st, Snapshot snapshot,
				 ApplyCounts *counts)
{
	program_register_none();
	parts_run_full(program, snapshot);
	return run_whole(program, st, snapshot, NULL, NULL, counts);
}
