/*-------------------------------------------------------------------------
 *
 * lateral_join.c
 *	  Outer joins of which each row of the preserved side sees a nullable side,
 *	  or a condition, of its own.
 *
 *		L LEFT JOIN R ON p  =  L LEFT JOIN LATERAL (SELECT r FROM R) ON p(r)
 *							=  L LEFT JOIN LATERAL (SELECT r FROM R WHERE p) ON true
 *
 * The first holds for any R and p, whichever columns of L they name: these lie
 * one level further out then.  The second holds if the subquery does nothing
 * after its WHERE that depends on which rows there are.  It is used where the
 * condition can become one that says which rows of R a row of L depends on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"

/* ---- one level further down ---- */

typedef struct Nesting
{
	List	   *rtindexes;		/* entries that move down with the expression */
	int			depth;			/* run time: levels below the one that moves */
} Nesting;

static bool
nest_walker(Node *node, Nesting *nesting)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varlevelsup > nesting->depth ||
			(var->varlevelsup == nesting->depth &&
			 !list_member_int(nesting->rtindexes, var->varno)))
			var->varlevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		nesting->depth++;
		result = query_tree_walker((Query *) node, nest_walker, nesting, 0);
		nesting->depth--;
		return result;
	}
	return expression_tree_walker(node, nest_walker, nesting);
}

/* An entry that nobody reads, so that the others keep their numbers. */
static RangeTblEntry *
empty_rte(void)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_RESULT;
	rte->eref = makeAlias("empty", NIL);
	return rte;
}

/*
 * Joins without names of their own: references to their columns have become
 * references to the tables, which a join's name would hide.
 */
static bool
plain_join_walker(Node *node, Query *query)
{
	JoinExpr   *join = (JoinExpr *) node;
	RangeTblEntry *rte;
	int			ncolumns;

	if (node == NULL)
		return false;
	if (!IsA(node, JoinExpr))
		return expression_tree_walker(node, plain_join_walker, query);
	join->alias = NULL;
	join->join_using_alias = NULL;
	join->usingClause = NIL;
	rte = rt_fetch(join->rtindex, query->rtable);
	rte->alias = NULL;
	rte->join_using_alias = NULL;
	rte->joinmergedcols = 0;
	rte->eref = makeAlias("unnamed_join", NIL);
	rte->joinaliasvars = NIL;
	ncolumns = list_length(rte->joinleftcols) + list_length(rte->joinrightcols);
	for (int i = 1; i <= ncolumns; i++)
	{
		/* nobody reads it, but printing counts them */
		rte->joinaliasvars = lappend(rte->joinaliasvars, makeBoolConst(true, false));
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(psprintf("c%d", i)));
	}
	return plain_join_walker(join->larg, query) || plain_join_walker(join->rarg, query);
}

/* SELECT the columns FROM the right side */
static Query *
nested_side(Query *query, const LateralJoin *join)
{
	Query	   *nested = makeNode(Query);
	Nesting		nesting = {.rtindexes = join->right_rtindexes};
	int			rtindex = 0;
	ListCell   *lc;

	nested->commandType = CMD_SELECT;
	nested->canSetTag = true;
	nested->hasSubLinks = true;
	pgt_share_selected_columns(nested, query);
	nested->jointree = makeFromExpr(list_make1(copyObject(join->right)), NULL);
	foreach(lc, query->rtable)
		nested->rtable = lappend(nested->rtable,
								 list_member_int(join->right_rtindexes, ++rtindex) ?
								 copyObject(lfirst(lc)) : empty_rte());
	foreach(lc, join->right_columns)
		add_target(nested, copyObject(lfirst(lc)));
	if (nested->targetList == NIL)
		add_target(nested, makeBoolConst(true, false));
	(void) plain_join_walker((Node *) nested->jointree->fromlist, nested);
	(void) query_tree_walker(nested, nest_walker, &nesting, 0);
	return nested;
}

/* ---- the condition ---- */

/* Does a condition on the rows of a query mean the same in its WHERE? */
static bool
takes_condition(Query *query)
{
	List	   *outer_quals;

	if (!selects_only(query) || checkExprHasSubLink((Node *) query->targetList))
		return false;
	return part_subquery(query, &outer_quals) != NULL;
}

static Node *
column_expr(Var *var, replace_rte_variables_context *context)
{
	Query	   *query = context->callback_arg;
	Node	   *expr = copyObject((Node *) get_tle_by_resno(query->targetList,
															var->varattno)->expr);

	IncrementVarSublevelsUp(expr, var->varlevelsup, 0);
	return expr;
}

/* Add a condition that names the query's columns as those of entry rtindex. */
static void
take_condition(Query *query, Node *quals, int rtindex)
{
	Nesting		nesting = {.rtindexes = list_make1_int(rtindex)};
	bool		has_sublinks = true;

	quals = copyObject(quals);
	(void) nest_walker(quals, &nesting);
	quals = replace_rte_variables(quals, rtindex, 0, column_expr, query, &has_sublinks);
	query->jointree->quals = make_and_qual(query->jointree->quals, quals);
	query->hasSubLinks = true;
}

/* ---- the join ---- */

/* The right side's entry, if it is a LATERAL subquery and nothing else. */
static int
lateral_side(Query *query, const LateralJoin *join)
{
	RangeTblEntry *rte;

	if (!IsA(join->right, RangeTblRef))
		return 0;
	rte = rt_fetch(((RangeTblRef *) join->right)->rtindex, query->rtable);
	return rte->rtekind == RTE_SUBQUERY && has_outer_references(rte->subquery) ?
		((RangeTblRef *) join->right)->rtindex : 0;
}

/* Make the right side one; conditions are then in terms of its columns. */
static int
make_lateral_side(Query *query, const LateralJoin *join, Columns *right)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = nested_side(query, join);
	rte->lateral = true;
	rte->inFromCl = true;
	rte->eref = makeAlias("side", NIL);
	for (int i = 1; i <= list_length(rte->subquery->targetList); i++)
		rte->eref->colnames = lappend(rte->eref->colnames,
									  makeString(psprintf("c%d", i)));
	query->rtable = lappend(list_copy(query->rtable), rte);
	right->varno = list_length(query->rtable);
	right->rtindexes = join->right_rtindexes;
	right->exprs = list_copy(join->right_columns);
	right->complete = true;
	return right->varno;
}

/* Does anything look beside the two sides, or at system columns? */
static const char *
strange_reason(const LateralJoin *join, Query *nested)
{
	ListCell   *lc;

	foreach(lc, pull_vars_of_level((Node *) nested, 1))
		if (!list_member_int(join->left_rtindexes, ((Var *) lfirst(lc))->varno))
			return "the nullable side of an outer join looks beside the join";
	foreach(lc, join->right_columns)
		if (((Var *) lfirst(lc))->varattno <= 0)
			return "it uses a system column";
	return NULL;
}

Stage *
lateral_join_stage(Analysis *an, Query *query, const LateralJoin *join)
{
	Query		level = *query;
	From		from = {.an = an,.query = &level};
	Columns		right = {0};
	int			rtindex = lateral_side(query, join);
	Node	   *quals = join->quals;
	List	   *targets = join->right_columns;
	Query	   *nested;

	if (rtindex == 0)
	{
		rtindex = make_lateral_side(&level, join, &right);
		quals = columns_map(&right, quals);
		targets = (List *) columns_map(&right, (Node *) targets);
	}
	nested = rt_fetch(rtindex, level.rtable)->subquery;
	an->reason = strange_reason(join, nested);
	if (an->reason != NULL)
		return NULL;
	if (quals != NULL && takes_condition(nested))
	{
		take_condition(nested, quals, rtindex);
		quals = NULL;
	}
	from.laterals = list_make1_int(rtindex);
	return left_lateral_stage(&from, join->left, join->left_rtindexes, quals,
							  list_concat_copy(join->left_columns, targets));
}
