/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  Which aggregate calls have an exact rule, and which one.
 *
 * Integer, numeric, interval and money sums can be undone exactly: adding and
 * subtracting are inverse in those types.  Sums of floats cannot (1e20 + 1 -
 * 1e20 is 0): their groups are computed afresh.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
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
		case FLOAT4OID:
		case FLOAT8OID:
			*kind = AGGREGATE_RECOMPUTE;
			return true;
		default:
			return false;
	}
}

static bool
kind_of(const char *name, Oid argtype, AggregateKind *kind)
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
	return false;
}

bool
aggregate_classify(Aggref *aggref, AggregateCall *call, const char **reason)
{
	char	   *name = get_func_name(aggref->aggfnoid);

	if (name == NULL ||
		get_func_namespace(aggref->aggfnoid) != PG_CATALOG_NAMESPACE ||
		aggref->aggkind != AGGKIND_NORMAL || aggref->agglevelsup != 0 ||
		aggref->aggvariadic || list_length(aggref->args) > 1)
	{
		*reason = psprintf("the aggregate %s is recomputed",
						   name ? name : "function");
		return false;
	}
	if (aggref->aggdistinct != NIL || aggref->aggorder != NIL)
	{
		*reason = psprintf("the aggregate %s with DISTINCT or ORDER BY is recomputed", name);
		return false;
	}

	call->aggref = aggref;
	if (!aggref->aggstar)
		call->argtype = exprType((Node *) ((TargetEntry *) linitial(aggref->args))->expr);
	if (!kind_of(name, call->argtype, &call->kind))
	{
		*reason = OidIsValid(call->argtype) ?
			psprintf("the aggregate %s(%s) is recomputed", name,
					 format_type_be(call->argtype)) :
			psprintf("the aggregate %s is recomputed", name);
		return false;
	}
	call->resulttype = aggref->aggtype;
	call->resulttypmod = exprTypmod((Node *) aggref);
	call->resultcollid = aggref->aggcollid;
	return true;
}
