/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  What the refreshes that run now are at.
 *
 * Whoever refreshes says so as he goes, at the price of a few stores to shared
 * memory; without preloading he says it to nobody.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_PROGRESS_H
#define PGT_PROGRESS_H

#include "pgt.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum ProgressPhase
{
	PROGRESS_IDLE,
	PROGRESS_LOCKING,			/* waits for another refresh */
	PROGRESS_PREPARING,			/* compiles, locks the sources */
	PROGRESS_READING,			/* the captured changes */
	PROGRESS_POLLING,			/* sources that are not captured */
	PROGRESS_DELTA,				/* computes and applies what changes */
	PROGRESS_FULL,				/* computes the query, applies the difference */
	PROGRESS_RECORDING
} ProgressPhase;

typedef struct RefreshProgress
{
	int			pid;
	Oid			dboid;
	Oid			relid;			/* the stream table at work */
	int			members_total;	/* of its consistency group */
	int			members_done;
	ProgressPhase phase;
	TimestampTz started_at;
	TimestampTz phase_started_at;
	int64		changes_read;	/* of this stream table */
	int64		rows_written;
} RefreshProgress;

extern const char *progress_phase_name(ProgressPhase phase);

/* A refresh begins, and has come to its end or failed. */
extern void progress_begin(Oid relid);
extern void progress_end(void);

/* One of so many members is next; the counts start again from zero. */
extern void progress_member(Oid relid, int done, int total);
extern void progress_phase(ProgressPhase phase);
extern void progress_changes(int64 changes);

/* One more row of the stream table was written. */
extern PGDLLIMPORT int64 *progress_rows_written;
#define progress_row_written() ((*progress_rows_written)++)

/* Of all processes that refresh, palloc'd RefreshProgress *. */
extern List *progress_read_all(void);

extern void progress_init(void);

#endif							/* PGT_PROGRESS_H */
