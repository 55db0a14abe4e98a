/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  Refresh workers, seen by the worker of a database: hand a unit over, and
 *	  take what became of it.
 *
 * The slot of a refresh worker is the job as well: target and outcome lie in
 * it, and its state says whose turn it is.  A refresh worker that has refreshed
 * a stream table before has its plans, so it is preferred.
 *
 * If all refresh workers that may exist are in use, one that idles in another
 * database is asked to leave.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <signal.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "scheduler/pool.h"
#include "scheduler/worker.h"

/* After the postmaster had no room for one, none is asked for so long. */
#define REFUSED_US		(10 * US_PER_S)
#define LOOK_US			(200 * US_PER_MS)
/* A process that nobody waits for has come by then, or never will. */
#define ORPHAN_US		(60 * US_PER_S)

/* What this process knows of the slots that it uses. */
typedef struct PoolJob
{
	bool		active;			/* a refresh that was handed over */
	Oid			target;
	bool		had_reason;
	BackgroundWorkerHandle *handle; /* while it starts */
} PoolJob;

static PoolJob *jobs = NULL;
static int	nstarting = 0;
static TimestampTz next_look = 0;
static TimestampTz refused_until = 0;
static int	reserved = -1;

#define POOL_SLOT(i)	(&scheduler_shared->pool[i])

/* ---- under the lock ---- */

void
pool_free(PoolSlot *pool)
{
	pool->used = false;
	pool->work = POOL_NONE;
	pool->leader = 0;
	pool->pid = 0;
	pool->latch = NULL;
	pool->dboid = InvalidOid;
	pool_announce(pool);
}

void
pool_announce(const PoolSlot *pool)
{
	for (int i = 0; i < scheduler_shared->nslots; i++)
	{
		DatabaseSlot *slot = &scheduler_shared->slots[i];
		bool		wanted = pg_atomic_read_u32(&slot->pool_wanted) != 0;

		if (!wanted && (pool->leader == 0 || pool->leader_slot != i))
			continue;
		pg_atomic_write_u32(&slot->pool_wanted, 0);
		pg_atomic_fetch_add_u32(&slot->pool_events, 1);
		slot_wake(slot);
	}
}

static void
ask_to_leave(PoolSlot *pool)
{
	pool->leave = true;
	if (pool->latch)
		SetLatch(pool->latch);
}

static bool
is_idle(const PoolSlot *pool)
{
	return pool->used && pool->pid != 0 && pool->work == POOL_NONE && !pool->leave;
}

/* One of ours that has nothing to do, best the one that knows the target; or -1. */
static int
find_idle(Oid target)
{
	int			found = -1;

	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		const PoolSlot *pool = POOL_SLOT(i);

		if (!is_idle(pool) || pool->leader != MyProcPid)
			continue;
		if (found < 0 || pool->target == target)
			found = i;
	}
	return found;
}

/* An unused slot, if another refresh worker may exist; or -1. */
static int
find_room(void)
{
	int			used = 0;
	int			found = -1;
	PoolSlot   *idle = NULL;

	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		PoolSlot   *pool = POOL_SLOT(i);

		if (!pool->used)
			found = i;
		else
			used++;
		if (is_idle(pool))
			idle = pool;
	}
	if (used < pgt_max_refresh_workers)
		return found;
	if (idle)
		ask_to_leave(idle);
	return -1;
}

/* ---- starting ---- */

static void
forget_handle(int index)
{
	if (jobs[index].handle == NULL)
		return;
	pfree(jobs[index].handle);
	jobs[index].handle = NULL;
	nstarting--;
}

static bool
start_process(int index, uint32 generation)
{
	MemoryContext save = MemoryContextSwitchTo(TopMemoryContext);
	BackgroundWorker worker;
	bool		registered;

	forget_handle(index);
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "pg_trickle", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgt_refresh_worker_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_trickle refresh worker", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_trickle refresh worker", sizeof(worker.bgw_type));
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &generation, sizeof(generation));
	/* the handle is ours to free */
	registered = RegisterDynamicBackgroundWorker(&worker, &jobs[index].handle);
	MemoryContextSwitchTo(save);
	if (!registered)
		return false;
	nstarting++;
	next_look = GetCurrentTimestamp() + LOOK_US;
	return true;
}

static void
start_refused(int index)
{
	static bool told = false;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	pool_free(POOL_SLOT(index));
	LWLockRelease(scheduler_shared->lock);
	refused_until = GetCurrentTimestamp() + REFUSED_US;
	if (told)
		return;
	told = true;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("pg_trickle cannot start a refresh worker"),
			 errdetail("All background workers are in use; stream tables are refreshed one after the other."),
			 errhint("Increase max_worker_processes.")));
}

/* ---- handing over ---- */

bool
pool_usable(void)
{
	return pgt_max_refresh_workers > 0 &&
		(refused_until == 0 || GetCurrentTimestamp() >= refused_until);
}

static void
init_slot(PoolSlot *pool, DatabaseSlot *slot)
{
	pool->used = true;
	pool->ended = false;
	pool->leave = false;
	pool->work = POOL_NONE;
	pool->generation++;
	pool->dboid = MyDatabaseId;
	pool->leader = MyProcPid;
	pool->leader_slot = slot - scheduler_shared->slots;
	pool->pid = 0;
	pool->latch = NULL;
	pool->started_at = GetCurrentTimestamp();
}

PoolAnswer
pool_reserve(ScheduledTable *table, DatabaseSlot *slot)
{
	bool		starts = false;
	uint32		generation = 0;
	int			index;

	if (jobs == NULL)
		jobs = MemoryContextAllocZero(TopMemoryContext,
									  sizeof(PoolJob) * scheduler_shared->npool);
	if (table->first->nmembers > POOL_MEMBERS)
		return POOL_UNUSABLE;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	index = find_idle(table->relid);
	if (index < 0)
	{
		index = find_room();
		starts = index >= 0;
		if (starts)
			init_slot(POOL_SLOT(index), slot);
	}
	if (index >= 0)
	{
		POOL_SLOT(index)->work = POOL_RESERVED;
		generation = POOL_SLOT(index)->generation;
	}
	else
		pg_atomic_write_u32(&slot->pool_wanted, 1);
	LWLockRelease(scheduler_shared->lock);

	if (index < 0)
		return POOL_FULL;
	if (starts && !start_process(index, generation))
	{
		start_refused(index);
		return POOL_UNUSABLE;
	}
	reserved = index;
	return POOL_ROOM;
}

void
pool_give(ScheduledTable *table, bool had_reason)
{
	PoolSlot   *pool = POOL_SLOT(reserved);

	jobs[reserved].active = true;
	jobs[reserved].target = table->relid;
	jobs[reserved].had_reason = had_reason;
	pool->target = table->relid;
	strlcpy(pool->name, table->name, sizeof(pool->name));

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	/* if it ended meanwhile, pool_collect() finds that */
	if (pool->work == POOL_RESERVED)
		pool->work = POOL_READY;
	if (pool->latch)
		SetLatch(pool->latch);
	LWLockRelease(scheduler_shared->lock);
	queue_begin(table);
}

List *
pool_targets(void)
{
	List	   *targets = NIL;

	for (int i = 0; jobs != NULL && i < scheduler_shared->npool; i++)
		if (jobs[i].active)
			targets = lappend_oid(targets, jobs[i].target);
	return targets;
}

/* ---- taking ---- */

/* Returns what there is to take: DONE, LOST, or NONE. */
static PoolWork
take_work(int index)
{
	PoolSlot   *pool = POOL_SLOT(index);
	PoolWork	work = POOL_NONE;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	if (pool->work == POOL_DONE || pool->work == POOL_LOST)
		work = pool->work;
	LWLockRelease(scheduler_shared->lock);
	return work;
}

static void
release_work(int index)
{
	PoolSlot   *pool = POOL_SLOT(index);

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	pool->work = POOL_NONE;
	if (pool->ended)
		pool_free(pool);
	else
		pool_announce(pool);
	LWLockRelease(scheduler_shared->lock);
}

static bool
collect_one(int index, DatabaseSlot *slot, PoolWork work)
{
	PoolSlot   *pool = POOL_SLOT(index);
	ScheduledTable *table = queue_find(jobs[index].target);
	bool		known = true;

	jobs[index].active = false;
	if (table == NULL)
		return true;			/* dropped meanwhile */
	if (work == POOL_LOST)
		unit_note_loss(table);
	else
		known = unit_note_outcome(table, slot, jobs[index].had_reason, &pool->outcome,
								  pool->members, POOL_MEMBERS);
	queue_end(table);
	prune_unit_history(table, GetCurrentTimestamp());
	return known;
}

/* A process that ended before it attached announces nothing. */
static void
look_for_stillborn(void)
{
	if (nstarting == 0 || GetCurrentTimestamp() < next_look)
		return;
	next_look = GetCurrentTimestamp() + LOOK_US;
	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		pid_t		pid;
		BgwHandleStatus status;

		if (jobs[i].handle == NULL)
			continue;
		status = GetBackgroundWorkerPid(jobs[i].handle, &pid);
		if (status == BGWH_NOT_YET_STARTED)
			continue;
		LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
		if (status == BGWH_STOPPED && POOL_SLOT(i)->leader == MyProcPid &&
			POOL_SLOT(i)->pid == 0 && !POOL_SLOT(i)->ended)
		{
			POOL_SLOT(i)->ended = true;
			POOL_SLOT(i)->work = POOL_LOST;
		}
		if (POOL_SLOT(i)->leader != MyProcPid || POOL_SLOT(i)->pid != 0 ||
			POOL_SLOT(i)->ended)
			forget_handle(i);
		LWLockRelease(scheduler_shared->lock);
	}
}

TimestampTz
pool_due(void)
{
	return nstarting > 0 ? next_look : DT_NOEND;
}

bool
pool_collect(DatabaseSlot *slot)
{
	bool		known = true;

	if (jobs == NULL)
		return true;
	look_for_stillborn();
	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		PoolWork	work = jobs[i].active ? take_work(i) : POOL_NONE;

		if (work == POOL_NONE)
			continue;
		known = collect_one(i, slot, work) && known;
		release_work(i);
	}
	queue_recall();
	return known;
}

/* ---- the end ---- */

void
pool_abandon(void)
{
	Assert(LWLockHeldByMeInMode(scheduler_shared->lock, LW_EXCLUSIVE));

	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		PoolSlot   *pool = POOL_SLOT(i);

		if (!pool->used || pool->leader != MyProcPid)
			continue;
		pool->leader = 0;
		if (pool->ended)
			pool_free(pool);
		else
			ask_to_leave(pool);
	}
}

void
pool_reap(void)
{
	TimestampTz before = GetCurrentTimestamp() - ORPHAN_US;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		PoolSlot   *pool = POOL_SLOT(i);

		if (pool->used && pool->leader == 0 && pool->pid == 0 && pool->started_at < before)
			pool_free(pool);
	}
	LWLockRelease(scheduler_shared->lock);
}

void
pool_dismiss(Oid dboid)
{
	Assert(LWLockHeldByMeInMode(scheduler_shared->lock, LW_EXCLUSIVE));

	for (int i = 0; i < scheduler_shared->npool; i++)
	{
		PoolSlot   *pool = POOL_SLOT(i);

		if (!pool->used || pool->dboid != dboid)
			continue;
		pool->leave = true;
		/* it clears pid under the lock before it ends, so it is alive */
		if (pool->pid != 0)
			kill(pool->pid, SIGTERM);
	}
}
