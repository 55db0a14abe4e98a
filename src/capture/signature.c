/*-------------------------------------------------------------------------
 *
 * signature.c
 *	  Has what captures a source been there all the time?
 *
 * A partition that was detached and attached again, and a trigger that was
 * disabled and enabled again, look as they did before, but changes in between
 * were not captured.  Each of these writes a new version of a row of
 * pg_inherits or pg_trigger.  The signature is a hash over the transactions
 * that wrote the present versions, and over where these are, since a transaction
 * may do it again after a refresh: another signature means that there may have
 * been a gap.  VACUUM FULL of those catalogs gives another one in vain.
 *
 * To give a stored generated column another expression rewrites the table, and
 * fires no trigger; but the column has another default afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "common/hashfn.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "capture/targets.h"
#include "capture/triggers.h"

uint64
signature_add_row(uint64 hash, uint32 number, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	uint64		both = ((uint64) number << 32) | xmin;

	hash = hash_combine64(hash, hash_bytes_extended((const unsigned char *) &both,
													sizeof(both), 0));
	return hash_combine64(hash, hash_bytes_extended((const unsigned char *) &tuple->t_self,
													sizeof(ItemPointerData), 0));
}

static bool
is_ours(const char *trigger, const void *arg)
{
	const SourceIdentifier *source = arg;

	for (int i = SOURCE_OBJECT_TRIGGER_INSERT; i < SOURCE_TRIGGER_KINDS; i++)
		if (strcmp(trigger, source_object_name((SourceObject) i, source)) == 0)
			return true;
	return false;
}

/* In the order of their names. */
uint64
signature_add_triggers(uint64 hash, Oid relid,
					   bool (*wanted) (const char *trigger, const void *arg),
					   const void *arg)
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

		if (wanted(NameStr(trigger->tgname), arg))
			hash = signature_add_row(hash, trigger->oid, tuple);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return hash;
}

/* The place of a partition in its tree. */
static uint64
hash_attachment(uint64 hash, Oid relid)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
		hash = signature_add_row(hash, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent, tuple);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return hash;
}

static uint64
hash_generated(uint64 hash, Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attgenerated == ATTRIBUTE_GENERATED_STORED)
			hash = hash_combine64(hash, GetAttrDefaultOid(relid, i + 1));
	table_close(rel, NoLock);
	return hash;
}

static int
compare_oids(const ListCell *a, const ListCell *b)
{
	return (lfirst_oid(a) > lfirst_oid(b)) - (lfirst_oid(a) < lfirst_oid(b));
}

uint64
capture_signature(const ChangeTracking *tracking)
{
	List	   *partitions = list_copy(tracking->partitions);
	uint64		hash = signature_add_triggers(0, tracking->source.oid, is_ours,
											  &tracking->source);
	ListCell   *lc;

	hash = hash_generated(hash, tracking->source.oid);
	list_sort(partitions, compare_oids);
	foreach(lc, partitions)
	{
		hash = hash_attachment(hash, lfirst_oid(lc));
		hash = signature_add_triggers(hash, lfirst_oid(lc), is_ours,
									  &tracking->source);
		hash = hash_generated(hash, lfirst_oid(lc));
	}
	return hash;
}
