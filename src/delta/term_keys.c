/*-------------------------------------------------------------------------
 *
 * term_keys.c
 *	  Restrict the stages that a term of a join reads to what its deltas can
 *	  meet.
 *
 * If the branch equates, maybe by way of other columns, column a of a stage
 * with column b of a factor whose delta stands in the term, then only rows of
 * the stage with a = ANY (SELECT b FROM delta) take part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "delta/delta.h"
#include "utils/lsyscache.h"

/*
 * Follow equalities from e to a column of a delta: those after the first must
 * be the same equality of one type, so that they add up to the first.
 */
static const ColumnEquality *
reach_delta(List *equalities, const ColumnEquality *first,
			const ColumnEquality *e, const char *const *deltas, Bitmapset **visited)
{
	int			i = -1;
	ListCell   *lc;

	if (deltas[e->other - 1] != NULL)
		return e;
	foreach(lc, equalities)
	{
		const ColumnEquality *next = lfirst(lc);
		const ColumnEquality *found;
		Oid			left,
					right;

		i++;
		op_input_types(next->opno, &left, &right);
		if (next->factor != e->other || next->column != e->other_column ||
			next->opno != first->opno || next->collation != first->collation ||
			left != right || bms_is_member(i, *visited))
			continue;
		*visited = bms_add_member(*visited, i);
		found = reach_delta(equalities, first, next, deltas, visited);
		if (found != NULL)
			return found;
	}
	return NULL;
}

List *
term_restrictions(const Branch *branch, List *equalities,
				  const char *const *deltas, int scan)
{
	const Factor *factor = list_nth(branch->factors, scan - 1);
	Bitmapset  *restricted = NULL;
	List	   *result = NIL;
	ListCell   *lc;

	/* The planner joins tables well by itself. */
	if (stage_is_flat(factor->stage))
		return NIL;
	foreach(lc, equalities)
	{
		const ColumnEquality *e = lfirst(lc);
		const ColumnEquality *last;
		Bitmapset  *visited = NULL;
		Restriction *r;

		if (e->factor != scan || bms_is_member(e->column, restricted))
			continue;
		last = reach_delta(equalities, e, e, deltas, &visited);
		if (last == NULL)
			continue;
		r = palloc0(sizeof(Restriction));
		r->column = e->column;
		r->opno = e->opno;
		r->collation = e->collation;
		restriction_to_rows(r, last->other_type, last->other_column,
							deltas[last->other - 1]);
		/* the same delta may stand for two factors */
		r->rows = NULL;
		result = lappend(result, r);
		restricted = bms_add_member(restricted, e->column);
	}
	return result;
}
