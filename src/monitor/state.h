/*-------------------------------------------------------------------------
 *
 * state.h
 *	  The stream tables that the caller may see, and what they read, as they
 *	  are now: for whatever draws, lists or exports them.
 *
 * What is read is what the views show to the caller, so whoever uses this shows
 * nobody more than that.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_STATE_H
#define PGT_MONITOR_STATE_H

#include "pgt.h"
#include "datatype/timestamp.h"

#include "monitor/counters.h"

typedef enum Freshness
{
	FRESHNESS_FRESH,
	FRESHNESS_LATE,
	FRESHNESS_STALE,
	FRESHNESS_EMPTY,
	FRESHNESS_FAILING,
	FRESHNESS_SUSPENDED,
	FRESHNESS_SOURCE			/* not a stream table */
} Freshness;

#define FRESHNESS_KINDS (FRESHNESS_SUSPENDED + 1)

/* A stream table, or a source that is none; of a source the rest is zero. */
typedef struct MonitoredTable
{
	Oid			relid;
	char	   *name;			/* with schema, quoted as SQL wants it */
	char	   *short_name;		/* the same without schema */
	Freshness	freshness;
	char	   *source_type;	/* of a source */

	int64		pgt_id;
	char	   *status;
	char	   *mode;
	char	   *schedule;
	double		staleness_s;	/* -1: never filled */
	double		target_s;		/* -1: the schedule does not say */
	TimestampTz data_timestamp; /* 0: never filled */
	TimestampTz last_refresh_at;	/* 0: never */
	char	   *last_action;	/* or NULL, as the following */
	char	   *last_reason;
	char	   *next_refresh;
	char	   *last_error;
	int			consecutive_errors;
	CountedTable counted;

	int			nsources;
	int		   *sources;		/* indexes into the tables */
} MonitoredTable;

typedef struct MonitorState
{
	int			ntables;
	int			nstream_tables; /* these come first, by name */
	MonitoredTable *tables;
} MonitorState;

extern MonitorState *monitor_read_state(void);

extern const char *freshness_name(Freshness freshness);

/*
 * Run SELECTs with the rights of the caller, by names that he cannot put others
 * in the place of.  Between the two, SPI is connected; what is to outlive the
 * end is allocated in the context that monitor_query_begin() returns.
 */
typedef struct MonitorQuery
{
	int			guc_level;
	MemoryContext context;
} MonitorQuery;
extern void monitor_query_begin(MonitorQuery *query);
extern void monitor_query_end(MonitorQuery *query);
/* One query; its rows are in SPI_tuptable, SPI_processed of them. */
extern void monitor_query_run(const char *sql);
/* Columns of a row, from 1 on; what is NULL is NULL, 0, or the given value. */
extern char *monitor_text(const MonitorQuery *query, int row, int column);
extern double monitor_double(int row, int column, double null);
extern int64 monitor_int64(int row, int column, int64 null);
extern TimestampTz monitor_time(int row, int column);

#endif							/* PGT_MONITOR_STATE_H */
