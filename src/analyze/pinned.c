/*-------------------------------------------------------------------------
 *
 * pinned.c
 *	  Which stable functions are as good as immutable here.
 *
 * A function is stable if its result depends, beside its arguments, on the
 * session, the clock or the database.  Every refresh, and every check of one,
 * runs under the settings that refresh/owner_context.c pins.  So a function
 * that depends on nothing but its arguments and those is a function of its
 * arguments: its value for an old row can be had again.  They are listed here
 * by name, each with what it depends on; a name is listed only if that is true
 * of all built-in functions of that name that are stable.
 *
 * Not listed are functions that read
 *
 *	- the clock: also timetz(time) and AT TIME ZONE on timetz, which take the
 *	  offset that is valid today, and age() with one argument;
 *	- text as a date or timestamp: 'now' and 'today' are such texts;
 *	- the user, or settings that are not pinned, as to_tsvector(text) does;
 *	- catalogs or tables: reg* types, labels of enums, pg_get_*, has_*;
 *	- composite types that are columns: an attribute can be renamed unnoticed.
 *
 * Nor are any functions of users: what those depend on, nobody has reviewed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef enum PinnedKind
{
	PINNED_ALWAYS,
	PINNED_PRINTS,				/* if its arguments' output functions are */
	PINNED_JSON					/* the same, and shows them as JSON */
} PinnedKind;

static const struct
{
	const char *name;
	PinnedKind	kind;
}			pinned_functions[] =
{
	/* TimeZone: what day and hour an instant is, or which instant that is */
	{"date", PINNED_ALWAYS},
	{"date_add", PINNED_ALWAYS},
	{"date_part", PINNED_ALWAYS},
	{"date_subtract", PINNED_ALWAYS},
	{"date_trunc", PINNED_ALWAYS},
	{"extract", PINNED_ALWAYS},
	{"generate_series", PINNED_ALWAYS},
	{"in_range", PINNED_ALWAYS},
	{"interval_pl_timestamptz", PINNED_ALWAYS},
	{"overlaps", PINNED_ALWAYS},
	{"time", PINNED_ALWAYS},
	{"timestamp", PINNED_ALWAYS},
	{"timestamptz", PINNED_ALWAYS},
	{"timestamptz_mi_interval", PINNED_ALWAYS},
	{"timestamptz_pl_interval", PINNED_ALWAYS},
	{"jsonb_path_exists_tz", PINNED_ALWAYS},
	{"jsonb_path_match_tz", PINNED_ALWAYS},
	{"jsonb_path_query_array_tz", PINNED_ALWAYS},
	{"jsonb_path_query_first_tz", PINNED_ALWAYS},
	{"jsonb_path_query_tz", PINNED_ALWAYS},

	/* TimeZone and timezone_abbreviations */
	{"make_timestamptz", PINNED_ALWAYS},

	/* TimeZone: which instant a date or timestamp is that is compared */
	{"date_cmp_timestamptz", PINNED_ALWAYS},
	{"date_eq_timestamptz", PINNED_ALWAYS},
	{"date_ge_timestamptz", PINNED_ALWAYS},
	{"date_gt_timestamptz", PINNED_ALWAYS},
	{"date_le_timestamptz", PINNED_ALWAYS},
	{"date_lt_timestamptz", PINNED_ALWAYS},
	{"date_ne_timestamptz", PINNED_ALWAYS},
	{"timestamp_cmp_timestamptz", PINNED_ALWAYS},
	{"timestamp_eq_timestamptz", PINNED_ALWAYS},
	{"timestamp_ge_timestamptz", PINNED_ALWAYS},
	{"timestamp_gt_timestamptz", PINNED_ALWAYS},
	{"timestamp_le_timestamptz", PINNED_ALWAYS},
	{"timestamp_lt_timestamptz", PINNED_ALWAYS},
	{"timestamp_ne_timestamptz", PINNED_ALWAYS},
	{"timestamptz_cmp_date", PINNED_ALWAYS},
	{"timestamptz_cmp_timestamp", PINNED_ALWAYS},
	{"timestamptz_eq_date", PINNED_ALWAYS},
	{"timestamptz_eq_timestamp", PINNED_ALWAYS},
	{"timestamptz_ge_date", PINNED_ALWAYS},
	{"timestamptz_ge_timestamp", PINNED_ALWAYS},
	{"timestamptz_gt_date", PINNED_ALWAYS},
	{"timestamptz_gt_timestamp", PINNED_ALWAYS},
	{"timestamptz_le_date", PINNED_ALWAYS},
	{"timestamptz_le_timestamp", PINNED_ALWAYS},
	{"timestamptz_lt_date", PINNED_ALWAYS},
	{"timestamptz_lt_timestamp", PINNED_ALWAYS},
	{"timestamptz_ne_date", PINNED_ALWAYS},
	{"timestamptz_ne_timestamp", PINNED_ALWAYS},

	/* TimeZone, timezone_abbreviations, lc_time, lc_numeric, lc_monetary */
	{"to_char", PINNED_ALWAYS},
	{"to_date", PINNED_ALWAYS},
	{"to_number", PINNED_ALWAYS},
	{"to_timestamp", PINNED_ALWAYS},

	/* lc_monetary: the digits behind the point of money */
	{"money", PINNED_ALWAYS},
	{"numeric", PINNED_ALWAYS},

	/* search_path: the default conversion is that of pg_catalog */
	{"convert", PINNED_ALWAYS},
	{"convert_from", PINNED_ALWAYS},
	{"convert_to", PINNED_ALWAYS},
	{"length", PINNED_ALWAYS},

	/* what the output functions of the arguments depend on */
	{"anytextcat", PINNED_PRINTS},
	{"array_to_string", PINNED_PRINTS},
	{"concat", PINNED_PRINTS},
	{"concat_ws", PINNED_PRINTS},
	{"format", PINNED_PRINTS},	/* and quote_all_identifiers */
	{"quote_literal", PINNED_PRINTS},
	{"quote_nullable", PINNED_PRINTS},
	{"textanycat", PINNED_PRINTS},

	/* the same, and TimeZone */
	{"array_to_json", PINNED_JSON},
	{"json_agg", PINNED_JSON},
	{"json_agg_strict", PINNED_JSON},
	{"json_build_array", PINNED_JSON},
	{"json_build_object", PINNED_JSON},
	{"json_object_agg", PINNED_JSON},
	{"json_object_agg_strict", PINNED_JSON},
	{"json_object_agg_unique", PINNED_JSON},
	{"json_object_agg_unique_strict", PINNED_JSON},
	{"jsonb_agg", PINNED_JSON},
	{"jsonb_agg_strict", PINNED_JSON},
	{"jsonb_build_array", PINNED_JSON},
	{"jsonb_build_object", PINNED_JSON},
	{"jsonb_object_agg", PINNED_JSON},
	{"jsonb_object_agg_strict", PINNED_JSON},
	{"jsonb_object_agg_unique", PINNED_JSON},
	{"jsonb_object_agg_unique_strict", PINNED_JSON},
	{"row_to_json", PINNED_JSON},
	{"to_json", PINNED_JSON},
	{"to_jsonb", PINNED_JSON},
};

/* Functions that read each column of their result from text. */
static const char *const record_functions[] = {
	"json_to_record", "json_to_recordset", "jsonb_to_record", "jsonb_to_recordset"
};

/* ---- types ---- */

/* DateStyle, TimeZone, IntervalStyle, lc_monetary */
static bool
output_function_is_pinned(Oid funcid)
{
	return func_volatile(funcid) == PROVOLATILE_IMMUTABLE ||
		funcid == F_DATE_OUT || funcid == F_TIMESTAMP_OUT ||
		funcid == F_TIMESTAMPTZ_OUT || funcid == F_INTERVAL_OUT ||
		funcid == F_CASH_OUT;
}

/* IntervalStyle, lc_monetary, xmloption */
static bool
input_function_is_pinned(Oid funcid)
{
	return func_volatile(funcid) == PROVOLATILE_IMMUTABLE ||
		funcid == F_INTERVAL_IN || funcid == F_CASH_IN || funcid == F_XML_IN;
}

/*
 * The type whose values an array or range of the type is made of; else the
 * same type.
 */
static Oid
member_type(Oid type)
{
	if (OidIsValid(get_element_type(type)))
		return get_element_type(type);
	if (type_is_multirange(type))
		return get_multirange_range(type);
	if (type_is_range(type))
		return get_range_subtype(type);
	return type;
}

/*
 * A type of users' may have a cast to json, now or later, which is what shows
 * it as JSON.
 */
static bool
type_output_is_pinned(Oid type, bool json)
{
	Oid			base = getBaseType(type);
	Oid			member = member_type(base);
	Oid			funcid;
	bool		is_varlena;

	if (json && base >= FirstNormalObjectId && !OidIsValid(get_element_type(base)))
		return false;
	if (member != base)
		return type_output_is_pinned(member, json);
	getTypeOutputInfo(base, &funcid, &is_varlena);
	return output_function_is_pinned(funcid);
}

bool
type_input_is_pinned(Oid type)
{
	Oid			member = member_type(type);
	Oid			funcid;
	Oid			ioparam;

	if (member != type)
		return type_input_is_pinned(member);
	getTypeInputInfo(type, &funcid, &ioparam);
	return input_function_is_pinned(funcid);
}

/* ---- rows ---- */

static bool
all_outputs_are_pinned(List *exprs, List *queries, bool json)
{
	ListCell   *lc;

	foreach(lc, exprs)
		if (lfirst(lc) != NULL && !output_is_pinned(lfirst(lc), queries, json))
			return false;
	return true;
}

/* A column of FROM that is a row: what of a subquery it is. */
static bool
row_column_is_pinned(const Var *var, List *queries, bool json)
{
	List	   *around = list_copy_tail(queries, var->varlevelsup);
	RangeTblEntry *rte;

	if (around == NIL || var->varattno <= 0)
		return false;
	rte = rt_fetch(var->varno, ((Query *) linitial(around))->rtable);
	if (rte->rtekind == RTE_JOIN)
		return output_is_pinned(list_nth(rte->joinaliasvars, var->varattno - 1), around,
								json);
	return rte->rtekind == RTE_SUBQUERY && rte->subquery->setOperations == NULL &&
		output_is_pinned(list_nth(rte->subquery->targetList, var->varattno - 1),
						 lcons(rte->subquery, around), json);
}

bool
output_is_pinned(Node *expr, List *queries, bool json)
{
	Oid			type;

	if (IsA(expr, TargetEntry))
		return output_is_pinned((Node *) ((TargetEntry *) expr)->expr, queries, json);
	type = exprType(expr);
	if (type_is_rowtype(type))
	{
		RowExpr    *row = row_of_columns(expr);

		if (IsA(expr, Var))
			return row_column_is_pinned((Var *) expr, queries, json);
		/* the fingerprint has the names of the columns */
		return row != NULL && all_outputs_are_pinned(row->args, queries, json);
	}
	return type_output_is_pinned(type, json);
}

/* ---- calls ---- */

static List *
call_arguments(Node *call)
{
	switch (nodeTag(call))
	{
		case T_FuncExpr:
			return ((FuncExpr *) call)->args;
		case T_OpExpr:
			return ((OpExpr *) call)->args;
		case T_Aggref:
			return ((Aggref *) call)->args;
		case T_WindowFunc:
			return ((WindowFunc *) call)->args;
		default:
			return NIL;
	}
}

static bool
io_coercion_is_pinned(const CoerceViaIO *expr, Oid funcid, List *queries)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(expr->resulttype, &input, &ioparam);
	if (funcid == input)
		return type_input_is_pinned(expr->resulttype);
	return output_is_pinned((Node *) expr->arg, queries, false);
}

bool
call_is_pinned(Node *call, Oid funcid, List *queries)
{
	char	   *name;

	if (IsA(call, CoerceViaIO))
		return io_coercion_is_pinned((CoerceViaIO *) call, funcid, queries);
	if (funcid >= FirstGenbkiObjectId ||
		func_volatile(funcid) != PROVOLATILE_STABLE)
		return false;
	name = get_func_name(funcid);
	for (int i = 0; i < lengthof(pinned_functions); i++)
		if (strcmp(name, pinned_functions[i].name) == 0)
			return pinned_functions[i].kind == PINNED_ALWAYS ||
				all_outputs_are_pinned(call_arguments(call), queries,
									   pinned_functions[i].kind == PINNED_JSON);
	return false;
}

bool
record_call_is_pinned(const RangeTblFunction *function)
{
	FuncExpr   *call = (FuncExpr *) function->funcexpr;
	char	   *name;
	ListCell   *lc;

	if (!IsA(call, FuncExpr) || call->funcid >= FirstGenbkiObjectId)
		return false;
	foreach(lc, function->funccoltypes)
		if (!type_input_is_pinned(lfirst_oid(lc)))
			return false;
	name = get_func_name(call->funcid);
	for (int i = 0; i < lengthof(record_functions); i++)
		if (strcmp(name, record_functions[i]) == 0)
			return true;
	return false;
}
