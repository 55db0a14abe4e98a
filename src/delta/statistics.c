/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  What the planner can know of the columns of a large delta.
 *
 * A delta has no statistics of its own; those of the table that a column comes
 * from are the best guess.  They are shown through get_relation_stats_hook,
 * while a statement runs that is planned for large deltas.
 *
 * Values in a delta are repeated even where those of the table are not: an
 * update takes a row out and puts it in again.  Those by which a slice is found
 * are not, which is all that is said of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "delta/delta.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rls.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

/* Different values among the rows of a delta, at most. */
#define MOST_DISTINCT	0.5

static get_relation_stats_hook_type next_hook = NULL;

typedef struct ColumnOrigin
{
	Oid			relid;
	AttrNumber	attno;
} ColumnOrigin;

static bool stage_column_origin(const Stage *stage, int column, ColumnOrigin *origin);

static bool
var_origin(const Branch *branch, const Var *var, ColumnOrigin *origin)
{
	const Factor *factor = list_nth(branch->factors, var->varno - 1);

	if (factor->stage != NULL)
		return stage_column_origin(factor->stage, var->varattno, origin);
	origin->relid = factor->relid;
	origin->attno = var->varattno;
	return OidIsValid(factor->relid);
}

static bool
stage_column_origin(const Stage *stage, int column, ColumnOrigin *origin)
{
	const Branch *branch;
	Var		   *var;

	if (stage->rule != STAGE_SUM)
		return false;
	branch = linitial(stage->branches);
	var = (Var *) strip_relabel(list_nth(branch->targets, column - 1));
	return IsA(var, Var) && var_origin(branch, var, origin);
}

/* Where column attno of a registered relation comes from; the first one is w. */
static bool
column_origin(const RelationOrigin *relation, AttrNumber attno, ColumnOrigin *origin)
{
	const DeltaProgram *program = relation->program;
	int			nsources = list_length(program->sources);
	ListCell   *lc;

	if (attno < 2)
		return false;
	if (relation->branch != NULL)
		return var_origin(relation->branch, list_nth(relation->columns, attno - 2), origin);
	if (relation->input < nsources)
	{
		origin->relid = program_source(program, relation->input)->relid;
		origin->attno = program->window_attnums[relation->input][attno - 2];
		return true;
	}
	foreach(lc, program->tree->stages)
		if (stage_input_index(program, lfirst(lc)) == relation->input)
			return stage_column_origin(lfirst(lc), attno - 1, origin);
	return false;
}

static HeapTuple
column_statistics(const ColumnOrigin *origin)
{
	HeapTuple	tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(origin->relid),
										Int16GetDatum(origin->attno),
										BoolGetDatum(false));
	HeapTuple	copy;
	Form_pg_statistic statistics;

	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(origin->relid),
								Int16GetDatum(origin->attno), BoolGetDatum(true));
	if (!HeapTupleIsValid(tuple))
		return NULL;
	copy = heap_copytuple(tuple);
	ReleaseSysCache(tuple);
	statistics = (Form_pg_statistic) GETSTRUCT(copy);
	if (statistics->stadistinct < 0)
		statistics->stadistinct = Max(statistics->stadistinct, -MOST_DISTINCT);
	return copy;
}

static bool
delta_statistics(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attno,
				 VariableStatData *vardata)
{
	const RelationOrigin *relation = rte->rtekind == RTE_NAMEDTUPLESTORE ?
		program_relation_origin(rte->enrname) : NULL;
	ColumnOrigin origin;

	if (relation != NULL && relation->distinct)
	{
		vardata->isunique = list_length(rte->coltypes) == 1;
		return true;
	}
	if (relation == NULL || !column_origin(relation, attno, &origin))
		return next_hook != NULL && next_hook(root, rte, attno, vardata);
	vardata->statsTuple = column_statistics(&origin);
	vardata->freefunc = heap_freetuple;
	/* as for the table itself: may a condition's function see its values? */
	vardata->acl_ok = pg_class_aclcheck(origin.relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(origin.relid, InvalidOid, true) != RLS_ENABLED;
	return true;
}

void
delta_init(void)
{
	next_hook = get_relation_stats_hook;
	get_relation_stats_hook = delta_statistics;
}
