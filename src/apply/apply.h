/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  Put a delta, or a full result, into a stream table.
 *
 * The caller holds the stream table's refresh lock, so nothing else writes to
 * it; readers are never blocked.  Victims are always looked up under the
 * snapshot of the refresh, so that rows written by this apply are not seen.
 * Identity is computed here and nowhere else.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_APPLY_H
#define PGT_APPLY_H

#include "pgt.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef enum IdentityKind
{
	IDENTITY_KEY,				/* unique btree index on the key columns */
	IDENTITY_KEY_HASH,			/* __pgt_row_id is a hash of the key columns,
								 * rechecked by their equality */
	IDENTITY_BAG,				/* __pgt_row_id is a hash of the image of all
								 * other columns, rechecked by image; rows may
								 * be duplicates */
	IDENTITY_SINGLE				/* the table has exactly one row */
} IdentityKind;

/*
 * How a row of the stream table is recognised.  Attribute numbers are those of
 * the stream table.  NULL keys are equal to each other.
 */
typedef struct Identity
{
	IdentityKind kind;
	int			nkeys;			/* KEY and KEY_HASH only */
	AttrNumber *keys;
	Oid		   *eqops;			/* default btree equality of each key's type */
	Oid		   *collations;
	AttrNumber	row_id;			/* attribute __pgt_row_id, or 0 */
} Identity;

typedef struct ApplyCounts
{
	int64		inserted;
	int64		updated;
	int64		deleted;
} ApplyCounts;

static inline bool
counts_any(const ApplyCounts *counts)
{
	return counts->inserted > 0 || counts->updated > 0 || counts->deleted > 0;
}

typedef struct ApplyState ApplyState;

/*
 * Name (palloc'd, unqualified) of the index that serves an identity, and the
 * statement that creates it on the given table; NULL for IDENTITY_SINGLE.
 */
extern char *apply_index_ddl(Oid relid, const Identity *identity);

/* Does a plain table have it?  Any index that does its work counts. */
extern bool apply_index_exists(Relation st, const Identity *identity);

/* Oids of the indexes that were made for an identity, by their names. */
extern List *apply_indexes_made(Relation st);

/*
 * Start.  st is open with RowExclusiveLock.  The path is C unless the table
 * has user triggers or pg_trickle.debug_apply says otherwise.
 * State lives in CurrentMemoryContext.
 */
extern ApplyState *apply_begin(Relation st, const Identity *identity,
							   Snapshot snapshot);

/*
 * Start filling a stream table that has no storage pages at all: rows go into
 * a new heap, which apply_end() swaps in, its indexes built by sort.  Takes
 * AccessExclusiveLock on the table at apply_end(), where the caller must have
 * no other reference to it open than st, which apply_end() closes.
 */
extern ApplyState *apply_begin_swap(Relation st, const Identity *identity,
									Snapshot snapshot);

/*
 * Tell the observer of every row image that this apply takes out (w = -1) or
 * puts in (w = 1); an update is both.  Values live for the call only.
 */
typedef void (*ApplyObserver) (int w, const Datum *values, const bool *isnull,
							   void *arg);
extern void apply_observe(ApplyState *state, ApplyObserver observer, void *arg);

/*
 * Image deltas.  row has the stream table's descriptor; its __pgt_row_id, if
 * there is one, need not be set.  The rows are netted by identity and image in
 * apply_images_done(): a key that lost one image and gained another is
 * updated, equal images cancel, bag rows come and go by count.  Net weights
 * that no table could have (two images for one key, a victim that is not
 * there) raise ERRCODE_DATA_CORRUPTED.
 */
extern void apply_image(ApplyState *state, TupleTableSlot *row, int32 w);

/* Count every stored row once with weight -1 (then add the full result). */
extern void apply_stored_images(ApplyState *state);
extern void apply_images_done(ApplyState *state);

/* Delete every stored row. */
extern void apply_delete_stored(ApplyState *state);

/*
 * Keyed changes, for KEY, KEY_HASH and SINGLE.  apply_find() fills old (a slot
 * made by table_slot_create()) with the row of that key, or returns false.  At
 * most one change may be made for a key.
 */
extern bool apply_find(ApplyState *state, const Datum *keys, const bool *isnull,
					   TupleTableSlot *old);
extern void apply_delete(ApplyState *state, TupleTableSlot *old);
extern void apply_update(ApplyState *state, TupleTableSlot *old,
						 TupleTableSlot *new);	/* nothing if images are equal */
extern void apply_insert(ApplyState *state, TupleTableSlot *new);

/* Do what is pending (apply_images_done() too), close, and add to *counts. */
extern void apply_end(ApplyState *state, ApplyCounts *counts);

#endif							/* PGT_APPLY_H */
