/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  Which aggregate calls can be merged, and how.
 *
 * Integer, numeric, interval and money sums can be undone exactly: adding and
 * subtracting are inverse in those types.  Sums of floats cannot (1e20 + 1 -
 * 1e20 is 0).  They, and every aggregate that is not named here, are computed
 * afresh for the groups that are touched, whatever their arguments, DISTINCT,
 * ORDER BY or FILTER.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "analyze/analyze.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static bool
sum_kind(Oid type, AggregateKind exact, AggregateKind *kind)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case INTERVALOID:
			*kind = exact;
			return true;
		case CASHOID:
			*kind = exact;
			return exact == AGGREGATE_SUM;
		default:
			return false;
	}
}

/* The exact rule for an aggregate of pg_catalog; false if it has none. */
static bool
merge_kind(const char *name, Oid argtype, AggregateKind *kind)
{
	if (strcmp(name, "count") == 0)
	{
		*kind = AGGREGATE_COUNT;
		return true;
	}
	if (strcmp(name, "sum") == 0)
		return sum_kind(argtype, AGGREGATE_SUM, kind);
	if (strcmp(name, "avg") == 0)
		return sum_kind(argtype, AGGREGATE_AVG, kind);
	if (strcmp(name, "min") == 0 || strcmp(name, "max") == 0)
	{
		*kind = name[1] == 'i' ? AGGREGATE_MIN : AGGREGATE_MAX;
		return !type_is_rowtype(argtype) &&
			OidIsValid(lookup_type_cache(argtype, TYPECACHE_CMP_PROC)->cmp_proc);
	}
	if (strcmp(name, "bool_and") == 0 || strcmp(name, "every") == 0)
	{
		*kind = AGGREGATE_BOOL_AND;
		return true;
	}
	if (strcmp(name, "bool_or") == 0)
	{
		*kind = AGGREGATE_BOOL_OR;
		return true;
	}
	return false;
}

static bool
is_plain_call(const Aggref *aggref)
{
	return aggref->aggkind == AGGKIND_NORMAL && !aggref->aggvariadic &&
		list_length(aggref->args) <= 1 &&
		aggref->aggdistinct == NIL && aggref->aggorder == NIL &&
		get_func_namespace(aggref->aggfnoid) == PG_CATALOG_NAMESPACE;
}

bool
aggregate_classify(Aggref *aggref, AggregateCall *call, const char **reason)
{
	char	   *name = get_func_name(aggref->aggfnoid);

	if (get_typtype(aggref->aggtype) == TYPTYPE_PSEUDO)
	{
		*reason = psprintf("the result of the aggregate %s cannot be stored",
						   name);
		return false;
	}
	call->aggref = aggref;
	if (aggref->args != NIL)
		call->argtype = exprType((Node *) ((TargetEntry *) linitial(aggref->args))->expr);
	if (!is_plain_call(aggref) || !merge_kind(name, call->argtype, &call->kind))
		call->kind = AGGREGATE_RECOMPUTE;
	call->resulttype = aggref->aggtype;
	call->resulttypmod = exprTypmod((Node *) aggref);
	call->resultcollid = aggref->aggcollid;
	return true;
}

List *
aggregate_functions(Oid aggfnoid)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggfnoid));
	Form_pg_aggregate agg;
	List	   *result = NIL;

	if (!HeapTupleIsValid(tuple))
		return NIL;
	agg = (Form_pg_aggregate) GETSTRUCT(tuple);
	result = list_make5_oid(agg->aggtransfn, agg->aggfinalfn, agg->aggcombinefn,
							agg->aggserialfn, agg->aggdeserialfn);
	result = lappend_oid(result, agg->aggmtransfn);
	result = lappend_oid(result, agg->aggminvtransfn);
	result = lappend_oid(result, agg->aggmfinalfn);
	ReleaseSysCache(tuple);
	return result;
}

bool
function_may_show_order(Oid aggfnoid)
{
	const char *name = get_func_name(aggfnoid);

	return get_func_namespace(aggfnoid) != PG_CATALOG_NAMESPACE ||
		strstr(name, "agg") != NULL || strcmp(name, "any_value") == 0;
}

bool
aggregate_may_show_order(const Aggref *aggref)
{
	if (aggref->aggkind != AGGKIND_NORMAL ||
		aggref->aggorder != NIL || aggref->aggdistinct != NIL)
		return false;
	return function_may_show_order(aggref->aggfnoid);
}
