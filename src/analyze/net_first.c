/*-------------------------------------------------------------------------
 *
 * net_first.c
 *	  Take apart the joins whose expressions can fail.
 *
 * The terms of a join's delta hold pairs of rows that never existed together;
 * they cancel in the sum only (delta/op_join.c), and an expression may fail on
 * one of them although the query never would.  Let F be the join by all that
 * cannot fail, of nothing but columns, and q and e the other conditions, and
 * the expressions.  Then
 *
 *		pi_e sigma_q (F)  has the delta  pi_e sigma_q (dF)
 *
 * and dF = F(now) - F(before), netted completely, has with a positive weight
 * only rows of F(now), with a negative one only rows of F(before): on these the
 * query itself computes q and e, or did.  So F becomes a stage that is netted,
 * and the sum reads that alone.
 *
 * What looks at the rows of one relation only is no exception: a row that never
 * had a partner is one that the query never computed anything of.  An expression
 * can fail unless it is leakproof, which is PostgreSQL's word for it, or an
 * equality that joins may use: those compare rows that have nothing to do with
 * each other.  The sums of an aggregate are taken over real rows only, too.
 *
 * The step of a recursion is not taken apart; its rounds would have to be netted
 * twice.  Where it can fail, the recursion is computed as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

/* A branch that is taken apart. */
typedef struct Split
{
	const Branch *branch;
	int			nrelations;
	Bitmapset **relations;		/* per factor, from 1: those whose rows it looks
								 * at; of a relation, itself */
	int		   *place;			/* per factor: its number in the join, or, if
								 * that has not got it, in what is above */
	Bitmapset  *joined;			/* factors of the join */
	List	   *columns;		/* of Var: columns of the join */
} Split;

/* ---- what can fail ---- */

static Node *
function_node(const RangeTblEntry *rte)
{
	return (Node *) list_make3(rte->functions, rte->values_lists, rte->tablefunc);
}

/* The relations whose rows an expression looks at. */
static Bitmapset *
relations_of(const Split *split, Node *node)
{
	Bitmapset  *varnos = pull_varnos(NULL, node);
	Bitmapset  *result = NULL;
	int			varno = -1;

	while ((varno = bms_next_member(varnos, varno)) >= 0)
		result = bms_add_members(result, split->relations[varno]);
	return result;
}

/* Whatever its arguments are, can the node itself not raise an error? */
static bool
cannot_fail(Node *node)
{
	Node	   *left,
			   *right;

	switch (nodeTag(node))
	{
		case T_List:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_RowExpr:
			return true;
		case T_OpExpr:
			return equality_sides(node, &left, &right) ||
				get_func_leakproof(get_opcode(((OpExpr *) node)->opno));
		case T_DistinctExpr:
		case T_NullIfExpr:
			return get_func_leakproof(get_opcode(((OpExpr *) node)->opno));
		case T_ScalarArrayOpExpr:
			return get_func_leakproof(get_opcode(((ScalarArrayOpExpr *) node)->opno));
		case T_FuncExpr:
			return row_of_columns(node) != NULL ||
				get_func_leakproof(((FuncExpr *) node)->funcid);
		default:
			return false;
	}
}

static bool
fallible_walker(Node *node, Split *split)
{
	if (node == NULL || bms_is_empty(pull_varnos(NULL, node)))
		return false;
	if (!IsA(node, Var) && !cannot_fail(node))
		return true;
	return expression_tree_walker(node, fallible_walker, split);
}

static void
find_relations(Split *split)
{
	int			scan = 0;
	ListCell   *lc;

	split->relations = palloc0(sizeof(Bitmapset *) *
							   (list_length(split->branch->factors) + 1));
	foreach(lc, split->branch->factors)
	{
		const Factor *factor = lfirst(lc);

		scan++;
		if (factor->function != NULL)
			split->relations[scan] = relations_of(split, function_node(factor->function));
		else
		{
			split->relations[scan] = bms_make_singleton(scan);
			split->nrelations++;
		}
		if (factor->function == NULL ||
			!fallible_walker(function_node(factor->function), split))
			split->joined = bms_add_member(split->joined, scan);
	}
}

/* Begin to take a branch apart; false if nothing of it could fail. */
static bool
begin_split(Split *split, const Branch *branch, bool aggregated)
{
	memset(split, 0, sizeof(Split));
	split->branch = branch;
	find_relations(split);
	if (split->nrelations < 2)
		return false;
	return aggregated ||
		bms_num_members(split->joined) < list_length(branch->factors) ||
		fallible_walker((Node *) branch->quals, split) ||
		fallible_walker((Node *) branch->targets, split);
}

/* ---- taking apart ---- */

/* Number the factors that are joined, and those above, behind the join. */
static void
place_factors(Split *split)
{
	int			nfactors = list_length(split->branch->factors);
	int			njoined = 0;
	int			nabove = 1;

	split->place = palloc0(sizeof(int) * (nfactors + 1));
	for (int scan = 1; scan <= nfactors; scan++)
		split->place[scan] = bms_is_member(scan, split->joined) ?
			++njoined : ++nabove;
}

static Node *
place_mutator(Node *node, Split *split)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return (Node *) makeVar(split->place[var->varno], var->varattno,
								var->vartype, var->vartypmod, var->varcollid, 0);
	}
	return expression_tree_mutator(node, place_mutator, split);
}

/* In terms of the join's columns, and of what is above it. */
static Node *
above_mutator(Node *node, Split *split)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && bms_is_member(((Var *) node)->varno, split->joined))
	{
		Var		   *column = (Var *) place_mutator(node, split);
		int			position = list_position(split->columns, (Node *) column);

		if (position == 0)
		{
			split->columns = lappend(split->columns, column);
			position = list_length(split->columns);
		}
		return (Node *) makeVar(1, position, column->vartype, column->vartypmod,
								column->varcollid, 0);
	}
	if (IsA(node, Var))
		return place_mutator(node, split);
	return expression_tree_mutator(node, above_mutator, split);
}

static Factor *
move_factor(const Factor *factor, Node *(*mutator) (Node *, Split *), Split *split)
{
	Factor	   *result = palloc(sizeof(Factor));

	*result = *factor;
	if (factor->function != NULL)
	{
		RangeTblEntry *rte = copyObject(factor->function);

		rte->functions = (List *) mutator((Node *) rte->functions, split);
		rte->values_lists = (List *) mutator((Node *) rte->values_lists, split);
		rte->tablefunc = (TableFunc *) mutator((Node *) rte->tablefunc, split);
		result->function = rte;
	}
	return result;
}

static bool
is_joined_qual(Split *split, Node *qual)
{
	return bms_is_subset(pull_varnos(NULL, qual), split->joined) &&
		!fallible_walker(qual, split);
}

/* Rows of no declared type cannot be a stage's columns. */
static bool
columns_are_declared(const Split *split)
{
	ListCell   *lc;

	foreach(lc, split->columns)
		if (get_typtype(((Var *) lfirst(lc))->vartype) == TYPTYPE_PSEUDO)
			return false;
	return true;
}

static Branch *
split_branch(Analysis *an, Split *split)
{
	const Branch *branch = split->branch;
	Branch	   *join = palloc0(sizeof(Branch));
	Branch	   *above = palloc0(sizeof(Branch));
	Factor	   *read = palloc0(sizeof(Factor));
	int			scan = 0;
	ListCell   *lc;

	place_factors(split);
	above->factors = list_make1(read);
	foreach(lc, branch->factors)
		if (bms_is_member(++scan, split->joined))
			join->factors = lappend(join->factors,
									move_factor(lfirst(lc), place_mutator, split));
		else
			above->factors = lappend(above->factors,
									 move_factor(lfirst(lc), above_mutator, split));
	foreach(lc, branch->quals)
		if (is_joined_qual(split, lfirst(lc)))
			join->quals = lappend(join->quals, place_mutator(lfirst(lc), split));
		else
			above->quals = lappend(above->quals, above_mutator(lfirst(lc), split));
	above->targets = (List *) above_mutator((Node *) branch->targets, split);
	join->targets = split->columns != NIL ? split->columns :
		list_make1(makeBoolConst(true, false));
	if (!columns_are_declared(split))
		return unconstify(Branch *, branch);
	(void) branch_note_clock(join);
	(void) branch_note_clock(above);
	read->stage = stage_sum(an, list_make1(join));
	read->stage->netted = true;
	return above;
}

static List *
split_branches(Analysis *an, List *branches, bool aggregated)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, branches)
	{
		Split		split;

		result = lappend(result, begin_split(&split, lfirst(lc), aggregated) ?
						 split_branch(an, &split) : lfirst(lc));
	}
	return result;
}

static int
count_splits(List *branches, bool aggregated)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, branches)
	{
		Split		split;

		n += begin_split(&split, lfirst(lc), aggregated);
	}
	return n;
}

/* Is there something in the step of a recursion that can fail? */
static bool
step_is_fallible(const Stage *stage)
{
	return count_splits(stage->step, false) > 0;
}

static void
split_tree(SharedStages *shared, QueryTree *tree)
{
	Analysis	an = {.shared = shared};
	ListCell   *lc;

	foreach(lc, tree->stages)
	{
		Stage	   *stage = lfirst(lc);

		stage->branches = split_branches(&an, stage->branches, false);
		stage->whole = step_is_fallible(stage);
		an.stages = lappend(an.stages, stage);
	}
	tree->branches = split_branches(&an, tree->branches, tree->aggregated);
	tree->stages = an.stages;
}

/* ---- the whole ---- */

int
tree_fallible_joins(const QueryTree *tree)
{
	int			n = count_splits(tree->branches, tree->aggregated);
	ListCell   *lc;

	foreach(lc, tree->stages)
		n += count_splits(((Stage *) lfirst(lc))->branches, false) +
			step_is_fallible(lfirst(lc));
	return n;
}

void
tree_net_first(QueryTree *tree)
{
	SharedStages shared = {0};
	ListCell   *lc;

	/* numbers that are taken */
	for (int i = 0; i < tree->nnumbers; i++)
		shared.all = lappend(shared.all, NULL);
	foreach(lc, tree->stored)
		split_tree(&shared, ((Stage *) lfirst(lc))->tree);
	split_tree(&shared, tree);
	tree->nnumbers = list_length(shared.all);
}
