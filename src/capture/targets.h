/*-------------------------------------------------------------------------
 *
 * targets.h
 *	  What this backend knows about the capture of a relation's changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_TARGETS_H
#define PGT_TARGETS_H

#include "pgt.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "capture/capture.h"

#define SOURCE_TRIGGER_KINDS (SOURCE_OBJECT_TRIGGER_ROW + 1)

/* A tracked source that changes of a relation belong to. */
typedef struct CaptureTarget
{
	Oid			source;
	CaptureMode mode;
	Oid			buffer;
	const char *trigger_names[SOURCE_TRIGGER_KINDS];
	int			ncolumns;		/* see buffer_writer_begin() */
	AttrNumber *columns;
	AttrNumber	last_column;	/* the highest of them */
} CaptureTarget;

/*
 * Open the buffer that a trigger of this kind and name feeds from rel, with
 * RowExclusiveLock, and set *target.  NULL if there is none.
 */
extern Relation capture_target_open(Relation rel, SourceObject kind,
									const char *trigger_name,
									const CaptureTarget **target);

/* The same for changes that apply makes to a stream table. */
extern Relation capture_applied_open(Relation st, const CaptureTarget **target);

/* A copy that stays, in CurrentMemoryContext. */
extern CaptureTarget *capture_target_copy(const CaptureTarget *target);

/*
 * Was the capture of a source found complete, and did nothing change since on
 * any relation that this was derived from?  To find that out, begin, look, and
 * cancel if it is not: changes that come to be known meanwhile cancel, too.
 */
extern bool capture_known_good(Oid source);
extern void capture_known_good_begin(Oid source, List *relations);
extern void capture_known_good_cancel(Oid source);

extern void capture_targets_init(void);

#endif							/* PGT_TARGETS_H */
