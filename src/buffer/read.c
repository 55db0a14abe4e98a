/*-------------------------------------------------------------------------
 *
 * read.c
 *	  The window of a buffer between a frontier and a snapshot.
 *
 *		window(F, S) = { row : row visible in S and new to F }
 *
 * Visibility is the heap's own: a row was inserted by the transaction, or the
 * subtransaction, that made the change, so S shows both or neither.  "New" is
 * frontier_is_new(), from the row's columns xid and part.
 *
 * Whoever adds the rows up by himself is spared the netting: for him only the
 * two images of an update that differ in none of the wanted columns are left
 * out.
 *
 * Most rows of a page that is read again are old.  They are told by these two
 * alone, which come first and are never null, hence at a fixed place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/predicate.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "buffer/buffer.h"
#include "buffer/buffer_columns.h"
#include "buffer/consolidate.h"
#include "buffer/floor.h"
#include "buffer/scan.h"
#include "catalog/catalog.h"

/* 8 MB are looked at in a few milliseconds. */
#define COUNT_BLOCKS	1024

/*
 * Trimming and rewriting a buffer put rows into another file, or nowhere,
 * without regard to older snapshots.  Callers lock the buffer before they take
 * the snapshot, which settles it, unless the snapshot is that of a REPEATABLE
 * READ transaction.
 */
static void
check_snapshot(Relation buffer, Snapshot snapshot)
{
	if (!IsolationUsesXactSnapshot())
		return;
	if (relation_is_newer_than(buffer, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent trimming of captured changes"),
				 errdetail("Change buffer \"%s\" was rewritten after the snapshot of this transaction was taken.",
						   RelationGetRelationName(buffer)),
				 errhint("Run the transaction again, or refresh in a READ COMMITTED transaction.")));
}

TableScanDesc
buffer_scan_from(Relation buffer, BlockNumber start, Snapshot snapshot)
{
	TableScanDesc scan;

	check_snapshot(buffer, snapshot);
	scan = table_beginscan_strat(buffer, snapshot, 0, NULL, true, false);
	if (start > 0)
		heap_setscanlimits(scan, start, ((HeapScanDesc) scan)->rs_nblocks - start);
	return scan;
}

/*
 * The rows of a buffer that a snapshot sees and that are new to a frontier.  Of the
 * others, which are most of what stands in the first pages, only xid and part are
 * looked at, and it is not asked who sees them.  As in any scan, a serializable
 * transaction must know whom it does not see; all whom the frontier saw it does.
 */
typedef struct NewRows
{
	Relation	buffer;
	const SourceFrontier *since;
	Snapshot	snapshot;
	BufferAccessStrategy strategy;
	BlockNumber next_block;
	BlockNumber nblocks;
	Buffer		page;			/* pinned, if there are rows of it */
	BlockNumber block;			/* its number */
	int			nrows;
	int			next_row;
	OffsetNumber rows[MaxHeapTuplesPerPage];
	HeapTupleData tuple;		/* the row at hand */
} NewRows;

/*
 * A row that is put into a page after its end was looked at is not in the snapshot,
 * which was taken before.
 */
static void
new_rows_begin(NewRows *scan, Relation buffer, const SourceFrontier *since,
			   Snapshot snapshot)
{
	check_snapshot(buffer, snapshot);
	PredicateLockRelation(buffer, snapshot);
	pgstat_count_heap_scan(buffer);
	scan->buffer = buffer;
	scan->since = since;
	scan->snapshot = snapshot;
	scan->next_block = floor_start(buffer, since);
	scan->nblocks = RelationGetNumberOfBlocks(buffer);
	scan->strategy = scan->nblocks > NBuffers / 4 ?
		GetAccessStrategy(BAS_BULKREAD) : NULL;
	scan->page = InvalidBuffer;
	scan->nrows = 0;
	scan->next_row = 0;
}

static void
new_rows_end(NewRows *scan)
{
	if (BufferIsValid(scan->page))
		ReleaseBuffer(scan->page);
	if (scan->strategy != NULL)
		FreeAccessStrategy(scan->strategy);
}

static void
tuple_at(NewRows *scan, OffsetNumber n)
{
	Page		page = BufferGetPage(scan->page);
	ItemId		item = PageGetItemId(page, n);

	scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	scan->tuple.t_len = ItemIdGetLength(item);
	ItemPointerSet(&scan->tuple.t_self, scan->block, n);
}

static bool
sees_tuple(NewRows *scan)
{
	bool		visible = (PageIsAllVisible(BufferGetPage(scan->page)) &&
						   !scan->snapshot->takenDuringRecovery) ||
		HeapTupleSatisfiesVisibility(&scan->tuple, scan->snapshot, scan->page);

	HeapCheckForSerializableConflictOut(visible, scan->buffer, &scan->tuple,
										scan->page, scan->snapshot);
	return visible;
}

/* Find the rows of the next page. */
static void
next_page(NewRows *scan)
{
	Page		page;
	OffsetNumber max;

	CHECK_FOR_INTERRUPTS();
	if (BufferIsValid(scan->page))
		ReleaseBuffer(scan->page);
	scan->block = scan->next_block++;
	scan->page = ReadBufferExtended(scan->buffer, MAIN_FORKNUM, scan->block,
									RBM_NORMAL, scan->strategy);
	scan->nrows = 0;
	scan->next_row = 0;
	scan->tuple.t_tableOid = RelationGetRelid(scan->buffer);

	LockBuffer(scan->page, BUFFER_LOCK_SHARE);
	page = BufferGetPage(scan->page);
	max = PageIsNew(page) ? InvalidOffsetNumber : PageGetMaxOffsetNumber(page);
	for (OffsetNumber n = FirstOffsetNumber; n <= max; n++)
	{
		if (!ItemIdIsNormal(PageGetItemId(page, n)))
			continue;
		scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, n));
		if (!buffer_tuple_is_new(&scan->tuple, scan->since))
			continue;
		tuple_at(scan, n);
		if (sees_tuple(scan))
			scan->rows[scan->nrows++] = n;
	}
	LockBuffer(scan->page, BUFFER_LOCK_UNLOCK);
}

/* NULL after the last one. */
static HeapTuple
new_rows_next(NewRows *scan)
{
	while (scan->next_row == scan->nrows)
	{
		if (scan->next_block >= scan->nblocks)
			return NULL;
		next_page(scan);
	}
	tuple_at(scan, scan->rows[scan->next_row++]);
	return &scan->tuple;
}

bool
buffer_has_changes(Relation buffer, const SourceFrontier *since, Snapshot snapshot)
{
	NewRows		scan;
	bool		result;

	new_rows_begin(&scan, buffer, since, snapshot);
	result = new_rows_next(&scan) != NULL;
	new_rows_end(&scan);
	if (!result)
		floor_nothing_new(buffer, since, snapshot);
	return result;
}

int64
buffer_count_changes(Relation buffer, const SourceFrontier *since,
					 Snapshot snapshot, int64 limit)
{
	NewRows		scan;
	int64		n = 0;

	new_rows_begin(&scan, buffer, since, snapshot);
	while (n < limit && new_rows_next(&scan) != NULL)
		n++;
	new_rows_end(&scan);
	return n;
}

int64
buffer_estimate_changes(Relation buffer, const SourceFrontier *since, Snapshot snapshot)
{
	NewRows		scan;
	BlockNumber start = InvalidBlockNumber;
	BlockNumber ncounted = 0;
	int64		count = 0;
	HeapTuple	tuple;

	new_rows_begin(&scan, buffer, since, snapshot);
	while ((tuple = new_rows_next(&scan)) != NULL)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&tuple->t_self);

		start = Min(start, block);
		ncounted = block - start;
		if (ncounted >= COUNT_BLOCKS)
			break;
		count++;
	}
	new_rows_end(&scan);
	if (tuple != NULL)
		count = (int64) (count * ((double) (scan.nblocks - start) / ncounted));
	return count;
}

/* Attributes of the buffer behind the columns of desc from the second on. */
static AttrNumber *
map_columns(Relation buffer, TupleDesc desc, const AttrNumber *attnums)
{
	TupleDesc	have = RelationGetDescr(buffer);
	AttrNumber *map = palloc(sizeof(AttrNumber) * desc->natts);

	for (int i = 1; i < desc->natts; i++)
	{
		Oid			type = getBaseType(TupleDescAttr(desc, i)->atttypid);

		map[i] = buffer_column(have, attnums[i - 1]);
		if (map[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("change buffer \"%s\" does not hold a column that is needed",
							RelationGetRelationName(buffer)),
					 errdetail("Column number %d of the source is not captured.", attnums[i - 1]),
					 errhint("Create the stream table again with pgtrickle.create_or_replace_stream_table().")));
		if (TupleDescAttr(have, map[i] - 1)->atttypid != type)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("change buffer \"%s\" holds a column with another type",
							RelationGetRelationName(buffer)),
					 errdetail("Column number %d of the source was captured as %s, and is %s now.",
							   attnums[i - 1],
							   format_type_be(TupleDescAttr(have, map[i] - 1)->atttypid),
							   format_type_be(type)),
					 errhint("Create the stream table again with pgtrickle.create_or_replace_stream_table().")));
	}
	return map;
}

/* One reading of a window. */
typedef struct WindowRead
{
	TupleDesc	desc;			/* of the rows that are wanted */
	AttrNumber *map;
	AttrNumber	last;			/* attribute of the buffer that is needed */
	WindowFilter *filter;		/* or NULL */
	ExprContext *econtext;		/* for the filter */
	bool		passing;
	Consolidation *c;
	TupleTableSlot *row;
	TupleTableSlot *waiting;	/* the row before, if it is not written yet */
	int			waiting_w;		/* its weight, or 0 */
	int64		npassed;		/* rows that the filter let through */
} WindowRead;

/* What an expression makes once and keeps must live as long as itself. */
static ExprContext *
filter_econtext(const WindowFilter *filter)
{
	ExprContext *econtext = CreateStandaloneExprContext();

	econtext->ecxt_per_query_memory = filter->context;
	return econtext;
}

static void
read_begin(WindowRead *read, Relation buffer, TupleDesc desc,
		   const AttrNumber *attnums, WindowFilter *filter, int flags)
{
	read->desc = desc;
	read->map = map_columns(buffer, desc, attnums);
	read->last = BUFFER_FIXED_ATTRS;
	for (int i = 1; i < desc->natts; i++)
		read->last = Max(read->last, read->map[i]);
	read->filter = filter;
	read->econtext = filter != NULL ? filter_econtext(filter) : NULL;
	read->passing = (flags & WINDOW_PASSING) != 0;
	read->c = consolidate_begin(desc, (flags & WINDOW_UNIT_WEIGHTS) != 0);
	if ((flags & WINDOW_WHOLE) != 0 && !read->passing)
		consolidate_hold(read->c);
	read->row = MakeSingleTupleTableSlot(RelationGetDescr(buffer),
										 &TTSOpsBufferHeapTuple);
	read->waiting = MakeSingleTupleTableSlot(RelationGetDescr(buffer),
											 &TTSOpsBufferHeapTuple);
	read->waiting_w = 0;
	read->npassed = 0;
	if (filter != NULL && filter->netted != NULL)
		consolidate_filter(read->c, filter->netted, read->econtext);
}

static void
read_end(WindowRead *read)
{
	ExecDropSingleTupleTableSlot(read->row);
	ExecDropSingleTupleTableSlot(read->waiting);
	if (read->econtext != NULL)
		FreeExprContext(read->econtext, true);
	pfree(read->map);
}

static bool
row_passes(WindowRead *read, const Datum *values, const bool *isnull)
{
	WindowFilter *filter = read->filter;
	int			natts = filter->slot->tts_tupleDescriptor->natts;
	bool		result;

	ExecClearTuple(filter->slot);
	memcpy(filter->slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(filter->slot->tts_isnull, isnull, sizeof(bool) * natts);
	ExecStoreVirtualTuple(filter->slot);
	read->econtext->ecxt_scantuple = filter->slot;
	result = ExecQual(filter->any, read->econtext);
	ResetExprContext(read->econtext);
	return result;
}

static void
write_row(WindowRead *read, TupleTableSlot *slot, int w)
{
	Datum	   *values = consolidate_values(read->c);
	bool	   *isnull = consolidate_isnull(read->c);

	for (int i = 1; i < read->desc->natts; i++)
	{
		values[i] = slot->tts_values[read->map[i] - 1];
		isnull[i] = slot->tts_isnull[read->map[i] - 1];
	}
	if (read->filter != NULL && read->filter->any != NULL &&
		!row_passes(read, values, isnull))
		return;
	read->npassed++;
	if (read->passing)
		consolidate_pass(read->c, w);
	else
		consolidate_add(read->c, w);
}

/* Are the row and the one that waits equal, as stored, where they are wanted? */
static bool
same_image(const WindowRead *read)
{
	for (int i = 1; i < read->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(read->desc, i);
		int			n = read->map[i] - 1;

		if (read->row->tts_isnull[n] != read->waiting->tts_isnull[n])
			return false;
		if (!read->row->tts_isnull[n] &&
			!datum_image_eq(read->row->tts_values[n], read->waiting->tts_values[n],
							att->attbyval, att->attlen))
			return false;
	}
	return true;
}

static void
write_waiting(WindowRead *read)
{
	if (read->waiting_w != 0)
		write_row(read, read->waiting, read->waiting_w);
	read->waiting_w = 0;
}

/*
 * Capture writes the two images of an update one after the other.  If the
 * columns that are wanted of them are equal, it changed others.
 */
static void
pass_row(WindowRead *read, int w)
{
	TupleTableSlot *slot = read->row;

	if (read->waiting_w == -w && same_image(read))
	{
		read->waiting_w = 0;
		return;
	}
	write_waiting(read);
	read->row = read->waiting;
	read->waiting = slot;
	read->waiting_w = w;
}

/* Returns false at a marker. */
static bool
take_row(WindowRead *read, HeapTuple tuple, Buffer buf)
{
	int			w;

	ExecStoreBufferHeapTuple(tuple, read->row, buf);
	slot_getsomeattrs(read->row, read->last);
	w = DatumGetInt16(read->row->tts_values[BUFFER_ATTR_W - 1]);
	if (w == 0)
		return false;
	if (read->passing)
		pass_row(read, w);
	else
		write_row(read, read->row, w);
	return true;
}

void
buffer_read_window(Relation buffer, const SourceFrontier *since, Snapshot snapshot,
				   TupleDesc desc, const AttrNumber *attnums,
				   WindowFilter *filter, int flags, ChangeWindow *window)
{
	WindowRead	read;
	NewRows		scan;
	HeapTuple	tuple;

	memset(window, 0, sizeof(ChangeWindow));
	new_rows_begin(&scan, buffer, since, snapshot);
	tuple = new_rows_next(&scan);
	if (tuple == NULL)
	{
		new_rows_end(&scan);
		floor_nothing_new(buffer, since, snapshot);
		return;
	}
	read_begin(&read, buffer, desc, attnums, filter, flags);
	for (; tuple != NULL && !window->has_marker; tuple = new_rows_next(&scan))
	{
		window->nchanges++;
		window->has_marker = !take_row(&read, tuple, scan.page);
	}
	new_rows_end(&scan);

	/* The window is not a difference then. */
	if (window->has_marker)
		consolidate_discard(read.c);
	else
	{
		write_waiting(&read);
		window->npassed = read.npassed;
		consolidate_end(read.c, window);
	}
	read_end(&read);
}
