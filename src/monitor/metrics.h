/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  The metrics of one database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_METRICS_H
#define PGT_MONITOR_METRICS_H

#include "pgt.h"

#include "monitor/exposition.h"

/*
 * Of the database that this process is connected to, in a transaction.  Reads
 * all stream tables, whoever asks.
 */
extern void metrics_collect(Metrics *metrics);

#endif							/* PGT_MONITOR_METRICS_H */
