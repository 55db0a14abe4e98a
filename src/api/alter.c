/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  Change a stream table: its schedule, mode, status or query.
 *
 * A new query is first stored as a second definition view, so that both can be
 * compiled and compared.  If PostgreSQL prints them alike nothing is done.  If
 * the columns and the identity stay, the table stays, and the next full
 * refresh turns its rows into the new result by their difference.  Otherwise a
 * new table is filled beside the old one and then takes its place: readers
 * wait only for the exchange.  If anything that would be lost hangs on the old
 * table, it is changed and filled again instead, where the new columns can be had
 * so; then readers wait for that.
 *
 * The sources of the new query are captured before those of the old one are
 * let go, so that a source of both loses nothing in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "api/api.h"
#include "dag/dag.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_alter_stream_table);

static void
set_status(StreamTable *st, const char *status)
{
	if (pg_strcasecmp(status, "SUSPENDED") == 0)
		st->status = STREAM_TABLE_SUSPENDED;
	else if (pg_strcasecmp(status, "ACTIVE") == 0)
	{
		st->status = STREAM_TABLE_ACTIVE;
		st->consecutive_errors = 0;
		st->last_error = NULL;
		st->fuse_blown_at = 0;
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid status: \"%s\"", status),
				 errhint("A stream table can be set to ACTIVE or SUSPENDED.")));
}

static bool
identity_equal(const Identity *a, const Identity *b)
{
	return a->kind == b->kind && a->nkeys == b->nkeys && a->row_id == b->row_id &&
		(a->nkeys == 0 ||
		 (memcmp(a->keys, b->keys, a->nkeys * sizeof(AttrNumber)) == 0 &&
		  memcmp(a->eqops, b->eqops, a->nkeys * sizeof(Oid)) == 0 &&
		  memcmp(a->collations, b->collations, a->nkeys * sizeof(Oid)) == 0));
}

/* Can the rows of the new query be kept in the table as it is? */
static bool
table_fits(const StreamTable *st, DeltaProgram *program, Oid owner)
{
	DeltaProgram *old;

	if (!OidIsValid(st->defview) ||
		!storage_serves(st->relid, program))
		return false;
	old = definition_compile(st->defview, owner);
	return identity_equal(program_identity(old), program_identity(program));
}

static void
drop_view(Oid defview)
{
	ObjectAddress view;

	ObjectAddressSet(view, RelationRelationId, defview);
	performDeletion(&view, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/* Those who read the table would have to be made anew on the one that comes. */
static void
refuse_replacement(const StreamTable *st)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot replace stream table \"%s\" because other stream tables read it",
					st->name),
			 errdetail("The new query has its columns in another order; it is read by %s.",
					   consumer_names(st->relid)),
			 errhint("Drop those first, and create them again afterwards.")));
}

/* Make the view the definition, and the rows its result. */
static void
install_query(StreamTable *st, Oid newview, DeltaProgram *program, Oid owner)
{
	Oid			oldview = st->defview;
	Oid			oldrelid = st->relid;
	bool		populated = st->is_populated;
	bool		fits = table_fits(st, program, owner);
	bool		stays = fits || (storage_is_used(st->relid) &&
								 storage_can_change(st->relid, program));

	if (populated)
		require_new_snapshots("change the query of a stream table");

	if (!stays && consumer_names(oldrelid) != NULL)
		refuse_replacement(st);
	if (!stays)
	{
		st->relid = storage_create(st->schema,
								   psprintf("pg_trickle_new_%lld",
											(long long) st->pgt_id),
								   program, owner);
		stream_table_lock(st->relid, true);
		st->is_populated = false;
	}
	st->defview = newview;
	st->frontier = frontier_of_nothing(0, owner);
	st->needs_reinit = populated;
	st->reinit_reason = populated ? pstrdup("query changed") : NULL;
	definition_view_attach(newview, st->relid);
	stream_table_update(st);
	refresh_lock_group(st->relid, refresh_sources(program));
	refresh_track(st->pgt_id, program, owner);
	if (!fits && stays)
		storage_change(st->relid, program, owner);

	if (populated)
		(void) refresh_run(st->relid, true, NULL);

	/* The old definition view goes with the old table, if that goes. */
	if (!stays)
		storage_replace(oldrelid, st->relid);
	else if (OidIsValid(oldview))
		drop_view(oldview);
	RenameRelationInternal(newview, definition_view_name(st->pgt_id), true, false);
	CommandCounterIncrement();
}

/*
 * Returns whether the query differs from the present one, or has lost the key
 * that the table was made for; st is stale then.
 */
static bool
change_query(StreamTable *st, const char *text)
{
	Oid			owner = pgt_relation_owner(st->relid);
	Query	   *query = definition_parse(text, owner);
	char	   *viewname = psprintf("%s_new", definition_view_name(st->pgt_id));
	Oid			newview = definition_view_create(viewname, query, owner);
	DeltaProgram *program;

	program = definition_compile(newview, owner);
	if (OidIsValid(st->defview) && stream_table_owns_query(st) &&
		strcmp(definition_view_text(st->defview, owner),
			   definition_view_text(newview, owner)) == 0 &&
		storage_serves(st->relid, program))
	{
		drop_view(newview);
		return false;
	}
	dag_refuse_cycle(st->relid, refresh_sources(program));
	definition_check_mode(st->name, st->mode, program);
	definition_advise(st->name, st->mode, program);
	install_query(st, newview, program, owner);
	stream_table_set_query(st->relid, text);
	return true;
}

static void
check_new_mode(const StreamTable *st)
{
	stream_table_require_definition(st);
	definition_check_mode(st->name, st->mode,
						  definition_compile(st->defview, pgt_relation_owner(st->relid)));
}

void
stream_table_alter(StreamTable *st, const AlterRequest *request)
{
	StreamTable before = *st;
	bool		schedule_changed;
	bool		mode_changed;

	if (request->schedule != NULL)
		st->schedule = schedule_argument(request->schedule);
	if (request->mode != NULL)
		st->mode = refresh_mode_from_name(request->mode);
	if (request->status != NULL)
		set_status(st, request->status);
	if (request->fuse_ceiling != NULL)
		st->fuse_ceiling = Max(*request->fuse_ceiling, -1);

	schedule_changed = (before.schedule == NULL) != (st->schedule == NULL) ||
		(st->schedule != NULL && strcmp(before.schedule, st->schedule) != 0);
	mode_changed = before.mode != st->mode;

	if (request->query == NULL || !change_query(st, request->query))
	{
		if (!schedule_changed && !mode_changed && request->status == NULL &&
			before.fuse_ceiling == st->fuse_ceiling)
			return;
		if (mode_changed)
			check_new_mode(st);
		stream_table_update(st);
	}
	scheduler_notify_change();
}

Datum
pgt_alter_stream_table(PG_FUNCTION_ARGS)
{
	AlterRequest request;
	int64		fuse_ceiling;
	char	   *name = argument_text(fcinfo, 0, "name", false);

	begin_change("alter_stream_table()");
	request.query = argument_text(fcinfo, 1, "query", true);
	request.schedule = argument_text(fcinfo, 2, "schedule", true);
	request.mode = argument_text(fcinfo, 3, "refresh_mode", true);
	request.status = argument_text(fcinfo, 4, "status", true);
	fuse_ceiling = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5);
	request.fuse_ceiling = PG_ARGISNULL(5) ? NULL : &fuse_ceiling;
	stream_table_alter(request.query != NULL ? stream_table_open_group(name) :
					   stream_table_open(name, true),
					   &request);
	PG_RETURN_VOID();
}
