/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Changed rows of one relation on their way to one buffer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_CAPTURE_ROWS_H
#define PGT_CAPTURE_ROWS_H

#include "pgt.h"
#include "access/tupdesc.h"

#include "buffer/buffer.h"
#include "capture/capture.h"
#include "capture/targets.h"

struct CaptureRows
{
	MemoryContext context;		/* the writer lives here */
	Relation	buffer;
	const CaptureTarget *target;
	TupleDesc	desc;			/* of the rows, which are given as arrays of
								 * at least target->last_column attributes */
	BufferWriter *writer;		/* NULL before the first row */
};

/* Besides what capture.h has. */
extern void capture_rows_marker(CaptureRows *rows);

#endif							/* PGT_CAPTURE_ROWS_H */
