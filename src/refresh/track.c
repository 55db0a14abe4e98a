/*-------------------------------------------------------------------------
 *
 * track.c
 *	  Have the sources of a compiled query captured, and write down what the
 *	  stream table depends on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "capture/capture.h"
#include "delta/program.h"
#include "miscadmin.h"
#include "refresh/refresh.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * Capturing puts triggers on the table, so it needs the right to do that, as
 * if the user had made them himself.
 */
static void
check_trigger_right(Oid relid, Oid owner)
{
	char	   *name;

	if (pg_class_aclcheck(relid, owner, ACL_TRIGGER) == ACLCHECK_OK)
		return;
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to capture changes of table %s", name),
			 errdetail("A stream table needs the TRIGGER privilege on each table that it reads."),
			 errhint("Run GRANT TRIGGER ON %s TO %s.", name,
					 quote_identifier(GetUserNameFromId(owner, false)))));
}

static int
compare_sources(const ListCell *a, const ListCell *b)
{
	Oid			oid1 = ((ProgramSource *) lfirst(a))->relid;
	Oid			oid2 = ((ProgramSource *) lfirst(b))->relid;

	return (oid1 > oid2) - (oid1 < oid2);
}

static void
track_source(int64 pgt_id, const ProgramSource *source)
{
	Dependency	dep = {
		.source = source->relid,
		.relkind = get_rel_relkind(source->relid),
		.columns = source->columns,
		.placement = source->placement.kind,
		.captured = source->uncapturable == NULL
	};

	if (dep.captured)
		strlcpy(dep.stable_name,
				capture_ensure(source->relid, source->columns)->source.stable_name,
				sizeof(dep.stable_name));
	else if (source->placement.managed)
		capture_withdraw(source->relid);
	dependency_insert(pgt_id, &dep);
}

void
refresh_refuse_remote(const char *name, const DeltaProgram *program)
{
	const ProgramSource *source = program_remote_source(program);

	if (source == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot compute stream table \"%s\" over source \"%s\"", name,
					get_rel_name(source->relid)),
			 source->unpollable ?
			 errdetail("The source is %s, and %s.",
					   placement_describe(&source->placement), source->unpollable) :
			 errdetail("The source is %s, which can be polled, but the query has no rule by which it could be computed from that: %s.",
					   placement_describe(&source->placement), program_reason(program)),
			 errhint("Change the query; pgtrickle.validate_query() says what has a rule.")));
}

List *
refresh_sources(const DeltaProgram *program)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, program_sources(program))
		result = lappend_oid(result, ((ProgramSource *) lfirst(lc))->relid);
	return result;
}

void
refresh_track(int64 pgt_id, const DeltaProgram *program, Oid owner)
{
	List	   *sources = list_copy(program_sources(program));
	List	   *before = dependency_read(pgt_id);
	ListCell   *lc;

	/* all rights first: locks are not taken in vain */
	foreach(lc, sources)
		if (((ProgramSource *) lfirst(lc))->uncapturable == NULL)
			check_trigger_right(((ProgramSource *) lfirst(lc))->relid, owner);

	dependency_delete(pgt_id);
	list_sort(sources, compare_sources);
	foreach(lc, sources)
		track_source(pgt_id, lfirst(lc));
	CommandCounterIncrement();

	foreach(lc, before)
		if (((Dependency *) lfirst(lc))->captured)
			capture_adjust(((Dependency *) lfirst(lc))->source);
}
