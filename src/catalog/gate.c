/*-------------------------------------------------------------------------
 *
 * gate.c
 *	  Rows of pgt_gates: sources whose readers the scheduler leaves alone.
 *
 * A row without a source, which is stored as relation 0, holds all stream
 * tables of the database.
 *
 * A refresh of the scheduler reads the gates under its own snapshot S.  So
 *
 *		S sees the gate		the refresh does nothing
 *		S does not			S sees nothing that was committed after the gate
 *
 * and whoever commits a gate before he begins to load never has a part of his
 * load shown, whatever was running when he did.
 *
 * Nothing here has to do with capture, which goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"

#define GATES		"pgt_gates"
#define GATES_PKEY	"pgt_gates_pkey"

/* Columns, in the order of sql/00_tables.sql. */
enum
{
	COL_SOURCE = 1,
	COL_GATED_AT,
	COL_GATED_BY,
	NCOLS = COL_GATED_BY
};

List *
gate_read_all(Snapshot snapshot)
{
	Relation	rel = table_open(pgt_catalog_relid(GATES), AccessShareLock);
	List	   *sources = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	if (RelationGetNumberOfBlocks(rel) > 0)
	{
		scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			sources = lappend_oid(sources,
								  DatumGetObjectId(heap_getattr(tuple, COL_SOURCE,
																RelationGetDescr(rel),
																&isnull)));
		systable_endscan(scan);
	}
	table_close(rel, AccessShareLock);
	return sources;
}

bool
gate_holds(const List *gates, int64 pgt_id, Oid *source)
{
	ListCell   *lc;

	*source = InvalidOid;
	if (gates == NIL)
		return false;
	if (list_member_oid(gates, InvalidOid))
		return true;
	foreach(lc, dependency_read(pgt_id))
	{
		*source = ((Dependency *) lfirst(lc))->source;
		if (list_member_oid(gates, *source))
			return true;
	}
	*source = InvalidOid;
	return false;
}

/* Copy of the row, or NULL. */
static HeapTuple
gate_tuple(Relation rel, Oid source)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source));
	scan = systable_beginscan(rel, pgt_catalog_relid(GATES_PKEY), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* Two who do the same at once do it one after the other. */
static Relation
gates_open(void)
{
	return table_open(pgt_catalog_relid(GATES), ShareRowExclusiveLock);
}

bool
gate_insert(Oid source)
{
	Relation	rel = gates_open();
	bool		is_new = gate_tuple(rel, source) == NULL;
	Datum		values[NCOLS];
	bool		isnull[NCOLS] = {0};
	NameData	by;

	if (is_new)
	{
		namestrcpy(&by, GetUserNameFromId(GetUserId(), false));
		values[COL_SOURCE - 1] = ObjectIdGetDatum(source);
		values[COL_GATED_AT - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[COL_GATED_BY - 1] = NameGetDatum(&by);
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, isnull));
	}
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return is_new;
}

bool
gate_delete(Oid source)
{
	Relation	rel = gates_open();
	HeapTuple	tuple = gate_tuple(rel, source);

	if (HeapTupleIsValid(tuple))
		CatalogTupleDelete(rel, &tuple->t_self);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return HeapTupleIsValid(tuple);
}

void
gate_sweep(void)
{
	ListCell   *lc;

	foreach(lc, gate_read_all(NULL))
		if (OidIsValid(lfirst_oid(lc)) &&
			!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			(void) gate_delete(lfirst_oid(lc));
}
