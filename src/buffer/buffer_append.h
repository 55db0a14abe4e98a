/*-------------------------------------------------------------------------
 *
 * buffer_append.h
 *	  The only way rows get into a buffer: at its end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_BUFFER_APPEND_H
#define PGT_BUFFER_APPEND_H

#include "pgt.h"
#include "access/htup.h"
#include "utils/rel.h"

/* A statement's first row goes to one of so many blocks at the end. */
#define BUFFER_TAIL_BLOCKS	4

/* Before the first row of a statement; the transaction has its id already. */
extern void buffer_append_begin(Relation buffer);
extern void buffer_append_one(Relation buffer, HeapTuple tuple, CommandId cid);

#endif							/* PGT_BUFFER_APPEND_H */
