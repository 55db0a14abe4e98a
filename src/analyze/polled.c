/*-------------------------------------------------------------------------
 *
 * polled.c
 *	  Sources that are polled, as stages.
 *
 * Whatever part of a query reads such a source reads what it held when it was
 * last polled, which is a stored stage, the same one for all of them: so a query
 * that reads it twice sees one state of it.  What the stage is made of, a plain
 * select of the columns that the query uses anywhere, is only ever read by the
 * poll (delta/poll.c).
 *
 * No key of it is known.  Foreign tables have none that is enforced, and a
 * unique index of a materialized view lets NULLs repeat.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const PolledSource *
find_polled(const Analysis *an, Oid relid)
{
	ListCell   *lc;

	foreach(lc, an->shared->polled)
		if (((PolledSource *) lfirst(lc))->relid == relid)
			return lfirst(lc);
	return NULL;
}

bool
is_polled(const Analysis *an, Oid relid)
{
	return find_polled(an, relid) != NULL;
}

static Var *
attribute_var(Oid relid, AttrNumber attno)
{
	Oid			type;
	int32		typmod;
	Oid			collation;

	get_atttypetypmodcoll(relid, attno, &type, &typmod, &collation);
	return makeVar(1, attno, type, typmod, collation, 0);
}

/* SELECT the columns FROM the source. */
static QueryTree *
polled_tree(const PolledSource *source)
{
	QueryTree  *tree = palloc0(sizeof(QueryTree));
	Branch	   *branch = palloc0(sizeof(Branch));
	Factor	   *factor = palloc0(sizeof(Factor));
	int			attno = -1;

	factor->relid = source->relid;
	branch->factors = list_make1(factor);
	while ((attno = bms_next_member(source->columns, attno)) >= 0)
	{
		Var		   *var = attribute_var(source->relid, attno);

		branch->targets = lappend(branch->targets, var);
		tree->outputs = lappend(tree->outputs, make_output("", (Node *) var));
	}
	tree->branches = list_make1(branch);
	return tree;
}

static Stage *
polled_stage(Analysis *an, const PolledSource *source)
{
	Stage	   *stage;
	ListCell   *lc;

	foreach(lc, an->shared->stored)
		if (((Stage *) lfirst(lc))->polled == source->relid)
			return lfirst(lc);
	stage = keep_stored(an, NULL, polled_tree(source));
	stage->polled = source->relid;
	return stage;
}

List *
polled_branches(Analysis *an, Oid relid)
{
	const PolledSource *source = find_polled(an, relid);
	Stage	   *stage = polled_stage(an, source);
	Relation	rel = relation_open(relid, NoLock);
	List	   *branches = stage_branches(stage);
	List	   *targets = NIL;
	int			column = 0;

	for (int attno = 1; attno <= RelationGetNumberOfAttributes(rel); attno++)
		targets = lappend(targets, bms_is_member(attno, source->columns) ?
						  (Expr *) stage_var(stage, 1, ++column) :
						  (Expr *) makeNullConst(INT4OID, -1, InvalidOid));
	relation_close(rel, NoLock);
	((Branch *) linitial(branches))->targets = targets;
	return branches;
}
