/*-------------------------------------------------------------------------
 *
 * tamper.c
 *	  Have the tables behind a stream table been altered since the last refresh?
 *
 * Its owner can disable the guards, write, and enable them again; and ALTER TABLE
 * can compute a column anew.  All of that writes new versions of rows of pg_trigger
 * or pg_attribute, which are told apart by the transaction that wrote them and by
 * where they are.  So do harmless things, such as SET STATISTICS, or VACUUM FULL of
 * those catalogs: then the next refresh compares the rows with the query once in
 * vain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "capture/capture.h"
#include "refresh/storage.h"

static uint64
hash_columns(uint64 hash, Oid relid)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attnum > 0 && !att->attisdropped)
			hash = signature_add_row(hash, att->attnum, tuple);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return hash;
}

static bool
is_guard(const char *trigger, const void *arg)
{
	return strcmp(trigger, PGT_GUARD_TRIGGER) == 0 ||
		strcmp(trigger, PGT_GUARD_ROW_TRIGGER) == 0;
}

static uint64
hash_table(uint64 hash, Oid relid)
{
	return signature_add_triggers(hash_columns(hash, relid), relid, is_guard, NULL);
}

uint64
storage_signature(Oid st, const List *parts)
{
	uint64		hash = hash_table(0, st);
	ListCell   *lc;

	foreach(lc, parts)
		hash = hash_table(hash, lfirst_oid(lc));
	return hash | 1;
}
