/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What refreshes have done, counted in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_COUNTERS_H
#define PGT_COUNTERS_H

#include "pgt.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "catalog/catalog.h"

/*
 * Of one stream table, since stats_reset.  Only what committed is counted, so
 * none of these ever goes down but to zero, by a reset or a new server process.
 */
typedef struct RefreshCounters
{
	int64		differential;	/* refreshes, by what they did */
	int64		full;
	int64		reinitialize;
	int64		nothing;		/* found that nothing had to be done */
	int64		failed;			/* of the scheduler; others undo themselves */
	int64		changes;		/* captured changes that were read */
	int64		rows_inserted;
	int64		rows_updated;
	int64		rows_deleted;
	int64		duration_us;	/* of the refreshes that did something */
} RefreshCounters;

/* One entry, as other processes see it. */
typedef struct CountedTable
{
	Oid			dboid;
	int64		pgt_id;
	TimestampTz stats_reset;	/* 0: never, and then they count since the
								 * start of the server, or since it was created */
	RefreshCounters counters;
} CountedTable;

/* Is the library preloaded?  Otherwise nothing is counted here. */
extern bool counters_available(void);

/* When counting began in this server. */
extern TimestampTz counters_began_at(void);

/* A refresh came to its end; counted when and if this transaction commits. */
extern void counters_refreshed(const StreamTable *st, const RefreshOutcome *outcome);
extern void counters_failed(int64 pgt_id);

/* The stream table is gone, once this transaction has committed. */
extern void counters_forget(int64 pgt_id);

/* False, and all zero, if nothing of the stream table was counted. */
extern bool counters_read(int64 pgt_id, CountedTable *counted);

/* Those of all databases, palloc'd CountedTable *. */
extern List *counters_read_all(void);

/* Start again from zero, at once. */
extern void counters_reset(int64 pgt_id);

extern void counters_init(void);

#endif							/* PGT_COUNTERS_H */
