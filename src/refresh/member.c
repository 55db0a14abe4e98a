/*-------------------------------------------------------------------------
 *
 * member.c
 *	  One stream table in a refresh: load, look, choose, run, record.
 *
 * refresh.c says in which order, for one stream table or for a group of them.
 * Windows, base tables, victims, and what earlier members of the group have
 * written are all read at one snapshot; its command id is set anew for each
 * member, and there the part of the transaction ends that this member
 * consumes.
 *
 * What the query calls now() is that of the transaction, for all members.  The
 * stream table remembers the one of its last refresh, t'.  If nothing crosses a
 * bound between t' and now(), the rows are right at both instants, and t' may
 * stay; it is moved once in a while all the same, so that what was looked at
 * is not looked at for ever, and people see that somebody looked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "buffer/buffer.h"
#include "catalog/pg_inherits.h"
#include "dag/dag.h"
#include "delta/program.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "monitor/counters.h"
#include "monitor/notify.h"
#include "monitor/progress.h"
#include "portability/instr_time.h"
#include "refresh/cost.h"
#include "refresh/member.h"
#include "refresh/storage.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* So long a look at the clock that found nothing need not be noted. */
#define NOTE_CLOCK_US	(60 * USECS_PER_SEC)

static const char *const action_names[] = {
	[ACTION_NONE] = "NO_DATA",
	[ACTION_DIFFERENTIAL] = "DIFFERENTIAL",
	[ACTION_FULL] = "FULL",
	[ACTION_REINITIALIZE] = "REINITIALIZE"
};

/*
 * The rows that a statement in progress has written are visible, but its
 * AFTER triggers have not captured them yet.
 */
static void
check_not_in_use(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	int			expected = rel->rd_isnailed ? 2 : 1;

	if (rel->rd_refcnt != expected)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot refresh while source \"%s\" is used by a running statement of this session",
						RelationGetRelationName(rel)),
				 errdetail("The changes of that statement are not captured before it ends."),
				 errhint("Refresh in a statement of its own.")));
	table_close(rel, NoLock);
}

static void
check_sources_not_in_use(const CachedProgram *cached)
{
	for (int i = 0; i < cached->nsources; i++)
	{
		ListCell   *lc;

		check_not_in_use(cached->sources[i].id.oid);
		foreach(lc, cached->sources[i].partitions)
			if (lfirst_oid(lc) != cached->sources[i].id.oid)
				check_not_in_use(lfirst_oid(lc));
	}
}

/* Transaction ids of another cluster, or from before a copy, mean nothing here. */
static const char *
copy_reason(const StreamTable *st)
{
	return st->frontier != NULL && !frontier_is_local(st->frontier) ?
		"it was restored from another cluster or database" : NULL;
}

/* Why what is captured may not be what the query needs, or NULL. */
static const char *
tracking_problem(const Refresh *r)
{
	if (r->cached->capture_problem != NULL)
		return pstrdup(r->cached->capture_problem);
	if (r->st->frontier != NULL &&
		r->st->frontier->query != program_fingerprint(r->program))
		return "the meaning of its query changed";
	return NULL;
}

/*
 * Sources in shards must be polled.  And what we write would go into the table
 * itself, where nobody who reads it looks if its rows are in shards.
 */
static void
check_placement(const Refresh *r)
{
	refresh_refuse_remote(r->st->name, r->program);
	if (!r->cached->placement.managed)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot refresh stream table \"%s\" because Citus manages it",
					r->st->name),
			 errdetail("It is %s, whose rows are in shards.",
					   placement_describe(&r->cached->placement)),
			 errhint("Drop it and create it again; a stream table is an ordinary table of the coordinator.")));
}

/* Another view has taken the place of the one that was recorded. */
static void
adopt_definition(Refresh *r)
{
	owner_context_settings(r->owner_context);
	storage_attach(r->st->defview, r->st->relid);
	stream_table_update(r->st);
	r->st = stream_table_read(r->st->relid, NULL);
}

static void
get_program(Refresh *r)
{
	r->cached = program_cache_get(r->st, r->owner_context);
	r->program = r->cached->program;
}

/*
 * Have the changes of the sources captured, which they were not, so that the
 * contents have to start afresh.
 */
static void
repair_tracking(Refresh *r, const char *problem)
{
	owner_context_settings(r->owner_context);
	r->action = ACTION_REINITIALIZE;
	r->reason = copy_reason(r->st) ? copy_reason(r->st) : problem;
	if (r->st->needs_reinit && r->st->reinit_reason != NULL)
		r->reason = r->st->reinit_reason;
	dag_refuse_cycle(r->st->relid, refresh_sources(r->program));
	refresh_track(r->st->pgt_id, r->program, r->owner);
	program_cache_forget(r->st->relid);
	get_program(r);
	if (r->cached->capture_problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes of a source of stream table \"%s\" cannot be captured",
						r->st->name),
				 errdetail("%s.", r->cached->capture_problem),
				 errhint("Recreate the stream table with pgtrickle.create_or_replace_stream_table().")));
}

/*
 * Have the table fit what the program has become.  It may look as it did and have
 * been changed all the same.
 */
static void
adapt_storage(Refresh *r)
{
	const Frontier *frontier = r->st->frontier;
	uint64		row_ids = 0;

	if (r->st->is_populated && frontier != NULL && !r->looked_at_row_ids)
		row_ids = frontier->row_ids;
	if (r->cached->storage_known_good &&
		(row_ids == 0 || row_ids == program_row_ids(r->program)))
		return;
	owner_context_settings(r->owner_context);
	if (storage_adapt(r->st->relid, r->program, row_ids, &r->emptied))
	{
		r->action = ACTION_REINITIALIZE;
		if (r->reason == NULL)
			r->reason = r->st->needs_reinit ? r->st->reinit_reason : NULL;
		if (r->reason == NULL)
			r->reason = "its rows have another key, or other hidden columns, than before";
		get_program(r);
	}
	r->cached->storage_known_good = true;
}

static bool
other_part_row_ids(const Refresh *r)
{
	const Frontier *frontier = r->st->frontier;

	return frontier != NULL && frontier->part_row_ids != 0 &&
		frontier->part_row_ids != program_part_row_ids(r->program);
}

bool
member_load(Refresh *r)
{
	const char *problem;

	if (r->cached != NULL && r->cached->valid)
		return false;
	if (r->st->definition_moved)
		adopt_definition(r);
	get_program(r);
	check_placement(r);
	problem = tracking_problem(r);
	if (problem != NULL)
		repair_tracking(r, problem);
	adapt_storage(r);
	if (program_parts(r->program) != NIL &&
		storage_ensure_parts(r->program, r->st->relid, r->owner,
							 !r->looked_at_row_ids && other_part_row_ids(r)))
	{
		r->action = ACTION_REINITIALIZE;
		if (r->reason == NULL)
			r->reason = "an auxiliary table of it was missing";
	}
	r->looked_at_row_ids = true;
	return true;
}

/* Nobody alters them from here on. */
static void
lock_storage(Refresh *r)
{
	ListCell   *lc;

	LockRelationOid(r->st->relid, RowExclusiveLock);
	if (r->cached->table == 0)
	{
		MemoryContext old = MemoryContextSwitchTo(r->cached->context);

		r->cached->parts = storage_parts(r->program);
		MemoryContextSwitchTo(old);
	}
	foreach(lc, r->cached->parts)
		LockRelationOid(lfirst_oid(lc), RowExclusiveLock);
	if (r->cached->table == 0)
		r->cached->table = storage_signature(r->st->relid, r->cached->parts);
}

void
member_open(Refresh *r)
{
	check_sources_not_in_use(r->cached);
	lock_storage(r);
}

static void
open_buffers(Refresh *r)
{
	int			n = r->cached->nsources;

	r->buffers = palloc0(sizeof(Relation) * (n + 1));
	r->windows = palloc0(sizeof(ChangeWindow) * (n + 1));
	for (int i = 0; i < n; i++)
		if (OidIsValid(r->cached->sources[i].buffer))
			r->buffers[i] = table_open(r->cached->sources[i].buffer, AccessShareLock);
}

static void
close_buffers(Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
		if (r->buffers[i] != NULL)
		{
			refresh_note_buffer(r->buffers[i]);
			table_close(r->buffers[i], NoLock);
		}
}

/* Refuse a snapshot under which a source looks as it never was. */
static void
check_not_rewritten(Oid relid, Snapshot snapshot)
{
	Relation	rel = table_open(relid, NoLock);

	if (relation_is_newer_than(rel, snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access because source \"%s\" was rewritten",
						RelationGetRelationName(rel)),
				 errdetail("It was rewritten or truncated after the snapshot of this transaction was taken."),
				 errhint("Retry the transaction.")));
	table_close(rel, NoLock);
}

/*
 * The snapshot of a REPEATABLE READ transaction may be older than our locks:
 * the stream table, and everything that does not obey MVCC, must still be as
 * it was.
 */
static void
check_snapshot(const Refresh *r, Snapshot snapshot)
{
	StreamTable *seen = stream_table_read(r->st->relid, snapshot);

	if (seen == NULL || !ItemPointerEquals(&seen->tid, &r->st->tid))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent refresh of stream table \"%s\"",
						r->st->name),
				 errhint("Retry the transaction.")));
	for (int i = 0; i < r->cached->nsources; i++)
	{
		ListCell   *lc;

		check_not_rewritten(r->cached->sources[i].id.oid, snapshot);
		foreach(lc, r->cached->sources[i].partitions)
			check_not_rewritten(lfirst_oid(lc), snapshot);
	}
}

/*
 * ATTACH PARTITION lets readers go on, so it may have committed between our
 * locks and the snapshot.  What the snapshot sees, the catalog shows by now.
 */
static void
check_partitions(const Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
	{
		const CachedSource *source = &r->cached->sources[i];

		if (source->partitions != NIL &&
			list_difference_oid(find_all_inheritors(source->id.oid, NoLock, NULL),
								source->partitions) != NIL)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access because a partition was attached to source \"%s\"",
							get_rel_name(source->id.oid)),
					 errhint("Retry the transaction.")));
	}
}

/* The same of a table that began to inherit. */
static void
check_children(const Refresh *r)
{
	Oid			source = program_grown_source(r->program);

	if (OidIsValid(source))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access because a table began to inherit from source \"%s\"",
						get_rel_name(source)),
				 errhint("Retry the transaction.")));
}

void
member_check(const Refresh *r, Snapshot snapshot)
{
	check_partitions(r);
	check_children(r);
	if (IsolationUsesXactSnapshot())
		check_snapshot(r, snapshot);
}

static const SourceFrontier *
source_frontier(const Refresh *r, int i)
{
	if (r->st->frontier == NULL || r->buffers[i] == NULL)
		return NULL;
	return frontier_lookup(r->st->frontier, &r->cached->sources[i].id);
}

static bool
has_changes(const Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
		if (r->buffers[i] != NULL &&
			buffer_has_changes(r->buffers[i], source_frontier(r, i), r->snapshot))
			return true;
	return false;
}

/* Why the stored contents cannot be carried on, or NULL. */
static const char *
reinitialize_reason(const Refresh *r)
{
	const Frontier *frontier = r->st->frontier;

	if (r->st->needs_reinit)
		return r->st->reinit_reason ? r->st->reinit_reason : "reinitialization was asked for";
	if (frontier == NULL)
		return "it has no frontier";
	if (copy_reason(r->st) != NULL)
		return copy_reason(r->st);
	if (storage_may_be_reset(r->st->relid))
		return "it is unlogged, and a crash may have emptied it";
	for (int i = 0; i < r->cached->nsources; i++)
		if (r->buffers[i] != NULL && source_frontier(r, i) == NULL)
			return "a source is new to it";
	if (frontier->table != 0 && frontier->table != r->cached->table)
		return "its table was altered, or its guards were";
	if (program_is_timed(r->program) && r->st->evaluated_at == 0)
		return "it is not known for which time it was computed";
	return NULL;
}

/* Is it another now() than that of the last refresh? */
static bool
clock_has_moved(const Refresh *r)
{
	return program_is_timed(r->program) &&
		r->st->evaluated_at != GetCurrentTransactionStartTimestamp();
}

static void
set_action(Refresh *r, ActionKind action, const char *reason)
{
	r->action = action;
	r->reason = reason ? MemoryContextStrdup(r->context, reason) : NULL;
}

/* For want of a delta; who insists on one is told what has changed. */
static void
set_full(Refresh *r)
{
	if (r->st->mode == REFRESH_MODE_DIFFERENTIAL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot refresh stream table \"%s\" differentially",
						r->st->name),
				 errdetail("The query cannot be maintained so: %s.",
						   program_reason(r->program)),
				 errhint("Set its refresh mode to AUTO or FULL with pgtrickle.alter_stream_table().")));
	set_action(r, ACTION_FULL, program_reason(r->program));
}

static void
choose_action(Refresh *r, const char *full_reason)
{
	const char *reinit;

	if (!r->st->is_populated)
	{
		set_action(r, ACTION_FULL, "first refresh");
		return;
	}
	if (r->action == ACTION_REINITIALIZE)
		return;
	reinit = reinitialize_reason(r);
	if (reinit != NULL)
		set_action(r, ACTION_REINITIALIZE, reinit);
	else if (full_reason != NULL)
		set_action(r, ACTION_FULL, full_reason);
	else if (program_always_recompute(r->program))
		set_full(r);
	else if (!has_changes(r) && !clock_has_moved(r) && !program_polls(r->program))
		set_action(r, ACTION_NONE, NULL);
	else if (r->st->mode == REFRESH_MODE_FULL)
		set_action(r, ACTION_FULL, "its refresh mode is FULL");
	else if (program_reason(r->program) != NULL)
		set_full(r);
	else
		set_action(r, ACTION_DIFFERENTIAL, program_nets_first(r->program) ?
				   "joins are netted first, since there was a data error on rows that never existed together" :
				   NULL);
}

/*
 * Counting ends beyond the ceiling, before anything is read into memory.  Until
 * it is known what a source's changes are new to, none counts.
 */
static void
check_fuse(const Refresh *r)
{
	int64		ceiling = r->st->fuse_ceiling;
	int64		waiting = 0;

	for (int i = 0; i < r->cached->nsources && waiting <= ceiling; i++)
		if (r->buffers[i] != NULL && source_frontier(r, i) != NULL)
			waiting += buffer_count_changes(r->buffers[i], source_frontier(r, i),
											r->snapshot, ceiling + 1 - waiting);
	if (waiting > ceiling)
		ereport(ERROR,
				(errcode(ERRCODE_PGT_FUSE_BLOWN),
				 errmsg("the fuse of stream table \"%s\" has blown", r->st->name),
				 errdetail("More changes wait for it than its fuse_ceiling of %lld.",
						   (long long) ceiling),
				 errhint("Have them applied with pgtrickle.reset_fuse('%s', 'apply'), or have it computed anew with pgtrickle.reset_fuse('%s', 'reinitialize').",
						 refresh_current_name(), refresh_current_name())));
}

static void
read_window(Refresh *r, int i, int flags)
{
	const AttrNumber *attnums;
	TupleDesc	desc = program_window_desc(r->program, i, &attnums);

	buffer_read_window(r->buffers[i], source_frontier(r, i), r->snapshot,
					   desc, attnums, program_window_filter(r->program, i),
					   program_window_flags(r->program) | flags, &r->windows[i]);
}

static void
read_windows(Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
	{
		if (r->buffers[i] == NULL)
			continue;			/* it is polled */
		read_window(r, i, 0);
		r->outcome.changes += r->windows[i].nchanges;
		progress_changes(r->outcome.changes);
		if (r->windows[i].has_marker)
			set_action(r, ACTION_REINITIALIZE,
					   psprintf("source \"%s\" was truncated, or changed in a way that could not be followed",
								get_rel_name(r->cached->sources[i].id.oid)));
	}
}

/*
 * Nobody but a delta wants to know what that has changed; and there is none if
 * nothing has.
 */
static void
poll_sources(Refresh *r)
{
	bool		wanted = r->action == ACTION_DIFFERENTIAL;

	if (program_polls(r->program))
		progress_phase(PROGRESS_POLLING);
	program_poll(r->program, r->snapshot, wanted ? r->windows : NULL);
	for (int i = 0; wanted && i < r->cached->nsources; i++)
		if (r->buffers[i] == NULL)
			r->outcome.changes += r->windows[i].nchanges;
	if (wanted && r->outcome.changes == 0 && !clock_has_moved(r))
		set_action(r, ACTION_NONE, NULL);
}

static double
elapsed_ms(instr_time start)
{
	instr_time	end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_MILLISEC(end);
}

static void
run_full(Refresh *r)
{
	instr_time	start;

	progress_phase(PROGRESS_FULL);
	r->counts = r->emptied;
	INSTR_TIME_SET_CURRENT(start);
	if (program_run_full(r->program, r->rel, r->snapshot, &r->counts))
		r->rel = NULL;
	cost_learn_full(r, elapsed_ms(start));
}

/*
 * Can an error of this kind come from the values of a row?  Those of types and
 * domains do, and those that functions raise.
 */
static bool
is_data_error(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_PLPGSQL_ERROR:
			return true;
		default:
			return false;
	}
}

static void
run_program_delta(Refresh *r, Snapshot snapshot)
{
	r->wrote = program_run_delta(r->program, r->rel, r->windows,
								 r->st->evaluated_at, snapshot, &r->counts);
}

/*
 * Run the delta such that it can be undone.  Returns a data error that was met,
 * with everything undone, or NULL.
 */
static ErrorData *
attempt_delta(Refresh *r)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	memset(&r->counts, 0, sizeof(r->counts));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		SPI_connect();
		PushCopiedSnapshot(r->snapshot);
		run_program_delta(r, GetActiveSnapshot());
		PopActiveSnapshot();
		SPI_finish();
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!is_data_error(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

/* Is it too large for memory?  What was polled never is. */
static bool
is_partial(const Refresh *r, int i)
{
	return r->buffers[i] != NULL && r->windows[i].partial;
}

static bool
has_partial_windows(const Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
		if (is_partial(r, i))
			return true;
	return false;
}

/* So that no row is left which came and went. */
static void
read_windows_whole(Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
	{
		if (!is_partial(r, i))
			continue;
		if (r->windows[i].rows != NULL)
			tuplestore_end(r->windows[i].rows);
		read_window(r, i, WINDOW_WHOLE);
	}
}

/*
 * Run the delta.  A data error says nothing about the query where a window was
 * too large for memory, and may have rows that came and went; then all of it is
 * netted, whatever memory that takes.  Nor does it where an expression may be
 * computed on a pair of rows that never existed together; then the delta takes
 * the form that computes nothing on such pairs.  Each time, what was done is
 * undone, and done again.  An error that comes back from that is the query's
 * own.  The form lasts if the refresh does, so what is cached is compiled again
 * from what is recorded.
 */
static void
try_delta(Refresh *r)
{
	ErrorData  *error;

	if (!program_has_phantoms(r->program, r->windows) && !has_partial_windows(r))
	{
		run_program_delta(r, r->snapshot);
		return;
	}
	error = attempt_delta(r);
	if (error != NULL && has_partial_windows(r))
	{
		set_action(r, ACTION_DIFFERENTIAL,
				   psprintf("a large window is netted in memory, because of a data error (%s) on rows that may have come and gone",
							unpack_sql_state(error->sqlerrcode)));
		read_windows_whole(r);
		error = attempt_delta(r);
	}
	if (error != NULL && program_net_first(r->program))
	{
		r->cached->valid = false;
		set_action(r, ACTION_DIFFERENTIAL,
				   psprintf("joins are netted first, because of a data error (%s) on rows that never existed together",
							unpack_sql_state(error->sqlerrcode)));
		error = attempt_delta(r);
	}
	if (error == NULL)
		return;
	/* a row is met at the instant before, too, where joins cannot be netted first */
	if (r->st->mode == REFRESH_MODE_DIFFERENTIAL && !program_is_timed(r->program))
		ReThrowError(error);
	set_action(r, ACTION_FULL, psprintf("a data error (%s) in its delta",
										unpack_sql_state(error->sqlerrcode)));
}

static void
run_delta(Refresh *r)
{
	instr_time	start;

	progress_phase(PROGRESS_DELTA);
	INSTR_TIME_SET_CURRENT(start);
	try_delta(r);
	if (r->action != ACTION_DIFFERENTIAL)
		return;
	cost_learn_delta(r, elapsed_ms(start));
	/* the clock went on, and that was all */
	if (r->outcome.changes == 0 && !r->wrote)
		set_action(r, ACTION_NONE, NULL);
}

/* The user may have left the choice to us. */
static void
compare_costs(Refresh *r)
{
	const char *reason = NULL;

	if (r->st->mode == REFRESH_MODE_AUTO)
		reason = cost_prefers_full(r);
	if (reason != NULL)
		set_action(r, ACTION_FULL, reason);
}

static void
end_windows(Refresh *r)
{
	for (int i = 0; i < r->cached->nsources; i++)
		if (r->windows[i].rows != NULL)
			tuplestore_end(r->windows[i].rows);
}

static void
run_action(Refresh *r)
{
	r->costs = cost_load(r);
	SPI_connect();
	if (r->action == ACTION_DIFFERENTIAL)
	{
		progress_phase(PROGRESS_READING);
		read_windows(r);
	}
	poll_sources(r);
	if (r->action == ACTION_DIFFERENTIAL)
		compare_costs(r);
	if (r->action == ACTION_DIFFERENTIAL)
		run_delta(r);
	end_windows(r);
	if (r->action != ACTION_DIFFERENTIAL && r->action != ACTION_NONE)
		run_full(r);
	SPI_finish();
}

static Frontier *
new_frontier(const Refresh *r)
{
	SourceIdentifier *sources = palloc0(sizeof(SourceIdentifier) * (r->cached->nsources + 1));
	int			n = 0;
	Frontier   *frontier;

	for (int i = 0; i < r->cached->nsources; i++)
		if (r->buffers[i] != NULL)
			sources[n++] = r->cached->sources[i].id;
	frontier = frontier_at(r->snapshot, r->own, n, sources);
	frontier->query = program_fingerprint(r->program);
	frontier->owner = r->owner;
	frontier->row_ids = program_row_ids(r->program);
	frontier->part_row_ids = program_part_row_ids(r->program);
	frontier->table = r->cached->table;
	frontier->net_first = program_nets_first(r->program);
	return frontier;
}

static void
record(Refresh *r)
{
	RefreshOutcome *outcome = &r->outcome;

	progress_phase(PROGRESS_RECORDING);
	outcome->action = action_names[r->action];
	outcome->reason = r->reason;
	outcome->frontier = new_frontier(r);
	outcome->evaluated_at = program_is_timed(r->program) ?
		GetCurrentTransactionStartTimestamp() : 0;
	outcome->end_time = GetCurrentTimestamp();
	outcome->rows_inserted = r->counts.inserted;
	outcome->rows_updated = r->counts.updated;
	outcome->rows_deleted = r->counts.deleted;
	outcome->learned = cost_store(r);
	stream_table_refreshed(r->st, outcome);
	notify_refreshed(r->st, outcome);
}

static bool
is_worth_recording(const Refresh *r)
{
	return r->action != ACTION_NONE || program_polls(r->program) ||
		r->outcome.data_timestamp - r->st->data_timestamp >= NOTE_CLOCK_US;
}

/* Push the group's snapshot as it is now, with all that was done before. */
static void
push_snapshot(Refresh *r, Snapshot snapshot)
{
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	r->snapshot = GetActiveSnapshot();
	r->own = frontier_own(r->snapshot);
}

RefreshResult
member_run(Refresh *r, Snapshot snapshot, const char *full_reason)
{
	open_buffers(r);
	r->rel = table_open(r->st->relid, NoLock);
	push_snapshot(r, snapshot);

	choose_action(r, full_reason);
	if (r->action != ACTION_NONE)
	{
		owner_context_settings(r->owner_context);
		if (r->automatic && r->st->fuse_ceiling >= 0 && r->st->is_populated)
			check_fuse(r);
		run_action(r);
		if (is_worth_recording(r))
			record(r);
	}
	r->outcome.action = action_names[r->action];
	counters_refreshed(r->st, &r->outcome);
	PopActiveSnapshot();
	if (r->rel != NULL)
		table_close(r->rel, NoLock);
	close_buffers(r);
	return r->action == ACTION_NONE ? REFRESH_NO_DATA : REFRESH_DONE;
}
