/*-------------------------------------------------------------------------
 *
 * pgt.c
 *	  Load the library.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "fmgr.h"

#include "capture/capture.h"
#include "catalog/catalog.h"
#include "delta/program.h"
#include "monitor/monitor.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	pgt_guc_init();
	catalog_init();
	capture_init();
	delta_init();
	refresh_init();
	monitor_init();
	scheduler_init();
}
