/*-------------------------------------------------------------------------
 *
 * subquery.c
 *	  Subqueries in expressions, and LATERAL ones in FROM.
 *
 * A level with subqueries is a query that is linear in the rows of its FROM
 * clause, L:
 *
 *		SELECT e FROM L, LATERAL s1 WHERE p    with subqueries in e and p
 *
 * L takes along every condition without a subquery, so that it is as small as
 * can be.  Of each subquery, what it reads without looking at L becomes an
 * input R, and the rest stays in the query, over R.  A condition l = r among
 * what stays, which R's rows must meet to count at all, says which rows of R a
 * row of L depends on.
 *
 * x IN (SELECT v ...) as a condition of WHERE is such an equality itself; in
 * any other place, NULLs among v matter to every x, so that it is one only if
 * neither can be NULL.
 *
 * The same holds for L LEFT JOIN LATERAL s ON p: each row of L has its own rows,
 * and p is a condition on rows of s.
 *
 * A subquery with an aggregate, without GROUP BY and without a look at the
 * outer query, has exactly one row: it moves into FROM.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_attribute.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool localize_walker(Node *node, Subqueries *sub);
static StageInput *plain_input(Subqueries *sub, Query *query);
static void find_in_pairs(Subqueries *sub, SubLink *link, bool positive);

/* ---- references to outer levels ---- */

static bool
outer_walker(Node *node, int *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup > *depth;
	if (IsA(node, Aggref) && ((Aggref *) node)->agglevelsup > *depth)
		return true;
	if (IsA(node, GroupingFunc) && ((GroupingFunc *) node)->agglevelsup > *depth)
		return true;
	if (IsA(node, Query))
	{
		bool		result;

		(*depth)++;
		result = query_tree_walker((Query *) node, outer_walker, depth, 0);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, outer_walker, depth);
}

bool
has_outer_references(Query *query)
{
	int			depth = 0;

	return query_tree_walker(query, outer_walker, &depth, 0);
}

bool
expr_has_outer_references(Node *expr)
{
	int			depth = 0;

	return outer_walker(expr, &depth);
}

/* ---- scalar subqueries into FROM ---- */

bool
aggregates_all(const Query *query)
{
	return query->commandType == CMD_SELECT && query->hasAggs &&
		query->groupClause == NIL && query->groupingSets == NIL &&
		query->havingQual == NULL && query->setOperations == NULL &&
		query->limitCount == NULL && query->limitOffset == NULL &&
		!query->hasTargetSRFs && !query->hasWindowFuncs;
}

bool
query_is_single_row(Query *query)
{
	return aggregates_all(query) && !has_outer_references(query);
}

static int
add_subquery(Query *query, Query *subquery)
{
	RangeTblEntry *rte;
	RangeTblRef *ref = makeNode(RangeTblRef);
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, query->jointree->fromlist)
		if (IsA(lfirst(lc), RangeTblRef))
		{
			int			rtindex = ((RangeTblRef *) lfirst(lc))->rtindex;

			rte = rt_fetch(rtindex, query->rtable);
			if (rte->rtekind == RTE_SUBQUERY && equal(rte->subquery, subquery))
				return rtindex;
		}
	foreach(lc, visible_targets(subquery))
		names = lappend(names, makeString(pstrdup("value")));
	rte = makeNode(RangeTblEntry);
	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = subquery;
	rte->eref = makeAlias("scalar", names);
	rte->inFromCl = true;
	query->rtable = lappend(query->rtable, rte);
	ref->rtindex = list_length(query->rtable);
	query->jointree->fromlist = lappend(query->jointree->fromlist, ref);
	return ref->rtindex;
}

static Node *
scalar_mutator(Node *node, Query *query)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, SubLink))
	{
		SubLink    *link = (SubLink *) node;
		Query	   *subquery = castNode(Query, link->subselect);

		if (link->subLinkType == EXPR_SUBLINK && query_is_single_row(subquery))
			return (Node *) makeVar(add_subquery(query, subquery), 1,
									exprType(node), exprTypmod(node),
									exprCollation(node), 0);
		return copyObject(node);
	}
	return expression_tree_mutator(node, scalar_mutator, query);
}

void
pull_up_scalars(Query *query, bool targets)
{
	if (!query->hasSubLinks || query->jointree == NULL)
		return;
	query->jointree->quals = scalar_mutator(query->jointree->quals, query);
	if (targets)
		query->targetList = (List *) scalar_mutator((Node *) query->targetList, query);
}

/* ---- the inner side ---- */

/*
 * An input of its own for the block: the same stage cannot hold two slices.
 */
static StageInput *
add_input(Subqueries *sub, List *branches)
{
	StageInput *input = stage_input(stage_sum_unshared(sub->an, branches, sub->inputs));

	sub->inputs = lappend(sub->inputs, input);
	return input;
}

/* Replace references to L's columns by what they stand for. */
static Node *
expand_left(Node *node, Subqueries *sub)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return copyObject(list_nth(sub->left.exprs, ((Var *) node)->varattno - 1));
	return expression_tree_mutator(node, expand_left, sub);
}

/* The column of L that an expression over L, as seen from below, is. */
static int
left_column(Subqueries *sub, Node *expr)
{
	expr = strip_relabel(expr);
	if (IsA(expr, Var))
		return ((Var *) expr)->varattno;
	return columns_add(&sub->left, expand_left(expr, sub));
}

/* Is it made of columns of L, and only of those? */
static bool
is_left(Subqueries *sub, Node *expr)
{
	List	   *vars = pull_vars_of_level(expr, sub->level);
	ListCell   *lc;

	if (vars == NIL || checkExprHasSubLink(expr))
		return false;
	for (int level = 0; level < sub->level; level++)
		if (contain_vars_of_level(expr, level))
			return false;
	foreach(lc, vars)
		if (((Var *) lfirst(lc))->varno != sub->nrte + 1)
			return false;
	return !contain_vars_of_level(expr, sub->level + 1);
}

static bool
is_local(Node *expr)
{
	return contain_vars_of_level(expr, 0) && !expr_has_outer_references(expr) &&
		!checkExprHasSubLink(expr);
}

/* If a condition that ties the inner rows to L is an equality, note it. */
static void
find_pair(Subqueries *sub, Node *qual, Columns *inner, StageInput *input)
{
	Node	   *a,
			   *b;

	if (!equality_sides(qual, &a, &b))
		return;
	if (is_left(sub, a) && is_local(b))
		input_add_pair(input, (OpExpr *) qual, false, left_column(sub, a),
					   columns_add(inner, strip_relabel(b)));
	else if (is_left(sub, b) && is_local(a))
		input_add_pair(input, (OpExpr *) qual, true, left_column(sub, b),
					   columns_add(inner, strip_relabel(a)));
}

/* Take the conditions that look outside from the inner joins of a tree. */
static void
take_outer_quals(Node *node, List **taken)
{
	Node	  **quals;
	List	   *kept = NIL;
	ListCell   *lc;

	if (node == NULL || IsA(node, RangeTblRef))
		return;
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			take_outer_quals(lfirst(lc), taken);
		quals = &((FromExpr *) node)->quals;
	}
	else
	{
		if (((JoinExpr *) node)->jointype != JOIN_INNER)
			return;
		take_outer_quals(((JoinExpr *) node)->larg, taken);
		take_outer_quals(((JoinExpr *) node)->rarg, taken);
		quals = &((JoinExpr *) node)->quals;
	}
	foreach(lc, make_ands_implicit((Expr *) *quals))
		if (expr_has_outer_references(lfirst(lc)))
			*taken = lappend(*taken, lfirst(lc));
		else
			kept = lappend(kept, lfirst(lc));
	*quals = kept == NIL ? NULL : (Node *) make_ands_explicit(kept);
}

/* Does anything else than select list, HAVING and those conditions? */
static bool
from_has_outer_references(Query *query)
{
	int			depth = 0;

	return outer_walker((Node *) query->jointree, &depth) ||
		range_table_walker(query->rtable, outer_walker, &depth, 0);
}

/* Cut FROM and WHERE from a subquery; what is left reads an input. */
static void
split_subquery(Subqueries *sub, Query *query, List *outer_quals)
{
	Columns		inner = {.varno = 1};
	StageInput *input = palloc0(sizeof(StageInput));
	Query	   *from = copyObject(query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	List	   *branches;
	ListCell   *lc;

	foreach(lc, outer_quals)
		find_pair(sub, lfirst(lc), &inner, input);
	query->targetList = (List *) columns_map(&inner, (Node *) query->targetList);
	query->havingQual = columns_map(&inner, query->havingQual);
	outer_quals = (List *) columns_map(&inner, (Node *) outer_quals);
	if (inner.exprs == NIL)
		(void) columns_add(&inner, makeBoolConst(true, false));

	pull_up_scalars(from, false);
	branches = normalize_core(sub->an, from, inner.exprs);
	if (sub->an->reason != NULL)
		return;
	input->stage = stage_sum_unshared(sub->an, branches, sub->inputs);
	sub->inputs = lappend(sub->inputs, input);
	ref->rtindex = 1;
	query->rtable = list_make1(stage_rte(input->stage));
	query->jointree = makeFromExpr(list_make1(ref), outer_quals == NIL ? NULL :
								   (Node *) make_ands_explicit(outer_quals));
}

/* A subquery that never looks outside is an input as it is. */
static Query *
closed_subquery(Subqueries *sub, Query *query)
{
	List	   *branches;

	if (visible_targets(query) == NIL)
		query->targetList =
			lcons(makeTargetEntry((Expr *) makeBoolConst(true, false), 1, NULL, false),
				  NIL);
	branches = normalize_query(sub->an, query);
	if (sub->an->reason != NULL)
		return query;
	return stage_query(add_input(sub, branches)->stage);
}

Query *
part_subquery(Query *query, List **outer_quals)
{
	Query	   *copy = copyObject(query);

	*outer_quals = NIL;
	if (query->setOperations != NULL || query->cteList != NIL ||
		query->jointree->fromlist == NIL)
		return NULL;
	flatten_aliases(copy);
	take_outer_quals((Node *) copy->jointree, outer_quals);
	return from_has_outer_references(copy) ? NULL : copy;
}

/* Localise what is left of a subquery that was parted. */
static void
localize_rest(Subqueries *sub, Query *query)
{
	ListCell   *lc;

	sub->level++;
	(void) query_tree_walker(query, localize_walker, sub, QTW_IGNORE_RT_SUBQUERIES);
	sub->level--;
	foreach(lc, make_ands_implicit((Expr *) query->jointree->quals))
		if (IsA(lfirst(lc), SubLink))
			find_in_pairs(sub, lfirst(lc), true);
}

/*
 * The subquery with its tables replaced by inputs; ordered: the order of its
 * rows matters.
 */
static Query *
localize(Subqueries *sub, Query *query, bool ordered)
{
	List	   *outer_quals;
	Query	   *parted;

	if (sub->an->reason != NULL)
		return query;
	if (!ordered && !has_outer_references(query))
		return closed_subquery(sub, query);
	parted = part_subquery(query, &outer_quals);
	if (parted == NULL)
	{
		read_inputs_raw(sub->an, query, &sub->inputs);
		return query;
	}
	split_subquery(sub, parted, outer_quals);
	if (sub->an->reason == NULL)
		localize_rest(sub, parted);
	return parted;
}

/* EXISTS does not look at the columns of rows. */
static void
drop_targets(Query *query)
{
	if (!selects_only(query) || query->setOperations != NULL)
		return;
	query->sortClause = NIL;
	query->targetList = list_make1(makeTargetEntry((Expr *) makeBoolConst(true, false),
												   1, NULL, false));
}

/*
 * EXISTS asks for no more than one match, if each condition that ties its rows to
 * L is one by which they are matched.
 */
static void
find_alike(Subqueries *sub, Query *query)
{
	StageInput *input = plain_input(sub, query);

	if (input != NULL && input->pairs != NIL && list_length(input->pairs) ==
		list_length(make_ands_implicit((Expr *) query->jointree->quals)))
		input->alike = true;
}

static bool
localize_walker(Node *node, Subqueries *sub)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink    *link = (SubLink *) node;

		(void) localize_walker(link->testexpr, sub);
		if (link->subLinkType == EXISTS_SUBLINK)
			drop_targets((Query *) link->subselect);
		link->subselect = (Node *) localize(sub, (Query *) link->subselect,
											link->subLinkType == ARRAY_SUBLINK);
		if (link->subLinkType == EXISTS_SUBLINK && sub->an->reason == NULL)
			find_alike(sub, (Query *) link->subselect);
		return false;
	}
	return expression_tree_walker(node, localize_walker, sub);
}

/* ---- IN ---- */

static bool
attribute_is_not_null(Oid relid, AttrNumber attno)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
										Int16GetDatum(attno));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

/* Is a column of an input never NULL? */
static bool
column_is_not_null(const Stage *stage, int column)
{
	ListCell   *lb;

	if (stage->rule != STAGE_SUM)
		return false;
	foreach(lb, stage->branches)
	{
		Branch	   *branch = lfirst(lb);
		Var		   *var = list_nth(branch->targets, column - 1);
		Factor	   *factor;

		if (!IsA(var, Var))
			return false;
		factor = list_nth(branch->factors, var->varno - 1);
		if (!OidIsValid(factor->relid) ||
			!attribute_is_not_null(factor->relid, var->varattno))
			return false;
	}
	return true;
}

/* Is an expression over L a column of a table that is never NULL? */
static bool
left_is_not_null(Subqueries *sub, Node *expr)
{
	Var		   *var = (Var *) strip_relabel(expr);
	ListCell   *lc;

	if (!IsA(var, Var))
		return false;
	var = list_nth(sub->left.exprs, var->varattno - 1);
	if (!IsA(var, Var))
		return false;
	/* not below an outer join, which makes NULLs */
	foreach(lc, sub->from->items)
		if (((FromItem *) lfirst(lc))->rtindex == var->varno)
		{
			RangeTblEntry *rte = rt_fetch(var->varno, sub->from->query->rtable);

			return rte->rtekind == RTE_RELATION &&
				attribute_is_not_null(rte->relid, var->varattno);
		}
	return false;
}

bool
selects_only(const Query *query)
{
	return !query->hasAggs && !query->hasWindowFuncs && !query->hasTargetSRFs &&
		query->groupClause == NIL && query->groupingSets == NIL &&
		query->havingQual == NULL && query->distinctClause == NIL &&
		query->limitCount == NULL && query->limitOffset == NULL;
}

StageInput *
input_of_rte(Subqueries *sub, const RangeTblEntry *rte)
{
	ListCell   *lc;

	foreach(lc, sub->inputs)
		if (((StageInput *) lfirst(lc))->stage == stage_of_rte(sub->an, rte))
			return lfirst(lc);
	return NULL;
}

/* The input that a subquery merely selects from, or NULL. */
static StageInput *
plain_input(Subqueries *sub, Query *query)
{
	return list_length(query->rtable) == 1 && selects_only(query) ?
		input_of_rte(sub, linitial(query->rtable)) : NULL;
}

/*
 * Note what an IN compares: x = i-th column of its subquery, which is a column
 * of the input.
 */
static void
find_in_pairs(Subqueries *sub, SubLink *link, bool positive)
{
	Query	   *query = castNode(Query, link->subselect);
	StageInput *input = plain_input(sub, query);
	List	   *pairs = NIL;
	ListCell   *lc;

	if (link->subLinkType != ANY_SUBLINK || input == NULL)
		return;
	foreach(lc, make_ands_implicit((Expr *) link->testexpr))
	{
		OpExpr	   *op = lfirst(lc);
		Node	   *left,
				   *right;
		Var		   *column;

		if (!equality_sides((Node *) op, &left, &right) || !is_left(sub, left))
			return;
		right = strip_relabel(right);
		if (!IsA(right, Param))
			return;
		column = (Var *) strip_relabel((Node *) get_tle_by_resno(query->targetList,
																 ((Param *) right)->paramid)->expr);
		if (!IsA(column, Var) || column->varlevelsup != 0)
			return;
		if (!positive && !(column_is_not_null(input->stage, column->varattno) &&
						   left_is_not_null(sub, left)))
			return;
		pairs = lappend(pairs, op);
		pairs = lappend(pairs, column);
	}
	for (int i = 0; i < list_length(pairs); i += 2)
	{
		OpExpr	   *op = list_nth(pairs, i);

		input_add_pair(input, op, false, left_column(sub, linitial(op->args)),
					   ((Var *) list_nth(pairs, i + 1))->varattno);
	}
}

static bool
in_walker(Node *node, Subqueries *sub)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		find_in_pairs(sub, (SubLink *) node, false);
	return expression_tree_walker(node, in_walker, sub);
}

/* ---- the level ---- */

/* Conditions that L can take, and those that stay. */
static void
split_quals(From *from, List *quals, List **plain, List **kept)
{
	ListCell   *lc,
			   *lv;

	foreach(lc, quals)
	{
		bool		stays = checkExprHasSubLink(lfirst(lc));

		foreach(lv, pull_vars_of_level(lfirst(lc), 0))
			if (list_member_int(from->laterals, ((Var *) lfirst(lv))->varno))
				stays = true;
		if (stays)
			*kept = lappend(*kept, lfirst(lc));
		else
			*plain = lappend(*plain, lfirst(lc));
	}
}

/* Lateral subquery i (from 0) is entry nrte + 2 + i of the block. */
static void
renumber_laterals(Subqueries *sub, Node *node, int level)
{
	int			rtindex = sub->nrte + 2;
	ListCell   *lc;

	foreach(lc, sub->from->laterals)
		ChangeVarNodes(node, lfirst_int(lc), rtindex++, level);
}

static void
add_laterals(Subqueries *sub, Query *block)
{
	ListCell   *lc;

	foreach(lc, sub->from->laterals)
	{
		RangeTblEntry *rte = copyObject(rt_fetch(lfirst_int(lc), sub->from->query->rtable));
		RangeTblRef *ref = makeNode(RangeTblRef);

		/* with its columns' names, which the subquery need not have */
		rte->eref = makeAlias("lateral", copyObject(rte->eref->colnames));
		rte->alias = copyObject(rte->eref);
		rte->subquery = (Query *) columns_map(&sub->left, (Node *) rte->subquery);
		renumber_laterals(sub, (Node *) rte->subquery, 1);
		block->rtable = lappend(block->rtable, rte);
		ref->rtindex = sub->nrte + 1 + list_length(block->rtable);
		block->jointree->fromlist = lappend(block->jointree->fromlist, ref);
	}
}

static void
localize_all(Subqueries *sub, Query *block)
{
	ListCell   *lc;

	foreach(lc, block->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_SUBQUERY)
		{
			sub->level = 1;
			rte->subquery = localize(sub, rte->subquery, true);
		}
	}
	sub->level = 1;
	(void) localize_walker((Node *) block->targetList, sub);
	(void) localize_walker(block->jointree->quals, sub);
	sub->level = 0;
	foreach(lc, make_ands_implicit((Expr *) block->jointree->quals))
		if (IsA(lfirst(lc), SubLink))
			find_in_pairs(sub, lfirst(lc), true);
		else
			(void) in_walker(lfirst(lc), sub);
	(void) in_walker((Node *) block->targetList, sub);
}

/*
 * The block without L, which may turn out to need more columns on the way:
 * SELECT targets FROM L, laterals WHERE quals.
 */
static Query *
open_block(Subqueries *sub, List *targets, Node *quals)
{
	Query	   *block = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);
	ListCell   *lc;

	sub->nrte = list_length(sub->from->query->rtable);
	sub->left.varno = sub->nrte + 1;
	ref->rtindex = sub->nrte + 1;
	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->jointree = makeFromExpr(list_make1(ref), columns_map(&sub->left, quals));
	foreach(lc, targets)
		add_target(block, columns_map(&sub->left, lfirst(lc)));
	renumber_laterals(sub, (Node *) block->targetList, 0);
	renumber_laterals(sub, block->jointree->quals, 0);
	add_laterals(sub, block);
	localize_all(sub, block);
	if (sub->left.exprs == NIL)
		(void) columns_add(&sub->left, makeBoolConst(true, false));
	return block;
}

/* FROM L, LATERAL s WHERE p becomes FROM L LEFT JOIN LATERAL s ON p. */
static void
join_lateral(Query *block, const Stage *left)
{
	RangeTblEntry *lateral = lsecond(block->rtable);
	JoinExpr   *join = makeNode(JoinExpr);
	List	   *vars = NIL;
	ListCell   *lc;

	foreach(lc, visible_targets(lateral->subquery))
		vars = lappend(vars, makeVar(2, list_length(vars) + 1,
									 exprType(lfirst(lc)), exprTypmod(lfirst(lc)),
									 exprCollation(lfirst(lc)), 0));
	block->rtable = lappend(block->rtable,
							join_rte(JOIN_LEFT, stage_vars(left, 1), vars));
	join->jointype = JOIN_LEFT;
	join->rtindex = list_length(block->rtable);
	join->larg = linitial(block->jointree->fromlist);
	join->rarg = lsecond(block->jointree->fromlist);
	join->quals = block->jointree->quals == NULL ?
		makeBoolConst(true, false) : block->jointree->quals;
	block->jointree = makeFromExpr(list_make1(join), NULL);
}

bool
has_at_most_one_row(Query *query)
{
	Const	   *limit = (Const *) eval_const_expressions(NULL, query->limitCount);

	if (query->limitOption == LIMIT_OPTION_COUNT && limit != NULL &&
		IsA(limit, Const) && !limit->constisnull && DatumGetInt64(limit->constvalue) <= 1)
		return true;
	return query->hasAggs && query->groupClause == NIL && query->groupingSets == NIL &&
		!query->hasTargetSRFs && query->setOperations == NULL;
}

static bool
laterals_are_single(const Subqueries *sub)
{
	ListCell   *lc;

	foreach(lc, sub->from->laterals)
		if (!has_at_most_one_row(rt_fetch(lfirst_int(lc), sub->from->query->rtable)->subquery))
			return false;
	return true;
}

/* Make L of its branches, and the stage that reads it; NULL with a reason. */
static Stage *
close_block(Subqueries *sub, Query *block, List *branches, bool outer)
{
	const char *undetermined;
	Stage	   *left,
			   *stage;
	int			i = 0;
	ListCell   *lc;

	if (sub->an->reason != NULL)
		return NULL;
	left = stage_sum_unshared(sub->an, branches, sub->inputs);
	block->rtable = lcons(stage_rte(left), block->rtable);
	OffsetVarNodes((Node *) block, -sub->nrte, 0);
	block->hasSubLinks = checkExprHasSubLink((Node *) block->targetList) ||
		checkExprHasSubLink(block->jointree->quals);
	if (outer)
		join_lateral(block, left);
	sub->an->reason = unprintable_reason(block);
	if (sub->an->reason != NULL)
		return NULL;
	undetermined = undetermined_reason(sub->an, block);
	stage = stage_block(sub->an, STAGE_LINEAR,
						outer ? "LEFT JOIN" : sub->from->laterals != NIL ? "LATERAL" : "subquery",
						block, lcons(stage_input(left), sub->inputs));
	stage->undetermined = undetermined;
	stage->equal_again = undetermined != NULL && is_equal_again(sub->an, block);
	foreach(lc, visible_targets(block))
	{
		Var		   *var = lfirst(lc);

		if (IsA(var, Var) && var->varno == 1)
			stage->origins[i] = var->varattno;
		i++;
	}
	if (laterals_are_single(sub) &&
		!expression_returns_set((Node *) block->targetList))
		stage->unique = unique_outputs(stage, left->unique);
	return stage;
}

List *
normalize_subqueries(From *from, List *quals, List *targets)
{
	Subqueries	sub = {.an = from->an,.from = from};
	List	   *plain = NIL;
	List	   *kept = NIL;
	List	   *branches = NIL;
	Query	   *block;
	Stage	   *stage;

	for (int rtindex = 1; rtindex <= list_length(from->query->rtable); rtindex++)
		if (!list_member_int(from->laterals, rtindex))
			sub.left.rtindexes = lappend_int(sub.left.rtindexes, rtindex);
	split_quals(from, quals, &plain, &kept);
	block = open_block(&sub, targets,
					   kept == NIL ? NULL : (Node *) make_ands_explicit(kept));
	join_group_lookups(&sub, block);
	if (from->an->reason == NULL)
		branches = from_products(from, plain, sub.left.exprs);
	stage = close_block(&sub, block, branches, false);
	return stage == NULL ? NIL : stage_branches(stage);
}

Stage *
left_lateral_stage(From *from, Node *jointree, List *rtindexes, Node *quals,
				   List *targets)
{
	Subqueries	sub = {.an = from->an,.from = from};
	List	   *branches = NIL;
	Query	   *block;

	sub.left.rtindexes = rtindexes;
	block = open_block(&sub, targets, quals);
	if (from->an->reason == NULL)
		branches = normalize_from(from->an, from->query, jointree, NIL, sub.left.exprs);
	return close_block(&sub, block, branches, true);
}
