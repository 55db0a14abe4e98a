/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  The metrics of a database: what its catalog and the shared counters say,
 *	  for every stream table and every captured source.
 *
 * There is nothing in them but names, numbers and times: no text of a query, no
 * message of an error, no row.
 *
 * Counters come from shared memory where the library is preloaded.  They start
 * from zero with the server and never go down otherwise.  Without preloading
 * they are those of the catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "api/api.h"
#include "catalog/catalog.h"
#include "monitor/counters.h"
#include "monitor/metrics.h"
#include "monitor/pending.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_metrics);

static double
unix_seconds(TimestampTz at)
{
	return at / 1000000.0 +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY;
}

/* ---- counters ---- */

typedef struct CounterById
{
	int64		pgt_id;			/* hash key */
	RefreshCounters counters;
} CounterById;

static HTAB *
read_counters(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(int64),
		.entrysize = sizeof(CounterById),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *table;
	ListCell   *lc;

	if (!counters_available())
		return NULL;
	table = hash_create("pg_trickle counters by id", 256, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, counters_read_all())
	{
		const CountedTable *counted = lfirst(lc);
		CounterById *entry;

		if (counted->dboid != MyDatabaseId)
			continue;
		entry = hash_search(table, &counted->pgt_id, HASH_ENTER, NULL);
		entry->counters = counted->counters;
	}
	return table;
}

static void
add_counters(Metrics *metrics, const char *labels, const RefreshCounters *c)
{
	metrics_add_int(metrics, METRIC_REFRESHES, labels, c->differential + c->full + c->reinitialize);
	metrics_add_int(metrics, METRIC_REFRESH_FAILURES, labels, c->failed);
	metrics_add_int(metrics, METRIC_FULL_REFRESHES, labels, c->full + c->reinitialize);
	metrics_add_int(metrics, METRIC_REINITIALIZATIONS, labels, c->reinitialize);
	metrics_add_int(metrics, METRIC_EMPTY_REFRESHES, labels, c->nothing);
	metrics_add_double(metrics, METRIC_REFRESH_SECONDS, labels, c->duration_us / 1000000.0);
	metrics_add_int(metrics, METRIC_CHANGES_CONSUMED, labels, c->changes);
	metrics_add_int(metrics, METRIC_ROWS_CHANGED, labels,
					c->rows_inserted + c->rows_updated + c->rows_deleted);
}

/* What the catalog does not count is left out. */
static void
add_recorded(Metrics *metrics, const char *labels, const RecordedCounters *c)
{
	metrics_add_int(metrics, METRIC_REFRESHES, labels, c->refreshes);
	metrics_add_int(metrics, METRIC_REFRESH_FAILURES, labels, c->failed);
	metrics_add_int(metrics, METRIC_FULL_REFRESHES, labels, c->full);
	metrics_add_double(metrics, METRIC_REFRESH_SECONDS, labels, c->duration_ms / 1000.0);
	metrics_add_int(metrics, METRIC_ROWS_CHANGED, labels,
					c->rows_inserted + c->rows_updated + c->rows_deleted);
}

/* ---- state ---- */

/* What the schedule allows, unless it does not say. */
static bool
target_seconds(const StreamTable *st, HTAB *schedules, double *seconds)
{
	Schedule	schedule;

	if (!schedule_read(schedule_in_force(st, schedules), &schedule) || schedule.is_cron)
		return false;
	*seconds = schedule.us / 1000000.0;
	return true;
}

static void
add_state(Metrics *metrics, const char *labels, const StreamTable *st, HTAB *schedules,
		  bool pending)
{
	double		target;

	metrics_add_int(metrics, METRIC_ACTIVE, labels, st->status == STREAM_TABLE_ACTIVE);
	metrics_add_int(metrics, METRIC_SUSPENDED, labels, st->status == STREAM_TABLE_SUSPENDED);
	metrics_add_int(metrics, METRIC_CONSECUTIVE_ERRORS, labels, st->consecutive_errors);
	if (target_seconds(st, schedules, &target))
		metrics_add_double(metrics, METRIC_TARGET, labels, target);
	if (st->is_populated)
	{
		/* the clock may have been set back */
		int64		age = Max(GetCurrentTimestamp() - st->data_timestamp, 0);

		metrics_add_double(metrics, METRIC_STALENESS, labels, pending ? age / 1000000.0 : 0);
		metrics_add_double(metrics, METRIC_DATA_TIMESTAMP, labels, unix_seconds(st->data_timestamp));
	}
	if (st->last_refresh_at != 0)
		metrics_add_double(metrics, METRIC_LAST_REFRESH, labels, unix_seconds(st->last_refresh_at));
}

static void
add_stream_tables(Metrics *metrics, const char *database, List *stream_tables,
				  const PendingWork *work)
{
	HTAB	   *counters = read_counters();
	HTAB	   *schedules = schedules_begin();
	int64		by_status[STREAM_TABLE_ERROR + 1] = {0};
	ListCell   *lc;

	foreach(lc, stream_tables)
	{
		const StreamTable *st = lfirst(lc);
		char	   *labels = metrics_labels(metrics, "db_name", database, "schema", st->schema,
											"name", st->name, NULL);
		const CounterById *counted = counters ?
			hash_search(counters, &st->pgt_id, HASH_FIND, NULL) : NULL;
		static const RefreshCounters none = {0};

		if (counters != NULL)
			add_counters(metrics, labels, counted ? &counted->counters : &none);
		else
			add_recorded(metrics, labels, &st->recorded);
		add_state(metrics, labels, st, schedules, work->pending[foreach_current_index(lc)]);
		by_status[st->status]++;
		pfree(labels);
	}

	for (int i = 0; i < lengthof(by_status); i++)
		metrics_add_int(metrics, METRIC_STREAM_TABLES,
						metrics_labels(metrics, "db_name", database,
									   "status", stream_table_status_name(i), NULL),
						by_status[i]);
}

/* A source that was dropped has no name, and soon no buffer. */
static void
add_buffers(Metrics *metrics, const char *database, List *buffers)
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		const BufferSize *size = lfirst(lc);
		char	   *name = get_rel_name(size->source);
		char	   *schema = name ? get_namespace_name(get_rel_namespace(size->source)) : NULL;

		if (schema != NULL)
			metrics_add_int(metrics, METRIC_BUFFER_BYTES,
							metrics_labels(metrics, "db_name", database, "schema", schema,
										   "name", name, NULL),
							size->bytes);
	}
}

void
metrics_collect(Metrics *metrics)
{
	char	   *database = get_database_name(MyDatabaseId);
	char	   *labels = metrics_labels(metrics, "db_name", database, NULL);
	List	   *stream_tables = stream_table_read_all();
	PendingWork *work = pending_work(stream_tables);
	char	   *version = TextDatumGetCString(DirectFunctionCall1(pgt_version, (Datum) 0));

	metrics_add_int(metrics, METRIC_BUILD,
					metrics_labels(metrics, "db_name", database, "version", version, NULL), 1);
	metrics_add_int(metrics, METRIC_DATABASE_UP, labels, 1);
	metrics_add_int(metrics, METRIC_SCHEDULER_UP, labels, scheduler_is_running());
	metrics_add_int(metrics, METRIC_IN_RECOVERY, labels, RecoveryInProgress());
	metrics_add_int(metrics, METRIC_ENABLED, labels, pgt_enabled);
	metrics_add_int(metrics, METRIC_HOLDBACK_BYTES, labels, 0);
	metrics_add_int(metrics, METRIC_HOLDBACK_SECONDS, labels, 0);
	add_stream_tables(metrics, database, stream_tables, work);
	add_buffers(metrics, database, work->buffers);
}

Datum
pgt_metrics(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	MetricsFormat format;
	Metrics		metrics;
	StringInfoData out;

	if (pg_strcasecmp(name, "openmetrics") == 0)
		format = METRICS_OPENMETRICS;
	else if (pg_strcasecmp(name, "prometheus") == 0)
		format = METRICS_PROMETHEUS;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid format: \"%s\"", name),
				 errhint("The formats are openmetrics and prometheus.")));

	metrics_init(&metrics, false);
	metrics_collect(&metrics);
	initStringInfo(&out);
	metrics_render(&metrics, format, &out);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
