/*-------------------------------------------------------------------------
 *
 * order.c
 *	  ORDER BY, LIMIT and OFFSET that choose no rows.
 *
 * The order of a query is nothing to a table.  But what it sorts by is computed
 * like any column, and a function that returns rows makes rows there:
 *
 *		SELECT e FROM r ORDER BY f()  =  SELECT e FROM (SELECT e, f() FROM r)
 *
 * LIMIT ALL and OFFSET 0 take all rows.  Below the top of a query they stay: many
 * write OFFSET 0 to have a condition tested before another one, which would fail
 * without it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"

static bool
takes_all(Node *limit, bool is_offset)
{
	Const	   *value = (Const *) eval_const_expressions(NULL, limit);

	if (value == NULL)
		return true;
	return IsA(value, Const) &&
		(value->constisnull || (is_offset && DatumGetInt64(value->constvalue) == 0));
}

static bool
has_hidden_rows(const Query *query)
{
	ListCell   *lc;

	if (!query->hasTargetSRFs || query->limitCount != NULL ||
		query->limitOffset != NULL || query->distinctClause != NIL)
		return false;
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (tle->resjunk && expression_returns_set((Node *) tle->expr))
			return true;
	}
	return false;
}

/* Make the query one that selects its visible columns from what it was. */
static void
show_hidden_rows(Query *query)
{
	Query	   *inner = makeNode(Query);
	Query	   *outer;
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	*inner = *query;
	IncrementVarSublevelsUp((Node *) inner, 1, 1);
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = inner;
	rte->inFromCl = true;
	rte->eref = numbered_alias("sorted", list_length(inner->targetList));
	outer = select_from(rte);
	foreach(lc, inner->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk)
			outer->targetList =
				lappend(outer->targetList,
						makeTargetEntry((Expr *) makeVarFromTargetEntry(1, tle), tle->resno,
										tle->resname, false));
		tle->resjunk = false;
		tle->resname = psprintf("c%d", tle->resno);
	}
	*query = *outer;
}

static bool
hidden_rows_walker(Node *node, void *context)
{
	Query	   *query = (Query *) node;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, hidden_rows_walker, context);
	(void) query_tree_walker(query, hidden_rows_walker, context, 0);
	if (has_hidden_rows(query))
		show_hidden_rows(query);
	return false;
}

void
settle_order(Query *query)
{
	if (takes_all(query->limitCount, false) && takes_all(query->limitOffset, true))
		query->limitCount = query->limitOffset = NULL;
	(void) hidden_rows_walker((Node *) query, NULL);
}
