/*-------------------------------------------------------------------------
 *
 * floor.h
 *	  Where in a buffer a window can begin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_FLOOR_H
#define PGT_FLOOR_H

#include "pgt.h"
#include "storage/block.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "refresh/frontier.h"

/*
 * First block that can hold a row that is new to the frontier.  Also notes
 * where the buffer ends now, for later calls.
 */
extern BlockNumber floor_start(Relation buffer, const SourceFrontier *since);

/*
 * A scan from floor_start() to the end, under this snapshot, saw no row that
 * is new to the frontier.
 */
extern void floor_nothing_new(Relation buffer, const SourceFrontier *since,
							  Snapshot snapshot);

#endif							/* PGT_FLOOR_H */
