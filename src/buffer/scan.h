/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Scan of the rows of a buffer, and whether one is new to a frontier.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_BUFFER_SCAN_H
#define PGT_BUFFER_SCAN_H

#include "pgt.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "refresh/frontier.h"

/* Of all rows from a block on that is not behind the end; see table_endscan(). */
extern TableScanDesc buffer_scan_from(Relation buffer, BlockNumber start,
									  Snapshot snapshot);

/* The fixed columns xid, w and part come first and are never null. */
static inline bool
buffer_tuple_is_new(HeapTuple tuple, const SourceFrontier *since)
{
	const char *row = (const char *) tuple->t_data + tuple->t_data->t_hoff;
	uint64		xid;
	int16		part;

	memcpy(&xid, row, sizeof(xid));
	memcpy(&part, row + sizeof(uint64) + sizeof(int16), sizeof(part));
	return frontier_is_new(since, xid, part);
}

#endif							/* PGT_BUFFER_SCAN_H */
