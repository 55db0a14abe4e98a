/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  Keeps a worker running in every database that has the extension.
 *
 * Whether a database has the extension can be seen only from inside, so a
 * worker goes and looks, and exits if it is not there.  Such a database is
 * tried again when something in it asks for a worker (CREATE EXTENSION, a
 * captured change), and every RETRY_ABSENT_US in case nothing did.  No more
 * than STARTING_MAX workers look at the same time, which leaves background
 * workers to others.
 *
 * The launcher is connected to no database.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "monitor/endpoint.h"
#include "scheduler/pool.h"
#include "scheduler/scheduler.h"
#include "scheduler/worker.h"

#define STARTING_MAX		2
#define SCAN_US				(60 * US_PER_S)
#define RETRY_ABSENT_US		(60 * US_PER_S)
#define RETRY_YIELDED_US	(10 * US_PER_S)
#define RETRY_WANTED_US		(200 * US_PER_MS)
#define AFTER_CRASH_US		(5 * US_PER_S)
#define RETRY_FAILED_FIRST_US	(5 * US_PER_S)
#define RETRY_FAILED_LAST_US	(60 * US_PER_S)

/* What is known of a database. */
typedef struct LauncherDatabase
{
	Oid			dboid;			/* hash key */
	NameData	name;
	bool		seen;			/* by the scan that is going on */
	TimestampTz tried_at;
	TimestampTz retry_at;
	int			failures;
	BackgroundWorkerHandle *handle; /* of the last worker, or NULL */
} LauncherDatabase;

static HTAB *databases = NULL;
static TimestampTz not_before = 0;	/* no worker is started */
static bool worker_refused = false;

/* ---- pg_database ---- */

static void
note_database(const FormData_pg_database *form)
{
	LauncherDatabase *database;
	bool		found;

	database = hash_search(databases, &form->oid, HASH_ENTER, &found);
	if (!found)
	{
		database->tried_at = 0;
		database->retry_at = not_before;
		database->failures = 0;
		database->handle = NULL;
	}
	database->name = form->datname;
	database->seen = true;
}

static void
forget_unseen(void)
{
	HASH_SEQ_STATUS scan;
	LauncherDatabase *database;

	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (!database->seen)
		{
			if (database->handle)
				pfree(database->handle);
			hash_search(databases, &database->dboid, HASH_REMOVE, NULL);
		}
		else
			database->seen = false;
	}
}

static void
scan_databases(void)
{
	databases_scan(note_database);
	forget_unseen();
}

/* ---- slots ---- */

static int64
failed_delay_us(int failures)
{
	int64		delay = RETRY_FAILED_FIRST_US;

	for (int i = 1; i < failures && delay < RETRY_FAILED_LAST_US; i++)
		delay *= 2;
	return Min(delay, RETRY_FAILED_LAST_US);
}

static void
worker_ended(LauncherDatabase *database, WorkerExit reason)
{
	TimestampTz now = GetCurrentTimestamp();

	switch (reason)
	{
		case WORKER_EXIT_NO_EXTENSION:
			database->failures = 0;
			database->retry_at = now + RETRY_ABSENT_US;
			break;
		case WORKER_EXIT_YIELD:
			database->retry_at = now + RETRY_YIELDED_US;
			break;
		case WORKER_EXIT_FAILED:
			database->retry_at = now + failed_delay_us(++database->failures);
			break;
	}
}

/* The postmaster could not start it, or it ended before it attached. */
static bool
worker_vanished(const DatabaseSlot *slot, const LauncherDatabase *database)
{
	pid_t		pid;

	if (slot->state != SLOT_STARTING || slot->pid != 0)
		return false;
	return database == NULL || database->handle == NULL ||
		GetBackgroundWorkerPid(database->handle, &pid) == BGWH_STOPPED;
}

static void
forget_handle(LauncherDatabase *database)
{
	if (database->handle)
		pfree(database->handle);
	database->handle = NULL;
}

/*
 * Free the slots of workers that ended, and of databases that are no more.
 * Returns how many workers are starting.
 */
static int
reap_slots(void)
{
	int			starting = 0;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < scheduler_shared->nslots; i++)
	{
		DatabaseSlot *slot = &scheduler_shared->slots[i];
		LauncherDatabase *database;

		if (slot->state == SLOT_FREE)
			continue;

		database = hash_search(databases, &slot->dboid, HASH_FIND, NULL);
		if (slot->state == SLOT_EXITED || worker_vanished(slot, database))
		{
			if (database)
			{
				worker_ended(database, slot->state == SLOT_EXITED ?
							 slot->exit_reason : WORKER_EXIT_FAILED);
				forget_handle(database);
			}
			slot_release(slot);
		}
		else if (slot->state == SLOT_WANTED)
		{
			if (database == NULL)
				slot_release(slot);
			else
				database->retry_at = Max(not_before,
										 Min(database->retry_at,
											 database->tried_at + RETRY_WANTED_US));
		}
		else if (slot->state == SLOT_STARTING)
			starting++;
		else if (database)
			database->failures = 0;
	}
	LWLockRelease(scheduler_shared->lock);

	return starting;
}

/* Make the slot ready for a worker; -1 if there is one, or no slot. */
static int
reserve_slot(Oid dboid)
{
	DatabaseSlot *slot;
	int			index = -1;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot = slot_find(dboid);
	if (slot == NULL)
		slot = slot_claim(dboid, SLOT_WANTED);
	if (slot && slot->state == SLOT_WANTED)
	{
		slot->state = SLOT_STARTING;
		slot->pid = 0;
		index = slot - scheduler_shared->slots;
	}
	LWLockRelease(scheduler_shared->lock);

	return index;
}

static void
unreserve_slot(int index)
{
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot_release(&scheduler_shared->slots[index]);
	LWLockRelease(scheduler_shared->lock);
}

/* ---- starting ---- */

static bool
register_worker(LauncherDatabase *database, int index)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_trickle worker %s",
			 NameStr(database->name));
	strlcpy(worker.bgw_type, "pg_trickle worker", sizeof(worker.bgw_type));
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &database->dboid, sizeof(Oid));

	return RegisterDynamicBackgroundWorker(&worker, &database->handle);
}

/*
 * Other extensions and parallel queries take from the same store, so this is
 * the least that must be there.
 */
static void
check_enough(void)
{
	int			ndatabases = hash_get_num_entries(databases);

	if (1 + ndatabases + pgt_max_refresh_workers <= max_worker_processes)
		return;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("max_worker_processes is too small for all workers of pg_trickle"),
			 errdetail("It is %d; pg_trickle uses one, one for each database that has the extension, of %d databases, and up to %d refresh workers.",
					   max_worker_processes, ndatabases, pgt_max_refresh_workers),
			 errhint("Increase max_worker_processes, or reduce pg_trickle.max_refresh_workers.")));
}

static void
warn_refused(const LauncherDatabase *database)
{
	if (worker_refused)
		return;
	worker_refused = true;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("pg_trickle cannot start a worker for database \"%s\"",
					NameStr(database->name)),
			 errdetail("All background workers are in use; stream tables of this database are not refreshed."),
			 errhint("Increase max_worker_processes.")));
}

static bool
start_worker(LauncherDatabase *database, TimestampTz now)
{
	int			index = reserve_slot(database->dboid);

	if (index < 0)
		return false;

	forget_handle(database);
	database->tried_at = now;
	if (!register_worker(database, index))
	{
		unreserve_slot(index);
		warn_refused(database);
		database->retry_at = now + failed_delay_us(++database->failures);
		return false;
	}
	worker_refused = false;
	/* until it ends; the slot tells */
	database->retry_at = DT_NOEND;
	return true;
}

/* Start what is due; returns when the next one is. */
static TimestampTz
start_workers(int starting)
{
	HASH_SEQ_STATUS scan;
	LauncherDatabase *database;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = now + SCAN_US;

	hash_seq_init(&scan, databases);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (database->retry_at > now)
			next = Min(next, database->retry_at);
		else if (starting < STARTING_MAX && start_worker(database, now))
			starting++;
	}
	return next;
}

/* ---- life ---- */

static void
launcher_leave(int code, Datum arg)
{
	scheduler_shared->launcher_latch = NULL;
}

/* Workers that an earlier launcher started are known by their slots only. */
static void
adopt_workers(void)
{
	LWLockAcquire(scheduler_shared->lock, LW_SHARED);
	for (int i = 0; i < scheduler_shared->nslots; i++)
	{
		DatabaseSlot *slot = &scheduler_shared->slots[i];
		LauncherDatabase *database;

		if (slot->state != SLOT_STARTING && slot->state != SLOT_RUNNING)
			continue;
		database = hash_search(databases, &slot->dboid, HASH_FIND, NULL);
		if (database)
			database->retry_at = DT_NOEND;
	}
	LWLockRelease(scheduler_shared->lock);
}

static void
launcher_init(void)
{
	HASHCTL		control;

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(LauncherDatabase);
	control.hcxt = TopMemoryContext;
	databases = hash_create("pg_trickle databases", 32, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	scheduler_shared->launcher_latch = MyLatch;
	before_shmem_exit(launcher_leave, (Datum) 0);
	endpoint_take_over();

	/*
	 * If it was a worker that crashed, by what it is asked to run or for want
	 * of memory, the next one may crash as well: leave others some time.
	 */
	if (scheduler_shared->after_crash)
		not_before = GetCurrentTimestamp() + AFTER_CRASH_US;

	scan_databases();
	check_enough();
	adopt_workers();
}

void
pgt_launcher_main(Datum arg)
{
	TimestampTz last = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	launcher_init();

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz next;
		long		timeout;

		/* not 0: the postmaster would take it for the end of all work */
		if (ProcDiePending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		/*
		 * If the clock was set back, every time that we remember is too far
		 * away: start afresh.  The workers do the same.
		 */
		if (now < last - US_PER_S)
			proc_exit(1);
		last = now;

		scan_databases();
		pool_reap();
		next = start_workers(reap_slots());
		next = Min(next, endpoint_supervise(now));

		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1;
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  timeout, pgt_wait_event("PgTrickleLauncher"));
		ResetLatch(MyLatch);
	}
}

void
launcher_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_trickle launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_trickle launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

void
scheduler_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	scheduler_shmem_init();
	scheduler_events_init();
	scheduler_yield_init();
	launcher_register();
}
