/*-------------------------------------------------------------------------
 *
 * notify.h
 *	  Telling by NOTIFY what became of a stream table, to whom asked for it.
 *
 * Payloads are JSON objects with the name of the stream table, and numbers: who
 * listens may be anybody, so no data and no message that may quote some.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_NOTIFY_H
#define PGT_NOTIFY_H

#include "pgt.h"
#include "datatype/timestamp.h"

#include "catalog/catalog.h"

/* The channel of alerts; any other brings refreshes. */
#define NOTIFY_ALERT_CHANNEL	"pg_trickle_alert"
#define NOTIFY_REFRESH_CHANNEL	"pg_trickle_refresh"

/*
 * A refresh was recorded: say so when this transaction commits.  In a process
 * that has called notify_coalesce(), of the refreshes that follow each other
 * within a quarter of a second the first is told at once, and the others as one
 * by notify_run().
 */
extern void notify_refreshed(const StreamTable *st, const RefreshOutcome *outcome);

/*
 * Something happened that somebody should look at: "suspended", "reinitialised",
 * "stale", "fuse".  A detail, if any, must not hold data.
 */
extern void notify_alert(int64 pgt_id, Oid relid, const char *event, const char *detail);

/* For a process with a loop: when is something to be told, and tell it. */
extern void notify_coalesce(void);
extern TimestampTz notify_due(void);
extern void notify_run(void);	/* in a transaction */

/* Alert of those that have become stale since the last call; in a transaction. */
extern void notify_stale(void);

extern void notify_init(void);

#endif							/* PGT_NOTIFY_H */
