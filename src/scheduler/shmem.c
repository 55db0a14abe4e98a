/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the scheduler: one slot per database.
 *
 * There are more slots than there can be workers, so a database in need of
 * one finds a slot unless hundreds are.  Of refresh workers there are as many
 * slots as there can be at all; pg_trickle.max_refresh_workers may grow while
 * the server runs.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "scheduler/pool.h"
#include "scheduler/scheduler.h"
#include "scheduler/shmem.h"

#define SPARE_SLOTS		32
#define LOCK_TRANCHE	"pg_trickle"

SchedulerShared *scheduler_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static int
slot_count(void)
{
	return max_worker_processes + SPARE_SLOTS;
}

static Size
slots_size(void)
{
	return MAXALIGN(add_size(offsetof(SchedulerShared, slots),
							 mul_size(slot_count(), sizeof(DatabaseSlot))));
}

static Size
shared_size(void)
{
	return add_size(slots_size(), mul_size(max_worker_processes, sizeof(PoolSlot)));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche(LOCK_TRANCHE, 1);
}

static void
slot_init(DatabaseSlot *slot)
{
	slot->state = SLOT_FREE;
	slot->exit_reason = WORKER_EXIT_FAILED;
	slot->yield = false;
	slot->dboid = InvalidOid;
	slot->pid = 0;
	slot->latch = NULL;
	pg_atomic_init_u32(&slot->sleeping, 0);
	pg_atomic_init_u32(&slot->catalog_changes, 0);
	pg_atomic_init_u32(&slot->prepares, 0);
	pg_atomic_init_u32(&slot->definitions, 0);
	pg_atomic_init_u32(&slot->pool_events, 0);
	pg_atomic_init_u32(&slot->pool_wanted, 0);
	for (int i = 0; i < CHANGE_WORDS; i++)
		pg_atomic_init_u32(&slot->changed[i], 0);
}

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	scheduler_shared = ShmemInitStruct("pg_trickle scheduler", shared_size(), &found);
	if (!found)
	{
		scheduler_shared->lock = &(GetNamedLWLockTranche(LOCK_TRANCHE))->lock;
		scheduler_shared->launcher_latch = NULL;
		pg_atomic_init_u32(&scheduler_shared->generation, 1);
		/* the first time, the postmaster has not noted its start yet */
		scheduler_shared->after_crash = PgStartTime != 0;
		scheduler_shared->nslots = slot_count();
		for (int i = 0; i < scheduler_shared->nslots; i++)
			slot_init(&scheduler_shared->slots[i]);
		scheduler_shared->npool = max_worker_processes;
		scheduler_shared->pool = (PoolSlot *) ((char *) scheduler_shared + slots_size());
		memset(scheduler_shared->pool, 0, sizeof(PoolSlot) * max_worker_processes);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
scheduler_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

DatabaseSlot *
slot_find(Oid dboid)
{
	Assert(LWLockHeldByMe(scheduler_shared->lock));

	for (int i = 0; i < scheduler_shared->nslots; i++)
		if (scheduler_shared->slots[i].dboid == dboid)
			return &scheduler_shared->slots[i];
	return NULL;
}

bool
scheduler_is_running(void)
{
	DatabaseSlot *slot;
	bool		running;

	if (scheduler_shared == NULL)
		return false;
	LWLockAcquire(scheduler_shared->lock, LW_SHARED);
	slot = slot_find(MyDatabaseId);
	running = slot != NULL && slot->state == SLOT_RUNNING;
	LWLockRelease(scheduler_shared->lock);
	return running;
}

DatabaseSlot *
slot_claim(Oid dboid, SlotState state)
{
	DatabaseSlot *slot = slot_find(InvalidOid);

	Assert(LWLockHeldByMeInMode(scheduler_shared->lock, LW_EXCLUSIVE));

	if (slot == NULL)
		return NULL;

	/* bits that are left over from the last owner would only waste work */
	for (int i = 0; i < CHANGE_WORDS; i++)
		pg_atomic_write_u32(&slot->changed[i], 0);
	slot->state = state;
	slot->yield = false;
	slot->dboid = dboid;
	pg_atomic_fetch_add_u32(&scheduler_shared->generation, 1);
	return slot;
}

void
slot_release(DatabaseSlot *slot)
{
	Assert(LWLockHeldByMeInMode(scheduler_shared->lock, LW_EXCLUSIVE));

	slot->state = SLOT_FREE;
	slot->dboid = InvalidOid;
	slot->pid = 0;
	pg_atomic_fetch_add_u32(&scheduler_shared->generation, 1);
}

void
slot_wake(DatabaseSlot *slot)
{
	Latch	   *latch = slot->latch;

	if (pg_atomic_read_u32(&slot->sleeping) != 0 &&
		pg_atomic_exchange_u32(&slot->sleeping, 0) != 0 &&
		latch)
		SetLatch(latch);
}

void
launcher_wake(void)
{
	Latch	   *latch = scheduler_shared->launcher_latch;

	if (latch)
		SetLatch(latch);
}
