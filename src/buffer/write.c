/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Append captured rows to a change buffer.
 *
 * Readers rely on one thing (README.md): a transaction writes no block of the
 * buffer below the last BUFFER_TAIL_BLOCKS that existed when its transaction id
 * was assigned.  Hence the id is assigned first; the block that the backend
 * remembers for the relation is forgotten if it is an older one; and the free
 * space map is not asked.  A row then goes to the remembered page, else to the
 * last one, or beyond it.
 *
 * So a backend has a page of its own as long as it writes about as much as the
 * others do.  With one page for all of them, its lock would change hands for
 * each statement, and whenever it is full, all would extend the file.
 *
 * Rows go in batches, because one call of heap_multi_insert() costs a third
 * of as many calls of heap_insert().  A single row takes neither a batch nor
 * a slot.  Values stored out of line, in the source's TOAST table or
 * anywhere else, are fetched and stored anew by the heap.
 *
 * Locks:  RowExclusiveLock on the buffer, kept to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "buffer/buffer.h"
#include "buffer/buffer_append.h"
#include "capture/capture.h"

#define BATCH_ROWS	1000
#define BATCH_BYTES 65536

/* What a statement that changes one row writes. */
#define FEW_ROWS	2

struct BufferWriter
{
	Relation	rel;
	TupleDesc	desc;
	int			ncolumns;
	const AttrNumber *columns;
	CommandId	cid;
	Datum	   *values;			/* of one buffer row; xid is always set */
	bool	   *isnull;

	int			n;				/* pending rows */
	Size		bytes;			/* and their size */
	HeapTuple  *tuples;			/* few_tuples, or room for BATCH_ROWS */
	TupleTableSlot **slots;		/* few_slots, or room for BATCH_ROWS */
	int			nslots;			/* made so far: as the largest batch needed */
	HeapTuple	few_tuples[FEW_ROWS];
	TupleTableSlot *few_slots[FEW_ROWS];
	MemoryContext batch;		/* holds the pending rows */
};

void
buffer_append_begin(Relation buffer)
{
	BlockNumber target = RelationGetTargetBlock(buffer);
	BlockNumber nblocks;

	if (target == InvalidBlockNumber)
		return;
	nblocks = RelationGetNumberOfBlocks(buffer);
	if (target >= nblocks || nblocks - target > BUFFER_TAIL_BLOCKS)
		RelationSetTargetBlock(buffer, InvalidBlockNumber);
}

void
buffer_append_one(Relation buffer, HeapTuple tuple, CommandId cid)
{
	heap_insert(buffer, tuple, cid, HEAP_INSERT_SKIP_FSM, NULL);
}

BufferWriter *
buffer_writer_begin(Relation buffer, int ncolumns, const AttrNumber *columns)
{
	BufferWriter *writer = palloc0(sizeof(BufferWriter));
	FullTransactionId xid = GetTopFullTransactionId();

	Assert(RelationGetNumberOfAttributes(buffer) == BUFFER_FIXED_ATTRS + ncolumns);
	writer->rel = buffer;
	writer->desc = RelationGetDescr(buffer);
	writer->ncolumns = ncolumns;
	writer->columns = columns;
	writer->cid = GetCurrentCommandId(true);
	writer->values = palloc(sizeof(Datum) * writer->desc->natts);
	writer->isnull = palloc(sizeof(bool) * writer->desc->natts);
	writer->values[BUFFER_ATTR_XID - 1] = FullTransactionIdGetDatum(xid);
	writer->isnull[BUFFER_ATTR_XID - 1] = false;
	writer->isnull[BUFFER_ATTR_W - 1] = false;
	writer->values[BUFFER_ATTR_PART - 1] = Int16GetDatum(capture_part());
	writer->isnull[BUFFER_ATTR_PART - 1] = false;
	writer->tuples = writer->few_tuples;
	writer->slots = writer->few_slots;
	writer->batch = AllocSetContextCreate(CurrentMemoryContext, "change buffer batch",
										  ALLOCSET_DEFAULT_SIZES);
	buffer_append_begin(buffer);
	return writer;
}

static void
make_slots(BufferWriter *writer, int n)
{
	/* A copy is not reference-counted, which would cost for each slot. */
	TupleDesc	desc = n > FEW_ROWS ? CreateTupleDescCopy(writer->desc) : writer->desc;

	if (n > FEW_ROWS && writer->slots == writer->few_slots)
	{
		writer->slots = palloc(sizeof(TupleTableSlot *) * BATCH_ROWS);
		memcpy(writer->slots, writer->few_slots, sizeof(writer->few_slots));
	}
	while (writer->nslots < n)
		writer->slots[writer->nslots++] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
}

static void
flush(BufferWriter *writer)
{
	MemoryContext old;

	if (writer->n == 0)
		return;
	if (writer->n > writer->nslots && writer->n > 1)
		make_slots(writer, writer->n);

	old = MemoryContextSwitchTo(writer->batch);
	if (writer->n == 1)
		buffer_append_one(writer->rel, writer->tuples[0], writer->cid);
	else
	{
		/* Owned by the slots, for the heap would copy them otherwise. */
		for (int i = 0; i < writer->n; i++)
			ExecStoreHeapTuple(writer->tuples[i], writer->slots[i], true);
		heap_multi_insert(writer->rel, writer->slots, writer->n, writer->cid,
						  HEAP_INSERT_SKIP_FSM, NULL);
		for (int i = 0; i < writer->n; i++)
			ExecClearTuple(writer->slots[i]);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->batch);
	writer->n = 0;
	writer->bytes = 0;
}

void
buffer_writer_add(BufferWriter *writer, int w, const Datum *values, const bool *isnull)
{
	MemoryContext old;
	HeapTuple	tuple;

	writer->values[BUFFER_ATTR_W - 1] = Int16GetDatum(w);
	for (int i = 0; i < writer->ncolumns; i++)
	{
		AttrNumber	attnum = writer->columns[i];

		writer->values[BUFFER_FIXED_ATTRS + i] = attnum > 0 ? values[attnum - 1] : (Datum) 0;
		writer->isnull[BUFFER_FIXED_ATTRS + i] = attnum > 0 ? isnull[attnum - 1] : true;
	}

	if (writer->n == FEW_ROWS && writer->tuples == writer->few_tuples)
	{
		writer->tuples = palloc(sizeof(HeapTuple) * BATCH_ROWS);
		memcpy(writer->tuples, writer->few_tuples, sizeof(writer->few_tuples));
	}
	old = MemoryContextSwitchTo(writer->batch);
	tuple = heap_form_tuple(writer->desc, writer->values, writer->isnull);
	MemoryContextSwitchTo(old);
	writer->tuples[writer->n++] = tuple;
	writer->bytes += tuple->t_len;
	if (writer->n == BATCH_ROWS || writer->bytes >= BATCH_BYTES)
		flush(writer);
}

void
buffer_writer_marker(BufferWriter *writer)
{
	memset(writer->isnull + BUFFER_FIXED_ATTRS, true, sizeof(bool) * writer->ncolumns);
	writer->values[BUFFER_ATTR_W - 1] = Int16GetDatum(0);
	flush(writer);
	buffer_append_one(writer->rel,
					  heap_form_tuple(writer->desc, writer->values, writer->isnull),
					  writer->cid);
}

void
buffer_writer_end(BufferWriter *writer)
{
	flush(writer);
	for (int i = 0; i < writer->nslots; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	MemoryContextDelete(writer->batch);
	pfree(writer->values);
	pfree(writer->isnull);
	pfree(writer);
}
