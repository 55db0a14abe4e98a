/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  Refresh workers: what they share with the workers of databases.
 *
 * The worker of a database runs small refreshes itself, which costs no switch
 * of processes, and hands the rest to refresh workers of the same database.
 * All databases share pg_trickle.max_refresh_workers of them.
 *
 * A slot is used from when the database's worker asks the postmaster for a
 * process until that has ended and its last outcome was taken.  Whose turn it is
 * to write to the job says work:
 *
 *	NONE -> RESERVED	the database's worker is about to write a job
 *	RESERVED -> READY	it has, and has cleared the bits of the job's sources
 *	READY -> DONE		the refresh worker wrote the outcome
 *	READY, RESERVED -> LOST		it ended instead
 *	DONE, LOST -> NONE	the database's worker has taken note
 *
 * Each change that the database's worker has to see to is followed by adding 1
 * to its pool_events and waking it.  If it found the pool full it says so in
 * pool_wanted, under the lock, and is told of the next refresh worker that
 * ends or has nothing to do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_POOL_H
#define PGT_POOL_H

#include "pgt.h"
#include "storage/latch.h"

#include "scheduler/attempt.h"
#include "scheduler/shmem.h"

/* A group of more members is refreshed by the database's worker itself. */
#define POOL_MEMBERS	256
#define POOL_NAME_LEN	(2 * NAMEDATALEN + 8)

typedef enum PoolWork
{
	POOL_NONE,					/* 0, as shared memory starts */
	POOL_RESERVED,
	POOL_READY,
	POOL_DONE,
	POOL_LOST
} PoolWork;

typedef struct PoolSlot
{
	/* Guarded by SchedulerShared.lock. */
	bool		used;
	bool		ended;			/* the process was there, and is no more */
	bool		leave;			/* it is to end when it has no job */
	PoolWork	work;
	uint32		generation;		/* of its use; a process that comes late finds another */
	Oid			dboid;
	pid_t		leader;			/* the worker of the database; 0: gone */
	int			leader_slot;	/* of the slots of databases */
	pid_t		pid;			/* of the process, 0: not attached */
	Latch	   *latch;
	TimestampTz started_at;		/* when the postmaster was asked */

	/* Written by the leader while RESERVED, by the process while READY. */
	Oid			target;
	char		name[POOL_NAME_LEN];	/* for messages */
	Outcome		outcome;
	MemberOutcome members[POOL_MEMBERS];
} PoolSlot;

typedef enum PoolAnswer
{
	POOL_ROOM,
	POOL_FULL,					/* later, after a pool event */
	POOL_UNUSABLE				/* there is none */
} PoolAnswer;

struct ScheduledTable;

/* ---- pool.c: in the worker of a database ---- */
extern bool pool_usable(void);
/* Find a refresh worker for the unit; with POOL_ROOM, pool_give() follows. */
extern PoolAnswer pool_reserve(struct ScheduledTable *table, DatabaseSlot *slot);
/* Have it refreshed; its changes are taken. */
extern void pool_give(struct ScheduledTable *table, bool had_reason);
/* Take what is done; returns false if the catalog must be read again. */
extern bool pool_collect(DatabaseSlot *slot);
/* Stream tables that are being refreshed, as oids. */
extern List *pool_targets(void);
/* When to look for processes that did not start. */
extern TimestampTz pool_due(void);
/* The worker ends. */
extern void pool_abandon(void);

/* ---- in any process ---- */
/* Free what nobody will use; the launcher calls this. */
extern void pool_reap(void);
/* End the refresh workers of a database; the caller holds the lock. */
extern void pool_dismiss(Oid dboid);
/* Something happened to it that somebody may wait for.  Under the lock. */
extern void pool_announce(const PoolSlot *pool);
/* Nobody uses it any more.  Under the lock. */
extern void pool_free(PoolSlot *pool);

#endif							/* PGT_POOL_H */
