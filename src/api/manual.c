/*-------------------------------------------------------------------------
 *
 * manual.c
 *	  refresh_stream_table() and resume_stream_table(): what the scheduler
 *	  does by itself, by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "api/api.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_refresh_stream_table);
PG_FUNCTION_INFO_V1(pgt_resume_stream_table);

/* refresh_run() takes the refresh lock, and every other lock, in its order. */
Datum
pgt_refresh_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	Oid			relid;

	PreventCommandIfReadOnly("refresh_stream_table()");
	PreventCommandDuringRecovery("refresh_stream_table()");
	relid = stream_table_find_maintained(name);
	(void) refresh_run(relid, true, NULL);
	if (!IsTransactionBlock())
		refresh_trim_buffers(relid);
	PG_RETURN_VOID();
}

Datum
pgt_resume_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	AlterRequest request = {.status = "ACTIVE"};

	begin_change("resume_stream_table()");
	stream_table_alter(stream_table_open(name, true), &request);
	PG_RETURN_VOID();
}
