/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Where our own tables are, and whether they are there.
 *
 * Everything is looked up by name in the schema of the extension through the
 * system caches: a re-created extension has other oids, and a backend must
 * not go on with the old ones.  What was found is kept until one of these
 * relations, or any schema, changes: a relation that keeps its name in its
 * schema keeps any other one from having it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog/catalog.h"

/* More than there are. */
#define MAX_KNOWN	48

static struct
{
	const char *relname;
	Oid			relid;
}			known[MAX_KNOWN];
static int	nknown = 0;
static uint64 nmessages = 0;

static void
forget_known(Datum arg, Oid relid)
{
	nmessages++;
	stream_table_forget(relid);
	for (int i = 0; i < nknown; i++)
		if (!OidIsValid(relid) || known[i].relid == relid)
			nknown = 0;
}

static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_known(arg, InvalidOid);
}

void
catalog_init(void)
{
	relations_watch(forget_known);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
}

static Oid
look_up(const char *relname)
{
	Oid			namespace = get_namespace_oid(PGT_SCHEMA, true);
	Oid			relid = InvalidOid;

	if (OidIsValid(namespace))
		relid = get_relname_relid(relname, namespace);
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension pg_trickle is not installed in this database"),
				 errdetail("There is no relation \"%s.%s\".", PGT_SCHEMA, relname),
				 errhint("Run CREATE EXTENSION pg_trickle.")));
	return relid;
}

Oid
pgt_catalog_relid(const char *relname)
{
	uint64		before = nmessages;
	Oid			relid;

	for (int i = 0; i < nknown; i++)
		if (strcmp(known[i].relname, relname) == 0)
			return known[i].relid;
	relid = look_up(relname);
	/* a message that came meanwhile may have been about it */
	if (nknown < MAX_KNOWN && nmessages == before)
	{
		known[nknown].relname = relname;
		known[nknown++].relid = relid;
	}
	return relid;
}

AttrNumber
catalog_attribute(const CatalogColumns *columns, Relation rel, int column)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char *name;

	if (column <= columns->nfixed)
		return column;
	name = columns->later[column - columns->nfixed - 1];
	for (int i = columns->nfixed; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return i + 1;
	}
	return InvalidAttrNumber;
}

void
catalog_deform(const CatalogColumns *columns, Relation rel, HeapTuple tuple,
			   Datum *values, bool *isnull)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *all_values = palloc(sizeof(Datum) * desc->natts);
	bool	   *all_isnull = palloc(sizeof(bool) * desc->natts);

	heap_deform_tuple(tuple, desc, all_values, all_isnull);
	for (int column = 1; column <= columns->ncolumns; column++)
	{
		AttrNumber	attnum = catalog_attribute(columns, rel, column);
		bool		exists = attnum != InvalidAttrNumber;

		values[column - 1] = exists ? all_values[attnum - 1] : (Datum) 0;
		isnull[column - 1] = exists ? all_isnull[attnum - 1] : true;
	}
}

/* A row without the columns of a layout that we do not know would be wrong. */
static void
refuse_unknown_columns(const CatalogColumns *columns, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			known = columns->nfixed;
	int			natts = columns->nfixed;

	for (int column = columns->nfixed + 1; column <= columns->ncolumns; column++)
		known += catalog_attribute(columns, rel, column) != InvalidAttrNumber;
	for (int i = columns->nfixed; i < desc->natts; i++)
		natts += !TupleDescAttr(desc, i)->attisdropped;
	if (natts != known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the tables of extension pg_trickle are newer than its library"),
				 errdetail("Table \"%s\" has %d columns, of which %d are known.",
						   RelationGetRelationName(rel), natts, known),
				 errhint("Install the newer version of pg_trickle, and reconnect.")));
}

HeapTuple
catalog_form(const CatalogColumns *columns, Relation rel,
			 const Datum *values, const bool *isnull)
{
	int			natts = RelationGetNumberOfAttributes(rel);
	Datum	   *all_values = palloc0(sizeof(Datum) * natts);
	bool	   *all_isnull = palloc(sizeof(bool) * natts);

	refuse_unknown_columns(columns, rel);
	memset(all_isnull, true, sizeof(bool) * natts);
	for (int column = 1; column <= columns->ncolumns; column++)
	{
		AttrNumber	attnum = catalog_attribute(columns, rel, column);

		if (attnum == InvalidAttrNumber)
			continue;
		all_values[attnum - 1] = values[column - 1];
		all_isnull[attnum - 1] = isnull[column - 1];
	}
	return heap_form_tuple(RelationGetDescr(rel), all_values, all_isnull);
}

HeapTuple
catalog_modify(const CatalogColumns *columns, Relation rel, HeapTuple tuple,
			   const Datum *values, const bool *isnull, const bool *replace)
{
	int		   *attnums = palloc(sizeof(int) * columns->ncolumns);
	Datum	   *new_values = palloc(sizeof(Datum) * columns->ncolumns);
	bool	   *new_isnull = palloc(sizeof(bool) * columns->ncolumns);
	int			n = 0;

	for (int column = 1; column <= columns->ncolumns; column++)
	{
		AttrNumber	attnum;

		if (!replace[column - 1])
			continue;
		attnum = catalog_attribute(columns, rel, column);
		if (attnum == InvalidAttrNumber)
			continue;
		attnums[n] = attnum;
		new_values[n] = values[column - 1];
		new_isnull[n] = isnull[column - 1];
		n++;
	}
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), n, attnums,
									 new_values, new_isnull);
}

bool
pgt_extension_exists(void)
{
	return OidIsValid(get_extension_oid("pg_trickle", true));
}

/*
 * The owner of our main table, rather than that of the pg_extension row: it
 * costs a cache lookup instead of a scan, and the two are never changed apart.
 */
Oid
pgt_extension_owner(void)
{
	return pgt_relation_owner(pgt_catalog_relid("pgt_stream_tables"));
}

bool
relation_is_newer_than(Relation rel, Snapshot snapshot)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		same;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(pg_class, ClassOidIndexId, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	same = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relfilenode == rel->rd_rel->relfilenode;
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return !same;
}

Oid
pgt_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with oid %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}
