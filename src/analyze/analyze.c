/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  The top of a query: its output columns, and the aggregate whose state
 *	  the stream table itself keeps.
 *
 *		agg(x) FILTER (WHERE p)         =  agg(CASE WHEN p THEN x END)
 *		count(*) FILTER (WHERE p)       =  count(CASE WHEN p THEN true END)
 *		SELECT DISTINCT e               =  SELECT e GROUP BY e
 *		GROUP BY pk, selecting c        =  GROUP BY pk, c     (pk determines c)
 *
 * The FILTER forms hold because every aggregate that is merged ignores NULL
 * inputs.  One that is computed afresh stays as it is, over columns of the core.
 * HAVING is a condition on the aggregate's row, like the outputs.
 * What is below, and every other query, is normalised by level.c.  Whatever is
 * not recognised stops the analysis with a reason; nothing is guessed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"

/* State of turning a select list into expressions over (keys, aggregates). */
typedef struct OutputContext
{
	List	   *keys;			/* of Expr, over the query's range table */
	List	   *args;			/* of Expr: what aggregates read, distinct */
	List	   *calls;			/* of AggregateCall; arg is a position in args */
	int			nkeys;			/* valid in the second pass */
	const char *reason;
} OutputContext;

/*
 * First pass: a column outside of aggregates, or in a direct argument, that is
 * no group key depends on the keys (the parser has proved it): it becomes a key
 * itself.
 */
static bool
collect_dependent_keys(Node *node, OutputContext *context)
{
	if (node == NULL || list_position(context->keys, node) != 0)
		return false;
	if (IsA(node, SubLink))
		return false;
	if (IsA(node, Aggref))
		return collect_dependent_keys((Node *) ((Aggref *) node)->aggdirectargs,
									  context);
	if (IsA(node, Var))
	{
		context->keys = lappend(context->keys, node);
		return false;
	}
	return expression_tree_walker(node, collect_dependent_keys, context);
}

/* The argument of a call, its FILTER folded in; NULL for a bare count(*). */
static Expr *
call_argument(Aggref *aggref)
{
	Expr	   *arg = NULL;

	if (!aggref->aggstar)
		arg = ((TargetEntry *) linitial(aggref->args))->expr;
	if (aggref->aggfilter != NULL)
	{
		CaseExpr   *c = makeNode(CaseExpr);
		CaseWhen   *when = makeNode(CaseWhen);

		if (arg == NULL)
			arg = (Expr *) makeBoolConst(true, false);
		when->expr = aggref->aggfilter;
		when->result = arg;
		when->location = -1;
		c->casetype = exprType((Node *) arg);
		c->casecollid = exprCollation((Node *) arg);
		c->args = list_make1(when);
		c->defresult = (Expr *) makeNullConst(c->casetype,
											  exprTypmod((Node *) arg),
											  c->casecollid);
		c->location = -1;
		arg = (Expr *) c;
	}
	return arg;
}

static Node *output_mutator(Node *node, OutputContext *context);

static int
add_argument(OutputContext *context, Node *expr)
{
	int			position = list_position(context->args, expr);

	if (position == 0)
	{
		context->args = lappend(context->args, expr);
		position = list_length(context->args);
	}
	return context->nkeys + position;
}

/*
 * Columns, subqueries, and comparisons with the clock become columns of the
 * core; what is made of them stays in the call, so that its collations and
 * constants are as they were.  Keys are not used for this: they are spelled as
 * the group is.
 */
static Node *
argument_mutator(Node *node, OutputContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) || IsA(node, SubLink) || is_clock_bound(node))
		return (Node *) makeVar(1, add_argument(context, node), exprType(node),
								exprTypmod(node), exprCollation(node), 0);
	return expression_tree_mutator(node, argument_mutator, context);
}

/* The call over columns of the core: direct arguments over the keys. */
static Aggref *
call_over_core(OutputContext *context, Aggref *aggref)
{
	Aggref	   *result = copyObject(aggref);

	result->aggdirectargs = (List *)
		output_mutator((Node *) result->aggdirectargs, context);
	ChangeVarNodes((Node *) result->aggdirectargs, OUTER_VAR, 1, 0);
	result->args = (List *) argument_mutator((Node *) result->args, context);
	result->aggfilter = (Expr *)
		argument_mutator((Node *) result->aggfilter, context);
	return result;
}

static int
find_call(OutputContext *context, Aggref *aggref)
{
	int			i = 0;
	ListCell   *lc;
	AggregateCall *call;
	Expr	   *arg;

	foreach(lc, context->calls)
	{
		i++;
		if (equal(((AggregateCall *) lfirst(lc))->aggref, aggref))
			return i;
	}

	call = palloc0(sizeof(AggregateCall));
	if (!aggregate_classify(aggref, call, &context->reason))
		return 0;
	if (call->kind == AGGREGATE_RECOMPUTE)
		call->over = call_over_core(context, aggref);
	else if ((arg = call_argument(aggref)) != NULL)
		call->arg = add_argument(context, (Node *) arg);
	context->calls = lappend(context->calls, call);
	return list_length(context->calls);
}

/* Second pass: keys and aggregates become columns of the state row. */
static Node *
output_mutator(Node *node, OutputContext *context)
{
	int			position;

	if (node == NULL)
		return NULL;
	position = list_position(context->keys, node);
	if (position != 0)
		return (Node *) makeVar(OUTER_VAR, position, exprType(node),
								exprTypmod(node), exprCollation(node), 0);
	if (IsA(node, Aggref))
	{
		position = find_call(context, (Aggref *) node);
		return (Node *) makeVar(OUTER_VAR, context->nkeys + position,
								exprType(node), exprTypmod(node),
								exprCollation(node), 0);
	}
	if (IsA(node, SubLink))
	{
		context->reason = "a subquery above the groups of a query is a stage";
		return node;
	}
	if (IsA(node, GroupingFunc))
	{
		context->reason = "GROUPING() is a column of a stage";
		return node;
	}
	return expression_tree_mutator(node, output_mutator, context);
}

static bool reads_sorted(Query *query);

/* One row is in no order. */
static bool
is_sorted(Query *query)
{
	return !has_at_most_one_row(query) &&
		(query->sortClause != NIL || reads_sorted(query));
}

/* Does some subquery in FROM, or in the WITH of one, ask for an order? */
static bool
reads_sorted(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		Query	   *subquery = ((RangeTblEntry *) lfirst(lc))->subquery;

		if (subquery != NULL && is_sorted(subquery))
			return true;
	}
	foreach(lc, query->cteList)
		if (is_sorted((Query *) ((CommonTableExpr *) lfirst(lc))->ctequery))
			return true;
	return false;
}

/* Does the window have no order, and the function's result follow the rows'? */
static bool
window_shows_order(const WindowFunc *func, const Query *query)
{
	const WindowClause *window = list_nth(query->windowClause, func->winref - 1);

	return window->orderClause == NIL &&
		(!func->winagg || !frame_has_peers(window->frameOptions) ||
		 function_may_show_order(func->winfnoid));
}

/* Looks at the expressions of one level. */
static bool
level_order_walker(Node *node, Query *query)
{
	if (node == NULL || IsA(node, Query))
		return false;
	if (IsA(node, Aggref) && aggregate_may_show_order((Aggref *) node))
		return true;
	if (IsA(node, WindowFunc) && window_shows_order((WindowFunc *) node, query))
		return true;
	return expression_tree_walker(node, level_order_walker, query);
}

static bool
level_shows_order(Query *query)
{
	return reads_sorted(query) &&
		(query->hasDistinctOn ||
		 level_order_walker((Node *) query->targetList, query) ||
		 level_order_walker(query->havingQual, query));
}

/*
 * An aggregate, window function or ARRAY() without an order, or DISTINCT ON, over a
 * sorted subquery is expected to see that order, which only the query as a whole
 * keeps.
 */
static bool
shows_order(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) && ((SubLink *) node)->subLinkType == ARRAY_SUBLINK)
	{
		Query	   *query = (Query *) ((SubLink *) node)->subselect;

		if (query->sortClause == NIL && reads_sorted(query))
			return true;
	}
	if (IsA(node, Query))
		return level_shows_order((Query *) node) ||
			query_tree_walker((Query *) node, shows_order, context, 0);
	return expression_tree_walker(node, shows_order, context);
}

/*
 * Analyse a query whose top is GROUP BY, an aggregate, or DISTINCT, whose state
 * can be merged.  False, with the tree unchanged, if it is not of that form.
 */
static bool
analyze_aggregated(Analysis *an, Query *query, QueryTree *tree)
{
	OutputContext context = {0};
	List	   *outputs = NIL;
	Node	   *having;
	List	   *targets;
	List	   *branches;
	ListCell   *lc,
			   *lo;

	if (query->distinctClause != NIL)
	{
		tree->distinct = true;
		foreach(lc, visible_targets(query))
			if (list_position(context.keys, lfirst(lc)) == 0)
				context.keys = lappend(context.keys, lfirst(lc));
	}
	else
		foreach(lc, query->groupClause)
		{
			Node	   *key = get_sortgroupclause_expr(lfirst(lc), query->targetList);

			if (list_position(context.keys, key) == 0)
				context.keys = lappend(context.keys, key);
		}

	tree->nproper = list_length(context.keys);
	if (query->groupClause != NIL)
		foreach(lc, visible_targets(query))
			(void) collect_dependent_keys(lfirst(lc), &context);
	(void) collect_dependent_keys(query->havingQual, &context);
	context.nkeys = list_length(context.keys);

	foreach(lc, visible_targets(query))
		outputs = lappend(outputs, output_mutator(lfirst(lc), &context));
	having = output_mutator(query->havingQual, &context);
	if (context.reason == NULL &&
		(uses_clock((Node *) outputs) || uses_clock(having)))
		context.reason = "what is made of a merged state must not use the clock";
	if (context.reason != NULL)
	{
		an->reason = context.reason;
		return false;
	}

	targets = list_concat_copy(context.keys, context.args);
	pull_up_scalars(query, false);
	branches = normalize_core(an, query, targets);
	if (an->reason != NULL)
		return false;
	tree->branches = branches;
	forboth(lc, outputs, lo, tree->outputs)
		((OutputColumn *) lfirst(lo))->expr = lfirst(lc);
	tree->aggregated = true;
	tree->nkeys = context.nkeys;
	tree->calls = context.calls;
	tree->having = (Expr *) having;
	foreach(lc, context.keys)
		tree->keytypes = lappend(tree->keytypes, make_output("", lfirst(lc)));
	return true;
}

/*
 * Does the query end in an aggregate, or DISTINCT, with nothing above it that
 * a merged state could not serve?  HAVING without GROUP BY could take the only
 * row away, whose state is then nowhere.
 */
static bool
top_is_aggregate(const Query *query)
{
	if (query->commandType != CMD_SELECT || query->setOperations != NULL ||
		query->hasWindowFuncs || query->hasTargetSRFs || query->hasDistinctOn ||
		query->hasRecursive || query->cteList != NIL || query->rowMarks != NIL ||
		query->limitCount != NULL || query->limitOffset != NULL ||
		query->groupingSets != NIL ||
		(query->havingQual != NULL && query->groupClause == NIL))
		return false;
	return query_is_grouped(query) != (query->distinctClause != NIL);
}

/*
 * What has no other form is one part; if not even that, the reason stands.  The
 * text of the query itself reads a polled source, not its copy, so it is of no
 * use where there is one.
 */
static void
analyze_whole(Analysis *an, Query *query, QueryTree *tree)
{
	const char *reason = an->reason;
	bool		has_text = an->whole && an->shared->polled == NIL;

	an->reason = NULL;
	tree->branches = normalize_opaque(an, query, "query", has_text);
	if (an->reason != NULL)
		an->reason = reason;
}

static void
analyze_top(Analysis *an, Query *query, QueryTree *tree)
{
	int			nstored = list_length(an->shared->stored);

	if (shows_order((Node *) query, NULL))
	{
		an->reason = "the result may show the order of a subquery";
		analyze_whole(an, query, tree);
		return;
	}
	if (top_is_aggregate(query))
	{
		Query	   *copy = copyObject(query);

		flatten_aliases(copy);
		if (analyze_aggregated(an, copy, tree))
			return;
		tree->distinct = false;
		if (an->impossible)
			return;
		forget_stages(an, 0, nstored);
		an->reason = NULL;
	}
	tree->branches = normalize_level(an, copyObject(query));
	if (an->reason == NULL || an->impossible)
		return;
	forget_stages(an, 0, nstored);
	analyze_whole(an, query, tree);
}

/* The stage that the top shows as it is, or NULL. */
static Stage *
shown_stage(const QueryTree *tree)
{
	Branch	   *branch;
	Factor	   *factor;
	int			column = 0;
	ListCell   *lc;

	if (tree->aggregated || list_length(tree->branches) != 1)
		return NULL;
	branch = linitial(tree->branches);
	if (list_length(branch->factors) != 1 || branch->quals != NIL)
		return NULL;
	factor = linitial(branch->factors);
	if (factor->stage == NULL)
		return NULL;
	foreach(lc, branch->targets)
	{
		Var		   *var = lfirst(lc);

		if (!IsA(var, Var) || var->varattno != ++column)
			return NULL;
	}
	return factor->stage;
}

static bool
shows_key(const Stage *stage)
{
	for (int i = 0; i < list_length(stage->columns); i++)
		if (stage->origins[i] != 0)
			return true;
	return false;
}

Stage *
tree_reevaluated(const QueryTree *tree)
{
	Stage	   *stage = shown_stage(tree);

	if (stage == NULL || stage->rule != STAGE_PARTITION)
		return NULL;
	return stage->nkeys == 0 ||
		(stage->undetermined != NULL && shows_key(stage)) ? stage : NULL;
}

/*
 * Rows of the stream table that have a key are found by it, whatever else they
 * show.  So it does no harm that a row to be replaced, computed again, has a
 * value that is merely as good as the one that is stored; and if that is not
 * replaced, because the new one looks like the old one computed again, it is still
 * what the query may give (determined.c).  Other readers of the stage would tell
 * the two apart.
 */
static bool
replaced_by_key(const Analysis *an, const QueryTree *tree, const Stage *stage)
{
	Identity	identity;
	const char *reason;

	return an->whole && stage->equal_again && stage == shown_stage(tree) &&
		identity_derive(tree, &identity, &reason) &&
		(identity.kind == IDENTITY_KEY || identity.kind == IDENTITY_KEY_HASH);
}

/*
 * A stage whose result may come out differently the next time can only be what
 * the top shows: nobody then asks what it was before, or only by its key.
 */
static const char *
undetermined_stage(const Analysis *an, const QueryTree *tree)
{
	ListCell   *lc;

	foreach(lc, tree->stages)
	{
		Stage	   *stage = lfirst(lc);

		if (stage->undetermined != NULL && stage != tree_reevaluated(tree) &&
			!replaced_by_key(an, tree, stage))
			return stage->undetermined;
	}
	return NULL;
}

QueryTree *
analyze_tree(Analysis *an, Query *query)
{
	QueryTree  *tree = palloc0(sizeof(QueryTree));
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk)
			tree->outputs = lappend(tree->outputs,
									make_output(tle->resname ? tle->resname : "",
												(Node *) tle->expr));
	}
	analyze_top(an, query, tree);
	tree->reason = an->reason;
	tree->stages = an->stages;
	if (tree->reason == NULL)
		tree->reason = undetermined_stage(an, tree);
	return tree;
}

QueryTree *
analyze_query(Query *query, List *polled)
{
	SharedStages shared = {.polled = polled};
	Analysis	an = {.shared = &shared,.whole = true};
	QueryTree  *tree;

	settle_order(query);
	tree = analyze_tree(&an, inline_ctes(query));
	tree->stored = shared.stored;
	tree->nnumbers = list_length(shared.all);
	return tree;
}
