/*-------------------------------------------------------------------------
 *
 * window_filter.c
 *	  Which changes of a source no part of a query can notice.
 *
 * Selections commute with differences: sigma_p(dR) = d(sigma_p(R)).  So if each
 * reference i to a table applies a condition p_i to it alone, rows of its
 * window that satisfy none of the p_i can go before the window is netted.
 *
 * Before it is netted, a window has rows that came and went again, which the
 * query never sees and may fail on.  So only conditions are taken that cannot
 * fail, which is what a leakproof function promises, and what the remainder of a
 * division by a constant other than zero does not.  Those that can are taken
 * after that, where the query asks them of every row of the table: where it
 * reads nothing else.  None are taken that ask for the clock, which are asked at
 * two instants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static bool
is_nonzero(const Node *node, Oid function)
{
	const Const *divisor = (const Const *) node;

	if (!IsA(node, Const) || divisor->constisnull)
		return false;
	switch (function)
	{
		case F_INT2MOD:
		case F_MOD_INT2_INT2:
			return DatumGetInt16(divisor->constvalue) != 0;
		case F_INT4MOD:
		case F_MOD_INT4_INT4:
			return DatumGetInt32(divisor->constvalue) != 0;
		case F_INT8MOD:
		case F_MOD_INT8_INT8:
			return DatumGetInt64(divisor->constvalue) != 0;
		default:
			return false;
	}
}

/* What is divided stands for the remainder. */
static Node *
without_remainders(Node *node, void *context)
{
	Oid			function = InvalidOid;
	List	   *args = NIL;

	if (node == NULL)
		return NULL;
	if (IsA(node, OpExpr))
	{
		function = get_opcode(((OpExpr *) node)->opno);
		args = ((OpExpr *) node)->args;
	}
	else if (IsA(node, FuncExpr))
	{
		function = ((FuncExpr *) node)->funcid;
		args = ((FuncExpr *) node)->args;
	}
	if (list_length(args) == 2 && is_nonzero(lsecond(args), function))
		return without_remainders(linitial(args), context);
	return expression_tree_mutator(node, without_remainders, context);
}

bool
may_fail(Node *expr)
{
	return contain_leaked_vars(expr) &&
		contain_leaked_vars(without_remainders(expr, NULL));
}

/* Columns of a factor as columns of the source's window. */
typedef struct WindowVars
{
	const AttrNumber *attnums;
	int			ncolumns;
} WindowVars;

static Node *
window_vars(Node *node, void *context)
{
	const WindowVars *vars = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		for (int i = 0; i < vars->ncolumns; i++)
			if (vars->attnums[i] == var->varattno)
				return (Node *) makeVar(1, i + 2, var->vartype, var->vartypmod,
										var->varcollid, 0);
		elog(ERROR, "column %d is not in the window", var->varattno);
	}
	return expression_tree_mutator(node, window_vars, context);
}

/*
 * Do all rows of the window of a source satisfy a condition that a branch has on
 * a factor which is that source?
 */
bool
window_is_filtered(const DeltaProgram *program, Oid relid, Node *qual)
{
	const ProgramSource *source =
		program_source(program, program_source_index(program, relid));

	return source->nreferences == 1 && !uses_clock(qual) && !may_fail(qual);
}

/* Can it be asked of a row that is not, or of any that is? */
typedef bool (*QualTest) (Node *qual, const Branch *branch);

static bool
holds_for_any(Node *qual, const Branch *branch)
{
	return !uses_clock(qual) && !may_fail(qual);
}

static bool
holds_for_netted(Node *qual, const Branch *branch)
{
	return list_length(branch->factors) == 1 && !uses_clock(qual) &&
		!contain_subplans(qual) && !contain_mutable_functions(qual);
}

/* What a branch asks of a factor's rows and passes the test, or NULL. */
static Node *
factor_condition(const Branch *branch, int factor, QualTest test)
{
	List	   *quals = NIL;
	ListCell   *lc;

	foreach(lc, factor_quals(branch, factor))
		if (test(lfirst(lc), branch))
			quals = lappend(quals, lfirst(lc));
	return quals == NIL ? NULL : (Node *) make_ands_explicit(quals);
}

/* Add the conditions of the references in some branches; false if one has none. */
static bool
add_conditions(List *branches, Oid relid, const WindowVars *vars, QualTest test,
			   List **conditions)
{
	ListCell   *lb,
			   *lf;

	foreach(lb, branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			Node	   *condition;

			if (((Factor *) lfirst(lf))->relid != relid)
				continue;
			condition = factor_condition(lfirst(lb), foreach_current_index(lf) + 1, test);
			if (condition == NULL)
				return false;
			*conditions = lappend(*conditions,
								  window_vars(condition, unconstify(WindowVars *, vars)));
		}
	return true;
}

static bool
add_tree_conditions(const QueryTree *tree, Oid relid, const WindowVars *vars,
					QualTest test, List **conditions)
{
	ListCell   *lc;

	if (!add_conditions(tree->branches, relid, vars, test, conditions))
		return false;
	foreach(lc, tree->stages)
	{
		const Stage *stage = lfirst(lc);

		if (!add_conditions(stage->branches, relid, vars, test, conditions) ||
			!add_conditions(stage->step, relid, vars, test, conditions))
			return false;
	}
	return true;
}

/* NULL: every row matters. */
static Node *
source_condition(const DeltaProgram *program, int i, QualTest test)
{
	Oid			relid = program_source(program, i)->relid;
	WindowVars	vars = {
		.attnums = program->window_attnums[i],
		.ncolumns = program->window_desc[i]->natts - 1
	};
	List	   *conditions = NIL;
	ListCell   *lc;

	if (!add_tree_conditions(program->tree, relid, &vars, test, &conditions))
		return NULL;
	foreach(lc, program->stored)
		if (!add_tree_conditions(((Stage *) lfirst(lc))->tree, relid, &vars, test, &conditions))
			return NULL;
	return conditions == NIL ? NULL : (Node *) make_orclause(conditions);
}

static ExprState *
make_qual(Node *condition)
{
	if (condition == NULL)
		return NULL;
	return ExecInitQual(make_ands_implicit(expression_planner((Expr *) condition)), NULL);
}

static WindowFilter *
make_filter(TupleDesc desc, Node *any, Node *netted)
{
	WindowFilter *filter;

	if (any == NULL && netted == NULL)
		return NULL;
	filter = palloc0(sizeof(WindowFilter));
	filter->context = CurrentMemoryContext;
	filter->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	filter->any = make_qual(any);
	filter->netted = make_qual(netted);
	return filter;
}

/* Made when they are first needed. */
static void
make_filters(DeltaProgram *program)
{
	MemoryContext old = MemoryContextSwitchTo(program->context);
	int			nsources = list_length(program->sources);

	program->filters = palloc0(sizeof(WindowFilter *) * (nsources + 1));
	for (int i = 0; i < nsources; i++)
		program->filters[i] = make_filter(program->window_desc[i],
										  source_condition(program, i, holds_for_any),
										  source_condition(program, i, holds_for_netted));
	MemoryContextSwitchTo(old);
}

WindowFilter *
program_window_filter(DeltaProgram *program, int source)
{
	if (program->filters == NULL)
		make_filters(program);
	return program->filters[source];
}
