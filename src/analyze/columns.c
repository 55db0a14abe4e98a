/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Cut an expression in two: what a query below computes, and what is left
 *	  to the query that reads it.
 *
 * A comparison of columns with the clock is computed below, where it has a
 * delta (clock.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"

int
list_position(List *list, Node *node)
{
	int			i = 0;
	ListCell   *lc;

	foreach(lc, list)
	{
		i++;
		if (equal(lfirst(lc), node))
			return i;
	}
	return 0;
}

int
columns_add(Columns *columns, Node *expr)
{
	int			position = list_position(columns->exprs, expr);

	if (position == 0)
	{
		columns->exprs = lappend(columns->exprs, copyObject(expr));
		position = list_length(columns->exprs);
	}
	return position;
}

/* An aggregate of the query below, seen from levels below its reader? */
static bool
is_outer_aggregate(const Columns *columns, Node *node)
{
	if (!columns->grouped || columns->depth == 0)
		return false;
	if (IsA(node, Aggref))
		return ((Aggref *) node)->agglevelsup == columns->depth;
	return IsA(node, GroupingFunc) &&
		((GroupingFunc *) node)->agglevelsup == columns->depth;
}

/* A reference to the column that an expression of the query below becomes. */
static Node *
column_var(Columns *columns, Node *expr, int depth)
{
	return (Node *) makeVar(columns->varno, columns_add(columns, expr),
							exprType(expr), exprTypmod(expr),
							exprCollation(expr), depth);
}

static bool
is_column(const Columns *columns, Node *node)
{
	if (columns->depth > 0)
		return false;
	if (list_position(columns->whole, node) != 0)
		return true;
	if (IsA(node, Aggref) || IsA(node, GroupingFunc))
		return columns->grouped;
	return IsA(node, SubLink) && columns->sublinks;
}

/* A comparison with the clock of columns that the query below has, and no other? */
static bool
is_clock_column(const Columns *columns, Node *node)
{
	List	   *vars;
	ListCell   *lc;

	if (columns->complete || !is_clock_bound(node) || checkExprHasSubLink(node) ||
		contain_windowfuncs(node) || contain_aggs_of_level(node, columns->depth))
		return false;
	vars = pull_vars_of_level(node, columns->depth);
	foreach(lc, vars)
		if (columns->rtindexes != NIL &&
			!list_member_int(columns->rtindexes, ((Var *) lfirst(lc))->varno))
			return false;
	for (int level = 0; level < columns->depth; level++)
		if (contain_vars_of_level(node, level) || contain_aggs_of_level(node, level))
			return false;
	return vars != NIL && !contain_vars_of_level(node, columns->depth + 1);
}

static Node *
map_mutator(Node *node, Columns *columns)
{
	if (node == NULL)
		return NULL;
	if (is_column(columns, node))
		return column_var(columns, node, 0);
	if (is_outer_aggregate(columns, node) || is_clock_column(columns, node))
	{
		Node	   *here = copyObject(node);

		IncrementVarSublevelsUp(here, -columns->depth, columns->depth);
		return column_var(columns, here, columns->depth);
	}
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		Var		   *here;

		if (var->varlevelsup != columns->depth ||
			(columns->rtindexes != NIL &&
			 !list_member_int(columns->rtindexes, var->varno)))
			return copyObject(node);
		here = makeVar(var->varno, var->varattno, var->vartype,
					   var->vartypmod, var->varcollid, 0);
		return column_var(columns, (Node *) here, columns->depth);
	}
	if (IsA(node, Query))
	{
		Query	   *result;

		columns->depth++;
		result = query_tree_mutator((Query *) node, map_mutator, columns, 0);
		columns->depth--;
		return (Node *) result;
	}
	return expression_tree_mutator(node, map_mutator, columns);
}

Node *
columns_map(Columns *columns, Node *node)
{
	return map_mutator(node, columns);
}
