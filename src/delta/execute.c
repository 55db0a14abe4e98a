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
	memcpy(row->tts_values, slot->tts_values, sizeof(Datum) * run->nvisible);
	memcpy(row->tts_isnull, slot->tts_isnull, sizeof(bool) * run->nvisible);
	ExecStoreVirtualTuple(row);
	if (run->weighted)
		w = DatumGetInt32(slot->tts_values[run->nvisible]);
	if (w != 0)
		apply_image(run->apply, row, w);
}

static void
run_images(DeltaProgram *program, Relation st, PlanKind kind, uint64 mask,
		   int64 rows, ApplyState *apply)
{
	ImageRun	run = {
		.apply = apply,
		.row = MakeSingleTupleTableSlot(RelationGetDescr(st), &TTSOpsVirtual),
		.nvisible = list_length(program->tree->outputs),
		.weighted = kind == PLAN_DELTA
	};

	program_execute(program, kind, mask, rows, receive_image, &run);
	ExecDropSingleTupleTableSlot(run.row);
}

/* Does the table have exactly the columns of the layout? */
static void
check_layout(const DeltaProgram *program, Relation st)
{
	TupleDesc	desc = RelationGetDescr(st);
	int			attno = 0;
	bool		fits = desc->natts == list_length(program->layout);
	ListCell   *lc;

	foreach(lc, program->layout)
	{
		LayoutColumn *column = lfirst(lc);
		Form_pg_attribute att;

		if (!fits)
			break;
		att = TupleDescAttr(desc, attno++);
		fits = !att->attisdropped && att->atttypid == column->type &&
			strcmp(NameStr(att->attname), column->name) == 0;
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of stream table \"%s\" do not fit its query any more",
						RelationGetRelationName(st)),
				 errdetail("A column of the stream table, or a primary key that its rows were recognised by, was changed."),
				 errhint("Rebuild it with pgtrickle.create_or_replace_stream_table() or pgtrickle.alter_stream_table(), giving its query.")));
}

static SourceMask
changed_sources(const DeltaProgram *program, const ChangeWindow *windows,
				int64 *nrows)
{
	SourceMask	mask = 0;

	*nrows = 0;
	for (int i = 0; i < list_length(program->sources); i++)
		if (windows[i].nrows > 0)
		{
			mask |= UINT64CONST(1) << i;
			*nrows += windows[i].nrows;
		}
	return mask;
}

bool
program_has_phantoms(const DeltaProgram *program, const ChangeWindow *windows)
{
	ListCell   *lb;

	foreach(lb, program->tree->branches)
	{
		int			changed = 0;
		ListCell   *lc;

		foreach(lc, ((Branch *) lfirst(lb))->relids)
			if (windows[program_source_index(program, lfirst_oid(lc))].nrows > 0)
				changed++;
		if (changed > 1)
			return true;
	}
	return false;
}

void
program_run_delta(DeltaProgram *program, Relation st, ChangeWindow *windows,
				  Snapshot snapshot, ApplyCounts *counts)
{
	ApplyState *apply;
	int64		nrows;
	SourceMask	changed = changed_sources(program, windows, &nrows);

	Assert(program->reason == NULL);
	check_layout(program, st);
	if (changed == 0)
		return;

	for (int i = 0; i < list_length(program->sources); i++)
		if (windows[i].nrows > 0)
			program_register(psprintf(SQLGEN_DELTA_NAME, i + 1),
							 program->window_desc[i], windows[i].rows,
							 windows[i].nrows);

	apply = apply_begin(st, &program->identity, snapshot);
	if (program->tree->aggregated)
		aggregate_run_delta(program, st, changed, nrows, apply);
	else
	{
		run_images(program, st, PLAN_DELTA, changed, nrows, apply);
		apply_images_done(apply);
	}
	apply_end(apply, counts);
}

bool
program_run_full(DeltaProgram *program, Relation st, Snapshot snapshot,
				 ApplyCounts *counts)
{
	bool		swap = st->rd_rel->relkind == RELKIND_RELATION &&
		RelationGetNumberOfBlocks(st) == 0;
	ApplyState *apply;

	check_layout(program, st);
	if (swap)
		apply = apply_begin_swap(st, &program->identity, snapshot);
	else
	{
		apply = apply_begin(st, &program->identity, snapshot);
		apply_stored_images(apply);
	}

	if (program->reason == NULL && program->tree->aggregated)
		aggregate_run_full(program, st, apply);
	else
		run_images(program, st, PLAN_FULL, 0, 0, apply);
	if (!swap)
		apply_images_done(apply);
	apply_end(apply, counts);
	return swap;
}
