/*-------------------------------------------------------------------------
 *
 * analyze.c
 *	  Normalise a query to a sum of select-project-join branches with at most
 *	  one aggregate on top.
 *
 * The rewritings used, each an identity of multisets:
 *
 *		A JOIN B ON p                   =  sigma_p(A x B)
 *		FROM (SELECT e FROM A WHERE p)  =  pi_e(sigma_p(A))   substituted
 *		(A + B) x C                     =  A x C + B x C
 *		sigma, pi (A + B)               =  sigma, pi (A) + sigma, pi (B)
 *		agg(x) FILTER (WHERE p)         =  agg(CASE WHEN p THEN x END)
 *		count(*) FILTER (WHERE p)       =  count(CASE WHEN p THEN true END)
 *		SELECT DISTINCT e               =  SELECT e GROUP BY e
 *		GROUP BY pk, selecting c        =  GROUP BY pk, c     (pk determines c)
 *
 * The FILTER forms hold because every aggregate accepted ignores NULL inputs.
 * Whatever is not recognised stops the analysis with a reason; nothing is
 * guessed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* A product of sums may explode; beyond this many branches we give up. */
#define MAX_BRANCHES 64

/* How the range table entries of one Query appear in one branch. */
typedef struct Substitution
{
	int			nrte;
	int		   *scan;			/* per rtindex: varno of its scan, or 0 */
	List	  **exprs;			/* per rtindex: target expressions, or NIL */
	const char *reason;			/* set by the mutator */
} Substitution;

static List *normalize_query(Query *query, const char **reason);

static Node *
substitute_mutator(Node *node, Substitution *subst)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varlevelsup != 0 || var->varno < 1 || var->varno > subst->nrte)
		{
			subst->reason = "it refers to an outer query";
			return node;
		}
		if (subst->scan[var->varno] != 0)
		{
			Var		   *copy;

			if (var->varattno < 0)
				subst->reason = "it uses a system column";
			else if (var->varattno == 0)
				subst->reason = "it uses a whole row as a value";
			copy = makeVar(subst->scan[var->varno], var->varattno, var->vartype,
						   var->vartypmod, var->varcollid, 0);
			return (Node *) copy;
		}
		if (var->varattno < 1 ||
			var->varattno > list_length(subst->exprs[var->varno]))
		{
			subst->reason = "it uses a whole row as a value";
			return node;
		}
		return copyObject(list_nth(subst->exprs[var->varno], var->varattno - 1));
	}
	return expression_tree_mutator(node, substitute_mutator, subst);
}

static Node *
substitute(Node *node, Substitution *subst)
{
	return substitute_mutator(node, subst);
}

/* The constructs of one SELECT level that no rule below the aggregate serves. */
static const char *
select_level_reason(Query *query)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		return "it is not a SELECT";
	if (query->hasRowSecurity)
		return "row-level security applies to one of its sources";
	if (query->hasRecursive)
		return "WITH RECURSIVE is recomputed";
	if (query->cteList != NIL)
		return "WITH is recomputed";
	if (query->hasWindowFuncs)
		return "window functions are recomputed";
	if (query->hasTargetSRFs)
		return "set-returning functions in the select list are recomputed";
	if (query->hasSubLinks)
		return "subqueries in expressions are recomputed";
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return "LIMIT and OFFSET are recomputed";
	if (query->rowMarks != NIL)
		return "it locks rows (FOR UPDATE or FOR SHARE)";
	if (query->groupingSets != NIL)
		return "grouping sets are recomputed";
	if (query->havingQual != NULL)
		return "HAVING is recomputed";
	if (query->hasDistinctOn)
		return "DISTINCT ON is recomputed";
	return NULL;
}

/* Replace references to join columns (and, from 18, to GROUP BY columns). */
static void
flatten_aliases(Query *query)
{
	query->targetList = (List *)
		pgt_flatten_query_aliases(query, (Node *) query->targetList);
	if (query->jointree != NULL)
		query->jointree = (FromExpr *)
			pgt_flatten_query_aliases(query, (Node *) query->jointree);
}

/* Gather range table indexes and conditions of a join tree. */
static bool
collect_jointree(Node *node, List **rtindexes, List **quals,
				 const char **reason)
{
	if (node == NULL)
		return true;
	if (IsA(node, RangeTblRef))
	{
		*rtindexes = lappend_int(*rtindexes, ((RangeTblRef *) node)->rtindex);
		return true;
	}
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;
		ListCell   *lc;

		foreach(lc, from->fromlist)
			if (!collect_jointree(lfirst(lc), rtindexes, quals, reason))
				return false;
		if (from->quals != NULL)
			*quals = list_concat(*quals, make_ands_implicit((Expr *) from->quals));
		return true;
	}
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype != JOIN_INNER)
		{
			*reason = "outer joins are recomputed";
			return false;
		}
		if (!collect_jointree(join->larg, rtindexes, quals, reason) ||
			!collect_jointree(join->rarg, rtindexes, quals, reason))
			return false;
		if (join->quals != NULL)
			*quals = list_concat(*quals, make_ands_implicit((Expr *) join->quals));
		return true;
	}
	*reason = "its FROM clause has an unknown form";
	return false;
}

static const char *
relation_reason(RangeTblEntry *rte)
{
	if (rte->tablesample != NULL)
		return "TABLESAMPLE is recomputed";
	if (rte->securityQuals != NIL)
		return "row-level security applies to one of its sources";
	switch (rte->relkind)
	{
		case RELKIND_RELATION:
			/* FROM ONLY of a plain table is the table itself. */
			return NULL;
		case RELKIND_PARTITIONED_TABLE:
			if (!rte->inh)
				return "FROM ONLY of a partitioned table is always empty";
			return NULL;
		case RELKIND_FOREIGN_TABLE:
			return "foreign tables are recomputed";
		case RELKIND_MATVIEW:
			return "materialized views as sources are recomputed";
		default:
			return "one of its sources is neither table nor view";
	}
}

static const char *
rte_reason(RangeTblEntry *rte)
{
	switch (rte->rtekind)
	{
		case RTE_RELATION:
			return relation_reason(rte);
		case RTE_SUBQUERY:
			if (rte->lateral)
				return "LATERAL is recomputed";
			return NULL;
		case RTE_FUNCTION:
			return "functions in FROM are recomputed";
		case RTE_TABLEFUNC:
			return "XMLTABLE and JSON_TABLE are recomputed";
		case RTE_VALUES:
			return "VALUES lists are recomputed";
		default:
			return "its FROM clause has an unknown form";
	}
}

/* The branches that one range table entry stands for. */
static List *
rte_branches(RangeTblEntry *rte, const char **reason)
{
	Branch	   *branch;

	*reason = rte_reason(rte);
	if (*reason != NULL)
		return NIL;
	if (rte->rtekind == RTE_SUBQUERY)
		return normalize_query(rte->subquery, reason);

	branch = palloc0(sizeof(Branch));
	branch->relids = list_make1_oid(rte->relid);
	return list_make1(branch);
}

/*
 * Product of the branches of all FROM items: one branch for each way of taking
 * one branch of each item, with the conditions and targets of this level
 * substituted into its numbering.
 */
static List *
product_branches(Query *query, List *rtindexes, List **items, List *quals,
				 List *targets, const char **reason)
{
	int			nrte = list_length(query->rtable);
	int			nitems = list_length(rtindexes);
	int		   *choice = palloc0(sizeof(int) * (nitems + 1));
	List	   *result = NIL;

	for (;;)
	{
		Substitution subst = {0};
		Branch	   *branch = palloc0(sizeof(Branch));
		int			i;
		ListCell   *lc;

		subst.nrte = nrte;
		subst.scan = palloc0(sizeof(int) * (nrte + 1));
		subst.exprs = palloc0(sizeof(List *) * (nrte + 1));

		i = 0;
		foreach(lc, rtindexes)
		{
			int			rtindex = lfirst_int(lc);
			Branch	   *part = list_nth(items[i], choice[i]);
			int			offset = list_length(branch->relids);

			if (rt_fetch(rtindex, query->rtable)->rtekind == RTE_RELATION)
				subst.scan[rtindex] = offset + 1;
			else
			{
				subst.exprs[rtindex] = copyObject(part->targets);
				OffsetVarNodes((Node *) subst.exprs[rtindex], offset, 0);
			}
			if (part->quals != NIL)
			{
				List	   *part_quals = copyObject(part->quals);

				OffsetVarNodes((Node *) part_quals, offset, 0);
				branch->quals = list_concat(branch->quals, part_quals);
			}
			branch->relids = list_concat_copy(branch->relids, part->relids);
			i++;
		}

		branch->quals = list_concat(branch->quals,
									(List *) substitute((Node *) quals, &subst));
		branch->targets = (List *) substitute((Node *) targets, &subst);
		if (subst.reason != NULL)
		{
			*reason = subst.reason;
			return NIL;
		}
		result = lappend(result, branch);
		if (list_length(result) > MAX_BRANCHES)
		{
			*reason = "its UNION ALLs multiply to too many branches";
			return NIL;
		}

		/* next combination */
		for (i = 0; i < nitems; i++)
		{
			if (++choice[i] < list_length(items[i]))
				break;
			choice[i] = 0;
		}
		if (i == nitems)
			break;
	}
	return result;
}

/*
 * Branches of one SELECT level whose columns are the given expressions over
 * the level's range table.
 */
static List *
select_branches(Query *query, List *targets, const char **reason)
{
	List	   *rtindexes = NIL;
	List	   *quals = NIL;
	List	  **items;
	int			i = 0;
	ListCell   *lc;

	if (!collect_jointree((Node *) query->jointree, &rtindexes, &quals, reason))
		return NIL;
	if (rtindexes == NIL)
	{
		*reason = "it has no FROM clause";
		return NIL;
	}

	items = palloc0(sizeof(List *) * list_length(rtindexes));
	foreach(lc, rtindexes)
	{
		items[i] = rte_branches(rt_fetch(lfirst_int(lc), query->rtable), reason);
		if (*reason != NULL)
			return NIL;
		i++;
	}
	return product_branches(query, rtindexes, items, quals, targets, reason);
}

static List *
visible_targets(Query *query)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk)
			result = lappend(result, tle->expr);
	}
	return result;
}

/* Bring a column of a UNION ALL arm to the type the union gives it. */
static Expr *
coerce_union_column(Expr *expr, Oid type, Oid collation)
{
	Node	   *node = (Node *) expr;

	if (exprType(node) != type)
		node = coerce_to_common_type(NULL, node, type, "UNION");
	if (OidIsValid(collation) && exprCollation(node) != collation)
	{
		CollateExpr *collate = makeNode(CollateExpr);

		collate->arg = (Expr *) node;
		collate->collOid = collation;
		collate->location = -1;
		node = (Node *) collate;
	}
	return (Expr *) node;
}

/* Columns of a union's arm take the types of the union. */
static void
coerce_arm(List *branches, const SetOperationStmt *setop)
{
	ListCell   *lb;

	foreach(lb, branches)
	{
		Branch	   *branch = lfirst(lb);
		ListCell   *lt,
				   *ltype,
				   *lcollation;

		forthree(lt, branch->targets, ltype, setop->colTypes,
				 lcollation, setop->colCollations)
			lfirst(lt) = coerce_union_column(lfirst(lt), lfirst_oid(ltype),
											 lfirst_oid(lcollation));
	}
}

/* top: the union whose types the columns must have. */
static List *
union_branches(Query *query, Node *node, SetOperationStmt *top,
			   const char **reason)
{
	if (IsA(node, SetOperationStmt))
	{
		SetOperationStmt *setop = (SetOperationStmt *) node;
		List	   *left;
		List	   *right;

		if (setop->op != SETOP_UNION || !setop->all)
		{
			*reason = "UNION, INTERSECT and EXCEPT are recomputed";
			return NIL;
		}
		left = union_branches(query, setop->larg, setop, reason);
		if (*reason != NULL)
			return NIL;
		right = union_branches(query, setop->rarg, setop, reason);
		if (*reason != NULL)
			return NIL;
		left = list_concat(left, right);
		if (setop != top)
			coerce_arm(left, top);
		return left;
	}
	if (IsA(node, RangeTblRef))
	{
		RangeTblEntry *rte = rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable);
		List	   *arm = normalize_query(rte->subquery, reason);

		if (*reason != NULL)
			return NIL;
		coerce_arm(arm, top);
		return arm;
	}
	*reason = "its set operation has an unknown form";
	return NIL;
}

/* Branches of a query that has no aggregate of its own. */
static List *
normalize_query(Query *query, const char **reason)
{
	List	   *result;

	*reason = select_level_reason(query);
	if (*reason != NULL)
		return NIL;
	if (query->hasAggs || query->groupClause != NIL)
	{
		*reason = "an aggregate below another operator is recomputed";
		return NIL;
	}
	if (query->distinctClause != NIL)
	{
		*reason = "DISTINCT below another operator is recomputed";
		return NIL;
	}
	if (query->setOperations != NULL)
	{
		result = union_branches(query, query->setOperations,
								castNode(SetOperationStmt, query->setOperations),
								reason);
		if (*reason == NULL && list_length(result) > MAX_BRANCHES)
			*reason = "its UNION ALLs multiply to too many branches";
		return result;
	}
	flatten_aliases(query);
	return select_branches(query, visible_targets(query), reason);
}

/* State of turning a select list into expressions over (keys, aggregates). */
typedef struct OutputContext
{
	List	   *keys;			/* of Expr, over the query's range table */
	List	   *args;			/* of Expr: aggregate arguments, distinct */
	List	   *calls;			/* of AggregateCall; arg is a position in args */
	int			nkeys;			/* valid in the second pass */
	const char *reason;
} OutputContext;

static int
list_position(List *list, Node *node)
{
	int			i = 0;
	ListCell   *lc;

	foreach(lc, list)
	{
		i++;
		if (equal(lfirst(lc), node))
			return i;
	}
	return 0;
}

/*
 * First pass: a column outside of aggregates that is no group key depends on
 * the keys (the parser has proved it): it becomes a key itself.
 */
static bool
collect_dependent_keys(Node *node, OutputContext *context)
{
	if (node == NULL || list_position(context->keys, node) != 0)
		return false;
	if (IsA(node, Aggref))
		return false;
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
	arg = call_argument(aggref);
	if (arg != NULL)
	{
		call->arg = list_position(context->args, (Node *) arg);
		if (call->arg == 0)
		{
			context->args = lappend(context->args, arg);
			call->arg = list_length(context->args);
		}
	}
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
	if (IsA(node, GroupingFunc))
		context->reason = "GROUPING() is recomputed";
	return expression_tree_mutator(node, output_mutator, context);
}

static OutputColumn *
make_output(const char *name, Node *expr)
{
	OutputColumn *output = palloc0(sizeof(OutputColumn));

	output->name = pstrdup(name);
	output->type = exprType(expr);
	output->typmod = exprTypmod(expr);
	output->collation = exprCollation(expr);
	return output;
}

/* Analyse a query whose top is GROUP BY, an aggregate, or DISTINCT. */
static void
analyze_aggregated(Query *query, QueryTree *tree)
{
	OutputContext context = {0};
	List	   *targets;
	ListCell   *lc,
			   *lo;

	if (query->distinctClause != NIL)
	{
		if (query->hasAggs || query->groupClause != NIL)
		{
			tree->reason = "DISTINCT above an aggregate is recomputed";
			return;
		}
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
	context.nkeys = list_length(context.keys);

	forboth(lc, visible_targets(query), lo, tree->outputs)
		((OutputColumn *) lfirst(lo))->expr = (Expr *)
			output_mutator(lfirst(lc), &context);
	if (context.reason != NULL)
	{
		tree->reason = context.reason;
		return;
	}

	targets = list_concat_copy(context.keys, context.args);
	if (query->setOperations != NULL)
		tree->reason = "DISTINCT above a set operation is recomputed";
	else
		tree->branches = select_branches(query, targets, &tree->reason);
	tree->aggregated = true;
	tree->nkeys = context.nkeys;
	tree->calls = context.calls;
	foreach(lc, tree->calls)
	{
		AggregateCall *call = lfirst(lc);

		if (call->arg != 0)
			call->arg += context.nkeys;
	}
	foreach(lc, context.keys)
		tree->keytypes = lappend(tree->keytypes, make_output("", lfirst(lc)));
}

QueryTree *
analyze_query(Query *query)
{
	QueryTree  *tree = palloc0(sizeof(QueryTree));
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst(lc);

		if (!tle->resjunk)
			tree->outputs = lappend(tree->outputs,
									make_output(tle->resname, (Node *) tle->expr));
	}

	tree->reason = select_level_reason(query);
	if (tree->reason != NULL)
		return tree;

	if (query->setOperations == NULL &&
		(query->hasAggs || query->groupClause != NIL ||
		 query->distinctClause != NIL))
	{
		flatten_aliases(query);
		analyze_aggregated(query, tree);
	}
	else
		tree->branches = normalize_query(query, &tree->reason);

	foreach(lc, tree->branches)
	{
		Branch	   *branch = lfirst(lc);

		if (tree->reason == NULL)
			tree->reason = analyze_mutable_reason((Node *) branch->quals);
		if (tree->reason == NULL)
			tree->reason = analyze_mutable_reason((Node *) branch->targets);
	}
	foreach(lc, tree->outputs)
		if (tree->reason == NULL)
			tree->reason = analyze_mutable_reason((Node *) ((OutputColumn *) lfirst(lc))->expr);
	return tree;
}
