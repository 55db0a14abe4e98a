/*-------------------------------------------------------------------------
 *
 * housekeeping.c
 *	  What a worker does besides refreshing: trim change buffers, prune the
 *	  history.
 *
 * A buffer is looked at after a refresh that read it, at most once a second,
 * and trimmed if it is worth it.  Trimming takes a lock that conflicts with
 * writers, and while it waits for that lock new writers wait behind it.  So it
 * waits for a few milliseconds only, and backs off when it could not have it, or
 * when a consumer still needs the rows.  Where writers overlap all the time, the
 * lock is free no sooner than after the longest of their transactions; hence it
 * waits the longer, the more seldom it tries:
 *
 *		wait = TRIM_WAIT_FIRST_MS at first, then back_off * TRIM_WAIT_SHARE,
 *			   up to TRIM_WAIT_LAST_MS
 *
 * That is no more than that share of the writers' time, whatever they do, and
 * no longer than one unit may keep another one waiting.  A buffer stays bounded
 * unless transactions are longer than TRIM_WAIT_LAST_MS and overlap all the time.
 *
 * Each of these pieces is small, but there may be one for each stream table.  So
 * they are done one at a time, between refreshes.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <limits.h>

#include "access/relation.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "buffer/buffer.h"
#include "catalog/catalog.h"
#include "scheduler/worker.h"

#define TRIM_WAIT_FIRST_MS	5
#define TRIM_WAIT_LAST_MS	100
#define TRIM_WAIT_SHARE		(1.0 / 50)
#define TRIM_MIN_BLOCKS		((1024 * 1024) / BLCKSZ)
#define TRIM_FIRST_US		US_PER_S
#define TRIM_LAST_US		(60 * US_PER_S)

#define PRUNE_REFRESHES		256
#define PRUNE_IDLE_US		(3600 * US_PER_S)

typedef enum TrimResult
{
	TRIM_SMALL,					/* not worth it */
	TRIM_DONE,
	TRIM_NOT_YET
} TrimResult;

typedef struct TrimTarget
{
	SourceIdentifier source;
	bool		suggested;
	TimestampTz not_before;
	int64		back_off_us;
	TrimResult	result;
} TrimTarget;

static MemoryContext trim_context = NULL;
static TrimTarget *targets = NULL;
static int	ntargets = 0;

static void
carry_over(TrimTarget *target)
{
	for (int i = 0; i < ntargets; i++)
	{
		if (targets[i].source.oid == target->source.oid)
		{
			target->suggested = targets[i].suggested;
			target->not_before = targets[i].not_before;
			target->back_off_us = targets[i].back_off_us;
			return;
		}
	}
}

void
trim_load(List *tracked)
{
	MemoryContext context;
	TrimTarget *loaded;
	int			nloaded = 0;
	ListCell   *lc;

	context = AllocSetContextCreate(TopMemoryContext, "pg_trickle buffers to trim",
									ALLOCSET_SMALL_SIZES);
	loaded = MemoryContextAllocZero(context, sizeof(TrimTarget) *
									Max(list_length(tracked), 1));
	foreach(lc, tracked)
	{
		TrimTarget *target = &loaded[nloaded++];

		target->source = ((ChangeTracking *) lfirst(lc))->source;
		target->suggested = true;
		target->back_off_us = TRIM_FIRST_US;
		carry_over(target);
	}

	if (trim_context)
		MemoryContextDelete(trim_context);
	trim_context = context;
	targets = loaded;
	ntargets = nloaded;
}

void
trim_suggest(Oid source)
{
	for (int i = 0; i < ntargets; i++)
		if (targets[i].source.oid == source)
			targets[i].suggested = true;
}

TimestampTz
trim_due(void)
{
	TimestampTz due = DT_NOEND;

	for (int i = 0; i < ntargets; i++)
		if (targets[i].suggested)
			due = Min(due, targets[i].not_before);
	return due;
}

/* Does not stand in the way of the trimming that may follow. */
static BlockNumber
buffer_blocks(const SourceIdentifier *source)
{
	Oid			relid = buffer_relid(source);
	Relation	buffer;
	BlockNumber blocks;

	if (!OidIsValid(relid))
		return 0;
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return 0;
	buffer = try_relation_open(relid, NoLock);
	if (buffer == NULL)
	{
		UnlockRelationOid(relid, AccessShareLock);
		return 0;
	}
	blocks = RelationGetNumberOfBlocks(buffer);
	relation_close(buffer, AccessShareLock);
	return blocks;
}

static int
wait_ms(const TrimTarget *target)
{
	if (target->back_off_us == TRIM_FIRST_US)
		return TRIM_WAIT_FIRST_MS;
	return Min((int) (target->back_off_us / US_PER_MS * TRIM_WAIT_SHARE), TRIM_WAIT_LAST_MS);
}

static void
trim_task(void *arg)
{
	TrimTarget *target = arg;

	if (buffer_blocks(&target->source) <= TRIM_MIN_BLOCKS)
		target->result = TRIM_SMALL;
	else if (buffer_trim(&target->source, wait_ms(target)))
		target->result = TRIM_DONE;
	else
		target->result = TRIM_NOT_YET;
}

static void
trim_one(TrimTarget *target, TimestampTz now)
{
	target->result = TRIM_NOT_YET;
	worker_try_log("trimming a change buffer", trim_task, target);

	if (target->result == TRIM_NOT_YET)
		target->back_off_us = Min(target->back_off_us * 2, TRIM_LAST_US);
	else
	{
		target->suggested = false;
		target->back_off_us = TRIM_FIRST_US;
	}
	target->not_before = now + target->back_off_us;
}

/* The one that has waited longest, so that all get their turn. */
void
trim_next(TimestampTz now)
{
	TrimTarget *next = NULL;

	for (int i = 0; i < ntargets; i++)
		if (targets[i].suggested && targets[i].not_before <= now &&
			(next == NULL || targets[i].not_before < next->not_before))
			next = &targets[i];
	if (next != NULL)
		trim_one(next, now);
}

/* ---- history ---- */

/* The next one to look at, and whether it is pruned in any case. */
static int	prune_position = INT_MAX;
static bool prune_all = false;

static void
prune_task(void *arg)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	history_prune(((ScheduledTable *) arg)->pgt_id);
	PopActiveSnapshot();
}

static void
prune_one(ScheduledTable *table, TimestampTz now)
{
	table->unpruned = 0;
	table->pruned_at = now;
	worker_try_log("pruning the refresh history", prune_task, table);
}

void
prune_unit_history(ScheduledTable *table, TimestampTz now)
{
	ScheduledTable *member = table;

	do
	{
		if (member->unpruned >= PRUNE_REFRESHES)
			prune_one(member, now);
		member = member->next;
	} while (member != table);
}

void
prune_begin(void)
{
	static int	known_retention = -1;

	prune_position = 0;
	prune_all = known_retention != pgt_history_retention;
	known_retention = pgt_history_retention;
}

bool
prune_under_way(void)
{
	return prune_position < queue_length();
}

/* What did not grow has only its age to lose. */
void
prune_next(TimestampTz now)
{
	while (prune_under_way())
	{
		ScheduledTable *table = queue_get(prune_position++);

		if (prune_all || table->unpruned > 0 || now - table->pruned_at >= PRUNE_IDLE_US)
		{
			prune_one(table, now);
			return;
		}
	}
}
