/*-------------------------------------------------------------------------
 *
 * consolidate.c
 *	  Net the rows of a window by image.
 *
 *		D' = { (row, sum of w) : sum of w <> 0 }
 *
 * Rows are equal if their columns are equal as stored, not by any operator:
 * numeric 1.0 and 1.00 stay apart.
 *
 * As long as only rows of weight +1 have come there is nothing to cancel, and
 * they go straight to the store; most windows are of that kind.  The first row
 * of weight -1 brings what the store holds into a hash table.  A table that
 * outgrows its memory is emptied into the store and begins anew: some rows
 * stay apart then that could have been netted, which is still the same z-set.
 * So it is when the store is on disk already: its rows stay where they are.
 * Where that is not good enough, one side of a difference is held in memory
 * and the other one passes by it.
 *
 * Rows leave in the order in which they first came.  That is no promise, but
 * changes are made, and hence captured, more or less in the order of a table's
 * pages; whoever looks up what they meet then finds one page after the other in
 * tables and indexes, instead of any page at any time.
 *
 * A condition on the rows commutes with the sum, so rows that do not satisfy it
 * can go at either end.  One that can fail must go at this end: a row that came
 * and went was never there to be asked.  It is asked of what leaves the table
 * only; whoever reads the rows asks it again.  Where a row may have gone to the
 * store that a later one cancels, it is not asked, and the window says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "buffer/consolidate.h"

typedef struct NetRow
{
	MinimalTuple tuple;			/* w in it means nothing */
	int64		w;
} NetRow;

typedef struct NetEntry
{
	int64		row;			/* its place among the rows */
	uint32		hash;
	char		status;
} NetEntry;

struct net_hash;

/* Rows for which there is room at first. */
#define FIRST_ROWS 64

struct Consolidation
{
	MemoryContext context;		/* holds all of this */
	TupleDesc	desc;
	bool		unit_weights;
	bool		meeting;		/* after consolidate_meet() */
	Datum	   *values;			/* the row at hand */
	bool	   *isnull;
	Tuplestorestate *store;
	int64		nrows;
	bool		has_negative;
	bool		partial;		/* rows of the store may have met their opposite */
	TupleTableSlot *slot;		/* for rows of the store and of the table */
	struct net_hash *table;		/* NULL until the first negative row */
	NetRow	   *rows;			/* those of the table, as they came */
	int64		ntaken,
				nroom;
	MemoryContext table_context;
	Size		memory_limit;
	ExprState  *qual;			/* of rows that leave the table, or NULL */
	ExprContext *econtext;
};

static bool row_equals(Consolidation *c, int64 stored);

/* The search key is always the row at hand, so it is not passed. */
#define SH_PREFIX		net
#define SH_ELEMENT_TYPE NetEntry
#define SH_KEY_TYPE		int64
#define SH_KEY			row
#define SH_HASH_KEY(tb, key)	((void) (key), 0)
#define SH_EQUAL(tb, stored, key) \
	((void) (key), row_equals((Consolidation *) (tb)->private_data, stored))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, entry)	((entry)->hash)
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static uint32
row_hash(Consolidation *c)
{
	uint32		hash = 0;

	for (int i = 1; i < c->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(c->desc, i);

		hash = pg_rotate_left32(hash, 1);
		if (!c->isnull[i])
			hash ^= datum_image_hash(c->values[i], att->attbyval, att->attlen);
	}
	return murmurhash32(hash);
}

static bool
row_equals(Consolidation *c, int64 stored)
{
	ExecStoreMinimalTuple(c->rows[stored].tuple, c->slot, false);
	slot_getallattrs(c->slot);
	for (int i = 1; i < c->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(c->desc, i);

		if (c->slot->tts_isnull[i] != c->isnull[i])
			return false;
		if (!c->isnull[i] &&
			!datum_image_eq(c->slot->tts_values[i], c->values[i],
							att->attbyval, att->attlen))
			return false;
	}
	return true;
}

static Tuplestorestate *
make_store(void)
{
	/* Readers of an ephemeral relation may rescan, and do not go backward. */
	return tuplestore_begin_heap(false, false, work_mem);
}

Consolidation *
consolidate_begin(TupleDesc desc, bool unit_weights)
{
	Consolidation *c = palloc0(sizeof(Consolidation));

	c->context = CurrentMemoryContext;
	c->desc = desc;
	c->unit_weights = unit_weights;
	c->values = palloc(sizeof(Datum) * desc->natts);
	c->isnull = palloc(sizeof(bool) * desc->natts);
	c->isnull[0] = false;
	c->store = make_store();
	c->memory_limit = get_hash_memory_limit();
	return c;
}

void
consolidate_filter(Consolidation *c, ExprState *qual, ExprContext *econtext)
{
	c->qual = qual;
	c->econtext = econtext;
}

Datum *
consolidate_values(Consolidation *c)
{
	return c->values;
}

bool *
consolidate_isnull(Consolidation *c)
{
	return c->isnull;
}

/* The next part of a weight that is written as one row. */
static int32
weight_part(Consolidation *c, int64 w)
{
	int64		most = c->unit_weights ? 1 : PG_INT32_MAX;

	c->nrows++;
	if (w < 0)
		c->has_negative = true;
	return (int32) (w > 0 ? Min(w, most) : Max(w, -most));
}

/* Write the row at hand. */
static void
emit(Consolidation *c, int64 w)
{
	c->isnull[0] = false;
	while (w != 0)
	{
		int32		part = weight_part(c, w);

		c->values[0] = Int32GetDatum(part);
		tuplestore_putvalues(c->store, c->desc, c->values, c->isnull);
		w -= part;
	}
}

/* Write a row of the table, which lies in the slot. */
static void
emit_row(Consolidation *c, const NetRow *row)
{
	int64		w = row->w;

	while (w != 0)
	{
		int32		part = weight_part(c, w);

		/* w comes first and is never null, hence lies at a fixed place. */
		memcpy((char *) row->tuple + row->tuple->t_hoff - MINIMAL_TUPLE_OFFSET,
			   &part, sizeof(part));
		tuplestore_puttupleslot(c->store, c->slot);
		w -= part;
	}
}

static bool
row_passes(Consolidation *c)
{
	bool		result;

	if (c->qual == NULL || c->partial)
		return true;
	c->econtext->ecxt_scantuple = c->slot;
	result = ExecQual(c->qual, c->econtext);
	ResetExprContext(c->econtext);
	return result;
}

static void
table_begin(Consolidation *c)
{
	MemoryContext old = MemoryContextSwitchTo(c->table_context);

	c->table = net_create(c->table_context, 256, c);
	c->rows = palloc(sizeof(NetRow) * FIRST_ROWS);
	c->ntaken = 0;
	c->nroom = FIRST_ROWS;
	MemoryContextSwitchTo(old);
}

/* Move all rows of the table to the store. */
static void
table_flush(Consolidation *c)
{
	for (int64 i = 0; i < c->ntaken; i++)
	{
		if (c->rows[i].w == 0)
			continue;
		ExecStoreMinimalTuple(c->rows[i].tuple, c->slot, false);
		if (row_passes(c))
			emit_row(c, &c->rows[i]);
	}
	ExecClearTuple(c->slot);
	MemoryContextReset(c->table_context);
	c->table = NULL;
}

/* Put the row at hand behind those that the table has. */
static int64
take_row(Consolidation *c, int64 w)
{
	MemoryContext old = MemoryContextSwitchTo(c->table_context);
	NetRow	   *row;

	if (c->ntaken == c->nroom)
	{
		c->nroom *= 2;
		c->rows = repalloc_huge(c->rows, sizeof(NetRow) * c->nroom);
	}
	row = &c->rows[c->ntaken];
	c->values[0] = (Datum) 0;
	row->tuple = heap_form_minimal_tuple(c->desc, c->values, c->isnull);
	row->w = w;
	MemoryContextSwitchTo(old);
	return c->ntaken++;
}

static void
table_add(Consolidation *c, int64 w)
{
	bool		found;
	NetEntry   *entry = net_insert_hash(c->table, 0, row_hash(c), &found);

	if (found)
	{
		c->rows[entry->row].w += w;
		return;
	}
	entry->row = take_row(c, w);
	if (MemoryContextMemAllocated(c->table_context, false) > c->memory_limit)
	{
		c->partial = true;
		table_flush(c);
		table_begin(c);
	}
}

/* Move all rows of the store, which have positive weights, to the table. */
static void
store_to_table(Consolidation *c)
{
	Tuplestorestate *store = c->store;
	TupleTableSlot *row = MakeSingleTupleTableSlot(c->desc, &TTSOpsMinimalTuple);
	Datum	   *values = c->values;
	bool	   *isnull = c->isnull;

	c->store = make_store();
	c->nrows = 0;
	tuplestore_rescan(store);
	while (tuplestore_gettupleslot(store, true, false, row))
	{
		int64		w;

		slot_getallattrs(row);
		w = DatumGetInt32(row->tts_values[0]);
		c->values = row->tts_values;
		c->isnull = row->tts_isnull;
		table_add(c, w);
	}
	c->values = values;
	c->isnull = isnull;
	ExecDropSingleTupleTableSlot(row);
	tuplestore_end(store);
}

static void
begin_netting(Consolidation *c)
{
	MemoryContext old = MemoryContextSwitchTo(c->context);

	c->slot = MakeSingleTupleTableSlot(c->desc, &TTSOpsMinimalTuple);
	c->table_context = AllocSetContextCreate(CurrentMemoryContext,
											 "window consolidation",
											 ALLOCSET_DEFAULT_SIZES);
	table_begin(c);
	if (tuplestore_in_memory(c->store))
		store_to_table(c);
	else
		c->partial = true;
	MemoryContextSwitchTo(old);
}

void
consolidate_hold(Consolidation *c)
{
	c->memory_limit = SIZE_MAX;
	begin_netting(c);
}

void
consolidate_meet(Consolidation *c)
{
	c->meeting = true;
}

static void
table_meet(Consolidation *c, int w)
{
	NetEntry   *entry = net_lookup_hash(c->table, 0, row_hash(c));

	Assert(w == 1);
	if (entry != NULL && c->rows[entry->row].w < 0)
		c->rows[entry->row].w += w;
	else
		emit(c, w);
}

void
consolidate_add(Consolidation *c, int w)
{
	if (c->meeting)
	{
		table_meet(c, w);
		return;
	}
	if (w < 0 && c->slot == NULL)
		begin_netting(c);
	if (c->table)
		table_add(c, w);
	else
		emit(c, w);
}

void
consolidate_pass(Consolidation *c, int w)
{
	Assert(c->slot == NULL);
	emit(c, w);
}

static void
forget(Consolidation *c)
{
	if (c->slot)
	{
		ExecDropSingleTupleTableSlot(c->slot);
		MemoryContextDelete(c->table_context);
	}
	pfree(c->values);
	pfree(c->isnull);
	pfree(c);
}

void
consolidate_end(Consolidation *c, ChangeWindow *window)
{
	if (c->table)
		table_flush(c);
	if (c->nrows > 0)
	{
		tuplestore_rescan(c->store);
		window->rows = c->store;
	}
	else
	{
		tuplestore_end(c->store);
		window->rows = NULL;
	}
	window->nrows = c->nrows;
	window->has_negative = c->has_negative;
	window->partial = c->partial;
	forget(c);
}

void
consolidate_discard(Consolidation *c)
{
	tuplestore_end(c->store);
	forget(c);
}
