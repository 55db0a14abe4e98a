/*-------------------------------------------------------------------------
 *
 * bypass.c
 *	  Changes of a table that its own statement triggers do not see.
 *
 * A statement fires the statement triggers of the table that it names: those of
 * a parent, if it changes a child through it.  What comes by logical replication
 * fires none.  A table can become a child, or be subscribed to a publication, and
 * cease to be, all between two refreshes, and nothing may be left that tells so.
 * So whoever makes a source that is captured by statement a child of another table
 * leaves a marker in its buffer: an event trigger sees that, under the lock that
 * keeps every change through the parent out until the marker is committed.  And
 * such a source has a row trigger besides, which a session that replicates fires,
 * and which leaves a marker where no statement trigger would have fired.  The
 * refresh that meets the marker finds the source to be a child, or subscribed, if
 * it still is, and has it captured by row from then on.
 *
 * Neither costs a writer anything: the row trigger is enabled for replicas only,
 * which is looked at before all else.  A condition of it would be read from its
 * text and compiled for each statement, which is a sixth of the time of a
 * statement that changes one row.
 *
 * The tables of a command are taken from what the server collected of it, not
 * looked up by their names: these may mean another table by now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "buffer/buffer.h"
#include "capture/capture.h"
#include "capture/triggers.h"
#include "catalog/catalog.h"

PG_FUNCTION_INFO_V1(pgt_cdc_inheritance);

static bool
makes_children(Node *parsetree)
{
	ListCell   *lc;

	if (parsetree == NULL || !IsA(parsetree, AlterTableStmt))
		return false;
	foreach(lc, ((AlterTableStmt *) parsetree)->cmds)
	{
		AlterTableType type = lfirst_node(AlterTableCmd, lc)->subtype;

		if (type == AT_AddInherit || type == AT_AttachPartition)
			return true;
	}
	return false;
}

/* Oids of the tables that the command which just ended has altered. */
static List *
altered_tables(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *result = NIL;

	SPI_connect();
	if (SPI_execute("SELECT classid, objid FROM pg_catalog.pg_event_trigger_ddl_commands()",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what a command has altered");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		no_class;
		bool		no_object;
		Oid			class = DatumGetObjectId(SPI_getbinval(row, desc, 1, &no_class));
		Oid			object = DatumGetObjectId(SPI_getbinval(row, desc, 2, &no_object));
		MemoryContext old;

		if (no_class || no_object || class != RelationRelationId)
			continue;
		old = MemoryContextSwitchTo(context);
		result = list_append_unique_oid(result, object);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return result;
}

/*
 * Tables that this transaction has made children, of those whose column of
 * pg_inherits is the table's oid.
 */
static List *
new_children(List *children, Oid relid, AttrNumber column, Oid index)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
			children = list_append_unique_oid(children,
											  ((Form_pg_inherits) GETSTRUCT(tuple))->inhrelid);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return children;
}

static void
became_child(Oid relid)
{
	ChangeTracking *tracking;

	if (stream_table_exists(relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot make stream table \"%s\" a child or partition of another table",
						get_rel_name(relid)),
				 errdetail("It could be changed through its parent."),
				 errhint("Use a view that unites it with other tables.")));
	tracking = change_tracking_read(relid);
	if (tracking != NULL && tracking->mode == CAPTURE_BY_STATEMENT)
		capture_mark(tracking);
}

Datum
pgt_cdc_inheritance(PG_FUNCTION_ARGS)
{
	List	   *children = NIL;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an event trigger",
						"cdc_inheritance")));

	if (!makes_children(((EventTriggerData *) fcinfo->context)->parsetree))
		PG_RETURN_NULL();
	foreach(lc, altered_tables())
	{
		children = new_children(children, lfirst_oid(lc), Anum_pg_inherits_inhrelid,
								InheritsRelidSeqnoIndexId);
		children = new_children(children, lfirst_oid(lc), Anum_pg_inherits_inhparent,
								InheritsParentIndexId);
	}
	foreach(lc, children)
		became_child(lfirst_oid(lc));
	PG_RETURN_NULL();
}

/*
 * Is the marker of this command already written?  The number of a command that
 * failed is used again, but not in the same subtransaction.
 */
bool
bypass_is_marked(Oid buffer)
{
	static FullTransactionId xid = {0};
	static CommandId command = InvalidCommandId;
	static Oid	marked = InvalidOid;
	bool		result = marked == buffer && command == GetCurrentCommandId(false) &&
		FullTransactionIdEquals(xid, GetCurrentFullTransactionId());

	marked = buffer;
	command = GetCurrentCommandId(false);
	xid = GetCurrentFullTransactionId();
	return result;
}
