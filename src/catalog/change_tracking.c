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
#include "access/xlog.h"
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
#define CHANGE_TRACKING_SOURCE	"pgt_change_tracking_pkey"
#define CHANGE_TRACKING_NAME	"pgt_change_tracking_stable_name"

/* Columns: those of every layout in the order of sql/00_tables.sql, and later ones. */
enum
{
	COL_SOURCE = 1,
	COL_CAPTURE_MODE,
	COL_PARTITIONS,
	COL_SIGNATURE,
	COL_SYSID,
	COL_TRACKED_SINCE,
	NFIXED = COL_TRACKED_SINCE,
	COL_STABLE_NAME,
	COL_PLACEMENT,
	COL_FRONTIER_PER_NODE,
	NCOLS = COL_FRONTIER_PER_NODE
};

static const CatalogColumns columns = {
	.ncolumns = NCOLS,
	.nfixed = NFIXED,
	.later = (const char *const[])
	{
		"source_stable_name",
		"source_placement",
		"frontier_per_node"
	}
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

bool
change_tracking_has_names(void)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	AttrNumber	attnum = catalog_attribute(&columns, rel, COL_STABLE_NAME);

	table_close(rel, AccessShareLock);
	return attnum != InvalidAttrNumber;
}

static ChangeTracking *
tracking_from_tuple(HeapTuple tuple, Relation rel)
{
	ChangeTracking *tracking = palloc0(sizeof(ChangeTracking));
	Datum		values[NCOLS];
	bool		isnull[NCOLS];
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	catalog_deform(&columns, rel, tuple, values, isnull);

	if (!isnull[COL_STABLE_NAME - 1])
		strlcpy(tracking->source.stable_name,
				TextDatumGetCString(values[COL_STABLE_NAME - 1]),
				sizeof(tracking->source.stable_name));
	tracking->source.oid = DatumGetObjectId(values[COL_SOURCE - 1]);
	tracking->mode = mode_from_name(TextDatumGetCString(values[COL_CAPTURE_MODE - 1]));
	tracking->signature = (uint64) DatumGetInt64(values[COL_SIGNATURE - 1]);
	tracking->sysid = (uint64) DatumGetInt64(values[COL_SYSID - 1]);
	tracking->placement = isnull[COL_PLACEMENT - 1] ? PLACEMENT_LOCAL :
		placement_from_name(TextDatumGetCString(values[COL_PLACEMENT - 1]));
	deconstruct_array(DatumGetArrayTypeP(values[COL_PARTITIONS - 1]),
					  REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
		if (!nulls[i])
			tracking->partitions = lappend_oid(tracking->partitions,
											   DatumGetObjectId(elems[i]));
	return tracking;
}

/* Copy of the row that an index has under this key, or NULL. */
static HeapTuple
tracking_tuple(Relation rel, const char *indexname, ScanKey key)
{
	SysScanDesc scan = systable_beginscan(rel, pgt_catalog_relid(indexname), true,
										  NULL, 1, key);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static HeapTuple
tracking_tuple_by_source(Relation rel, Oid source)
{
	ScanKeyData key;

	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source));
	return tracking_tuple(rel, CHANGE_TRACKING_SOURCE, &key);
}

ChangeTracking *
change_tracking_read(Oid source)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	HeapTuple	tuple = tracking_tuple_by_source(rel, source);
	ChangeTracking *tracking = NULL;

	if (HeapTupleIsValid(tuple))
		tracking = tracking_from_tuple(tuple, rel);
	table_close(rel, AccessShareLock);
	return tracking;
}

ChangeTracking *
change_tracking_read_by_name(const char *stable_name)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), AccessShareLock);
	AttrNumber	attnum = catalog_attribute(&columns, rel, COL_STABLE_NAME);
	ChangeTracking *tracking = NULL;

	if (attnum != InvalidAttrNumber)
	{
		ScanKeyData key;
		HeapTuple	tuple;

		/* The key compares in the collation that the index is ordered by. */
		ScanKeyEntryInitialize(&key, 0, attnum, BTEqualStrategyNumber, InvalidOid,
							   TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attcollation,
							   F_TEXTEQ, CStringGetTextDatum(stable_name));
		tuple = tracking_tuple(rel, CHANGE_TRACKING_NAME, &key);
		if (HeapTupleIsValid(tuple))
			tracking = tracking_from_tuple(tuple, rel);
	}
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
		result = lappend(result, tracking_from_tuple(tuple, rel));
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
	invalidate_relation(buffer_relid(&tracking->source));
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

bool
change_tracking_is_foreign(const ChangeTracking *tracking)
{
	return tracking->sysid != GetSystemIdentifier();
}

void
change_tracking_write(const ChangeTracking *tracking)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), RowExclusiveLock);
	HeapTuple	old = tracking_tuple_by_source(rel, tracking->source.oid);
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};
	bool		replace[NCOLS] = {0};

	values[COL_SOURCE - 1] = ObjectIdGetDatum(tracking->source.oid);
	values[COL_CAPTURE_MODE - 1] = CStringGetTextDatum(mode_names[tracking->mode]);
	values[COL_PARTITIONS - 1] = partitions_array(tracking->partitions);
	values[COL_SIGNATURE - 1] = Int64GetDatum((int64) tracking->signature);
	values[COL_SYSID - 1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[COL_TRACKED_SINCE - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (tracking->source.stable_name[0] != '\0')
		values[COL_STABLE_NAME - 1] = CStringGetTextDatum(tracking->source.stable_name);
	else
		isnull[COL_STABLE_NAME - 1] = true;
	values[COL_PLACEMENT - 1] = CStringGetTextDatum(placement_name(tracking->placement));
	isnull[COL_FRONTIER_PER_NODE - 1] = true;

	if (HeapTupleIsValid(old))
	{
		/* Partitions that leave the list must look again, too. */
		invalidate_tracking(tracking_from_tuple(old, rel));
		replace[COL_CAPTURE_MODE - 1] = true;
		replace[COL_PARTITIONS - 1] = true;
		replace[COL_SIGNATURE - 1] = true;
		replace[COL_SYSID - 1] = true;
		replace[COL_STABLE_NAME - 1] = true;
		replace[COL_PLACEMENT - 1] = true;
		CatalogTupleUpdate(rel, &old->t_self,
						   catalog_modify(&columns, rel, old, values, isnull, replace));
	}
	else
		CatalogTupleInsert(rel, catalog_form(&columns, rel, values, isnull));

	invalidate_tracking(tracking);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

void
change_tracking_delete(const ChangeTracking *tracking)
{
	Relation	rel = table_open(pgt_catalog_relid(CHANGE_TRACKING), RowExclusiveLock);
	HeapTuple	old = tracking_tuple_by_source(rel, tracking->source.oid);

	if (HeapTupleIsValid(old))
	{
		invalidate_tracking(tracking_from_tuple(old, rel));
		CatalogTupleDelete(rel, &old->t_self);
	}
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}
