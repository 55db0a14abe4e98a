/*-------------------------------------------------------------------------
 *
 * subscription.c
 *	  Rows of pgt_subscriptions: who is told what by NOTIFY.
 *
 * A refresh asks each time, so who caches what it has read is told of changes by
 * an invalidation of the relation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"

#define SUBSCRIPTIONS		"pgt_subscriptions"
#define SUBSCRIPTIONS_PKEY	"pgt_subscriptions_pkey"

/* Columns of the table, in order. */
enum
{
	COL_PGT_ID = 1,
	COL_CHANNEL,
	COL_SUBSCRIBED_AT,
	NCOLUMNS = COL_SUBSCRIBED_AT
};

/*
 * A database whose tables were made by an older version has none, which is no
 * reason for its refreshes to fail.
 */
Oid
subscription_relid(void)
{
	Oid			namespace = get_namespace_oid(PGT_SCHEMA, true);

	return OidIsValid(namespace) ? get_relname_relid(SUBSCRIPTIONS, namespace) : InvalidOid;
}

static void
changed(Relation rel)
{
	CacheInvalidateRelcache(rel);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

void
subscription_insert(int64 pgt_id, const char *channel)
{
	Relation	rel = table_open(pgt_catalog_relid(SUBSCRIPTIONS), RowExclusiveLock);
	Datum		values[NCOLUMNS] = {
		Int64GetDatum(pgt_id),
		CStringGetTextDatum(channel),
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())
	};
	bool		isnull[NCOLUMNS] = {false};

	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, isnull));
	changed(rel);
}

bool
subscription_delete(int64 pgt_id, const char *channel)
{
	Oid			relid = subscription_relid();
	Relation	rel;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (!OidIsValid(relid))
		return false;
	rel = table_open(relid, RowExclusiveLock);
	ScanKeyInit(&keys[0], COL_PGT_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(pgt_id));
	if (channel)
	{
		ScanKeyInit(&keys[1], COL_CHANNEL, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(channel));
		keys[1].sk_collation = DEFAULT_COLLATION_OID;
	}
	scan = systable_beginscan(rel, pgt_catalog_relid(SUBSCRIPTIONS_PKEY), true,
							  NULL, channel ? 2 : 1, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CatalogTupleDelete(rel, &tuple->t_self);
		found = true;
	}
	systable_endscan(scan);
	changed(rel);
	return found;
}

List *
subscription_read_all(void)
{
	Oid			relid = subscription_relid();
	List	   *all = NIL;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return NIL;
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Subscription *subscription = palloc(sizeof(Subscription));
		Datum		values[NCOLUMNS];
		bool		isnull[NCOLUMNS];

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, isnull);
		subscription->pgt_id = DatumGetInt64(values[COL_PGT_ID - 1]);
		subscription->channel = TextDatumGetCString(values[COL_CHANNEL - 1]);
		all = lappend(all, subscription);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return all;
}
