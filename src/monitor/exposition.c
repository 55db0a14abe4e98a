/*-------------------------------------------------------------------------
 *
 * exposition.c
 *	  Metrics as text.
 *
 * Names follow Prometheus: base units, which end the name; _total for counters
 * and for nothing else.  Seven of them are those of the system that this one
 * replaces: refreshes, refresh_failures, rows_changed, consecutive_errors,
 * active, and the two of the frontier's holdback.
 *
 * The two formats have the same lines, and differ in what stands above them:
 * OpenMetrics names a family without the suffix of its lines, knows units and
 * infos, and says where the text ends.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "monitor/exposition.h"

#define KEEP_BYTES (16 * 1024 * 1024)

typedef enum FamilyType
{
	FAMILY_COUNTER,
	FAMILY_GAUGE,
	FAMILY_INFO
} FamilyType;

typedef struct Family
{
	const char *name;			/* without the suffix of counters and infos */
	FamilyType	type;
	const char *unit;			/* or NULL */
	const char *help;			/* one line, without quotes or backslashes */
} Family;

static const Family families[METRIC_FAMILIES] = {
	[METRIC_BUILD] = {"pg_trickle", FAMILY_INFO, NULL,
	"Version of the extension in a database."},
	[METRIC_DATABASE_UP] = {"pg_trickle_database_up", FAMILY_GAUGE, NULL,
	"Whether the metrics of a database could be read."},
	[METRIC_SCHEDULER_UP] = {"pg_trickle_scheduler_up", FAMILY_GAUGE, NULL,
	"Whether a worker of the scheduler serves a database."},
	[METRIC_IN_RECOVERY] = {"pg_trickle_in_recovery", FAMILY_GAUGE, NULL,
	"Whether the server is a standby, where nothing is refreshed."},
	[METRIC_ENABLED] = {"pg_trickle_enabled", FAMILY_GAUGE, NULL,
	"Whether pg_trickle.enabled lets the scheduler refresh."},
	[METRIC_STREAM_TABLES] = {"pg_trickle_stream_tables", FAMILY_GAUGE, NULL,
	"Stream tables of a database, by status."},
	[METRIC_REFRESHES] = {"pg_trickle_refreshes", FAMILY_COUNTER, NULL,
	"Refreshes that did something, of a stream table."},
	[METRIC_REFRESH_FAILURES] = {"pg_trickle_refresh_failures", FAMILY_COUNTER, NULL,
	"Refreshes of the scheduler that failed."},
	[METRIC_FULL_REFRESHES] = {"pg_trickle_full_refreshes", FAMILY_COUNTER, NULL,
	"Refreshes that recomputed the whole query."},
	[METRIC_REINITIALIZATIONS] = {"pg_trickle_reinitializations", FAMILY_COUNTER, NULL,
	"Of the full refreshes, those that had lost track of what was stored."},
	[METRIC_EMPTY_REFRESHES] = {"pg_trickle_empty_refreshes", FAMILY_COUNTER, NULL,
	"Refreshes that found nothing to do."},
	[METRIC_REFRESH_SECONDS] = {"pg_trickle_refresh_duration_seconds", FAMILY_COUNTER, "seconds",
	"Time spent in refreshes that did something."},
	[METRIC_CHANGES_CONSUMED] = {"pg_trickle_changes_consumed", FAMILY_COUNTER, NULL,
	"Captured changes that refreshes read."},
	[METRIC_ROWS_CHANGED] = {"pg_trickle_rows_changed", FAMILY_COUNTER, NULL,
	"Rows of a stream table that refreshes inserted, updated or deleted."},
	[METRIC_ACTIVE] = {"pg_trickle_active", FAMILY_GAUGE, NULL,
	"Whether a stream table is ACTIVE, that is neither failing nor suspended."},
	[METRIC_SUSPENDED] = {"pg_trickle_suspended", FAMILY_GAUGE, NULL,
	"Whether a stream table is SUSPENDED until resume_stream_table()."},
	[METRIC_CONSECUTIVE_ERRORS] = {"pg_trickle_consecutive_errors", FAMILY_GAUGE, NULL,
	"Failed refreshes since the last one that worked."},
	[METRIC_STALENESS] = {"pg_trickle_staleness_seconds", FAMILY_GAUGE, "seconds",
	"Age of the data of a stream table if a change may wait for it, else 0."},
	[METRIC_TARGET] = {"pg_trickle_target_staleness_seconds", FAMILY_GAUGE, "seconds",
	"Staleness that the schedule of a stream table allows."},
	[METRIC_DATA_TIMESTAMP] = {"pg_trickle_data_timestamp_seconds", FAMILY_GAUGE, "seconds",
	"Unix time of the snapshot that a stream table shows."},
	[METRIC_LAST_REFRESH] = {"pg_trickle_last_refresh_timestamp_seconds", FAMILY_GAUGE, "seconds",
	"Unix time at which the last refresh that did something ended."},
	[METRIC_BUFFER_BYTES] = {"pg_trickle_change_buffer_bytes", FAMILY_GAUGE, "bytes",
	"Size of the buffer of captured changes of a source."},
	[METRIC_HOLDBACK_BYTES] = {"pg_trickle_frontier_holdback_lsn_bytes", FAMILY_GAUGE, "bytes",
	"WAL by which open transactions hold refreshes back: 0, they hold nothing back."},
	[METRIC_HOLDBACK_SECONDS] = {"pg_trickle_frontier_holdback_seconds", FAMILY_GAUGE, "seconds",
	"Time for which open transactions hold refreshes back: 0, they hold nothing back."},
};

static const char *
sample_suffix(const Family *family)
{
	switch (family->type)
	{
		case FAMILY_COUNTER:
			return "_total";
		case FAMILY_INFO:
			return "_info";
		case FAMILY_GAUGE:
			break;
	}
	return "";
}

void
metrics_keep_memory(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	(void) mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
#endif
}

/* ---- lines ---- */

void
metrics_init(Metrics *metrics, bool utf8)
{
	metrics->utf8 = utf8;
	for (int i = 0; i < METRIC_FAMILIES; i++)
		initStringInfo(&metrics->lines[i]);
}

/* What is text in no encoding is not let out as if it were. */
static char *
replace_high_bytes(const char *value)
{
	char	   *copy = pstrdup(value);

	for (char *p = copy; *p; p++)
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	return copy;
}

static const char *
label_encoded(const Metrics *metrics, const char *value)
{
	int			length = strlen(value);

	if (!metrics->utf8)
		return value;
	if (GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII)
		return pg_server_to_any(value, length, PG_UTF8);
	if (!pg_verify_mbstr(PG_UTF8, value, length, true))
		return replace_high_bytes(value);
	return value;
}

static void
append_escaped(StringInfo out, const char *value)
{
	for (const char *p = value; *p; p++)
	{
		if (*p == '\\' || *p == '"')
			appendStringInfoChar(out, '\\');
		if (*p == '\n')
			appendStringInfoString(out, "\\n");
		else
			appendStringInfoChar(out, *p);
	}
}

char *
metrics_labels(const Metrics *metrics, const char *name,...)
{
	StringInfoData out;
	va_list		args;

	initStringInfo(&out);
	va_start(args, name);
	for (; name != NULL; name = va_arg(args, const char *))
	{
		appendStringInfo(&out, "%s%s=\"", out.len == 0 ? "{" : ",", name);
		append_escaped(&out, label_encoded(metrics, va_arg(args, const char *)));
		appendStringInfoChar(&out, '"');
	}
	va_end(args);
	appendStringInfoChar(&out, '}');
	return out.data;
}

static StringInfo
line_begin(Metrics *metrics, MetricFamily family, const char *labels)
{
	StringInfo	out = &metrics->lines[family];

	appendStringInfoString(out, families[family].name);
	appendStringInfoString(out, sample_suffix(&families[family]));
	appendStringInfoString(out, labels);
	appendStringInfoChar(out, ' ');
	return out;
}

void
metrics_add_int(Metrics *metrics, MetricFamily family, const char *labels, int64 value)
{
	char		digits[MAXINT8LEN + 2];
	int			n = pg_lltoa(value, digits);

	digits[n++] = '\n';
	appendBinaryStringInfo(line_begin(metrics, family, labels), digits, n);
}

void
metrics_add_double(Metrics *metrics, MetricFamily family, const char *labels, double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN + 1];
	int			n = double_to_shortest_decimal_buf(value, digits);

	digits[n++] = '\n';
	appendBinaryStringInfo(line_begin(metrics, family, labels), digits, n);
}

/* ---- the text ---- */

static void
render_head(const Family *family, MetricsFormat format, StringInfo out)
{
	static const char *const types[] = {
		[FAMILY_COUNTER] = "counter",
		[FAMILY_GAUGE] = "gauge",
		[FAMILY_INFO] = "info",
	};
	bool		open = format == METRICS_OPENMETRICS;
	const char *suffix = open ? "" : sample_suffix(family);

	appendStringInfo(out, "# TYPE %s%s %s\n", family->name, suffix,
					 types[family->type == FAMILY_INFO && !open ? FAMILY_GAUGE : family->type]);
	if (open && family->unit)
		appendStringInfo(out, "# UNIT %s %s\n", family->name, family->unit);
	appendStringInfo(out, "# HELP %s%s %s\n", family->name, suffix, family->help);
}

void
metrics_render(const Metrics *metrics, MetricsFormat format, StringInfo out)
{
	for (int i = 0; i < METRIC_FAMILIES; i++)
	{
		if (metrics->lines[i].len == 0)
			continue;
		render_head(&families[i], format, out);
		appendBinaryStringInfo(out, metrics->lines[i].data, metrics->lines[i].len);
	}
	if (format == METRICS_OPENMETRICS)
		appendStringInfoString(out, "# EOF\n");
}

void
metrics_pack(const Metrics *metrics, StringInfo out)
{
	for (int i = 0; i < METRIC_FAMILIES; i++)
	{
		uint32		length = metrics->lines[i].len;

		appendBinaryStringInfo(out, (char *) &length, sizeof(length));
		appendBinaryStringInfo(out, metrics->lines[i].data, length);
	}
}

void
metrics_add_packed(Metrics *metrics, const char *data, Size length)
{
	for (int i = 0; i < METRIC_FAMILIES; i++)
	{
		uint32		n = 0;

		if (length >= sizeof(n))
			memcpy(&n, data, sizeof(n));
		if (length < sizeof(n) + n)
			elog(ERROR, "packed metrics end early");
		data += sizeof(n);
		length -= sizeof(n);
		appendBinaryStringInfo(&metrics->lines[i], data, n);
		data += n;
		length -= n;
	}
}
