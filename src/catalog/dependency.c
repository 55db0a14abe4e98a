/*-------------------------------------------------------------------------
 *
 * dependency.c
 *	  Rows of pgt_dependencies: which stream table reads which columns of
 *	  which table.
 *
 * The columns are kept by name, because names survive dump and restore and
 * numbers do not.  A name that no column has any more was renamed (a used
 * column cannot be dropped: the definition view depends on it); which column
 * it was cannot be told, so every column of the source counts as used then.
 * That errs towards capturing too much.
 *
 * Writers hold the refresh lock of the stream table.  Whoever keeps what he
 * read is told of changes by an invalidation of the relation.
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
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog/catalog.h"

#define DEPENDENCIES		"pgt_dependencies"
#define DEPENDENCIES_PKEY	"pgt_dependencies_pkey"
#define DEPENDENCIES_SOURCE "pgt_dependencies_source"
#define STREAM_TABLES		"pgt_stream_tables"
#define STREAM_TABLES_PKEY	"pgt_stream_tables_pkey"
#define STREAM_TABLES_RELID "pgt_stream_tables_relid"

/* Columns: those of every layout in the order of sql/00_tables.sql, and later ones. */
enum
{
	COL_PGT_ID = 1,
	COL_SOURCE,
	COL_SOURCE_TYPE,
	COL_CAPTURED,
	COL_COLUMNS_USED,
	NFIXED = COL_COLUMNS_USED,
	COL_STABLE_NAME,
	COL_PLACEMENT,
	NCOLS = COL_PLACEMENT
};

static const CatalogColumns columns = {
	.ncolumns = NCOLS,
	.nfixed = NFIXED,
	.later = (const char *const[])
	{
		"source_stable_name",
		"source_placement"
	}
};

/* The first columns of pgt_stream_tables. */
#define STREAM_COL_PGT_ID	1
#define STREAM_COL_RELID	2

/*
 * The relid of a stream table by pgt_id (by_id), or whether a relation is a
 * stream table; InvalidOid if there is no such row.
 */
static Oid
stream_table_relid(bool by_id, Datum value)
{
	Relation	rel = table_open(pgt_catalog_relid(STREAM_TABLES), AccessShareLock);
	Oid			relid = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, by_id ? STREAM_COL_PGT_ID : STREAM_COL_RELID,
				BTEqualStrategyNumber, by_id ? F_INT8EQ : F_OIDEQ, value);
	scan = systable_beginscan(rel,
							  pgt_catalog_relid(by_id ? STREAM_TABLES_PKEY : STREAM_TABLES_RELID),
							  true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		relid = DatumGetObjectId(heap_getattr(tuple, STREAM_COL_RELID,
											  RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relid;
}

bool
stream_table_exists(Oid relid)
{
	return OidIsValid(stream_table_relid(false, ObjectIdGetDatum(relid)));
}

static const char *
source_type_name(const Dependency *dep)
{
	switch (dep->relkind)
	{
		case RELKIND_PARTITIONED_TABLE:
			return "PARTITIONED TABLE";
		case RELKIND_FOREIGN_TABLE:
			return "FOREIGN TABLE";
		case RELKIND_MATVIEW:
			return "MATERIALIZED VIEW";
		default:
			if (stream_table_exists(dep->source))
				return "STREAM TABLE";
			return "TABLE";
	}
}

static char
source_type_relkind(const char *name)
{
	switch (name[0])
	{
		case 'P':
			return RELKIND_PARTITIONED_TABLE;
		case 'F':
			return RELKIND_FOREIGN_TABLE;
		case 'M':
			return RELKIND_MATVIEW;
		default:
			return RELKIND_RELATION;
	}
}

static Datum
columns_to_names(Oid relid, const Bitmapset *columns)
{
	Datum	   *elems = palloc(sizeof(Datum) * (bms_num_members(columns) + 1));
	int			n = 0;
	int			attnum = -1;

	while ((attnum = bms_next_member(columns, attnum)) >= 0)
		elems[n++] = CStringGetTextDatum(get_attname(relid, attnum, false));
	return PointerGetDatum(construct_array(elems, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Bitmapset *
all_columns(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Bitmapset  *result = NULL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		if (!TupleDescAttr(RelationGetDescr(rel), i)->attisdropped)
			result = bms_add_member(result, i + 1);
	table_close(rel, AccessShareLock);
	return result;
}

static Bitmapset *
names_to_columns(Oid relid, Datum array)
{
	Bitmapset  *result = NULL;
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
	{
		AttrNumber	attnum = InvalidAttrNumber;

		if (!nulls[i])
			attnum = get_attnum(relid, TextDatumGetCString(elems[i]));
		if (attnum == InvalidAttrNumber)
			return all_columns(relid);
		result = bms_add_member(result, attnum);
	}
	return result;
}

bool
dependency_is_captured(const Dependency *dep)
{
	return dep->captured && !placement_of(dep->source).managed;
}

/* All but the columns, which are not cheap; returns those as they are stored. */
static Datum
dependency_fill(Dependency *dep, HeapTuple tuple, Relation rel, int64 *pgt_id)
{
	Datum		values[NCOLS];
	bool		isnull[NCOLS];

	catalog_deform(&columns, rel, tuple, values, isnull);
	if (pgt_id)
		*pgt_id = DatumGetInt64(values[COL_PGT_ID - 1]);
	dep->source = DatumGetObjectId(values[COL_SOURCE - 1]);
	dep->relkind = source_type_relkind(TextDatumGetCString(values[COL_SOURCE_TYPE - 1]));
	dep->captured = DatumGetBool(values[COL_CAPTURED - 1]);
	if (!isnull[COL_STABLE_NAME - 1])
		strlcpy(dep->stable_name, TextDatumGetCString(values[COL_STABLE_NAME - 1]),
				sizeof(dep->stable_name));
	dep->placement = isnull[COL_PLACEMENT - 1] ? PLACEMENT_LOCAL :
		placement_from_name(TextDatumGetCString(values[COL_PLACEMENT - 1]));
	return values[COL_COLUMNS_USED - 1];
}

static Dependency *
dependency_from_tuple(HeapTuple tuple, Relation rel)
{
	Dependency *dep = palloc0(sizeof(Dependency));
	Datum		used = dependency_fill(dep, tuple, rel, NULL);

	dep->columns = names_to_columns(dep->source, used);
	return dep;
}

/* NULL says that there is none. */
static Datum
name_datum(const char *stable_name)
{
	return stable_name[0] == '\0' ? (Datum) 0 : CStringGetTextDatum(stable_name);
}

SourceIdentifier
dependency_source(const Dependency *dep)
{
	SourceIdentifier source = {.oid = dep->source};

	strlcpy(source.stable_name, dep->stable_name, sizeof(source.stable_name));
	return source;
}

void
dependency_insert(int64 pgt_id, const Dependency *dep)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), RowExclusiveLock);
	Datum		values[NCOLS] = {0};
	bool		isnull[NCOLS] = {0};

	values[COL_PGT_ID - 1] = Int64GetDatum(pgt_id);
	values[COL_SOURCE - 1] = ObjectIdGetDatum(dep->source);
	values[COL_SOURCE_TYPE - 1] = CStringGetTextDatum(source_type_name(dep));
	values[COL_CAPTURED - 1] = BoolGetDatum(dep->captured);
	values[COL_COLUMNS_USED - 1] = columns_to_names(dep->source, dep->columns);
	values[COL_STABLE_NAME - 1] = name_datum(dep->stable_name);
	isnull[COL_STABLE_NAME - 1] = dep->stable_name[0] == '\0';
	values[COL_PLACEMENT - 1] = CStringGetTextDatum(placement_name(dep->placement));

	CatalogTupleInsert(rel, catalog_form(&columns, rel, values, isnull));
	CacheInvalidateRelcache(rel);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

List *
dependency_read(int64 pgt_id)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), AccessShareLock);
	List	   *result = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_PGT_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(pgt_id));
	scan = systable_beginscan(rel, pgt_catalog_relid(DEPENDENCIES_PKEY), true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = lappend(result, dependency_from_tuple(tuple, rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

List *
dependency_read_all(void)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), AccessShareLock);
	List	   *result = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		OwnedDependency *owned = palloc0(sizeof(OwnedDependency));

		(void) dependency_fill(&owned->dep, tuple, rel, &owned->pgt_id);
		result = lappend(result, owned);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

void
dependency_delete(int64 pgt_id)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_PGT_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(pgt_id));
	scan = systable_beginscan(rel, pgt_catalog_relid(DEPENDENCIES_PKEY), true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	CacheInvalidateRelcache(rel);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

void
dependency_rename(const SourceIdentifier *source)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), RowExclusiveLock);
	Datum		values[NCOLS];
	bool		isnull[NCOLS];
	bool		replace[NCOLS] = {0};
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	values[COL_STABLE_NAME - 1] = name_datum(source->stable_name);
	isnull[COL_STABLE_NAME - 1] = source->stable_name[0] == '\0';
	replace[COL_STABLE_NAME - 1] = true;
	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source->oid));
	scan = systable_beginscan(rel, pgt_catalog_relid(DEPENDENCIES_SOURCE), true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleUpdate(rel, &tuple->t_self,
						   catalog_modify(&columns, rel, tuple, values, isnull, replace));
	systable_endscan(scan);
	CacheInvalidateRelcache(rel);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

List *
dependency_edges(void)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), AccessShareLock);
	List	   *result = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		DependencyEdge *edge = palloc(sizeof(DependencyEdge));
		Datum		pgt_id = heap_getattr(tuple, COL_PGT_ID, RelationGetDescr(rel), &isnull);

		edge->consumer = stream_table_relid(true, pgt_id);
		edge->source = DatumGetObjectId(heap_getattr(tuple, COL_SOURCE,
													 RelationGetDescr(rel), &isnull));
		if (OidIsValid(edge->consumer))
			result = lappend(result, edge);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

List *
dependency_consumers(Oid source)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), AccessShareLock);
	List	   *result = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source));
	scan = systable_beginscan(rel, pgt_catalog_relid(DEPENDENCIES_SOURCE), true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		pgt_id = heap_getattr(tuple, COL_PGT_ID, RelationGetDescr(rel), &isnull);
		Oid			relid = stream_table_relid(true, pgt_id);

		if (OidIsValid(relid))
			result = lappend_oid(result, relid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

Bitmapset *
dependency_columns(Oid source)
{
	Relation	rel = table_open(pgt_catalog_relid(DEPENDENCIES), AccessShareLock);
	Bitmapset  *result = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, COL_SOURCE, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(source));
	scan = systable_beginscan(rel, pgt_catalog_relid(DEPENDENCIES_SOURCE), true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Dependency *dep = dependency_from_tuple(tuple, rel);

		if (dep->captured)
			result = bms_add_members(result, dep->columns);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}
