/*-------------------------------------------------------------------------
 *
 * calls.c
 *	  time_calls(library, symbol, calls): nanoseconds that a call of a function
 *	  without arguments takes, in a loop in C.
 *
 * bench.py builds it and loads it into the server that it measures; nothing of
 * it is part of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(time_calls);

Datum
time_calls(PG_FUNCTION_ARGS)
{
	char	   *library = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *symbol = text_to_cstring(PG_GETARG_TEXT_PP(1));
	int64		calls = PG_GETARG_INT64(2);
	PGFunction	function = load_external_function(library, symbol, true, NULL);
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	for (int64 i = 0; i < calls; i++)
	{
		LOCAL_FCINFO(call, 0);

		InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
		(void) function(call);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e9 / calls);
}
