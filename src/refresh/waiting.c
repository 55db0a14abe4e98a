/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  The changes that wait for a stream table: are there any, and are there
 *	  some that nobody waits for any more?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "buffer/buffer.h"
#include "catalog/catalog.h"
#include "dag/dag.h"
#include "miscadmin.h"
#include "refresh/refresh.h"
#include "refresh/storage.h"
#include "storage/bufmgr.h"
#include "utils/snapmgr.h"

/* A buffer of a megabyte is worth trimming. */
#define TRIM_BLOCKS ((1024 * 1024) / BLCKSZ)

static void
trim_sources(const StreamTable *st)
{
	ListCell   *lc;

	foreach(lc, dependency_read(st->pgt_id))
	{
		Dependency *dep = lfirst(lc);
		SourceIdentifier source = dependency_source(dep);
		Oid			buffer = dep->captured ? buffer_relid(&source) : InvalidOid;
		Relation	rel = OidIsValid(buffer) ? try_table_open(buffer, AccessShareLock) : NULL;
		BlockNumber nblocks;

		if (rel == NULL)
			continue;
		nblocks = RelationGetNumberOfBlocks(rel);
		table_close(rel, NoLock);
		if (nblocks < TRIM_BLOCKS)
			continue;
		(void) buffer_trim(&source, 0);
	}
}

/* Has a buffer been met, since somebody asked, that may be worth trimming? */
static bool large_buffer = false;

void
refresh_note_buffer(Relation buffer)
{
	if (RelationGetNumberOfBlocks(buffer) >= TRIM_BLOCKS)
		large_buffer = true;
}

void
refresh_trim_buffers(Oid relid)
{
	ListCell   *lc;

	if (!large_buffer)
		return;
	large_buffer = false;
	foreach(lc, dag_group(relid))
	{
		StreamTable *member = stream_table_read(lfirst_oid(lc), NULL);

		if (member != NULL)
			trim_sources(member);
	}
}

bool
refresh_has_changes(const StreamTable *st)
{
	bool		pushed = !ActiveSnapshotSet();
	bool		pending = false;
	ListCell   *lc;

	if (!st->is_populated || st->frontier == NULL || storage_may_be_reset(st->relid))
		return true;
	if (pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, dependency_read(st->pgt_id))
	{
		Dependency *dep = lfirst(lc);
		SourceIdentifier source = dependency_source(dep);
		const SourceFrontier *since;
		Oid			buffer;
		Relation	rel;

		if (!dep->captured || pending)
			continue;
		since = frontier_lookup(st->frontier, &source);
		buffer = buffer_relid(&source);
		rel = OidIsValid(buffer) ? try_table_open(buffer, AccessShareLock) : NULL;
		if (since == NULL || rel == NULL)
			pending = true;
		else
			pending = buffer_has_changes(rel, since, GetActiveSnapshot());
		if (rel != NULL)
			table_close(rel, AccessShareLock);
	}
	if (pushed)
		PopActiveSnapshot();
	return pending;
}

/* May the time alone have changed the result? */
static bool
clock_has_moved(const StreamTable *st)
{
	return st->evaluated_at != 0 &&
		st->evaluated_at != GetCurrentTransactionStartTimestamp();
}

bool
refresh_pending_by_itself(const StreamTable *st)
{
	/* without its query nobody knows what it should hold */
	return !st->is_populated || !OidIsValid(st->defview) || st->needs_reinit ||
		st->definition_moved || st->frontier == NULL ||
		storage_may_be_reset(st->relid) || clock_has_moved(st);
}

bool
refresh_has_pending(const StreamTable *st)
{
	ListCell   *lc;

	check_stack_depth();
	if (refresh_pending_by_itself(st) || refresh_has_changes(st))
		return true;
	foreach(lc, dependency_read(st->pgt_id))
	{
		Dependency *dep = lfirst(lc);

		/* changes of a source that is not captured cannot be ruled out */
		if (!dependency_is_captured(dep))
			return true;
		if (stream_table_exists(dep->source) &&
			refresh_has_pending(stream_table_read(dep->source, NULL)))
			return true;
	}
	return false;
}
