/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Where our own tables are, and whether they are there.
 *
 * Everything is looked up by name in the schema of the extension through the
 * system caches: a re-created extension has other oids, and a backend must
 * not remember the old ones.
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

Oid
pgt_catalog_relid(const char *relname)
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
