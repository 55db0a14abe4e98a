/*-------------------------------------------------------------------------
 *
 * tamper.c
 *	  Has the table of a stream table been altered since the last refresh?
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
#include "catalog/pg_trigger.h"
#include "common/hashfn.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "refresh/storage.h"

static uint64
hash_version(uint64 hash, uint32 number, HeapTuple tuple)
{
	hash = hash_combine64(hash, ((uint64) number << 32) |
						  HeapTupleHeaderGetRawXmin(tuple->t_data));
	return hash_combine64(hash, ((uint64) ItemPointerGetBlockNumber(&tuple->t_self) << 16) |
						  ItemPointerGetOffsetNumber(&tuple->t_self));
}

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
			hash = hash_version(hash, att->attnum, tuple);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return hash;
}

static uint64
hash_guards(uint64 hash, Oid relid)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (strcmp(NameStr(trigger->tgname), PGT_GUARD_TRIGGER) == 0 ||
			strcmp(NameStr(trigger->tgname), PGT_GUARD_ROW_TRIGGER) == 0)
			hash = hash_version(hash, trigger->oid, tuple);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return hash;
}

uint64
storage_signature(Oid relid)
{
	return hash_guards(hash_columns(0, relid), relid) | 1;
}
