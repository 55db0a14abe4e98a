/*-------------------------------------------------------------------------
 *
 * membership.c
 *	  x IN (subquery) as a join.
 *
 * If the rows v of a subquery S that does not look at the outer query are told
 * apart by the equality that IN compares with, then a row of L meets at most
 * one of them, and as a condition of WHERE
 *
 *		{ l in L : l.x IN (SELECT v FROM S) }  =  L JOIN S ON x = v
 *
 * with multiplicities: a NULL on either side meets nothing, and is not true of
 * IN.  A join is linear in S, and each of its two sides limits what a change of
 * the other one has to read.
 *
 * Groups that pass a HAVING are kept, for they are few, while finding them
 * takes all groups.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Is it the equality by which keys of the column's type are distinct? */
static bool
is_key_equality(const OpExpr *op, Node *column)
{
	TypeCacheEntry *type = lookup_type_cache(exprType(column), TYPECACHE_BTREE_OPFAMILY);

	return OidIsValid(type->btree_opf) &&
		get_op_opfamily_strategy(op->opno, type->btree_opf) == BTEqualStrategyNumber &&
		op->inputcollid == exprCollation(column);
}

/* Does IN compare each column of the subquery as its keys are compared? */
static bool
compares_keys(const SubLink *link, Query *subquery)
{
	List	   *targets = visible_targets(subquery);
	List	   *compared = NIL;
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) link->testexpr))
	{
		Node	   *left,
				   *right;

		if (!equality_sides(lfirst(lc), &left, &right) || checkExprHasSubLink(left))
			return false;
		right = strip_relabel(right);
		if (!IsA(right, Param) ||
			!is_key_equality(lfirst(lc), list_nth(targets, ((Param *) right)->paramid - 1)))
			return false;
		compared = list_append_unique_int(compared, ((Param *) right)->paramid);
	}
	return list_length(compared) == list_length(targets);
}

static List *
member_branches(Analysis *an, Query *subquery)
{
	Stage	   *stage;

	if (!query_is_grouped(subquery) || subquery->havingQual == NULL)
		return normalize_query(an, subquery);
	stage = stage_stored(an, subquery);
	return stage == NULL ? NIL : stage_branches(stage);
}

/* The branches of a subquery whose rows are distinct; NIL if they may not be. */
static List *
unique_branches(Analysis *an, Query *subquery)
{
	int			nstages = list_length(an->stages);
	int			nstored = list_length(an->shared->stored);
	List	   *branches = member_branches(an, copyObject(subquery));

	if (an->reason == NULL && branches_unique(branches) != NIL)
		return branches;
	if (!an->impossible)
		an->reason = NULL;
	forget_stages(an, nstages, nstored);
	return NIL;
}

static int
add_item(From *from, Query *subquery, List *branches)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	FromItem   *item = palloc0(sizeof(FromItem));
	List	   *names = NIL;

	for (int i = 0; i < list_length(visible_targets(subquery)); i++)
		names = lappend(names, makeString(pstrdup("member")));
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = subquery;
	rte->eref = makeAlias("members", names);
	rte->inFromCl = true;
	from->query->rtable = lappend(from->query->rtable, rte);
	item->rtindex = list_length(from->query->rtable);
	item->branches = branches;
	from->items = lappend(from->items, item);
	return item->rtindex;
}

/* Put columns of the item for what stands for columns of the subquery. */
static Node *
replace_params(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_SUBLINK)
		return (Node *) makeVar(*(int *) context, ((Param *) node)->paramid,
								exprType(node), exprTypmod(node),
								exprCollation(node), 0);
	return expression_tree_mutator(node, replace_params, context);
}

List *
join_memberships(From *from, List *quals)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, quals)
	{
		SubLink    *link = lfirst(lc);
		Query	   *subquery = IsA(link, SubLink) ? castNode(Query, link->subselect) : NULL;
		List	   *branches = NIL;
		int			rtindex;

		if (from->an->reason == NULL && subquery != NULL &&
			link->subLinkType == ANY_SUBLINK && !has_outer_references(subquery) &&
			compares_keys(link, subquery))
			branches = unique_branches(from->an, subquery);
		if (branches == NIL)
		{
			result = lappend(result, link);
			continue;
		}
		rtindex = add_item(from, subquery, branches);
		result = list_concat(result, make_ands_implicit((Expr *) replace_params(link->testexpr, &rtindex)));
	}
	return result;
}
