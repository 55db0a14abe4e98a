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
#include "datatype/timestamp.h"
#include "utils/hsearch.h"

#include "import/ccronexpr.h"

/* Registers the launcher and shared memory; only while preloading. */
extern void scheduler_init(void);

/*
 * Tell this database's worker, after this transaction commits, that the set of
 * stream tables or a schedule changed; have one started if there is none.
 * No-op without preloading.
 */
extern void scheduler_notify_change(void);

/* Does a worker serve this database? */
extern bool scheduler_is_running(void);

/* ---- schedule.c ---- */

/*
 * When a stream table that has changes is to be refreshed: so long after the
 * snapshot that it shows, or at certain times.
 */
typedef struct Schedule
{
	bool		is_cron;
	int64		us;				/* the greatest staleness; of a cron expression,
								 * the shortest time between two of its times */
	cron_expr	cron;
} Schedule;

/*
 * Read a duration ('0s', '200ms', '1s', '5m', '1h30m', '2d'; units ms s m h d w,
 * several in descending order, no blanks needed) or a cron expression in UTC (of
 * five fields, of six with seconds first, or a name such as '@hourly').  Returns
 * false for anything else.
 */
extern bool schedule_read(const char *text, Schedule *schedule);

/* Raises ERROR with a hint unless it can be read. */
extern void schedule_check(const char *text);

/* The first time, at or after which whoever shows this time is to be refreshed. */
extern TimestampTz schedule_next(const Schedule *schedule, TimestampTz shown);

/* ---- calculated.c ---- */

struct StreamTable;

/*
 * The schedule of a stream table, or what 'calculated' is for it, as text.
 * known keeps what was found, for the next one; all in CurrentMemoryContext.
 */
extern HTAB *schedules_begin(void);
extern const char *schedule_in_force(const struct StreamTable *st, HTAB *known);

#define SCHEDULE_HINT \
	"Use numbers with the units w, d, h, m, s and ms, largest first, for example \"200ms\", \"5m\" or \"1h30m\", or a cron expression such as \"*/10 * * * *\"."

#endif							/* PGT_SCHEDULER_H */
