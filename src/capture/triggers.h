/*-------------------------------------------------------------------------
 *
 * triggers.h
 *	  Which triggers a source needs, and whether they are as we make them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_TRIGGERS_H
#define PGT_TRIGGERS_H

#include "pgt.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

#include "capture/capture.h"

/* Oids of the partitions of a source, itself not, locked as asked. */
extern List *source_partitions(Oid source, LOCKMODE lockmode);

/* How changes of this source can be captured. */
extern CaptureMode source_capture_mode(Oid source);

/* Does capture by one mode see all that the other would? */
extern bool capture_mode_serves(CaptureMode mode, CaptureMode wanted);

/* Should a relation of a source have this kind of trigger? */
extern bool trigger_wanted(SourceObject kind, char relkind, CaptureMode mode);


/* Does rel have the trigger, enabled and else as we would make it? */
extern bool trigger_in_place(Relation rel, SourceObject kind,
							 const ChangeTracking *tracking);

/* Names of all triggers of a relation that call a function of ours. */
extern List *triggers_of_ours(Oid relid);

/* See signature.c. */
extern uint64 capture_signature(const ChangeTracking *tracking);

/* Make it, or make it again; the caller is the superuser, and has no reference. */
extern void trigger_install(Oid relid, SourceObject kind,
							const ChangeTracking *tracking);

/* Remove it, if it is there. */
extern void trigger_remove(Oid relid, SourceObject kind,
						   const SourceIdentifier *source);

/*
 * Make, or remove, the function that the triggers of a source without a stable
 * name call.  Nothing for others.  The caller is the superuser.
 */
extern void trigger_function_ensure(const SourceIdentifier *source);
extern void trigger_function_remove(const SourceIdentifier *source);

#endif							/* PGT_TRIGGERS_H */
