/*-------------------------------------------------------------------------
 *
 * prepared.c
 *	  Notice that a prepared transaction has ended.
 *
 * COMMIT PREPARED runs no code of ours, so its changes arrive unannounced.
 * This is the one thing that a worker has to poll for: from a PREPARE that
 * captured changes on, while prepared transactions of this database exist.
 * Two empty looks end it, because the first may come before the transaction
 * that is being prepared can be seen.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "access/twophase.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "scheduler/worker.h"

#define LOOK_INTERVAL_US	(100 * US_PER_MS)
#define EMPTY_LOOKS			2

/* The transactions seen at the last look, as text. */
static char *seen = NULL;
static int	empty_looks = EMPTY_LOOKS;
static TimestampTz next_look = 0;

void
prepared_watch(void)
{
	if (max_prepared_xacts > 0)
		empty_looks = 0;
}

TimestampTz
prepared_due(void)
{
	return empty_looks < EMPTY_LOOKS ? next_look : DT_NOEND;
}

static void
look_task(void *arg)
{
	char	  **found = arg;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute("SELECT pg_catalog.string_agg(transaction::pg_catalog.text, ',' "
					"ORDER BY transaction::pg_catalog.text COLLATE \"C\") "
					"FROM pg_catalog.pg_prepared_xacts "
					"WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database()",
					true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read pg_prepared_xacts");
	*found = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (*found)
		*found = MemoryContextStrdup(TopMemoryContext, *found);
	PopActiveSnapshot();
	SPI_finish();
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL ? b == NULL : b != NULL && strcmp(a, b) == 0;
}

bool
prepared_look(TimestampTz now)
{
	char	   *found = NULL;
	bool		changed;

	next_look = now + LOOK_INTERVAL_US;
	if (!worker_try_log("looking for prepared transactions", look_task, &found))
		return false;

	/* nothing the first time as well: it may have ended before we looked */
	changed = !same_text(seen, found) || (found == NULL && empty_looks == 0);
	empty_looks = found ? 0 : empty_looks + 1;
	if (seen)
		pfree(seen);
	seen = found;
	return changed;
}
