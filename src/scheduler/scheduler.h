/*-------------------------------------------------------------------------
 *
 * scheduler.h
 *	  Keeps every stream table within its schedule: a launcher, and one
 *	  worker for each database that has the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_SCHEDULER_H
#define PGT_SCHEDULER_H

#include "pgt.h"

/* Registers the launcher and shared memory; only while preloading. */
extern void scheduler_init(void);

/*
 * Tell this database's worker, after this transaction commits, that the set of
 * stream tables or a schedule changed; have one started if there is none.
 * No-op without preloading.
 */
extern void scheduler_notify_change(void);

/*
 * Milliseconds of a schedule: '0s', '200ms', '1s', '5m', '1h30m', '2d'; units
 * ms s m h d w, several in descending order, no blanks needed.  NULL means
 * 'calculated' and yields pg_trickle.default_schedule.  Raises ERROR with a
 * hint for anything else.
 */
extern int64 schedule_parse_ms(const char *schedule);

/* The same for a text that is not NULL; returns false instead of raising. */
extern bool schedule_try_parse_ms(const char *schedule, int64 *ms);

#define SCHEDULE_HINT \
	"Use numbers with the units w, d, h, m, s and ms, largest first, for example \"200ms\", \"5m\" or \"1h30m\"."

#endif							/* PGT_SCHEDULER_H */
