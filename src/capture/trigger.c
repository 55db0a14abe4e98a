/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  cdc_capture(), the trigger function of all sources.
 *
 * rows.c says what it writes for a row; for TRUNCATE it is a marker.
 *
 * An UPDATE walks its two transition tables in step and drops pairs that are
 * equal, as stored, in all captured columns.  The tables need not be parallel
 * for that: a row and its equal with opposite weights are nothing, wherever
 * they stood.
 *
 * A table that got its first child after its statement triggers were made has
 * rows of the child in their transition tables, and nothing tells which.  Until
 * the next refresh gives it row triggers, its changes are a marker, too.
 *
 * The row trigger of a table that has statement triggers leaves a marker where
 * changes come by logical replication, which fires no others.
 *
 * The function does its work only when called by a trigger that we made: of
 * the name that it has for a source to which the relation belongs today.
 * Anybody else's trigger, and ours on a partition that was detached, does
 * nothing and fails nothing.
 *
 * A statement that changes no row leaves no trace, in particular it does not
 * make the transaction get an id.
 *
 * Locks:  RowExclusiveLock on the buffer, to the end of the transaction.  The
 *		   writer's own rights on the buffer, it has none, are not asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "buffer/buffer.h"
#include "capture/announce.h"
#include "capture/capture.h"
#include "capture/rows.h"
#include "capture/triggers.h"

PG_FUNCTION_INFO_V1(pgt_cdc_capture);

void
capture_init(void)
{
	capture_targets_init();
	capture_announce_init();
}

static SourceObject
trigger_kind(TriggerEvent event)
{
	if (TRIGGER_FIRED_FOR_ROW(event))
		return SOURCE_OBJECT_TRIGGER_ROW;
	if (TRIGGER_FIRED_BY_INSERT(event))
		return SOURCE_OBJECT_TRIGGER_INSERT;
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return SOURCE_OBJECT_TRIGGER_UPDATE;
	if (TRIGGER_FIRED_BY_DELETE(event))
		return SOURCE_OBJECT_TRIGGER_DELETE;
	return SOURCE_OBJECT_TRIGGER_TRUNCATE;
}

static void
capture_row(CaptureRows *rows, int w, TupleTableSlot *slot)
{
	slot_getsomeattrs(slot, rows->target->last_column);
	capture_rows_add(rows, w, slot->tts_values, slot->tts_isnull);
}

static void
capture_update(CaptureRows *rows, TupleTableSlot *old, TupleTableSlot *new)
{
	slot_getsomeattrs(old, rows->target->last_column);
	slot_getsomeattrs(new, rows->target->last_column);
	capture_rows_update(rows, old->tts_values, old->tts_isnull,
						new->tts_values, new->tts_isnull);
}

/* From the beginning: other triggers of the statement may have read it. */
static TupleTableSlot *
transition_begin(Tuplestorestate *table, Relation rel)
{
	if (table == NULL)
		return NULL;
	tuplestore_select_read_pointer(table, 0);
	tuplestore_rescan(table);
	return MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
}

static bool
transition_next(Tuplestorestate *table, TupleTableSlot *slot)
{
	return table != NULL && tuplestore_gettupleslot(table, true, false, slot);
}

static void
capture_statement(CaptureRows *rows, TriggerData *td)
{
	TupleTableSlot *old = transition_begin(td->tg_oldtable, td->tg_relation);
	TupleTableSlot *new = transition_begin(td->tg_newtable, td->tg_relation);

	for (;;)
	{
		bool		have_old = transition_next(td->tg_oldtable, old);
		bool		have_new = transition_next(td->tg_newtable, new);

		if (have_old && have_new)
			capture_update(rows, old, new);
		else if (have_old)
			capture_row(rows, -1, old);
		else if (have_new)
			capture_row(rows, 1, new);
		else
			break;
	}
	if (old)
		ExecDropSingleTupleTableSlot(old);
	if (new)
		ExecDropSingleTupleTableSlot(new);
}

/*
 * The transition tables of a parent hold the rows of its children as well, and
 * do not say whose they are.  While a statement runs on a child's rows nobody
 * can take it away, so the catalog says that there may be one.
 */
static bool
may_hold_rows_of_children(const TriggerData *td)
{
	return !TRIGGER_FIRED_FOR_ROW(td->tg_event) &&
		td->tg_relation->rd_rel->relhassubclass;
}

/* A crash empties it, and by the next refresh it may have become logged again. */
static bool
can_lose_rows(const TriggerData *td)
{
	return td->tg_relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT;
}

/*
 * Is the marker of this command already written?  The number of a command that
 * failed is used again, but not in the same subtransaction.
 */
static bool
is_marked(Oid buffer)
{
	static FullTransactionId xid = {0};
	static CommandId command = InvalidCommandId;
	static Oid	marked = InvalidOid;
	bool		result = marked == buffer && command == GetCurrentCommandId(false) &&
		FullTransactionIdEquals(xid, GetCurrentFullTransactionId());

	marked = buffer;
	command = GetCurrentCommandId(false);
	xid = GetCurrentFullTransactionId();
	return result;
}

/*
 * Logical replication fires no statement trigger.  A marker serves, once a
 * command, until the next refresh finds the source to be subscribed.
 */
static void
capture_replicated(CaptureRows *rows)
{
	if (IsLogicalWorker() && !is_marked(rows->target->buffer))
		capture_rows_marker(rows);
}

static void
capture_event(CaptureRows *rows, TriggerData *td)
{
	if (TRIGGER_FIRED_BY_TRUNCATE(td->tg_event) || may_hold_rows_of_children(td) ||
		can_lose_rows(td))
		capture_rows_marker(rows);
	else if (TRIGGER_FIRED_FOR_ROW(td->tg_event) &&
			 rows->target->mode == CAPTURE_BY_STATEMENT)
		capture_replicated(rows);
	else if (!TRIGGER_FIRED_FOR_ROW(td->tg_event))
		capture_statement(rows, td);
	else if (TRIGGER_FIRED_BY_UPDATE(td->tg_event))
		capture_update(rows, td->tg_trigslot, td->tg_newslot);
	else
		capture_row(rows, TRIGGER_FIRED_BY_INSERT(td->tg_event) ? 1 : -1,
					td->tg_trigslot);
}

static bool
is_empty_table(Tuplestorestate *table)
{
	return table == NULL || tuplestore_tuple_count(table) == 0;
}

/* Is there nothing to do, as can be told without looking anything up? */
static bool
changes_nothing(TriggerData *td)
{
	if (!TRIGGER_FIRED_AFTER(td->tg_event))
		return true;
	return !TRIGGER_FIRED_FOR_ROW(td->tg_event) &&
		!TRIGGER_FIRED_BY_TRUNCATE(td->tg_event) &&
		is_empty_table(td->tg_oldtable) && is_empty_table(td->tg_newtable);
}

Datum
trigger_unchanged(const TriggerData *td)
{
	if (TRIGGER_FIRED_FOR_ROW(td->tg_event) && TRIGGER_FIRED_BY_UPDATE(td->tg_event))
		return PointerGetDatum(td->tg_newtuple);
	return PointerGetDatum(td->tg_trigtuple);
}

Datum
pgt_cdc_capture(PG_FUNCTION_ARGS)
{
	TriggerData *td = (TriggerData *) fcinfo->context;
	CaptureRows rows = {0};

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", "cdc_capture")));

	if (changes_nothing(td))
		return trigger_unchanged(td);
	rows.buffer = capture_target_open(td->tg_relation, trigger_kind(td->tg_event),
									  td->tg_trigger->tgname, &rows.target);
	if (rows.buffer == NULL)
		return trigger_unchanged(td);
	rows.context = CurrentMemoryContext;
	rows.desc = RelationGetDescr(td->tg_relation);
	capture_event(&rows, td);
	capture_rows_end(&rows);
	return trigger_unchanged(td);
}
