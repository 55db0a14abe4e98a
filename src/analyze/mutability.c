/*-------------------------------------------------------------------------
 *
 * mutability.c
 *	  What keeps a query from being a function of its sources.
 *
 * PostgreSQL knows which functions are immutable; pinned.c adds those that are
 * so under the settings of a refresh.  Conversions from and to text call the
 * input and output functions of their types.  now() is an input like a table;
 * what may be done with it is clock.c's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "analyze/analyze_internal.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

typedef struct MutableWalk
{
	List	   *queries;		/* of Query: the levels around */
	Node	   *node;			/* whose functions are looked at */
	const char *reason;
} MutableWalk;

static bool
note_mutable(Oid funcid, void *context)
{
	MutableWalk *walk = context;
	char		volatility = func_volatile(funcid);
	ListCell   *lc;

	/* an aggregate of a user is called immutable, whatever it is made of */
	if (funcid >= FirstNormalObjectId)
		foreach(lc, aggregate_functions(funcid))
			if (OidIsValid(lfirst_oid(lc)) && note_mutable(lfirst_oid(lc), context))
				return true;
	if (volatility == PROVOLATILE_IMMUTABLE || funcid == F_NOW ||
		call_is_pinned(walk->node, funcid, walk->queries))
		return false;
	walk->reason = psprintf("it calls function %s, which is %s",
							format_procedure(funcid),
							volatility == PROVOLATILE_STABLE ? "stable" : "volatile");
	return true;
}

/* Values of a type are made from text that is data. */
static bool
note_input(Oid type, MutableWalk *walk)
{
	if (!OidIsValid(type) || type_input_is_pinned(type))
		return false;
	walk->reason = psprintf("it reads type %s from text, which is not immutable",
							format_type_be(type));
	return true;
}

static bool
note_inputs(List *types, MutableWalk *walk)
{
	ListCell   *lc;

	foreach(lc, types)
		if (note_input(lfirst_oid(lc), walk))
			return true;
	return false;
}

/* Is a node mutable, apart from what is below it? */
static bool
node_is_mutable(Node *node, MutableWalk *walk)
{
	ListCell   *lc;

	if (IsA(node, SQLValueFunction))
	{
		walk->reason = "it uses the current time or user";
		return true;
	}
	if (IsA(node, TableFunc))
		return note_inputs(((TableFunc *) node)->coltypes, walk);
	foreach(lc, pgt_json_constructor_args(node))
		if (!output_is_pinned(lfirst(lc), walk->queries, true))
		{
			walk->reason = psprintf("it shows type %s as JSON, which is not immutable",
									format_type_be(exprType(lfirst(lc))));
			return true;
		}
	if (note_input(pgt_json_query_type(node), walk))
		return true;
	walk->node = node;
	return check_functions_in_node(node, note_mutable, walk);
}

static bool
mutable_walker(Node *node, MutableWalk *walk)
{
	bool		result;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		walk->queries = lcons(node, walk->queries);
		result = query_tree_walker((Query *) node, mutable_walker, walk, 0);
		walk->queries = list_delete_first(walk->queries);
		return result;
	}
	if (IsA(node, RangeTblFunction) &&
		record_call_is_pinned((RangeTblFunction *) node))
		return expression_tree_walker((Node *) ((FuncExpr *) ((RangeTblFunction *) node)->funcexpr)->args,
									  mutable_walker, walk);
	return node_is_mutable(node, walk) ||
		expression_tree_walker(node, mutable_walker, walk);
}

const char *
analyze_mutable_reason(Query *query)
{
	MutableWalk walk = {0};

	(void) mutable_walker((Node *) query, &walk);
	return walk.reason;
}
