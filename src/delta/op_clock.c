/*-------------------------------------------------------------------------
 *
 * op_clock.c
 *	  Delta rule for the clock, as a factor of a sum's branches.
 *
 * The clock T is a relation of one row.  It held t' at the last refresh and
 * holds t now, so dT = t - t'.  For a branch J over T and factors R, multiplied
 * out with T first (the order is free):
 *
 *	dJ = J(t, R) - J(t', R - dR)
 *	   = [J(t, R) - J(t', R)]  +  [J(t', R) - J(t', R - dR)]
 *
 * The second bracket is op_join.c's rule at the instant t'.  The first one is
 * J(dT, R), of which only rows of R matter for which something that the branch
 * computes of the clock has changed: all others give the same at t and t', and
 * cancel.  Let these things be conditions C_1, C_2, ... that hold at least for
 * the rows for which they change,
 *
 *	a bound e op f(T)	f(t) <> f(t'), and e from the lesser to the greater:
 *							lesser <= e < greater	for < and >=
 *							lesser < e <= greater	for > and <=
 *							lesser <= e <= greater	for = and <>
 *	values f(T), ...	some f(t) IS DISTINCT FROM f(t')
 *
 * and let every row be taken by the first condition that holds for it:
 *
 *	J(dT, R) = sum over i of  sigma_i J(t, R) - sigma_i J(t', R)
 *			   where sigma_i = C_i and not C_j for all j < i
 *
 * So each pair of terms reads a range of e, by an index if there is one.  It
 * does not matter which of t and t' is later, nor whether f is monotone.  Where
 * e is NULL no condition holds, and the comparison is NULL at both instants.
 *
 * A row that came since, and is in the range, is taken away by the first
 * bracket as if it had been there, and brought by the second.
 *
 * Reads:  tables, and what stages hold, at the refresh's snapshot; t is now(),
 *		   t' the parameter $1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "delta/delta.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* The instant of the last refresh. */
static Node *
instant_before(void)
{
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = 1;
	param->paramtype = TIMESTAMPTZOID;
	param->paramtypmod = -1;
	param->location = -1;
	return (Node *) param;
}

static RangeTblEntry *
function_before(RangeTblEntry *function)
{
	RangeTblEntry *result = copyObject(function);
	Node	   *before = instant_before();

	result->functions = (List *) clock_at((Node *) result->functions, before);
	result->values_lists = (List *) clock_at((Node *) result->values_lists, before);
	result->tablefunc = (TableFunc *) clock_at((Node *) result->tablefunc, before);
	return result;
}

Branch *
branch_before(const Branch *branch)
{
	Branch	   *result = palloc(sizeof(Branch));
	ListCell   *lc;

	*result = *branch;
	result->quals = (List *) clock_at((Node *) branch->quals, instant_before());
	result->targets = (List *) clock_at((Node *) branch->targets, instant_before());
	result->factors = NIL;
	foreach(lc, branch->factors)
	{
		Factor	   *factor = palloc(sizeof(Factor));

		*factor = *(Factor *) lfirst(lc);
		if (factor->function != NULL)
			factor->function = function_before(factor->function);
		result->factors = lappend(result->factors, factor);
	}
	return result;
}

/* ---- conditions ---- */

/* The lesser or the greater of what a function of the clock was and is. */
static Node *
extreme(const ClockBound *bound, MinMaxOp op)
{
	MinMaxExpr *result = makeNode(MinMaxExpr);

	result->minmaxtype = exprType(bound->value);
	result->minmaxcollid = exprCollation(bound->value);
	result->inputcollid = bound->collation;
	result->op = op;
	result->args = list_make2(clock_at(bound->value, instant_before()),
							  copyObject(bound->value));
	result->location = -1;
	return (Node *) result;
}

/* left op right, by the strategy of an operator of the bound's family */
static Node *
compare(const ClockBound *bound, Node *left, Oid left_type, int strategy,
		Node *right)
{
	Oid			opno = get_opfamily_member(bound->family, left_type,
										   bound->value_type, strategy);

	if (!OidIsValid(opno))
		elog(ERROR, "operator family %u has no operator of strategy %d for types %u and %u",
			 bound->family, strategy, left_type, bound->value_type);
	return (Node *) make_opclause(opno, BOOLOID, false, (Expr *) left,
								  (Expr *) right, InvalidOid, bound->collation);
}

/* Does the bound change at all, and can it change for the row? */
static Node *
bound_condition(const ClockBound *bound)
{
	bool		open = bound->strategy == BTGreaterStrategyNumber ||
		bound->strategy == BTLessEqualStrategyNumber;
	bool		closed = bound->strategy == BTEqualStrategyNumber;
	Node	   *least = extreme(bound, IS_LEAST);
	Node	   *greatest = extreme(bound, IS_GREATEST);

	Node	   *changes = compare(bound, least, bound->value_type,
								  BTLessStrategyNumber, greatest);
	Node	   *from = compare(bound, bound->expr, bound->expr_type,
							   open ? BTGreaterStrategyNumber : BTGreaterEqualStrategyNumber,
							   least);
	Node	   *to = compare(bound, bound->expr, bound->expr_type,
							 open || closed ? BTLessEqualStrategyNumber : BTLessStrategyNumber,
							 greatest);

	return (Node *) make_ands_explicit(list_make3(changes, from, to));
}

/* Has one of the values changed? */
static Node *
values_condition(List *values)
{
	List	   *conditions = NIL;
	ListCell   *lc;

	foreach(lc, values)
	{
		Node	   *value = lfirst(lc);
		DistinctExpr *distinct = makeNode(DistinctExpr);

		distinct->opno = lookup_type_cache(exprType(value), TYPECACHE_EQ_OPR)->eq_opr;
		distinct->opfuncid = get_opcode(distinct->opno);
		distinct->opresulttype = BOOLOID;
		distinct->inputcollid = exprCollation(value);
		distinct->args = list_make2(clock_at(value, instant_before()),
									copyObject(value));
		distinct->location = -1;
		conditions = lappend(conditions, distinct);
	}
	return list_length(conditions) == 1 ? linitial(conditions) :
		(Node *) makeBoolExpr(OR_EXPR, conditions, -1);
}

static Node *
does_not_hold(Node *condition)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) copyObject(condition);
	test->booltesttype = IS_NOT_TRUE;
	test->location = -1;
	return (Node *) test;
}

/* The conditions C_1, C_2, ... of a branch. */
static List *
change_conditions(const Branch *branch)
{
	BranchClock *clock = branch_clock(branch);
	List	   *conditions = NIL;
	ListCell   *lc;

	if (clock->values != NIL)
		conditions = list_make1(values_condition(clock->values));
	foreach(lc, clock->bounds)
		conditions = lappend(conditions, bound_condition(lfirst(lc)));
	return conditions;
}

static Branch *
select_from(const Branch *branch, List *conditions)
{
	Branch	   *result = palloc(sizeof(Branch));

	*result = *branch;
	result->quals = list_concat_copy(branch->quals, conditions);
	return result;
}

List *
clock_terms(const Branch *branch)
{
	Branch	   *before = branch_before(branch);
	List	   *others = NIL;
	List	   *terms = NIL;
	ListCell   *lc;

	foreach(lc, change_conditions(branch))
	{
		List	   *selection = list_concat(list_make1(lfirst(lc)), others);
		ClockTerm  *now = palloc(sizeof(ClockTerm));
		ClockTerm  *then = palloc(sizeof(ClockTerm));

		now->branch = select_from(branch, selection);
		now->sign = 1;
		then->branch = select_from(before, selection);
		then->sign = -1;
		terms = lappend(lappend(terms, now), then);
		others = lappend(others, does_not_hold(lfirst(lc)));
	}
	return terms;
}
