/*-------------------------------------------------------------------------
 *
 * altered.c
 *	  What ALTER TABLE does to tables of ours that no refresh could see later.
 *
 * A table becomes a child or partition of another one, is changed through its
 * parent, which fires no statement trigger of the child, and is taken out again.
 * Or it is made unlogged, a crash empties it, which fires no trigger at all, and
 * it is made logged again.  If all of that happens between two refreshes nothing
 * need be left that tells.  So an event trigger sees who becomes a child, and who
 * is made logged:
 *
 *		a source		gets a marker in its change buffer, under the lock by which
 *						ALTER TABLE keeps changes out, so every refresh that would
 *						miss some has the marker in its window
 *		a stream table	is not made a child, since it would be changed by others
 *						than us; and is computed anew if it may have been emptied;
 *						the same holds of its auxiliary tables
 *
 * An event trigger serves sessions of all kinds, whether pg_trickle is preloaded or
 * not, and costs those who write nothing.  A row trigger with a condition would see
 * as much, but PostgreSQL reads its condition from its text and compiles it for each
 * statement, which is a sixth of the time of one that changes a single row.
 *
 * The tables of a command are taken from what the server collected of it: event
 * triggers of others run before this one, names may mean other tables by now, and
 * pg_inherits may have lost again what was added.  Names are looked up besides where
 * the server collects too little: it does not say which partition was attached, and
 * says nothing in what REFRESH MATERIALIZED VIEW calls.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "tcop/deparse_utility.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "capture/capture.h"
#include "catalog/catalog.h"
#include "refresh/storage.h"

PG_FUNCTION_INFO_V1(pgt_table_altered);

/* Does the command do this, to whichever table? */
static bool
alters(const AlterTableStmt *command, AlterTableType type)
{
	ListCell   *lc;

	foreach(lc, command->cmds)
		if (lfirst_node(AlterTableCmd, lc)->subtype == type)
			return true;
	return false;
}

/* Add the partitions that this transaction has attached to a table. */
static List *
add_new_partitions(List *tables, Oid parent)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhparent, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(parent));
	scan = systable_beginscan(rel, InheritsParentIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			tables = list_append_unique_oid(tables,
											((Form_pg_inherits) GETSTRUCT(tuple))->inhrelid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tables;
}

/* Add the tables to which what was collected of a command did this. */
static List *
add_collected(List *tables, const CollectedCommand *collected, AlterTableType type)
{
	ListCell   *lc;

	if (collected->type != SCT_AlterTable ||
		collected->d.alterTable.classId != RelationRelationId)
		return tables;
	foreach(lc, collected->d.alterTable.subcmds)
	{
		const CollectedATSubcmd *part = lfirst(lc);

		if (((AlterTableCmd *) part->parsetree)->subtype != type)
			continue;
		if (type == AT_AttachPartition)
			tables = add_new_partitions(tables, collected->d.alterTable.objectId);
		else
			tables = list_append_unique_oid(tables, collected->d.alterTable.objectId);
	}
	return tables;
}

static List *
collected_tables(AlterTableType type)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *result = NIL;

	SPI_connect();
	if (SPI_execute("SELECT command FROM pg_catalog.pg_event_trigger_ddl_commands()",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what a command has altered");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		command = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
											1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);

		if (!isnull)
			result = add_collected(result, (CollectedCommand *) DatumGetPointer(command), type);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return result;
}

static List *
named_tables(const AlterTableStmt *command, AlterTableType type)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, command->cmds)
	{
		const AlterTableCmd *part = lfirst(lc);
		const RangeVar *name = command->relation;
		Oid			relid;

		if (part->subtype != type)
			continue;
		if (type == AT_AttachPartition)
			name = castNode(PartitionCmd, part->def)->name;
		relid = RangeVarGetRelid(name, NoLock, true);
		if (OidIsValid(relid))
			result = list_append_unique_oid(result, relid);
	}
	return result;
}

/* The tables to which the command that just ended did this. */
static List *
altered_tables(const AlterTableStmt *command, AlterTableType type)
{
	List	   *result;

	if (!alters(command, type))
		return NIL;
	result = collected_tables(type);
	if (result == NIL || type == AT_AttachPartition)
		result = list_concat_unique_oid(result, named_tables(command, type));
	return result;
}

/* The stream table that it is, or is an auxiliary table of; InvalidOid if neither. */
static Oid
stream_table_behind(Oid relid)
{
	if (stream_table_exists(relid))
		return relid;
	if (get_rel_namespace(relid) != get_namespace_oid(PGT_DEFS_SCHEMA, true))
		return InvalidOid;
	return storage_attached_to(relid);
}

static void
became_child(Oid relid)
{
	Oid			st = stream_table_behind(relid);
	ChangeTracking *tracking;

	if (OidIsValid(st))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 st == relid ?
				 errmsg("cannot make stream table \"%s\" a child or partition of another table",
						get_rel_name(relid)) :
				 errmsg("cannot make auxiliary table \"%s\" a child or partition of another table",
						get_rel_name(relid)),
				 errdetail("It could be changed through its parent."),
				 errhint("Use a view that unites it with other tables.")));
	tracking = change_tracking_read(relid);
	if (tracking == NULL || tracking->mode != CAPTURE_BY_STATEMENT)
		return;
	capture_mark(tracking);

	/* A parent without columns changes no row of the child's: have it checked again. */
	CacheInvalidateRelcacheByRelid(relid);
}

/* It, or an auxiliary table of it. */
static void
stream_table_made_logged(Oid relid, Oid table)
{
	StreamTable *st;

	if (!storage_has_no_pages(table))
		return;
	stream_table_lock(relid, true);
	st = stream_table_read(relid, NULL);
	if (st == NULL || !st->is_populated)
		return;
	st->needs_reinit = true;
	st->reinit_reason = relid == table ?
		"it was unlogged, and a crash may have emptied it" :
		"an auxiliary table of it was unlogged, and a crash may have emptied it";
	stream_table_update(st);
}

/* A table that is a source, or a partition of sources. */
static void
source_made_logged(Oid relid)
{
	List	   *sources = NIL;
	ListCell   *lc;

	if (get_rel_relispartition(relid))
		sources = get_partition_ancestors(relid);
	foreach(lc, lcons_oid(relid, sources))
	{
		ChangeTracking *tracking = change_tracking_read(lfirst_oid(lc));

		if (tracking != NULL)
			capture_mark(tracking);
	}
}

static void
made_logged(Oid relid)
{
	Oid			st = stream_table_behind(relid);

	if (get_rel_relkind(relid) != RELKIND_RELATION)
		return;
	if (OidIsValid(st))
		stream_table_made_logged(st, relid);
	source_made_logged(relid);
}

Datum
pgt_table_altered(PG_FUNCTION_ARGS)
{
	const AlterTableStmt *command;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an event trigger",
						"table_altered")));

	command = (AlterTableStmt *) ((EventTriggerData *) fcinfo->context)->parsetree;
	if (command == NULL || !IsA(command, AlterTableStmt))
		PG_RETURN_NULL();
	foreach(lc, altered_tables(command, AT_AddInherit))
		became_child(lfirst_oid(lc));
	foreach(lc, altered_tables(command, AT_AttachPartition))
		became_child(lfirst_oid(lc));
	foreach(lc, altered_tables(command, AT_SetLogged))
		made_logged(lfirst_oid(lc));
	PG_RETURN_NULL();
}
