/*-------------------------------------------------------------------------
 *
 * determined.c
 *	  Is the result of a stage a function of its inputs?
 *
 * The delta of a stage that is not a sum is its result now less its result
 * before, and what it was before is computed again.  So it must come out
 * again, image for image, whatever the order in which rows are read.  It may
 * not where
 *
 *	- rows are put in an order that leaves ties, and the result depends on it;
 *	- values that are equal look different (1.0 and 1.00), and one of them is
 *	  chosen: group keys, DISTINCT, min and max;
 *	- numbers are added that lose digits on the way: floats.
 *
 * Where values are merely shown, a reader that finds rows by a key may not care
 * which of several it gets (is_equal_again): which of the equal ones that are an
 * extreme, or in which order a collection has its elements, if none is asked for.
 * For if the result now looks like the one before, computed again, then the
 * extremes are equal, and the collections have the same elements; so what is
 * stored is right for now as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

typedef struct DeterminedWalk
{
	Analysis   *an;
	List	   *queries;		/* of Query: the levels around */
	List	   *numbered;		/* of WindowClause: whose functions tell rows
								 * apart that look the same */
	const char *reason;
} DeterminedWalk;

bool
equality_is_image(Oid type, Oid collation)
{
	Oid			opclass = GetDefaultOpClass(type, BTREE_AM_OID);
	Oid			opfamily,
				opcintype,
				proc;

	if (!OidIsValid(opclass) ||
		!get_opclass_opfamily_and_input_type(opclass, &opfamily, &opcintype))
		return false;
	proc = get_opfamily_proc(opfamily, opcintype, opcintype, BTEQUALIMAGE_PROC);
	return OidIsValid(proc) &&
		DatumGetBool(OidFunctionCall1Coll(proc, collation,
										  ObjectIdGetDatum(opcintype)));
}

/* Do equal values of the column always have equal images? */
static bool
column_is_exact(const Branch *branch, int column)
{
	Node	   *expr = list_nth(branch->targets, column - 1);

	if (equality_is_image(exprType(expr), exprCollation(expr)))
		return true;
	return exprType(expr) == NUMERICOID && expression_scale(expr) >= 0;
}

static bool
stage_column_is_exact(const Stage *stage, int column)
{
	const OutputColumn *output = list_nth(stage->columns, column - 1);
	ListCell   *lc;

	if (equality_is_image(output->type, output->collation))
		return true;
	if (stage->rule != STAGE_SUM)
		return false;
	foreach(lc, stage->branches)
		if (!column_is_exact(lfirst(lc), column))
			return false;
	/* every branch has one scale; it must be the same */
	return list_length(stage->branches) == 1;
}

/* The stage that a column reference at the present level is of, or NULL. */
static const Stage *
stage_of_var(DeterminedWalk *walk, const Var *var)
{
	Query	   *query;

	if (var->varlevelsup >= list_length(walk->queries))
		return NULL;
	query = list_nth(walk->queries, var->varlevelsup);
	if (var->varno > list_length(query->rtable))
		return NULL;
	return stage_of_rte(walk->an, rt_fetch(var->varno, query->rtable));
}

static bool
expr_is_exact(DeterminedWalk *walk, Node *expr)
{
	if (equality_is_image(exprType(expr), exprCollation(expr)))
		return true;
	if (IsA(expr, Var))
	{
		const Stage *stage = stage_of_var(walk, (Var *) expr);

		return stage != NULL &&
			stage_column_is_exact(stage, ((Var *) expr)->varattno);
	}
	return exprType(expr) == NUMERICOID && IsA(expr, Const);
}

/* ---- order ---- */

/* The stage that is all the level reads, or NULL. */
static const Stage *
only_stage(DeterminedWalk *walk)
{
	Query	   *query = linitial(walk->queries);

	return list_length(query->rtable) != 1 ? NULL :
		stage_of_rte(walk->an, linitial(query->rtable));
}

static List *
own_columns(List *exprs)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
		if (IsA(lfirst(lc), Var) && ((Var *) lfirst(lc))->varlevelsup == 0)
			columns = lappend_int(columns, ((Var *) lfirst(lc))->varattno);
	return columns;
}

/* Do these expressions tell all rows of the level apart? */
static bool
order_is_unique(DeterminedWalk *walk, List *exprs)
{
	const Stage *stage = only_stage(walk);

	return stage != NULL && stage->unique != NIL &&
		list_difference_int(stage->unique, own_columns(exprs)) == NIL;
}

/* Do they tell all apart that differ at all? */
static bool
order_is_total(DeterminedWalk *walk, List *exprs)
{
	const Stage *stage = only_stage(walk);
	List	   *columns = own_columns(exprs);
	bool		all = true;

	if (stage == NULL)
		return false;
	if (order_is_unique(walk, exprs))
		return true;
	for (int column = 1; column <= list_length(stage->columns); column++)
		all = all && list_member_int(columns, column) &&
			stage_column_is_exact(stage, column);
	return all;
}

static List *
sort_exprs(List *clauses, List *targetlist)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
		result = lappend(result, strip_relabel(get_sortgroupclause_expr(lfirst(lc), targetlist)));
	return result;
}

static bool
all_exact(DeterminedWalk *walk, List *exprs)
{
	ListCell   *lc;

	foreach(lc, exprs)
		if (!expr_is_exact(walk, lfirst(lc)))
			return false;
	return true;
}

/* ---- aggregates ---- */

static bool
type_is_exact_sum(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == NUMERICOID || type == CASHOID || type == INTERVALOID;
}

static bool
name_is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Aggregates whose result is a function of the multiset of their inputs. */
static bool
function_is_determined(DeterminedWalk *walk, Oid funcid, List *args)
{
	static const char *const always[] = {
		"count", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor",
		"regr_count", "rank", "dense_rank", "percent_rank", "cume_dist",
		"range_agg", "range_intersect_agg", NULL
	};
	static const char *const sums[] = {
		"sum", "avg", "variance", "var_pop", "var_samp", "stddev",
		"stddev_pop", "stddev_samp", NULL
	};
	static const char *const extremes[] = {"min", "max", "percentile_disc", NULL};
	char	   *name = get_func_name(funcid);
	Node	   *arg = args == NIL ? NULL : llast(args);

	if (name == NULL || get_func_namespace(funcid) != PG_CATALOG_NAMESPACE)
		return false;
	if (name_is_one_of(name, always))
		return true;
	if (arg == NULL)
		return false;
	if (name_is_one_of(name, sums))
		return type_is_exact_sum(exprType(arg));
	return name_is_one_of(name, extremes) && expr_is_exact(walk, arg);
}

static List *
target_exprs(List *targets)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, targets)
		result = lappend(result, strip_relabel((Node *) ((TargetEntry *) lfirst(lc))->expr));
	return result;
}

/* Do rows that tie in the order have the same arguments, image for image? */
static bool
order_decides(DeterminedWalk *walk, List *args, List *order)
{
	ListCell   *lc;

	if (!all_exact(walk, order))
		return false;
	foreach(lc, pull_var_clause((Node *) args, 0))
		if (!list_member(order, lfirst(lc)))
			return false;
	return true;
}

static void
check_aggregate(DeterminedWalk *walk, Aggref *aggref)
{
	List	   *args = target_exprs(aggref->args);
	List	   *order = sort_exprs(aggref->aggorder, aggref->args);

	if (function_is_determined(walk, aggref->aggfnoid, args))
		return;
	/* values in an order without ties, or whose ties look the same */
	if (aggref->aggkind == AGGKIND_NORMAL &&
		get_func_namespace(aggref->aggfnoid) == PG_CATALOG_NAMESPACE &&
		order != NIL &&
		(order_decides(walk, args, order) || order_is_total(walk, order)))
		return;
	if (aggref->aggdistinct != NIL && all_exact(walk, args) &&
		get_func_namespace(aggref->aggfnoid) == PG_CATALOG_NAMESPACE &&
		aggref->aggkind == AGGKIND_NORMAL)
		return;					/* computed from sorted values */
	walk->reason = psprintf("the result of the aggregate %s depends on the order of its rows",
							get_func_name(aggref->aggfnoid));
}

/* ---- window functions ---- */

bool
frame_has_peers(int options)
{
	return (options & (FRAMEOPTION_RANGE | FRAMEOPTION_GROUPS)) != 0 ||
		(options & (FRAMEOPTION_START_UNBOUNDED_PRECEDING | FRAMEOPTION_END_UNBOUNDED_FOLLOWING)) ==
		(FRAMEOPTION_START_UNBOUNDED_PRECEDING | FRAMEOPTION_END_UNBOUNDED_FOLLOWING);
}

/*
 * Rows that look the same come in any order, but once they are sorted, in one.
 * Another sort may bring them in another one, and then it is open which of their
 * values in one window goes with which in the other.
 */
static bool
numbers_alike(DeterminedWalk *walk, WindowClause *window)
{
	Query	   *query = linitial(walk->queries);
	ListCell   *lc;

	foreach(lc, walk->numbered)
	{
		WindowClause *other = lfirst(lc);

		if (list_member_ptr(query->windowClause, other) &&
			(!equal(other->partitionClause, window->partitionClause) ||
			 !equal(other->orderClause, window->orderClause)))
			return false;
	}
	walk->numbered = lappend(walk->numbered, window);
	return true;
}

static void
check_window_function(DeterminedWalk *walk, WindowFunc *func)
{
	static const char *const ranks[] = {
		"rank", "dense_rank", "percent_rank", "cume_dist", NULL
	};
	Query	   *query = linitial(walk->queries);
	WindowClause *window = list_nth(query->windowClause, func->winref - 1);
	List	   *order = list_concat(sort_exprs(window->partitionClause, query->targetList),
									sort_exprs(window->orderClause, query->targetList));
	char	   *name = get_func_name(func->winfnoid);

	if (get_func_namespace(func->winfnoid) == PG_CATALOG_NAMESPACE)
	{
		if (name_is_one_of(name, ranks))
			return;
		if (func->winagg && frame_has_peers(window->frameOptions) &&
			function_is_determined(walk, func->winfnoid, func->args))
			return;
		if (order_is_total(walk, order) &&
			(order_is_unique(walk, order) || numbers_alike(walk, window)) &&
			(!func->winagg || function_is_determined(walk, func->winfnoid, func->args)))
			return;
	}
	walk->reason = psprintf("the result of the window function %s depends on the order of rows that tie",
							name);
}

/* ---- a level ---- */

static void
check_keys(DeterminedWalk *walk, List *clauses, const char *what)
{
	Query	   *query = linitial(walk->queries);
	ListCell   *lc;

	foreach(lc, clauses)
		if (!expr_is_exact(walk, strip_relabel(get_sortgroupclause_expr(lfirst(lc), query->targetList))))
			walk->reason = psprintf("%s by a type whose equal values may look different is recomputed", what);
}

static void
check_set_operation(DeterminedWalk *walk, Query *query)
{
	SetOperationStmt *setop = (SetOperationStmt *) query->setOperations;
	ListCell   *lt,
			   *lcollation;

	if (setop->op == SETOP_UNION && setop->all)
		return;
	forboth(lt, setop->colTypes, lcollation, setop->colCollations)
		if (!equality_is_image(lfirst_oid(lt), lfirst_oid(lcollation)))
			walk->reason = "a set operation on a type whose equal values may look different is recomputed";
}

/*
 * Ties at the end of the limit must look the same, or be kept together.  The
 * order may name all that is selected, or tell all rows apart.
 */
static bool
limit_is_determined(DeterminedWalk *walk, Query *query)
{
	List	   *order = sort_exprs(query->sortClause, query->targetList);

	if (query->limitOption == LIMIT_OPTION_WITH_TIES && query->limitOffset == NULL)
		return true;
	return order_is_total(walk, order) ||
		(list_difference(visible_targets(query), order) == NIL &&
		 all_exact(walk, visible_targets(query)));
}

static void
check_level(DeterminedWalk *walk, Query *query)
{
	check_keys(walk, query->groupClause, "grouping");
	if (!query->hasDistinctOn)
		check_keys(walk, query->distinctClause, "DISTINCT");
	if (query->setOperations != NULL)
		check_set_operation(walk, query);
	if (query->hasDistinctOn &&
		!order_is_total(walk, list_concat(sort_exprs(query->distinctClause, query->targetList),
										  sort_exprs(query->sortClause, query->targetList))))
		walk->reason = "DISTINCT ON with an order that leaves ties is recomputed";
	if ((query->limitCount != NULL || query->limitOffset != NULL) &&
		!limit_is_determined(walk, query))
		walk->reason = "LIMIT with an order that leaves ties is recomputed";
	if (query->rowMarks != NIL)
		walk->reason = "it locks rows (FOR UPDATE or FOR SHARE)";
}

static bool
array_is_determined(DeterminedWalk *walk, Query *query)
{
	bool		result;

	walk->queries = lcons(query, walk->queries);
	result = query->sortClause != NIL && query->setOperations == NULL &&
		limit_is_determined(walk, query);
	walk->queries = list_delete_first(walk->queries);
	return result;
}

static bool
determined_walker(Node *node, DeterminedWalk *walk)
{
	if (node == NULL || walk->reason != NULL)
		return false;
	if (IsA(node, Query))
	{
		bool		result;

		walk->queries = lcons(node, walk->queries);
		check_level(walk, (Query *) node);
		result = query_tree_walker((Query *) node, determined_walker, walk, 0);
		walk->queries = list_delete_first(walk->queries);
		return result;
	}
	if (IsA(node, Aggref))
		check_aggregate(walk, (Aggref *) node);
	else if (IsA(node, WindowFunc))
		check_window_function(walk, (WindowFunc *) node);
	else if (IsA(node, SubLink) &&
			 ((SubLink *) node)->subLinkType == ARRAY_SUBLINK &&
			 !array_is_determined(walk, (Query *) ((SubLink *) node)->subselect))
		walk->reason = "ARRAY() with an order that leaves ties is recomputed";
	return expression_tree_walker(node, determined_walker, walk);
}

const char *
undetermined_reason(Analysis *an, Query *query)
{
	DeterminedWalk walk = {.an = an};

	(void) determined_walker((Node *) query, &walk);
	return walk.reason;
}

/* An array, in JSON or not, of nothing, which no aggregate of some rows is. */
static bool
is_empty_collection(Node *expr)
{
	Const	   *value = (Const *) expr;
	Oid			funcid;
	bool		is_varlena;
	char	   *text;

	if (!IsA(value, Const) || value->constisnull ||
		(value->consttype != JSONOID && value->consttype != JSONBOID &&
		 !OidIsValid(get_element_type(value->consttype))))
		return false;
	getTypeOutputInfo(value->consttype, &funcid, &is_varlena);
	text = OidOutputFunctionCall(funcid, value->constvalue);
	return strcmp(text, "[]") == 0 || strcmp(text, "{}") == 0;
}

/* What a value is, unless it is NULL and an empty collection stands for it. */
static Node **
below_coalesce(Node **expr)
{
	CoalesceExpr *coalesce = (CoalesceExpr *) *expr;

	if (!IsA(coalesce, CoalesceExpr) || list_length(coalesce->args) != 2 ||
		!is_empty_collection(lsecond(coalesce->args)))
		return expr;
	return (Node **) &lfirst(list_head(coalesce->args));
}

/*
 * An order that is asked for, by what need not be shown, is not to be seen from the
 * elements.  Those of sorted subqueries do not come here (analyze.c).
 */
static bool
aggregate_may_differ(const Aggref *aggref)
{
	static const char *const extremes[] = {"min", "max", NULL};
	static const char *const collections[] = {
		"array_agg", "json_agg", "json_agg_strict", "jsonb_agg", "jsonb_agg_strict", NULL
	};
	const char *name = get_func_name(aggref->aggfnoid);

	if (aggref->agglevelsup != 0 || checkExprHasSubLink((Node *) aggref->args) ||
		checkExprHasSubLink((Node *) aggref->aggfilter) ||
		get_func_namespace(aggref->aggfnoid) != PG_CATALOG_NAMESPACE)
		return false;
	return name_is_one_of(name, extremes) ||
		(aggref->aggdistinct == NIL && aggref->aggorder == NIL &&
		 name_is_one_of(name, collections));
}

/*
 * Replace a column of a subquery, if it is an aggregate that may differ, by NULL; but
 * not what the subquery itself groups or sorts by.
 */
static void
forget_aggregate(TargetEntry *tle)
{
	Node	  **value = below_coalesce((Node **) &tle->expr);

	if (!tle->resjunk && tle->ressortgroupref == 0 &&
		IsA(*value, Aggref) && aggregate_may_differ((Aggref *) *value))
		*value = (Node *) makeNullConst(exprType(*value), exprTypmod(*value),
										exprCollation(*value));
}

static bool
is_column_of(Node *expr, int rtindex, AttrNumber attno)
{
	Var		   *var = (Var *) expr;

	return IsA(var, Var) && var->varno == rtindex && var->varattno == attno &&
		var->varlevelsup == 0;
}

/* Is a column of an entry of the query shown, and nowhere else used? */
static bool
is_merely_shown(Query *query, int rtindex, AttrNumber attno)
{
	int			uses = 0;
	ListCell   *lc;

	foreach(lc, level_vars(query))
	{
		Var		   *var = lfirst(lc);

		uses += var->varno == rtindex && var->varattno == attno;
	}
	foreach(lc, query->targetList)
		uses -= is_column_of(*below_coalesce((Node **) &((TargetEntry *) lfirst(lc))->expr),
							 rtindex, attno);
	return uses == 0;
}

/* The same of the columns of the subqueries in FROM. */
static void
forget_laterals(Query *query)
{
	int			rtindex = 0;
	ListCell   *lr,
			   *lt;

	foreach(lr, query->rtable)
	{
		Query	   *subquery = ((RangeTblEntry *) lfirst(lr))->subquery;

		rtindex++;
		if (subquery == NULL)
			continue;
		foreach(lt, subquery->targetList)
			if (is_merely_shown(query, rtindex, foreach_current_index(lt) + 1))
				forget_aggregate(lfirst(lt));
	}
}

/*
 * The same of a scalar subquery.  ARRAY() becomes one, of which nobody asks in which
 * order it comes: this is a copy that is only looked at.
 */
static void
forget_scalar(Node **expr)
{
	SubLink    *link = (SubLink *) *below_coalesce(expr);
	Query	   *query;

	if (!IsA(link, SubLink))
		return;
	query = (Query *) link->subselect;
	if (link->subLinkType == ARRAY_SUBLINK && query->sortClause == NIL &&
		query->limitCount == NULL && query->limitOffset == NULL)
		link->subLinkType = EXPR_SUBLINK;
	if (link->subLinkType == EXPR_SUBLINK && list_length(query->targetList) == 1)
		forget_aggregate(linitial(query->targetList));
}

bool
is_equal_again(Analysis *an, Query *query)
{
	Query	   *copy = copyObject(query);
	ListCell   *lc;

	forget_laterals(copy);
	foreach(lc, copy->targetList)
		forget_scalar((Node **) &((TargetEntry *) lfirst(lc))->expr);
	return undetermined_reason(an, copy) == NULL;
}
