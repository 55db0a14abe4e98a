/*-------------------------------------------------------------------------
 *
 * calculated.c
 *	  The schedule in force.
 *
 *		in_force(t) =	that of t, if it has one
 *						the tightest in_force(c) of the stream tables c that
 *						read t, if any does
 *						pg_trickle.default_schedule
 *
 * The tightest is the one whose times can lie closest together.  A stream table
 * that reads others is as fresh as these, so this is the least often that they
 * may be refreshed without making one of their readers late.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

#include "catalog/catalog.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_schedule_in_force);

typedef struct KnownSchedule
{
	Oid			relid;			/* hash key */
	const char *text;
} KnownSchedule;

HTAB *
schedules_begin(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(KnownSchedule),
		.hcxt = CurrentMemoryContext
	};

	return hash_create("pg_trickle schedules", 64, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* NULL: nobody reads it. */
static const char *
tightest_of_consumers(Oid relid, HTAB *known)
{
	const char *tightest = NULL;
	int64		least = PG_INT64_MAX;
	ListCell   *lc;

	check_stack_depth();
	foreach(lc, dependency_consumers(relid))
	{
		StreamTable *consumer = stream_table_read(lfirst_oid(lc), NULL);
		const char *text = consumer ? schedule_in_force(consumer, known) : NULL;
		Schedule	schedule;

		if (text != NULL && schedule_read(text, &schedule) && schedule.us < least)
		{
			tightest = text;
			least = schedule.us;
		}
	}
	return tightest;
}

const char *
schedule_in_force(const StreamTable *st, HTAB *known)
{
	KnownSchedule *entry;
	const char *text;
	bool		found;

	if (st->schedule != NULL)
		return st->schedule;
	entry = hash_search(known, &st->relid, HASH_ENTER, &found);
	if (found)
		return entry->text;
	entry->text = pgt_default_schedule;
	text = tightest_of_consumers(st->relid, known);
	if (text == NULL)
		return pgt_default_schedule;
	entry = hash_search(known, &st->relid, HASH_FIND, NULL);
	entry->text = text;
	return text;
}

/* SQL: schedule_in_force(relation regclass), for whom the views show it to */
Datum
pgt_schedule_in_force(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	StreamTable *st;

	if (get_rel_name(relid) == NULL || !stream_table_may_see(relid))
		PG_RETURN_NULL();
	st = stream_table_read(relid, NULL);
	if (st == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(schedule_in_force(st, schedules_begin())));
}
