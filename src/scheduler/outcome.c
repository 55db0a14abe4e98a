/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What follows from a refresh for the queue.
 *
 * From the moment that the unit's changes are taken until the outcome is known
 * it is not in the queue.  Meanwhile, where a refresh worker does it, changes
 * may come, which make it dirty again, and the catalog may be read anew: then
 * the unit is what the stream table is in by now, and members that the outcome
 * does not tell of still have everything to do.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "common/pg_prng.h"
#include "utils/timestamp.h"

#include "scheduler/worker.h"

#define BUSY_FIRST_US			(10 * US_PER_MS)
#define BUSY_LAST_US			US_PER_S
#define TRANSIENT_FIRST_US		(100 * US_PER_MS)
#define TRANSIENT_LAST_US		(10 * US_PER_S)
#define FAILURE_FIRST_US		US_PER_S
#define FAILURE_LAST_US			(60 * US_PER_S)
#define PROBE_SPREAD_US			(1800 * US_PER_S)

/* first, 2 first, 4 first ... last; a tenth of jitter parts what failed together. */
static int64
back_off_us(int times, int64 first, int64 last)
{
	int64		delay = first;

	for (int i = 1; i < times && delay < last; i++)
		delay *= 2;
	delay = Min(delay, last);
	return delay * (0.9 + 0.2 * pg_prng_double(&pg_global_prng_state));
}

/* All that the attempt would have done is still to be done. */
static void
put_back(ScheduledTable *table, TimestampTz ended_at)
{
	ScheduledTable *member = table;

	do
	{
		member->dirty = true;
		member->ended_at = ended_at;
		member = member->next;
	} while (member != table);
}

/*
 * The member of the unit at which the error occurred; NULL if it joined the
 * group without our notice.
 */
static ScheduledTable *
failed_member(ScheduledTable *table, const Outcome *outcome)
{
	ScheduledTable *member = queue_find(outcome->failed);

	return member != NULL && queue_same_group(table, member) ? member : NULL;
}

/* Returns false if the catalog must be read to know whose failure it is. */
static bool
refresh_failed(ScheduledTable *table, const Outcome *outcome)
{
	ScheduledTable *failed = failed_member(table, outcome);
	int64		delay;

	put_back(table, outcome->ended_at);
	if (failed == NULL)
	{
		table->retry_at = table->ended_at +
			back_off_us(++table->transients, TRANSIENT_FIRST_US, TRANSIENT_LAST_US);
		return false;
	}
	if (outcome->end == ATTEMPT_TRANSIENT)
		delay = back_off_us(++failed->transients,
							TRANSIENT_FIRST_US, TRANSIENT_LAST_US);
	else
	{
		int64		first = Max(FAILURE_FIRST_US,
								failed->schedule.is_cron ? 0 : failed->schedule.us);

		if (outcome->suspended)
			failed->status = STREAM_TABLE_SUSPENDED;
		else if (failed->status != STREAM_TABLE_SUSPENDED)
			failed->status = STREAM_TABLE_ERROR;
		delay = back_off_us(++failed->failures, first,
							Max(first, FAILURE_LAST_US));
	}
	failed->retry_at = failed->ended_at + delay;
	return true;
}

static void
refresh_busy(ScheduledTable *table, TimestampTz ended_at)
{
	put_back(table, ended_at);
	table->retry_at = ended_at +
		back_off_us(++table->busy, BUSY_FIRST_US, BUSY_LAST_US);
}

/*
 * How long until the clock is looked at again.  A look that found something is
 * followed by another soon, in ten times what it took; others ever later.
 */
static void
pace_clock(ScheduledTable *table)
{
	int64		us = table->result == REFRESH_NO_DATA ? 2 * table->tick_us :
		10 * (table->ended_at - table->started_at);

	table->tick_us = Min(Max(us, TICK_FIRST_US), TICK_LAST_US);
}

static void
member_succeeded(ScheduledTable *table, const Outcome *outcome)
{
	table->ended_at = outcome->ended_at;
	pace_clock(table);
	table->retry_at = 0;
	table->failures = table->transients = table->busy = 0;
	table->is_populated = true;
	table->needs_reinit = false;

	if (table->result == REFRESH_NO_DATA)
		return;

	table->status = STREAM_TABLE_ACTIVE;
	table->unpruned++;
	for (int i = 0; i < table->nsources; i++)
		trim_suggest(table->sources[i]);
}

/* The result of each member; HELD_BACK for those that nothing was told of. */
static void
read_results(ScheduledTable *table, const Outcome *outcome,
			 const MemberOutcome *members, int maxmembers)
{
	ScheduledTable *member = table;

	do
	{
		member->result = REFRESH_HELD_BACK;
		member = member->next;
	} while (member != table);

	for (int i = 0; i < Min(outcome->nmembers, maxmembers); i++)
	{
		member = queue_find(members[i].relid);
		if (member == NULL || !queue_same_group(table, member))
			continue;
		member->result = members[i].result;
		if (members[i].result != REFRESH_HELD_BACK)
			member->timed = members[i].timed;
	}
}

/*
 * A longer time is believed when it comes for the second time, since the first
 * may have been for compiling; shorter ones bring it down by halves.
 */
static void
learn_time(ScheduledTable *unit, const Outcome *outcome)
{
	int64		us = outcome->ended_at - outcome->started_at;

	if (us < unit->took_us)
		unit->took_us = (unit->took_us + us) / 2;
	else if (outcome->end == ATTEMPT_OVERRUN)
		unit->took_us = us;
	else
		unit->took_us = Max(unit->took_us, Min(us, unit->last_us));
	unit->last_us = us;
}

/* Who was held back, or is not of the group any more, still has it to do. */
static void
refresh_succeeded(ScheduledTable *table, const Outcome *outcome)
{
	ScheduledTable *member = table;

	do
	{
		if (member->result == REFRESH_DONE || member->result == REFRESH_NO_DATA)
			member_succeeded(member, outcome);
		else
			member->dirty = true;
		member = member->next;
	} while (member != table);
}

ScheduledTable *
unit_target(ScheduledTable *table)
{
	ScheduledTable *member = table;

	do
	{
		if (!queue_is_held_back(member))
			return member;
		member = member->next;
	} while (member != table);
	return table;
}

bool
unit_has_reason(const ScheduledTable *table)
{
	const ScheduledTable *member = table;

	do
	{
		if ((member->dirty || !member->is_populated || member->needs_reinit) &&
			!queue_is_held_back(member))
			return true;
		member = member->next;
	} while (member != table);
	return false;
}

static bool
has_timed(const ScheduledTable *table)
{
	const ScheduledTable *member = table;

	do
	{
		if (member->timed)
			return true;
		member = member->next;
	} while (member != table);
	return false;
}

/*
 * Nothing was known to have changed: if the refresh did something all the
 * same, the next one may as well.  A change that came just then proves
 * nothing, nor does what the clock has changed.
 */
static void
learn(ScheduledTable *table, DatabaseSlot *slot)
{
	ScheduledTable *member = table;
	bool		timed = has_timed(table);
	TimestampTz now = GetCurrentTimestamp();

	queue_notice_changes(slot);
	if (unit_has_reason(table))
		return;
	do
	{
		member->probed = true;
		/* not all of them at once the next time */
		member->probed_at = now - PROBE_SPREAD_US * pg_prng_double(&pg_global_prng_state);
		member->recompute = member->uncaptured ||
			(member->result == REFRESH_DONE &&
			 (!timed || member->mode == REFRESH_MODE_FULL));
		member = member->next;
	} while (member != table);
}

void
unit_take_changes(ScheduledTable *table, DatabaseSlot *slot)
{
	ScheduledTable *member = table;
	TimestampTz now = GetCurrentTimestamp();

	do
	{
		queue_set_started(member, now);
		queue_take_changes(member, slot);
		member = member->next;
	} while (member != table);

	/* A later one may have found a change for an earlier one. */
	do
	{
		member->dirty = false;
		member = member->next;
	} while (member != table);
}

static void
table_gone(ScheduledTable *table, TimestampTz ended_at)
{
	put_back(table, ended_at);
	table->retry_at = ended_at +
		back_off_us(++table->failures, FAILURE_FIRST_US, FAILURE_LAST_US);
}

bool
unit_note_outcome(ScheduledTable *table, DatabaseSlot *slot, bool had_reason,
				  const Outcome *outcome, const MemberOutcome *members, int maxmembers)
{
	bool		known = true;

	learn_time(table->first, outcome);
	switch (outcome->end)
	{
		case ATTEMPT_DONE:
			read_results(table, outcome, members, maxmembers);
			refresh_succeeded(table, outcome);
			if (!had_reason)
				learn(table, slot);
			known = outcome->nmembers <= maxmembers;
			break;
		case ATTEMPT_BUSY:
			refresh_busy(table, outcome->ended_at);
			break;
		case ATTEMPT_GONE:
			table_gone(table, outcome->ended_at);
			known = false;
			break;
		case ATTEMPT_TRANSIENT:
		case ATTEMPT_FAILED:
			known = refresh_failed(table, outcome);
			break;
		case ATTEMPT_OVERRUN:
			put_back(table, outcome->ended_at);
			break;
	}
	return known;
}

/* A refresh worker ended in the middle. */
void
unit_note_loss(ScheduledTable *table)
{
	put_back(table, GetCurrentTimestamp());
	table->retry_at = table->ended_at +
		back_off_us(++table->transients, TRANSIENT_FIRST_US, TRANSIENT_LAST_US);
}
