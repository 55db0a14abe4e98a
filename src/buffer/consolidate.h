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

#include "buffer/buffer.h"

typedef struct Consolidation Consolidation;

/* desc: (w int4, column, ...).  State lives in CurrentMemoryContext. */
extern Consolidation *consolidate_begin(TupleDesc desc, bool unit_weights);

/*
 * Where the caller puts the columns of the next row, from the second entry on;
 * they are not changed by the calls.
 */
extern Datum *consolidate_values(Consolidation *c);
extern bool *consolidate_isnull(Consolidation *c);

/* Take in the row that stands there, w = 1 or -1. */
extern void consolidate_add(Consolidation *c, int w);

/* Fill rows, nrows and has_negative, and forget the state. */
extern void consolidate_end(Consolidation *c, ChangeWindow *window);

/* Forget the state and the rows. */
extern void consolidate_discard(Consolidation *c);

#endif							/* PGT_CONSOLIDATE_H */
