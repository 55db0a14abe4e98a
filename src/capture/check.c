/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Can the changes of a relation be captured, and are they?
 *
 * A refresh asks each time, so the answer "yes" is remembered until something
 * changes on the source, a partition, the buffer, or in pg_subscription_rel.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "buffer/buffer.h"
#include "buffer/buffer_columns.h"
#include "capture/capture.h"
#include "capture/targets.h"
#include "capture/triggers.h"
#include "catalog/catalog.h"
#include "catalog/placement.h"

/* What keeps this one relation from being captured, partitions aside. */
static const char *
relation_reason(Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	char	   *schema = get_namespace_name(get_rel_namespace(relid));
	Placement	placement;

	switch (relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_VIEW:
			return "is a view";
		case RELKIND_MATVIEW:
			return "is a materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "is a foreign table";
		default:
			return "is not a table";
	}
	if (relid < FirstNormalObjectId || schema == NULL ||
		strcmp(schema, "pg_catalog") == 0 || strcmp(schema, "information_schema") == 0)
		return "is a system catalog";
	if (strcmp(schema, PGT_SCHEMA) == 0 || strcmp(schema, PGT_CHANGES_SCHEMA) == 0)
		return "belongs to pg_trickle";
	if (get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		return "is a temporary table";

	/* A crash empties it without firing a trigger. */
	if (get_rel_persistence(relid) == RELPERSISTENCE_UNLOGGED)
		return "is an unlogged table";

	/* Triggers on it do not fire: its rows are in other tables. */
	placement = placement_of(relid);
	if (placement.managed)
		return psprintf("is %s", placement_describe(&placement));
	return NULL;
}

char *
capture_unsupported_reason(Oid relid)
{
	const char *reason = relation_reason(relid);
	ListCell   *lc;

	if (reason)
		return pstrdup(reason);
	foreach(lc, source_partitions(relid, NoLock))
	{
		reason = relation_reason(lfirst_oid(lc));
		if (reason)
			return psprintf("has partition \"%s\", which %s",
							get_rel_name(lfirst_oid(lc)), reason);
	}
	return NULL;
}

static char *
check_buffer(const ChangeTracking *tracking, Relation source)
{
	Oid			relid = buffer_relid(&tracking->source);
	Relation	buffer = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
	TupleDesc	desc = RelationGetDescr(source);
	char	   *reason = NULL;

	if (buffer == NULL)
		return psprintf("the change buffer of \"%s\" is missing",
						RelationGetRelationName(source));
	if (!buffer_is_ours(relid))
		reason = psprintf("the change buffer of \"%s\" belongs to a role",
						  RelationGetRelationName(source));
	for (int i = BUFFER_FIXED_ATTRS; i < RelationGetNumberOfAttributes(buffer) && !reason; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(buffer), i);
		AttrNumber	attnum = buffer_source_column(att);

		if (attnum <= 0 || attnum > desc->natts ||
			TupleDescAttr(desc, attnum - 1)->attisdropped)
			continue;
		if (!buffer_column_matches(att, TupleDescAttr(desc, attnum - 1)))
			reason = psprintf("the type of column \"%s\" of \"%s\" was changed",
							  NameStr(TupleDescAttr(desc, attnum - 1)->attname),
							  RelationGetRelationName(source));
	}
	table_close(buffer, AccessShareLock);
	return reason;
}

static char *
check_triggers(const ChangeTracking *tracking, Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	char	   *reason = NULL;

	for (int i = SOURCE_OBJECT_TRIGGER_INSERT; i < SOURCE_TRIGGER_KINDS && !reason; i++)
	{
		SourceObject kind = (SourceObject) i;

		if (trigger_wanted(kind, rel->rd_rel->relkind, tracking->mode) &&
			!trigger_in_place(rel, kind, tracking))
			reason = psprintf("trigger \"%s\" of \"%s\" is missing, disabled or altered",
							  source_object_name(kind, &tracking->source),
							  RelationGetRelationName(rel));
	}
	table_close(rel, NoLock);
	return reason;
}

static char *
check_all(const ChangeTracking *tracking)
{
	Oid			source = tracking->source.oid;
	char	   *reason = capture_unsupported_reason(source);
	List	   *partitions = source_partitions(source, NoLock);
	Relation	rel;
	ListCell   *lc;

	if (reason)
		return psprintf("\"%s\" %s", get_rel_name(source), reason);
	if (change_tracking_is_foreign(tracking))
		return psprintf("\"%s\" was restored from another cluster", get_rel_name(source));
	if (list_difference_oid(partitions, tracking->partitions) != NIL ||
		list_difference_oid(tracking->partitions, partitions) != NIL)
		return psprintf("the partitions of \"%s\" changed", get_rel_name(source));
	if (!capture_mode_serves(tracking->mode, source_capture_mode(source)))
		return psprintf("changes reach \"%s\" another way than before",
						get_rel_name(source));

	rel = table_open(source, NoLock);
	reason = check_buffer(tracking, rel);
	table_close(rel, NoLock);
	if (reason == NULL)
		reason = check_triggers(tracking, source);
	foreach(lc, partitions)
		if (reason == NULL)
			reason = check_triggers(tracking, lfirst_oid(lc));
	if (reason == NULL && capture_signature(tracking) != tracking->signature)
		reason = psprintf("a trigger or a partition of \"%s\" was taken away for a while, or a generated column changed",
						  get_rel_name(source));
	return reason;
}

char *
capture_check(const ChangeTracking *tracking)
{
	Oid			source = tracking->source.oid;
	Oid			buffer;
	List	   *relations;
	char	   *reason;

	if (capture_known_good(source))
		return NULL;
	buffer = buffer_relid(&tracking->source);
	relations = lcons_oid(source, list_copy(tracking->partitions));
	capture_known_good_begin(source, lappend_oid(relations, buffer));
	reason = check_all(tracking);
	if (reason)
		capture_known_good_cancel(source);
	return reason;
}
