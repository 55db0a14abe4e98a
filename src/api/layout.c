/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  Functions for the scripts that update the extension.  Each script makes
 *	  those that it needs, and drops them at its end.
 *
 * The scripts decide on names, in SQL; here they are put into effect.
 *
 * Locks:  see capture_lock_all().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "api/api.h"
#include "capture/capture.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_lock_sources);
PG_FUNCTION_INFO_V1(pgt_rename_source);

/* pgt_lock_sources() → void: keep everybody out until the update has committed. */
Datum
pgt_lock_sources(PG_FUNCTION_ARGS)
{
	capture_lock_all();
	scheduler_notify_change();
	PG_RETURN_VOID();
}

/*
 * pgt_rename_source(source oid, stable_name text) → void; the name may be NULL.
 */
Datum
pgt_rename_source(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	capture_rename(PG_GETARG_OID(0),
				   PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}
