/*-------------------------------------------------------------------------
 *
 * mutability.c
 *	  Which function keeps an expression from being immutable.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "analyze/analyze.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

static bool
note_mutable(Oid funcid, void *context)
{
	char		volatility = func_volatile(funcid);
	ListCell   *lc;

	/* an aggregate of a user is called immutable, whatever it is made of */
	if (funcid >= FirstNormalObjectId)
		foreach(lc, aggregate_functions(funcid))
			if (OidIsValid(lfirst_oid(lc)) && note_mutable(lfirst_oid(lc), context))
				return true;
	if (volatility == PROVOLATILE_IMMUTABLE)
		return false;
	*(const char **) context = psprintf("it calls function %s, which is %s",
										format_procedure(funcid),
										volatility == PROVOLATILE_STABLE ? "stable" : "volatile");
	return true;
}

static bool
mutable_walker(Node *node, const char **reason)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, note_mutable, reason))
		return true;
	if (IsA(node, SQLValueFunction))
	{
		*reason = "it uses the current time or user";
		return true;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, mutable_walker, reason, 0);
	return expression_tree_walker(node, mutable_walker, reason);
}

const char *
analyze_mutable_reason(Node *node)
{
	const char *reason = NULL;

	if (mutable_walker(node, &reason))
		return reason;
	return contain_mutable_functions(node) ?
		"it calls a function that is not immutable" : NULL;
}
