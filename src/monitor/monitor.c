/*-------------------------------------------------------------------------
 *
 * monitor.c
 *	  The parts of the monitoring views that SQL cannot do.
 *
 * Reads only.  Who may see a stream table: whoever has any right on it, and
 * members of pg_monitor.  The views filter by the same rule.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "catalog/catalog.h"
#include "refresh/refresh.h"

PG_FUNCTION_INFO_V1(pgt_has_pending);
PG_FUNCTION_INFO_V1(pgt_stream_table_relid);
PG_FUNCTION_INFO_V1(pgt_effective_schedule);

static bool
may_see(Oid relid)
{
	/* any one of them suffices for pg_class_aclcheck() */
	return pg_class_aclcheck(relid, GetUserId(),
							 ACL_ALL_RIGHTS_RELATION) == ACLCHECK_OK ||
		has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/* Changes of a source that is not captured cannot be ruled out. */
static bool
has_uncaptured_source(const StreamTable *st)
{
	ListCell   *lc;

	foreach(lc, dependency_read(st->pgt_id))
		if (!dependency_is_captured(lfirst(lc)))
			return true;
	return false;
}

/*
 * Might the next refresh of a stream table do anything?  NULL if that is not
 * for the caller to know, or if there is no such stream table.
 */
Datum
pgt_has_pending(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	StreamTable *st;

	if (get_rel_name(relid) == NULL || !may_see(relid))
		PG_RETURN_NULL();
	st = stream_table_read(relid, NULL);
	if (st == NULL)
		PG_RETURN_NULL();

	/* without its query nobody knows what it should hold */
	PG_RETURN_BOOL(!st->is_populated || !OidIsValid(st->defview) || st->needs_reinit ||
				   st->definition_moved ||
				   has_uncaptured_source(st) || refresh_has_pending(st));
}

/* Relation of a stream table, named as the user sees it. */
Datum
pgt_stream_table_relid(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	RangeVar   *rv = makeRangeVarFromNameList(textToQualifiedNameList(name));
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream table \"%s\" does not exist", text_to_cstring(name)),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	if (stream_table_read(relid, NULL) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a stream table", text_to_cstring(name)),
				 errhint("List them with SELECT name FROM pgtrickle.pgt_status().")));
	if (!may_see(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for stream table \"%s\"", text_to_cstring(name)),
				 errhint("Ask its owner for any privilege on it, or an administrator for membership in pg_monitor.")));

	PG_RETURN_OID(relid);
}

/* The schedule that is in force for a stored one, which is NULL if calculated. */
Datum
pgt_effective_schedule(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_TEXT_P(cstring_to_text(pgt_default_schedule));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
