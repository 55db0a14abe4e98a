/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  What the SQL functions have in common: how they begin, and arguments that
 *	  several take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

char *
argument_text(FunctionCallInfo fcinfo, int argno, const char *name, bool null_ok)
{
	if (!PG_ARGISNULL(argno))
		return text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (!null_ok)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return NULL;
}

void
begin_change(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
	refresh_refuse_nested(function);
}

StreamTable *
stream_table_open_group(const char *name)
{
	/* The right is checked before any lock is taken. */
	refresh_lock_group(stream_table_open(name, false)->relid, NIL);
	return stream_table_open(name, true);
}

char *
schedule_argument(const char *schedule)
{
	if (pg_strcasecmp(schedule, "calculated") == 0)
		return NULL;
	schedule_check(schedule);
	return pstrdup(schedule);
}
