/*-------------------------------------------------------------------------
 *
 * upper.c
 *	  What a level does with the rows of its FROM clause: grouping, window
 *	  functions, DISTINCT, LIMIT.
 *
 * Each becomes a stage over the level without it, and falls apart by its key:
 *
 *		GROUP BY k		k; of several grouping sets, what all of them have, and
 *						if that is nothing, see grouping_sets.c
 *		OVER			what all PARTITION BY lists have
 *		DISTINCT		all columns; DISTINCT ON (k): k
 *		LIMIT			nothing
 *
 * A group's rows, and nothing else, decide its row and whether HAVING keeps
 * it.  A subquery in HAVING or in the select list of a grouped level is a
 * condition, or a column, of the level above.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/parse_agg.h"
#include "parser/parse_clause.h"
#include "parser/parse_oper.h"
#include "rewrite/rewriteManip.h"

bool
query_is_grouped(const Query *query)
{
	return query->hasAggs || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL;
}

/* Make the query read a stage, and nothing else. */
static void
read_stage(Query *query, const Stage *stage, Node *quals)
{
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = 1;
	query->rtable = list_make1(stage_rte(stage));
	query->jointree = makeFromExpr(list_make1(ref), quals);
	query->hasSubLinks = checkExprHasSubLink((Node *) query->targetList) ||
		checkExprHasSubLink(quals);
}

/* Hidden columns count too. */
static void
show_targets(Query *query)
{
	int			column = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		tle->resjunk = false;
		tle->resname = psprintf("c%d", ++column);
	}
}

static Stage *
inner_stage(Analysis *an, Query *inner)
{
	List	   *branches;

	show_targets(inner);
	branches = normalize_query(an, inner);
	return an->reason != NULL ? NULL : stage_sum(an, branches);
}

/* The targets of a query, now columns of a stage. */
static void
read_targets(Query *query, const Stage *stage)
{
	int			column = 0;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		tle->expr = (Expr *) stage_var(stage, 1, ++column);
	}
}

static Stage *
make_block(Analysis *an, const char *what, Query *block, Stage *inner)
{
	StageInput *input = stage_input(inner);
	Stage	   *stage;

	input->keys = palloc0(sizeof(int) * (list_length(inner->columns) + 1));
	stage = stage_block(an, STAGE_PARTITION, what, block, list_make1(input));
	stage->undetermined = undetermined_reason(an, block);
	return stage;
}

/* Add a column of the only input to the key. */
static void
add_key(Stage *stage, int column, Oid eqop)
{
	StageInput *input = linitial(stage->inputs);
	OutputColumn *output = list_nth(input->stage->columns, column - 1);

	for (int i = 0; i < stage->nkeys; i++)
		if (input->keys[i] == column)
			return;
	input->keys[stage->nkeys] = column;
	stage_set_key(stage, stage->nkeys, eqop, output->collation);
}

/* Note which result columns are keys; *from gets the input column of each. */
static void
find_origins(Stage *stage, List **from)
{
	StageInput *input = linitial(stage->inputs);
	int			i = 0;
	ListCell   *lc;

	*from = NIL;
	foreach(lc, visible_targets(stage->query))
	{
		Var		   *var = lfirst(lc);
		int			column = IsA(var, Var) && var->varlevelsup == 0 ? var->varattno : 0;

		*from = lappend_int(*from, column);
		for (int key = 0; key < stage->nkeys; key++)
			if (column != 0 && input->keys[key] == column)
				stage->origins[i] = key + 1;
		i++;
	}
}

/* Result columns that the given input columns are, all of them or NIL. */
static List *
carried(const List *from, const List *columns)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, columns)
	{
		int			position = 0;
		ListCell   *lf;

		foreach(lf, from)
			if (lfirst_int(lf) == lfirst_int(lc) && position == 0)
				position = foreach_current_index(lf) + 1;
		if (position == 0)
			return NIL;
		result = lappend_int(result, position);
	}
	return result;
}

/* ---- LIMIT ---- */

/* Let a stored stage serve the order of a limit. */
static void
set_order(Stage *stage, const Query *query)
{
	ListCell   *lc;

	stage->order = copyObject(query->sortClause);
	foreach(lc, stage->order)
	{
		SortGroupClause *clause = lfirst(lc);
		TargetEntry *tle = get_sortgroupclause_tle(clause, query->targetList);

		clause->tleSortGroupRef = list_position(query->targetList, (Node *) tle);
	}
}

/* A sum of joins of tables, which an index can give the first rows of; or NULL. */
static Stage *
flat_input(Analysis *an, Query *inner)
{
	int			nstages = list_length(an->stages);
	int			nstored = list_length(an->shared->stored);
	Stage	   *stage = inner_stage(an, inner);

	if (an->reason != NULL || stage_is_flat(stage) || inner->hasDistinctOn)
		return stage;
	forget_stages(an, nstages, nstored);
	return NULL;
}

/*
 * What a limit takes the first rows of.  Groups, and what subqueries and outer
 * joins make, are kept, in that order, for else all of them would have to be
 * computed to find the first ones.
 */
static Stage *
limit_input(Analysis *an, Query *inner, const Query *query)
{
	Stage	   *stage = NULL;

	if (!query_is_grouped(inner) || inner->hasDistinctOn)
		stage = flat_input(an, copyObject(inner));
	if (stage != NULL || an->reason != NULL)
		return stage;
	show_targets(inner);
	stage = stage_stored(an, inner);
	if (stage != NULL && stage->order == NIL)
		set_order(stage, query);
	return stage;
}

List *
normalize_limit(Analysis *an, Query *query)
{
	Query	   *inner = copyObject(query);
	Query	   *block = makeNode(Query);
	Stage	   *stage;
	List	   *from;

	if (query->sortClause == NIL)
	{
		an->reason = "LIMIT without ORDER BY is recomputed";
		an->impossible = true;
		return NIL;
	}
	inner->limitCount = inner->limitOffset = NULL;
	if (!inner->hasDistinctOn)
		inner->sortClause = NIL;
	stage = limit_input(an, inner, query);
	if (an->reason != NULL)
		return NIL;

	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->targetList = copyObject(query->targetList);
	block->sortClause = copyObject(query->sortClause);
	block->limitCount = copyObject(query->limitCount);
	block->limitOffset = copyObject(query->limitOffset);
	block->limitOption = query->limitOption;
	read_targets(block, stage);
	read_stage(block, stage, NULL);
	stage = make_block(an, "LIMIT", block, stage);
	find_origins(stage, &from);
	stage->unique = carried(from, ((StageInput *) linitial(stage->inputs))->stage->unique);
	return stage_branches(stage);
}

/* ---- DISTINCT ---- */

List *
normalize_distinct(Analysis *an, Query *query)
{
	Query	   *inner = copyObject(query);
	Query	   *block = makeNode(Query);
	Stage	   *stage;
	List	   *columns = NIL;
	List	   *from;
	ListCell   *lc;

	inner->distinctClause = NIL;
	inner->hasDistinctOn = false;
	inner->sortClause = NIL;
	stage = inner_stage(an, inner);
	if (an->reason != NULL)
		return NIL;

	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->targetList = copyObject(query->targetList);
	block->distinctClause = copyObject(query->distinctClause);
	block->hasDistinctOn = query->hasDistinctOn;
	if (query->hasDistinctOn)
		block->sortClause = copyObject(query->sortClause);
	read_targets(block, stage);
	read_stage(block, stage, NULL);
	stage = make_block(an, query->hasDistinctOn ? "DISTINCT ON" : "DISTINCT",
					   block, stage);
	foreach(lc, block->distinctClause)
	{
		SortGroupClause *clause = lfirst(lc);
		Var		   *var = (Var *) get_sortgroupclause_expr(clause, block->targetList);

		add_key(stage, var->varattno, clause->eqop);
		columns = lappend_int(columns, var->varattno);
	}
	find_origins(stage, &from);
	stage->unique = carried(from, columns);
	return stage_branches(stage);
}

/* ---- window functions ---- */

/* Expressions that a clause names, as far as the query below can compute them. */
static List *
clause_exprs(List *clauses, List *targetlist)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, clauses)
	{
		Node	   *expr = get_sortgroupclause_expr(lfirst(lc), targetlist);

		if (!contain_windowfuncs(expr) && !expression_returns_set(expr))
			result = lappend(result, expr);
	}
	return result;
}

/*
 * Give a query the targets listed, keeping what its GROUP BY refers to.
 */
static void
set_targets(Query *query, List *exprs)
{
	List	   *old = query->targetList;
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, exprs)
		result = lappend(result, makeTargetEntry(lfirst(lc), list_length(result) + 1,
												 psprintf("c%d", list_length(result) + 1),
												 false));
	foreach(lc, query->groupClause)
	{
		SortGroupClause *clause = lfirst(lc);
		TargetEntry *tle = get_sortgroupclause_tle(clause, old);
		int			position = list_position(exprs, (Node *) tle->expr);
		TargetEntry *here;

		if (position != 0 &&
			((TargetEntry *) list_nth(result, position - 1))->ressortgroupref == 0)
			here = list_nth(result, position - 1);
		else
		{
			here = makeTargetEntry(copyObject(tle->expr), list_length(result) + 1, NULL, true);
			result = lappend(result, here);
		}
		here->ressortgroupref = clause->tleSortGroupRef;
	}
	query->targetList = result;
}

/* Columns of the input by which every window is partitioned. */
static void
add_window_keys(Stage *stage)
{
	Query	   *block = stage->query;
	WindowClause *first = linitial(block->windowClause);
	ListCell   *lc,
			   *lw;

	foreach(lc, first->partitionClause)
	{
		SortGroupClause *clause = lfirst(lc);
		Node	   *expr = get_sortgroupclause_expr(clause, block->targetList);
		bool		common = IsA(expr, Var);

		foreach(lw, block->windowClause)
		{
			WindowClause *window = lfirst(lw);

			common = common &&
				list_position(clause_exprs(window->partitionClause, block->targetList),
							  expr) != 0;
		}
		if (common)
			add_key(stage, ((Var *) expr)->varattno, clause->eqop);
	}
}

List *
normalize_windows(Analysis *an, Query *query)
{
	Columns		below = {.varno = 1,.sublinks = true};
	Query	   *inner = copyObject(query);
	Query	   *block = makeNode(Query);
	Stage	   *stage;
	List	   *branches;
	List	   *from;
	ListCell   *lc;

	below.grouped = query_is_grouped(query);
	below.whole = get_sortgrouplist_exprs(query->groupClause, query->targetList);
	foreach(lc, query->windowClause)
		below.whole = list_concat(below.whole,
								  clause_exprs(((WindowClause *) lfirst(lc))->partitionClause,
											   query->targetList));
	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->hasWindowFuncs = true;
	block->hasTargetSRFs = query->hasTargetSRFs;
	block->windowClause = copyObject(query->windowClause);
	block->targetList = (List *) columns_map(&below, (Node *) query->targetList);
	if (below.exprs == NIL)
		(void) columns_add(&below, makeBoolConst(true, false));

	inner->windowClause = NIL;
	inner->hasWindowFuncs = false;
	inner->sortClause = NIL;
	set_targets(inner, below.exprs);
	inner->hasTargetSRFs = expression_returns_set((Node *) inner->targetList);
	branches = normalize_query(an, inner);
	if (an->reason != NULL)
		return NIL;
	stage = stage_sum(an, branches);
	read_stage(block, stage, NULL);
	stage = make_block(an, "window functions", block, stage);
	add_window_keys(stage);
	find_origins(stage, &from);
	if (!block->hasTargetSRFs)
		stage->unique = carried(from, ((StageInput *) linitial(stage->inputs))->stage->unique);
	return stage_branches(stage);
}

/* ---- GROUP BY ---- */

/*
 * Columns used outside of aggregates, or in a direct argument, that are no group
 * key by themselves.
 */
static bool
find_dependent(Node *node, List **found)
{
	if (node == NULL || IsA(node, GroupingFunc))
		return false;
	if (IsA(node, Aggref))
		return find_dependent((Node *) ((Aggref *) node)->aggdirectargs, found);
	if (IsA(node, Var))
	{
		*found = list_append_unique(*found, node);
		return false;
	}
	return expression_tree_walker(node, find_dependent, found);
}

static void
add_dependent_key(Analysis *an, Query *block, Node *expr, Index ref)
{
	SortGroupClause *clause = makeNode(SortGroupClause);
	TargetEntry *tle = NULL;
	ListCell   *lc;

	get_sort_group_operators(exprType(expr), false, false, false, &clause->sortop,
							 &clause->eqop, NULL, &clause->hashable);
	if (!OidIsValid(clause->eqop) || block->groupingSets != NIL)
	{
		an->reason = "a column that the group keys determine cannot be grouped";
		return;
	}
	foreach(lc, block->targetList)
		if (equal(((TargetEntry *) lfirst(lc))->expr, expr) &&
			((TargetEntry *) lfirst(lc))->ressortgroupref == 0)
			tle = lfirst(lc);
	if (tle == NULL)
	{
		tle = makeTargetEntry(copyObject((Expr *) expr),
							  list_length(block->targetList) + 1, NULL, true);
		block->targetList = lappend(block->targetList, tle);
	}
	clause->tleSortGroupRef = tle->ressortgroupref = ref;
	block->groupClause = lappend(block->groupClause, clause);
}

/*
 * Columns that the group keys determine must be named in GROUP BY, for the
 * proof that they do is lost with the table.
 */
static void
add_dependent_keys(Analysis *an, Query *block)
{
	List	   *keys = NIL;
	List	   *found = NIL;
	Index		ref = 0;
	ListCell   *lc;

	foreach(lc, block->groupClause)
		keys = lappend(keys, get_sortgroupclause_expr(lfirst(lc), block->targetList));
	foreach(lc, block->targetList)
	{
		ref = Max(ref, ((TargetEntry *) lfirst(lc))->ressortgroupref);
		(void) find_dependent((Node *) ((TargetEntry *) lfirst(lc))->expr, &found);
	}
	(void) find_dependent(block->havingQual, &found);
	foreach(lc, list_difference(found, keys))
		if (an->reason == NULL)
			add_dependent_key(an, block, lfirst(lc), ++ref);
}

/* The block: keys and aggregates over the input's columns. */
static Query *
group_block(Analysis *an, Query *query, Columns *below, const Columns *above,
			List *having)
{
	Query	   *block = makeNode(Query);

	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->hasAggs = query->hasAggs;
	block->groupClause = copyObject(query->groupClause);
	block->groupDistinct = query->groupDistinct;
	block->groupingSets = copyObject(query->groupingSets);
	block->targetList = query->targetList;
	set_targets(block, above->exprs);
	block->targetList = (List *) columns_map(below, (Node *) block->targetList);
	if (having != NIL)
		block->havingQual = columns_map(below, (Node *) make_ands_explicit(having));
	add_dependent_keys(an, block);
	return block;
}

/* Subqueries outside of aggregates, which are not computed with the groups. */
static bool
outer_sublink_walker(Node *node, void *context)
{
	if (node == NULL || IsA(node, Aggref))
		return false;
	if (IsA(node, SubLink))
		return true;
	return expression_tree_walker(node, outer_sublink_walker, context);
}

/* Is the group key in every grouping set? */
static bool
in_all_sets(const Query *block, Index ref)
{
	ListCell   *lc;

	if (block->groupingSets == NIL)
		return true;
	foreach(lc, expand_grouping_sets(block->groupingSets, false, -1))
		if (!list_member_int(lfirst(lc), ref))
			return false;
	return true;
}

static void
add_group_keys(Stage *stage)
{
	Query	   *block = stage->query;
	List	   *columns = NIL;
	List	   *from;
	ListCell   *lc;

	foreach(lc, block->groupClause)
	{
		SortGroupClause *clause = lfirst(lc);
		Var		   *var = (Var *) get_sortgroupclause_expr(clause, block->targetList);

		columns = lappend_int(columns, var->varattno);
		if (in_all_sets(block, clause->tleSortGroupRef))
			add_key(stage, var->varattno, clause->eqop);
	}
	find_origins(stage, &from);
	if (block->groupingSets == NIL)
		stage->unique = carried(from, columns);
	stage->single_row = block->groupClause == NIL && block->groupingSets == NIL &&
		block->havingQual == NULL;
}

/* HAVING conditions with a subquery belong to the level above the groups. */
static void
split_having(Query *query, List **having, List **above)
{
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) query->havingQual))
		if (checkExprHasSubLink(lfirst(lc)))
			*above = lappend(*above, lfirst(lc));
		else
			*having = lappend(*having, lfirst(lc));
}

static Stage *
group_stage(Analysis *an, Query *query, Query *block, List *columns)
{
	List	   *branches = normalize_core(an, query, columns);
	Stage	   *stage;

	if (an->reason != NULL)
		return NULL;
	stage = stage_sum(an, branches);
	read_stage(block, stage, NULL);
	stage = make_block(an, "GROUP BY", block, stage);
	add_group_keys(stage);
	return stage;
}

/* Groups that are compared with other results: see has_single_row(). */
static Stage *
stored_groups(Analysis *an, Query *query, List *columns, List *having)
{
	Query	   *groups = copyObject(query);

	set_targets(groups, columns);
	groups->havingQual = having == NIL ? NULL : (Node *) make_ands_explicit(having);
	groups->hasTargetSRFs = expression_returns_set((Node *) groups->targetList);
	return stage_stored(an, groups);
}

/* A level above the groups computes what they do not. */
static List *
normalize_split_groups(Analysis *an, Query *query)
{
	Columns		below = {.varno = 1,.sublinks = true};
	Columns		above = {.varno = 1,.grouped = true};
	Query	   *level = makeNode(Query);
	Query	   *block;
	Stage	   *stage;
	List	   *having = NIL;
	List	   *quals = NIL;

	split_having(query, &having, &quals);
	below.whole = above.whole = get_sortgrouplist_exprs(query->groupClause, query->targetList);
	level->commandType = CMD_SELECT;
	level->canSetTag = true;
	level->hasTargetSRFs = query->hasTargetSRFs;
	level->targetList = (List *) columns_map(&above, (Node *) query->targetList);
	quals = (List *) columns_map(&above, (Node *) quals);
	if (above.exprs == NIL)
		(void) columns_add(&above, makeBoolConst(true, false));
	block = group_block(an, query, &below, &above, having);
	if (below.exprs == NIL)
		(void) columns_add(&below, makeBoolConst(true, false));
	if (an->reason != NULL)
		return NIL;

	stage = quals != NIL ? stored_groups(an, query, above.exprs, having) :
		group_stage(an, query, block, below.exprs);
	if (an->reason != NULL)
		return NIL;

	read_stage(level, stage, quals == NIL ? NULL : (Node *) make_ands_explicit(quals));
	pull_up_scalars(level, true);
	return normalize_core(an, level, visible_targets(level));
}

/*
 * Groups whose select list needs nothing but their keys and aggregates: the
 * block has it all.
 */
static List *
normalize_plain_groups(Analysis *an, Query *query)
{
	Columns		below = {.varno = 1,.sublinks = true};
	Query	   *block = makeNode(Query);
	Stage	   *stage;

	below.whole = get_sortgrouplist_exprs(query->groupClause, query->targetList);
	block->commandType = CMD_SELECT;
	block->canSetTag = true;
	block->hasAggs = query->hasAggs;
	block->groupClause = copyObject(query->groupClause);
	block->groupDistinct = query->groupDistinct;
	block->groupingSets = copyObject(query->groupingSets);
	block->targetList = (List *) columns_map(&below, (Node *) query->targetList);
	block->havingQual = columns_map(&below, query->havingQual);
	add_dependent_keys(an, block);
	if (an->reason != NULL)
		return NIL;
	if (below.exprs == NIL)
		(void) columns_add(&below, makeBoolConst(true, false));
	stage = group_stage(an, query, block, below.exprs);
	return an->reason != NULL ? NIL : stage_branches(stage);
}

List *
normalize_groups(Analysis *an, Query *query)
{
	if (query->groupingSets != NIL)
	{
		List	   *branches = normalize_grouping_sets(an, query);

		if (branches != NIL || an->reason != NULL)
			return branches;
	}
	pull_up_scalars(query, false);
	if (!query->hasTargetSRFs && !outer_sublink_walker((Node *) query->targetList, NULL) &&
		!outer_sublink_walker(query->havingQual, NULL))
		return normalize_plain_groups(an, query);
	return normalize_split_groups(an, query);
}
