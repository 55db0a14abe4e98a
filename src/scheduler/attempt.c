/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  One refresh of a unit by the scheduler, and the record of its failure.
 *
 * A consistency group is refreshed as one, and its error is that of the member
 * at which it occurred.
 *
 * A failure is recorded in a transaction after the one that failed.  Errors
 * that pass by themselves (deadlock, lock timeout, a full disk) do not count
 * towards suspension, since the query is not at fault.
 *
 * A refresh that was given a budget is cancelled when that is spent, as by the
 * user, and the transaction takes its frontier back: it is as if it had not
 * begun.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "monitor/counters.h"
#include "monitor/notify.h"
#include "scheduler/attempt.h"
#include "scheduler/worker.h"

typedef struct Attempt
{
	Oid			target;
	Outcome    *outcome;
	MemberOutcome *members;
	int			maxmembers;
} Attempt;

typedef struct Failure
{
	Oid			relid;
	TimestampTz started_at;
	const char *message;
	int			sqlerrcode;
	bool		suspended;
} Failure;

static TimeoutId budget_timeout;
static volatile sig_atomic_t budget_spent = false;

static bool
error_is_transient(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK ||
		ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		sqlerrcode == ERRCODE_QUERY_CANCELED;
}

static void
note_result(Oid relid, RefreshResult result, bool timed, void *arg)
{
	Attempt    *attempt = arg;
	int			n = attempt->outcome->nmembers++;

	if (n >= attempt->maxmembers)
		return;
	attempt->members[n].relid = relid;
	attempt->members[n].result = result;
	attempt->members[n].timed = timed;
}

static void
refresh_task(void *arg)
{
	Attempt    *attempt = arg;
	RefreshReport report = {
		.automatic = true,
		.callback = note_result,
		.arg = attempt
	};

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(attempt->target)))
	{
		attempt->outcome->end = ATTEMPT_GONE;
		return;
	}
	/* as in a session of a user: what hooks DDL may want to run queries */
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!refresh_run_reporting(attempt->target, false, NULL, &report))
		attempt->outcome->end = ATTEMPT_BUSY;
	PopActiveSnapshot();
}

static void
failure_task(void *arg)
{
	Failure    *failure = arg;
	StreamTable *st;

	PushActiveSnapshot(GetTransactionSnapshot());
	st = stream_table_read(failure->relid, NULL);
	if (st != NULL)
		counters_failed(st->pgt_id);
	failure->suspended = stream_table_failed(failure->relid, failure->started_at,
											 failure->message, failure->sqlerrcode);
	if (failure->suspended && st != NULL)
		notify_alert(st->pgt_id, st->relid,
					 failure->sqlerrcode == ERRCODE_PGT_FUSE_BLOWN ? "fuse" : "suspended",
					 psprintf("SQLSTATE %s", unpack_sql_state(failure->sqlerrcode)));
	PopActiveSnapshot();
}

static void
log_failure(const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("refresh of stream table %s failed: %s",
					refresh_current_name(), error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* What the error of a fuse says is enough. */
static void
log_suspension(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_PGT_FUSE_BLOWN)
		ereport(LOG,
				(errmsg("stream table %s is suspended", refresh_current_name())));
	else
		ereport(LOG,
				(errmsg("stream table %s is suspended", refresh_current_name()),
				 errdetail("Its refresh failed %d times in a row.",
						   pgt_max_consecutive_errors),
				 errhint("Mend the cause and call resume_stream_table().")));
}

static void
record_failure(Outcome *outcome, const ErrorData *error)
{
	Failure		failure = {
		.relid = outcome->failed,
		.started_at = outcome->started_at,
		.message = error->message,
		.sqlerrcode = error->sqlerrcode,
	};

	if (error->detail)
		failure.message = psprintf("%s (%s)", error->message, error->detail);
	if (!worker_try_log("recording a failed refresh", failure_task, &failure))
		return;
	outcome->suspended = failure.suspended;
	if (failure.suspended)
		log_suspension(error->sqlerrcode);
}

static void
attempt_failed(Outcome *outcome, const ErrorData *error)
{
	outcome->failed = refresh_current_member();
	if (budget_spent && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		outcome->end = ATTEMPT_OVERRUN;
		return;
	}
	log_failure(error);
	outcome->end = error_is_transient(error->sqlerrcode) ?
		ATTEMPT_TRANSIENT : ATTEMPT_FAILED;
	if (outcome->end == ATTEMPT_FAILED)
		record_failure(outcome, error);
}

/* As if the user had cancelled the query. */
static void
budget_handler(void)
{
	budget_spent = true;
	InterruptPending = true;
	QueryCancelPending = true;
}

void
attempt_init(void)
{
	budget_timeout = RegisterTimeout(USER_TIMEOUT, budget_handler);
}

static ErrorData *
try_within(int64 budget_us, const char *activity, Attempt *attempt)
{
	ErrorData  *error;

	budget_spent = false;
	if (budget_us > 0)
		enable_timeout_after(budget_timeout, budget_us / US_PER_MS);
	error = worker_try(activity, refresh_task, attempt);
	if (budget_us > 0)
	{
		disable_timeout(budget_timeout, false);
		/* it may have come too late */
		if (budget_spent)
			QueryCancelPending = false;
	}
	return error;
}

void
attempt_run(Oid target, const char *name, int64 budget_us,
			Outcome *outcome, MemberOutcome *members, int maxmembers)
{
	Attempt		attempt = {
		.target = target,
		.outcome = outcome,
		.members = members,
		.maxmembers = maxmembers
	};
	ErrorData  *error;

	memset(outcome, 0, sizeof(*outcome));
	outcome->end = ATTEMPT_DONE;
	outcome->started_at = GetCurrentTimestamp();
	error = try_within(budget_us, psprintf("refreshing stream table %s", name), &attempt);
	if (error)
		attempt_failed(outcome, error);
	outcome->ended_at = GetCurrentTimestamp();
}
