/*-------------------------------------------------------------------------
 *
 * parts.c
 *	  Results that are kept beside a stream table, each in a table of its own.
 *
 * A part is maintained like a stream table, at the same snapshot, before what
 * reads it.  Its delta, for its readers, is what apply really stored: every
 * image that went with weight -1, and every one that came with weight 1.  So
 * readers agree with what they find in the table, whatever the part's rule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "buffer/consolidate.h"
#include "catalog/namespace.h"
#include "delta/delta.h"
#include "parser/parse_clause.h"
#include "parser/parse_oper.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* ---- compile ---- */

/* Is it the default ordering, or its reverse, of the column's type? */
static bool
order_direction(const SortGroupClause *clause, Oid type, bool *descending)
{
	TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);

	*descending = clause->sortop == cache->gt_opr;
	return *descending || clause->sortop == cache->lt_opr;
}

/* Columns of an index that gives the first rows, or nearly; NULL if there is none. */
static char *
order_columns(const Stage *stage)
{
	StringInfoData sql;
	ListCell   *lc;

	if (stage->order == NIL)
		return NULL;
	initStringInfo(&sql);
	foreach(lc, stage->order)
	{
		SortGroupClause *clause = lfirst(lc);
		OutputColumn *column = list_nth(stage->columns, clause->tleSortGroupRef - 1);
		bool		descending;

		/* what ties in the columns before is sorted, or all of it */
		if (!order_direction(clause, column->type, &descending) ||
			!type_fits_index(column->type, column->typmod))
			break;
		appendStringInfo(&sql, "%s%s%s NULLS %s", sql.len > 0 ? ", " : "",
						 quote_identifier(column->name), descending ? " DESC" : "",
						 clause->nulls_first ? "FIRST" : "LAST");
	}
	return sql.len > 0 ? sql.data : NULL;
}

/* Add the columns by which a branch of the step joins the working stage. */
static void
add_working_columns(const Stage *stage, const Branch *branch, List **columns)
{
	ListCell   *lc;

	foreach(lc, branch_equalities(branch))
	{
		const ColumnEquality *e = lfirst(lc);
		const Factor *factor = list_nth(branch->factors, e->factor - 1);
		const OutputColumn *output;

		if (factor->stage != stage->working)
			continue;
		output = list_nth(stage->columns, e->column - 1);
		if (type_fits_index(output->type, output->typmod))
			*columns = list_append_unique_int(*columns, e->column);
	}
}

/*
 * Columns by which the step of a recursion looks up what it has brought; NULL if
 * there are none.
 */
static char *
working_columns(const QueryTree *tree)
{
	const Stage *stage = llast(tree->stages);
	StringInfoData sql;
	List	   *columns = NIL;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, stage->step)
		add_working_columns(stage, lfirst(lc), &columns);
	foreach(lc, columns)
		appendStringInfo(&sql, "%sc%d", sql.len > 0 ? ", " : "", lfirst_int(lc));
	return sql.len > 0 ? sql.data : NULL;
}

static bool
is_recursion(const QueryTree *tree)
{
	return tree->stages != NIL &&
		((const Stage *) llast(tree->stages))->rule == STAGE_RECURSION;
}

static DeltaProgram *
compile_part(DeltaProgram *program, Stage *stage, char *table)
{
	DeltaProgram *part = palloc0(sizeof(DeltaProgram));

	part->context = program->context;
	part->defview = program->defview;
	part->tree = stage->tree;
	part->sources = program->sources;
	part->stored = program->stored;
	part->table = table;
	part->index = is_recursion(part->tree) ? working_columns(part->tree) :
		order_columns(stage);
	stage->relation = quote_qualified_identifier(PGT_DEFS_SCHEMA, table);
	if (program_ninputs(part) > MAX_SOURCES || part->tree->nkeys > MAX_SOURCES)
		program->reason = "a result that is kept has too many inputs or group keys";
	else if (!identity_derive(part->tree, &part->identity, &program->reason))
		Assert(program->reason != NULL);
	else
		program_lay_out(part);
	return part;
}

void
parts_compile(DeltaProgram *program, const char *number)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, program->stored)
	{
		char	   *table = psprintf("aux_%s_%d", number, ++n);
		DeltaProgram *part = compile_part(program, lfirst(lc), table);

		if (program->reason != NULL)
			return;
		program->parts = lappend(program->parts, part);
	}
}

/* ---- run ---- */

Relation
part_open(const DeltaProgram *part)
{
	Oid			relid = get_relname_relid(part->table,
										  get_namespace_oid(PGT_DEFS_SCHEMA, false));

	if (!OidIsValid(relid))
		elog(ERROR, "auxiliary table \"%s\" does not exist", part->table);
	return table_open(relid, RowExclusiveLock);
}

void
part_show_writes(void)
{
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
}

PartDelta
part_delta_begin(const DeltaProgram *part, TupleDesc desc, const DeltaProgram *whole)
{
	PartDelta	delta = {
		.rows = consolidate_begin(desc, whole->unit_weights),
		.ncolumns = list_length(part->tree->outputs)
	};

	return delta;
}

/* Hidden columns are the part's own affair. */
void
part_observe(int w, const Datum *values, const bool *isnull, void *arg)
{
	PartDelta  *delta = arg;
	Consolidation *c = delta->rows;

	memcpy(consolidate_values(c) + 1, values, sizeof(Datum) * delta->ncolumns);
	memcpy(consolidate_isnull(c) + 1, isnull, sizeof(bool) * delta->ncolumns);
	consolidate_add(c, w);
}

void
part_delta_end(PartDelta *delta, ChangeWindow *window)
{
	consolidate_end(delta->rows, window);
}

static void
run_part(DeltaRun *whole, DeltaProgram *part, int input, Snapshot snapshot)
{
	DeltaRun   *run = run_begin_part(part, whole);
	MemoryContext old = MemoryContextSwitchTo(whole->context);
	PartDelta	delta = part_delta_begin(part, whole->program->window_desc[input],
										 whole->program);
	Relation	rel = part_open(part);
	ApplyCounts counts = {0};

	run_stages(run);
	run_top(run, rel, snapshot, part_observe, &delta, &counts);
	whole->wrote |= counts_any(&counts);
	table_close(rel, NoLock);
	run_end(run);
	part_delta_end(&delta, &whole->deltas[input]);
	MemoryContextSwitchTo(old);
	run_publish(whole, input);
	if (whole->deltas[input].nrows > 0)
		part_show_writes();
}

/* The poll has brought the copy up to date; its delta is the source's. */
static void
pass_on_polled(DeltaRun *run, const Stage *stage, int input)
{
	run->deltas[input] = run->deltas[program_source_index(run->program, stage->polled)];
	run_publish(run, input);
}

void
parts_run_delta(DeltaRun *run, Snapshot snapshot)
{
	int			input = list_length(run->program->sources);
	ListCell   *ls,
			   *lp;

	forboth(ls, run->program->stored, lp, run->program->parts)
	{
		const Stage *stage = lfirst(ls);

		if (OidIsValid(stage->polled))
			pass_on_polled(run, stage, input);
		else if (run->changed & stage_reads(run->program, stage))
			run_part(run, lfirst(lp), input, snapshot);
		input++;
	}
}

void
parts_run_full(DeltaProgram *program, Snapshot snapshot)
{
	ListCell   *ls,
			   *lp;

	if (program->parts == NIL)
		return;
	forboth(ls, program->stored, lp, program->parts)
	{
		DeltaProgram *part = lfirst(lp);
		Relation	rel;
		ApplyCounts counts = {0};

		if (OidIsValid(((const Stage *) lfirst(ls))->polled))
			continue;
		rel = part_open(part);
		if (!program_run_full(part, rel, snapshot, &counts))
			table_close(rel, NoLock);
		part_show_writes();
	}
}
