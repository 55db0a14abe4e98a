/*-------------------------------------------------------------------------
 *
 * pool_worker.c
 *	  A refresh worker: refreshes what the worker of its database hands it.
 *
 * It knows nothing of schedules.  It ends when it has had nothing to do for a
 * while, since what it keeps of stream tables takes memory, when its place is
 * wanted in another database, and when the database's worker is gone.  If it always
 * has something to do, it lets go of what it did not need for a while.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/pool.h"
#include "scheduler/worker.h"

#define IDLE_US		(30 * US_PER_S)

/* Plans that were not used for so long go, if they are many. */
#define UNUSED_US		(60 * US_PER_S)
#define PROGRAMS_BYTES	((Size) 16 * 1024 * 1024)

static PoolSlot *pool = NULL;

static void
process_leave(int code, Datum arg)
{
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	pool->pid = 0;
	pool->latch = NULL;
	pool->ended = true;
	if (pool->work == POOL_RESERVED || pool->work == POOL_READY)
		pool->work = POOL_LOST;
	if (pool->leader == 0 || pool->work == POOL_NONE)
		pool_free(pool);
	else
		pool_announce(pool);
	LWLockRelease(scheduler_shared->lock);
}

/* The database to work in; ends if nobody waits for us any more. */
static Oid
process_attach(int index, uint32 generation)
{
	bool		mine;
	Oid			dboid;

	pool = &scheduler_shared->pool[index];
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	mine = pool->used && pool->generation == generation && pool->pid == 0 && !pool->ended;
	dboid = pool->dboid;
	if (mine)
	{
		pool->pid = MyProcPid;
		pool->latch = MyLatch;
	}
	LWLockRelease(scheduler_shared->lock);

	if (!mine)
		proc_exit(0);
	before_shmem_exit(process_leave, (Datum) 0);
	return dboid;
}

/* Is there a job?  Ends if we have been asked to. */
static bool
has_job(void)
{
	bool		ready;
	bool		leave;

	LWLockAcquire(scheduler_shared->lock, LW_SHARED);
	ready = pool->work == POOL_READY;
	leave = pool->leader == 0 || (pool->leave && pool->work == POOL_NONE);
	LWLockRelease(scheduler_shared->lock);
	if (leave)
		proc_exit(0);
	return ready;
}

static void
do_job(void)
{
	attempt_run(pool->target, pool->name, 0,
				&pool->outcome, pool->members, POOL_MEMBERS);

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	pool->work = POOL_DONE;
	pool_announce(pool);
	LWLockRelease(scheduler_shared->lock);
}

/* End, unless a job has come. */
static void
leave_if_idle(void)
{
	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	if (pool->work == POOL_NONE)
		pool->leave = true;
	LWLockRelease(scheduler_shared->lock);
}

static void
process_loop(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "pg_trickle refresh worker",
												  ALLOCSET_DEFAULT_SIZES);
	TimestampTz worked_at = GetCurrentTimestamp();
	TimestampTz forgot_at = worked_at;

	for (;;)
	{
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		if (ProcDiePending)
			proc_exit(0);
		(void) worker_interrupts();

		if (has_job())
		{
			do_job();
			worked_at = GetCurrentTimestamp();
			if (worked_at - forgot_at >= UNUSED_US)
			{
				worker_forget_programs(PROGRAMS_BYTES, forgot_at);
				forgot_at = worked_at;
			}
			continue;
		}
		if (GetCurrentTimestamp() - worked_at >= IDLE_US)
		{
			leave_if_idle();
			worked_at = GetCurrentTimestamp();
			continue;
		}
		pgstat_report_stat(false);
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  IDLE_US / US_PER_MS / 10, pgt_wait_event("PgTrickleRefreshWorker"));
		ResetLatch(MyLatch);
	}
}

void
pgt_refresh_worker_main(Datum arg)
{
	uint32		generation;
	Oid			dboid;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memcpy(&generation, MyBgworkerEntry->bgw_extra, sizeof(generation));
	dboid = process_attach(DatumGetInt32(arg), generation);
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	worker_settings();
	process_loop();
}
