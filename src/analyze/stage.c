/*-------------------------------------------------------------------------
 *
 * stage.c
 *	  Making stages, each of them once.
 *
 * Two stages that are the same relation by their form become one, so that its
 * delta is computed once: a WITH query that is read twice, for instance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#define STAGE_NAME "__pgt_s%d"

static bool
same_factors(const List *a, const List *b)
{
	ListCell   *la,
			   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		const Factor *fa = lfirst(la);
		const Factor *fb = lfirst(lb);

		if (fa->relid != fb->relid || fa->stage != fb->stage ||
			!equal(fa->function, fb->function))
			return false;
	}
	return true;
}

static bool
same_branches(const List *a, const List *b)
{
	ListCell   *la,
			   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		const Branch *ba = lfirst(la);
		const Branch *bb = lfirst(lb);

		if (!same_factors(ba->factors, bb->factors) ||
			!equal(ba->quals, bb->quals) || !equal(ba->targets, bb->targets))
			return false;
	}
	return true;
}

/*
 * Rows of no declared type cannot be kept: their columns are known to whom made
 * them only.
 */
static void
check_columns(Analysis *an, const Stage *stage)
{
	ListCell   *lc;

	foreach(lc, stage->columns)
		if (get_typtype(((OutputColumn *) lfirst(lc))->type) == TYPTYPE_PSEUDO)
			an->reason = "it passes on rows that have no declared type";
}

static Stage *
add_stage(Analysis *an, StageRule rule, const char *what)
{
	Stage	   *stage = palloc0(sizeof(Stage));

	an->shared->all = lappend(an->shared->all, stage);
	stage->number = list_length(an->shared->all);
	stage->rule = rule;
	stage->what = what;
	if (rule != STAGE_STORED)
		an->stages = lappend(an->stages, stage);
	return stage;
}

OutputColumn *
make_output(const char *name, Node *expr)
{
	OutputColumn *output = palloc0(sizeof(OutputColumn));

	output->name = pstrdup(name);
	output->type = exprType(expr);
	output->typmod = exprTypmod(expr);
	output->collation = exprCollation(expr);
	return output;
}

/* The stage that a sum only repeats, or NULL. */
static Stage *
repeated_stage(List *branches)
{
	Branch	   *branch = linitial(branches);
	Factor	   *factor;
	int			column = 0;
	ListCell   *lc;

	if (list_length(branches) != 1 || list_length(branch->factors) != 1 ||
		branch->quals != NIL)
		return NULL;
	factor = linitial(branch->factors);
	if (factor->stage == NULL ||
		list_length(branch->targets) != list_length(factor->stage->columns))
		return NULL;
	foreach(lc, branch->targets)
	{
		Var		   *var = lfirst(lc);

		if (!IsA(var, Var) || var->varattno != ++column)
			return NULL;
	}
	return factor->stage;
}

static Stage *
add_sum(Analysis *an, List *branches)
{
	Stage	   *stage = add_stage(an, STAGE_SUM, "select");
	ListCell   *lc;

	stage->branches = branches;
	foreach(lc, ((Branch *) linitial(branches))->targets)
		stage->columns = lappend(stage->columns, make_output("", lfirst(lc)));
	stage->unique = branches_unique(branches);
	check_columns(an, stage);
	return stage;
}

Stage *
stage_sum(Analysis *an, List *branches)
{
	Stage	   *stage = repeated_stage(branches);
	ListCell   *lc;

	if (stage != NULL)
		return stage;
	foreach(lc, an->stages)
	{
		stage = lfirst(lc);
		if (stage->rule == STAGE_SUM && same_branches(stage->branches, branches))
			return stage;
	}
	return add_sum(an, branches);
}

Stage *
stage_sum_unshared(Analysis *an, List *branches, List *inputs)
{
	Stage	   *stage = stage_sum(an, branches);
	ListCell   *lc;

	foreach(lc, inputs)
		if (((StageInput *) lfirst(lc))->stage == stage)
			return add_sum(an, branches);
	return stage;
}

List *
unique_outputs(const Stage *stage, const List *origins)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, origins)
	{
		int			i;

		for (i = 0; i < list_length(stage->columns); i++)
			if (stage->origins[i] == lfirst_int(lc))
				break;
		if (i == list_length(stage->columns))
			return NIL;
		result = lappend_int(result, i + 1);
	}
	return result;
}

Stage *
stage_block(Analysis *an, StageRule rule, const char *what, Query *query,
			List *inputs)
{
	Stage	   *stage;
	ListCell   *lc;

	foreach(lc, an->stages)
	{
		stage = lfirst(lc);
		/* inputs are named in the query */
		if (stage->rule == rule && equal(stage->query, query))
			return stage;
	}
	stage = add_stage(an, rule, what);
	stage->query = query;
	stage->inputs = inputs;
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk)
			stage->columns = lappend(stage->columns,
									 make_output("", (Node *) tle->expr));
	}
	stage->origins = palloc0(sizeof(int) * (list_length(stage->columns) + 1));
	check_columns(an, stage);
	return stage;
}

/* Output columns of a tree that are a key of its result. */
static List *
tree_unique(const QueryTree *tree)
{
	Identity	identity;
	const char *reason;
	List	   *result = NIL;

	if (!identity_derive(tree, &identity, &reason))
		return NIL;
	for (int i = 0; i < identity.nkeys; i++)
	{
		if (identity.keys[i] < 1)
			return NIL;
		result = lappend_int(result, identity.keys[i]);
	}
	return result;
}

bool
stage_is_flat(const Stage *stage)
{
	ListCell   *lb,
			   *lf;

	if (stage->rule == STAGE_STORED || stage->rule == STAGE_WORKING)
		return true;
	if (stage->rule != STAGE_SUM)
		return false;
	foreach(lb, stage->branches)
		foreach(lf, ((Branch *) lfirst(lb))->factors)
		{
			Factor	   *factor = lfirst(lf);

			if (factor->stage != NULL && !stage_is_flat(factor->stage))
				return false;
		}
	return true;
}

Stage *
find_stored(Analysis *an, Query *query)
{
	int			position = list_position(an->shared->queries, (Node *) query);

	return position == 0 ? NULL : list_nth(an->shared->stored, position - 1);
}

Stage *
keep_stored(Analysis *an, Query *query, QueryTree *tree)
{
	Stage	   *stage = add_stage(an, STAGE_STORED, "stored");
	ListCell   *lc;

	stage->tree = tree;
	stage->columns = tree->outputs;
	foreach(lc, tree->outputs)
		((OutputColumn *) lfirst(lc))->name =
			psprintf("c%d", foreach_current_index(lc) + 1);
	stage->unique = tree_unique(tree);
	stage->single_row = tree->aggregated && tree->nkeys == 0;
	an->shared->stored = lappend(an->shared->stored, stage);
	an->shared->queries = lappend(an->shared->queries, query);
	return stage;
}

Stage *
stage_stored(Analysis *an, Query *query)
{
	Analysis	sub = {.shared = an->shared};
	Stage	   *stage = find_stored(an, query);
	Query	   *definition = copyObject(query);
	QueryTree  *tree;

	if (stage != NULL)
		return stage;
	tree = analyze_tree(&sub, query);
	an->reason = tree->reason;
	an->impossible = sub.impossible;
	return an->reason != NULL ? NULL : keep_stored(an, definition, tree);
}

Stage *
stage_working(Analysis *an, List *columns)
{
	Stage	   *stage = add_stage(an, STAGE_WORKING, "working table");

	stage->columns = columns;
	check_columns(an, stage);
	return stage;
}

Stage *
stage_recursion(Analysis *an, Stage *working, List *branches, List *step)
{
	Stage	   *stage = add_stage(an, STAGE_RECURSION, "WITH RECURSIVE");

	stage->columns = working->columns;
	stage->branches = branches;
	stage->step = step;
	stage->working = working;
	return stage;
}

void
forget_stages(Analysis *an, int nstages, int nstored)
{
	an->stages = list_truncate(an->stages, nstages);
	an->shared->stored = list_truncate(an->shared->stored, nstored);
	an->shared->queries = list_truncate(an->shared->queries, nstored);
}

StageInput *
stage_input(Stage *stage)
{
	StageInput *input = palloc0(sizeof(StageInput));

	input->stage = stage;
	return input;
}

Alias *
numbered_alias(const char *name, int ncolumns)
{
	List	   *names = NIL;

	for (int attno = 1; attno <= ncolumns; attno++)
		names = lappend(names, makeString(psprintf("c%d", attno)));
	return makeAlias(name, names);
}

Query *
select_from(RangeTblEntry *rte)
{
	Query	   *query = makeNode(Query);
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	return query;
}

RangeTblEntry *
stage_rte(const Stage *stage)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	ListCell   *lc;

	rte->rtekind = RTE_CTE;
	rte->ctename = psprintf(STAGE_NAME, stage->number);
	rte->inFromCl = true;
	rte->eref = numbered_alias(rte->ctename, list_length(stage->columns));
	foreach(lc, stage->columns)
	{
		OutputColumn *output = lfirst(lc);

		rte->coltypes = lappend_oid(rte->coltypes, output->type);
		rte->coltypmods = lappend_int(rte->coltypmods, output->typmod);
		rte->colcollations = lappend_oid(rte->colcollations, output->collation);
	}
	return rte;
}

Stage *
stage_of_rte(Analysis *an, const RangeTblEntry *rte)
{
	int			number;

	if (rte->rtekind != RTE_CTE || sscanf(rte->ctename, STAGE_NAME, &number) != 1 ||
		number < 1 || number > list_length(an->shared->all))
		return NULL;
	return list_nth(an->shared->all, number - 1);
}

Var *
stage_var(const Stage *stage, int varno, int column)
{
	const OutputColumn *output = list_nth(stage->columns, column - 1);

	return makeVar(varno, column, output->type, output->typmod,
				   output->collation, 0);
}

List *
stage_vars(const Stage *stage, int varno)
{
	List	   *result = NIL;

	for (int column = 1; column <= list_length(stage->columns); column++)
		result = lappend(result, stage_var(stage, varno, column));
	return result;
}

void
add_target(Query *query, Node *expr)
{
	int			resno = list_length(query->targetList) + 1;

	query->targetList =
		lappend(query->targetList,
				makeTargetEntry((Expr *) expr, resno, psprintf("c%d", resno), false));
}

List *
stage_branches(Stage *stage)
{
	Branch	   *branch = palloc0(sizeof(Branch));
	Factor	   *factor = palloc0(sizeof(Factor));

	factor->stage = stage;
	branch->factors = list_make1(factor);
	branch->targets = stage_vars(stage, 1);
	return list_make1(branch);
}

Query *
stage_query(const Stage *stage)
{
	Query	   *query = select_from(stage_rte(stage));
	ListCell   *lc;

	foreach(lc, stage_vars(stage, 1))
		add_target(query, lfirst(lc));
	return query;
}

/* Give a PARTITION stage its i-th key (from 0). */
void
stage_set_key(Stage *stage, int i, Oid eqop, Oid collation)
{
	Size		size = sizeof(Oid) * (i + 1);

	/* a full join has a key for each equality, however few columns these compare */
	stage->key_eqops = i == 0 ? palloc(size) : repalloc(stage->key_eqops, size);
	stage->key_collations = i == 0 ? palloc(size) : repalloc(stage->key_collations, size);
	stage->key_eqops[i] = eqop;
	stage->key_collations[i] = collation;
	stage->nkeys = i + 1;
}
