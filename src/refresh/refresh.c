/*-------------------------------------------------------------------------
 *
 * refresh.c
 *	  One refresh, of a stream table or of its consistency group.
 *
 * The order of events is what makes a refresh exact:
 *
 *	1. The refresh locks of all members, in the order of their oids, so that
 *	   nobody else refreshes or redefines one of them.  The group may have
 *	   changed meanwhile; then the locks of new members follow.
 *	2. AccessShareLock on the sources, their partitions and buffers: TRUNCATE
 *	   and rewriting ALTERs do not obey MVCC, the locks put them wholly before
 *	   the snapshot or after this transaction.
 *	3. Only now the snapshot S.
 *	4. The row of each stream table must be, under S, the newest one.  In READ
 *	   COMMITTED it always is; at the higher levels S may be older than the
 *	   last refresh, and going on would apply changes twice.
 *	5. Member by member, each after those that it reads: windows, base tables
 *	   and victims are all read at S, which shows besides what the members
 *	   before have written.
 *	6. The new frontiers, which are S, are written in the same transaction.
 *
 * Locks are kept to the end of the transaction.  An error in one member takes
 * back what the others did.
 *
 * A member that is suspended, or has lost its query, is held back, and so are
 * the members that read it: they stay at the snapshot at which they all were,
 * so none of them shows a mixture.  Only who is asked for by name is refreshed
 * although it is suspended.  A gate holds back the whole group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "dag/dag.h"
#include "miscadmin.h"
#include "monitor/progress.h"
#include "refresh/member.h"
#include "refresh/refresh.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* A refresh of several stream tables, or of one. */
typedef struct RefreshGroup
{
	Oid			target;			/* the one that was asked for */
	bool		automatic;		/* by nobody */
	int			nmembers;
	Refresh    *members;		/* those that are not held back, in order */
	List	   *held;			/* oids of the others */
	const Refresh *current;		/* the member at work */
	OwnerContext owner_context;
	Oid			owner;			/* whom we are, InvalidOid: the caller */
} RefreshGroup;

/* Set while a refresh runs in this backend: its query must not start another. */
static bool refreshing = false;

/*
 * A foreign key's action changes tables in the middle of a statement, while
 * the triggers that capture those changes wait for the statement's end.  A
 * refresh by a trigger could see the one without the other.
 */
static void
refuse_in_trigger(void)
{
	if (DatumGetInt32(OidFunctionCall0(F_PG_TRIGGER_DEPTH)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot refresh a stream table from within a trigger"),
				 errdetail("Changes of the statement that fired the trigger may not be captured yet."),
				 errhint("Use the schedule '0s', which refreshes as soon as a change commits.")));
}


void
refresh_refuse_nested(const char *function)
{
	if (refreshing)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot execute %s from within a refresh", function),
				 errhint("Remove the call from the query's functions and from the triggers on the stream table.")));
}

/* The member at which the last refresh stood, or ended. */
static Oid	current_member = InvalidOid;
static NameData member_schema; /* empty: not known yet */
static NameData member_name;

Oid
refresh_current_member(void)
{
	return current_member;
}

const char *
refresh_current_name(void)
{
	if (NameStr(member_schema)[0] != '\0')
		return quote_qualified_identifier(NameStr(member_schema), NameStr(member_name));
	return NameStr(member_name)[0] != '\0' ? quote_identifier(NameStr(member_name)) : "";
}

static void
set_current(Oid relid, const char *schema, const char *name)
{
	current_member = relid;
	namestrcpy(&member_schema, schema);
	namestrcpy(&member_name, name);
}

/* Is it about a name in a text?  Then that is the body of a function of the user's. */
static bool
is_about_name(int sqlerrcode)
{
	return getinternalerrposition() > 0 &&
		(sqlerrcode == ERRCODE_UNDEFINED_TABLE ||
		 sqlerrcode == ERRCODE_UNDEFINED_FUNCTION ||
		 sqlerrcode == ERRCODE_UNDEFINED_OBJECT);
}

static void
refresh_error_context(void *arg)
{
	errcontext("refresh of stream table \"%s\"%s", refresh_current_name(),
			   is_about_name(geterrcode()) ?
			   ", under search_path = pg_catalog, pg_temp" : "");
}

/* ---- who ---- */

/*
 * Waiting for a lock brings the news of what others did to the group.  Returns
 * its members in topological order; false if wait is false and one is taken.
 */
static bool
lock_group(Oid relid, const List *sources, bool wait, List **members)
{
	List	   *locked = NIL;

	for (;;)
	{
		List	   *missing;
		ListCell   *lc;

		*members = sources ? dag_group_with(relid, sources) : dag_group(relid);
		missing = list_difference_oid(*members, locked);
		if (missing == NIL)
			return true;
		list_sort(missing, list_oid_cmp);
		foreach(lc, missing)
			if (!stream_table_lock(lfirst_oid(lc), wait))
				return false;
		locked = list_concat(locked, missing);
	}
}

void
refresh_lock_group(Oid relid, const List *sources)
{
	List	   *members;

	(void) lock_group(relid, sources, true, &members);
}

static StreamTable *
read_target(Oid relid, const char *name)
{
	StreamTable *st = stream_table_read(relid, NULL);

	if (st == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("stream table \"%s\" does not exist any more",
						name ? name : "")));
	stream_table_require_definition(st);
	return st;
}

/* The member, among these or above, that keeps one that reads it back. */
static const char *
held_by(const StreamTable *st, const List *held)
{
	ListCell   *lc;

	foreach(lc, held != NIL ? dependency_read(st->pgt_id) : NIL)
	{
		Oid			source = ((Dependency *) lfirst(lc))->source;

		if (list_member_oid(held, source))
			return get_rel_name(source);
	}
	return NULL;
}

static void
refuse_held(const StreamTable *st, const char *by)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot refresh stream table \"%s\" without stream table \"%s\"",
					st->name, by),
			 errdetail("The two must be at one snapshot, and \"%s\" is suspended, or reads one that is, or has lost its query.",
					   by),
			 errhint("Call resume_stream_table(), or refresh by name the one that is suspended.")));
}

static void
begin_member(RefreshGroup *group, StreamTable *st, TimestampTz start_time)
{
	Refresh    *r = &group->members[group->nmembers++];

	memset(r, 0, sizeof(Refresh));
	r->st = st;
	r->owner = pgt_relation_owner(st->relid);
	r->owner_context = &group->owner_context;
	r->context = CurrentMemoryContext;
	r->outcome.start_time = start_time;
}

/* All but those that are held back. */
static void
begin_members(RefreshGroup *group, List *relids, const char *name, TimestampTz start_time)
{
	ListCell   *lc;

	group->members = palloc(sizeof(Refresh) * list_length(relids));
	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		bool		is_target = relid == group->target;
		StreamTable *st = is_target ? read_target(relid, name) :
			stream_table_read(relid, NULL);
		bool		is_wanted = is_target && !group->automatic;
		const char *by = st ? held_by(st, group->held) : NULL;

		if (by != NULL && is_wanted)
			refuse_held(st, by);
		if (st == NULL || by != NULL ||
			(!is_wanted && st->status == STREAM_TABLE_SUSPENDED) ||
			(!is_target && !OidIsValid(st->defview)))
			group->held = lappend_oid(group->held, relid);
		else
		{
			if (!is_target)
				stream_table_require_definition(st);
			begin_member(group, st, start_time);
		}
	}
}

/* ---- how ---- */

/*
 * Go on with this member, as its owner.  Settings are pinned when the first
 * thing is done that could depend on them, which need not happen at all.
 */
static void
turn_to(RefreshGroup *group, const Refresh *r)
{
	if (group->current == r)
		return;
	set_current(r->st->relid, r->st->schema, r->st->name);
	group->current = r;
	if (group->owner == r->owner)
		return;
	if (OidIsValid(group->owner))
		owner_context_leave(&group->owner_context);
	owner_context_become(&group->owner_context, r->owner);
	group->owner = r->owner;
}

/*
 * What one member's sources need may change what another one was compiled to,
 * so look again until none has anything to do.
 */
static void
load_members(RefreshGroup *group)
{
	bool		loaded;

	do
	{
		loaded = false;
		for (int i = 0; i < group->nmembers; i++)
		{
			turn_to(group, &group->members[i]);
			loaded |= member_load(&group->members[i]);
		}
	} while (loaded && group->nmembers > 1);
}

static void
run_members(RefreshGroup *group, const char *full_reason, RefreshReport *report)
{
	Snapshot	snapshot = GetActiveSnapshot();
	TimestampTz data_timestamp = GetCurrentTimestamp();

	for (int i = 0; i < group->nmembers; i++)
	{
		turn_to(group, &group->members[i]);
		member_check(&group->members[i], snapshot);
	}
	for (int i = 0; i < group->nmembers; i++)
	{
		Refresh    *r = &group->members[i];
		RefreshResult result;

		turn_to(group, r);
		r->automatic = report->automatic;
		progress_member(r->st->relid, i, group->nmembers);
		r->outcome.data_timestamp = data_timestamp;
		if (i > 0)
			r->outcome.start_time = GetCurrentTimestamp();
		result = member_run(r, snapshot,
							r->st->relid == group->target ? full_reason : NULL);
		report->callback(r->st->relid, result, program_is_timed(r->program),
						 report->arg);
	}
}

static bool
is_gated(const RefreshGroup *group, Snapshot snapshot)
{
	List	   *gates = gate_read_all(snapshot);
	Oid			source;

	for (int i = 0; i < group->nmembers; i++)
		if (gate_holds(gates, group->members[i].st->pgt_id, &source))
			return true;
	return false;
}

/*
 * The gates are read under the snapshot, and what members needed changed before
 * it was taken: one may have been emptied by now, to be filled again.  That must
 * not commit without the rest.
 */
static void
hold_back(const RefreshGroup *group, RefreshReport *report)
{
	for (int i = 0; i < group->nmembers; i++)
	{
		const Refresh *r = &group->members[i];

		if (r->action != ACTION_NONE)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not refresh stream table \"%s\" because it was gated meanwhile",
							r->st->name),
					 errhint("It is refreshed when the gate is opened.")));
		report->callback(r->st->relid, REFRESH_HELD_BACK, false, report->arg);
	}
}

/*
 * False if a member was altered while we waited for the locks, so that what was
 * loaded may not be right any more.
 */
static bool
open_members(RefreshGroup *group)
{
	for (int i = 0; i < group->nmembers; i++)
	{
		turn_to(group, &group->members[i]);
		member_open(&group->members[i]);
	}
	for (int i = 0; i < group->nmembers; i++)
		if (!group->members[i].cached->valid)
			return false;
	return true;
}

static void
refresh_members(RefreshGroup *group, const char *full_reason, RefreshReport *report)
{
	progress_phase(PROGRESS_PREPARING);
	do
		load_members(group);
	while (!open_members(group));

	PushCopiedSnapshot(GetTransactionSnapshot());
	UpdateActiveSnapshotCommandId();
	if (report->automatic && is_gated(group, GetActiveSnapshot()))
		hold_back(group, report);
	else
		run_members(group, full_reason, report);
	PopActiveSnapshot();
	owner_context_leave(&group->owner_context);
}

/* Under the refresh locks. */
static void
refresh_group(RefreshGroup *group, List *relids, const char *name, TimestampTz start_time,
			  const char *full_reason, RefreshReport *report)
{
	ErrorContextCallback context;
	ListCell   *lc;

	program_cache_sweep();
	begin_members(group, relids, name, start_time);
	foreach(lc, group->held)
		report->callback(lfirst_oid(lc), REFRESH_HELD_BACK, false, report->arg);
	if (group->nmembers == 0)
		return;

	context.callback = refresh_error_context;
	context.arg = group;
	context.previous = error_context_stack;
	error_context_stack = &context;
	refreshing = true;
	PG_TRY();
	{
		refresh_members(group, full_reason, report);
	}
	PG_FINALLY();
	{
		refreshing = false;
	}
	PG_END_TRY();
	error_context_stack = context.previous;
}

bool
refresh_run_reporting(Oid relid, bool wait, const char *full_reason,
					  RefreshReport *report)
{
	RefreshGroup group = {.target = relid, .automatic = report->automatic};
	TimestampTz start_time = GetCurrentTimestamp();
	MemoryContext context;
	MemoryContext old;
	bool		locked;
	List	   *relids;
	char	   *name;

	PreventCommandDuringRecovery("refresh of a stream table");
	refresh_refuse_nested("refresh_stream_table()");
	refuse_in_trigger();
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_trickle refresh",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	/* it may be dropped while we wait */
	name = get_rel_name(relid);
	set_current(relid, "", name ? name : "");
	progress_begin(relid);
	PG_TRY();
	{
		locked = lock_group(relid, NIL, wait, &relids);
		if (locked)
		{
			refresh_group(&group, relids, name, start_time, full_reason, report);
			CommandCounterIncrement();
		}
	}
	PG_FINALLY();
	{
		progress_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return locked;
}

typedef struct TargetResult
{
	Oid			target;
	RefreshResult result;
} TargetResult;

static void
report_target(Oid relid, RefreshResult result, bool timed, void *arg)
{
	TargetResult *target = arg;

	if (relid == target->target)
		target->result = result;
}

RefreshResult
refresh_run(Oid relid, bool wait, const char *full_reason)
{
	TargetResult target = {.target = relid, .result = REFRESH_BUSY};
	RefreshReport report = {.callback = report_target, .arg = &target};

	(void) refresh_run_reporting(relid, wait, full_reason, &report);
	return target.result;
}

void
refresh_init(void)
{
	dag_init();
	program_cache_init();
}
