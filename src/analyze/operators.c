/*-------------------------------------------------------------------------
 *
 * operators.c
 *	  Spell out the expressions that PostgreSQL prints without naming their
 *	  operator.
 *
 *		nullif(a, b)			=  CASE WHEN a = b THEN NULL ELSE a END
 *		a IS DISTINCT FROM b	=  CASE WHEN a IS NULL THEN b IS NOT NULL
 *										WHEN b IS NULL THEN true
 *										ELSE NOT (a = b) END
 *		CASE a WHEN b THEN ...	=  CASE WHEN a = b THEN ...
 *
 * In print the left forms leave it to the reader's search_path which = is
 * meant.  Ours is pg_catalog, so an operator of any other schema, citext's for
 * instance, would turn into another one.  The operands are immutable, so
 * evaluating one of them twice changes nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/syscache.h"

bool
operator_prints_safely(Oid opno)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", opno);
	result = ((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace == PG_CATALOG_NAMESPACE;
	ReleaseSysCache(tuple);
	return result;
}

static Node *
null_test(Node *arg, NullTestType type)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) arg;
	test->nulltesttype = type;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

static CaseWhen *
make_when(Node *condition, Node *result)
{
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = (Expr *) condition;
	when->result = (Expr *) result;
	when->location = -1;
	return when;
}

static Node *
make_case(List *whens, Node *otherwise)
{
	CaseExpr   *c = makeNode(CaseExpr);

	c->casetype = exprType(otherwise);
	c->casecollid = exprCollation(otherwise);
	c->args = whens;
	c->defresult = (Expr *) otherwise;
	c->location = -1;
	return (Node *) c;
}

/* The plain operator call behind a NullIfExpr or DistinctExpr. */
static Node *
plain_operator(const OpExpr *op)
{
	return (Node *) make_opclause(op->opno, BOOLOID, false,
								  copyObject(linitial(op->args)),
								  copyObject(lsecond(op->args)),
								  InvalidOid, op->inputcollid);
}

static Node *
spell_nullif(const NullIfExpr *expr)
{
	Node	   *a = linitial(expr->args);

	return make_case(list_make1(make_when(plain_operator(expr),
										  (Node *) makeNullConst(exprType(a), exprTypmod(a),
																 exprCollation(a)))),
					 copyObject(a));
}

static Node *
spell_distinct(const DistinctExpr *expr)
{
	Node	   *a = linitial(expr->args);
	Node	   *b = lsecond(expr->args);

	return make_case(list_make2(make_when(null_test(copyObject(a), IS_NULL),
										  null_test(copyObject(b), IS_NOT_NULL)),
								make_when(null_test(copyObject(b), IS_NULL),
										  makeBoolConst(true, false))),
					 (Node *) make_notclause((Expr *) plain_operator(expr)));
}

/*
 * Put the tested value where a WHEN refers to it.  Inner expressions with a
 * placeholder of their own keep theirs.
 */
static Node *
replace_test_value(Node *node, Node *value)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CaseTestExpr))
		return copyObject(value);
	if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL)
	{
		CaseExpr   *copy = copyObject((CaseExpr *) node);

		copy->arg = (Expr *) replace_test_value((Node *) copy->arg, value);
		return (Node *) copy;
	}
	if (IsA(node, ArrayCoerceExpr))
	{
		ArrayCoerceExpr *copy = copyObject((ArrayCoerceExpr *) node);

		copy->arg = (Expr *) replace_test_value((Node *) copy->arg, value);
		return (Node *) copy;
	}
	return expression_tree_mutator(node, replace_test_value, value);
}

static bool
case_prints_safely(const CaseExpr *expr)
{
	ListCell   *lc;

	foreach(lc, expr->args)
	{
		OpExpr	   *op = (OpExpr *) ((CaseWhen *) lfirst(lc))->expr;

		if (IsA(op, OpExpr) && !operator_prints_safely(op->opno))
			return false;
	}
	return true;
}

static Node *
spell_case(const CaseExpr *expr)
{
	CaseExpr   *copy = copyObject(unconstify(CaseExpr *, expr));
	Node	   *value = (Node *) copy->arg;
	ListCell   *lc;

	copy->arg = NULL;
	foreach(lc, copy->args)
	{
		CaseWhen   *when = lfirst(lc);

		when->expr = (Expr *) replace_test_value((Node *) when->expr, value);
	}
	return (Node *) copy;
}

Node *
analyze_name_operators(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, analyze_name_operators,
										   context, 0);
	if (IsA(node, NullIfExpr) && !operator_prints_safely(((NullIfExpr *) node)->opno))
		node = spell_nullif((NullIfExpr *) node);
	else if (IsA(node, DistinctExpr) &&
			 !operator_prints_safely(((DistinctExpr *) node)->opno))
		node = spell_distinct((DistinctExpr *) node);
	else if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL &&
			 !case_prints_safely((CaseExpr *) node))
		node = spell_case((CaseExpr *) node);
	return expression_tree_mutator(node, analyze_name_operators, context);
}
