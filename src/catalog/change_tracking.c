/*-------------------------------------------------------------------------
 *
 * change_tracking.c
 *	  Rows of pgt_change_tracking: which tables are captured, under what
 *	  stable name, and where their triggers sit.
 *
 * Writers hold ShareRowExclusiveLock on the source.  Capture keeps what it
 * read here per backend, and relies on an invalidation message for the source,
 * its partitions and its buffer with every change.
 *
 * Reads:  the newest committed state, whatever snapshot is active.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "buffer/buffer.h"
#include "catalog/catalog.h"

#define CHANGE_TRACKING			"pgt_change_tracking"
#define CHANGE_TRACKING_NAME	"pgt_change_tracking_pkey"
#define CHANGE_TRACKING_SOURCE	"pgt_change_tracking_source"

/* Columns, in the order of sql/00_tables.sql. */
enum
{
	COL_STABLE_NAME = 1,
	COL_SOURCE,
	COL_CAPTURE_MODE,
	COL_PARTITIONS,
	COL_SIGNATURE,
	COL_PLACEMENT,
	COL_FRONTIER_PER_NODE,
	COL_TRACKED_SINCE,
	NCOLS = COL_TRACKED_SINCE
};

static const char *const mode_names[] = {
	[CAPTURE_BY_STATEMENT] = "statement",
	[CAPTURE_BY_ROW] = "row",
	[CAPTURE_BY_APPLY] = "apply",
};

static CaptureMode
mode_from_name(const char *name)
{
	for (int i = 0; i < lengthof(mode_names); i++)
		if (strcmp(name, mode_names[i]) == 0)
			return (CaptureMode) i;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown capture mode: \"%s\"", name)));
}

static ChangeTracking *
tracking_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	ChangeTracking *tracking = palloc0(sizeof(ChangeTracking));
	Datum		values[NCOLS];
	bool		isnull[NCOLS];
	char	   *name;
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	Assert(desc->natts == NCOLS);
	heap_deform_tuple(tuple, desc, values, isnull);

	name = TextDatumGetCString(values[COL_STABLE_NAME - 1]);
	strlcpy(tracking->source.stable_name, name, sizeof(tracking->source.stable_name));
	tracking->source.oid = DatumGetObjectId(values[COL_SOURCE - 1]);
	tracking->mode = mode_from_name(TextDatumGetCString(values[COL_CAPTURE_MODE - 1]));
	tracking->signature = (uint64) DatumGetInt64(values[COL_SIGNATURE - 1]);
	deconstruct_array(DatumGetArrayTypeP(values[COL_PARTITIONS - 1]),
					  REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
		if (!nulls[i])
			tracking->partitions = lappend_oid(tracking->partitions,
											   DatumGetObjectId(elems[i]));
	return tracking;
}

/* Copy of the row with this stable name, or NULL. */
static HeapTuple
tracking_tuple_by_name(Relation rel, const char *stable_name)
{
	Relation	index = index_open(pgt_catalog_relid(CHANGE_TRACKING_NAME), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	/* The key compares in the collation that the index is ordered by. */
	ScanKeyEntryInitialize(&key, 0, COL_STABLE_NAME, BTEqualStrategyNumber,
						   InvalidOid, index->rd_indcollation[0],
						   F_TEXTEQ, CStringGetTextDatum(stable_name));
	scan = systable_beginscan(rel, RelationGetRelid(index), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	index_close(index, AccessShareLock);
	return tuple;
}

ChangeTracking *
change_tracking_read(Oid source)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	ChangeTracking *tracking = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source));
	scan = systable_beginscan(rel, pgt_catalog_relid(CHANGE_TRACKING_SOURCE), true,
							  NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tracking = tracking_from_tuple(tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tracking;
}

ChangeTracking *
change_tracking_read_by_name(const char *stable_name)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	HeapTuple	tuple = tracking_tuple_by_name(rel, stable_name);
	ChangeTracking *tracking = NULL;

	if (HeapTupleIsValid(tuple))
		tracking = tracking_from_tuple(tuple, RelationGetDescr(rel));
	table_close(rel, AccessShareLock);
	return tracking;
}

List *
change_tracking_read_all(void)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	List	   *result = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = lappend(result, tracking_from_tuple(tuple, RelationGetDescr(rel)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static void
invalidate_relation(Oid relid)
{
	if (OidIsValid(relid) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		CacheInvalidateRelcacheByRelid(relid);
}

static void
invalidate_tracking(const ChangeTracking *tracking)
{
	ListCell   *lc;

	invalidate_relation(tracking->source.oid);
	invalidate_relation(buffer_relid(tracking->source.stable_name));
	foreach(lc, tracking->partitions)
		invalidate_relation(lfirst_oid(lc));
}

static Datum
partitions_array(List *partitions)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(partitions), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, partitions)
		elems[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return PointerGetDatum(construct_array(elems, n, REGCLASSOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}

void
change_tracking_write(const ChangeTracking *tracking)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), RowExclusiveLock);
	HeapTuple	old = tracking_tuple_by_name(rel, tracking->source.stable_name);
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};
	bool		replace[NCOLS] = {0};

	values[COL_STABLE_NAME - 1] = CStringGetTextDatum(tracking->source.stable_name);
	values[COL_SOURCE - 1] = ObjectIdGetDatum(tracking->source.oid);
	values[COL_CAPTURE_MODE - 1] = CStringGetTextDatum(mode_names[tracking->mode]);
	values[COL_PARTITIONS - 1] = partitions_array(tracking->partitions);
	values[COL_SIGNATURE - 1] = Int64GetDatum((int64) tracking->signature);
	values[COL_PLACEMENT - 1] = CStringGetTextDatum("local");
	isnull[COL_FRONTIER_PER_NODE - 1] = true;
	values[COL_TRACKED_SINCE - 1] = TimestampTzGetDatum(GetCurrentTimestamp());

	if (HeapTupleIsValid(old))
	{
		HeapTuple	new;

		/* Partitions that leave the list must look again, too. */
		invalidate_tracking(tracking_from_tuple(old, RelationGetDescr(rel)));
		replace[COL_SOURCE - 1] = true;
		replace[COL_CAPTURE_MODE - 1] = true;
		replace[COL_PARTITIONS - 1] = true;
		replace[COL_SIGNATURE - 1] = true;
		new = heap_modify_tuple(old, RelationGetDescr(rel), values, isnull, replace);
		CatalogTupleUpdate(rel, &old->t_self, new);
	}
	else
		CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, isnull));

	invalidate_tracking(tracking);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

void
change_tracking_delete(const ChangeTracking *tracking)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), RowExclusiveLock);
	HeapTuple	old = tracking_tuple_by_name(rel, tracking->source.stable_name);

	if (HeapTupleIsValid(old))
	{
		invalidate_tracking(tracking_from_tuple(old, RelationGetDescr(rel)));
		CatalogTupleDelete(rel, &old->t_self);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}
