/*-------------------------------------------------------------------------
 *
 * consolidate.h
 *	  Net the rows of a window by image.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_CONSOLIDATE_H
#define PGT_CONSOLIDATE_H

#include "pgt.h"
#include "access/tupdesc.h"
#include "nodes/execnodes.h"

#include "buffer/buffer.h"

typedef struct Consolidation Consolidation;

/* desc: (w int4, column, ...).  State lives in CurrentMemoryContext. */
extern Consolidation *consolidate_begin(TupleDesc desc, bool unit_weights);

/*
 * Leave out, of the rows that were netted, those that do not satisfy qual, which
 * is asked of any slot of desc as the scan's tuple of econtext.  Rows that need
 * no netting are not asked, nor are any once memory has run out.
 */
extern void consolidate_filter(Consolidation *c, ExprState *qual,
							   ExprContext *econtext);

/*
 * Where the caller puts the columns of the next row, from the second entry on;
 * they are not changed by the calls.
 */
extern Datum *consolidate_values(Consolidation *c);
extern bool *consolidate_isnull(Consolidation *c);

/*
 * A difference A - B that must be complete, whatever memory it takes: after
 * consolidate_hold() all of B is taken in with its signs reversed and kept;
 * after consolidate_meet() the rows of A, w = 1, cancel what they meet there,
 * and are written if they meet nothing.  Only B is in memory.
 */
extern void consolidate_hold(Consolidation *c);
extern void consolidate_meet(Consolidation *c);

/* Take in the row that stands there w times, w <> 0. */
extern void consolidate_add(Consolidation *c, int w);

/* Write it as it is, netted with nothing; all rows of a window, or none. */
extern void consolidate_pass(Consolidation *c, int w);

/* Fill rows, nrows, has_negative and partial, and forget the state. */
extern void consolidate_end(Consolidation *c, ChangeWindow *window);

/* Forget the state and the rows. */
extern void consolidate_discard(Consolidation *c);

#endif							/* PGT_CONSOLIDATE_H */
