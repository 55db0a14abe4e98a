/*-------------------------------------------------------------------------
 *
 * state.c
 *	  Read what the views show to the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "monitor/state.h"

static const char *const freshness_names[] = {
	[FRESHNESS_FRESH] = "fresh",
	[FRESHNESS_LATE] = "late",
	[FRESHNESS_STALE] = "stale",
	[FRESHNESS_EMPTY] = "empty",
	[FRESHNESS_FAILING] = "failing",
	[FRESHNESS_SUSPENDED] = "suspended",
	[FRESHNESS_SOURCE] = "source",
};

const char *
freshness_name(Freshness freshness)
{
	return freshness_names[freshness];
}

static Freshness
freshness_from_name(const char *name)
{
	for (int i = 0; i < FRESHNESS_KINDS; i++)
		if (strcmp(freshness_names[i], name) == 0)
			return (Freshness) i;
	elog(ERROR, "unknown freshness: \"%s\"", name);
}

/* ---- queries ---- */

void
monitor_query_begin(MonitorQuery *query)
{
	query->context = CurrentMemoryContext;
	query->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
}

void
monitor_query_end(MonitorQuery *query)
{
	SPI_finish();
	AtEOXact_GUC(true, query->guc_level);
}

void
monitor_query_run(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute returned %d", rc);
}

static Datum
get_value(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

char *
monitor_text(const MonitorQuery *query, int row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? MemoryContextStrdup(query->context, value) : NULL;
}

double
monitor_double(int row, int column, double null)
{
	bool		isnull;
	Datum		value = get_value(row, column, &isnull);

	return isnull ? null : DatumGetFloat8(value);
}

int64
monitor_int64(int row, int column, int64 null)
{
	bool		isnull;
	Datum		value = get_value(row, column, &isnull);

	return isnull ? null : DatumGetInt64(value);
}

TimestampTz
monitor_time(int row, int column)
{
	bool		isnull;
	Datum		value = get_value(row, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* ---- the stream tables, and what they read ---- */

static void
read_stream_tables(MonitorState *state, const MonitorQuery *query)
{
	monitor_query_run("SELECT pgt_relid::oid::int8, format('%I.%I', pgt_schema, pgt_name), freshness,"
					  " pgt_id, status, refresh_mode, schedule,"
					  " extract(epoch FROM staleness)::float8, extract(epoch FROM target_staleness)::float8,"
					  " data_timestamp, last_refresh_at, last_refresh_action, last_refresh_reason,"
					  " next_refresh, last_error_message, consecutive_errors::int8, format('%I', pgt_name)"
					  " FROM pgtrickle.stream_tables_info ORDER BY pgt_schema, pgt_name, pgt_id");
	state->ntables = state->nstream_tables = SPI_processed;
	state->tables = MemoryContextAllocZero(query->context,
										   sizeof(MonitoredTable) * (SPI_processed + 1));
	for (int i = 0; i < state->nstream_tables; i++)
	{
		MonitoredTable *table = &state->tables[i];

		table->relid = (Oid) monitor_int64(i, 1, 0);
		table->name = monitor_text(query, i, 2);
		table->freshness = freshness_from_name(monitor_text(query, i, 3));
		table->pgt_id = monitor_int64(i, 4, 0);
		table->status = monitor_text(query, i, 5);
		table->mode = monitor_text(query, i, 6);
		table->schedule = monitor_text(query, i, 7);
		table->staleness_s = monitor_double(i, 8, -1);
		table->target_s = monitor_double(i, 9, -1);
		table->data_timestamp = monitor_time(i, 10);
		table->last_refresh_at = monitor_time(i, 11);
		table->last_action = monitor_text(query, i, 12);
		table->last_reason = monitor_text(query, i, 13);
		table->next_refresh = monitor_text(query, i, 14);
		table->last_error = monitor_text(query, i, 15);
		table->consecutive_errors = (int) monitor_int64(i, 16, 0);
		table->short_name = monitor_text(query, i, 17);
		(void) counters_read(table->pgt_id, &table->counted);
	}
}

typedef struct TableIndex
{
	Oid			relid;			/* hash key */
	int			index;
} TableIndex;

static int
index_table(HTAB *index, Oid relid, int next, bool *found)
{
	TableIndex *entry = hash_search(index, &relid, HASH_ENTER, found);

	if (!*found)
		entry->index = next;
	return entry->index;
}

static void
add_source(MonitoredTable *table, int source, MemoryContext context)
{
	if (table->sources == NULL)
		table->sources = MemoryContextAlloc(context, sizeof(int) * 8);
	else if (table->nsources >= 8 && (table->nsources & (table->nsources - 1)) == 0)
		table->sources = repalloc(table->sources, sizeof(int) * 2 * table->nsources);
	table->sources[table->nsources++] = source;
}

/* Sources that are no stream tables that the caller may see come behind these. */
static void
read_sources(MonitorState *state, const MonitorQuery *query)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(TableIndex)};
	HTAB	   *index = hash_create("pg_trickle monitored tables", 256, &ctl,
									HASH_ELEM | HASH_BLOBS);
	bool		found;
	int			n;

	for (int i = 0; i < state->ntables; i++)
		(void) index_table(index, state->tables[i].relid, i, &found);

	monitor_query_run("SELECT pgt_relid::oid::int8, source_relid::oid::int8,"
					  " coalesce(format('%I.%I', source_schema, source_name), 'dropped'), source_type,"
					  " coalesce(format('%I', source_name), 'dropped')"
					  " FROM pgtrickle.pgt_cdc_status ORDER BY 3, 1");
	n = SPI_processed;
	state->tables = repalloc(state->tables,
							 sizeof(MonitoredTable) * (state->ntables + n + 1));
	for (int i = 0; i < n; i++)
	{
		int			reader = index_table(index, (Oid) monitor_int64(i, 1, 0), -1, &found);
		Oid			relid = (Oid) monitor_int64(i, 2, 0);
		int			source;

		/* came to be between the two queries */
		if (reader < 0 || reader >= state->nstream_tables)
			continue;
		source = index_table(index, relid, state->ntables, &found);
		if (!found)
		{
			MonitoredTable *table = &state->tables[state->ntables++];

			memset(table, 0, sizeof(MonitoredTable));
			table->relid = relid;
			table->name = monitor_text(query, i, 3);
			table->freshness = FRESHNESS_SOURCE;
			table->source_type = monitor_text(query, i, 4);
			table->short_name = monitor_text(query, i, 5);
		}
		if (source >= 0)
			add_source(&state->tables[reader], source, query->context);
	}
	hash_destroy(index);
}

MonitorState *
monitor_read_state(void)
{
	MonitorState *state = palloc0(sizeof(MonitorState));
	MonitorQuery query;

	monitor_query_begin(&query);
	read_stream_tables(state, &query);
	read_sources(state, &query);
	monitor_query_end(&query);
	return state;
}
