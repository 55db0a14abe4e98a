/*-------------------------------------------------------------------------
 *
 * task.c
 *	  One piece of a worker's work as one transaction.
 *
 * This is where errors stop travelling: a worker outlives the failure of any
 * stream table.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"

#include "scheduler/worker.h"

static ErrorData *
task_failed(MemoryContext context)
{
	ErrorData  *error;

	/* an interrupt must not cut the clean-up short */
	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	AbortOutOfAnyTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
	return error;
}

ErrorData *
worker_try(const char *activity, WorkerTask task, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, activity);

	PG_TRY();
	{
		StartTransactionCommand();
		task(arg);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		error = task_failed(context);
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return error;
}

bool
worker_try_log(const char *activity, WorkerTask task, void *arg)
{
	ErrorData  *error = worker_try(activity, task, arg);

	if (error == NULL)
		return true;

	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("pg_trickle: %s failed: %s", activity, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0));
	return false;
}
