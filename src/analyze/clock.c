/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  Where a query uses the time.
 *
 * The query of a stream table is evaluated at an instant t, the now() of the
 * refresh's transaction.  So the clock is one more input, a relation of one
 * row, which is a factor of every branch that uses it; delta/op_clock.c has its
 * delta.  Every expression keeps its now(): what is read at the new instant is
 * printed as it stands, since the refresh runs at that instant.
 *
 * CURRENT_DATE and its kin are functions of now():
 *
 *		CURRENT_TIMESTAMP(n)	now()::timestamptz(n)
 *		CURRENT_DATE			now()::date
 *		LOCALTIMESTAMP(n)		now()::timestamp::timestamp(n)
 *		LOCALTIME(n)			now()::time::time(n)
 *
 * and a subquery that only computes a value of it, (SELECT f(now())), is f(now()).
 *
 * A row of the other factors can change with the clock only if something that a
 * branch computes of the clock does.  There are two kinds of that:
 *
 *		a bound		e op f(now()), where op is a comparison of a btree and e
 *					does not use the clock: changes where e lies between what f
 *					was and what it is
 *		a value		f(now()) anywhere else: changes for all rows when f does
 *
 * For a bound, f must not be NULL at one instant and not at another.  Values are
 * left to a delta if they change seldom, by the day for instance; a branch that
 * reads a table and has others would change in every row at every refresh, so
 * its query is recomputed.  So is one that uses the clock in a stage that is no
 * sum, for its slices are cut by rows that changed; but a bound of columns of
 * one input of such a stage is computed by that input (columns.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/transam.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---- one name for the clock ---- */

static bool
is_now(const Node *node)
{
	return IsA(node, FuncExpr) &&
		(((const FuncExpr *) node)->funcid == F_NOW ||
		 ((const FuncExpr *) node)->funcid == F_TRANSACTION_TIMESTAMP);
}

static Node *
make_now(void)
{
	return (Node *) makeFuncExpr(F_NOW, TIMESTAMPTZOID, NIL, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

static Node *
cast_by(Oid funcid, Oid type, Node *arg)
{
	return (Node *) makeFuncExpr(funcid, type, list_make1(arg), InvalidOid,
								 InvalidOid, COERCE_EXPLICIT_CAST);
}

/* Cut to so many decimal places, if the query says how many. */
static Node *
with_precision(Oid funcid, Oid type, Node *arg, int32 typmod)
{
	Const	   *places;

	if (typmod < 0)
		return arg;
	places = makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
					   Int32GetDatum(typmod), false, true);
	return (Node *) makeFuncExpr(funcid, type, list_make2(arg, places), InvalidOid,
								 InvalidOid, COERCE_EXPLICIT_CAST);
}

/* NULL if it is not about the time, or about the offset that is valid today. */
static Node *
clock_value(const SQLValueFunction *function)
{
	switch (function->op)
	{
		case SVFOP_CURRENT_DATE:
			return cast_by(F_DATE_TIMESTAMPTZ, DATEOID, make_now());
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
			return with_precision(F_TIMESTAMPTZ_TIMESTAMPTZ_INT4, TIMESTAMPTZOID,
								  make_now(), function->typmod);
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			return with_precision(F_TIMESTAMP_TIMESTAMP_INT4, TIMESTAMPOID,
								  cast_by(F_TIMESTAMP_TIMESTAMPTZ, TIMESTAMPOID,
										  make_now()),
								  function->typmod);
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
			return with_precision(F_TIME_TIME_INT4, TIMEOID,
								  cast_by(F_TIME_TIMESTAMPTZ, TIMEOID, make_now()),
								  function->typmod);
		default:
			return NULL;
	}
}

/* The expression of (SELECT expression), or NULL if it is anything else. */
static Node *
selected_value(const SubLink *link)
{
	const Query *query = (const Query *) link->subselect;

	if (link->subLinkType != EXPR_SUBLINK || query->commandType != CMD_SELECT ||
		query->jointree->fromlist != NIL || query->jointree->quals != NULL ||
		query->setOperations != NULL || query->cteList != NIL ||
		query_is_grouped(query) || !selects_only(query) ||
		list_length(query->targetList) != 1)
		return NULL;
	return (Node *) ((TargetEntry *) linitial(query->targetList))->expr;
}

/* Of the clock and constants, so that it is the same on any level? */
static bool
is_closed(Node *expr)
{
	return uses_clock(expr) && !expr_has_outer_references(expr) &&
		!checkExprHasSubLink(expr);
}

Node *
analyze_name_clock(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (is_now(node))
		return make_now();
	if (IsA(node, SubLink))
	{
		Node	   *value = selected_value((SubLink *) node);

		value = value ? analyze_name_clock(value, context) : NULL;
		if (value != NULL && is_closed(value))
			return value;
	}
	if (IsA(node, SQLValueFunction))
	{
		Node	   *value = clock_value((SQLValueFunction *) node);

		if (value != NULL)
			return value;
	}
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, analyze_name_clock,
										   context, 0);
	return expression_tree_mutator(node, analyze_name_clock, context);
}

static bool
clock_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (is_now(node))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, clock_walker, context, 0);
	return expression_tree_walker(node, clock_walker, context);
}

bool
uses_clock(Node *node)
{
	return clock_walker(node, NULL);
}

/* ---- bounds ---- */

/* Types none of whose values comes from a call that may give NULL. */
static bool
is_plain_type(Oid type)
{
	switch (type)
	{
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT8OID:
		case NUMERICOID:
			return true;
		default:
			return false;
	}
}

static bool is_bound_value(Node *node);

/*
 * Built-in functions that are strict and give such types are not NULL of what
 * is not NULL, or (of infinite arguments) are at every instant.
 */
static bool
is_bound_call(Oid funcid, List *args, Oid type, bool retset)
{
	ListCell   *lc;

	if (funcid >= FirstGenbkiObjectId || retset || !func_strict(funcid) ||
		!is_plain_type(type))
		return false;
	foreach(lc, args)
		if (!is_bound_value(lfirst(lc)))
			return false;
	return true;
}

/* Is it a function of constants and the clock, and never NULL? */
static bool
is_bound_value(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Const:
			return !((Const *) node)->constisnull;
		case T_RelabelType:
			return is_bound_value((Node *) ((RelabelType *) node)->arg);
		case T_FuncExpr:
			return is_now(node) ||
				is_bound_call(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args,
							  ((FuncExpr *) node)->funcresulttype,
							  ((FuncExpr *) node)->funcretset);
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			return is_bound_call(((OpExpr *) node)->opfuncid, ((OpExpr *) node)->args,
								 ((OpExpr *) node)->opresulttype,
								 ((OpExpr *) node)->opretset);
		default:
			return false;
	}
}

/*
 * The strategy of "expr op bound" in the default btree of the bound's type, by
 * which LEAST and GREATEST order it; 0 if it has none.  What is not equal
 * changes with what is.
 */
static int
bound_strategy(Oid opno, ClockBound *bound)
{
	Oid			opclass;
	int			strategy;

	if (!OidIsValid(opno) || !op_strict(opno))
		return 0;
	op_input_types(opno, &bound->expr_type, &bound->value_type);
	opclass = GetDefaultOpClass(bound->value_type, BTREE_AM_OID);
	if (!OidIsValid(opclass) || bound->value_type != exprType(bound->value))
		return 0;
	bound->family = get_opclass_family(opclass);
	strategy = get_op_opfamily_strategy(opno, bound->family);
	if (strategy == 0 && OidIsValid(get_negator(opno)) &&
		get_op_opfamily_strategy(get_negator(opno), bound->family) == BTEqualStrategyNumber)
		strategy = BTEqualStrategyNumber;
	return strategy;
}

/* What CASE compares with its arms has no meaning anywhere else. */
static bool
case_test_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CaseTestExpr) ||
		expression_tree_walker(node, case_test_walker, context);
}

/* Fill the bound that a comparison is; false if it is none. */
static bool
find_bound(Node *node, ClockBound *bound)
{
	OpExpr	   *op = (OpExpr *) node;
	Oid			opno;

	if (!IsA(node, OpExpr) || list_length(op->args) != 2 ||
		case_test_walker(node, NULL))
		return false;
	opno = op->opno;
	bound->expr = linitial(op->args);
	bound->value = lsecond(op->args);
	if (uses_clock(bound->expr))
	{
		bound->expr = lsecond(op->args);
		bound->value = linitial(op->args);
		opno = get_commutator(opno);
	}
	if (uses_clock(bound->expr) || !uses_clock(bound->value) ||
		!is_bound_value(bound->value) || expression_returns_set(bound->expr))
		return false;
	bound->collation = op->inputcollid;
	bound->strategy = bound_strategy(opno, bound);
	return bound->strategy != 0;
}

/* Can it be computed of any row? */
static bool
never_fails(Node *expr)
{
	if (IsA(expr, CoalesceExpr))
		expr = (Node *) ((CoalesceExpr *) expr)->args;
	return !contain_leaked_vars(expr);
}

/* Of any row, also one that the condition at hand is kept from. */
bool
is_clock_bound(Node *node)
{
	ClockBound	bound;

	return find_bound(node, &bound) && never_fails(bound.expr);
}

/* ---- what a branch uses ---- */

/*
 * A function of constants and the clock of which equal values are the same?  A
 * month equals thirty days, yet what is computed of them does not.
 */
static bool
is_clock_value(Node *node)
{
	if (IsA(node, List) || IsA(node, RangeTblFunction) || IsA(node, TableFunc) ||
		contain_var_clause(node) || expression_returns_set(node) ||
		exprType(node) == VOIDOID || case_test_walker(node, NULL))
		return false;
	return OidIsValid(lookup_type_cache(exprType(node), TYPECACHE_EQ_OPR)->eq_opr) &&
		equality_is_image(exprType(node), exprCollation(node));
}

static void
add_bound(BranchClock *clock, const ClockBound *bound)
{
	ClockBound *copy;
	ListCell   *lc;

	foreach(lc, clock->bounds)
	{
		const ClockBound *other = lfirst(lc);

		if (other->strategy == bound->strategy && other->family == bound->family &&
			other->collation == bound->collation &&
			equal(other->expr, bound->expr) && equal(other->value, bound->value))
			return;
	}
	copy = palloc(sizeof(ClockBound));
	*copy = *bound;
	clock->bounds = lappend(clock->bounds, copy);
}

typedef struct UseWalk
{
	BranchClock *clock;
	bool		guarded;		/* not asked of every row */
} UseWalk;

/* The range of a bound is asked of rows that a CASE or OR may keep it from. */
static bool
use_walker(Node *node, UseWalk *walk)
{
	BranchClock *clock = walk->clock;
	UseWalk		below = *walk;
	ClockBound	bound;

	if (node == NULL || !uses_clock(node))
		return false;
	if (find_bound(node, &bound) && (!walk->guarded || never_fails(bound.expr)))
	{
		add_bound(clock, &bound);
		return false;
	}
	if (is_clock_value(node))
	{
		clock->values = list_append_unique(clock->values, node);
		return false;
	}
	below.guarded |= IsA(node, CaseExpr) || IsA(node, CoalesceExpr) || is_orclause(node);
	return expression_tree_walker(node, use_walker, &below);
}

BranchClock *
branch_clock(const Branch *branch)
{
	BranchClock *clock = palloc0(sizeof(BranchClock));
	UseWalk		walk = {.clock = clock};
	ListCell   *lc;

	(void) use_walker((Node *) branch->quals, &walk);
	(void) use_walker((Node *) branch->targets, &walk);
	foreach(lc, branch->factors)
	{
		RangeTblEntry *function = ((Factor *) lfirst(lc))->function;

		if (function == NULL)
			continue;
		(void) use_walker((Node *) function->functions, &walk);
		(void) use_walker((Node *) function->values_lists, &walk);
		(void) use_walker((Node *) function->tablefunc, &walk);
	}
	return clock;
}

static Node *
instant_mutator(Node *node, Node *instant)
{
	if (node == NULL)
		return NULL;
	if (is_now(node))
		return copyObject(instant);
	return expression_tree_mutator(node, instant_mutator, instant);
}

Node *
clock_at(Node *node, Node *instant)
{
	return instant_mutator(node, instant);
}

/* ---- what has no delta ---- */

/* Finds a now() that is not rounded on the way up. */
static bool
unrounded_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (is_now(node))
		return true;
	if (IsA(node, FuncExpr))
		switch (((FuncExpr *) node)->funcid)
		{
			case F_DATE_TIMESTAMPTZ:
			case F_DATE_TIMESTAMP:
			case F_DATE_TRUNC_TEXT_TIMESTAMPTZ:
			case F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT:
			case F_DATE_TRUNC_TEXT_TIMESTAMP:
				return false;
			default:
				break;
		}
	return expression_tree_walker(node, unrounded_walker, context);
}

/* Does the value stay what it is for a while? */
static bool
changes_seldom(Node *value)
{
	return exprType(value) == BOOLOID || !unrounded_walker(value, NULL);
}

static bool
reads_relation(const Branch *branch)
{
	ListCell   *lc;

	foreach(lc, branch->factors)
		if (((Factor *) lfirst(lc))->function == NULL)
			return true;
	return false;
}

BranchClock *
branch_note_clock(Branch *branch)
{
	BranchClock *clock = branch_clock(branch);

	branch->uses_clock = clock->bounds != NIL || clock->values != NIL;
	return clock;
}

static const char *
branches_clock_reason(List *branches, bool *used)
{
	ListCell   *lb,
			   *lc;

	foreach(lb, branches)
	{
		Branch	   *branch = lfirst(lb);
		BranchClock *clock = branch_note_clock(branch);

		*used = *used || branch->uses_clock;
		if (!reads_relation(branch))
			continue;
		foreach(lc, clock->values)
			if (!changes_seldom(lfirst(lc)))
				return "it computes with now() for each row, otherwise than to compare it with a value of the row";
	}
	return NULL;
}

/* Its rounds know of one instant only. */
static const char *
recursion_clock_reason(const Stage *stage, bool *used)
{
	bool		here = false;

	(void) branches_clock_reason(stage->branches, &here);
	(void) branches_clock_reason(stage->step, &here);
	*used = *used || here;
	return here ? psprintf("it uses now() in its %s", stage->what) : NULL;
}

static const char *
stage_clock_reason(const Stage *stage, bool *used)
{
	if (stage->rule == STAGE_SUM)
		return branches_clock_reason(stage->branches, used);
	if (stage->rule == STAGE_RECURSION)
		return recursion_clock_reason(stage, used);
	if (!uses_clock((Node *) stage->query))
		return NULL;
	*used = true;
	if (stage->rule == STAGE_PARTITION && stage->nkeys == 0)
		return psprintf("it uses now() in its %s, whose result is computed as a whole",
						stage->what);
	return psprintf("it uses now() in its %s, otherwise than to compare it with a value of a row",
					stage->what);
}

/* Above the aggregate there is only what it has stored. */
static bool
top_uses_clock(const QueryTree *tree)
{
	ListCell   *lc;

	foreach(lc, tree->outputs)
		if (uses_clock((Node *) ((OutputColumn *) lfirst(lc))->expr))
			return true;
	foreach(lc, tree->calls)
		if (uses_clock((Node *) ((AggregateCall *) lfirst(lc))->over))
			return true;
	return uses_clock((Node *) tree->having);
}

const char *
tree_clock_reason(const QueryTree *tree, bool *used)
{
	const char *reason = NULL;
	ListCell   *lc;

	foreach(lc, tree->stored)
		if (reason == NULL)
			reason = tree_clock_reason(((Stage *) lfirst(lc))->tree, used);
	foreach(lc, tree->stages)
		if (reason == NULL)
			reason = stage_clock_reason(lfirst(lc), used);
	if (reason == NULL)
		reason = branches_clock_reason(tree->branches, used);
	if (reason == NULL && top_uses_clock(tree))
	{
		*used = true;
		reason = "it uses now() above an aggregate";
	}
	return reason;
}
