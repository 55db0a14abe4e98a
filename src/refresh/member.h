/*-------------------------------------------------------------------------
 *
 * member.h
 *	  One stream table in a refresh.
 *
 * Everything runs as its owner, and under the pinned settings (refresh.h) from
 * where there is more to do than to look.  The order is load, until all members of the
 * group are current at once; open; then the snapshot; check; run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MEMBER_H
#define PGT_MEMBER_H

#include "pgt.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "catalog/catalog.h"
#include "refresh/program_cache.h"
#include "refresh/refresh.h"

typedef enum ActionKind
{
	ACTION_NONE,
	ACTION_DIFFERENTIAL,
	ACTION_FULL,
	ACTION_REINITIALIZE
} ActionKind;

/* See cost.h. */
typedef struct Costs Costs;

/* Everything the refresh of one stream table knows. */
typedef struct Refresh
{
	MemoryContext context;		/* lives as long as this */
	StreamTable *st;			/* read under its refresh lock */
	Oid			owner;
	OwnerContext *owner_context;	/* whom we are */
	Relation	rel;
	CachedProgram *cached;
	DeltaProgram *program;
	Snapshot	snapshot;
	FrontierOwn own;
	Relation   *buffers;		/* per source, NULL if not captured */
	ChangeWindow *windows;		/* per source */
	Costs	   *costs;
	ActionKind	action;
	const char *reason;
	RefreshOutcome outcome;
	ApplyCounts counts;
	ApplyCounts emptied;		/* rows deleted before the snapshot */
	bool		looked_at_row_ids;	/* whether they still mean what they did */
	bool		wrote;			/* the delta, here or to what is kept beside */
	bool		automatic;		/* nobody asked for it */
} Refresh;

/*
 * Compile, lock the sources, and make sure that their changes are captured.
 * False if that was done and nothing has changed since.
 */
extern bool member_load(Refresh *r);

/*
 * The last before the snapshot: no more locks, and no more DDL, after it.  Waiting
 * for its locks may bring news, after which cached->valid is false: then from
 * member_load() on again.
 */
extern void member_open(Refresh *r);

/*
 * What may have happened between the locks and the snapshot, or between the
 * snapshot of a REPEATABLE READ transaction and the locks.
 */
extern void member_check(const Refresh *r, Snapshot snapshot);

/* full_reason: see refresh_run(). */
extern RefreshResult member_run(Refresh *r, Snapshot snapshot,
								const char *full_reason);

#endif							/* PGT_MEMBER_H */
