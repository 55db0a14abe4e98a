/*-------------------------------------------------------------------------
 *
 * history.c
 *	  pgt_refresh_history: one row for each refresh that did something.
 *
 * Bounded by age and by number for each stream table, so that a stream table
 * refreshed a thousand times a second does not fill the disk.
 *
 * refresh_id ascends within a stream table, because its refreshes exclude
 * each other; so the index on (pgt_id, refresh_id) gives the newest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog/catalog.h"

#define HISTORY_TABLE	"pgt_refresh_history"
#define HISTORY_INDEX	"pgt_refresh_history_pkey"
#define HISTORY_SEQUENCE "pgt_refresh_history_refresh_id_seq"

#define HISTORY_MAX_ROWS 10000

/* Columns of the table, in order. */
enum
{
	COL_REFRESH_ID = 1,
	COL_PGT_ID,
	COL_DATA_TIMESTAMP,
	COL_START_TIME,
	COL_END_TIME,
	COL_ACTION,
	COL_REASON,
	COL_STATUS,
	COL_CHANGES_CONSUMED,
	COL_ROWS_INSERTED,
	COL_ROWS_UPDATED,
	COL_ROWS_DELETED,
	COL_ERROR_MESSAGE,
	COL_ERROR_SQLSTATE,
	NCOLUMNS = COL_ERROR_SQLSTATE
};

typedef struct HistoryRow
{
	Datum		values[NCOLUMNS];
	bool		isnull[NCOLUMNS];
} HistoryRow;

static void
set_value(HistoryRow *row, int column, Datum value)
{
	row->values[column - 1] = value;
	row->isnull[column - 1] = false;
}

static void
set_text(HistoryRow *row, int column, const char *value)
{
	if (value)
		set_value(row, column, CStringGetTextDatum(value));
}

void
history_insert(const StreamTable *st, const RefreshOutcome *outcome,
			   const char *status, const char *error_message,
			   const char *sqlstate)
{
	HistoryRow	row;
	Relation	rel;
	HeapTuple	tuple;

	if (pgt_history_retention == 0)
		return;

	memset(row.isnull, true, sizeof(row.isnull));
	set_value(&row, COL_REFRESH_ID,
			  Int64GetDatum(nextval_internal(pgt_catalog_relid(HISTORY_SEQUENCE),
											 false)));
	set_value(&row, COL_PGT_ID, Int64GetDatum(st->pgt_id));
	if (outcome->data_timestamp != 0)
		set_value(&row, COL_DATA_TIMESTAMP,
				  TimestampTzGetDatum(outcome->data_timestamp));
	set_value(&row, COL_START_TIME, TimestampTzGetDatum(outcome->start_time));
	set_value(&row, COL_END_TIME, TimestampTzGetDatum(outcome->end_time));
	set_text(&row, COL_ACTION, outcome->action);
	set_text(&row, COL_REASON, outcome->reason);
	set_text(&row, COL_STATUS, status);
	set_value(&row, COL_CHANGES_CONSUMED, Int64GetDatum(outcome->changes));
	set_value(&row, COL_ROWS_INSERTED, Int64GetDatum(outcome->rows_inserted));
	set_value(&row, COL_ROWS_UPDATED, Int64GetDatum(outcome->rows_updated));
	set_value(&row, COL_ROWS_DELETED, Int64GetDatum(outcome->rows_deleted));
	set_text(&row, COL_ERROR_MESSAGE, error_message);
	set_text(&row, COL_ERROR_SQLSTATE, sqlstate);

	rel = table_open(pgt_catalog_relid(HISTORY_TABLE), RowExclusiveLock);
	tuple = heap_form_tuple(RelationGetDescr(rel), row.values, row.isnull);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
}

static TimestampTz
row_end_time(Relation rel, HeapTuple tuple)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, COL_END_TIME, RelationGetDescr(rel), &isnull);

	Assert(!isnull);
	return DatumGetTimestampTz(value);
}

static SysScanDesc
scan_begin(Relation rel, Relation index, int64 pgt_id)
{
	ScanKeyData key;

	/* of an ordered scan, keys are given by the table's columns */
	ScanKeyInit(&key, COL_PGT_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(pgt_id));
	return systable_beginscan_ordered(rel, index, NULL, 1, &key);
}

/*
 * One pass from the newest row on.  It cannot end at the first old row,
 * because a clock that was set back makes a newer row older.
 */
void
history_prune(int64 pgt_id)
{
	Relation	rel = table_open(pgt_catalog_relid(HISTORY_TABLE), RowExclusiveLock);
	Relation	index = index_open(pgt_catalog_relid(HISTORY_INDEX), AccessShareLock);
	SysScanDesc scan = scan_begin(rel, index, pgt_id);
	TimestampTz keep_from = GetCurrentTimestamp() -
		(int64) pgt_history_retention * SECS_PER_MINUTE * USECS_PER_SEC;
	HeapTuple	tuple;
	int			nkept = 0;

	while ((tuple = systable_getnext_ordered(scan, BackwardScanDirection)) != NULL)
	{
		if (nkept == HISTORY_MAX_ROWS || row_end_time(rel, tuple) < keep_from)
			CatalogTupleDelete(rel, &tuple->t_self);
		else
			nkept++;
	}

	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, RowExclusiveLock);
}
