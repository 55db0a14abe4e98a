/*-------------------------------------------------------------------------
 *
 * numeric_scale.c
 *	  The number of decimal places that all values of an expression share.
 *
 * numeric keeps the number of decimal places with each value, shows it, and
 * divides by it: avg() of 1 and 1.00000 has more digits than avg() of 1 and 1.
 * A value stored in numeric(p, s) has max(s, 0) places, a converted integer
 * none, a sum or difference the larger of its operands', a product both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define UNKNOWN_SCALE (-1)

/* The scale in a typmod of numeric, by its own printing of it. */
static int
typmod_scale(int32 typmod)
{
	int			precision,
				scale;
	char	   *text;

	if (typmod < 0)
		return UNKNOWN_SCALE;
	text = DatumGetCString(DirectFunctionCall1(numerictypmodout, Int32GetDatum(typmod)));
	if (sscanf(text, "(%d,%d)", &precision, &scale) != 2)
		return UNKNOWN_SCALE;
	return Max(scale, 0);
}

static int
const_scale(const Const *value)
{
	Numeric		num;

	if (value->constisnull)
		return UNKNOWN_SCALE;
	num = DatumGetNumeric(value->constvalue);
	if (numeric_is_nan(num) || numeric_is_inf(num))
		return UNKNOWN_SCALE;
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(num)));
}

static bool
is_null_const(const Node *node)
{
	return IsA(node, Const) && ((const Const *) node)->constisnull;
}

/* The scale that all alternatives have; NULL has none. */
static int
common_scale(List *alternatives)
{
	int			common = UNKNOWN_SCALE;
	ListCell   *lc;

	foreach(lc, alternatives)
	{
		int			scale;

		if (lfirst(lc) == NULL || is_null_const(lfirst(lc)))
			continue;
		scale = expression_scale(lfirst(lc));
		if (scale == UNKNOWN_SCALE || (common != UNKNOWN_SCALE && scale != common))
			return UNKNOWN_SCALE;
		common = scale;
	}
	return common;
}

static int
function_scale(Oid funcid, List *args)
{
	int			a,
				b;

	switch (funcid)
	{
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
			return 0;
		case F_NUMERIC_UMINUS:
		case F_NUMERIC_UPLUS:
		case F_NUMERIC_ABS:
			return expression_scale(linitial(args));
		case F_NUMERIC_ADD:
		case F_NUMERIC_SUB:
		case F_NUMERIC_MUL:
			a = expression_scale(linitial(args));
			b = expression_scale(lsecond(args));
			if (a == UNKNOWN_SCALE || b == UNKNOWN_SCALE)
				return UNKNOWN_SCALE;
			return funcid == F_NUMERIC_MUL ? a + b : Max(a, b);
		default:
			return UNKNOWN_SCALE;
	}
}

static int
case_scale(const CaseExpr *expr)
{
	List	   *results = list_make1(expr->defresult);
	ListCell   *lc;

	foreach(lc, expr->args)
		results = lappend(results, ((CaseWhen *) lfirst(lc))->result);
	return common_scale(results);
}

int
expression_scale(Node *expr)
{
	if (exprType(expr) != NUMERICOID)
		return UNKNOWN_SCALE;
	switch (nodeTag(expr))
	{
		case T_Const:
			return const_scale((Const *) expr);
		case T_FuncExpr:
			if (exprTypmod(expr) >= 0)
				return typmod_scale(exprTypmod(expr));
			return function_scale(((FuncExpr *) expr)->funcid, ((FuncExpr *) expr)->args);
		case T_OpExpr:
			set_opfuncid((OpExpr *) expr);
			return function_scale(((OpExpr *) expr)->opfuncid, ((OpExpr *) expr)->args);
		case T_CaseExpr:
			return case_scale((CaseExpr *) expr);
		case T_CoalesceExpr:
			return common_scale(((CoalesceExpr *) expr)->args);
		case T_Var:
			return typmod_scale(((Var *) expr)->vartypmod);
		default:
			return UNKNOWN_SCALE;
	}
}
