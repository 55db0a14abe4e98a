/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Scan of the rows of a buffer that can be new to a frontier.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_BUFFER_SCAN_H
#define PGT_BUFFER_SCAN_H

#include "pgt.h"
#include "access/htup.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "refresh/frontier.h"

/*
 * Of the rows that can be new to this frontier, or of all from a block on that
 * is not behind the end.  Ended by table_endscan().  Returns old rows, too, so
 * each has to be asked about.
 */
extern TableScanDesc buffer_scan_begin(Relation buffer, const SourceFrontier *since,
									   Snapshot snapshot);
extern TableScanDesc buffer_scan_from(Relation buffer, BlockNumber start,
									  Snapshot snapshot);
extern uint64 buffer_tuple_xid(HeapTuple tuple);
extern bool buffer_tuple_is_new(HeapTuple tuple, const SourceFrontier *since);

#endif							/* PGT_BUFFER_SCAN_H */
