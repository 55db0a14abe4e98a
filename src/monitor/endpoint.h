/*-------------------------------------------------------------------------
 *
 * endpoint.h
 *	  The process that serves metrics of all databases over HTTP.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_ENDPOINT_H
#define PGT_MONITOR_ENDPOINT_H

#include "pgt.h"
#include "datatype/timestamp.h"

/* Processes that may read databases for it at the same time. */
#define ENDPOINT_READERS 4

/* Shared memory; only while preloading. */
extern void endpoint_init(void);

/* For the launcher, once: it watches from now on, and nobody else. */
extern void endpoint_take_over(void);

/*
 * For who watches: start the process if it is wanted and not there.  Returns
 * when to call again if nothing happens.
 */
extern TimestampTz endpoint_supervise(TimestampTz now);

/* Somebody needs a database to himself: have no reader in it. */
extern void endpoint_leave_database(Oid dboid);

/* For a reader: it is in a database, until it ends. */
extern void endpoint_note_reader(void);

extern PGDLLEXPORT void pgt_endpoint_main(Datum arg);
extern PGDLLEXPORT void pgt_endpoint_guard_main(Datum arg);

#endif							/* PGT_MONITOR_ENDPOINT_H */
