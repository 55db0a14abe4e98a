/*-------------------------------------------------------------------------
 *
 * readable.c
 *	  Expressions of a branch or stage in the words of the query: columns by
 *	  the names of their tables.
 *
 * A column of a stage is shown as the table's column that it is, where it is
 * just that, else as stage_<n>.c<m>.  The text is for people, never run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "parser/parse_relation.h"
#include "sqlgen/sqlgen.h"
#include "sqlgen/stage_sql.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

/* What the Vars of an expression are called: each has a relation of its own. */
typedef struct Readable
{
	const Branch *branch;
	List	   *rtable;
	List	   *names;
} Readable;

/* A Var of a new relation with that one column. */
static Var *
named_var(Readable *r, const Var *var, const char *relation, const char *column)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);

	rte->rtekind = RTE_CTE;
	rte->ctename = pstrdup(relation);
	rte->alias = rte->eref = makeAlias(relation,
									   list_make1(makeString(pstrdup(column))));
	rte->inFromCl = true;
	r->rtable = lappend(r->rtable, rte);
	r->names = lappend(r->names, rte->ctename);
	return makeVar(list_length(r->rtable), 1, var->vartype, var->vartypmod,
				   var->varcollid, 0);
}

/*
 * Where a column of a stage comes from: the branch and the expression in it,
 * or NULL if the stage makes it.
 */
static Node *
column_origin(const Stage *stage, int column, const Branch **branch)
{
	for (;;)
	{
		if (stage->rule == STAGE_SUM)
		{
			*branch = linitial(stage->branches);
			return list_length(stage->branches) == 1 ?
				list_nth((*branch)->targets, column - 1) : NULL;
		}
		if (OidIsValid(stage->polled))
		{
			*branch = linitial(stage->tree->branches);
			return list_nth((*branch)->targets, column - 1);
		}
		if (stage->rule == STAGE_STORED || stage->inputs == NIL ||
			stage->origins[column - 1] == 0)
			return NULL;
		column = stage->origins[column - 1];
		if (stage->rule == STAGE_PARTITION)
			column = stage_input_at(stage, 0)->keys[column - 1];
		stage = stage_input_at(stage, 0)->stage;
	}
}

static char *
function_column(RangeTblEntry *function, int column)
{
	List	   *names;

	expandRTE(function, 1, 0, VAR_RETURNING_DEFAULT, -1, true, &names, NULL);
	return strVal(list_nth(names, column - 1));
}

static Var *
name_var(Readable *r, const Var *var, const Branch *branch)
{
	const Factor *factor = list_nth(branch->factors, var->varno - 1);
	const Branch *below;
	Var		   *origin;

	if (OidIsValid(factor->relid))
		return named_var(r, var, get_rel_name(factor->relid),
						 get_attname(factor->relid, var->varattno, false));
	if (factor->function != NULL)
		return named_var(r, var, factor->function->eref->aliasname,
						 function_column(factor->function, var->varattno));
	origin = (Var *) strip_relabel(column_origin(factor->stage, var->varattno,
												  &below));
	if (origin != NULL && IsA(origin, Var))
		return name_var(r, origin, below);
	return named_var(r, var, psprintf("stage_%d", factor->stage->number),
					 psprintf("c%d", var->varattno));
}

static Node *
name_mutator(Node *node, Readable *r)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
		return (Node *) name_var(r, (Var *) node, r->branch);
	return expression_tree_mutator(node, name_mutator, r);
}

char *
sqlgen_readable(Node *expr, const Branch *branch)
{
	Readable	r = {.branch = branch};
	PlannedStmt *stmt = makeNode(PlannedStmt);
	Node	   *named = name_mutator(expr, &r);

	stmt->rtable = r.rtable;
	return deparse_expression(named, deparse_context_for_plan_tree(stmt, r.names),
							  true, false);
}

char *
sqlgen_readable_column(const Stage *stage, int column)
{
	const Branch *branch;
	Node	   *expr = column_origin(stage, column, &branch);

	return expr != NULL ? sqlgen_readable(expr, branch) :
		psprintf("stage_%d.c%d", stage->number, column);
}
