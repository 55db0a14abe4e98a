/*-------------------------------------------------------------------------
 *
 * exposition.h
 *	  Metrics as text, in the format of OpenMetrics and in the older one of
 *	  Prometheus.
 *
 * Lines are collected by family, since each format wants the lines of a family
 * together, and there may be several databases to collect from.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_EXPOSITION_H
#define PGT_MONITOR_EXPOSITION_H

#include "pgt.h"
#include "lib/stringinfo.h"

typedef enum MetricFamily
{
	METRIC_BUILD,
	METRIC_DATABASE_UP,
	METRIC_SCHEDULER_UP,
	METRIC_IN_RECOVERY,
	METRIC_ENABLED,
	METRIC_STREAM_TABLES,
	METRIC_REFRESHES,
	METRIC_REFRESH_FAILURES,
	METRIC_FULL_REFRESHES,
	METRIC_REINITIALIZATIONS,
	METRIC_EMPTY_REFRESHES,
	METRIC_REFRESH_SECONDS,
	METRIC_CHANGES_CONSUMED,
	METRIC_ROWS_CHANGED,
	METRIC_ACTIVE,
	METRIC_SUSPENDED,
	METRIC_CONSECUTIVE_ERRORS,
	METRIC_STALENESS,
	METRIC_TARGET,
	METRIC_DATA_TIMESTAMP,
	METRIC_LAST_REFRESH,
	METRIC_BUFFER_BYTES,
	METRIC_HOLDBACK_BYTES,
	METRIC_HOLDBACK_SECONDS
} MetricFamily;

#define METRIC_FAMILIES (METRIC_HOLDBACK_SECONDS + 1)

typedef enum MetricsFormat
{
	METRICS_OPENMETRICS,
	METRICS_PROMETHEUS
} MetricsFormat;

typedef struct Metrics
{
	bool		utf8;			/* labels are to be in UTF-8, whatever the
								 * database's encoding */
	StringInfoData lines[METRIC_FAMILIES];
} Metrics;

extern void metrics_init(Metrics *metrics, bool utf8);

/*
 * For a process that makes metrics again and again: what one text took of
 * memory is kept for the next, since asking for it costs more than the text.
 */
extern void metrics_keep_memory(void);

/*
 * Labels, braces and all, palloc'd: pairs of name and value up to a NULL.  The
 * values may be any text.
 */
extern char *metrics_labels(const Metrics *metrics, const char *name,...);

extern void metrics_add_int(Metrics *metrics, MetricFamily family,
							const char *labels, int64 value);
extern void metrics_add_double(Metrics *metrics, MetricFamily family,
							   const char *labels, double value);

/* The whole text.  What no line was added of is not in it. */
extern void metrics_render(const Metrics *metrics, MetricsFormat format, StringInfo out);

/* Metrics as bytes for another process, which adds them to its own. */
extern void metrics_pack(const Metrics *metrics, StringInfo out);
extern void metrics_add_packed(Metrics *metrics, const char *data, Size length);

#endif							/* PGT_MONITOR_EXPOSITION_H */
