/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Which of all stream tables have something to do, and how much is kept for
 *	  them: what refresh_has_pending() says of one, for a thousand of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_PENDING_H
#define PGT_MONITOR_PENDING_H

#include "pgt.h"
#include "nodes/pg_list.h"

typedef struct BufferSize
{
	Oid			source;
	int64		bytes;			/* of the change buffer of this source */
} BufferSize;

typedef struct PendingWork
{
	bool	   *pending;		/* might its next refresh do anything? */
	List	   *buffers;		/* of BufferSize *, one for each source */
} PendingWork;

/* Of StreamTable *, in that order.  No lock is held when this returns. */
extern PendingWork *pending_work(List *stream_tables);

#endif							/* PGT_MONITOR_PENDING_H */
