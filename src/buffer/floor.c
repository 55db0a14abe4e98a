/*-------------------------------------------------------------------------
 *
 * floor.c
 *	  Where in a buffer a window can begin.
 *
 * A backend remembers marks (block e, transaction id N) of each buffer: e was
 * its last block before N was the next id to be assigned.  With
 * b = e - (BUFFER_TAIL_BLOCKS - 1),
 *
 *		every transaction with an id >= N wrote only to blocks >= b	   (1)
 *
 * A row that is new to a frontier F has an id >= F.xmin, so the scan for F can
 * begin at the largest b with N <= F.xmin.  And when a snapshot S has
 * S.xmin >= N, all transactions below N have ended, so that
 *
 *		blocks < b are as they will be for ever						   (2)
 *
 * Hence a frontier that has nothing new in them under S never will have: that
 * is remembered too, because F stays where it is as long as nothing changes,
 * while other transactions keep N ahead of F.xmin.
 *
 * README.md proves (1), and says what can break it: a buffer that got another
 * file, known by its relfilenode, and one that was shortened by hand.  The
 * latter shows in the first row of block e, whose inserting transaction would
 * be another one: a row can only be cut off when its transaction has aborted,
 * and that one inserts no more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "buffer/buffer_append.h"
#include "buffer/floor.h"

#define MAX_MARKS	32
#define MAX_CLEAN	8
#define MAX_XIP		16

typedef struct FloorMark
{
	BlockNumber last;
	TransactionId first_xmin;	/* of the last block's first row */
	uint64		next_xid;
} FloorMark;

/*
 * Blocks below the mark's first open one hold nothing new for this frontier,
 * and never will.
 */
typedef struct CleanBelow
{
	FloorMark	mark;			/* last 0: not in use */
	SourceFrontier since;		/* xip points to the array below */
	uint64		xip[MAX_XIP];
} CleanBelow;

typedef struct BufferFloor
{
	Oid			buffer;			/* hash key */
	Oid			relfilenode;
	int			nmarks;
	FloorMark	marks[MAX_MARKS];	/* ascending in both */
	CleanBelow	clean[MAX_CLEAN];
	int			next_clean;		/* the one to overwrite */
} BufferFloor;

static HTAB *floors = NULL;

static void
floor_reset(BufferFloor *floor, Relation buffer)
{
	floor->relfilenode = buffer->rd_rel->relfilenode;
	floor->nmarks = 0;
	floor->next_clean = 0;
	for (int i = 0; i < MAX_CLEAN; i++)
		floor->clean[i].mark.last = 0;
}

/* b in the above */
static BlockNumber
first_open_block(const FloorMark *mark)
{
	return mark->last - Min(mark->last, BUFFER_TAIL_BLOCKS - 1);
}

static BufferFloor *
floor_lookup(Relation buffer)
{
	Oid			relid = RelationGetRelid(buffer);
	BufferFloor *floor;
	bool		found;

	if (floors == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(BufferFloor);
		ctl.hcxt = TopMemoryContext;
		floors = hash_create("pg_trickle buffer floors", 16, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	floor = hash_search(floors, &relid, HASH_ENTER, &found);
	if (!found || floor->relfilenode != buffer->rd_rel->relfilenode)
		floor_reset(floor, buffer);
	return floor;
}

/* Who inserted the first row of a block?  Invalid if it has no such row. */
static TransactionId
first_xmin(Relation buffer, BlockNumber block)
{
	Buffer		buf = ReadBuffer(buffer, block);
	TransactionId xmin = InvalidTransactionId;
	Page		page;

	LockBuffer(buf, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buf);
	if (!PageIsNew(page) && PageGetMaxOffsetNumber(page) >= FirstOffsetNumber)
	{
		ItemId		item = PageGetItemId(page, FirstOffsetNumber);

		if (ItemIdIsNormal(item))
			xmin = HeapTupleHeaderGetRawXmin((HeapTupleHeader) PageGetItem(page, item));
	}
	UnlockReleaseBuffer(buf);
	return xmin;
}

static bool
same_frontier(const SourceFrontier *a, const SourceFrontier *b)
{
	return a->xmin == b->xmin && a->xmax == b->xmax &&
		a->own_xid == b->own_xid && a->own_part == b->own_part &&
		a->nxip == b->nxip &&
		memcmp(a->xip, b->xip, sizeof(uint64) * a->nxip) == 0;
}

static CleanBelow *
clean_lookup(BufferFloor *floor, const SourceFrontier *since)
{
	for (int i = 0; i < MAX_CLEAN; i++)
		if (floor->clean[i].mark.last > 0 &&
			same_frontier(&floor->clean[i].since, since))
			return &floor->clean[i];
	return NULL;
}

static const FloorMark *
mark_lookup(const BufferFloor *floor, uint64 xid)
{
	for (int i = floor->nmarks - 1; i >= 0; i--)
		if (floor->marks[i].next_xid <= xid)
			return &floor->marks[i];
	return NULL;
}

/* Blocks between a mark, or the beginning, and the end of the buffer. */
static double
blocks_behind(const BufferFloor *floor, int i, BlockNumber last)
{
	return (double) last + 1 - (i < 0 ? 0 : floor->marks[i].last);
}

/*
 * A frontier between the neighbours of a mark that goes has its window begin at
 * the older one.  Which mark adds the smallest share to what such a frontier has
 * to read?  So each keeps in proportion to how far it is behind, and none is
 * lost because others are refreshed often.
 */
static void
mark_make_room(BufferFloor *floor, BlockNumber last)
{
	int			least = 0;
	double		least_ratio = 0;

	for (int i = 0; i < floor->nmarks; i++)
	{
		double		after = i + 1 < floor->nmarks ? blocks_behind(floor, i + 1, last) : 1;
		double		ratio = blocks_behind(floor, i - 1, last) / after;

		if (i == 0 || ratio < least_ratio)
		{
			least = i;
			least_ratio = ratio;
		}
	}
	floor->nmarks--;
	memmove(&floor->marks[least], &floor->marks[least + 1],
			sizeof(FloorMark) * (floor->nmarks - least));
}

/* Note the end of the buffer. */
static void
mark_add(BufferFloor *floor, Relation buffer, BlockNumber last, uint64 next_xid)
{
	TransactionId xmin;

	if (floor->nmarks > 0 && floor->marks[floor->nmarks - 1].last >= last)
		return;
	xmin = first_xmin(buffer, last);
	if (!TransactionIdIsValid(xmin))
		return;
	if (floor->nmarks == MAX_MARKS)
		mark_make_room(floor, last);
	floor->marks[floor->nmarks].last = last;
	floor->marks[floor->nmarks].first_xmin = xmin;
	floor->marks[floor->nmarks].next_xid = next_xid;
	floor->nmarks++;
}

BlockNumber
floor_start(Relation buffer, const SourceFrontier *since)
{
	BufferFloor *floor = floor_lookup(buffer);
	const FloorMark *mark = mark_lookup(floor, since->xmin);
	CleanBelow *clean = clean_lookup(floor, since);
	BlockNumber start = 0;
	BlockNumber nblocks;
	uint64		next_xid;

	/* The proof of (1) needs this order. */
	nblocks = RelationGetNumberOfBlocks(buffer);
	next_xid = U64FromFullTransactionId(ReadNextFullTransactionId());

	if (clean && (mark == NULL || clean->mark.last > mark->last))
		mark = &clean->mark;
	if (mark)
	{
		if (mark->last < nblocks &&
			first_xmin(buffer, mark->last) == mark->first_xmin)
			start = first_open_block(mark);
		else
			floor_reset(floor, buffer);
	}
	if (nblocks > 0)
		mark_add(floor, buffer, nblocks - 1, next_xid);
	return start;
}

void
floor_nothing_new(Relation buffer, const SourceFrontier *since, Snapshot snapshot)
{
	BufferFloor *floor = floor_lookup(buffer);
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);
	const FloorMark *mark;
	CleanBelow *clean;

	if (since->nxip > MAX_XIP)
		return;
	if (snapshot->xmin > XidFromFullTransactionId(next))
		epoch--;
	mark = mark_lookup(floor, ((uint64) epoch << 32) | snapshot->xmin);
	if (mark == NULL || first_open_block(mark) == 0)
		return;

	clean = clean_lookup(floor, since);
	if (clean == NULL)
	{
		clean = &floor->clean[floor->next_clean];
		floor->next_clean = (floor->next_clean + 1) % MAX_CLEAN;
		clean->since = *since;
		clean->since.xip = clean->xip;
		if (since->nxip > 0)
			memcpy(clean->xip, since->xip, sizeof(uint64) * since->nxip);
	}
	clean->mark = *mark;
}
