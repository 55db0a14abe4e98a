/*-------------------------------------------------------------------------
 *
 * program.c
 *	  Compile a definition view: find its sources, analyse its query, decide the
 *	  rule, lay out the stream table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "delta/delta.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"

/* On every level of the query: may its user read what it reads? */
static bool
check_rights_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		(void) ExecCheckPermissions(query->rtable, query->rteperminfos, true);
		return query_tree_walker(query, check_rights_walker, context, 0);
	}
	return expression_tree_walker(node, check_rights_walker, context);
}

static Query *
view_query(Oid defview)
{
	Relation	view = relation_open(defview, AccessShareLock);
	Query	   *query = copyObject(get_view_query(view));

	relation_close(view, NoLock);
	return query;
}

/* Expand views and row security; the query is scribbled upon. */
static Query *
rewrite_query(Query *query)
{
	List	   *rewritten;

	AcquireRewriteLocks(query, true, false);
	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1)
		elog(ERROR, "a definition was rewritten to %d queries",
			 list_length(rewritten));
	(void) check_rights_walker(linitial(rewritten), NULL);
	return (Query *) analyze_name_operators(linitial(rewritten), NULL);
}

/* What has been seen on the way that rules out a delta. */
typedef struct Findings
{
	bool		sampled;		/* TABLESAMPLE */
	const char *row_reason;		/* why rows as values cannot be, or NULL */
	const char *tree_reason;	/* why children cannot be read, or NULL */
	const char *policy_reason;	/* the same of row security */
} Findings;

/*
 * "12" of pgtrickle_defs.def_12, or of def_12_new, which will be that; "new" of
 * what has no view.
 */
static char *
definition_number(Oid defview)
{
	char	   *name = get_rel_name(defview);
	char	   *number;

	if (!OidIsValid(defview))
		return "new";
	number = pstrdup(name + strcspn(name, "0123456789"));
	number[strspn(number, "0123456789")] = '\0';
	return number;
}

static void
decide_rule(DeltaProgram *program, Query *original, const Findings *found)
{
	const char *reason = sources_uncapturable_reason(program);
	const char *mutable = analyze_mutable_reason(original);
	const char *identity_reason = NULL;

	program->is_volatile = contain_volatile_functions((Node *) original);
	if (reason != NULL || found->sampled || mutable != NULL)
		program->always_recompute = true;

	program->reason = reason;
	if (program->reason == NULL)
		program->reason = found->row_reason;
	if (program->reason == NULL)
		program->reason = program->tree->reason;
	if (program->reason == NULL)
		program->reason = tree_clock_reason(program->tree, &program->is_timed);
	if (program->reason == NULL)
		program->reason = found->tree_reason;
	if (program->reason == NULL)
		program->reason = found->policy_reason;
	if (program->reason == NULL)
		program->reason = sources_unreadable_reason(program);
	if (program->reason == NULL)
		program->reason = mutable;
	if (program->reason == NULL && program->always_recompute)
		program->reason = "its result can change without a change of its sources";
	if (program->reason == NULL && program_ninputs(program) > MAX_SOURCES)
		program->reason = psprintf("it has more than %d tables and subqueries",
								   MAX_SOURCES);
	if (program->reason == NULL && program->tree->nkeys > MAX_SOURCES)
		program->reason = psprintf("it has more than %d group keys", MAX_SOURCES);
	if (program->reason == NULL &&
		!identity_derive(program->tree, &program->identity, &identity_reason))
		program->reason = identity_reason;
	if (program->reason == NULL)
		parts_compile(program, definition_number(program->defview));
	if (program->reason != NULL)
	{
		/* what has no delta has none as time goes by */
		program->always_recompute |= uses_clock((Node *) original);
		program->is_timed = false;
		sources_forget_polled(program);
		program->parts = NIL;
		program->tree->reason = program->reason;
		(void) identity_derive(program->tree, &program->identity, &identity_reason);
	}
}

/*
 * A program is kept, and may be one of thousands.  So what is on the way to it, the
 * forms that the query goes through above all, lies in a context below, which
 * is deleted.
 */
static MemoryContext
passing_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "pg_trickle compilation",
								 ALLOCSET_DEFAULT_SIZES);
}

/* The query lies in passing, with all that is made of it until it is copied. */
static void
compile(DeltaProgram *program, Query *query, MemoryContext passing)
{
	MemoryContext context = CurrentMemoryContext;
	Findings	found;
	ListCell   *lc;

	program->context = context;
	MemoryContextSwitchTo(passing);
	query = rewrite_query(query);
	found.row_reason = analyze_expand_rows(&query);
	MemoryContextSwitchTo(context);
	found.policy_reason = sources_policy_reason(query);
	found.tree_reason = analyze_expand_inheritance(query, &program->trees);
	found.sampled = sources_find(program, query);
	program->types_known = query_named_types(query, &program->types);

	MemoryContextSwitchTo(passing);
	program->fingerprint = query_fingerprint(query);
	query = (Query *) analyze_name_clock((Node *) query, NULL);
	MemoryContextSwitchTo(context);
	sources_find_polled(program);
	program->tree = analyze_query(copyObject(query), sources_polled(program));
	program->stored = program->tree->stored;
	find_wanted(program);
	decide_rule(program, query, &found);
	if (program->always_recompute)
		foreach(lc, program->sources)
		{
			ProgramSource *source = lfirst(lc);

			if (source->uncapturable == NULL)
				source->uncapturable = "the query is recomputed at every refresh";
		}

	program_lay_out(program);
	program->fingerprint = states_fingerprint(program, program->fingerprint);
	foreach(lc, program->parts)
		program->fingerprint = states_fingerprint(lfirst(lc), program->fingerprint);
}

DeltaProgram *
program_compile(Oid defview)
{
	DeltaProgram *program = palloc0(sizeof(DeltaProgram));
	MemoryContext passing = passing_context();
	MemoryContext context = MemoryContextSwitchTo(passing);
	Query	   *query = view_query(defview);

	MemoryContextSwitchTo(context);
	program->defview = defview;
	program->watched = list_make1_oid(defview);
	compile(program, query, passing);
	MemoryContextDelete(passing);
	/* nobody will look at the view, and its rule takes as much as a plan */
	RelationCacheInvalidateEntry(defview);
	return program;
}

DeltaProgram *
program_compile_query(Query *query)
{
	DeltaProgram *program = palloc0(sizeof(DeltaProgram));

	compile(program, copyObject(query), CurrentMemoryContext);
	return program;
}

/* ---- what can fail ---- */

/* Joins to be netted, or -1 if the program would have too many inputs. */
static int
joins_to_net(const DeltaProgram *program)
{
	int			n = tree_fallible_joins(program->tree);

	return program_ninputs(program) + n > MAX_SOURCES ? -1 : n;
}

static void
forget_plans(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->plans)
		SPI_freeplan(((SavedPlan *) lfirst(lc))->plan);
	program->plans = NIL;
}

bool
program_net_first(DeltaProgram *program)
{
	MemoryContext old;
	int			njoins;
	ListCell   *lc;

	if (program->reason != NULL || program->nets_first)
		return false;
	njoins = joins_to_net(program);
	foreach(lc, program->parts)
	{
		int			n = joins_to_net(lfirst(lc));

		njoins = njoins < 0 || n < 0 ? -1 : njoins + n;
	}
	if (njoins <= 0)
		return false;

	old = MemoryContextSwitchTo(program->context);
	tree_net_first(program->tree);
	foreach(lc, program->parts)
	{
		forget_plans(lfirst(lc));
		describe_inputs(lfirst(lc));
	}
	forget_plans(program);
	describe_inputs(program);
	program->nets_first = true;
	MemoryContextSwitchTo(old);
	return true;
}

bool
program_nets_first(const DeltaProgram *program)
{
	return program->nets_first;
}

/* ---- accessors ---- */

const char *
program_reason(const DeltaProgram *program)
{
	return program->reason;
}

bool
program_always_recompute(const DeltaProgram *program)
{
	return program->always_recompute;
}

bool
program_is_volatile(const DeltaProgram *program)
{
	return program->is_volatile;
}

bool
program_is_timed(const DeltaProgram *program)
{
	return program->is_timed;
}

const char *
program_undivided(const DeltaProgram *program)
{
	const QueryTree *tree = program->tree;
	const Stage *stage = program->reason == NULL ? tree_reevaluated(tree) : NULL;
	ListCell   *lc;

	if (program->reason == NULL && tree->aggregated && tree->nkeys == 0)
		foreach(lc, tree->calls)
			if (((AggregateCall *) lfirst(lc))->kind == AGGREGATE_RECOMPUTE)
				return "an aggregate without GROUP BY";

	/* the first rows in an order are few, and an index may know them */
	return stage != NULL && stage->nkeys == 0 && stage->query->limitCount == NULL ?
		stage->what : NULL;
}

List *
program_sources(const DeltaProgram *program)
{
	return program->sources;
}

List *
program_layout(const DeltaProgram *program)
{
	return program->layout;
}

List *
program_watched(const DeltaProgram *program)
{
	return program->watched;
}

bool
program_types(const DeltaProgram *program, List **types)
{
	*types = program->types;
	return program->types_known;
}

uint64
program_fingerprint(const DeltaProgram *program)
{
	return program->fingerprint;
}

const Identity *
program_identity(const DeltaProgram *program)
{
	return &program->identity;
}

const Identity *
program_placed_identity(const DeltaProgram *program)
{
	return &program->placed;
}

List *
program_parts(const DeltaProgram *program)
{
	return program->parts;
}

const char *
program_part_table(const DeltaProgram *part)
{
	return part->table;
}

const char *
program_index(const DeltaProgram *program)
{
	return program->index;
}

void
program_free(DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->parts)
		program_free(lfirst(lc));

	forget_plans(program);
}
