/*-------------------------------------------------------------------------
 *
 * level.c
 *	  Normalise one level of a query to a sum of branches.
 *
 * The rewritings used, each an identity of multisets:
 *
 *		A JOIN B ON p                   =  sigma_p(A x B)
 *		FROM (SELECT e FROM A WHERE p)  =  pi_e(sigma_p(A))   substituted
 *		(A + B) x C                     =  A x C + B x C
 *		sigma, pi (A + B)               =  sigma, pi (A) + sigma, pi (B)
 *
 * What a level does after that (grouping, windows, DISTINCT, LIMIT), outer
 * joins, and subqueries in expressions become stages, and a stage is a factor
 * like a table.  The order in which SQL applies them is
 *
 *		FROM, WHERE > GROUP BY, HAVING > windows > DISTINCT > LIMIT
 *
 * so a level is taken apart from its end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"

/* Beyond this many branches we give up. */
#define MAX_BRANCHES 64

/* A product of sums may explode; beyond this some of the sums become stages. */
#define MAX_PRODUCT 16

/* How the range table entries of one Query appear in one branch. */
typedef struct Substitution
{
	Analysis   *an;
	int			nrte;
	int		   *factor;			/* per rtindex: number of its factor, or 0 */
	List	  **exprs;			/* per rtindex: of Node, its columns */
} Substitution;

static Node *
substitute_var(Var *var, Substitution *subst)
{
	Node	   *expr;

	if (var->varlevelsup != 0 || var->varno < 1 || var->varno > subst->nrte)
	{
		subst->an->reason = "it refers to an outer query";
		return (Node *) var;
	}
	if (var->varattno < 0)
		subst->an->reason = "it uses a system column";
	else if (subst->factor[var->varno] != 0)
		return (Node *) makeVar(subst->factor[var->varno], var->varattno,
								var->vartype, var->vartypmod, var->varcollid, 0);
	if (subst->an->reason != NULL)
		return (Node *) var;
	expr = var->varattno == 0 ||
		var->varattno > list_length(subst->exprs[var->varno]) ? NULL :
		list_nth(subst->exprs[var->varno], var->varattno - 1);
	if (expr == NULL)
	{
		subst->an->reason = "it uses a column in an unknown way";
		return (Node *) var;
	}
	return copyObject(expr);
}

static Node *
substitute_mutator(Node *node, Substitution *subst)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return substitute_var((Var *) node, subst);
	if (IsA(node, SubLink) || IsA(node, Query))
	{
		subst->an->reason = "it has a subquery in an unknown place";
		return node;
	}
	return expression_tree_mutator(node, substitute_mutator, subst);
}

/* ---- FROM ---- */

const char *
relation_reason(const Analysis *an, const RangeTblEntry *rte)
{
	if (rte->tablesample != NULL)
		return "TABLESAMPLE is recomputed";
	if (is_polled(an, rte->relid))
		return NULL;
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

static List *
table_branches(Analysis *an, Oid relid)
{
	Branch	   *branch = palloc0(sizeof(Branch));
	Factor	   *factor = palloc0(sizeof(Factor));

	if (is_polled(an, relid))
		return polled_branches(an, relid);
	factor->relid = relid;
	branch->factors = list_make1(factor);
	return list_make1(branch);
}

static List *
stored_branches(Analysis *an, Query *query)
{
	Stage	   *stage = stage_stored(an, query);

	return stage == NULL ? NIL : stage_branches(stage);
}

/* Does a change of some rows of a group change its row, whatever else it has? */
static bool
merges_groups(const QueryTree *tree)
{
	Identity	identity;
	const char *reason;
	ListCell   *lc;

	if (!tree->aggregated || tree->nkeys == 0 ||
		!identity_derive(tree, &identity, &reason) || identity.kind != IDENTITY_KEY)
		return false;
	foreach(lc, tree->calls)
		if (((AggregateCall *) lfirst(lc))->kind == AGGREGATE_RECOMPUTE)
			return false;
	return true;
}

/*
 * Groups that are grouped again are kept if they can be merged: a change then
 * costs the same however many rows its group has.  NIL if they cannot.
 */
static List *
regrouped_branches(From *from, Query *query)
{
	Analysis   *an = from->an;
	int			nstages = list_length(an->stages);
	int			nstored = list_length(an->shared->stored);
	List	   *branches;

	if (!query_is_grouped(from->query))
		return NIL;
	branches = stored_branches(an, copyObject(query));
	if (branches != NIL && an->reason == NULL &&
		merges_groups(((Stage *) llast(an->shared->stored))->tree))
		return branches;
	forget_stages(an, nstages, nstored);
	an->reason = NULL;
	an->impossible = false;
	return NIL;
}

/* The branches that one range table entry stands for; NIL for a function. */
static List *
rte_branches(From *from, RangeTblEntry *rte)
{
	Stage	   *stage;
	List	   *branches;

	switch (rte->rtekind)
	{
		case RTE_RELATION:
			from->an->reason = relation_reason(from->an, rte);
			return table_branches(from->an, rte->relid);
		case RTE_SUBQUERY:
			if (find_stored(from->an, rte->subquery) != NULL)
				return stored_branches(from->an, rte->subquery);
			if (!query_is_grouped(rte->subquery) || has_outer_references(rte->subquery))
				return normalize_query(from->an, rte->subquery);
			if (from->store)
				return stored_branches(from->an, rte->subquery);
			branches = regrouped_branches(from, rte->subquery);
			return branches != NIL ? branches : normalize_query(from->an, rte->subquery);
		case RTE_FUNCTION:
		case RTE_TABLEFUNC:
		case RTE_VALUES:
			return NIL;
		case RTE_CTE:
			stage = stage_of_rte(from->an, rte);
			if (stage != NULL)
				return stage_branches(stage);
			break;
		default:
			break;
	}
	from->an->reason = "its FROM clause has an unknown form";
	return NIL;
}

static void
add_item(From *from, int rtindex)
{
	RangeTblEntry *rte = rt_fetch(rtindex, from->query->rtable);
	FromItem	   *item;

	if (rte->rtekind == RTE_SUBQUERY && rte->lateral &&
		has_outer_references(rte->subquery))
	{
		from->laterals = lappend_int(from->laterals, rtindex);
		return;
	}
	item = palloc0(sizeof(FromItem));
	item->rtindex = rtindex;
	item->branches = rte_branches(from, rte);
	from->items = lappend(from->items, item);
	/* row security's conditions; they are in terms of this level */
	from->quals = list_concat(from->quals, copyObject(rte->securityQuals));
}

static void
add_outer_join(From *from, JoinExpr *join)
{
	FromItem	   *item = palloc0(sizeof(FromItem));
	Stage	   *stage = outer_join_stage(from->an, from->query, join, &item->columns);

	if (from->an->reason != NULL)
		return;
	item->branches = stage_branches(stage);
	from->items = lappend(from->items, item);
}

/*
 * A row that says something about many changes with every one of them.  So it
 * is kept, and so are the groups it is compared with: else they would all have
 * to be computed whenever it changes.
 */
static bool
has_single_row(const Query *query)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_SUBQUERY && query_is_single_row(rte->subquery))
			return true;
	}
	return false;
}

/* Gather the items and conditions of a join tree. */
static void
collect(From *from, Node *node)
{
	if (node == NULL || from->an->reason != NULL)
		return;
	if (IsA(node, RangeTblRef))
		add_item(from, ((RangeTblRef *) node)->rtindex);
	else if (IsA(node, FromExpr))
	{
		FromExpr   *f = (FromExpr *) node;
		ListCell   *lc;

		foreach(lc, f->fromlist)
			collect(from, lfirst(lc));
		from->quals = list_concat(from->quals, make_ands_implicit((Expr *) f->quals));
	}
	else if (IsA(node, JoinExpr) && ((JoinExpr *) node)->jointype == JOIN_INNER)
	{
		JoinExpr   *join = (JoinExpr *) node;

		collect(from, join->larg);
		collect(from, join->rarg);
		from->quals = list_concat(from->quals, make_ands_implicit((Expr *) join->quals));
	}
	else if (IsA(node, JoinExpr))
		add_outer_join(from, (JoinExpr *) node);
	else
		from->an->reason = "its FROM clause has an unknown form";
}

/* ---- the product ---- */

static void
place_columns(Substitution *subst, List *columns, List *targets)
{
	ListCell   *lc,
			   *lt;

	forboth(lc, columns, lt, targets)
	{
		Var		   *var = lfirst(lc);
		List	  **exprs;

		if (!IsA(var, Var))
			continue;			/* computed for the join's own use */
		exprs = &subst->exprs[var->varno];
		while (list_length(*exprs) < var->varattno)
			*exprs = lappend(*exprs, NULL);
		lfirst(list_nth_cell(*exprs, var->varattno - 1)) = lfirst(lt);
	}
}

/* Append one of an item's branches to the branch being made. */
static void
multiply(Substitution *subst, Branch *branch, const FromItem *item, const Branch *part)
{
	int			offset = list_length(branch->factors);
	List	   *targets = copyObject(part->targets);
	List	   *quals = copyObject(part->quals);
	ListCell   *lc;

	OffsetVarNodes((Node *) targets, offset, 0);
	OffsetVarNodes((Node *) quals, offset, 0);
	if (item->rtindex == 0)
		place_columns(subst, item->columns, targets);
	else if (targets == NIL)
		subst->factor[item->rtindex] = offset + 1;
	else
		subst->exprs[item->rtindex] = targets;
	branch->quals = list_concat(branch->quals, quals);
	foreach(lc, part->factors)
	{
		Factor	   *factor = palloc(sizeof(Factor));

		*factor = *(Factor *) lfirst(lc);
		if (factor->function != NULL && offset > 0)
		{
			factor->function = copyObject(factor->function);
			OffsetVarNodes((Node *) factor->function->functions, offset, 0);
			OffsetVarNodes((Node *) factor->function->values_lists, offset, 0);
			OffsetVarNodes((Node *) factor->function->tablefunc, offset, 0);
		}
		branch->factors = lappend(branch->factors, factor);
	}
}

/* Append a function; its arguments are expressions of this level. */
static void
multiply_function(Substitution *subst, Branch *branch, const FromItem *item,
				  Query *query)
{
	Factor	   *factor = palloc0(sizeof(Factor));
	RangeTblEntry *rte = copyObject(rt_fetch(item->rtindex, query->rtable));

	factor->function = rte;
	branch->factors = lappend(branch->factors, factor);
	subst->factor[item->rtindex] = list_length(branch->factors);
	rte->functions = (List *) substitute_mutator((Node *) rte->functions, subst);
	rte->values_lists = (List *) substitute_mutator((Node *) rte->values_lists, subst);
	rte->tablefunc = (TableFunc *) substitute_mutator((Node *) rte->tablefunc, subst);
}

/* One branch: the chosen branch of each item. */
static Branch *
product(From *from, const int *choice, List *quals, List *targets)
{
	Substitution subst = {.an = from->an};
	Branch	   *branch = palloc0(sizeof(Branch));
	int			i = 0;
	ListCell   *lc;

	subst.nrte = list_length(from->query->rtable);
	subst.factor = palloc0(sizeof(int) * (subst.nrte + 1));
	subst.exprs = palloc0(sizeof(List *) * (subst.nrte + 1));
	foreach(lc, from->items)
	{
		FromItem	   *item = lfirst(lc);

		if (item->branches == NIL)
			multiply_function(&subst, branch, item, from->query);
		else
			multiply(&subst, branch, item, list_nth(item->branches, choice[i]));
		i++;
	}
	branch->quals = list_concat(branch->quals,
								(List *) substitute_mutator((Node *) quals, &subst));
	branch->targets = (List *) substitute_mutator((Node *) targets, &subst);
	return branch;
}

List *
from_products(From *from, List *quals, List *targets)
{
	int			nitems = list_length(from->items);
	int		   *choice = palloc0(sizeof(int) * (nitems + 1));
	List	   *result = NIL;

	for (;;)
	{
		int			i;

		result = lappend(result, product(from, choice, quals, targets));
		if (from->an->reason == NULL && list_length(result) > MAX_BRANCHES)
			from->an->reason = "its UNION ALLs multiply to too many branches";
		if (from->an->reason != NULL)
			return NIL;
		for (i = 0; i < nitems; i++)
		{
			if (++choice[i] < list_length(((FromItem *) list_nth(from->items, i))->branches))
				break;
			choice[i] = 0;
		}
		if (i == nitems)
			return result;
	}
}

/* A function of the clock, and of no table? */
static bool
is_clock_function(const RangeTblEntry *rte)
{
	Node	   *parts[] = {(Node *) rte->functions, (Node *) rte->values_lists,
	(Node *) rte->tablefunc};
	bool		result = false;

	for (int i = 0; i < lengthof(parts); i++)
	{
		if (checkExprHasSubLink(parts[i]) || contain_vars_of_level(parts[i], 0) ||
			expr_has_outer_references(parts[i]))
			return false;
		result = result || uses_clock(parts[i]);
	}
	return result;
}

/* The rows of a function as a stage, so that only those count that change. */
static List *
function_branches(Analysis *an, RangeTblEntry *rte)
{
	Branch	   *branch = palloc0(sizeof(Branch));
	Factor	   *factor = palloc0(sizeof(Factor));
	List	   *names;

	factor->function = copyObject(rte);
	branch->factors = list_make1(factor);
	expandRTE(rte, 1, 0, VAR_RETURNING_DEFAULT, -1, true, &names, &branch->targets);
	return stage_branches(stage_sum(an, list_make1(branch)));
}

/*
 * An item whose columns hold set-returning calls must not be substituted into
 * conditions: it becomes a stage.  So does a function of the clock.
 */
static void
fence_items(From *from)
{
	ListCell   *lc;

	foreach(lc, from->items)
	{
		FromItem	   *item = lfirst(lc);

		if (item->branches == NIL)
		{
			RangeTblEntry *rte = rt_fetch(item->rtindex, from->query->rtable);

			if (is_clock_function(rte))
				item->branches = function_branches(from->an, rte);
		}
		else if (expression_returns_set((Node *) ((Branch *) linitial(item->branches))->targets))
			item->branches = stage_branches(stage_sum(from->an, item->branches));
	}
}

static void
limit_product(From *from)
{
	for (;;)
	{
		double		total = 1;
		FromItem   *largest = NULL;
		ListCell   *lc;

		foreach(lc, from->items)
		{
			FromItem   *item = lfirst(lc);

			total *= Max(list_length(item->branches), 1);
			if (largest == NULL ||
				list_length(item->branches) > list_length(largest->branches))
				largest = item;
		}
		if (list_length(from->items) < 2 || total <= MAX_PRODUCT)
			return;
		largest->branches = stage_branches(stage_sum(from->an, largest->branches));
	}
}

List *
normalize_from(Analysis *an, Query *query, Node *jointree, List *quals,
			   List *targets)
{
	From		from = {.an = an,.query = query};

	from.store = has_single_row(query);
	collect(&from, jointree);
	if (an->reason != NULL)
		return NIL;
	fence_items(&from);
	limit_product(&from);
	quals = join_memberships(&from, list_concat(from.quals, copyObject(quals)));
	if (an->reason != NULL)
		return NIL;
	if (from.laterals != NIL || checkExprHasSubLink((Node *) quals) ||
		checkExprHasSubLink((Node *) targets))
		return normalize_subqueries(&from, quals, targets);
	return from_products(&from, quals, targets);
}

List *
normalize_core(Analysis *an, Query *query, List *targets)
{
	return normalize_from(an, query, (Node *) query->jointree, NIL, targets);
}

/* ---- a level ---- */

List *
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

/*
 * All references to columns of the level.  A join's range table entry lists
 * all columns of its sides, used or not, so those are not looked at.
 */
List *
level_vars(Query *query)
{
	List	   *vars = list_concat(pull_vars_of_level((Node *) query->targetList, 0),
								   pull_vars_of_level((Node *) query->jointree, 0));
	ListCell   *lc;

	vars = list_concat(vars, pull_vars_of_level(query->havingQual, 0));
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_SUBQUERY)
			vars = list_concat(vars, pull_vars_of_level((Node *) rte->subquery, 1));
		vars = list_concat(vars, pull_vars_of_level((Node *) rte->functions, 0));
		vars = list_concat(vars, pull_vars_of_level((Node *) rte->values_lists, 0));
		vars = list_concat(vars, pull_vars_of_level((Node *) rte->tablefunc, 0));
		vars = list_concat(vars, pull_vars_of_level((Node *) rte->securityQuals, 0));
	}
	return vars;
}

/* Replace references to join columns (and, from 18, to GROUP BY columns). */
void
flatten_aliases(Query *query)
{
	ListCell   *lc;

	query->targetList = (List *)
		pgt_flatten_query_aliases(query, (Node *) query->targetList);
	query->havingQual = pgt_flatten_query_aliases(query, query->havingQual);
	pgt_forget_group_rte(query);
	if (query->jointree != NULL)
		query->jointree = (FromExpr *)
			pgt_flatten_query_aliases(query, (Node *) query->jointree);
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_SUBQUERY && rte->lateral)
			rte->subquery = (Query *)
				pgt_flatten_query_aliases(query, (Node *) rte->subquery);
		else if (rte->rtekind == RTE_FUNCTION)
			rte->functions = (List *)
				pgt_flatten_query_aliases(query, (Node *) rte->functions);
		else if (rte->rtekind == RTE_TABLEFUNC)
			rte->tablefunc = (TableFunc *)
				pgt_flatten_query_aliases(query, (Node *) rte->tablefunc);
		else if (rte->rtekind == RTE_VALUES)
			rte->values_lists = (List *)
				pgt_flatten_query_aliases(query, (Node *) rte->values_lists);
	}

}

List *
normalize_level(Analysis *an, Query *query)
{
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		an->reason = "it is not a SELECT";
	else if (query->rowMarks != NIL)
		an->reason = "it locks rows (FOR UPDATE or FOR SHARE)";
	else if (query->hasRecursive || query->cteList != NIL)
		return normalize_recursion(an, query);
	if (an->reason != NULL)
		return NIL;
	if (query->limitCount != NULL || query->limitOffset != NULL)
		return normalize_limit(an, query);
	if (query->distinctClause != NIL)
		return normalize_distinct(an, query);
	if (query->setOperations != NULL)
		return normalize_setop(an, query);
	flatten_aliases(query);
	if (query->hasWindowFuncs)
		return normalize_windows(an, query);
	if (query_is_grouped(query))
		return normalize_groups(an, query);
	pull_up_scalars(query, true);
	return normalize_core(an, query, visible_targets(query));
}

static bool
is_undetermined(Analysis *an, int first_stage)
{
	for (int i = first_stage; i < list_length(an->stages); i++)
		if (((Stage *) list_nth(an->stages, i))->undetermined != NULL)
			return true;
	return false;
}

List *
normalize_query(Analysis *an, Query *query)
{
	Query	   *original = copyObject(query);
	int			nstages = list_length(an->stages);
	int			nstored = list_length(an->shared->stored);
	List	   *result = normalize_level(an, query);

	if (an->impossible || (an->reason == NULL && !is_undetermined(an, nstages)))
		return result;
	forget_stages(an, nstages, nstored);
	if (an->reason != NULL)
	{
		an->reason = NULL;
		result = normalize_opaque(an, copyObject(original), "query", false);
		if (an->reason != NULL || !is_undetermined(an, nstages))
			return result;
		forget_stages(an, nstages, nstored);
	}
	/* computed again, it may come out otherwise: keep what it was */
	return stored_branches(an, original);
}
