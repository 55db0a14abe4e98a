/*-------------------------------------------------------------------------
 *
 * yield.c
 *	  Leave a database that somebody needs to himself.
 *
 * DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, and CREATE DATABASE
 * with the database as template wait some seconds for other sessions to end,
 * and then fail.  A worker would make them fail always, so it is asked to
 * leave before the command starts to wait; the launcher sends another one
 * after a while if the database still exists.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include <signal.h>

#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/acl.h"

#include "monitor/endpoint.h"
#include "scheduler/pool.h"
#include "scheduler/shmem.h"

static ProcessUtility_hook_type prev_process_utility = NULL;

static const char *
option_string(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, name) == 0 && option->arg)
			return defGetString(option);
	}
	return NULL;
}

/* Name of the database that the statement needs to itself, or NULL. */
static const char *
exclusive_database(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			return option_string(((CreatedbStmt *) statement)->options, "template");
		case T_AlterDatabaseStmt:
			if (option_string(((AlterDatabaseStmt *) statement)->options, "tablespace"))
				return ((AlterDatabaseStmt *) statement)->dbname;
			return NULL;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		default:
			return NULL;
	}
}

static void
worker_dismiss(Oid dboid)
{
	DatabaseSlot *slot;

	LWLockAcquire(scheduler_shared->lock, LW_EXCLUSIVE);
	slot = slot_find(dboid);
	if (slot && (slot->state == SLOT_STARTING || slot->state == SLOT_RUNNING))
	{
		slot->yield = true;
		/* it clears pid under the lock before it ends, so it is alive */
		if (slot->pid != 0)
			kill(slot->pid, SIGTERM);
	}
	pool_dismiss(dboid);
	LWLockRelease(scheduler_shared->lock);
}

static void
scheduler_process_utility(PlannedStmt *pstmt, const char *queryString,
						  bool readOnlyTree, ProcessUtilityContext context,
						  ParamListInfo params, QueryEnvironment *queryEnv,
						  DestReceiver *dest, QueryCompletion *qc)
{
	const char *name = scheduler_shared ?
		exclusive_database(pstmt->utilityStmt) : NULL;

	if (name)
	{
		Oid			dboid = get_database_oid(name, true);

		if (OidIsValid(dboid) && dboid != MyDatabaseId &&
			pgt_database_ownercheck(dboid, GetUserId()))
		{
			worker_dismiss(dboid);
			endpoint_leave_database(dboid);
		}
	}

	if (prev_process_utility)
		prev_process_utility(pstmt, queryString, readOnlyTree, context,
							 params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);
}

void
scheduler_yield_init(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = scheduler_process_utility;
}
