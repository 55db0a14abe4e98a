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
#include "lib/pairingheap.h"

#include "catalog/catalog.h"
#include "refresh/refresh.h"
#include "scheduler/attempt.h"
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
	Oid			defview;
	RefreshMode mode;
	StreamTableStatus status;
	bool		is_populated;
	bool		needs_reinit;
	Schedule	schedule;		/* the one in force */
	int			nsources;		/* captured ones */
	Oid		   *sources;
	bool		uncaptured;		/* a source changes without our notice */
	bool		gated;

	/* from the graph of stream tables */
	struct ScheduledTable *next;	/* in its unit, which is a ring */
	struct ScheduledTable *first;	/* the one that stands for its unit */
	int			nmembers;		/* of the unit */
	int			nupstream;
	struct ScheduledTable **upstream;	/* sources that are stream tables */

	/* carried over when the catalog is read again */
	bool		dirty;			/* a source changed since the last refresh */
	bool		probed;			/* recompute is known */
	TimestampTz probed_at;
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

	/* of the unit, at the one that stands for it */
	pairingheap_node node;
	bool		queued;
	bool		set_aside;		/* until there is room in the pool */
	int			running;		/* refreshes of it that are under way */
	TimestampTz due;			/* while queued; else DT_NOEND */
	int64		last_us;		/* what the last refresh took */
	int64		took_us;		/* what a refresh takes */
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

/* Keep no more plans than that, but for those that were used since. */
extern void worker_forget_programs(Size budget, TimestampTz unused_since);

/* Settings of a background process; what it does when it is interrupted. */
extern void worker_settings(void);
/* Returns whether the configuration was read again. */
extern bool worker_interrupts(void);

/* ---- queue.c ---- */

/* Read the catalog; false if the extension is gone. */
extern bool queue_load(void);
/* Take note of the bits that were set since the last call. */
extern void queue_notice_changes(DatabaseSlot *slot);
/* Are there bits that the last call did not see? */
extern bool queue_has_news(DatabaseSlot *slot);
/* Take all captured stream tables for changed. */
extern void queue_mark_all(void);
/* Forget that stream tables need not be recomputed without a change. */
extern void queue_unlearn(void);
/* A refresh starts, or started, at this time. */
extern void queue_set_started(ScheduledTable *table, TimestampTz started_at);
/* A refresh starts: from here on a change sets its bit anew. */
extern void queue_take_changes(ScheduledTable *table, DatabaseSlot *slot);
/* Of the same unit? */
extern bool queue_same_group(const ScheduledTable *a, const ScheduledTable *b);
/* Suspended, or reading a member of its group that is? */
extern bool queue_is_held_back(const ScheduledTable *table);
extern ScheduledTable *queue_find(Oid relid);
/*
 * The one that is due first, and when; NULL and DT_NOEND if none is.  It stands
 * for its unit.
 */
extern ScheduledTable *queue_first(TimestampTz *due);
/* The same, but one that it reads, if that is due as well. */
extern ScheduledTable *queue_first_upstream(ScheduledTable *table);
/* What decides when the unit is due has changed. */
extern void queue_update(ScheduledTable *table);
/* A refresh of the unit begins, and ends. */
extern void queue_begin(ScheduledTable *table);
extern void queue_end(ScheduledTable *table);
/* Leave the unit out until queue_recall(). */
extern void queue_set_aside(ScheduledTable *table);
extern void queue_recall(void);
extern int	queue_units(void);
extern int	queue_length(void);
extern ScheduledTable *queue_get(int i);

/* ---- lead.c ---- */

/*
 * How long before the end of its schedule a refresh is to start; took_us: what
 * one takes.
 */
extern int64 lead_us(int64 schedule_us, int64 took_us, TimestampTz now);
/* One ended so long after it should have; for so long nothing was to be done. */
extern void lead_note_late(int64 us, TimestampTz now);
extern void lead_note_idle(int64 us, TimestampTz now);

/* ---- outcome.c ---- */

/* A refresh of the unit starts: it takes all changes that are known. */
extern void unit_take_changes(ScheduledTable *table, DatabaseSlot *slot);
/* The member by whose name the unit is refreshed. */
extern ScheduledTable *unit_target(ScheduledTable *table);
/* Is there anything known that it would do? */
extern bool unit_has_reason(const ScheduledTable *table);
/*
 * It ended; had_reason is of before.  Returns false if the catalog must be read
 * again.
 */
extern bool unit_note_outcome(ScheduledTable *table, DatabaseSlot *slot, bool had_reason,
							  const Outcome *outcome, const MemberOutcome *members,
							  int maxmembers);
extern void unit_note_loss(ScheduledTable *table);

/* ---- housekeeping.c ---- */
extern void trim_load(List *tracked);	/* of ChangeTracking * */
extern void trim_suggest(Oid source);
extern TimestampTz trim_due(void);
extern void trim_next(TimestampTz now);	/* one of those that are due */
extern void prune_unit_history(ScheduledTable *table, TimestampTz now);
/* Have all histories looked at from now on, each by a call of prune_next(). */
extern void prune_begin(void);
extern bool prune_under_way(void);
extern void prune_next(TimestampTz now);

/* ---- prepared.c ---- */
extern void prepared_watch(void);
extern TimestampTz prepared_due(void);
/* Returns whether a prepared transaction may have ended. */
extern bool prepared_look(TimestampTz now);

#endif							/* PGT_WORKER_H */
