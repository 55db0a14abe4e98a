/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A database's worker: has refreshed what is due, then sleeps until
 *	  something is, or until an event.
 *
 * It takes always the unit that is due first, each in a transaction of its own.
 * Commits are asynchronous: a refresh that a crash takes back is made again,
 * since its frontier goes with it.
 *
 * Small refreshes it runs itself: giving one to another process costs as much
 * as the refresh.  What is known to take longer than SLOW_US goes to a refresh
 * worker (pool.h), and so does what is late by LATE_US, when this process has not
 * been idle for BUSY_US: then one is not enough.  Of what takes less than TINY_US
 * that is said later, after BUSY_TINY_US, because the other process has to make a
 * plan first, in the time of many such refreshes, and keep it.  What turns out to
 * take longer than BUDGET_US is cancelled, and begun again by a refresh worker: so
 * long at most does one unit keep the others waiting.  With a single unit, or
 * where there may be no refresh worker, all this is off.
 *
 * Reading the catalog takes time for each stream table, and somebody may be
 * making thousands of them.  So it rests for READ_REST times what it took.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "monitor/notify.h"
#include "scheduler/pool.h"
#include "scheduler/worker.h"

/* Things that no event tells of are looked after this often. */
#define ROUND_US		(60 * US_PER_S)

#define SLOW_US			(20 * US_PER_MS)
#define LATE_US			(250 * US_PER_MS)
#define BUSY_US			US_PER_S
#define TINY_US			US_PER_MS
#define BUSY_TINY_US	(10 * US_PER_S)
#define BUDGET_US		(100 * US_PER_MS)
#define READ_REST		4

/* Plans are kept at any rate up to so many, and while they are used. */
#define PROGRAMS_BYTES	((Size) 48 * 1024 * 1024)

/* Members that may join a group behind our back before we read of it. */
#define SPARE_MEMBERS	64

static DatabaseSlot *slot = NULL;
static uint32 seen_catalog_changes;
static uint32 seen_prepares;
static uint32 seen_definitions;
static uint32 seen_pool_events;
static bool reload;
static TimestampTz read_not_before = 0;
static TimestampTz next_round;
static TimestampTz idle_at;		/* when nothing was left to do */
static TimestampTz allowed_at;	/* before that, nothing counts as late */

/* ---- life ---- */

static void
worker_leave(int code, Datum arg)
{
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot->latch = NULL;
	slot->pid = 0;
	slot->state = SLOT_EXITED;
	if (slot->yield)
		slot->exit_reason = WORKER_EXIT_YIELD;
	pool_abandon();
	LWLockRelease(scheduler_shared->lock);

	launcher_wake();
}

/*
 * Take the slot that the launcher prepared.  If it is not ours any more, the
 * launcher gave us up and may have started another worker.
 */
static void
worker_attach(int index, Oid dboid)
{
	bool		mine;
	bool		yield;

	slot = &scheduler_shared->slots[index];

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	mine = slot->dboid == dboid && slot->state == SLOT_STARTING && slot->pid == 0;
	yield = mine && slot->yield;
	if (mine)
	{
		slot->pid = MyProcPid;
		slot->exit_reason = WORKER_EXIT_FAILED;
		slot->latch = MyLatch;
		pg_atomic_write_u32(&slot->sleeping, 0);
	}
	LWLockRelease(scheduler_shared->lock);

	if (!mine)
		proc_exit(0);
	before_shmem_exit(worker_leave, (Datum) 0);
	if (yield)
		proc_exit(0);
}

static void
worker_exit(WorkerExit reason)
{
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot->exit_reason = reason;
	LWLockRelease(scheduler_shared->lock);
	proc_exit(0);
}

/* ---- events ---- */

static void
sweep_task(void *arg)
{
	if (!pgt_extension_exists())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	stream_table_sweep();
	gate_sweep();
	PopActiveSnapshot();
}

static void
read_catalog(TimestampTz now)
{
	TimestampTz end;

	reload = false;

	worker_try_log("removing dropped stream tables", sweep_task, NULL);
	if (!queue_load())
		worker_exit(WORKER_EXIT_NO_EXTENSION);
	end = GetCurrentTimestamp();
	read_not_before = end + READ_REST * (end - now);
}

static void
notice_events(TimestampTz now)
{
	uint32		catalog_changes = pg_atomic_read_u32(&slot->catalog_changes);
	uint32		prepares = pg_atomic_read_u32(&slot->prepares);

	if (catalog_changes != seen_catalog_changes)
	{
		seen_catalog_changes = catalog_changes;
		reload = true;
	}
	if (prepares != seen_prepares)
	{
		seen_prepares = prepares;
		prepared_watch();
	}

	queue_notice_changes(slot);
	if (pg_atomic_read_u32(&slot->pool_events) != seen_pool_events || pool_due() <= now)
	{
		seen_pool_events = pg_atomic_read_u32(&slot->pool_events);
		if (!pool_collect(slot))
			reload = true;
	}
	if (reload && now >= read_not_before)
		read_catalog(now);
}

static bool
events_wait(void)
{
	return pg_atomic_read_u32(&slot->catalog_changes) != seen_catalog_changes ||
		pg_atomic_read_u32(&slot->prepares) != seen_prepares ||
		pg_atomic_read_u32(&slot->pool_events) != seen_pool_events ||
		queue_has_news(slot);
}

/* ---- work ---- */

static void
notify_task(void *arg)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	notify_run();
	PopActiveSnapshot();
}

static void
stale_task(void *arg)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	notify_stale();
	PopActiveSnapshot();
}

/* What was learned of queries may not hold any more. */
static void
notice_definitions(void)
{
	uint32		definitions = pg_atomic_read_u32(&slot->definitions);

	if (definitions == seen_definitions)
		return;
	seen_definitions = definitions;
	queue_unlearn();
}

static void
do_rounds(TimestampTz now)
{
	if (prepared_due() <= now && prepared_look(now))
	{
		queue_mark_all();
		queue_unlearn();
		reload = true;			/* it may have altered stream tables */
	}
	if (trim_due() <= now)
		trim_next(now);
	if (prune_under_way())
		prune_next(now);
	if (notify_due() <= now)
		worker_try_log("telling of refreshes", notify_task, NULL);
	if (next_round <= now)
	{
		next_round = now + ROUND_US;
		worker_forget_programs(PROGRAMS_BYTES, now - ROUND_US);
		prune_begin();
		worker_try_log("looking for stale stream tables", stale_task, NULL);
		notice_definitions();
		reload = true;
	}
}

/*
 * Until a time, or an event.  Writers look at slot->sleeping, so that they
 * pay for waking us only when we sleep.
 */
static void
worker_sleep(TimestampTz until)
{
	TimestampTz now = GetCurrentTimestamp();
	long		timeout;

	if (until <= now)
		return;
	if (until - now < US_PER_MS)
	{
		pg_usleep((long) (until - now));
		return;
	}
	timeout = Min((until - now) / US_PER_MS, INT_MAX);

	pg_atomic_exchange_u32(&slot->sleeping, 1);
	if (!events_wait())
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  timeout, pgt_wait_event("PgTrickleWorker"));
	pg_atomic_write_u32(&slot->sleeping, 0);
	ResetLatch(MyLatch);
}

/* When to wake up if nothing happens. */
static TimestampTz
next_due(void)
{
	TimestampTz due = Min(Min(Min(next_round, notify_due()), pool_due()),
						  Min(prepared_due(), trim_due()));
	TimestampTz first;
	long		unreported_ms = pgstat_report_stat(false);

	if (pgt_enabled)
	{
		queue_first(&first);
		due = Min(due, first);
	}
	if (reload)
		due = Min(due, read_not_before);
	if (prune_under_way())
		due = 0;
	if (unreported_ms > 0)
		due = Min(due, GetCurrentTimestamp() + unreported_ms * US_PER_MS);
	return due;
}

/* In this process. */
static void
refresh_here(ScheduledTable *table, int64 budget_us)
{
	int			maxmembers = table->first->nmembers + SPARE_MEMBERS;
	MemberOutcome *members = palloc(sizeof(MemberOutcome) * maxmembers);
	bool		had_reason = unit_has_reason(table);
	TimestampTz end = Max(table->first->due, allowed_at) + table->first->took_us;
	Outcome		outcome;

	unit_take_changes(table, slot);
	attempt_run(table->relid, table->name, budget_us, &outcome, members, maxmembers);
	lead_note_late(outcome.ended_at - end, outcome.ended_at);
	if (!unit_note_outcome(table, slot, had_reason, &outcome, members, maxmembers))
		reload = true;
	queue_update(table);
	prune_unit_history(table, GetCurrentTimestamp());
}

/* By a refresh worker. */
static void
refresh_there(ScheduledTable *table)
{
	bool		had_reason = unit_has_reason(table);

	unit_take_changes(table, slot);
	pool_give(table, had_reason);
}

/*
 * Is this process not enough for units like this one?  That is not said while it
 * makes the first plans itself, after a start.
 */
static bool
is_behind(const ScheduledTable *unit, TimestampTz now)
{
	return unit->took_us > 0 && now - unit->due >= LATE_US &&
		now - idle_at >= (unit->took_us < TINY_US ? BUSY_TINY_US : BUSY_US);
}

static void
refresh_unit(ScheduledTable *table, TimestampTz now)
{
	bool		slow = table->first->took_us >= SLOW_US;
	PoolAnswer	answer = POOL_UNUSABLE;

	if (queue_units() < 2 || !pool_usable())
	{
		refresh_here(table, 0);
		return;
	}
	if (slow || is_behind(table->first, now))
		answer = pool_reserve(table, slot);
	if (answer == POOL_ROOM)
		refresh_there(table);
	else if (slow && answer == POOL_FULL)
		queue_set_aside(table);
	else
		refresh_here(table, slow ? 0 : BUDGET_US);
}

static void
worker_loop(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "pg_trickle worker loop",
												  ALLOCSET_DEFAULT_SIZES);

	TimestampTz last = 0;

	for (;;)
	{
		TimestampTz now;
		TimestampTz due;
		ScheduledTable *table;

		MemoryContextSwitchTo(context);
		MemoryContextReset(context);

		if (ProcDiePending)
			worker_exit(WORKER_EXIT_FAILED);
		if (worker_interrupts())
		{
			next_round = 0;		/* schedules and retention may have changed */
			allowed_at = GetCurrentTimestamp();
		}

		now = GetCurrentTimestamp();
		if (now < last - US_PER_S)
			worker_exit(WORKER_EXIT_FAILED);	/* see pgt_launcher_main() */
		last = now;

		notice_events(now);
		do_rounds(now);
		if (reload && now >= read_not_before)
			continue;

		now = GetCurrentTimestamp();
		table = queue_first(&due);
		if (pgt_enabled && table && due <= now)
			refresh_unit(unit_target(queue_first_upstream(table)), now);
		else
		{
			worker_sleep(next_due());
			idle_at = GetCurrentTimestamp();
			lead_note_idle(idle_at - now, idle_at);
		}
	}
}

static void
exists_task(void *arg)
{
	*(bool *) arg = pgt_extension_exists() && !cluster_is_worker();
}

/*
 * CREATE EXTENSION is carried to all nodes of a Citus cluster, but its stream
 * tables are those of the coordinator.
 */
static bool
is_wanted(void)
{
	bool		exists = false;

	worker_try_log("looking for the extension", exists_task, &exists);
	return exists;
}

void
pgt_worker_main(Datum arg)
{
	Oid			dboid;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&dboid, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	worker_attach(DatumGetInt32(arg), dboid);
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	worker_settings();
	notify_coalesce();

	if (!is_wanted())
		worker_exit(WORKER_EXIT_NO_EXTENSION);

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot->state = SLOT_RUNNING;
	LWLockRelease(scheduler_shared->lock);
	launcher_wake();

	/* whatever happened while nobody looked has to be found out */
	seen_catalog_changes = pg_atomic_read_u32(&slot->catalog_changes);
	seen_prepares = pg_atomic_read_u32(&slot->prepares);
	seen_definitions = pg_atomic_read_u32(&slot->definitions);
	seen_pool_events = pg_atomic_read_u32(&slot->pool_events);
	attempt_init();
	prepared_watch();
	reload = true;
	idle_at = allowed_at = GetCurrentTimestamp();
	next_round = idle_at + ROUND_US;

	worker_loop();
}
