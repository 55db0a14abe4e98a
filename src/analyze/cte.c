/*-------------------------------------------------------------------------
 *
 * cte.c
 *	  WITH queries are put where they are read.
 *
 * All functions of an accepted query are immutable and it changes nothing, so
 * computing a WITH query twice is computing it once.  A recursive one keeps
 * its WITH, in a subquery of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "analyze/analyze_internal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteManip.h"

typedef struct CteWalk
{
	CommonTableExpr *cte;
	Query	   *query;			/* what stands for it */
	int			depth;
} CteWalk;

static bool
replace_walker(Node *node, CteWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && rte->ctelevelsup == walk->depth &&
			strcmp(rte->ctename, walk->cte->ctename) == 0)
		{
			Query	   *copy = copyObject(walk->query);

			IncrementVarSublevelsUp((Node *) copy, walk->depth, 1);
			rte->rtekind = RTE_SUBQUERY;
			rte->subquery = copy;
			rte->ctename = NULL;
			rte->coltypes = rte->coltypmods = rte->colcollations = NIL;
			rte->ctelevelsup = 0;
			/* the query may call its columns otherwise */
			rte->alias = makeAlias(rte->eref->aliasname, copyObject(rte->eref->colnames));
		}
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		walk->depth++;
		result = query_tree_walker((Query *) node, replace_walker, walk,
								   QTW_EXAMINE_RTES_AFTER);
		walk->depth--;
		return result;
	}
	return expression_tree_walker(node, replace_walker, walk);
}

/* WITH RECURSIVE x AS (...) SELECT * FROM x */
static Query *
recursive_query(CommonTableExpr *cte)
{
	Query	   *query = makeNode(Query);
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	RangeTblRef *ref = makeNode(RangeTblRef);
	CommonTableExpr *copy = copyObject(cte);
	int			column = 0;
	ListCell   *ln,
			   *lt,
			   *lm,
			   *lcollation;

	rte->rtekind = RTE_CTE;
	rte->ctename = cte->ctename;
	rte->inFromCl = true;
	rte->eref = makeAlias(cte->ctename, copyObject(cte->ctecolnames));
	rte->coltypes = copyObject(cte->ctecoltypes);
	rte->coltypmods = copyObject(cte->ctecoltypmods);
	rte->colcollations = copyObject(cte->ctecolcollations);
	ref->rtindex = 1;
	query->commandType = CMD_SELECT;
	query->canSetTag = true;
	query->hasRecursive = true;
	/* it is one level deeper now: what is beyond the level that it was of */
	IncrementVarSublevelsUp(copy->ctequery, 1, 2);
	query->cteList = list_make1(copy);
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	forfour(ln, cte->ctecolnames, lt, cte->ctecoltypes, lm, cte->ctecoltypmods,
			lcollation, cte->ctecolcollations)
	{
		Var		   *var = makeVar(1, ++column, lfirst_oid(lt), lfirst_int(lm),
								  lfirst_oid(lcollation), 0);

		query->targetList =
			lappend(query->targetList,
					makeTargetEntry((Expr *) var, column,
									pstrdup(strVal(lfirst(ln))), false));
	}
	return query;
}

void
replace_cte(Node *node, CommonTableExpr *cte, Query *standing, int depth)
{
	CteWalk		walk = {.cte = cte,.query = standing,.depth = depth};

	(void) replace_walker(node, &walk);
}

bool
is_recursive_query(const Query *query)
{
	RangeTblEntry *rte;
	int			column = 0;
	ListCell   *lc;

	if (list_length(query->cteList) != 1 || list_length(query->rtable) != 1 ||
		query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs ||
		query->hasSubLinks || query->groupClause != NIL ||
		query->groupingSets != NIL || query->havingQual != NULL ||
		query->distinctClause != NIL || query->sortClause != NIL ||
		query->limitCount != NULL || query->limitOffset != NULL ||
		query->setOperations != NULL || query->jointree->quals != NULL)
		return false;
	foreach(lc, query->targetList)
	{
		Var		   *var = (Var *) ((TargetEntry *) lfirst(lc))->expr;

		if (!IsA(var, Var) || var->varattno != ++column)
			return false;
	}
	rte = linitial(query->rtable);
	return ((CommonTableExpr *) linitial(query->cteList))->cterecursive &&
		rte->rtekind == RTE_CTE && rte->ctelevelsup == 0 &&
		column == list_length(rte->coltypes);
}

static bool
inline_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query) && !is_recursive_query((Query *) node))
	{
		Query	   *query = (Query *) node;
		List	   *ctes = query->cteList;
		ListCell   *lc,
				   *later;

		/* from the outside in: what is put in is taken apart in its place */
		query->cteList = NIL;
		query->hasRecursive = false;
		foreach(lc, ctes)
		{
			CommonTableExpr *cte = lfirst(lc);
			Query	   *standing = cte->cterecursive ? recursive_query(cte) :
				(Query *) cte->ctequery;

			for_each_cell(later, ctes, lnext(ctes, lc))
				replace_cte(((CommonTableExpr *) lfirst(later))->ctequery, cte,
						   standing, 0);
			replace_cte((Node *) query, cte, standing, -1);
		}
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, inline_walker, context, 0);
	return expression_tree_walker(node, inline_walker, context);
}

Query *
inline_ctes(Query *query)
{
	Query	   *result = copyObject(query);

	(void) inline_walker((Node *) result, NULL);
	return result;
}
