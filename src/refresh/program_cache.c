/*-------------------------------------------------------------------------
 *
 * program_cache.c
 *	  Keep compiled queries as long as nothing they were compiled from changes.
 *
 * An entry is invalidated by a relcache message about any relation of the
 * query, views and partitions included, about the stream table, by
 * one about a type that the query's statements may name, and by any message
 * about the other kinds of objects whose names stand in the text of a
 * statement, and about roles.  Of types, only those of the query count, because
 * every table that is created or dropped, be it a temporary one or the new
 * contents of a materialized view, has a row type.  A kept plan that PostgreSQL plans
 * again is parsed again from its text, so names in it must be current.  Messages are
 * processed when a lock is taken, so an entry that is still valid after all
 * its locks were taken is current.
 *
 * Nothing in a program refers to a buffer, which gets another file each time that
 * it is trimmed.  So after a message about one only what is known of the sources
 * beside the program is read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/relation.h"
#include "access/xact.h"
#include "buffer/buffer.h"
#include "capture/capture.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "refresh/program_cache.h"
#include "refresh/refresh.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static HTAB *programs = NULL;

/* Has an entry become invalid since the last sweep? */
static bool may_sweep = false;

static void
invalidate(CachedProgram *entry)
{
	entry->valid = false;
	may_sweep = true;
}

static bool
depends_on(const CachedProgram *entry, Oid relid)
{
	if (entry->relid == relid || entry->program == NULL ||
		list_member_oid(program_watched(entry->program), relid) ||
		list_member_oid(entry->parts, relid))
		return true;
	for (int i = 0; i < entry->nsources; i++)
		if (list_member_oid(entry->sources[i].partitions, relid))
			return true;
	return false;
}

static bool
has_buffer(const CachedProgram *entry, Oid relid)
{
	for (int i = 0; i < entry->nsources; i++)
		if (entry->sources[i].buffer == relid)
			return true;
	return false;
}

static void
relcache_callback(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	CachedProgram *entry;

	if (programs == NULL)
		return;
	hash_seq_init(&status, programs);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (!OidIsValid(relid) || depends_on(entry, relid))
			invalidate(entry);
		else if (has_buffer(entry, relid))
			entry->sources_valid = false;
}

static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	relcache_callback(arg, InvalidOid);
}

static bool
names_type(const CachedProgram *entry, uint32 hashvalue)
{
	if (hashvalue == 0 || !entry->types_known)
		return true;
	for (int i = 0; i < entry->ntypes; i++)
		if (entry->types[i] == hashvalue)
			return true;
	return false;
}

static void
type_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	CachedProgram *entry;

	if (programs == NULL)
		return;
	hash_seq_init(&status, programs);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (names_type(entry, hashvalue))
			invalidate(entry);
}

static void
lock_source(CachedSource *source)
{
	ListCell   *lc;

	LockRelationOid(source->id.oid, AccessShareLock);
	foreach(lc, source->partitions)
		LockRelationOid(lfirst_oid(lc), AccessShareLock);
	if (OidIsValid(source->buffer))
		LockRelationOid(source->buffer, AccessShareLock);
}

static void
lock_sources(CachedProgram *entry)
{
	ListCell   *lc;

	foreach(lc, program_watched(entry->program))
		LockRelationOid(lfirst_oid(lc), AccessShareLock);
	for (int i = 0; i < entry->nsources; i++)
		lock_source(&entry->sources[i]);
}

static const Dependency *
find_dependency(List *dependencies, Oid source)
{
	ListCell   *lc;

	foreach(lc, dependencies)
		if (((Dependency *) lfirst(lc))->source == source)
			return lfirst(lc);
	return NULL;
}

/* What a refresh must know of one source beyond the program. */
static void
load_source(CachedProgram *entry, ProgramSource *from, CachedSource *source)
{
	ChangeTracking *tracking = NULL;
	MemoryContext old;

	memset(source, 0, sizeof(CachedSource));
	source->id.oid = from->relid;
	if (get_rel_relkind(from->relid) == RELKIND_PARTITIONED_TABLE)
	{
		old = MemoryContextSwitchTo(entry->sources_context);
		source->partitions = find_all_inheritors(from->relid, AccessShareLock, NULL);
		MemoryContextSwitchTo(old);
	}
	if (from->uncapturable != NULL)
		return;

	tracking = change_tracking_read(from->relid);
	if (tracking == NULL)
	{
		entry->capture_problem = psprintf("changes of source \"%s\" were not captured",
										  get_rel_name(from->relid));
		return;
	}
	source->id = tracking->source;
	source->buffer = buffer_relid(&source->id);
	if (OidIsValid(source->buffer))
		LockRelationOid(source->buffer, AccessShareLock);
	if (entry->capture_problem == NULL)
		entry->capture_problem = OidIsValid(source->buffer) ?
			capture_check(tracking) :
			psprintf("the change buffer of source \"%s\" is gone",
					 get_rel_name(from->relid));
}

static void
discard(CachedProgram *entry)
{
	if (entry->program != NULL)
		program_free(entry->program);
	entry->program = NULL;
	entry->nsources = 0;
	entry->sources = NULL;
	entry->capture_problem = NULL;
	entry->types_known = false;
	entry->storage_known_good = false;
	entry->parts = NIL;
	entry->table = 0;
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	entry->context = NULL;
}

/*
 * Where the rows of a source are decides how its changes get to be known, and
 * may change: why what is recorded of the sources is out of date, or NULL.
 */
static char *
placement_problem(const CachedProgram *entry, const StreamTable *st)
{
	List	   *dependencies = dependency_read(st->pgt_id);
	ListCell   *lc;

	foreach(lc, program_sources(entry->program))
	{
		const ProgramSource *source = lfirst(lc);
		const Dependency *recorded = find_dependency(dependencies, source->relid);
		bool		current = recorded == NULL ? !source->placement.managed :
			recorded->placement == source->placement.kind &&
			!(recorded->captured && source->placement.managed);

		if (!current)
			return psprintf("source \"%s\" has become %s", get_rel_name(source->relid),
							placement_describe(&source->placement));
	}
	return NULL;
}

/* From now on other types' messages are passed over. */
static void
load_types(CachedProgram *entry)
{
	List	   *types;
	bool		known = program_types(entry->program, &types);
	ListCell   *lc;

	entry->types = palloc(sizeof(uint32) * (list_length(types) + 1));
	entry->ntypes = 0;
	foreach(lc, types)
		entry->types[entry->ntypes++] =
			GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(lfirst_oid(lc)));
	entry->types_known = known;
}

/* Has a refresh found that this must be? */
static bool
wants_net_first(const StreamTable *st)
{
	return st->frontier != NULL && st->frontier->net_first;
}

DeltaProgram *
program_compile_for(const StreamTable *st)
{
	DeltaProgram *program = program_compile(st->defview);

	/* of another query, nothing has been found yet */
	if (wants_net_first(st) &&
		st->frontier->query == program_fingerprint(program))
		(void) program_net_first(program);
	return program;
}

/*
 * A message that arrives meanwhile, or an error, leaves them invalid.  What is read
 * only to be looked at is not kept.
 */
static void
load_sources(CachedProgram *entry, const StreamTable *st)
{
	ListCell   *lc;

	entry->nsources = 0;
	entry->capture_problem = NULL;
	MemoryContextReset(entry->sources_context);
	entry->sources_valid = true;
	PG_TRY();
	{
		foreach(lc, program_sources(entry->program))
		{
			load_source(entry, lfirst(lc), &entry->sources[entry->nsources]);
			entry->nsources++;
		}
		if (entry->capture_problem == NULL)
			entry->capture_problem = placement_problem(entry, st);
		if (entry->capture_problem != NULL)
			entry->capture_problem = MemoryContextStrdup(entry->sources_context,
														 entry->capture_problem);
	}
	PG_CATCH();
	{
		entry->sources_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
compile(CachedProgram *entry, const StreamTable *st)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_trickle program",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old;

	discard(entry);
	old = MemoryContextSwitchTo(context);
	entry->program = program_compile_for(st);
	entry->defview = st->defview;
	entry->net_first = wants_net_first(st);
	entry->sources = palloc0(sizeof(CachedSource) *
							 (list_length(program_sources(entry->program)) + 1));
	load_types(entry);
	MemoryContextSwitchTo(old);
	entry->sources_context = AllocSetContextCreate(context, "pg_trickle sources",
												   ALLOCSET_SMALL_SIZES);
	load_sources(entry, st);
	entry->placement = placement_of(st->relid);
	MemoryContextSetParent(context, CacheMemoryContext);
	entry->context = context;
}

static CachedProgram *
find_entry(Oid relid)
{
	CachedProgram *entry;
	bool		found;

	if (programs == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(CachedProgram),
			.hcxt = TopMemoryContext
		};

		programs = hash_create("pg_trickle programs", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(programs, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(entry, 0, sizeof(CachedProgram));
		entry->relid = relid;
	}
	return entry;
}

CachedProgram *
program_cache_get(const StreamTable *st, OwnerContext *ctx)
{
	CachedProgram *entry = find_entry(st->relid);

	for (;;)
	{
		entry->used_at = GetCurrentTransactionStartTimestamp();
		if (entry->valid && entry->defview == st->defview &&
			entry->net_first == wants_net_first(st))
		{
			lock_sources(entry);
			if (entry->valid && !entry->sources_valid)
				load_sources(entry, st);
			if (entry->valid && entry->sources_valid)
				return entry;
			if (entry->valid)
				continue;
		}

		/*
		 * Messages that arrive while we compile clear the flag again, and
		 * the loop compiles once more.  An error leaves no program behind.
		 */
		entry->valid = false;
		discard(entry);
		owner_context_settings(ctx);
		entry->valid = true;
		PG_TRY();
		{
			compile(entry, st);
		}
		PG_CATCH();
		{
			entry->program = NULL;
			entry->context = NULL;
			entry->nsources = 0;
			entry->types_known = false;
			entry->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
}

void
program_cache_forget(Oid relid)
{
	CachedProgram *entry = find_entry(relid);

	entry->valid = false;
	discard(entry);
	hash_search(programs, &relid, HASH_REMOVE, NULL);
}

void
program_cache_sweep(void)
{
	HASH_SEQ_STATUS status;
	CachedProgram *entry;

	if (!may_sweep)
		return;
	may_sweep = false;
	hash_seq_init(&status, programs);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (!entry->valid)
			program_cache_forget(entry->relid);
}

/* Longest unused first. */
static int
compare_used(const void *a, const void *b)
{
	TimestampTz used_a = (*(CachedProgram *const *) a)->used_at;
	TimestampTz used_b = (*(CachedProgram *const *) b)->used_at;

	return used_a < used_b ? -1 : used_a > used_b;
}

/*
 * What lies below CacheMemoryContext are mostly plans, so the memory of all of
 * it, by the number of programs, is about what each of them takes.
 */
void
refresh_trim_programs(Size budget, TimestampTz unused_since)
{
	Size		total = MemoryContextMemAllocated(CacheMemoryContext, true);
	int			nentries = programs ? hash_get_num_entries(programs) : 0;
	CachedProgram **entries;
	HASH_SEQ_STATUS scan;
	CachedProgram *entry;
	int			n = 0;

	if (total <= budget || nentries == 0)
		return;
	entries = palloc(sizeof(CachedProgram *) * nentries);
	hash_seq_init(&scan, programs);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->used_at < unused_since)
			entries[n++] = entry;
	qsort(entries, n, sizeof(CachedProgram *), compare_used);
	n = Min(n, (int) ((total - budget) / Max(total / nentries, 1)) + 1);
	for (int i = 0; i < n; i++)
		program_cache_forget(entries[i]->relid);
	pfree(entries);
#ifdef __GLIBC__
	/* it lies between what stays, and would be kept for us alone */
	if (n > 0)
		malloc_trim(0);
#endif
}

void
program_cache_init(void)
{
	relations_watch(relcache_callback);
	CacheRegisterSyscacheCallback(PROCOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(COLLOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AMOPOPID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, syscache_callback, (Datum) 0);
}
