/*-------------------------------------------------------------------------
 *
 * frontier.h
 *	  How far a stream table has consumed its sources: an MVCC snapshot.
 *
 * A change made by transaction xid is new to a consumer whose frontier is the
 * snapshot S_prev iff xid was not visible in S_prev:
 *
 *		xid >= xmax(S_prev)  OR  xid IN xip(S_prev)
 *
 * A refresh that runs inside a transaction which has itself written a source
 * consumes only the first part of that transaction's changes: those made
 * before the refresh.  For that transaction alone the rule is
 *
 *		part(row) >= own_part
 *
 * because its xid may lie on either side of xmax(S_prev).  The parts of a
 * transaction are divided by the moments at which its refreshes looked at what
 * it had done so far; they are numbered from 0 up, and the number never goes
 * down, not even when a savepoint is rolled back.  (The row's cmin would say
 * the same, but recovery from the WAL does not restore it.)
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_FRONTIER_H
#define PGT_FRONTIER_H

#include "pgt.h"
#include "access/transam.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

typedef struct SourceFrontier
{
	char		key[PGT_STABLE_NAME_LEN + 1];	/* source_key() */
	uint64		xmin;			/* full transaction ids */
	uint64		xmax;
	int			nxip;
	uint64	   *xip;			/* ascending */
	uint64		own_xid;		/* 0: none */
	int			own_part;
} SourceFrontier;

typedef struct Frontier
{
	uint64		sysid;
	Oid			dboid;
	uint64		query;			/* fingerprint of the query that was computed */
	Oid			owner;			/* the role that gave that query; 0: not known */
	uint64		row_ids;		/* program_row_ids() then, 0: not known */
	uint64		part_row_ids;	/* and of its parts */
	uint64		table;			/* storage_signature() then, 0: not known */
	bool		net_first;		/* its deltas are computed by a program that
								 * program_net_first() has changed */
	int			nsources;
	SourceFrontier *sources;
} Frontier;

extern Frontier *frontier_copy(const Frontier *frontier);

/* Was the change (xid, part) invisible to the frontier? */
static inline bool
frontier_is_new(const SourceFrontier *f, uint64 xid, int part)
{
	if (f->own_xid != 0 && xid == f->own_xid)
		return part >= f->own_part;
	if (xid >= f->xmax)
		return true;
	if (xid < f->xmin)
		return false;
	for (int i = 0; i < f->nxip; i++)
		if (f->xip[i] == xid)
			return true;
	return false;
}

/* Which changes of the current transaction itself a refresh looks at. */
typedef struct FrontierOwn
{
	uint64		xid;			/* 0: the snapshot says it all */
	int			part;
} FrontierOwn;

/*
 * Draw the line: what this transaction captured up to now is consumed by the
 * refresh at this snapshot, what it will capture from now on is not.  To be
 * called when the snapshot's command id was set.
 */
extern FrontierOwn frontier_own(Snapshot snapshot);

/*
 * Frontier of the given snapshot for the given sources, palloc'd.  All of
 * them get the same snapshot.  The caller sets all that is about the query.
 */
extern Frontier *frontier_at(Snapshot snapshot, FrontierOwn own, int nsources,
							 const SourceIdentifier *sources);
extern Jsonb *frontier_to_jsonb(const Frontier *frontier);
extern Frontier *frontier_from_jsonb(Jsonb *jsonb);

/* Of a query that nothing was computed by yet: just who gave it. */
extern Frontier *frontier_of_nothing(uint64 query, Oid owner);

/*
 * The entry of one source, or NULL.  A source that has a stable name is found
 * under its oid, too, which is how it was called before it had one.
 */
extern const SourceFrontier *frontier_lookup(const Frontier *frontier,
											 const SourceIdentifier *source);

/* Do its transaction ids mean anything in this database of this cluster? */
extern bool frontier_is_local(const Frontier *frontier);

#endif							/* PGT_FRONTIER_H */
