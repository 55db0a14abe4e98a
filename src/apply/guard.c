/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Nobody but the engine changes a stream table.
 *
 * A BEFORE STATEMENT trigger refuses.  Apply through the access method fires
 * no triggers; when apply runs statements it admits them one by one: the pass
 * is for one table, and the guard of the admitted statement takes it away
 * before the first row is touched.  What a trigger of the user does to the
 * stream table from inside such a statement finds no pass.
 *
 * Nor does that trigger fire for what comes by logical replication: a second one,
 * by row, which only sessions that replicate fire, refuses that.  A stream table
 * cannot be changed through a parent, since it cannot be given any, see
 * api/altered.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pgt.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "replication/logicalworker.h"
#include "utils/lsyscache.h"

#include "apply/apply_internal.h"
#include "capture/capture.h"

static Oid	admitted = InvalidOid;

void
guard_admit(Oid relid)
{
	admitted = relid;
}

void
guard_admit_none(void)
{
	admitted = InvalidOid;
}

bool
guard_is_trigger(const Trigger *trigger)
{
	return (strcmp(trigger->tgname, GUARD_TRIGGER_NAME) == 0 ||
			strcmp(trigger->tgname, GUARD_ROW_TRIGGER_NAME) == 0) &&
		get_func_namespace(trigger->tgfoid) == get_namespace_oid(PGT_SCHEMA, true);
}

PG_FUNCTION_INFO_V1(pgt_guard);

Datum
pgt_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		(TRIGGER_FIRED_FOR_ROW(data->tg_event) &&
		 strcmp(data->tg_trigger->tgname, GUARD_ROW_TRIGGER_NAME) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("the guard of stream tables must be fired before a change")));

	if (TRIGGER_FIRED_FOR_ROW(data->tg_event) && !IsLogicalWorker())
		return trigger_unchanged(data);
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		RelationGetRelid(data->tg_relation) != admitted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change stream table \"%s\" directly",
						RelationGetRelationName(data->tg_relation)),
				 TRIGGER_FIRED_FOR_ROW(data->tg_event) ?
				 errdetail("It is maintained by pg_trickle, and is changed here by replication.") :
				 errdetail("It is maintained by pg_trickle."),
				 errhint("Change its sources, or drop it with pgtrickle.drop_stream_table().")));

	guard_admit_none();
	return PointerGetDatum(NULL);
}
