/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Our own tables, read and written by attribute.
 *
 * Relations are found by name in schema pgtrickle (a syscache lookup), so a
 * dropped and re-created extension is not a special case.  Rows are read under
 * the snapshot that the caller names; writers hold the refresh lock of the
 * stream table, taken by stream_table_lock().
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_CATALOG_H
#define PGT_CATALOG_H

#include "pgt.h"
#include "access/htup.h"
#include "catalog/pg_database.h"
#include "datatype/timestamp.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "catalog/placement.h"
#include "refresh/frontier.h"

typedef enum RefreshMode
{
	REFRESH_MODE_AUTO,
	REFRESH_MODE_FULL,
	REFRESH_MODE_DIFFERENTIAL
} RefreshMode;

typedef enum StreamTableStatus
{
	STREAM_TABLE_ACTIVE,
	STREAM_TABLE_SUSPENDED,		/* by the user, or after too many errors */
	STREAM_TABLE_ERROR			/* the last refresh failed; it will be retried */
} StreamTableStatus;

/* What refreshes have cost, as refresh/cost.c keeps it; n may be 0. */
typedef struct LearnedCosts
{
	int			n;
	float4	   *numbers;
} LearnedCosts;

/* What the row counts of refreshes that did something, and of failed ones. */
typedef struct RecordedCounters
{
	int64		refreshes;
	int64		failed;
	int64		full;
	int64		rows_inserted;
	int64		rows_updated;
	int64		rows_deleted;
	double		duration_ms;
} RecordedCounters;

/* One row of pgt_stream_tables; strings palloc'd in the caller's context. */
typedef struct StreamTable
{
	int64		pgt_id;
	Oid			relid;
	char	   *schema;			/* of the relation, as it is now */
	char	   *name;
	Oid			defview;		/* InvalidOid: dropped with a source */
	bool		definition_moved;	/* it is another view than the one recorded */
	RefreshMode mode;
	StreamTableStatus status;
	char	   *schedule;		/* NULL: 'calculated' */
	bool		is_populated;
	bool		needs_reinit;
	char	   *reinit_reason;	/* or NULL */
	Frontier   *frontier;		/* NULL before the first refresh */
	TimestampTz data_timestamp; /* 0: never refreshed */
	TimestampTz evaluated_at;	/* 0: its query does not use the clock, or has
								 * no delta */
	int			consecutive_errors;
	char	   *last_error;		/* or NULL */
	LearnedCosts learned;
	int64		fuse_ceiling;	/* -1: no fuse */
	TimestampTz fuse_blown_at;	/* 0: it has not */
	PlacementKind placement;	/* as it was at the last refresh */
	TimestampTz last_refresh_at;	/* 0: never */
	RecordedCounters recorded;
	ItemPointerData tid;		/* of the row that was read */
} StreamTable;

/* ---- catalog.c ---- */

/*
 * Oid of one of our tables or indexes, whose name is a constant; ERROR if the
 * extension is not there.
 */
extern Oid	pgt_catalog_relid(const char *relname);
extern void catalog_init(void);

/*
 * The columns of one of our tables, as we number them: first those that it has
 * in every layout, by their attribute numbers, then those that came later.  These
 * are found by name, because a layout that went back and forth has dropped columns
 * in between.  What a layout has not reads as NULL, and is not written.
 */
typedef struct CatalogColumns
{
	int			ncolumns;
	int			nfixed;
	const char *const *later;	/* names of the other columns, in their order */
} CatalogColumns;
/* Attribute number of one of them, InvalidAttrNumber if this layout has it not. */
extern AttrNumber catalog_attribute(const CatalogColumns *columns, Relation rel,
									int column);
/* Into, and out of, arrays of ncolumns. */
extern void catalog_deform(const CatalogColumns *columns, Relation rel,
						   HeapTuple tuple, Datum *values, bool *isnull);
extern HeapTuple catalog_form(const CatalogColumns *columns, Relation rel,
							  const Datum *values, const bool *isnull);
extern HeapTuple catalog_modify(const CatalogColumns *columns, Relation rel,
								HeapTuple tuple, const Datum *values,
								const bool *isnull, const bool *replace);
/* Is the extension installed in this database? */
extern bool pgt_extension_exists(void);
/*
 * Has the relation other storage than the snapshot knows?  Rewriting a table
 * and TRUNCATE do not obey MVCC: what an older snapshot sees of them is not
 * what was there.
 */
extern bool relation_is_newer_than(Relation rel, Snapshot snapshot);
/* Owner of a relation; ERROR if it is gone. */
extern Oid	pgt_relation_owner(Oid relid);
/* Owner of the extension: the one who owns our schemas' objects. */
extern Oid	pgt_extension_owner(void);

/* ---- stream_table.c ---- */
extern const char *refresh_mode_name(RefreshMode mode);
/* Raises ERROR with a hint listing the modes. */
extern RefreshMode refresh_mode_from_name(const char *name);
extern const char *stream_table_status_name(StreamTableStatus status);

/*
 * Take the refresh lock of a stream table: a heavyweight lock on an object of
 * ours, held to the end of the transaction, so that it conflicts with nothing
 * but other refreshes and definition changes.  Before it, RowExclusiveLock on
 * pgt_stream_tables, which only an update of the extension keeps anybody from.
 * With wait = false returns whether it was had.
 */
extern bool stream_table_lock(Oid relid, bool wait);

/*
 * The row of a stream table as the snapshot sees it; NULL if there is none.
 * A NULL snapshot means the newest committed state.
 */
extern StreamTable *stream_table_read(Oid relid, Snapshot snapshot);
/* Give back what was kept of a row, or of all: the relation may be gone. */
extern void stream_table_forget(Oid relid);
extern List *stream_table_read_all(void);	/* of StreamTable *, newest state */

/*
 * Resolve a user's spelling of a name, lock, read, and check that the caller
 * owns it; every API call comes through here.  Raises ERROR for unknown
 * tables (with a hint), for tables that are no stream tables, and for callers
 * without the right.
 */
extern StreamTable *stream_table_open(const char *name, bool lock);

/*
 * May the caller know of it, or of a source: has he any right on it, or is he in
 * pg_monitor?  Of what is gone, or in another database, only the latter.
 */
extern bool stream_table_may_see(Oid relid);

/*
 * The same for who only wants it refreshed: the owner, and from PostgreSQL 17 on
 * whoever has MAINTAIN on it.  It is not locked, and so may be none any more.
 */
extern Oid	stream_table_find_maintained(const char *name);

/*
 * Does the owner of the table answer for the query?  A table that was given to
 * another role must not run what that role has never seen; the frontier says who
 * gave the query, so that REASSIGN OWNED, which takes the definition along,
 * makes no difference.
 */
extern bool stream_table_owns_query(const StreamTable *st);

/*
 * Refuse to go on without a definition that the owner of the table answers
 * for: it may have been dropped with a source.
 */
extern void stream_table_require_definition(const StreamTable *st);

/* Name of the view in pgtrickle_defs that holds its query. */
extern char *definition_view_name(int64 pgt_id);

/* A pgt_id nobody has; the definition view needs it before there is a row. */
extern int64 stream_table_new_id(void);

/*
 * Insert a row; fills st->tid, and st->pgt_id if it is 0.  defining_query is
 * the text as the user wrote it, kept for him to read; what is run is the
 * definition view.
 */
extern void stream_table_insert(StreamTable *st, const char *defining_query);
/*
 * Write back mode, status, schedule, defview, relid, is_populated, reinit
 * state, frontier, errors, fuse.  The row is at another place afterwards: read it
 * again.
 */
extern void stream_table_update(const StreamTable *st);
/* Replace the text that stream_table_insert() was given. */
extern void stream_table_set_query(Oid relid, const char *defining_query);
extern void stream_table_delete(const StreamTable *st);

/*
 * Record a finished refresh in one heap update: frontier, data_timestamp,
 * evaluated_at, is_populated, learned costs, counters; clears errors and
 * needs_reinit.  Of NO_DATA, which says that the stored rows are those of
 * another snapshot or instant as well, neither costs nor counters nor history.
 * Raises
 * ERRCODE_T_R_SERIALIZATION_FAILURE if the row is not the newest any more.
 */
typedef struct RefreshOutcome
{
	const char *action;			/* FULL, DIFFERENTIAL, REINITIALIZE, NO_DATA */
	const char *reason;			/* why this action, or NULL */
	const Frontier *frontier;
	TimestampTz data_timestamp;
	TimestampTz evaluated_at;	/* 0: none */
	TimestampTz start_time;
	TimestampTz end_time;
	int64		changes;		/* buffer rows consumed */
	int64		rows_inserted;
	int64		rows_updated;
	int64		rows_deleted;
	LearnedCosts learned;
} RefreshOutcome;
extern void stream_table_refreshed(const StreamTable *st,
								   const RefreshOutcome *outcome);
/*
 * Record a failed refresh, in a transaction of its own kind: count it, keep
 * the message, suspend at pg_trickle.max_consecutive_errors, or at once if it is
 * the fuse that has blown (returns true).
 */
#define ERRCODE_PGT_FUSE_BLOWN	MAKE_SQLSTATE('P', 'T', '0', '0', '1')

extern bool stream_table_failed(Oid relid, TimestampTz start_time,
								const char *message, int sqlerrcode);

/* ---- dependency.c: pgt_dependencies ---- */
typedef struct Dependency
{
	Oid			source;
	char		relkind;
	bool		captured;		/* its changes go to a change buffer */
	char		stable_name[PGT_STABLE_NAME_LEN + 1];	/* or "" */
	Bitmapset  *columns;		/* attribute numbers, plain members */
	PlacementKind placement;	/* as it was when this was written */
} Dependency;
/* What its source is known by. */
extern SourceIdentifier dependency_source(const Dependency *dep);
/*
 * Are its changes captured?  What is recorded says that they were, but a source
 * may be moved into the shards of a cluster, where no trigger of ours sees them,
 * and nobody tells before the next refresh.
 */
extern bool dependency_is_captured(const Dependency *dep);
extern void dependency_insert(int64 pgt_id, const Dependency *dep);
extern List *dependency_read(int64 pgt_id); /* of Dependency * */
/* Those of all stream tables, without the columns. */
typedef struct OwnedDependency
{
	int64		pgt_id;
	Dependency	dep;
} OwnedDependency;
extern List *dependency_read_all(void); /* of OwnedDependency * */
extern void dependency_delete(int64 pgt_id);
/* Write the stable name of a source, or that it has none, to all its rows. */
extern void dependency_rename(const SourceIdentifier *source);
/* Stream tables (oids) that have the source; of captured ones only if asked. */
extern List *dependency_consumers(Oid source);
/* Union of the columns that all consumers of a source use. */
extern Bitmapset *dependency_columns(Oid source);

/* Who reads what: all dependencies of stream tables that have a row. */
typedef struct DependencyEdge
{
	Oid			consumer;		/* stream table, whose relation may be gone */
	Oid			source;
} DependencyEdge;
extern List *dependency_edges(void);

/* Is the relation a stream table? */
extern bool stream_table_exists(Oid relid);

/* ---- change_tracking.c: pgt_change_tracking ---- */

/*
 * Do sources that are tracked from now on get stable names?  Layout 0.31.0 has
 * no room for them: everything there is named by oids.
 */
extern bool change_tracking_has_names(void);
typedef enum CaptureMode
{
	CAPTURE_BY_STATEMENT,		/* triggers with transition tables */
	CAPTURE_BY_ROW,
	CAPTURE_BY_APPLY			/* a stream table: by whoever refreshes it */
} CaptureMode;

typedef struct ChangeTracking
{
	SourceIdentifier source;
	CaptureMode mode;
	List	   *partitions;		/* oids of the inheritors that carry triggers */
	uint64		signature;		/* of the triggers when they were installed */
	uint64		sysid;			/* of the cluster where this was written */
	PlacementKind placement;	/* as it was when this was written */
} ChangeTracking;
extern ChangeTracking *change_tracking_read(Oid source);	/* NULL: not tracked */
extern ChangeTracking *change_tracking_read_by_name(const char *stable_name);
extern List *change_tracking_read_all(void);
/*
 * Is it of another cluster, from which the database was restored?  What the
 * buffer then holds was done by transactions of that one, whose ids mean nothing
 * here.
 */
extern bool change_tracking_is_foreign(const ChangeTracking *tracking);
/* Insert or replace; invalidates the relcache entries of source and partitions. */
extern void change_tracking_write(const ChangeTracking *tracking);
extern void change_tracking_delete(const ChangeTracking *tracking);

/* ---- databases.c ---- */

/*
 * Call note for each database that can be connected to and is no template, in a
 * transaction of its own and in the caller's memory context.
 */
extern void databases_scan(void (*note) (const FormData_pg_database *form));

/* ---- invalidation.c ---- */

/* Call this whenever the relcache forgets a relation, or (InvalidOid) all. */
extern void relations_watch(RelcacheCallbackFunction watcher);

/* ---- gate.c: pgt_gates ---- */

/* Sources that are gated, as the snapshot sees it; InvalidOid stands for all. */
extern List *gate_read_all(Snapshot snapshot);
/*
 * Does one of these gates keep a stream table from being refreshed?  Tells which
 * source is gated, InvalidOid: all refreshes are paused.
 */
extern bool gate_holds(const List *gates, int64 pgt_id, Oid *source);
/* Return whether there was anything to do. */
extern bool gate_insert(Oid source);
extern bool gate_delete(Oid source);
/* Forget gates of relations that are gone. */
extern void gate_sweep(void);

/* ---- subscription.c: pgt_subscriptions ---- */
typedef struct Subscription
{
	int64		pgt_id;
	char	   *channel;
} Subscription;
extern Oid	subscription_relid(void);	/* InvalidOid: there is no such table */
extern void subscription_insert(int64 pgt_id, const char *channel);
/* Of one channel, or of all; was there any? */
extern bool subscription_delete(int64 pgt_id, const char *channel);
extern List *subscription_read_all(void);	/* of Subscription * */

/* ---- history.c: pgt_refresh_history ---- */
extern void history_insert(const StreamTable *st, const RefreshOutcome *outcome,
						   const char *status, const char *error_message,
						   const char *sqlstate);
/* Delete rows older than pg_trickle.history_retention or beyond the cap. */
extern void history_prune(int64 pgt_id);

#endif							/* PGT_CATALOG_H */
