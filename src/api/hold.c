/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  What keeps the scheduler from refreshing: gates, pauses, fuses.
 *
 * They are for whoever loads in bulk, or fears that somebody will.  None of
 * them stops capture, nor a refresh that somebody asks for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "dag/dag.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "api/api.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_gate_source);
PG_FUNCTION_INFO_V1(pgt_ungate_source);
PG_FUNCTION_INFO_V1(pgt_pause_all);
PG_FUNCTION_INFO_V1(pgt_resume_all);
PG_FUNCTION_INFO_V1(pgt_reset_fuse);
PG_FUNCTION_INFO_V1(pgt_hold_reason);

/* ---- gates ---- */

/* The table that is meant; the caller must own it. */
static Oid
open_source(const char *name)
{
	RangeVar   *rv = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", name)));
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_MATVIEW:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" cannot be a source of a stream table", name),
					 errhint("Name the tables that it reads.")));
	}
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of relation \"%s\"", name),
				 errdetail("It is owned by role \"%s\".",
						   GetUserNameFromId(pgt_relation_owner(relid), true)),
				 errhint("Ask its owner, or run SET ROLE first.")));
	return relid;
}

Datum
pgt_gate_source(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "source", false);
	Oid			relid;

	begin_change("gate_source()");
	relid = open_source(name);
	if (dependency_consumers(relid) == NIL)
		ereport(NOTICE,
				(errmsg("no stream table reads \"%s\" by now", name)));
	if (!gate_insert(relid))
		ereport(NOTICE,
				(errmsg("source \"%s\" is gated already", name)));
	scheduler_notify_change();
	PG_RETURN_VOID();
}

Datum
pgt_ungate_source(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "source", false);

	begin_change("ungate_source()");
	if (!gate_delete(open_source(name)))
		ereport(NOTICE,
				(errmsg("source \"%s\" is not gated", name)));
	scheduler_notify_change();
	PG_RETURN_VOID();
}

/* ---- all ---- */

static void
require_administrator(const char *what)
{
	Oid			owner = pgt_extension_owner();

	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s all stream tables", what),
				 errdetail("Only the owner of the extension, role \"%s\", may do that.",
						   GetUserNameFromId(owner, true)),
				 errhint("Change the status of your own with alter_stream_table().")));
}

Datum
pgt_pause_all(PG_FUNCTION_ARGS)
{
	begin_change("pause_all()");
	require_administrator("pause");
	if (!gate_insert(InvalidOid))
		ereport(NOTICE,
				(errmsg("all stream tables are paused already")));
	scheduler_notify_change();
	PG_RETURN_VOID();
}

Datum
pgt_resume_all(PG_FUNCTION_ARGS)
{
	begin_change("resume_all()");
	require_administrator("resume");
	if (!gate_delete(InvalidOid))
		ereport(NOTICE,
				(errmsg("all stream tables are not paused")));
	scheduler_notify_change();
	PG_RETURN_VOID();
}

/* ---- fuses ---- */

/*
 * Both ways out refresh here and now, so that the fuse, which is there again at
 * once, has nothing to blow for.
 */
Datum
pgt_reset_fuse(PG_FUNCTION_ARGS)
{
	char	   *name = argument_text(fcinfo, 0, "name", false);
	char	   *action = argument_text(fcinfo, 1, "action", false);
	AlterRequest request = {.status = "ACTIVE"};
	const char *full_reason = NULL;
	StreamTable *st;

	begin_change("reset_fuse()");
	if (pg_strcasecmp(action, "reinitialize") == 0)
		full_reason = "its fuse was reset so";
	else if (pg_strcasecmp(action, "apply") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid action: \"%s\"", action),
				 errhint("The actions are apply and reinitialize.")));
	st = stream_table_open_group(name);
	if (st->fuse_blown_at == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the fuse of stream table \"%s\" has not blown", st->name)));
	stream_table_alter(st, &request);
	(void) refresh_run(st->relid, true, full_reason);
	PG_RETURN_VOID();
}

/* ---- why ---- */

/* SQL: hold_reason(relation regclass), for whom the views show it to */
Datum
pgt_hold_reason(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	StreamTable *st;
	char	   *reason = NULL;

	if (get_rel_name(relid) == NULL || !stream_table_may_see(relid))
		PG_RETURN_NULL();
	st = stream_table_read(relid, NULL);
	if (st == NULL)
		PG_RETURN_NULL();

	if (st->fuse_blown_at != 0)
		reason = psprintf("its fuse has blown: more than %lld changes waited",
						  (long long) st->fuse_ceiling);
	else if (st->status == STREAM_TABLE_SUSPENDED)
		reason = psprintf(st->consecutive_errors > 0 ?
						  "it is suspended, after %d failed refreshes in a row" :
						  "it is suspended", st->consecutive_errors);
	else
		reason = dag_gate_reason(st);
	if (reason == NULL && !pgt_enabled)
		reason = pstrdup("pg_trickle.enabled is off");
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
