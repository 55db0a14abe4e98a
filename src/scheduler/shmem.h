/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  What launcher, workers and committing backends share.
 *
 * One slot per database.  A committing backend sets the bits of the sources
 * it changed, and wakes the worker only if it was the first to set one and
 * the worker sleeps.  The worker leaves a bit set until it starts a refresh
 * that reads the source: so a stream table with a long schedule is woken for
 * once, however many commits there are.  Nothing is lost, because
 *
 *		writer:  commit becomes visible;  look at the bit, or set it
 *		worker:  clear the bit;           take the snapshot of the refresh
 *
 * with a full barrier between the two steps of each: a writer that found its
 * bit set already is visible to the snapshot taken after the clearing.  And
 *
 *		writer:  set the bit;             look whether the worker sleeps
 *		worker:  say that it sleeps;      look at the bits
 *
 * so one of the two sees the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_SHMEM_H
#define PGT_SHMEM_H

#include "pgt.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

/* Sources share bits by hash; a shared bit costs an empty refresh. */
#define CHANGE_BITS		2048
#define CHANGE_WORDS	(CHANGE_BITS / 32)

/*
 * Life of a slot:
 *
 *	FREE -> WANTED		a backend did something that a worker must see to
 *	FREE, WANTED -> STARTING	the launcher asked the postmaster for a worker
 *	STARTING -> RUNNING	the worker is connected and found the extension
 *	STARTING, RUNNING -> EXITED	the worker ends, for exit_reason
 *	EXITED -> FREE		the launcher took note
 */
typedef enum SlotState
{
	SLOT_FREE,
	SLOT_WANTED,
	SLOT_STARTING,
	SLOT_RUNNING,
	SLOT_EXITED
} SlotState;

typedef enum WorkerExit
{
	WORKER_EXIT_FAILED,			/* by error or by signal */
	WORKER_EXIT_NO_EXTENSION,	/* or not for a worker node of a cluster */
	WORKER_EXIT_YIELD			/* somebody needs the database to himself */
} WorkerExit;

typedef struct DatabaseSlot
{
	/* Guarded by SchedulerShared.lock. */
	SlotState	state;
	WorkerExit	exit_reason;
	bool		yield;			/* the worker was asked to leave the database */
	Oid			dboid;			/* InvalidOid when FREE */
	pid_t		pid;			/* of the worker, 0: not attached */

	/* Set by the worker when it attaches, then constant; a stale one is a
	 * latch of some other process, which it harms not to set. */
	Latch	   *latch;

	pg_atomic_uint32 sleeping;	/* the worker waits on its latch */
	pg_atomic_uint32 catalog_changes;	/* generation: stream tables altered */
	pg_atomic_uint32 prepares;	/* generation: transactions prepared */
	pg_atomic_uint32 definitions;	/* generation: what queries stand on was altered */
	pg_atomic_uint32 pool_events;	/* generation: see pool.h */
	pg_atomic_uint32 pool_wanted;	/* has work for which the pool was full */
	pg_atomic_uint32 changed[CHANGE_WORDS];
} DatabaseSlot;

typedef struct SchedulerShared
{
	LWLock	   *lock;
	Latch	   *launcher_latch; /* as DatabaseSlot.latch */
	pg_atomic_uint32 generation;	/* slots were given to other databases */
	/* constant */
	bool		after_crash;	/* the postmaster has restarted everything */
	int			npool;
	struct PoolSlot *pool;		/* of npool; see pool.h */
	int			nslots;
	DatabaseSlot slots[FLEXIBLE_ARRAY_MEMBER];
} SchedulerShared;

/* NULL unless the library was preloaded. */
extern SchedulerShared *scheduler_shared;

extern void scheduler_shmem_init(void);
extern void scheduler_events_init(void);

/* The slot of a database, or NULL; the caller holds the lock. */
extern DatabaseSlot *slot_find(Oid dboid);
/* A free slot, made this database's; NULL if all are in use. */
extern DatabaseSlot *slot_claim(Oid dboid, SlotState state);
extern void slot_release(DatabaseSlot *slot);
extern void launcher_wake(void);
/* Wake the database's worker if it sleeps, after an event was noted in the slot. */
extern void slot_wake(DatabaseSlot *slot);

static inline uint32
change_bit(Oid source)
{
	return ((uint32) source * 2654435761u) >> (32 - 11);
}

StaticAssertDecl(CHANGE_BITS == 1 << 11, "change_bit() must match CHANGE_BITS");

/* launcher.c, worker.c, pool_worker.c: entry points of the background processes */
extern PGDLLEXPORT void pgt_launcher_main(Datum arg);
extern PGDLLEXPORT void pgt_worker_main(Datum arg);
extern PGDLLEXPORT void pgt_refresh_worker_main(Datum arg);
extern void launcher_register(void);

/* yield.c */
extern void scheduler_yield_init(void);

#endif							/* PGT_SHMEM_H */
