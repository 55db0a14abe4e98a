/*-------------------------------------------------------------------------
 *
 * drop.c
 *	  drop_stream_table(), and the sweep after a plain DROP TABLE.
 *
 * DROP TABLE on a stream table takes its definition view along and leaves our
 * rows; nothing is wrong then but that its sources are still captured, and
 * the sweep ends that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "api/api.h"
#include "capture/capture.h"
#include "monitor/counters.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_drop_stream_table);

/* Delete the rows; the sources are adjusted when nothing refers to them. */
static List *
forget(const StreamTable *st)
{
	List	   *dependencies = dependency_read(st->pgt_id);

	stream_table_delete(st);
	counters_forget(st->pgt_id);
	return dependencies;
}

static void
release_sources(const List *dependencies)
{
	ListCell   *lc;

	foreach(lc, dependencies)
	{
		Dependency *dep = (Dependency *) lfirst(lc);

		if (dep->captured)
			capture_adjust(dep->source);
	}
}

/*
 * The view normally goes with the table; the dependency that sees to it is not
 * in a dump, so after a restore it does not.
 */
static void
drop_leftover_view(Oid defview, DropBehavior behavior)
{
	ObjectAddress view;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(defview)))
		return;
	ObjectAddressSet(view, RelationRelationId, defview);
	performDeletion(&view, behavior,
					PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
	CommandCounterIncrement();
}

char *
consumer_names(Oid relid)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, dependency_consumers(relid))
	{
		char	   *name = get_rel_name(lfirst_oid(lc));

		if (name != NULL)
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", name);
	}
	return names.len > 0 ? names.data : NULL;
}

static void
refuse_consumers(const StreamTable *st, const char *names)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop stream table \"%s\" because other stream tables read it",
					st->name),
			 errdetail("It is read by %s.", names),
			 errhint("Use cascade => true to drop them too.")));
}

/*
 * Whoever creates a consumer has a lock on what it reads, so none is added after
 * the table is locked: DROP TABLE would take the query of one that is not known.
 */
static void
drop_with_consumers(const StreamTable *st, bool cascade)
{
	char	   *names;
	List	   *dependencies;
	ListCell   *lc;

	check_stack_depth();
	LockRelationOid(st->relid, AccessExclusiveLock);
	names = consumer_names(st->relid);
	if (names != NULL && !cascade)
		refuse_consumers(st, names);
	foreach(lc, names ? dependency_consumers(st->relid) : NIL)
	{
		StreamTable *consumer;

		/* An earlier one of the list may have taken it along. */
		stream_table_lock(lfirst_oid(lc), true);
		consumer = stream_table_read(lfirst_oid(lc), NULL);
		if (consumer == NULL || get_rel_name(consumer->relid) == NULL)
			continue;
		ereport(NOTICE,
				(errmsg("drop cascades to stream table \"%s\"", consumer->name)));
		drop_with_consumers(consumer, true);
	}

	dependencies = forget(st);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(st->relid)))
		run_sql(psprintf("DROP TABLE %s %s",
						 quote_qualified_identifier(st->schema, st->name),
						 cascade ? "CASCADE" : "RESTRICT"));
	drop_leftover_view(st->defview, cascade ? DROP_CASCADE : DROP_RESTRICT);
	release_sources(dependencies);
}

static void
collect_consumers(Oid relid, List **all)
{
	ListCell   *lc;

	check_stack_depth();
	if (list_member_oid(*all, relid))
		return;
	*all = lappend_oid(*all, relid);
	foreach(lc, dependency_consumers(relid))
		collect_consumers(lfirst_oid(lc), all);
}

/* The refresh locks of whatever may be dropped, in the order of oids. */
static void
lock_consumers(Oid relid)
{
	List	   *all = NIL;
	ListCell   *lc;

	collect_consumers(relid, &all);
	list_sort(all, list_oid_cmp);
	foreach(lc, all)
		stream_table_lock(lfirst_oid(lc), true);
}

Datum
pgt_drop_stream_table(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	StreamTable *st;

	begin_change("drop_stream_table()");
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "cascade")));
	st = stream_table_open(name, false);
	if (PG_GETARG_BOOL(1))
		lock_consumers(st->relid);
	drop_with_consumers(stream_table_open(name, true), PG_GETARG_BOOL(1));
	stream_table_sweep();
	scheduler_notify_change();
	PG_RETURN_VOID();
}

void
stream_table_sweep(void)
{
	ListCell   *lc;

	foreach(lc, stream_table_read_all())
	{
		Oid			relid = ((StreamTable *) lfirst(lc))->relid;
		StreamTable *st;
		List	   *dependencies;

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) ||
			!stream_table_lock(relid, false))
			continue;
		st = stream_table_read(relid, NULL);
		if (st == NULL)
			continue;
		dependencies = forget(st);
		/* what its owner has made of it must not keep others from their work */
		drop_leftover_view(st->defview, DROP_CASCADE);
		release_sources(dependencies);
	}
}
