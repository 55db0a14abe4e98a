/*-------------------------------------------------------------------------
 *
 * printable.c
 *	  Can a query be printed, and read again as the same?
 *
 * Three things cannot:
 *
 *	- SEARCH and CYCLE: the rewriter has made columns of them, which the
 *	  clauses, printed, would add again;
 *	- a GROUP BY that selects what a primary key determines: the key is lost
 *	  where a stage stands for the table;
 *	- a comparison of rows by operators of other schemas than pg_catalog: one
 *	  name is printed for all of its columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_namespace.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

/* A row's comparison with a subquery, by whatever operators. */
static bool
compares_rows_by_name(const SubLink *link)
{
	List	   *tests = make_ands_implicit((Expr *) link->testexpr);
	ListCell   *lc;

	if (IsA(link->testexpr, BoolExpr) &&
		((BoolExpr *) link->testexpr)->boolop == OR_EXPR)
		tests = ((BoolExpr *) link->testexpr)->args;
	if (list_length(tests) < 2)
		return false;
	foreach(lc, tests)
		if (!IsA(lfirst(lc), OpExpr) ||
			!operator_prints_safely(((OpExpr *) lfirst(lc))->opno))
			return true;
	return false;
}

static bool
unprintable_walker(Node *node, const char **reason)
{
	if (node == NULL)
		return false;
	if (IsA(node, CommonTableExpr) &&
		(((CommonTableExpr *) node)->search_clause != NULL ||
		 ((CommonTableExpr *) node)->cycle_clause != NULL))
		*reason = "a subquery has a SEARCH or CYCLE clause";
	else if (IsA(node, Query) && ((Query *) node)->constraintDeps != NIL)
		*reason = "a subquery selects columns that a primary key in its GROUP BY determines";
	else if (IsA(node, SubLink) && ((SubLink *) node)->testexpr != NULL &&
			 compares_rows_by_name((SubLink *) node))
		*reason = "it compares rows with a subquery by operators of another schema";
	if (*reason != NULL)
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, unprintable_walker, reason, 0);
	return expression_tree_walker(node, unprintable_walker, reason);
}

const char *
unprintable_reason(Query *query)
{
	const char *reason = NULL;

	(void) unprintable_walker((Node *) query, &reason);
	return reason;
}
