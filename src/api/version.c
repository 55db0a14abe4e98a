/*-------------------------------------------------------------------------
 *
 * version.c
 *	  version(): of the objects installed in this database, which may be
 *	  older than the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "api/api.h"

PG_FUNCTION_INFO_V1(pgt_version);

Datum
pgt_version(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key[1];
	SysScanDesc scan;
	HeapTuple	tuple;
	Datum		version = (Datum) 0;
	bool		isnull = true;

	ScanKeyInit(&key[0], Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("pg_trickle"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		version = heap_getattr(tuple, Anum_pg_extension_extversion,
							   RelationGetDescr(rel), &isnull);
	if (isnull)
		elog(ERROR, "extension pg_trickle has no version");
	version = PointerGetDatum(DatumGetTextPCopy(version));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}
