/*-------------------------------------------------------------------------
 *
 * apply_internal.h
 *	  What the files of apply/ share.
 *
 * One change travels:
 *
 *		apply_image -> net.c ----+
 *								 +--> apply_row_{delete,update,insert}
 *		apply_{delete,...} ------+			|
 *											+--> the heap itself   (apply.c)
 *											+--> three statements  (apply_sql.c)
 *											+--> a new heap        (swap.c)
 *											+--> the change buffer, if other
 *												 stream tables read this one
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_APPLY_INTERNAL_H
#define PGT_APPLY_INTERNAL_H

#include "apply/apply.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tupconvert.h"
#include "capture/capture.h"
#include "nodes/execnodes.h"
#include "utils/tuplestore.h"

typedef enum ApplyPath
{
	APPLY_DIRECT,				/* through the table's access method */
	APPLY_STATEMENTS,			/* three SQL statements at the end */
	APPLY_SWAP					/* into a new heap, swapped in at the end */
} ApplyPath;

typedef enum KeyHash
{
	KEY_HASH_PROC,				/* the type's extended hash function */
	KEY_HASH_IMAGE,				/* equal values have equal images */
	KEY_HASH_NONE				/* neither: the recheck does all the work */
} KeyHash;

typedef struct KeyColumn
{
	int			att;			/* offset in the row */
	Oid			collation;
	bool		typbyval;
	int16		typlen;
	FmgrInfo	eq;
	bool		hash_ready;
	KeyHash		hash_kind;
	FmgrInfo	hash;
} KeyColumn;

/*
 * A heap that holds rows: the stream table, or each leaf of a partitioned one.
 */
typedef struct ApplyHeap
{
	Relation	rel;
	Relation	index;			/* NULL for IDENTITY_SINGLE */
	IndexScanDesc index_scan;	/* begun at the first lookup */
	TableScanDesc table_scan;	/* IDENTITY_SINGLE, while a lookup runs */
	TupleTableSlot *slot;		/* leaf's own row; NULL if it is the table */
	TupleConversionMap *map;	/* leaf's layout to the table's, or NULL */
	bool		positioned;		/* at the keys of the current lookup */
	Buffer		buffer;			/* fetch.c: the page looked at last, pinned */
	uint32		row_size;		/* of the row fetched last */
} ApplyHeap;

/* ---- fetch.c ---- */

/* Next row of the heap's index scan, as index_getnext_slot(). */
extern bool fetch_next(ApplyHeap *heap, TupleTableSlot *slot);
extern void fetch_end(ApplyHeap *heap);

/* Rows that wait for one call of table_multi_insert(). */
#define INSERT_BATCH_ROWS	256
#define INSERT_BATCH_BYTES	65536

typedef struct InsertBatch
{
	TupleDesc	desc;			/* of the slots */
	TupleTableSlot *slots[INSERT_BATCH_ROWS];
	int			nslots;			/* made so far */
	int			nrows;
	Size		bytes;
} InsertBatch;

struct ApplyState
{
	MemoryContext context;		/* holds all of this */
	MemoryContext row_context;	/* reset after every row */
	Relation	st;
	TupleDesc	desc;
	const Identity *identity;
	Snapshot	snapshot;
	ApplyPath	path;
	bool		close_st;		/* begun as a swap */
	ApplyCounts counts;

	int			nimage;			/* columns of the image: offsets of all */
	int		   *image;			/* but dropped ones and __pgt_row_id */
	KeyColumn  *keys;
	TupleTableSlot *row;		/* virtual: the row about to be stored */

	/* lookup.c */
	int			nheaps;
	ApplyHeap  *heaps;
	int			nsearch;
	ScanKeyData *search;
	int			lookup_heap;	/* where the current lookup stands */
	bool		other_unique;	/* a unique index besides the identity's */

	/* apply.c */
	ResultRelInfo *result_rel;	/* indexes open; NULL until one is needed */
	EState	   *estate;
	bool		check_row;		/* NOT NULL or CHECK constraints exist */
	bool		may_update;		/* its publications were asked */
	bool		may_delete;
	InsertBatch batch;
	Tuplestorestate *late_inserts;	/* rows that follow every delete */

	CaptureRows *capture;		/* NULL: nobody reads this stream table */
	ApplyObserver observer;		/* or NULL */
	void	   *observer_arg;

	struct ApplyNet *net;		/* net.c; NULL until the first image */
	struct ApplyStatements *statements; /* apply_sql.c */
	struct ApplySwap *swap;		/* swap.c */
};

/* ---- identity.c: what makes two rows the same ---- */
extern void identity_init(ApplyState *state);
extern int64 identity_row_id(ApplyState *state, const Datum *values,
							 const bool *isnull);
extern uint64 identity_key_hash(ApplyState *state, const Datum *keys,
								const bool *isnull);
/* Of two rows; row2 may also be an array of the keys alone. */
extern bool identity_same_key(ApplyState *state, const Datum *row1,
							  const bool *isnull1, const Datum *row2,
							  const bool *isnull2, bool keys_only);
extern bool identity_same_image(ApplyState *state, const Datum *row1,
								const bool *isnull1, const Datum *row2,
								const bool *isnull2);
extern uint32 identity_image_hash32(ApplyState *state, const Datum *values,
									const bool *isnull);
extern bool image_datum_equal(Datum value1, Datum value2, bool typbyval,
							  int16 typlen);

/* ---- lookup.c: where a row is stored ---- */
extern void lookup_init(ApplyState *state);
extern void lookup_end(ApplyState *state);
/*
 * Rows whose index keys equal values (the keys, or the row id), one after the
 * other; the caller rechecks.  Deleting what was returned does not disturb it.
 */
extern void lookup_start(ApplyState *state, const Datum *values,
						 const bool *isnull);
extern bool lookup_next(ApplyState *state, TupleTableSlot *slot);
/* The row of that key, rechecked. */
extern bool lookup_key(ApplyState *state, const Datum *keys,
					   const bool *isnull, TupleTableSlot *slot);

/* ---- apply.c: one row ---- */
extern void apply_row_delete(ApplyState *state, Oid relid, ItemPointer tid,
							 const Datum *values, const bool *isnull);
/* Returns without a change if the images are equal. */
extern void apply_row_update(ApplyState *state, Oid relid, ItemPointer tid,
							 const Datum *old_values, const bool *old_isnull,
							 const Datum *new_values, const bool *new_isnull);
extern void apply_row_insert(ApplyState *state, const Datum *values,
							 const bool *isnull);
extern void apply_flush_inserts(ApplyState *state);

/* ---- apply_sql.c ---- */
extern bool statements_needed(Relation st);
extern void statements_init(ApplyState *state);
extern void statements_delete(ApplyState *state, Oid relid, ItemPointer tid);
extern void statements_update(ApplyState *state, Oid relid, ItemPointer tid);
extern void statements_insert(ApplyState *state);
extern void statements_run(ApplyState *state);

/* ---- swap.c ---- */
extern bool swap_possible(Relation st);
extern void swap_init(ApplyState *state);
extern void swap_insert(ApplyState *state, TupleTableSlot **slots, int nslots);
extern void swap_finish(ApplyState *state);

/* ---- net.c ---- */
extern void net_add(ApplyState *state, const Datum *values, const bool *isnull,
					int32 w, Oid relid, ItemPointer tid);

/* ---- guard.c ---- */
#define GUARD_TRIGGER_NAME "pg_trickle_guard"
#define GUARD_ROW_TRIGGER_NAME "pg_trickle_guard_row"
extern bool guard_is_trigger(const Trigger *trigger);
/* Let the next statement on the table pass, and no other. */
extern void guard_admit(Oid relid);
extern void guard_admit_none(void);

#endif							/* PGT_APPLY_INTERNAL_H */
