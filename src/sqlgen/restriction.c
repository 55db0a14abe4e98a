/*-------------------------------------------------------------------------
 *
 * restriction.c
 *	  A condition  column = ANY (set), and where else it holds.
 *
 * The equalities here are those of btree and hash operator families, which
 * are symmetric and transitive, also between operators of one family.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "sqlgen/restriction.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

bool
restriction_fits(Oid opno, Oid type)
{
	Oid			left,
				right;

	op_input_types(opno, &left, &right);
	return !type_is_rowtype(getBaseType(type)) && IsBinaryCoercible(type, left);
}

Oid
restriction_element(Oid opno, Oid type)
{
	Oid			left,
				right;

	op_input_types(opno, &left, &right);
	return IsPolymorphicType(right) ? getBaseType(type) : right;
}

static void
append_operator(StringInfo out, Oid opno)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	Form_pg_operator op;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", opno);
	op = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(out, "OPERATOR(%s.%s)",
					 quote_identifier(get_namespace_name(op->oprnamespace)),
					 NameStr(op->oprname));
	ReleaseSysCache(tuple);
}

/* expr opno ...; the right side follows */
static void
append_left_side(StringInfo out, const Restriction *r, const char *expr, Oid type)
{
	Oid			left,
				right;

	op_input_types(r->opno, &left, &right);
	appendStringInfo(out, "(%s)", expr);
	if (left != type && !IsPolymorphicType(left))
		appendStringInfo(out, "::%s", plain_type_name(left));
	if (OidIsValid(r->collation))
		appendStringInfo(out, " COLLATE %s", generate_collation_name(r->collation));
	appendStringInfoChar(out, ' ');
	append_operator(out, r->opno);
}

void
restriction_equality(StringInfo out, const Restriction *r, const char *expr,
					 Oid type, const char *element)
{
	append_left_side(out, r, expr, type);
	appendStringInfo(out, " %s", element);
}

static void
append_single(StringInfo out, const Restriction *r, const char *expr, Oid type)
{
	if (r->or_null)
		appendStringInfoChar(out, '(');
	append_left_side(out, r, expr, type);
	appendStringInfo(out, " ANY (%s)", r->set);
	if (r->or_null)
		appendStringInfo(out, " OR (%s) IS NULL)", expr);
}

/* Do both name the same rows? */
static bool
are_joint(const Restriction *a, const Restriction *b)
{
	return a->rows != NULL && b->rows != NULL && strcmp(a->rows, b->rows) == 0;
}

List *
restriction_joint(const Restriction *r, List *restrictions)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, restrictions)
		if (lfirst(lc) == r || are_joint(r, lfirst(lc)))
			result = lappend(result, lfirst(lc));
	return result;
}

/* The first of the restrictions stands for all to the same rows. */
static void
append_joint(StringInfo out, const Restriction *first, List *restrictions,
			 List *exprs, List *types)
{
	const char *keyword = " WHERE ";
	ListCell   *lr,
			   *le,
			   *lt;

	appendStringInfo(out, "EXISTS (SELECT FROM %s", first->rows);
	forthree(lr, restrictions, le, exprs, lt, types)
	{
		const Restriction *r = lfirst(lr);

		if (!are_joint(first, r))
			continue;
		appendStringInfoString(out, keyword);
		append_left_side(out, r, lfirst(le), lfirst_oid(lt));
		appendStringInfo(out, " %s", r->element);
		keyword = " AND ";
	}
	appendStringInfoChar(out, ')');
}

void
restriction_conditions(StringInfo out, const char *keyword, List *restrictions,
					   List *exprs, List *types)
{
	ListCell   *lr,
			   *le,
			   *lt;

	forthree(lr, restrictions, le, exprs, lt, types)
	{
		const Restriction *r = lfirst(lr);
		List	   *joint = restriction_joint(r, restrictions);

		if (linitial(joint) != r)
			continue;
		appendStringInfoString(out, keyword);
		keyword = " AND ";
		if (list_length(joint) > 1)
			append_joint(out, r, restrictions, exprs, types);
		else
			append_single(out, r, lfirst(le), lfirst_oid(lt));
	}
}

void
restrictions_append(StringInfo out, const char *keyword, List *restrictions,
					List *columns, const char *prefix)
{
	List	   *exprs = NIL;
	List	   *types = NIL;
	ListCell   *lc;

	foreach(lc, restrictions)
	{
		const Restriction *r = lfirst(lc);
		const OutputColumn *column = list_nth(columns, r->column - 1);

		exprs = lappend(exprs, psprintf("%sc%d", prefix, r->column));
		types = lappend_oid(types, column->type);
	}
	restriction_conditions(out, keyword, restrictions, exprs, types);
}

/* The name of a type for a cast that changes nothing: character is not bpchar. */
char *
plain_type_name(Oid type)
{
	return format_type_extended(type, -1,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

void
restriction_to_rows(Restriction *r, Oid type, int column, const char *relation)
{
	char	   *type_name = plain_type_name(restriction_element(r->opno, type));

	r->set = psprintf("SELECT k.c%d::%s FROM %s k WHERE k.c%d IS NOT NULL",
					  column, type_name, relation, column);
	r->rows = psprintf("%s k", relation);
	r->element = psprintf("k.c%d::%s", column, type_name);
}

Restriction *
restriction_on(const Restriction *r, int column)
{
	Restriction *copy = palloc(sizeof(Restriction));

	*copy = *r;
	copy->column = column;
	copy->or_null = false;
	return copy;
}

static bool
is_deterministic(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

bool
restriction_follows(const Restriction *r, Oid equality, Oid collation)
{
	Oid			left,
				right;

	op_input_types(equality, &left, &right);
	if (left != right || !equality_ops_are_compatible(equality, r->opno))
		return false;

	/* Under deterministic collations PostgreSQL's own types are equal as bytes. */
	return collation == r->collation ||
		(equality < FirstNormalObjectId && is_deterministic(collation) &&
		 is_deterministic(r->collation));
}

static List *
add_equality(List *equalities, const Var *a, const Var *b, Oid opno,
			 Oid collation)
{
	ColumnEquality *e;

	if (!OidIsValid(opno) || !restriction_fits(opno, a->vartype))
		return equalities;
	e = palloc0(sizeof(ColumnEquality));
	e->factor = a->varno;
	e->column = a->varattno;
	e->other = b->varno;
	e->other_column = b->varattno;
	e->other_type = b->vartype;
	e->opno = opno;
	e->collation = collation;
	return lappend(equalities, e);
}

List *
branch_equalities(const Branch *branch)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, branch->quals)
	{
		OpExpr	   *op = lfirst(lc);
		Node	   *a,
				   *b;

		if (!IsA(op, OpExpr) || list_length(op->args) != 2)
			continue;
		a = strip_relabel(linitial(op->args));
		b = strip_relabel(lsecond(op->args));
		if (!IsA(a, Var) || !IsA(b, Var) ||
			(!op_mergejoinable(op->opno, exprType(linitial(op->args))) &&
			 !op_hashjoinable(op->opno, exprType(linitial(op->args)))))
			continue;
		result = add_equality(result, (Var *) a, (Var *) b, op->opno,
							  op->inputcollid);
		result = add_equality(result, (Var *) b, (Var *) a,
							  get_commutator(op->opno), op->inputcollid);
	}
	return result;
}
