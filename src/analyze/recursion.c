/*-------------------------------------------------------------------------
 *
 * recursion.c
 *	  WITH RECURSIVE as a stage.
 *
 * A recursive query WITH RECURSIVE x AS (b UNION ALL t(x)) is the sum of what its
 * rounds bring,
 *
 *		X_0 = b,		X_n+1 = t(X_n)
 *
 * If t is a sum of branches, x one factor of each, and x is read nowhere else, t
 * is linear in x, and delta/op_recursion.c has a rule.  That needs to know what
 * each round has brought, so the result is stored, with the number of the round
 * as a last column, which nobody above reads.
 *
 * Everything else is one part: UNION without ALL, which forgets how often it
 * found a row; x below an aggregate, DISTINCT, an outer join or a subquery of t;
 * and SEARCH and CYCLE, whose columns are rows of no declared type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_oper.h"

static CommonTableExpr *
recursive_cte(const Query *query)
{
	return (CommonTableExpr *) linitial(query->cteList);
}

/* May it have a rule, by its form? */
static bool
is_sum_of_rounds(Query *query)
{
	const CommonTableExpr *cte;
	SetOperationStmt *setop;

	if (!is_recursive_query(query) || has_outer_references(query))
		return false;
	cte = recursive_cte(query);
	setop = (SetOperationStmt *) ((Query *) cte->ctequery)->setOperations;
	return cte->search_clause == NULL && cte->cycle_clause == NULL &&
		setop != NULL && setop->op == SETOP_UNION && setop->all;
}

/* Those of the query, then the number of the round. */
static List *
round_columns(const CommonTableExpr *cte)
{
	List	   *columns = NIL;
	ListCell   *lt,
			   *lm,
			   *lc;

	forthree(lt, cte->ctecoltypes, lm, cte->ctecoltypmods, lc, cte->ctecolcollations)
		columns = lappend(columns,
						  make_output("", (Node *) makeVar(1, list_length(columns) + 1,
														   lfirst_oid(lt), lfirst_int(lm),
														   lfirst_oid(lc), 0)));
	return lappend(columns,
				   make_output("", (Node *) makeVar(1, list_length(columns) + 1,
													INT4OID, -1, InvalidOid, 0)));
}

/* ---- where the working stage is read ---- */

static int
count_factors(const Branch *branch, const Stage *working)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, branch->factors)
		n += ((Factor *) lfirst(lc))->stage == working;
	return n;
}

typedef struct NameWalk
{
	Analysis   *an;
	const Stage *stage;
} NameWalk;

static bool
names_walker(Node *node, NameWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell   *lc;

		foreach(lc, ((Query *) node)->rtable)
			if (stage_of_rte(walk->an, lfirst(lc)) == walk->stage)
				return true;
		return query_tree_walker((Query *) node, names_walker, walk, 0);
	}
	return expression_tree_walker(node, names_walker, walk);
}

static bool
stages_read(Analysis *an, List *stages, const Stage *working)
{
	NameWalk	walk = {.an = an,.stage = working};
	ListCell   *ls,
			   *lb;

	foreach(ls, stages)
	{
		Stage	   *stage = lfirst(ls);

		foreach(lb, stage->branches)
			if (count_factors(lfirst(lb), working) > 0)
				return true;
		if (names_walker((Node *) stage->query, &walk))
			return true;
	}
	return false;
}

/* Does anything that was made for the recursion read it, but the step itself? */
static bool
read_elsewhere(Analysis *an, int nstored, const Stage *working)
{
	if (stages_read(an, an->stages, working))
		return true;
	for (int i = nstored; i < list_length(an->shared->stored); i++)
	{
		const QueryTree *tree = ((Stage *) list_nth(an->shared->stored, i))->tree;
		ListCell   *lc;

		foreach(lc, tree->branches)
			if (count_factors(lfirst(lc), working) > 0)
				return true;
		if (stages_read(an, tree->stages, working))
			return true;
	}
	return false;
}

/* Could anything of it come out otherwise if it were computed again? */
static bool
is_undetermined(const List *stages)
{
	ListCell   *lc;

	foreach(lc, stages)
		if (((const Stage *) lfirst(lc))->undetermined != NULL)
			return true;
	return false;
}

/* ---- the stage ---- */

static void
number_first_round(List *branches)
{
	ListCell   *lc;

	foreach(lc, branches)
	{
		Branch	   *branch = lfirst(lc);

		branch->targets = lappend(branch->targets,
								  makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
											Int32GetDatum(0), false, true));
	}
}

static void
number_next_round(Branch *branch, const Stage *working)
{
	int			scan = 0;
	ListCell   *lc;

	foreach(lc, branch->factors)
	{
		scan++;
		if (((Factor *) lfirst(lc))->stage == working)
			break;
	}
	branch->targets =
		lappend(branch->targets,
				make_op(NULL, list_make2(makeString("pg_catalog"), makeString("+")),
						(Node *) stage_var(working, scan, list_length(working->columns)),
						(Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
										   Int32GetDatum(1), false, true),
						NULL, -1));
}

/* Is each branch of the step linear in the working stage? */
static bool
step_is_linear(List *step, const Stage *working)
{
	ListCell   *lc;

	foreach(lc, step)
		if (count_factors(lfirst(lc), working) != 1)
			return false;
	return true;
}

/* NULL, with or without a reason, if the query is no sum of linear rounds. */
static Stage *
recursion_stage(Analysis *an, CommonTableExpr *cte, int nstored)
{
	Stage	   *working = stage_working(an, round_columns(cte));
	CommonTableExpr *copy = copyObject(cte);
	Query	   *query = (Query *) copy->ctequery;
	SetOperationStmt *setop = castNode(SetOperationStmt, query->setOperations);
	Query	   *standing = stage_query(working);
	List	   *first;
	List	   *step;
	ListCell   *lc;

	/* the number of the round is no column of the query */
	standing->targetList = list_truncate(standing->targetList,
										 list_length(cte->ctecoltypes));
	replace_cte((Node *) query, copy, standing, 0);
	first = an->reason != NULL ? NIL : setop_arm(an, query, setop->larg, setop);
	step = an->reason != NULL ? NIL : setop_arm(an, query, setop->rarg, setop);
	if (an->reason != NULL || !step_is_linear(step, working) ||
		read_elsewhere(an, nstored, working) || is_undetermined(an->stages))
		return NULL;
	number_first_round(first);
	foreach(lc, step)
		number_next_round(lfirst(lc), working);
	return stage_recursion(an, working, first, step);
}

static Stage *
stored_recursion(Analysis *an, Query *query)
{
	Analysis	sub = {.shared = an->shared};
	Stage	   *stored = find_stored(an, query);
	int			nstored = list_length(an->shared->stored);
	Stage	   *stage;
	QueryTree  *tree;

	if (stored != NULL)
		return stored;
	stage = recursion_stage(&sub, recursive_cte(query), nstored);
	if (stage == NULL)
	{
		forget_stages(&sub, 0, nstored);
		return NULL;
	}
	tree = palloc0(sizeof(QueryTree));
	tree->outputs = stage->columns;
	tree->branches = stage_branches(stage);
	tree->stages = sub.stages;
	return keep_stored(an, copyObject(query), tree);
}

List *
normalize_recursion(Analysis *an, Query *query)
{
	Stage	   *stage = is_sum_of_rounds(query) ? stored_recursion(an, query) : NULL;
	Branch	   *branch;
	List	   *branches;

	if (stage == NULL)
		return normalize_opaque(an, query, "WITH RECURSIVE", false);
	branches = stage_branches(stage);
	branch = linitial(branches);
	branch->targets = list_truncate(branch->targets, list_length(branch->targets) - 1);
	return branches;
}
