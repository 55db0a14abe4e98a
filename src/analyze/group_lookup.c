/*-------------------------------------------------------------------------
 *
 * group_lookup.c
 *	  Scalar aggregates that a subquery asks for by equality.
 *
 * An aggregate over the rows that equal l in the columns r is that of their
 * group, so it is looked up among the groups:
 *
 *		(SELECT agg(e) FROM R WHERE r = l)
 *			=  g.agg if there is such a g, else agg of no rows, with
 *			   L LEFT JOIN (SELECT r, agg(e) FROM R GROUP BY r) g ON g.r = l
 *
 * A slice has no index: computing the aggregate for each row of L would read
 * all of R each time, the join with the groups reads it once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_oper.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Built-in aggregates that are NULL if there are no rows. */
static bool
aggregate_of_none_is_null(const Aggref *agg)
{
	static const char *const names[] = {
		"sum", "avg", "min", "max", "bool_and", "bool_or", "every",
		"variance", "var_pop", "var_samp", "stddev", "stddev_pop", "stddev_samp",
		"string_agg", "array_agg"
	};
	char	   *name = get_func_name(agg->aggfnoid);

	if (get_func_namespace(agg->aggfnoid) != PG_CATALOG_NAMESPACE)
		return false;
	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The aggregates of an expression, over no rows. */
static Node *
of_no_rows(Node *node, bool *known)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref))
	{
		Aggref	   *agg = (Aggref *) node;

		if (agg->aggfnoid == F_COUNT_ || agg->aggfnoid == F_COUNT_ANY)
			return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
									  Int64GetDatum(0), false, FLOAT8PASSBYVAL);
		if (!aggregate_of_none_is_null(agg))
			*known = false;
		return (Node *) makeNullConst(agg->aggtype, -1, agg->aggcollid);
	}
	return expression_tree_mutator(node, of_no_rows, known);
}

/*
 * The columns r that the conditions of a subquery equate with columns of L, if
 * they do nothing else, with the equality that groups them.
 */
static bool
lookup_columns(Query *query, List **inner, List **tests)
{
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) query->jointree->quals))
	{
		OpExpr	   *op = lfirst(lc);
		Node	   *a,
				   *b;

		if (!equality_sides((Node *) op, &a, &b))
			return false;
		if (contain_vars_of_level(a, 0))
		{
			Node	   *swap = a;

			a = b;
			b = swap;
		}
		if (!IsA(b, Var) || ((Var *) b)->varlevelsup != 0 || !IsA(a, Var) ||
			((Var *) a)->varlevelsup != 1 || exprType(a) != exprType(b) ||
			exprCollation(a) != exprCollation(b) ||
			op->inputcollid != exprCollation(b) ||
			!equality_is_image(exprType(b), exprCollation(b)) ||
			lookup_type_cache(exprType(b), TYPECACHE_EQ_OPR)->eq_opr != op->opno)
			return false;
		*inner = lappend(*inner, b);
		*tests = lappend(*tests, op);
	}
	return *inner != NIL;
}

static bool
is_lookup(Subqueries *sub, const SubLink *link)
{
	Query	   *query = castNode(Query, link->subselect);

	return link->subLinkType == EXPR_SUBLINK && aggregates_all(query) &&
		query->distinctClause == NIL && list_length(query->rtable) == 1 &&
		input_of_rte(sub, linitial(query->rtable)) != NULL &&
		list_length(visible_targets(query)) == 1 &&
		!checkExprHasSubLink((Node *) query->targetList) &&
		!expr_has_outer_references((Node *) query->targetList);
}

/* SELECT r, aggregate FROM R GROUP BY r */
static Query *
groups_query(Query *query, List *inner)
{
	Query	   *groups = copyObject(query);
	Node	   *value = linitial(visible_targets(query));
	ListCell   *lc;

	groups->targetList = NIL;
	groups->sortClause = NIL;
	groups->jointree->quals = NULL;
	foreach(lc, inner)
	{
		SortGroupClause *clause = makeNode(SortGroupClause);
		TargetEntry *tle = makeTargetEntry(copyObject(lfirst(lc)),
										   list_length(groups->targetList) + 1,
										   psprintf("r%d", list_length(groups->targetList) + 1),
										   false);

		clause->tleSortGroupRef = tle->ressortgroupref = tle->resno;
		get_sort_group_operators(exprType((Node *) tle->expr), false, true, false,
								 &clause->sortop, &clause->eqop, NULL, &clause->hashable);
		groups->groupClause = lappend(groups->groupClause, clause);
		groups->targetList = lappend(groups->targetList, tle);
	}
	groups->targetList =
		lappend(groups->targetList,
				makeTargetEntry(copyObject((Expr *) value),
								list_length(groups->targetList) + 1, "value", false));
	return groups;
}

/*
 * Join the groups to all that FROM has so far.  The block's entries are
 * numbered from nrte + 1 on, and L's is not in the list yet.
 */
static int
join_groups(Subqueries *sub, Query *block, Query *groups, List *tests)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	JoinExpr   *join = makeNode(JoinExpr);
	List	   *names = NIL;
	List	   *columns = NIL;
	List	   *quals = NIL;
	int			position = 0;
	ListCell   *lc;

	foreach(lc, groups->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		names = lappend(names, makeString(pstrdup(tle->resname)));
	}
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = groups;
	rte->eref = makeAlias("groups", names);
	rte->inFromCl = true;
	block->rtable = lappend(block->rtable, rte);
	ref->rtindex = sub->nrte + 1 + list_length(block->rtable);
	foreach(lc, groups->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		columns = lappend(columns, makeVarFromTargetEntry(ref->rtindex, tle));
	}
	foreach(lc, tests)
	{
		OpExpr	   *op = copyObject(lfirst(lc));
		Node	   *left = linitial(op->args);
		Node	   *column = list_nth(columns, position++);

		if (((Var *) strip_relabel(left))->varlevelsup == 0)
			left = lsecond(op->args);
		IncrementVarSublevelsUp(left, -1, 1);
		op->args = list_make2(left, column);
		quals = lappend(quals, op);
	}

	/* a copy: renumbering must not meet a column twice */
	block->rtable = lappend(block->rtable,
							join_rte(JOIN_LEFT, NIL, copyObject(columns)));
	join->jointype = JOIN_LEFT;
	join->larg = linitial(block->jointree->fromlist);
	join->rarg = (Node *) ref;
	join->quals = (Node *) make_ands_explicit(quals);
	join->rtindex = sub->nrte + 1 + list_length(block->rtable);
	linitial(block->jointree->fromlist) = join;
	return ref->rtindex;
}

/* CASE WHEN column IS NULL THEN of no rows ELSE value END */
static Node *
looked_up(Var *column, Var *value, Node *none)
{
	NullTest   *test = makeNode(NullTest);
	CaseWhen   *when = makeNode(CaseWhen);
	CaseExpr   *result = makeNode(CaseExpr);

	test->arg = (Expr *) column;
	test->nulltesttype = IS_NULL;
	test->location = -1;
	when->expr = (Expr *) test;
	when->result = (Expr *) none;
	when->location = -1;
	result->casetype = value->vartype;
	result->casecollid = value->varcollid;
	result->args = list_make1(when);
	result->defresult = (Expr *) value;
	result->location = -1;
	return (Node *) result;
}

typedef struct LookupWalk
{
	Subqueries *sub;
	Query	   *block;
} LookupWalk;

static Node *
lookup_mutator(Node *node, LookupWalk *walk)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, SubLink))
	{
		SubLink    *link = (SubLink *) node;
		Query	   *query = castNode(Query, link->subselect);
		List	   *inner = NIL;
		List	   *tests = NIL;
		bool		known = true;
		Node	   *none;
		Query	   *groups;
		int			rtindex;
		Var		   *value;

		if (!is_lookup(walk->sub, link) || !lookup_columns(query, &inner, &tests) ||
			undetermined_reason(walk->sub->an, query) != NULL)
			return copyObject(node);
		none = of_no_rows(linitial(visible_targets(query)), &known);
		if (!known)
			return copyObject(node);
		groups = groups_query(query, inner);
		rtindex = join_groups(walk->sub, walk->block, groups, tests);
		input_of_rte(walk->sub, linitial(query->rtable))->grouped = true;
		value = makeVarFromTargetEntry(rtindex, llast(groups->targetList));
		return looked_up(makeVarFromTargetEntry(rtindex, linitial(groups->targetList)),
						 value, none);
	}
	return expression_tree_mutator(node, lookup_mutator, walk);
}

void
join_group_lookups(Subqueries *sub, Query *block)
{
	LookupWalk	walk = {.sub = sub,.block = block};

	if (sub->from->laterals != NIL || sub->an->reason != NULL)
		return;
	block->targetList = (List *) lookup_mutator((Node *) block->targetList, &walk);
	block->jointree->quals = lookup_mutator(block->jointree->quals, &walk);
}
