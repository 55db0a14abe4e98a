/*-------------------------------------------------------------------------
 *
 * fetch.c
 *	  Fetch the row behind an index entry.
 *
 * An ordinary index scan prunes each page that it visits whenever little of it
 * is free.  A page of a stream table has little free nearly always, and holds
 * one dead version from the refresh before, so scattered changes would prune
 * a page for each row.  Here a page is pruned only when it has no room for the
 * versions that this refresh is about to add, so that updates still stay on
 * their page.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#include "apply/apply_internal.h"

/* Room for how many rows of the size just seen a page should have. */
#define WANTED_ROWS 2

static void
prune_if_full(ApplyHeap *heap)
{
	Size		wanted = WANTED_ROWS * (MAXALIGN(heap->row_size) + sizeof(ItemIdData));

	/* Only we add rows, so a look without a lock is good enough. */
	if (PageGetHeapFreeSpace(BufferGetPage(heap->buffer)) < wanted)
		heap_page_prune_opt(heap->rel, heap->buffer);
}

/* The version that the snapshot sees of the row at tid, into the slot. */
static bool
fetch_visible(ApplyHeap *heap, ItemPointer tid, TupleTableSlot *slot)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) slot)->base.tupdata;
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	bool		all_dead = false;
	bool		found;

	heap->buffer = ReleaseAndReadBuffer(heap->buffer, heap->rel, block);
	prune_if_full(heap);
	ExecClearTuple(slot);
	LockBuffer(heap->buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(tid, heap->rel, heap->buffer,
								   heap->index_scan->xs_snapshot, tuple,
								   &all_dead, true);
	LockBuffer(heap->buffer, BUFFER_LOCK_UNLOCK);
	heap->index_scan->kill_prior_tuple = all_dead;
	if (!found)
		return false;

	tuple->t_self = *tid;
	tuple->t_tableOid = RelationGetRelid(heap->rel);
	heap->row_size = tuple->t_len;
	slot->tts_tableOid = tuple->t_tableOid;
	ExecStoreBufferHeapTuple(tuple, slot, heap->buffer);
	return true;
}

bool
fetch_next(ApplyHeap *heap, TupleTableSlot *slot)
{
	ItemPointer tid;

	if (heap->rel->rd_tableam != GetHeapamTableAmRoutine() ||
		!TTS_IS_BUFFERTUPLE(slot))
		return index_getnext_slot(heap->index_scan, ForwardScanDirection, slot);

	while ((tid = index_getnext_tid(heap->index_scan, ForwardScanDirection)) != NULL)
	{
		ItemPointerData at = *tid;

		if (fetch_visible(heap, &at, slot))
			return true;
	}
	ExecClearTuple(slot);
	return false;
}

void
fetch_end(ApplyHeap *heap)
{
	if (BufferIsValid(heap->buffer))
		ReleaseBuffer(heap->buffer);
	heap->buffer = InvalidBuffer;
}
