/*-------------------------------------------------------------------------
 *
 * opaque.c
 *	  A query, or a subquery of one, left as it is over its tables.
 *
 * Nothing is known of how it falls apart, so its delta is its result now less
 * its result before: exact for whatever PostgreSQL computes, at the price of
 * computing it twice.  Each table becomes an input whose column numbers are
 * those of the table, so that nothing else in the query needs to change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"

#include "access/sysattr.h"
#include "utils/rel.h"

typedef struct RawWalk
{
	Analysis   *an;
	List	  **inputs;
	List	   *others;			/* inputs of other parts of the block, which may
								 * come to hold only what those parts need */
} RawWalk;

/* Columns of a table, those that are not read as NULL. */
static List *
table_targets(Analysis *an, Oid relid, const Bitmapset *selected)
{
	Relation	rel = table_open(relid, NoLock);
	List	   *targets = NIL;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped &&
			bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, selected))
			targets = lappend(targets, makeVar(1, i + 1, att->atttypid,
											   att->atttypmod, att->attcollation, 0));
		else
			targets = lappend(targets, makeNullConst(INT4OID, -1, InvalidOid));
	}
	table_close(rel, NoLock);
	return targets;
}

/* The conditions of row security are about the table alone. */
static List *
table_quals(RawWalk *walk, List *security, int rtindex)
{
	List	   *quals = copyObject(security);

	if (checkExprHasSubLink((Node *) quals))
		walk->an->reason = "row security has a subquery";
	ChangeVarNodes((Node *) quals, rtindex, 1, 0);
	return quals;
}

static List *
raw_branches(RawWalk *walk, const RangeTblEntry *rte, int rtindex,
			 const Bitmapset *selected)
{
	Branch	   *branch = palloc0(sizeof(Branch));
	Factor	   *factor = palloc0(sizeof(Factor));

	if (is_polled(walk->an, rte->relid))
		return polled_branches(walk->an, rte->relid);
	factor->relid = rte->relid;
	branch->factors = list_make1(factor);
	branch->targets = table_targets(walk->an, rte->relid, selected);
	branch->quals = table_quals(walk, rte->securityQuals, rtindex);
	return list_make1(branch);
}

static void
read_table(RawWalk *walk, Query *query, RangeTblEntry *rte, int rtindex)
{
	Bitmapset  *selected = pgt_selected_columns(query, rte);
	List	   *branches;
	Stage	   *stage;
	RangeTblEntry *read;
	Alias	   *alias = rte->alias;
	ListCell   *lc;

	walk->an->reason = relation_reason(walk->an, rte);
	if (selected != NULL &&
		bms_next_member(selected, -1) < -FirstLowInvalidHeapAttributeNumber)
		walk->an->reason = "it uses a system column";
	if (walk->an->reason != NULL)
		return;
	branches = raw_branches(walk, rte, rtindex, selected);
	if (walk->an->reason != NULL)
		return;
	stage = stage_sum_unshared(walk->an, branches, walk->others);
	foreach(lc, *walk->inputs)
		if (((StageInput *) lfirst(lc))->stage == stage)
			break;
	if (lc == NULL)
		*walk->inputs = lappend(*walk->inputs, stage_input(stage));

	read = stage_rte(stage);
	read->alias = alias;
	*rte = *read;
}

static bool
raw_walker(Node *node, RawWalk *walk)
{
	if (node == NULL || walk->an->reason != NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		int			rtindex = 0;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			rtindex++;
			if (rte->rtekind == RTE_RELATION && rte->relkind != RELKIND_VIEW &&
				walk->an->reason == NULL)
				read_table(walk, query, rte, rtindex);
		}
		return query_tree_walker(query, raw_walker, walk, 0);
	}
	return expression_tree_walker(node, raw_walker, walk);
}

void
read_inputs_raw(Analysis *an, Query *query, List **inputs)
{
	RawWalk		walk = {.an = an,.inputs = inputs,.others = list_copy(*inputs)};

	(void) raw_walker((Node *) query, &walk);
}

List *
normalize_opaque(Analysis *an, Query *query, const char *what, bool whole)
{
	List	   *inputs = NIL;
	Stage	   *stage;

	if (!whole)
		an->reason = unprintable_reason(query);
	if (an->reason == NULL)
		read_inputs_raw(an, query, &inputs);
	if (an->reason != NULL)
		return NIL;
	stage = stage_block(an, STAGE_PARTITION, what, query, inputs);
	stage->undetermined = undetermined_reason(an, query);
	return stage_branches(stage);
}
