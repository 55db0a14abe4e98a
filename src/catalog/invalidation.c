/*-------------------------------------------------------------------------
 *
 * invalidation.c
 *	  Who of us wants to know that what the server has cached of a relation is
 *	  forgotten.
 *
 * A session has ten slots for such callbacks, which are shared by the server and
 * all extensions, and one too many ends it.  All of ours take one.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "utils/inval.h"

#include "catalog/catalog.h"

#define MAX_WATCHERS 8

static RelcacheCallbackFunction watchers[MAX_WATCHERS];
static int	nwatchers = 0;

static void
tell_watchers(Datum arg, Oid relid)
{
	for (int i = 0; i < nwatchers; i++)
		watchers[i] (arg, relid);
}

void
relations_watch(RelcacheCallbackFunction watcher)
{
	if (nwatchers == MAX_WATCHERS)
		elog(ERROR, "too many watchers of relations");
	if (nwatchers == 0)
		CacheRegisterRelcacheCallback(tell_watchers, (Datum) 0);
	watchers[nwatchers++] = watcher;
}
