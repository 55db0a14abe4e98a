/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  One refresh of a unit by the scheduler, in whatever process.
 *
 * A unit is a stream table, or a consistency group.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_ATTEMPT_H
#define PGT_ATTEMPT_H

#include "pgt.h"
#include "datatype/timestamp.h"

#include "refresh/refresh.h"

typedef enum AttemptEnd
{
	ATTEMPT_DONE,				/* the members say what they did */
	ATTEMPT_BUSY,				/* somebody else refreshes one of them */
	ATTEMPT_GONE,				/* the relation does not exist any more */
	ATTEMPT_TRANSIENT,			/* an error that passes by itself */
	ATTEMPT_FAILED,				/* an error, which was recorded */
	ATTEMPT_OVERRUN				/* took too long for where it ran, and was undone */
} AttemptEnd;

typedef struct MemberOutcome
{
	Oid			relid;
	RefreshResult result;
	bool		timed;			/* the clock is an input */
} MemberOutcome;

/* What became of it.  Without pointers, for shared memory. */
typedef struct Outcome
{
	AttemptEnd	end;
	TimestampTz started_at;
	TimestampTz ended_at;
	Oid			failed;			/* at which member the error occurred */
	bool		suspended;		/* that one, by this error */
	int			nmembers;		/* that were told; may be more than there is room for */
} Outcome;

/*
 * Refresh the unit of the stream table, and record a failure.  After budget_us
 * (0: never) it is cancelled and undone.  Of the members, the first maxmembers
 * are written to members.
 */
extern void attempt_run(Oid target, const char *name, int64 budget_us,
						Outcome *outcome, MemberOutcome *members, int maxmembers);

/* In a process that gives budgets, once. */
extern void attempt_init(void);

#endif							/* PGT_ATTEMPT_H */
