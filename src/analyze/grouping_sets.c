/*-------------------------------------------------------------------------
 *
 * grouping_sets.c
 *	  Grouping sets that no key divides.
 *
 *		GROUP BY GROUPING SETS (s, t, ...)  =  GROUP BY s  +  GROUP BY t  +  ...
 *
 * where, in the term of s, a key that is not in s is NULL outside of aggregates,
 * and GROUPING() a constant.  A set that is named twice is two terms.  The empty
 * set is an aggregate without GROUP BY, which has its one row always; without
 * any aggregate it is a row of constants.
 *
 * If all sets have a key in common, what it has touched can be computed again,
 * all sets at once (upper.c).  Else that would be everything; so each set is
 * kept, and maintained like a stream table, by merging.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_agg.h"
#include "rewrite/rewriteManip.h"

/* Each is a table, and joins what changed anew. */
#define MAX_KEPT_SETS 16

/* One of the sets. */
typedef struct KeySet
{
	List	   *refs;			/* of int: sort group references of its keys */
	List	   *keys;			/* of Node */
	List	   *others;			/* keys of other sets only */
} KeySet;

static Node *
grouping_value(const GroupingFunc *func, const KeySet *set)
{
	int32		value = 0;
	ListCell   *lc;

	foreach(lc, func->refs)
		value = (value << 1) | (list_member_int(set->refs, lfirst_int(lc)) ? 0 : 1);
	return (Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
							  Int32GetDatum(value), false, true);
}

/* An expression above the groups, as it is for one set. */
static Node *
set_mutator(Node *node, KeySet *set)
{
	if (node == NULL)
		return NULL;
	if (list_position(set->keys, node) != 0)
		return copyObject(node);
	if (list_position(set->others, node) != 0)
		return (Node *) makeNullConst(exprType(node), exprTypmod(node),
									  exprCollation(node));
	if (IsA(node, GroupingFunc))
		return grouping_value((GroupingFunc *) node, set);
	if (IsA(node, Aggref))
	{
		Aggref	   *aggref = copyObject((Aggref *) node);

		aggref->aggdirectargs = (List *)
			set_mutator((Node *) aggref->aggdirectargs, set);
		return (Node *) aggref;
	}
	return expression_tree_mutator(node, set_mutator, set);
}

static KeySet
grouping_set(const Query *query, List *refs)
{
	KeySet set = {.refs = refs};
	ListCell   *lc;

	foreach(lc, query->groupClause)
	{
		SortGroupClause *clause = lfirst(lc);
		Node	   *key = get_sortgroupclause_expr(clause, query->targetList);

		if (list_member_int(refs, clause->tleSortGroupRef))
			set.keys = lappend(set.keys, key);
		else
			set.others = lappend(set.others, key);
	}
	return set;
}

/* The query with one set as its GROUP BY. */
static Query *
set_query(Query *query, KeySet *set)
{
	Query	   *result = copyObject(query);
	ListCell   *lc;

	result->groupingSets = NIL;
	result->groupDistinct = false;
	result->sortClause = NIL;
	foreach(lc, result->groupClause)
		if (!list_member_int(set->refs, ((SortGroupClause *) lfirst(lc))->tleSortGroupRef))
			result->groupClause = foreach_delete_current(result->groupClause, lc);
	foreach(lc, result->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (tle->resjunk && !list_member_int(set->refs, tle->ressortgroupref))
			result->targetList = foreach_delete_current(result->targetList, lc);
	}
	result->targetList = (List *) set_mutator((Node *) result->targetList, set);
	result->havingQual = set_mutator(result->havingQual, set);
	return result;
}

/* The one row of an empty set without aggregates: conditions are on constants. */
static Query *
constant_query(Query *query)
{
	query->rtable = NIL;
	query->jointree = makeFromExpr(NIL, query->havingQual);
	query->havingQual = NULL;
	return query;
}

static List *
set_branches(Analysis *an, Query *query, List *refs)
{
	KeySet set = grouping_set(query, refs);
	Query	   *groups = set_query(query, &set);
	Stage	   *stage;

	if (refs == NIL && !query->hasAggs)
		return normalize_query(an, constant_query(groups));
	stage = stage_stored(an, groups);
	return stage == NULL ? NIL : stage_branches(stage);
}

static bool
has_common_key(List *sets)
{
	List	   *common = linitial(sets);
	ListCell   *lc;

	foreach(lc, sets)
		common = list_intersection_int(common, lfirst(lc));
	return common != NIL;
}

/* A constant that is a key cannot be told from any other constant. */
static bool
has_constant_key(const Query *query)
{
	ListCell   *lc;

	foreach(lc, query->groupClause)
		if (!contain_var_clause(get_sortgroupclause_expr(lfirst(lc), query->targetList)))
			return true;
	return false;
}

List *
normalize_grouping_sets(Analysis *an, Query *query)
{
	List	   *sets = expand_grouping_sets(query->groupingSets,
											query->groupDistinct, -1);
	int			nstages = list_length(an->stages);
	int			nstored = list_length(an->shared->stored);
	List	   *branches = NIL;
	ListCell   *lc;

	if (sets == NIL || list_length(sets) > MAX_KEPT_SETS || has_common_key(sets) ||
		has_constant_key(query) || query->hasTargetSRFs ||
		checkExprHasSubLink((Node *) query->targetList) ||
		checkExprHasSubLink(query->havingQual))
		return NIL;
	foreach(lc, sets)
		if (an->reason == NULL)
			branches = list_concat(branches, set_branches(an, query, lfirst(lc)));
	if (an->reason == NULL)
		return branches;

	/* what has a set that cannot be kept is computed as it is */
	if (!an->impossible)
	{
		forget_stages(an, nstages, nstored);
		an->reason = NULL;
	}
	return NIL;
}
