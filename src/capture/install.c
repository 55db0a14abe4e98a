/*-------------------------------------------------------------------------
 *
 * install.c
 *	  Begin, widen, repair, narrow and end the capture of a source.
 *
 * All of it happens under ShareRowExclusiveLock on the source and its
 * partitions, held to the end of the transaction: no writer is open, and of
 * two who change the same capture the second sees what the first has done.
 *
 * When capture turns out to have been incomplete, changes may have been lost.
 * Every consumer must hear of it, so a marker, the row that a TRUNCATE leaves,
 * goes into the buffer: it is new to all frontiers, and makes each consumer
 * compute its result anew.
 *
 * Locks:  source, then its partitions in the order of their oids, then the
 *		   buffer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "buffer/buffer.h"
#include "buffer/superuser.h"
#include "capture/announce.h"
#include "capture/capture.h"
#include "capture/targets.h"
#include "capture/triggers.h"
#include "catalog/catalog.h"
#include "catalog/placement.h"

static bool
relation_exists(Oid relid)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid));
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

static void
report_name_in_use(Oid source, const ChangeTracking *other)
{
	/* Quoted, so that "a.b".c and a."b.c" look different. */
	char	   *name = qualified_name(source);
	char	   *other_name = qualified_name(other->source.oid);

	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("cannot track table %s and table %s under the same stable name",
					name, other_name),
			 errdetail("Stable name %s belongs to %s, whose name when it was first tracked has the same hash as %s.",
					   other->source.stable_name, other_name, name),
			 errhint("Give %s another name while the first stream table on it is created.",
					 name)));
}

static void
name_source(SourceIdentifier *source, Oid relid)
{
	const char *text = pgt_debug_stable_name;
	ChangeTracking *other;

	source->oid = relid;
	source->stable_name[0] = '\0';
	if (!change_tracking_has_names())
		return;
	if (text[0] == '\0')
		text = psprintf("%u/%s.%s", MyDatabaseId,
						get_namespace_name(get_rel_namespace(relid)),
						get_rel_name(relid));
	stable_hash(text, strlen(text), source->stable_name);
	other = change_tracking_read_by_name(source->stable_name);
	if (other == NULL)
		return;
	if (relation_exists(other->source.oid))
		report_name_in_use(relid, other);
	capture_remove(other);
}

static void
check_columns(Oid source, const Bitmapset *columns)
{
	Relation	rel = table_open(source, NoLock);
	int			attnum = -1;

	while ((attnum = bms_next_member(columns, attnum)) >= 0)
	{
		Form_pg_attribute att;

		if (attnum < 1 || attnum > RelationGetNumberOfAttributes(rel))
			elog(ERROR, "invalid column number %d", attnum);
		att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
		if (att->attisdropped)
			elog(ERROR, "column number %d was dropped", attnum);

		/* Not stored, hence not in what triggers are given. */
		if (att->attgenerated == 'v')
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot capture changes of column \"%s\" of table \"%s\"",
							NameStr(att->attname), RelationGetRelationName(rel)),
					 errdetail("It is a virtual generated column."),
					 errhint("Use its expression in the query instead, or refresh mode FULL.")));
	}
	table_close(rel, NoLock);
}

static void
install_on_relation(const ChangeTracking *tracking, Oid relid)
{
	for (int i = SOURCE_OBJECT_TRIGGER_INSERT; i < SOURCE_TRIGGER_KINDS; i++)
	{
		SourceObject kind = (SourceObject) i;
		Relation	rel = table_open(relid, NoLock);
		bool		in_place = trigger_in_place(rel, kind, tracking);

		/* DDL wants no open reference. */
		table_close(rel, NoLock);
		if (!trigger_wanted(kind, get_rel_relkind(relid), tracking->mode))
			trigger_remove(relid, kind, &tracking->source);
		else if (!in_place)
			trigger_install(relid, kind, tracking);
	}
}

static void
install_triggers(const ChangeTracking *tracking)
{
	SuperuserContext ctx;
	ListCell   *lc;

	superuser_enter(&ctx);
	if (tracking->mode != CAPTURE_BY_APPLY)
		trigger_function_ensure(&tracking->source);
	install_on_relation(tracking, tracking->source.oid);
	foreach(lc, tracking->partitions)
		install_on_relation(tracking, lfirst_oid(lc));
	superuser_leave(&ctx);
}

void
capture_mark(const ChangeTracking *tracking)
{
	Oid			buffer = buffer_relid(&tracking->source);
	Relation	rel = OidIsValid(buffer) ? try_table_open(buffer, RowExclusiveLock) : NULL;
	BufferWriter *writer;

	if (rel == NULL)
		return;
	writer = buffer_writer_begin(rel, RelationGetNumberOfAttributes(rel) - BUFFER_FIXED_ATTRS, NULL);
	buffer_writer_marker(writer);
	buffer_writer_end(writer);
	table_close(rel, NoLock);
	capture_note(tracking->source.oid);
	CommandCounterIncrement();
}

/*
 * Nobody needs what is in the buffer, since everybody has to compute his result
 * anew.  Rows of transactions of another cluster would do harm: their ids may be
 * those of transactions to come.
 */
static void
start_afresh(const ChangeTracking *tracking)
{
	if (change_tracking_is_foreign(tracking))
		buffer_empty(&tracking->source);
	capture_mark(tracking);
}

/* Remove our triggers from a relation that may be gone. */
static void
remove_from_relation(const ChangeTracking *tracking, Oid relid)
{
	Relation	rel;

	if (tracking->mode == CAPTURE_BY_APPLY)
		return;
	rel = try_relation_open(relid, AccessExclusiveLock);
	if (rel == NULL)
		return;
	relation_close(rel, NoLock);
	for (int i = SOURCE_OBJECT_TRIGGER_INSERT; i < SOURCE_TRIGGER_KINDS; i++)
		trigger_remove(relid, (SourceObject) i, &tracking->source);
}

ChangeTracking *
capture_ensure(Oid source, const Bitmapset *columns)
{
	ChangeTracking *tracking;
	char	   *reason;
	char	   *broken = NULL;
	bool		is_new;
	ListCell   *lc;

	LockRelationOid(source, ShareRowExclusiveLock);
	reason = capture_unsupported_reason(source);
	if (reason)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot capture changes of \"%s\"", get_rel_name(source)),
				 errdetail("Relation \"%s\" %s.", get_rel_name(source), reason),
				 errhint("Use refresh mode FULL.")));
	check_columns(source, columns);

	tracking = change_tracking_read(source);
	is_new = tracking == NULL;
	if (is_new)
	{
		tracking = palloc0(sizeof(ChangeTracking));
		name_source(&tracking->source, source);
		tracking->partitions = source_partitions(source, ShareRowExclusiveLock);
	}
	else
	{
		List	   *partitions = source_partitions(source, ShareRowExclusiveLock);

		broken = capture_check(tracking);
		foreach(lc, list_difference_oid(tracking->partitions, partitions))
			remove_from_relation(tracking, lfirst_oid(lc));
		tracking->partitions = partitions;
	}
	tracking->mode = source_capture_mode(source);
	tracking->placement = placement_of(source).kind;

	buffer_ensure(&tracking->source, columns);
	if (is_new || broken)
	{
		install_triggers(tracking);
		tracking->signature = capture_signature(tracking);
		change_tracking_write(tracking);
	}
	if (broken)
		start_afresh(tracking);
	return tracking;
}

/* Remove our triggers from wherever they may be, and their function. */
static void
remove_triggers(const ChangeTracking *tracking)
{
	List	   *relations = list_make1_oid(tracking->source.oid);
	ListCell   *lc;

	/* Detached partitions still carry triggers. */
	if (relation_exists(tracking->source.oid))
		relations = list_concat_unique_oid(relations,
										   source_partitions(tracking->source.oid,
															 AccessExclusiveLock));
	relations = list_concat_unique_oid(relations, tracking->partitions);
	foreach(lc, relations)
		remove_from_relation(tracking, lfirst_oid(lc));
	trigger_function_remove(&tracking->source);
}

void
capture_remove(const ChangeTracking *tracking)
{
	SuperuserContext ctx;

	superuser_enter(&ctx);
	remove_triggers(tracking);
	change_tracking_delete(tracking);
	buffer_drop(&tracking->source);
	superuser_leave(&ctx);
}

void
capture_withdraw(Oid source)
{
	List	   *relations = lcons_oid(source, source_partitions(source, AccessShareLock));
	SuperuserContext ctx;
	ListCell   *lc;
	ListCell   *lc2;

	superuser_enter(&ctx);
	foreach(lc, relations)
		foreach(lc2, triggers_of_ours(lfirst_oid(lc)))
			cluster_drop_trigger(lfirst_oid(lc), lfirst(lc2));
	superuser_leave(&ctx);
}

static bool
has_captured_consumer(Oid source)
{
	ListCell   *lc;

	foreach(lc, dependency_consumers(source))
	{
		StreamTable *st = stream_table_read(lfirst_oid(lc), NULL);
		ListCell   *lc2;

		foreach(lc2, st ? dependency_read(st->pgt_id) : NIL)
		{
			Dependency *dep = lfirst(lc2);

			if (dep->source == source && dep->captured)
				return true;
		}
	}
	return false;
}

/* No trigger goes while there is a consumer, and a stream table has none. */
static bool
may_remove_triggers(Oid source)
{
	return !has_captured_consumer(source) && !stream_table_exists(source);
}

void
capture_adjust(Oid source)
{
	ChangeTracking *tracking;

	/*
	 * As strong as it will be needed: an upgrade could deadlock with the
	 * creator of a stream table, who reads the source already.
	 */
	LockRelationOid(source, may_remove_triggers(source) ?
					AccessExclusiveLock : ShareRowExclusiveLock);
	tracking = change_tracking_read(source);
	if (tracking == NULL)
		return;
	if (!relation_exists(source) || !has_captured_consumer(source))
		capture_remove(tracking);
	else
		buffer_narrow(&tracking->source, dependency_columns(source));
}

static int
compare_sources(const ListCell *a, const ListCell *b)
{
	Oid			oid1 = ((ChangeTracking *) lfirst(a))->source.oid;
	Oid			oid2 = ((ChangeTracking *) lfirst(b))->source.oid;

	return (oid1 > oid2) - (oid1 < oid2);
}

void
capture_lock_all(void)
{
	List	   *all;
	ListCell   *lc;

	LockRelationOid(pgt_catalog_relid("pgt_stream_tables"), AccessExclusiveLock);
	all = change_tracking_read_all();
	list_sort(all, compare_sources);
	foreach(lc, all)
	{
		ChangeTracking *tracking = lfirst(lc);
		bool		applied = tracking->mode == CAPTURE_BY_APPLY;
		ListCell   *lc2;

		/* Only refreshes write a stream table. */
		LockRelationOid(tracking->source.oid,
						applied ? AccessShareLock : AccessExclusiveLock);
		if (applied)
			continue;
		if (relation_exists(tracking->source.oid))
			(void) source_partitions(tracking->source.oid, AccessExclusiveLock);
		foreach(lc2, tracking->partitions)
			LockRelationOid(lfirst_oid(lc2), AccessExclusiveLock);
	}
}

void
capture_rename(Oid source, const char *stable_name)
{
	ChangeTracking *tracking = change_tracking_read(source);
	SourceIdentifier before;
	bool		exists = relation_exists(source);
	char	   *broken = NULL;
	SuperuserContext ctx;

	if (tracking == NULL)
		elog(ERROR, "relation %u is not tracked", source);
	before = tracking->source;

	/* After this the signature would not tell. */
	if (exists)
		broken = capture_check(tracking);
	superuser_enter(&ctx);
	remove_triggers(tracking);
	strlcpy(tracking->source.stable_name, stable_name ? stable_name : "",
			sizeof(tracking->source.stable_name));
	buffer_rename(&before, &tracking->source);
	superuser_leave(&ctx);
	if (exists)
	{
		tracking->partitions = source_partitions(source, AccessExclusiveLock);
		install_triggers(tracking);
		tracking->signature = capture_signature(tracking);
	}
	change_tracking_write(tracking);
	dependency_rename(&tracking->source);
	if (broken)
		start_afresh(tracking);
}
