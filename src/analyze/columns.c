/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  Cut an expression in two: what a query below computes, and what is left
 *	  to the query that reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
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

static Node *
map_mutator(Node *node, Columns *columns)
{
	if (node == NULL)
		return NULL;
	if (is_column(columns, node))
		return column_var(columns, node, 0);
	if (is_outer_aggregate(columns, node))
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
