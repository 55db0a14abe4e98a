/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The parts of a database worker.  All state is private to the process.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_WORKER_H
#define PGT_WORKER_H

#include "pgt.h"
#include "datatype/timestamp.h"

#include "catalog/catalog.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"
#include "scheduler/shmem.h"

#define US_PER_MS	INT64CONST(1000)
#define US_PER_S	INT64CONST(1000000)

/* Between two looks at the clock: least and greatest, for the schedule '0s'. */
#define TICK_FIRST_US	(100 * US_PER_MS)
#define TICK_LAST_US	US_PER_S

/* A stream table as the worker knows it. */
typedef struct ScheduledTable
{
	/* from the catalog */
	int64		pgt_id;
	Oid			relid;
	char	   *name;			/* qualified and quoted, for messages */
	RefreshMode mode;
	StreamTableStatus status;
	bool		is_populated;
	bool		needs_reinit;
	Schedule	schedule;		/* the one in force */
	int			nsources;		/* captured ones */
	Oid		   *sources;
	bool		uncaptured;		/* a source changes without our notice */

	/* from the graph of stream tables */
	struct ScheduledTable *next;	/* in its consistency group: a ring */
	int			nupstream;
	struct ScheduledTable **upstream;	/* sources that are stream tables */

	/* carried over when the catalog is read again */
	bool		dirty;			/* a source changed since the last refresh */
	bool		probed;			/* recompute is known */
	bool		recompute;		/* to be refreshed without any change */
	bool		timed;			/* the clock is an input */
	int64		tick_us;		/* when to look at it again, if the schedule is
								 * shorter than any clock */
	TimestampTz started_at;		/* the last refresh */
	TimestampTz target;			/* when the schedule asks for the next one */
	TimestampTz ended_at;
	TimestampTz retry_at;		/* not before, after a failure */
	int			failures;		/* of these kinds, one after the other */
	int			transients;
	int			busy;
	int			unpruned;		/* refreshes since history was pruned */
	TimestampTz pruned_at;

	/* of the last attempt */
	RefreshResult result;
	bool		resumed;		/* was suspended before the catalog was read */
} ScheduledTable;

/* ---- task.c ---- */

/*
 * Run a task in a transaction of its own.  Returns NULL, or, after the abort,
 * the error that it raised, allocated in the caller's context.
 */
typedef void (*WorkerTask) (void *arg);
extern ErrorData *worker_try(const char *activity, WorkerTask task, void *arg);
/* The same, where an error is logged and otherwise of no consequence. */
extern bool worker_try_log(const char *activity, WorkerTask task, void *arg);

/* ---- queue.c ---- */

/* Read the catalog; false if the extension is gone. */
extern bool queue_load(void);
/* Take note of the bits that were set since the last call. */
extern void queue_notice_changes(DatabaseSlot *slot);
/* Are there bits that the last call did not see? */
extern bool queue_has_news(DatabaseSlot *slot);
/* Take all captured stream tables for changed. */
extern void queue_mark_all(void);
/* A refresh starts, or started, at this time. */
extern void queue_set_started(ScheduledTable *table, TimestampTz started_at);
/* A refresh starts: from here on a change sets its bit anew. */
extern void queue_take_changes(ScheduledTable *table, DatabaseSlot *slot);
/* Of the same consistency group? */
extern bool queue_same_group(const ScheduledTable *a, const ScheduledTable *b);
/* Suspended, or reading a member of its group that is? */
extern bool queue_is_held_back(const ScheduledTable *table);
extern ScheduledTable *queue_find(Oid relid);
/*
 * The one that is due first, and when; NULL and DT_NOEND if none is.  It stands
 * for its group.
 */
extern ScheduledTable *queue_first(TimestampTz *due);
extern int	queue_length(void);
extern ScheduledTable *queue_get(int i);

/* ---- attempt.c ---- */

/* Returns false if the catalog must be read again. */
extern bool refresh_attempt(ScheduledTable *table, DatabaseSlot *slot);

/* ---- housekeeping.c ---- */
extern void trim_load(List *tracked);	/* of ChangeTracking * */
extern void trim_suggest(Oid source);
extern TimestampTz trim_due(void);
extern void trim_run(TimestampTz now);
extern void prune_history(ScheduledTable *table, TimestampTz now);
extern void prune_all_histories(TimestampTz now);

/* ---- prepared.c ---- */
extern void prepared_watch(void);
extern TimestampTz prepared_due(void);
/* Returns whether a prepared transaction may have ended. */
extern bool prepared_look(TimestampTz now);

#endif							/* PGT_WORKER_H */
