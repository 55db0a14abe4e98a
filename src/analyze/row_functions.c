/*-------------------------------------------------------------------------
 *
 * row_functions.c
 *	  The functions that whole rows are made with; see whole_row.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "analyze/analyze.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

typedef struct NamedRow
{
	int32		typmod;			/* of the record that comes in */
	int32		named_typmod;	/* of the one that leaves */
} NamedRow;

static TupleDesc
named_tupdesc(int32 typmod, ArrayType *names)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(RECORDOID, typmod);
	Datum	   *datums;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &datums, &nulls, &n);
	if (n != desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row of %d columns needs as many names, not %d", desc->natts, n)));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("name of a column must not be NULL")));
		namestrcpy(&TupleDescAttr(desc, i)->attname, TextDatumGetCString(datums[i]));
	}
	desc->tdtypmod = -1;
	return BlessTupleDesc(desc);
}

PG_FUNCTION_INFO_V1(pgt_named_row);

/*
 * named_row(row record, names text[]) returns record: the row, whose columns
 * have the names.
 */
Datum
pgt_named_row(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER_COPY(0);
	NamedRow   *kept = fcinfo->flinfo->fn_extra;
	Oid			type = HeapTupleHeaderGetTypeId(row);
	int32		typmod = HeapTupleHeaderGetTypMod(row);

	if (type != RECORDOID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("columns of type %s have names", format_type_be(type)),
				 errhint("Use ROW(...).")));
	if (kept == NULL)
	{
		fcinfo->flinfo->fn_extra = kept =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(NamedRow));
		kept->named_typmod = -1;
	}
	if (kept->typmod != typmod || kept->named_typmod < 0 ||
		!get_fn_expr_arg_stable(fcinfo->flinfo, 1))
	{
		kept->named_typmod =
			named_tupdesc(typmod, PG_GETARG_ARRAYTYPE_P(1))->tdtypmod;
		kept->typmod = typmod;
	}
	HeapTupleHeaderSetTypeId(row, RECORDOID);
	HeapTupleHeaderSetTypMod(row, kept->named_typmod);
	PG_RETURN_HEAPTUPLEHEADER(row);
}

PG_FUNCTION_INFO_V1(pgt_typed_row);

/* typed_row(anyelement) returns anyelement: its argument. */
Datum
pgt_typed_row(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
