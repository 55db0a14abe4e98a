/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  What changed: triggers on the sources.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_CAPTURE_H
#define PGT_CAPTURE_H

#include "pgt.h"
#include "commands/trigger.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "catalog/catalog.h"

/*
 * Why changes of this relation cannot be captured, as a phrase that ends
 * "source "x" ..." (palloc'd), or NULL if they can.  Ordinary and partitioned
 * tables can, and stream tables; views, foreign tables, materialized views,
 * temporary tables and system catalogs cannot.
 */
extern char *capture_unsupported_reason(Oid relid);

/*
 * Have the changes of these columns of the source captured from now on:
 * compute its stable name if it is new, make or widen its buffer, install the
 * triggers on it and on its partitions.  Idempotent: installs what is missing,
 * so it also repairs.  Waits for open writers (ShareRowExclusiveLock on the
 * source and its partitions, held to the end of the transaction).  The rights
 * of the caller were checked before; runs as the bootstrap superuser inside.
 */
extern ChangeTracking *capture_ensure(Oid source, const Bitmapset *columns);

/* Remove triggers, buffer and tracking row of a source nobody reads any more. */
extern void capture_remove(const ChangeTracking *tracking);

/*
 * Keep everything of everybody out for the time of an update that renames what
 * belongs to sources: AccessExclusiveLock on pgt_stream_tables, which whoever
 * refreshes or changes a stream table has locked before anything else, then on
 * the sources, in the order of oids, and their partitions.  Held to the end of
 * the transaction.
 */
extern void capture_lock_all(void);

/*
 * Name everything that was made for a source by this stable name, or, if it is
 * NULL, by its oid; what it is named by is written down.  Nothing captured is
 * lost.  The caller has done capture_lock_all().
 */
extern void capture_rename(Oid source, const char *stable_name);

/*
 * A source is in the shards of a cluster by now, where nothing is captured:
 * remove the triggers that went there with it.
 */
extern void capture_withdraw(Oid source);

/*
 * Tell every consumer of a source that changes may have been lost: a marker, in
 * its buffer if there is one.  The caller keeps the buffer from being dropped by
 * a lock on the source, or on a partition of it: whoever removes capture locks all.
 */
extern void capture_mark(const ChangeTracking *tracking);

/*
 * After the list of consumers changed: remove, or drop unused buffer columns.
 */
extern void capture_adjust(Oid source);

/*
 * Is every trigger in place and enabled ALWAYS on the source and on exactly
 * its partitions of today?  If not returns why (palloc'd), else NULL.  The
 * caller holds at least AccessShareLock on all of them.
 */
extern char *capture_check(const ChangeTracking *tracking);

/* What a trigger returns that lets things go on: a BEFORE trigger is heard. */
extern Datum trigger_unchanged(const TriggerData *td);

/*
 * Changes that apply makes to a stream table.  NULL if nobody wants them; the
 * caller holds RowExclusiveLock on the stream table since before its snapshot.
 * State lives in CurrentMemoryContext.
 */
typedef struct CaptureRows CaptureRows;
extern CaptureRows *capture_applied_begin(Relation st);
extern void capture_rows_add(CaptureRows *rows, int w,
							 const Datum *values, const bool *isnull);
/* (-1, old) (+1, new), or nothing if they are equal in what is captured. */
extern void capture_rows_update(CaptureRows *rows,
								const Datum *old_values, const bool *old_isnull,
								const Datum *new_values, const bool *new_isnull);
/* Writes what is pending, and closes the buffer. */
extern void capture_rows_end(CaptureRows *rows);

/*
 * Sources captured by this transaction are announced at commit through this
 * hook, if set: called once per captured source after the commit is visible.
 * The scheduler sets it.
 */
typedef void (*capture_commit_hook_type) (Oid source);
extern PGDLLIMPORT capture_commit_hook_type capture_commit_hook;
/* Called instead at PREPARE TRANSACTION. */
typedef void (*capture_prepare_hook_type) (void);
extern PGDLLIMPORT capture_prepare_hook_type capture_prepare_hook;

/* Has the current transaction captured anything yet? */
extern bool capture_in_transaction(void);

/*
 * The part of the current transaction that is being captured, from 0 up, and
 * the end of a part: returns the number of the one in which whatever is
 * captured from here on will be, and nothing that was captured before is.
 */
extern int	capture_part(void);
extern int	capture_part_end(void);

extern void capture_init(void);

/* FNV-1a-64 as 16 lower-case hex digits, into a buffer of 17 bytes. */
extern void stable_hash(const char *data, size_t len, char *out);

/*
 * What a source is known by wherever it has to be named: its stable name, or
 * its oid in digits if it has none.  The two cannot be mistaken for each other:
 * an oid has ten digits at most.  palloc'd or part of *source.
 */
extern const char *source_key(const SourceIdentifier *source);

/* Name of an object we make for a source, palloc'd.  There are no others. */
typedef enum SourceObject
{
	SOURCE_OBJECT_BUFFER,		/* changes_<key> */
	SOURCE_OBJECT_TRIGGER_INSERT,	/* pg_trickle_cdc_ins_<key> */
	SOURCE_OBJECT_TRIGGER_UPDATE,
	SOURCE_OBJECT_TRIGGER_DELETE,
	SOURCE_OBJECT_TRIGGER_TRUNCATE,
	SOURCE_OBJECT_TRIGGER_ROW,	/* pg_trickle_cdc_row_<key> */
	SOURCE_OBJECT_FUNCTION		/* pg_trickle_cdc_fn_<key>, of sources without a
								 * stable name; others share cdc_capture() */
} SourceObject;
extern const char *source_object_name(SourceObject kind, const SourceIdentifier *source);
/* Is it the name of such an object, of any source? */
extern bool source_object_is(SourceObject kind, const char *name);

/* ---- signature.c ---- */

/*
 * Add to a hash which version of a row of a catalog this is: by the transaction
 * that wrote it, and where it is.
 */
extern uint64 signature_add_row(uint64 hash, uint32 number, HeapTuple tuple);
/* The same of the rows of the triggers of a relation that are wanted. */
extern uint64 signature_add_triggers(uint64 hash, Oid relid,
									 bool (*wanted) (const char *trigger, const void *arg),
									 const void *arg);

#endif							/* PGT_CAPTURE_H */
