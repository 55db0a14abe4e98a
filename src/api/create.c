/*-------------------------------------------------------------------------
 *
 * create.c
 *	  create_stream_table() and its two relatives.
 *
 * Lock order: definition view, the refresh locks of the group that the new
 * stream table will be in, sources in the order of oids (from here on every
 * change of them is captured), then in refresh_run() the snapshot by which the
 * table is filled.  A writer that was open when
 * we came has ended by then, so the snapshot sees its changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "api/api.h"
#include "refresh/refresh.h"
#include "scheduler/scheduler.h"

PG_FUNCTION_INFO_V1(pgt_create_stream_table);
PG_FUNCTION_INFO_V1(pgt_create_stream_table_if_not_exists);
PG_FUNCTION_INFO_V1(pgt_create_or_replace_stream_table);

typedef struct CreateRequest
{
	char	   *name;			/* as the user wrote it */
	char	   *query;
	char	   *schedule;		/* as the user wrote it */
	RefreshMode mode;
	bool		initialize;
} CreateRequest;

/* Where the stream table goes, and what is there already. */
typedef struct CreateTarget
{
	char	   *schema;
	char	   *name;
	Oid			relid;			/* of an existing relation, or invalid */
	StreamTable *existing;		/* if that is a stream table */
} CreateTarget;

static void
read_request(FunctionCallInfo fcinfo, CreateRequest *request)
{
	request->name = argument_text(fcinfo, 0, "name", false);
	request->query = argument_text(fcinfo, 1, "query", false);
	request->schedule = argument_text(fcinfo, 2, "schedule", true);
	if (request->schedule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"schedule\" must not be null"),
				 errhint("Use 'calculated' to let pg_trickle choose, or a duration such as '1s'.")));
	request->mode = refresh_mode_from_name(argument_text(fcinfo, 3, "refresh_mode",
														 false));
	if (PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "initialize")));
	request->initialize = PG_GETARG_BOOL(4);
}

static void
resolve_target(const char *name, CreateTarget *target)
{
	RangeVar   *rv;
	Oid			namespace;

	rv = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	namespace = RangeVarGetCreationNamespace(rv);
	if (isTempOrTempToastNamespace(namespace))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("a stream table cannot be temporary"),
				 errdetail("Other sessions must be able to refresh \"%s\".", name),
				 errhint("Name a schema other than the temporary one.")));
	target->schema = get_namespace_name(namespace);
	target->name = rv->relname;
	target->relid = get_relname_relid(rv->relname, namespace);
	target->existing = stream_table_read(target->relid, NULL);
}

static void
refuse_taken_name(const CreateTarget *target)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("relation \"%s.%s\" already exists", target->schema, target->name),
			 target->existing ?
			 errdetail("It is a stream table.") :
			 errdetail("It is not a stream table."),
			 target->existing ?
			 errhint("Use pgtrickle.create_or_replace_stream_table() to give it another query.") :
			 errhint("Choose another name.")));
}

static void
create_new(const CreateRequest *request, const CreateTarget *target)
{
	Oid			owner = GetUserId();
	StreamTable *st = palloc0(sizeof(StreamTable));
	Query	   *query;
	DeltaProgram *program;

	st->schema = target->schema;
	st->name = target->name;
	st->schedule = schedule_argument(request->schedule);
	st->mode = request->mode;
	st->status = STREAM_TABLE_ACTIVE;
	st->fuse_ceiling = -1;
	if (request->initialize)
		require_new_snapshots("fill a stream table");

	query = definition_parse(request->query, owner);
	st->pgt_id = stream_table_new_id();
	st->defview = definition_view_create(definition_view_name(st->pgt_id),
										 query, owner);
	program = definition_compile(st->defview, owner);
	definition_check_mode(st->name, st->mode, program);
	definition_advise(st->name, st->mode, program);

	st->relid = storage_create(st->schema, st->name, program, owner);
	definition_view_attach(st->defview, st->relid);
	st->frontier = frontier_of_nothing(program_fingerprint(program), owner);
	stream_table_insert(st, request->query);
	refresh_lock_group(st->relid, refresh_sources(program));
	refresh_track(st->pgt_id, program, owner);

	if (request->initialize)
		(void) refresh_run(st->relid, true, NULL);

	/* Without the scheduler nobody else does it. */
	stream_table_sweep();
	scheduler_notify_change();
}

/* The tables of the extension are tables of each node: nobody would look here. */
static void
refuse_worker(void)
{
	if (cluster_is_worker())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create a stream table on a worker node of Citus"),
				 errdetail("Stream tables of a cluster are kept and refreshed by its coordinator."),
				 errhint("Connect to the coordinator.")));
}

Datum
pgt_create_stream_table(PG_FUNCTION_ARGS)
{
	CreateRequest request;
	CreateTarget target;

	begin_change("create_stream_table()");
	refuse_worker();
	read_request(fcinfo, &request);
	resolve_target(request.name, &target);
	if (OidIsValid(target.relid))
		refuse_taken_name(&target);
	create_new(&request, &target);
	PG_RETURN_VOID();
}

Datum
pgt_create_stream_table_if_not_exists(PG_FUNCTION_ARGS)
{
	CreateRequest request;
	CreateTarget target;

	begin_change("create_stream_table_if_not_exists()");
	refuse_worker();
	read_request(fcinfo, &request);
	resolve_target(request.name, &target);
	if (target.existing != NULL)
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("stream table \"%s.%s\" already exists, skipping",
						target.schema, target.name)));
		PG_RETURN_VOID();
	}
	if (OidIsValid(target.relid))
		refuse_taken_name(&target);
	create_new(&request, &target);
	PG_RETURN_VOID();
}

Datum
pgt_create_or_replace_stream_table(PG_FUNCTION_ARGS)
{
	CreateRequest request;
	CreateTarget target;
	AlterRequest change = {0};
	StreamTable *st;

	begin_change("create_or_replace_stream_table()");
	refuse_worker();
	read_request(fcinfo, &request);
	resolve_target(request.name, &target);
	if (OidIsValid(target.relid) && target.existing == NULL)
		refuse_taken_name(&target);
	if (target.existing == NULL)
	{
		create_new(&request, &target);
		PG_RETURN_VOID();
	}

	change.query = request.query;
	change.schedule = request.schedule;
	change.mode = refresh_mode_name(request.mode);
	st = stream_table_open_group(quote_qualified_identifier(target.schema, target.name));
	if (request.initialize && !st->is_populated)
		require_new_snapshots("fill a stream table");
	stream_table_alter(st, &change);
	if (request.initialize && !st->is_populated)
		(void) refresh_run(st->relid, true, NULL);
	PG_RETURN_VOID();
}
