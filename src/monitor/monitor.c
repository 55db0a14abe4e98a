/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  The parts of the monitoring views that SQL cannot do.
 *
 * Reads only.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "buffer/buffer.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "catalog/catalog.h"
#include "dag/dag.h"
#include "monitor/counters.h"
#include "monitor/endpoint.h"
#include "monitor/monitor.h"
#include "monitor/notify.h"
#include "monitor/progress.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_may_see);
PG_FUNCTION_INFO_V1(pgt_has_pending);
PG_FUNCTION_INFO_V1(pgt_stream_table_relid);
PG_FUNCTION_INFO_V1(pgt_schedule_interval);
PG_FUNCTION_INFO_V1(pgt_next_refresh);
PG_FUNCTION_INFO_V1(pgt_scheduler_running);
PG_FUNCTION_INFO_V1(pgt_counters);
PG_FUNCTION_INFO_V1(pgt_reset_stats);
PG_FUNCTION_INFO_V1(pgt_progress);
PG_FUNCTION_INFO_V1(pgt_pending_changes);

/* The rule by which the views filter; of what is gone they know no oid. */
Datum
pgt_may_see(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(stream_table_may_see(PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0)));
}

/* NULL if it is not for the caller to know, or not a stream table. */
static StreamTable *
read_visible(Oid relid)
{
	if (get_rel_name(relid) == NULL || !stream_table_may_see(relid))
		return NULL;
	return stream_table_read(relid, NULL);
}

/*
 * Might the next refresh of a stream table do anything?  NULL if that is not
 * for the caller to know, or if there is no such stream table.
 */
Datum
pgt_has_pending(PG_FUNCTION_ARGS)
{
	StreamTable *st = read_visible(PG_GETARG_OID(0));

	if (st == NULL)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(refresh_has_pending(st));
}

/* Relation of a stream table, named as the user sees it. */
Datum
pgt_stream_table_relid(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	RangeVar   *rv = makeRangeVarFromNameList(textToQualifiedNameList(name));
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream table \"%s\" does not exist", text_to_cstring(name)),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	if (stream_table_read(relid, NULL) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream table", text_to_cstring(name)),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	if (!stream_table_may_see(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for stream table \"%s\"", text_to_cstring(name)),
				 errhint("Ask its owner for any privilege on it, or an administrator for membership in pg_monitor.")));

	PG_RETURN_OID(relid);
}

/*
 * How stale a schedule lets a stream table become.  A text that is no duration
 * does not say.
 */
Datum
pgt_schedule_interval(PG_FUNCTION_ARGS)
{
	Schedule	schedule;
	Interval   *interval;

	if (!schedule_read(text_to_cstring(PG_GETARG_TEXT_PP(0)), &schedule) ||
		schedule.is_cron)
		PG_RETURN_NULL();
	interval = palloc0(sizeof(Interval));
	interval->time = schedule.us;
	PG_RETURN_INTERVAL_P(interval);
}

/* ---- what comes next ---- */

static const char *
next_kind(const StreamTable *st)
{
	if (st->needs_reinit)
		return psprintf("REINITIALIZE: %s", st->reinit_reason ? st->reinit_reason :
						"it was asked for");
	if (!st->is_populated)
		return "FULL: first refresh";
	if (st->mode == REFRESH_MODE_AUTO)
		return "DIFFERENTIAL, or FULL if explain_refresh_mode() says so or it is cheaper";
	return refresh_mode_name(st->mode);
}

static const char *
next_refresh(const StreamTable *st)
{
	const char *gate;

	if (!OidIsValid(st->defview))
		return "none: its query was dropped; give it one with create_or_replace_stream_table()";
	if (st->fuse_blown_at != 0)
		return "none: its fuse has blown; call reset_fuse()";
	if (st->status == STREAM_TABLE_SUSPENDED)
		return "none: suspended; call resume_stream_table()";
	if (!counters_available())
		return "when refresh_stream_table() is called: pg_trickle is not in shared_preload_libraries";
	if (!pgt_enabled)
		return "when refresh_stream_table() is called: pg_trickle.enabled is off";
	gate = dag_gate_reason(st);
	if (gate != NULL)
		return psprintf("none: %s", gate);
	if (st->status == STREAM_TABLE_ERROR)
		return psprintf("again after the error, %s", next_kind(st));
	if (!refresh_has_pending(st))
		return "when a change commits";
	return next_kind(st);
}

Datum
pgt_next_refresh(PG_FUNCTION_ARGS)
{
	StreamTable *st = read_visible(PG_GETARG_OID(0));

	if (st == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(next_refresh(st)));
}

Datum
pgt_scheduler_running(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(scheduler_is_running());
}

/* ---- counters ---- */

Datum
pgt_counters(PG_FUNCTION_ARGS)
{
	StreamTable *st = counters_available() ? read_visible(PG_GETARG_OID(0)) : NULL;
	CountedTable counted;
	const RefreshCounters *c = &counted.counters;
	TupleDesc	desc;
	Datum		values[11];
	bool		nulls[11] = {false};

	if (st == NULL)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	(void) counters_read(st->pgt_id, &counted);
	values[0] = Int64GetDatum(c->differential);
	values[1] = Int64GetDatum(c->full);
	values[2] = Int64GetDatum(c->reinitialize);
	values[3] = Int64GetDatum(c->nothing);
	values[4] = Int64GetDatum(c->failed);
	values[5] = Int64GetDatum(c->changes);
	values[6] = Int64GetDatum(c->rows_inserted);
	values[7] = Int64GetDatum(c->rows_updated);
	values[8] = Int64GetDatum(c->rows_deleted);
	values[9] = Float8GetDatum(c->duration_us / 1000.0);
	values[10] = TimestampTzGetDatum(counted.stats_reset != 0 ? counted.stats_reset :
									 counters_began_at());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Of one stream table of the caller's, or of all of them. */
Datum
pgt_reset_stats(PG_FUNCTION_ARGS)
{
	if (!counters_available())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("counters cannot be reset"),
				 errdetail("Without preloading they are those of the catalog, since the creation of each stream table."),
				 errhint("Add pg_trickle to shared_preload_libraries, and restart the server.")));
	if (!PG_ARGISNULL(0))
		counters_reset(stream_table_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), false)->pgt_id);
	else
	{
		ListCell   *lc;

		foreach(lc, stream_table_read_all())
		{
			StreamTable *st = lfirst(lc);

			if (get_rel_name(st->relid) != NULL &&
				object_ownercheck(RelationRelationId, st->relid, GetUserId()))
				counters_reset(st->pgt_id);
		}
	}
	PG_RETURN_VOID();
}

/* ---- progress ---- */

/*
 * What the caller may see; where that cannot be told, in other databases and of
 * what is just being created, pg_monitor.
 */
static bool
may_see_progress(const RefreshProgress *progress)
{
	return stream_table_may_see(progress->dboid == MyDatabaseId ? progress->relid : InvalidOid);
}

Datum
pgt_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, progress_read_all())
	{
		const RefreshProgress *progress = lfirst(lc);
		Datum		values[10] = {
			Int32GetDatum(progress->pid),
			ObjectIdGetDatum(progress->dboid),
			ObjectIdGetDatum(progress->relid),
			CStringGetTextDatum(progress_phase_name(progress->phase)),
			Int32GetDatum(progress->members_total),
			Int32GetDatum(progress->members_done),
			Int64GetDatum(progress->changes_read),
			Int64GetDatum(progress->rows_written),
			TimestampTzGetDatum(progress->started_at),
			TimestampTzGetDatum(progress->phase_started_at)
		};
		bool		nulls[10] = {false};

		if (may_see_progress(progress))
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ---- what waits ---- */

static const Dependency *
find_dependency(const StreamTable *st, Oid source)
{
	ListCell   *lc;

	foreach(lc, dependency_read(st->pgt_id))
		if (((Dependency *) lfirst(lc))->source == source)
			return lfirst(lc);
	return NULL;
}

/*
 * Changes of a source that a stream table has not consumed, and the size of the
 * buffer that they are in.  NULL of what is not known.
 */
Datum
pgt_pending_changes(PG_FUNCTION_ARGS)
{
	StreamTable *st = read_visible(PG_GETARG_OID(0));
	const Dependency *dep = st ? find_dependency(st, PG_GETARG_OID(1)) : NULL;
	const SourceFrontier *since;
	Relation	buffer;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};
	SourceIdentifier id;
	Oid			relid = InvalidOid;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (dep != NULL && dependency_is_captured(dep))
	{
		id = dependency_source(dep);
		relid = buffer_relid(&id);
	}
	buffer = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
	if (buffer != NULL)
	{
		values[1] = Int64GetDatum((int64) RelationGetNumberOfBlocks(buffer) * BLCKSZ);
		nulls[1] = false;
		since = st->frontier ? frontier_lookup(st->frontier, &id) : NULL;
		if (since != NULL)
		{
			values[0] = Int64GetDatum(buffer_estimate_changes(buffer, since, GetActiveSnapshot()));
			nulls[0] = false;
		}
		table_close(buffer, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

void
monitor_init(void)
{
	counters_init();
	progress_init();
	notify_init();
	endpoint_init();
}
