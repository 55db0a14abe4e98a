/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  One refresh by the scheduler, and what follows from its result.
 *
 * A consistency group is refreshed as one: the attempt takes the changes of all
 * its members, and its error is that of the member at which it occurred.
 *
 * A failure is recorded in a transaction after the one that failed.  Errors
 * that pass by themselves (deadlock, lock timeout, a full disk) are retried
 * without counting towards suspension, since the query is not at fault.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "common/pg_prng.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "refresh/refresh.h"
#include "scheduler/worker.h"

#define BUSY_FIRST_US			(10 * US_PER_MS)
#define BUSY_LAST_US			US_PER_S
#define TRANSIENT_FIRST_US		(100 * US_PER_MS)
#define TRANSIENT_LAST_US		(10 * US_PER_S)
#define FAILURE_FIRST_US		US_PER_S
#define FAILURE_LAST_US			(60 * US_PER_S)

typedef struct Attempt
{
	ScheduledTable *table;
	bool		gone;			/* the relation does not exist any more */
	bool		busy;
} Attempt;

typedef struct Failure
{
	ScheduledTable *table;
	TimestampTz start_time;
	const char *message;
	const char *sqlstate;
	bool		suspended;
} Failure;

/* first, 2 first, 4 first ... last; a tenth of jitter parts what failed together. */
static int64
back_off_us(int times, int64 first, int64 last)
{
	int64		delay = first;

	for (int i = 1; i < times && delay < last; i++)
		delay *= 2;
	delay = Min(delay, last);
	return delay * (0.9 + 0.2 * pg_prng_double(&pg_global_prng_state));
}

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
	ScheduledTable *member = queue_find(relid);

	if (member == NULL || !queue_same_group(attempt->table, member))
		return;
	member->result = result;
	if (result != REFRESH_HELD_BACK)
		member->timed = timed;
}

static void
refresh_task(void *arg)
{
	Attempt    *attempt = arg;
	Oid			relid = attempt->table->relid;
	RefreshReport report = {.callback = note_result, .arg = attempt};

	attempt->gone = !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
	if (!attempt->gone)
		attempt->busy = !refresh_run_reporting(relid, false, NULL, &report);
}

static void
failure_task(void *arg)
{
	Failure    *failure = arg;
	ScheduledTable *table = failure->table;
	const char *action;

	if (table->needs_reinit)
		action = "REINITIALIZE";
	else if (table->mode == REFRESH_MODE_FULL || !table->is_populated)
		action = "FULL";
	else
		action = "DIFFERENTIAL";

	PushActiveSnapshot(GetTransactionSnapshot());
	failure->suspended = stream_table_failed(table->relid, action,
											 failure->start_time,
											 failure->message,
											 failure->sqlstate);
	PopActiveSnapshot();
}

static void
log_failure(const ScheduledTable *table, const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("refresh of stream table %s failed: %s",
					table->name, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
}

static void
record_failure(ScheduledTable *table, const ErrorData *error)
{
	Failure		failure = {
		.table = table,
		.start_time = table->started_at,
		.message = error->message,
		.sqlstate = unpack_sql_state(error->sqlerrcode),
	};

	if (error->detail)
		failure.message = psprintf("%s (%s)", error->message, error->detail);

	if (!worker_try_log("recording a failed refresh", failure_task, &failure))
		return;

	if (failure.suspended)
	{
		table->status = STREAM_TABLE_SUSPENDED;
		ereport(LOG,
				(errmsg("stream table %s is suspended", table->name),
				 errdetail("Its refresh failed %d times in a row.",
						   pgt_max_consecutive_errors),
				 errhint("Mend the cause and call resume_stream_table().")));
	}
	else
		table->status = STREAM_TABLE_ERROR;
}

/* All that the attempt would have done is still to be done. */
static void
put_back(ScheduledTable *table)
{
	ScheduledTable *member = table;

	do
	{
		member->dirty = true;
		member->ended_at = GetCurrentTimestamp();
		member = member->next;
	} while (member != table);
}

/*
 * The member of the group at which the error occurred; NULL if it joined the
 * group without our notice.
 */
static ScheduledTable *
failed_member(ScheduledTable *table)
{
	ScheduledTable *member = queue_find(refresh_current_member());

	return member != NULL && queue_same_group(table, member) ? member : NULL;
}

/* Returns false if the catalog must be read to know whose failure it is. */
static bool
refresh_failed(ScheduledTable *table, const ErrorData *error)
{
	ScheduledTable *failed = failed_member(table);
	int64		delay;

	put_back(table);
	if (failed == NULL)
	{
		table->retry_at = table->ended_at +
			back_off_us(++table->transients, TRANSIENT_FIRST_US, TRANSIENT_LAST_US);
		return false;
	}
	table = failed;
	log_failure(table, error);

	if (error_is_transient(error->sqlerrcode))
		delay = back_off_us(++table->transients,
							TRANSIENT_FIRST_US, TRANSIENT_LAST_US);
	else
	{
		int64		first = Max(FAILURE_FIRST_US,
								table->schedule.is_cron ? 0 : table->schedule.us);

		record_failure(table, error);
		delay = back_off_us(++table->failures, first,
							Max(first, FAILURE_LAST_US));
	}
	table->retry_at = table->ended_at + delay;
	return true;
}

static void
refresh_busy(ScheduledTable *table)
{
	put_back(table);
	table->retry_at = table->ended_at +
		back_off_us(++table->busy, BUSY_FIRST_US, BUSY_LAST_US);
}

/*
 * How long until the clock is looked at again.  A look that found something is
 * followed by another soon, in ten times what it took; others ever later.
 */
static void
pace_clock(ScheduledTable *table)
{
	int64		us = table->result == REFRESH_NO_DATA ? 2 * table->tick_us :
		10 * (table->ended_at - table->started_at);

	table->tick_us = Min(Max(us, TICK_FIRST_US), TICK_LAST_US);
}

static void
member_succeeded(ScheduledTable *table)
{
	table->ended_at = GetCurrentTimestamp();
	pace_clock(table);
	table->retry_at = 0;
	table->failures = table->transients = table->busy = 0;
	table->is_populated = true;
	table->needs_reinit = false;

	if (table->result == REFRESH_NO_DATA)
		return;

	table->status = STREAM_TABLE_ACTIVE;
	table->unpruned++;
	for (int i = 0; i < table->nsources; i++)
		trim_suggest(table->sources[i]);
}

/* Who was held back, or is not of the group any more, still has it to do. */
static void
refresh_succeeded(ScheduledTable *table)
{
	ScheduledTable *member = table;

	do
	{
		if (member->result == REFRESH_DONE || member->result == REFRESH_NO_DATA)
			member_succeeded(member);
		else
			member->dirty = true;
		member = member->next;
	} while (member != table);
}

static bool
has_reason(const ScheduledTable *table)
{
	const ScheduledTable *member = table;

	do
	{
		if ((member->dirty || !member->is_populated || member->needs_reinit) &&
			!queue_is_held_back(member))
			return true;
		member = member->next;
	} while (member != table);
	return false;
}

static bool
has_timed(const ScheduledTable *table)
{
	const ScheduledTable *member = table;

	do
	{
		if (member->timed)
			return true;
		member = member->next;
	} while (member != table);
	return false;
}

/*
 * Nothing was known to have changed: if the refresh did something all the
 * same, the next one may as well.  A change that came just then proves
 * nothing, nor does what the clock has changed.
 */
static void
learn(ScheduledTable *table, DatabaseSlot *slot)
{
	ScheduledTable *member = table;
	bool		timed = has_timed(table);

	queue_notice_changes(slot);
	if (has_reason(table))
		return;
	do
	{
		member->probed = true;
		member->recompute = member->uncaptured ||
			(member->result == REFRESH_DONE &&
			 (!timed || member->mode == REFRESH_MODE_FULL));
		member = member->next;
	} while (member != table);
}

static void
take_changes(ScheduledTable *table, DatabaseSlot *slot)
{
	ScheduledTable *member = table;
	TimestampTz now = GetCurrentTimestamp();

	do
	{
		queue_set_started(member, now);
		member->result = REFRESH_HELD_BACK;
		queue_take_changes(member, slot);
		member = member->next;
	} while (member != table);

	/* A later one may have found a change for an earlier one. */
	do
	{
		member->dirty = false;
		member = member->next;
	} while (member != table);
}

static void
table_gone(ScheduledTable *table)
{
	table->retry_at = GetCurrentTimestamp() +
		back_off_us(++table->failures, FAILURE_FIRST_US, FAILURE_LAST_US);
}

bool
refresh_attempt(ScheduledTable *table, DatabaseSlot *slot)
{
	Attempt		attempt = {.table = table};
	bool		had_reason = has_reason(table);
	bool		known = true;
	ErrorData  *error;

	take_changes(table, slot);
	error = worker_try(psprintf("refreshing stream table %s", table->name),
					   refresh_task, &attempt);

	if (error)
		known = refresh_failed(table, error);
	else if (attempt.gone)
	{
		put_back(table);
		table_gone(table);
		known = false;
	}
	else if (attempt.busy)
		refresh_busy(table);
	else
	{
		refresh_succeeded(table);
		if (!had_reason)
			learn(table, slot);
	}

	return known;
}
