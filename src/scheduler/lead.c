/*-------------------------------------------------------------------------
 *
 * lead.c
 *	  How long before the end of its schedule a refresh starts.
 *
 *		lead = margin + what it takes + how late others were * idle share,
 *			   not more than half of the schedule
 *		margin = a tenth of the schedule, at most 100 ms
 *
 * so that it has ended, and can be seen, when the schedule ends.  How late: the
 * longest that a unit was under way or waited beyond what its refresh takes, of
 * those that were due in the last RECENT_US to 2 RECENT_US.  That counts in the
 * queue before it, and a processor that this process must share.  When they are
 * not late any more the lead shrinks again.
 *
 * To refresh earlier is to refresh more often, so it takes time, of which there
 * must be some: the share of the same seconds in which there was nothing to do.
 * Where there was none, all would only get later by it.
 *
 * To this come between nothing and another margin, at random.  What was refreshed
 * in one go, after a pause or a restart, would else be due at once again, each
 * time.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "common/pg_prng.h"

#include "scheduler/worker.h"

#define MARGIN_SHARE	10
#define MARGIN_LAST_US	(100 * US_PER_MS)
#define RECENT_US		(5 * US_PER_S)

/* What was seen in some seconds. */
typedef struct Seen
{
	TimestampTz since;
	int64		late_us;		/* the longest */
	int64		idle_us;		/* all together */
} Seen;

static Seen recent = {0};
static Seen before = {0};		/* in those before */

static void
forget_old(TimestampTz now)
{
	if (now - recent.since < RECENT_US)
		return;
	before = recent;
	recent = (Seen) {.since = now};
	if (now - before.since >= 2 * RECENT_US)
		before = recent;
}

void
lead_note_late(int64 us, TimestampTz now)
{
	forget_old(now);
	recent.late_us = Max(recent.late_us, us);
}

void
lead_note_idle(int64 us, TimestampTz now)
{
	forget_old(now);
	recent.idle_us += us;
}

static double
idle_share(TimestampTz now)
{
	int64		elapsed = now - before.since;

	return elapsed > 0 ? Min((double) (before.idle_us + recent.idle_us) / elapsed, 1) : 0;
}

int64
lead_us(int64 schedule_us, int64 took_us, TimestampTz now)
{
	int64		margin = Min(schedule_us / MARGIN_SHARE, MARGIN_LAST_US);
	int64		late;

	forget_old(now);
	late = Max(recent.late_us, before.late_us) * idle_share(now);
	return Min(margin + took_us + late, schedule_us / 2 - margin) +
		margin * pg_prng_double(&pg_global_prng_state);
}
