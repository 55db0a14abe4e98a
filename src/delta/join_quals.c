/*-------------------------------------------------------------------------
 *
 * join_quals.c
 *	  The conditions of a branch, with what they imply.
 *
 * A condition that is an OR of ANDs implies, for each factor that all its arms
 * test, the OR of those tests; and what all arms say holds by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/join_steps.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/prep.h"

/* The part of an arm of an OR that refers to one factor only; NULL if none. */
static Node *
arm_part(Node *arm, int factor)
{
	List	   *part = NIL;
	ListCell   *lc;

	foreach(lc, make_ands_implicit((Expr *) arm))
	{
		int			member;

		if (bms_get_singleton_member(pull_varnos(NULL, lfirst(lc)), &member) &&
			member == factor)
			part = lappend(part, lfirst(lc));
	}
	return part == NIL ? NULL : (Node *) make_ands_explicit(part);
}

/* What an OR over several factors implies for one of them, or NULL. */
static Node *
implied_qual(Node *qual, int factor)
{
	List	   *parts = NIL;
	ListCell   *lc;

	if (!is_orclause(qual))
		return NULL;
	foreach(lc, ((BoolExpr *) qual)->args)
	{
		Node	   *part = arm_part(lfirst(lc), factor);

		if (part == NULL)
			return NULL;
		parts = lappend(parts, part);
	}
	return (Node *) make_orclause(parts);
}

static List *
add_qual(List *quals, Node *expr, Bitmapset *factors)
{
	JoinQual   *qual = palloc(sizeof(JoinQual));

	qual->expr = expr;
	qual->factors = factors;
	return lappend(quals, qual);
}

/* What all arms of an OR say is said once, beside it. */
static List *
canonical_quals(const Branch *branch)
{
	Expr	   *quals = make_ands_explicit(copyObject(branch->quals));

	return make_ands_implicit(canonicalize_qual(quals, false));
}

List *
join_quals(const Branch *branch)
{
	List	   *quals = NIL;
	ListCell   *lc;

	foreach(lc, canonical_quals(branch))
	{
		Bitmapset  *factors = pull_varnos(NULL, lfirst(lc));
		int			factor = -1;

		quals = add_qual(quals, lfirst(lc), factors);
		if (bms_membership(factors) != BMS_MULTIPLE)
			continue;
		while ((factor = bms_next_member(factors, factor)) >= 0)
		{
			Node	   *implied = implied_qual(lfirst(lc), factor);

			if (implied != NULL)
				quals = add_qual(quals, implied, bms_make_singleton(factor));
		}
	}
	return quals;
}

List *
factor_quals(const Branch *branch, int factor)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, join_quals(branch))
	{
		const JoinQual *qual = lfirst(lc);
		int			member;

		if (bms_get_singleton_member(qual->factors, &member) && member == factor)
			result = lappend(result, qual->expr);
	}
	return result;
}
