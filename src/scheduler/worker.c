/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A database's worker: refreshes what is due, then sleeps until something
 *	  is, or until an event.
 *
 * It refreshes one stream table at a time, always the one that is due first,
 * each in a transaction of its own.  Commits are asynchronous: a refresh that
 * a crash takes back is made again, since its frontier goes with it.
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
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "scheduler/worker.h"

/* Things that no event tells of are looked after this often. */
#define ROUND_US		(60 * US_PER_S)

static DatabaseSlot *slot = NULL;
static uint32 seen_catalog_changes;
static uint32 seen_prepares;
static bool reload;
static TimestampTz next_round;

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

/*
 * Settings of the database or the cluster that are made for sessions of users
 * and would harm here.  Lock waits are bounded, so that one locked source
 * does not keep the other stream tables waiting.
 */
static void
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

static void
worker_interrupts(void)
{
	if (ProcDiePending)
		worker_exit(WORKER_EXIT_FAILED);
	QueryCancelPending = false; /* there is no query to cancel */
	CHECK_FOR_INTERRUPTS();

	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		next_round = 0;			/* schedules and retention may have changed */
	}
}

/* ---- events ---- */

static void
sweep_task(void *arg)
{
	if (!pgt_extension_exists())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	stream_table_sweep();
	PopActiveSnapshot();
}

static void
read_catalog(void)
{
	reload = false;

	worker_try_log("removing dropped stream tables", sweep_task, NULL);
	if (!queue_load())
		worker_exit(WORKER_EXIT_NO_EXTENSION);
}

static void
notice_events(void)
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
	if (reload)
		read_catalog();
}

static bool
events_wait(void)
{
	return pg_atomic_read_u32(&slot->catalog_changes) != seen_catalog_changes ||
		pg_atomic_read_u32(&slot->prepares) != seen_prepares ||
		queue_has_news(slot);
}

/* ---- work ---- */

static void
do_rounds(TimestampTz now)
{
	if (prepared_due() <= now && prepared_look(now))
	{
		queue_mark_all();
		reload = true;			/* it may have altered stream tables */
	}
	if (trim_due() <= now)
		trim_run(now);
	if (next_round <= now)
	{
		next_round = now + ROUND_US;
		prune_all_histories(now);
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
	TimestampTz due = Min(next_round, Min(prepared_due(), trim_due()));
	TimestampTz first;
	long		unreported_ms = pgstat_report_stat(false);

	if (pgt_enabled)
	{
		queue_first(&first);
		due = Min(due, first);
	}
	if (unreported_ms > 0)
		due = Min(due, GetCurrentTimestamp() + unreported_ms * US_PER_MS);
	return due;
}

static void
prune_group_history(ScheduledTable *table, TimestampTz now)
{
	ScheduledTable *member = table;

	do
	{
		prune_history(member, now);
		member = member->next;
	} while (member != table);
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

		worker_interrupts();
		notice_events();

		now = GetCurrentTimestamp();
		if (now < last - US_PER_S)
			worker_exit(WORKER_EXIT_FAILED);	/* see pgt_launcher_main() */
		last = now;

		do_rounds(now);
		if (reload)
			continue;

		table = queue_first(&due);
		if (pgt_enabled && table && due <= now)
		{
			if (!refresh_attempt(table, slot))
				reload = true;
			else
				prune_group_history(table, now);
		}
		else
			worker_sleep(next_due());
	}
}

static void
exists_task(void *arg)
{
	*(bool *) arg = pgt_extension_exists();
}

static bool
extension_exists(void)
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

	if (!extension_exists())
		worker_exit(WORKER_EXIT_NO_EXTENSION);

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot->state = SLOT_RUNNING;
	LWLockRelease(scheduler_shared->lock);
	launcher_wake();

	/* whatever happened while nobody looked has to be found out */
	seen_catalog_changes = pg_atomic_read_u32(&slot->catalog_changes);
	seen_prepares = pg_atomic_read_u32(&slot->prepares);
	prepared_watch();
	reload = true;
	next_round = GetCurrentTimestamp() + ROUND_US;

	worker_loop();
}
