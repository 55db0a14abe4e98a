/*-------------------------------------------------------------------------
 *
 * task.c
 *	  A background process: its settings, its interrupts, and one piece of its
 *	  work as one transaction.
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
#include "postmaster/interrupt.h"
#include "utils/guc.h"

#include "scheduler/worker.h"

/*
 * Settings of the database or the cluster that are made for sessions of users
 * and would harm here.  Lock waits are bounded, so that one locked source
 * does not keep the other stream tables waiting.
 */
void
worker_settings(void)
{
	static const char *const settings[][2] = {
		{"application_name", "pg_trickle worker"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"synchronous_commit", "off"},
		{"statement_timeout", "0"},
		{"lock_timeout", "1s"},
		{"idle_in_transaction_session_timeout", "0"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	owner_context_pin();
}

bool
worker_interrupts(void)
{
	QueryCancelPending = false; /* there is no query to cancel */
	CHECK_FOR_INTERRUPTS();

	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

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

typedef struct Forgetting
{
	Size		budget;
	TimestampTz unused_since;
} Forgetting;

static void
forget_task(void *arg)
{
	Forgetting *forgetting = arg;

	refresh_trim_programs(forgetting->budget, forgetting->unused_since);
}

void
worker_forget_programs(Size budget, TimestampTz unused_since)
{
	Forgetting	forgetting = {
		.budget = budget,
		.unused_since = unused_since
	};

	worker_try_log("forgetting plans", forget_task, &forgetting);
}
