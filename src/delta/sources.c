/*-------------------------------------------------------------------------
 *
 * sources.c
 *	  The relations that a query reads: their columns, and how their changes are known.
 *
 * A source is captured; or, if it cannot be, polled; or else the query is computed
 * as a whole, for the reason given here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "capture/capture.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/placement.h"
#include "delta/delta.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

typedef struct SourceWalk
{
	DeltaProgram *program;
	bool		sampled;
} SourceWalk;

/*
 * What keeps the source behind an entry from being polled, or NULL.  The owner
 * reads it when it is polled; a foreign table may show him other rows than the
 * owner of a view, as whom the query reads it.
 */
static const char *
unpollable_reason(Query *query, RangeTblEntry *rte)
{
	Oid			role = pgt_check_as_user(query, rte);

	/* what Citus manages has no children but partitions */
	if (!rte->inh &&
		!(placement_of(rte->relid).managed && rte->relkind == RELKIND_RELATION))
		return "is read with FROM ONLY";
	if (rte->relkind == RELKIND_FOREIGN_TABLE && OidIsValid(role) && role != GetUserId())
		return psprintf("is read as role \"%s\", who owns a view",
						GetUserNameFromId(role, false));
	return NULL;
}

static void
add_source(SourceWalk *walk, Query *query, RangeTblEntry *rte, int rtindex)
{
	DeltaProgram *program = walk->program;
	ProgramSource *source = NULL;
	Bitmapset  *selected = bms_copy(pgt_selected_columns(query, rte));
	int			member = -1;
	ListCell   *lc;

	/* the reader need not have the rights that row security needs */
	pull_varattnos((Node *) rte->securityQuals, rtindex, &selected);

	foreach(lc, program->sources)
		if (((ProgramSource *) lfirst(lc))->relid == rte->relid)
			source = lfirst(lc);
	if (source == NULL)
	{
		source = palloc0(sizeof(ProgramSource));
		source->relid = rte->relid;
		source->placement = placement_of(rte->relid);
		program->sources = lappend(program->sources, source);
	}

	while ((member = bms_next_member(selected, member)) >= 0)
	{
		AttrNumber	attno = member + FirstLowInvalidHeapAttributeNumber;

		if (attno > 0)
			source->columns = bms_add_member(source->columns, attno);
	}
	if (source->unpollable == NULL)
		source->unpollable = unpollable_reason(query, rte);
	if (rte->tablesample != NULL)
		walk->sampled = true;
}

static bool
source_walker(Node *node, SourceWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (OidIsValid(rte->relid))
				walk->program->watched =
					list_append_unique_oid(walk->program->watched, rte->relid);
			if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW)
				add_source(walk, query, rte, foreach_current_index(lc) + 1);
		}
		return query_tree_walker(query, source_walker, walk, 0);
	}
	return expression_tree_walker(node, source_walker, walk);
}

static void
mark_children(DeltaProgram *program)
{
	ListCell   *ls,
			   *lt;

	foreach(ls, program->sources)
	{
		ProgramSource *source = lfirst(ls);

		foreach(lt, program->trees)
			if (list_member_oid(lfirst(lt), source->relid) &&
				linitial_oid(lfirst(lt)) != source->relid)
				source->inherits = true;
	}
}

bool
sources_find(DeltaProgram *program, Query *query)
{
	SourceWalk	walk = {.program = program};

	(void) source_walker((Node *) query, &walk);
	mark_children(program);
	return walk.sampled;
}

/* A virtual generated column has no stored value to capture. */
static bool
uses_virtual_column(const ProgramSource *source)
{
	Relation	rel = relation_open(source->relid, NoLock);
	int			attno = -1;
	bool		result = false;

	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		if (pgt_is_virtual_column(TupleDescAttr(RelationGetDescr(rel), attno - 1)))
			result = true;
	relation_close(rel, NoLock);
	return result;
}

/*
 * Row security.  A delta reads a table as the stream table's owner does, under
 * the policies as they are after the changes; the conditions of the query select
 * again.  Both select the same rows of any state of the table, unless a policy
 * looks at other rows, or the query reads the table as the owner of a view, from
 * whom less is hidden.
 *
 * Captured changes pass no policy but the query's conditions, among which
 * PostgreSQL chooses the order: it knows of no barrier there.  So nothing else
 * may be asked of a row in a place that could come first, if it could tell
 * somebody about it.
 */
typedef struct PolicyWalk
{
	Oid			secured;		/* a table that has conditions of row security */
	const char *reason;
} PolicyWalk;

static void
look_at_policies(PolicyWalk *walk, Query *query, RangeTblEntry *rte)
{
	Oid			role = pgt_check_as_user(query, rte);

	if (rte->securityQuals != NIL)
		walk->secured = rte->relid;
	if (checkExprHasSubLink((Node *) rte->securityQuals))
		walk->reason = psprintf("row security of table \"%s\" has a subquery",
								get_rel_name(rte->relid));
	if (rte->rtekind == RTE_RELATION && OidIsValid(role) && role != GetUserId() &&
		check_enable_rls(rte->relid, InvalidOid, true) == RLS_ENABLED)
		walk->reason = psprintf("row security of table \"%s\" is not the same for role \"%s\", who owns a view",
								get_rel_name(rte->relid), GetUserNameFromId(role, false));
}

static bool
policy_walker(Node *node, PolicyWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
			look_at_policies(walk, (Query *) node, lfirst(lc));
		return query_tree_walker((Query *) node, policy_walker, walk, 0);
	}
	return expression_tree_walker(node, policy_walker, walk);
}

static bool
is_leaky_function(Oid funcid, void *context)
{
	return !get_func_leakproof(funcid);
}

/* Is it more than columns, constants and calls of leakproof functions? */
static bool
leaky_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, leaky_walker, context, 0);
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_CoerceViaIO:
		case T_RowCompareExpr:
			if (check_functions_in_node(node, is_leaky_function, context))
				return true;
			break;
		case T_CoerceToDomain:
		case T_MinMaxExpr:
		case T_XmlExpr:
			return true;
		default:
			break;
	}
	return expression_tree_walker(node, leaky_walker, context);
}

static bool
forget_policies_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
			((RangeTblEntry *) lfirst(lc))->securityQuals = NIL;
		return query_tree_walker((Query *) node, forget_policies_walker, context, 0);
	}
	return expression_tree_walker(node, forget_policies_walker, context);
}

/*
 * What the query gives out is computed of rows that have passed all conditions;
 * unless rows are grouped, ordered or told apart by it, for then it may serve as
 * a condition.
 */
static bool
can_leak(Query *query)
{
	Query	   *rest = copyObject(query);
	ListCell   *lc;

	(void) forget_policies_walker((Node *) rest, NULL);
	foreach(lc, rest->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (tle->ressortgroupref == 0 && !checkExprHasSubLink((Node *) tle->expr))
			rest->targetList = foreach_delete_current(rest->targetList, lc);
	}
	return leaky_walker((Node *) rest, NULL);
}

const char *
sources_policy_reason(Query *query)
{
	PolicyWalk	walk = {0};

	(void) policy_walker((Node *) query, &walk);
	if (walk.reason == NULL && OidIsValid(walk.secured) && can_leak(query))
		walk.reason = psprintf("its conditions or keys call functions that could be shown rows which row security of table \"%s\" hides",
							   get_rel_name(walk.secured));
	return walk.reason;
}

/* Which sources cannot be captured; returns how many can. */
static int
find_uncapturable(DeltaProgram *program)
{
	int			ncaptured = 0;
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);
		const char *why = capture_unsupported_reason(source->relid);

		if (why == NULL && uses_virtual_column(source))
			why = "is read through a virtual generated column";
		if (why == NULL && source->inherits &&
			pg_class_aclcheck(source->relid, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
			why = "inherits from another one, and the owner lacks the TRIGGER privilege on it";
		if (why != NULL)
			source->uncapturable = psprintf("source \"%s\" %s",
											get_rel_name(source->relid), why);
		else
			ncaptured++;
	}
	return ncaptured;
}

/* What cannot be captured because of what it is, not because of this query. */
static bool
can_be_polled(const ProgramSource *source)
{
	char		relkind = get_rel_relkind(source->relid);

	return relkind == RELKIND_FOREIGN_TABLE || relkind == RELKIND_MATVIEW ||
		source->placement.managed;
}

/*
 * A column whose values would come from other nodes as text: that text, and that
 * of all columns beside it, has formats that are set there.
 */
static const char *
inexact_column(const ProgramSource *source)
{
	int			attno = -1;

	if (source->placement.kind == PLACEMENT_LOCAL)
		return NULL;
	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		if (!cluster_moves_exactly(get_atttype(source->relid, attno)))
			return psprintf("has column \"%s\", which moves between nodes as text",
							get_attname(source->relid, attno, false));
	return NULL;
}

/*
 * Reading a source whole at each refresh, to save computing the query, pays if
 * there is something in the query that need not be read.  A source that is in
 * shards is read so in any case: other nodes would compute the query under
 * settings of theirs.
 */
void
sources_find_polled(DeltaProgram *program)
{
	int			ncaptured = find_uncapturable(program);
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);

		if (!can_be_polled(source))
			continue;
		if (ncaptured == 0 && !source->placement.managed)
			source->unpollable = "no other source is captured";
		if (source->unpollable == NULL)
			source->unpollable = inexact_column(source);
		if (source->unpollable == NULL)
			source->polled = true;
		else
			source->uncapturable = psprintf("%s, and %s", source->uncapturable,
											source->unpollable);
	}
}

List *
sources_polled(const DeltaProgram *program)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);
		PolledSource *polled;

		if (!source->polled)
			continue;
		polled = palloc(sizeof(PolledSource));
		polled->relid = source->relid;
		polled->columns = source->columns;
		result = lappend(result, polled);
	}
	return result;
}

const ProgramSource *
program_remote_source(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		const ProgramSource *source = lfirst(lc);

		if (source->placement.managed && !source->polled)
			return source;
	}
	return NULL;
}

const char *
sources_uncapturable_reason(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);

		if (source->uncapturable != NULL && !source->polled)
			return source->uncapturable;
	}
	return NULL;
}

/*
 * A delta reads the tables themselves, also those behind a view, with the
 * rights of the stream table's owner.
 */
static bool
may_read(const ProgramSource *source, Oid role)
{
	int			attno = -1;

	if (pg_class_aclcheck(source->relid, role, ACL_SELECT) == ACLCHECK_OK)
		return true;
	while ((attno = bms_next_member(source->columns, attno)) >= 0)
		if (pg_attribute_aclcheck(source->relid, attno, role, ACL_SELECT) != ACLCHECK_OK)
			return false;
	return !bms_is_empty(source->columns);
}

const char *
sources_unreadable_reason(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
	{
		ProgramSource *source = lfirst(lc);

		if (!may_read(source, GetUserId()))
			return psprintf("its owner may not read table \"%s\" itself",
							get_rel_name(source->relid));

		/* of a table that is read through its parent, the parent's counts */
		if (source->inherits &&
			check_enable_rls(source->relid, InvalidOid, true) == RLS_ENABLED)
			return psprintf("row security of table \"%s\" does not apply to what is read through its parent",
							get_rel_name(source->relid));
	}
	return NULL;
}

void
sources_forget_polled(DeltaProgram *program)
{
	ListCell   *lc;

	if (program_polls(program))
		program->always_recompute = true;
	foreach(lc, program->sources)
		((ProgramSource *) lfirst(lc))->polled = false;
}

bool
program_polls(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->sources)
		if (((ProgramSource *) lfirst(lc))->polled)
			return true;
	return false;
}

Oid
program_grown_source(const DeltaProgram *program)
{
	ListCell   *lc;

	foreach(lc, program->trees)
	{
		List	   *tree = lfirst(lc);
		Oid			relid = linitial_oid(tree);

		if (has_subclass(relid) &&
			list_difference_oid(inheritance_members(relid, NoLock), tree) != NIL)
			return relid;
	}
	return InvalidOid;
}
