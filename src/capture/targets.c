/*-------------------------------------------------------------------------
 *
 * targets.c
 *	  What this backend knows about the capture of a relation's changes.
 *
 * Two small caches, one by the relation that triggers fire on, one by source.
 * An entry names the relations that it was derived from, and is void after an
 * invalidation message for any of them: writing or deleting a tracking row
 * sends one for the source, its partitions and the buffer, and all DDL does so
 * for the relation it changes.
 *
 * A buffer is opened by what an entry says and may be altered while we wait
 * for its lock, so the entry is looked at again afterwards.  Once the lock is
 * had it stays right to the end of the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "buffer/buffer.h"
#include "buffer/buffer_columns.h"
#include "capture/targets.h"
#include "catalog/catalog.h"

typedef struct TargetsEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	MemoryContext context;		/* holds what is below */
	int			ntargets;
	CaptureTarget *targets;
	List	   *watched;		/* oids */
} TargetsEntry;

typedef struct GoodEntry
{
	Oid			source;			/* hash key */
	bool		valid;
	MemoryContext context;
	List	   *watched;
} GoodEntry;

static HTAB *targets_cache = NULL;
static HTAB *good_cache = NULL;

/* Called at any time, so it only marks. */
static void
relation_changed(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	TargetsEntry *entry;
	GoodEntry  *good;

	hash_seq_init(&status, targets_cache);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->valid &&
			(relid == InvalidOid || list_member_oid(entry->watched, relid)))
			entry->valid = false;

	hash_seq_init(&status, good_cache);
	while ((good = hash_seq_search(&status)) != NULL)
		if (good->valid &&
			(relid == InvalidOid || list_member_oid(good->watched, relid)))
			good->valid = false;
}

/* A table became, or is no longer, fed by logical replication. */
static void
subscription_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	GoodEntry  *good;

	hash_seq_init(&status, good_cache);
	while ((good = hash_seq_search(&status)) != NULL)
		good->valid = false;
}

void
capture_targets_init(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.hcxt = TopMemoryContext;
	ctl.entrysize = sizeof(TargetsEntry);
	targets_cache = hash_create("pg_trickle capture targets", 64, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ctl.entrysize = sizeof(GoodEntry);
	good_cache = hash_create("pg_trickle checked sources", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	relations_watch(relation_changed);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP, subscription_changed, (Datum) 0);
}

/* Attribute of rel that has the name of the source's, 0 if there is none. */
static AttrNumber
attribute_of(Relation rel, Oid source, AttrNumber attnum)
{
	char	   *name;

	if (attnum == InvalidAttrNumber || RelationGetRelid(rel) == source)
		return attnum;
	name = get_attname(source, attnum, true);
	return name ? get_attnum(RelationGetRelid(rel), name) : InvalidAttrNumber;
}

/*
 * Values of a column whose type changed behind our back cannot be stored, nor
 * must they keep the writer from writing: they are left out, and
 * capture_check() finds out.
 */
static void
map_columns(CaptureTarget *target, Relation rel, TupleDesc buffer)
{
	TupleDesc	desc = RelationGetDescr(rel);

	target->ncolumns = buffer->natts - BUFFER_FIXED_ATTRS;
	target->columns = palloc0(sizeof(AttrNumber) * Max(target->ncolumns, 1));
	target->last_column = 0;
	for (int i = 0; i < target->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(buffer, BUFFER_FIXED_ATTRS + i);
		AttrNumber	attnum = attribute_of(rel, target->source, buffer_source_column(att));

		if (attnum <= 0 || attnum > desc->natts ||
			!buffer_column_matches(att, TupleDescAttr(desc, attnum - 1)))
			continue;
		target->columns[i] = attnum;
		target->last_column = Max(target->last_column, attnum);
	}
}

static bool
fill_target(CaptureTarget *target, Relation rel, Oid source)
{
	ChangeTracking *tracking = change_tracking_read(source);
	Relation	buffer;

	if (tracking == NULL)
		return false;
	target->source = source;
	target->mode = tracking->mode;
	target->buffer = buffer_relid(&tracking->source);
	if (!OidIsValid(target->buffer))
		return false;
	buffer = try_table_open(target->buffer, AccessShareLock);
	if (buffer == NULL)
		return false;
	for (int kind = 0; kind < SOURCE_TRIGGER_KINDS; kind++)
		target->trigger_names[kind] =
			source_object_name((SourceObject) kind, &tracking->source);
	map_columns(target, rel, RelationGetDescr(buffer));
	table_close(buffer, AccessShareLock);
	return true;
}

static void
fill_entry(TargetsEntry *entry, Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	MemoryContext old;
	List	   *candidates = NIL;
	ListCell   *lc;

	if (entry->context)
		MemoryContextReset(entry->context);
	else
		entry->context = AllocSetContextCreate(CacheMemoryContext,
											   "pg_trickle capture targets",
											   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(entry->context);
	if (rel->rd_rel->relispartition)
		candidates = get_partition_ancestors(relid);
	candidates = lcons_oid(relid, candidates);
	entry->ntargets = 0;
	entry->targets = palloc0(sizeof(CaptureTarget) * list_length(candidates));
	entry->watched = list_copy(candidates);

	/*
	 * Valid before it is filled: a message that comes in while it is being
	 * filled voids it again.
	 */
	entry->valid = true;
	foreach(lc, candidates)
	{
		CaptureTarget *target = &entry->targets[entry->ntargets];

		if (!fill_target(target, rel, lfirst_oid(lc)))
			continue;
		entry->watched = lappend_oid(entry->watched, target->buffer);
		entry->ntargets++;
	}
	MemoryContextSwitchTo(old);
}

static TargetsEntry *
entry_lookup(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	TargetsEntry *entry;
	bool		found;

	entry = hash_search(targets_cache, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->valid = false;
		entry->context = NULL;
		entry->watched = NIL;
	}
	if (!entry->valid)
	{
		PG_TRY();
		{
			fill_entry(entry, rel);
		}
		PG_CATCH();
		{
			entry->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return entry;
}

/* What the trigger feeds, or, without a name, what apply does. */
static bool
target_matches(const CaptureTarget *target, Oid relid, SourceObject kind,
			   const char *trigger_name)
{
	if (trigger_name == NULL)
		return target->mode == CAPTURE_BY_APPLY && target->source == relid;
	return strcmp(target->trigger_names[kind], trigger_name) == 0;
}

Relation
capture_target_open(Relation rel, SourceObject kind, const char *trigger_name,
					const CaptureTarget **target)
{
	for (;;)
	{
		TargetsEntry *entry = entry_lookup(rel);
		CaptureTarget *found = NULL;
		Relation	buffer;

		for (int i = 0; i < entry->ntargets && found == NULL; i++)
			if (target_matches(&entry->targets[i], RelationGetRelid(rel),
							   kind, trigger_name))
				found = &entry->targets[i];
		if (found == NULL && entry->valid)
			return NULL;
		if (found == NULL)
			continue;

		buffer = try_table_open(found->buffer, RowExclusiveLock);
		if (entry->valid)
		{
			*target = found;
			return buffer;
		}
		if (buffer)
			table_close(buffer, RowExclusiveLock);
	}
}

Relation
capture_applied_open(Relation st, const CaptureTarget **target)
{
	return capture_target_open(st, SOURCE_OBJECT_BUFFER, NULL, target);
}

CaptureTarget *
capture_target_copy(const CaptureTarget *target)
{
	CaptureTarget *copy = palloc(sizeof(CaptureTarget));

	*copy = *target;
	copy->columns = palloc(sizeof(AttrNumber) * Max(target->ncolumns, 1));
	memcpy(copy->columns, target->columns, sizeof(AttrNumber) * target->ncolumns);
	return copy;
}

bool
capture_known_good(Oid source)
{
	GoodEntry  *good = hash_search(good_cache, &source, HASH_FIND, NULL);

	return good != NULL && good->valid;
}

void
capture_known_good_begin(Oid source, List *relations)
{
	bool		found;
	GoodEntry  *good = hash_search(good_cache, &source, HASH_ENTER, &found);
	MemoryContext old;

	if (!found)
		good->context = NULL;
	good->valid = false;
	if (good->context)
		MemoryContextReset(good->context);
	else
		good->context = AllocSetContextCreate(CacheMemoryContext,
											  "pg_trickle checked source",
											  ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(good->context);
	good->watched = list_copy(relations);
	MemoryContextSwitchTo(old);
	good->valid = true;
}

void
capture_known_good_cancel(Oid source)
{
	GoodEntry  *good = hash_search(good_cache, &source, HASH_FIND, NULL);

	if (good)
		good->valid = false;
}
