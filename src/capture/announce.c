/*-------------------------------------------------------------------------
 *
 * announce.c
 *	  Tell, after commit, which sources the transaction captured.
 *
 * A source stays noted when the subtransaction that captured it rolls back:
 * one announcement too many wakes somebody who finds nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "capture/announce.h"
#include "capture/capture.h"

capture_commit_hook_type capture_commit_hook = NULL;
capture_prepare_hook_type capture_prepare_hook = NULL;

/*
 * The part of the transaction that is being captured, see frontier.h, and
 * whether anything was captured in it.  A rolled back savepoint takes neither
 * back, so that a part never holds changes from before and after its end.
 */
static int	part = 0;
static bool part_used = false;

static Oid *noted = NULL;
static int	nnoted = 0;
static int	noted_size = 0;

void
capture_note(Oid source)
{
	part_used = true;
	for (int i = nnoted - 1; i >= 0; i--)
		if (noted[i] == source)
			return;
	if (nnoted == noted_size)
	{
		int			size = Max(8, 2 * noted_size);

		if (noted == NULL)
			noted = MemoryContextAlloc(TopMemoryContext, sizeof(Oid) * size);
		else
			noted = repalloc(noted, sizeof(Oid) * size);
		noted_size = size;
	}
	noted[nnoted++] = source;
}

int
capture_part(void)
{
	return part;
}

int
capture_part_end(void)
{
	if (!part_used)
		return part;
	if (part == PG_INT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many refreshes in one transaction"),
				 errdetail("A transaction that writes sources can refresh stream tables %d times.",
						   PG_INT16_MAX),
				 errhint("Commit in between.")));
	part_used = false;
	return ++part;
}

bool
capture_in_transaction(void)
{
	return nnoted > 0;
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_ABORT)
	{
		part = 0;
		part_used = false;
	}
	if (nnoted == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			for (int i = 0; i < nnoted && capture_commit_hook; i++)
				capture_commit_hook(noted[i]);
			break;
		case XACT_EVENT_PREPARE:
			if (capture_prepare_hook)
				capture_prepare_hook();
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	nnoted = 0;
}

void
capture_announce_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}
