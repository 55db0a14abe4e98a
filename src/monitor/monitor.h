/*-------------------------------------------------------------------------
 *
 * monitor.h
 *	  What is known of how the stream tables are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_MONITOR_H
#define PGT_MONITOR_H

#include "pgt.h"

/* Shared memory for counters and progress; only while preloading. */
extern void monitor_init(void);

#endif							/* PGT_MONITOR_H */
