/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Which stream table is due, and when.
 *
 * A schedule is a target of staleness, so a stream table is due
 *
 *		after a change					at the target
 *		while not populated, or invalid	at the target
 *		if the clock is an input		at the target, or a tick
 *		if it must be recomputed		at the target, not within a second
 *		if a source is polled			at the target, not within a second
 *
 *		target = started_at + schedule, or the first time after started_at that a
 *				 cron expression names
 *
 * but not before retry_at, nor within REST_US of the end of its last refresh:
 * without that rest, a worker that follows every commit takes a share of the
 * processors that writers feel.
 *
 * A consistency group is refreshed as one, so it is due when its first member
 * is, and rests until its last one may be tried again.  Members that are held
 * back (refresh.c) are not counted.  What one member writes makes no other
 * member of its group dirty: it was refreshed in the same transaction.
 *
 * A stream table that is due waits for those that it reads, if these are due
 * too: it would have to be refreshed again after them.
 *
 * Time passes without an event, so a schedule of less than 100 ms, such as '0s',
 * is a wish that nobody could keep: then the clock is looked at by ticks of
 * 100 ms, which grow to 1 s while nothing is found, and with what a look takes
 * (attempt.c).  Data is followed at once all the same.
 *
 * Whether it must be recomputed without a change is known if a source is not
 * captured.  Otherwise (a function of the query may not be immutable) it is
 * learned, by one refresh when no change is known, from whether it found
 * anything to do.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"
#include "dag/dag.h"
#include "scheduler/scheduler.h"
#include "scheduler/worker.h"

#define REST_US			US_PER_MS
#define RECOMPUTE_US	US_PER_S

static MemoryContext queue_context = NULL;
static ScheduledTable *tables = NULL;
static int	ntables = 0;

/* The bits that were set, and noticed, and not taken since. */
static uint32 noticed[CHANGE_WORDS];

/* ---- reading the catalog ---- */

static ScheduledTable *
find_table(int64 pgt_id)
{
	for (int i = 0; i < ntables; i++)
		if (tables[i].pgt_id == pgt_id)
			return &tables[i];
	return NULL;
}

/* In known lie the schedules that were found so far. */
static void
load_schedule(ScheduledTable *table, const StreamTable *st, HTAB *known)
{
	const char *text = schedule_in_force(st, known);

	if (schedule_read(text, &table->schedule))
		return;
	ereport(LOG,
			(errmsg("invalid schedule \"%s\" of stream table \"%s.%s\"",
					text, st->schema, st->name),
			 errdetail("pg_trickle.default_schedule is used instead."),
			 errhint("Set another schedule with alter_stream_table().")));
	/* a check hook guards the setting */
	(void) schedule_read(pgt_default_schedule, &table->schedule);
}

void
queue_set_started(ScheduledTable *table, TimestampTz started_at)
{
	table->started_at = started_at;
	table->target = schedule_next(&table->schedule, started_at);
}

static void
load_sources(ScheduledTable *table)
{
	List	   *dependencies = dependency_read(table->pgt_id);
	ListCell   *lc;

	table->nsources = 0;
	table->sources = palloc(sizeof(Oid) * Max(list_length(dependencies), 1));
	foreach(lc, dependencies)
	{
		Dependency *dependency = lfirst(lc);

		if (dependency->captured)
			table->sources[table->nsources++] = dependency->source;
		else
			table->uncaptured = true;
	}

	if (table->nsources == 0)
		table->uncaptured = true;
}

static bool
same_sources(const ScheduledTable *a, const ScheduledTable *b)
{
	return a->nsources == b->nsources &&
		memcmp(a->sources, b->sources, sizeof(Oid) * a->nsources) == 0;
}

/*
 * Keep what was learned, except that any change of the catalog may have
 * changed the query.
 */
static void
carry_over(ScheduledTable *table, const ScheduledTable *old)
{
	queue_set_started(table, Max(table->started_at, old->started_at));
	table->ended_at = old->ended_at;
	table->unpruned = old->unpruned;
	table->pruned_at = old->pruned_at;

	table->resumed = old->status == STREAM_TABLE_SUSPENDED &&
		table->status != STREAM_TABLE_SUSPENDED;
	if (!same_sources(table, old))
		return;

	table->tick_us = old->tick_us;
	table->dirty = old->dirty;
	table->busy = old->busy;
	if (old->status != STREAM_TABLE_SUSPENDED)
	{
		table->retry_at = old->retry_at;
		table->failures = old->failures;
		table->transients = old->transients;
	}
	if (table->is_populated && !table->needs_reinit)
		table->recompute = table->recompute || old->recompute;
}

static void
load_table(ScheduledTable *table, const StreamTable *st, HTAB *known)
{
	ScheduledTable *old = find_table(st->pgt_id);

	memset(table, 0, sizeof(*table));
	table->pgt_id = st->pgt_id;
	table->relid = st->relid;
	table->name = quote_qualified_identifier(st->schema, st->name);
	table->mode = st->mode;
	table->status = st->status;
	table->is_populated = st->is_populated;
	table->needs_reinit = st->needs_reinit;
	load_schedule(table, st, known);
	load_sources(table);

	/* so that a restart does not refresh everything at once */
	queue_set_started(table, Min(st->data_timestamp, GetCurrentTimestamp()));
	table->dirty = true;
	table->recompute = table->uncaptured;
	table->probed = table->uncaptured;
	table->timed = st->evaluated_at != 0;
	if (old)
		carry_over(table, old);
}

static ScheduledTable *
find_among(ScheduledTable *among, int n, Oid relid)
{
	for (int i = 0; i < n; i++)
		if (among[i].relid == relid)
			return &among[i];
	return NULL;
}

/* Tie the members of a group together, from its first one on. */
static void
link_group(ScheduledTable *loaded, int nloaded, ScheduledTable *table)
{
	List	   *relids = dag_group(table->relid);
	ScheduledTable *last = table;
	bool		resumed = false;
	ListCell   *lc;

	table->next = table;
	if (list_length(relids) < 2)
		return;
	foreach(lc, relids)
	{
		ScheduledTable *member = find_among(loaded, nloaded, lfirst_oid(lc));

		if (member == NULL)
			continue;
		resumed |= member->resumed;
		if (member == table)
			continue;
		member->next = table;
		last->next = member;
		last = member;
	}

	/* What was held back has been left behind without becoming dirty. */
	if (resumed)
		for (last = table->next; last != table; last = last->next)
			last->dirty = true;
	table->dirty |= resumed;
}

static void
link_upstream(ScheduledTable *loaded, int nloaded, ScheduledTable *table)
{
	table->upstream = palloc(sizeof(ScheduledTable *) * Max(table->nsources, 1));
	table->nupstream = 0;
	for (int i = 0; i < table->nsources; i++)
	{
		ScheduledTable *source = find_among(loaded, nloaded, table->sources[i]);

		if (source)
			table->upstream[table->nupstream++] = source;
	}
}

static void
link_tables(ScheduledTable *loaded, int nloaded)
{
	for (int i = 0; i < nloaded; i++)
		if (loaded[i].next == NULL)
			link_group(loaded, nloaded, &loaded[i]);
	for (int i = 0; i < nloaded; i++)
		link_upstream(loaded, nloaded, &loaded[i]);
}

static void
queue_load_task(void *arg)
{
	bool	   *exists = arg;
	MemoryContext context;
	MemoryContext save;
	ScheduledTable *loaded;
	int			nloaded = 0;
	List	   *list;
	HTAB	   *known;
	ListCell   *lc;

	*exists = pgt_extension_exists();
	if (!*exists)
		return;

	list = stream_table_read_all();
	known = schedules_begin();
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_trickle queue",
									ALLOCSET_DEFAULT_SIZES);
	save = MemoryContextSwitchTo(context);
	loaded = palloc(sizeof(ScheduledTable) * Max(list_length(list), 1));
	foreach(lc, list)
		load_table(&loaded[nloaded++], lfirst(lc), known);
	link_tables(loaded, nloaded);
	MemoryContextSwitchTo(save);

	trim_load(change_tracking_read_all());

	MemoryContextSetParent(context, TopMemoryContext);
	if (queue_context)
		MemoryContextDelete(queue_context);
	queue_context = context;
	tables = loaded;
	ntables = nloaded;
}

bool
queue_load(void)
{
	bool		exists = true;

	/* if it cannot be read now, go on with what is known */
	worker_try_log("reading the list of stream tables", queue_load_task, &exists);
	return exists;
}

/* ---- changes ---- */

static inline uint32
bit_mask(Oid source)
{
	return (uint32) 1 << (change_bit(source) % 32);
}

static inline int
bit_word(Oid source)
{
	return change_bit(source) / 32;
}

bool
queue_same_group(const ScheduledTable *a, const ScheduledTable *b)
{
	const ScheduledTable *member = a;

	do
	{
		if (member == b)
			return true;
		member = member->next;
	} while (member != a);
	return false;
}

static bool
is_in_group(const ScheduledTable *table, Oid source)
{
	for (const ScheduledTable *member = table->next; member != table; member = member->next)
		if (member->relid == source)
			return true;
	return false;
}

/* Stream tables that read a source whose bit is in bits become dirty. */
static void
mark_dirty(const uint32 *bits)
{
	for (int i = 0; i < ntables; i++)
	{
		ScheduledTable *table = &tables[i];

		for (int j = 0; j < table->nsources && !table->dirty; j++)
			if ((bits[bit_word(table->sources[j])] & bit_mask(table->sources[j])) &&
				!is_in_group(table, table->sources[j]))
				table->dirty = true;
	}
}

void
queue_notice_changes(DatabaseSlot *slot)
{
	uint32		news[CHANGE_WORDS];
	uint32		any = 0;

	for (int i = 0; i < CHANGE_WORDS; i++)
	{
		news[i] = pg_atomic_read_u32(&slot->changed[i]) & ~noticed[i];
		noticed[i] |= news[i];
		any |= news[i];
	}
	if (any)
		mark_dirty(news);
}

bool
queue_has_news(DatabaseSlot *slot)
{
	for (int i = 0; i < CHANGE_WORDS; i++)
		if (pg_atomic_read_u32(&slot->changed[i]) & ~noticed[i])
			return true;
	return false;
}

void
queue_mark_all(void)
{
	for (int i = 0; i < ntables; i++)
		if (tables[i].nsources > 0)
			tables[i].dirty = true;
}

/*
 * A bit that was set after the last notice concerns other stream tables of
 * the same source as well; they have to learn it before it is cleared.
 */
void
queue_take_changes(ScheduledTable *table, DatabaseSlot *slot)
{
	uint32		news[CHANGE_WORDS] = {0};
	uint32		any = 0;

	for (int j = 0; j < table->nsources; j++)
	{
		int			word = bit_word(table->sources[j]);
		uint32		mask = bit_mask(table->sources[j]);
		uint32		old = pg_atomic_fetch_and_u32(&slot->changed[word], ~mask);

		news[word] |= old & mask & ~noticed[word];
		any |= news[word];
		noticed[word] &= ~mask;
	}
	if (any)
		mark_dirty(news);
	table->dirty = false;
}

/* ---- order ---- */

bool
queue_is_held_back(const ScheduledTable *table)
{
	if (table->status == STREAM_TABLE_SUSPENDED)
		return true;
	for (int i = 0; table->next != table && i < table->nupstream; i++)
		if (queue_same_group(table, table->upstream[i]) &&
			queue_is_held_back(table->upstream[i]))
			return true;
	return false;
}

/* When may the group be refreshed? */
static TimestampTz
ready_at(const ScheduledTable *table)
{
	const ScheduledTable *member = table;
	TimestampTz ready = 0;

	do
	{
		if (member->status != STREAM_TABLE_SUSPENDED)
			ready = Max(ready, Max(member->retry_at, member->ended_at + REST_US));
		member = member->next;
	} while (member != table);
	return ready;
}

/* When is the clock looked at? */
static TimestampTz
tick_at(const ScheduledTable *table)
{
	if (table->schedule.us >= TICK_FIRST_US)
		return table->target;
	return table->started_at + Max(table->tick_us, TICK_FIRST_US);
}

/*
 * A refresh that reads a whole source again, however little has changed, does
 * not follow every commit.
 */
static TimestampTz
target_at(const ScheduledTable *table)
{
	bool		whole = table->uncaptured ||
		!(table->dirty || !table->is_populated || table->needs_reinit);

	return whole ? Max(table->target, table->started_at + RECOMPUTE_US) : table->target;
}

static TimestampTz
due_at(const ScheduledTable *table)
{
	TimestampTz due = DT_NOEND;

	if (table->dirty || !table->is_populated || table->needs_reinit)
		due = target_at(table);
	else if (table->timed && table->mode != REFRESH_MODE_FULL && !table->uncaptured)
		due = tick_at(table);
	else if (table->recompute || !table->probed)
		due = target_at(table);

	if (due == DT_NOEND || queue_is_held_back(table))
		return DT_NOEND;
	return Max(due, ready_at(table));
}

/* A stream table outside of the group that it reads, and that is due. */
static ScheduledTable *
due_upstream(ScheduledTable *table, TimestampTz now)
{
	ScheduledTable *member = table;

	do
	{
		for (int i = 0; i < member->nupstream; i++)
			if (due_at(member->upstream[i]) <= now &&
				!queue_same_group(table, member->upstream[i]))
				return member->upstream[i];
		member = member->next;
	} while (member != table);
	return NULL;
}

ScheduledTable *
queue_first(TimestampTz *due)
{
	ScheduledTable *first = NULL;

	*due = DT_NOEND;
	for (int i = 0; i < ntables; i++)
	{
		TimestampTz at = due_at(&tables[i]);

		if (at < *due)
		{
			*due = at;
			first = &tables[i];
		}
	}
	if (first != NULL)
	{
		TimestampTz now = GetCurrentTimestamp();
		ScheduledTable *before = first;

		while (*due <= now && (before = due_upstream(first, now)) != NULL)
			first = before;
	}
	return first;
}

ScheduledTable *
queue_find(Oid relid)
{
	return find_among(tables, ntables, relid);
}

int
queue_length(void)
{
	return ntables;
}

ScheduledTable *
queue_get(int i)
{
	return &tables[i];
}
