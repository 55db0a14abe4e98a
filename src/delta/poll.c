/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  Sources whose changes cannot be captured, but found out.
 *
 * Let P be the rows of such a source as they are read now, and C those of its
 * copy, which is P as the stream table's last refresh read it.  As multisets of
 * images,
 *
 *		d  = P - C			is what changed, and
 *		C' = C + d = P		is what the copy then holds.
 *
 * The query never reads the source itself but C' (analyze/polled.c), and d takes
 * the place of a window.  So every rule finds what it finds of a captured
 * source: a new state, and a delta that leads to it from what the stream table
 * shows; and both belong together even if a foreign table has changed again
 * since it was read.  P is read once, whatever the query does with it.
 *
 * A copy belongs to one stream table and its owner.  Two users may see different
 * rows in one foreign table, and two stream tables have polled at different
 * times; each copy is exactly what its stream table was computed from, so it
 * needs no frontier.  Who wants one reading for many makes a stream table of the
 * source, and lets the others read that.
 *
 * Nothing is known of when a source changes, so it is always read.  What
 * happens to the storage of a materialized view does not tell: one that is
 * refreshed CONCURRENTLY keeps it.
 *
 * Reads:  the sources, as the owner, at the refresh's snapshot, which foreign
 *		   servers know nothing of.
 * Locks:  RowExclusiveLock on the copies; the refresh holds AccessShareLock on
 *		   the sources since before its snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "delta/delta.h"

/* Make the copy equal the source, whatever it held. */
static void
fill_copy(DeltaProgram *copy, Snapshot snapshot)
{
	Relation	rel = part_open(copy);
	ApplyCounts counts = {0};

	if (!run_whole(copy, rel, snapshot, NULL, NULL, &counts))
		table_close(rel, NoLock);
	part_show_writes();
}

/* The same, leaving the difference in the source's window. */
static void
poll_source(DeltaProgram *program, DeltaProgram *copy, int source,
			Snapshot snapshot, ChangeWindow *window)
{
	Relation	rel = part_open(copy);
	PartDelta	delta = part_delta_begin(copy, program->window_desc[source], program);
	ApplyCounts counts = {0};

	(void) run_whole(copy, rel, snapshot, part_observe, &delta, &counts);
	table_close(rel, NoLock);
	part_delta_end(&delta, window);
	window->nchanges = window->nrows;
	if (window->nrows > 0)
		part_show_writes();
}

void
program_poll(DeltaProgram *program, Snapshot snapshot, ChangeWindow *windows)
{
	ListCell   *ls,
			   *lp;

	if (!program_polls(program))
		return;
	program_register_none();
	forboth(ls, program->stored, lp, program->parts)
	{
		const Stage *stage = lfirst(ls);
		int			source;

		if (!OidIsValid(stage->polled))
			continue;
		source = program_source_index(program, stage->polled);
		if (windows == NULL)
			fill_copy(lfirst(lp), snapshot);
		else
			poll_source(program, lfirst(lp), source, snapshot, &windows[source]);
	}
}
