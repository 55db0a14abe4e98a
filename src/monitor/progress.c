/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  One place in shared memory for each process, where it says which refresh
 *	  it is at.
 *
 * Only the process itself writes its place, so it needs no lock.  The number of
 * changes is odd while it writes more than one thing; who reads takes a copy
 * between two looks at the same even number:
 *
 *		writer:  changes++ ;  write ;  changes++
 *		reader:  look     ;  copy  ;  look
 *
 * with barriers between the steps.  The counts of rows are single stores, and
 * need none of that.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "monitor/progress.h"

typedef struct ProgressSlot
{
	volatile uint32 changes;
	RefreshProgress progress;
} ProgressSlot;

static const char *const phase_names[] = {
	[PROGRESS_IDLE] = "idle",
	[PROGRESS_LOCKING] = "waiting for another refresh",
	[PROGRESS_PREPARING] = "preparing",
	[PROGRESS_READING] = "reading changes",
	[PROGRESS_POLLING] = "polling sources",
	[PROGRESS_DELTA] = "applying changes",
	[PROGRESS_FULL] = "recomputing",
	[PROGRESS_RECORDING] = "recording",
};

/* MaxBackends of them */
static ProgressSlot *slots = NULL;

/* Ours; what nobody reads, without preloading. */
static ProgressSlot nobody;
static ProgressSlot *mine = &nobody;
int64	   *progress_rows_written = &nobody.progress.rows_written;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

const char *
progress_phase_name(ProgressPhase phase)
{
	return phase_names[phase];
}

static Size
slots_size(void)
{
	return mul_size(MaxBackends, sizeof(ProgressSlot));
}

static void
progress_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(slots_size());
}

static void
progress_shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("pg_trickle progress", slots_size(), &found);
	if (!found)
		memset(slots, 0, slots_size());
	LWLockRelease(AddinShmemInitLock);
}

/* ---- writing ---- */

static void
write_begin(void)
{
	mine->changes++;
	pg_write_barrier();
}

static void
write_end(void)
{
	pg_write_barrier();
	mine->changes++;
}

/* A process that ends in the middle of a refresh runs no clean-up of ours. */
static void
progress_leave(int code, Datum arg)
{
	progress_end();
}

static void
find_mine(void)
{
	static bool found = false;

	if (found || slots == NULL)
		return;
	found = true;
	if (pgt_proc_number() < 0 || pgt_proc_number() >= MaxBackends)
		return;
	mine = &slots[pgt_proc_number()];
	progress_rows_written = &mine->progress.rows_written;
	before_shmem_exit(progress_leave, (Datum) 0);
}

void
progress_begin(Oid relid)
{
	TimestampTz now = GetCurrentTimestamp();

	find_mine();
	write_begin();
	memset(&mine->progress, 0, sizeof(mine->progress));
	mine->progress.pid = MyProcPid;
	mine->progress.dboid = MyDatabaseId;
	mine->progress.relid = relid;
	mine->progress.phase = PROGRESS_LOCKING;
	mine->progress.started_at = now;
	mine->progress.phase_started_at = now;
	write_end();
}

void
progress_end(void)
{
	write_begin();
	mine->progress.phase = PROGRESS_IDLE;
	mine->progress.pid = 0;
	write_end();
}

void
progress_member(Oid relid, int done, int total)
{
	write_begin();
	mine->progress.relid = relid;
	mine->progress.members_done = done;
	mine->progress.members_total = total;
	mine->progress.changes_read = 0;
	mine->progress.rows_written = 0;
	write_end();
}

void
progress_phase(ProgressPhase phase)
{
	/* what follows at once is not worth a look at the clock */
	if (mine->progress.phase == phase)
		return;
	write_begin();
	mine->progress.phase = phase;
	mine->progress.phase_started_at = GetCurrentTimestamp();
	write_end();
}

void
progress_changes(int64 changes)
{
	mine->progress.changes_read = changes;
}

/* ---- reading ---- */

static void
read_slot(ProgressSlot *slot, RefreshProgress *progress)
{
	for (;;)
	{
		uint32		before = slot->changes;

		pg_read_barrier();
		memcpy(progress, &slot->progress, sizeof(RefreshProgress));
		pg_read_barrier();
		if (before == slot->changes && (before & 1) == 0)
			return;
		CHECK_FOR_INTERRUPTS();
	}
}

List *
progress_read_all(void)
{
	List	   *all = NIL;

	for (int i = 0; slots != NULL && i < MaxBackends; i++)
	{
		RefreshProgress progress;

		read_slot(&slots[i], &progress);
		if (progress.phase != PROGRESS_IDLE)
		{
			RefreshProgress *copy = palloc(sizeof(RefreshProgress));

			*copy = progress;
			all = lappend(all, copy);
		}
	}
	return all;
}

void
progress_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = progress_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = progress_shmem_startup;
}
