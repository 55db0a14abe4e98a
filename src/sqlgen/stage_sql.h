/*-------------------------------------------------------------------------
 *
 * stage_sql.h
 *	  What a stage holds now, as SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_STAGE_SQL_H
#define PGT_STAGE_SQL_H

#include "pgt.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "analyze/analyze.h"
#include "sqlgen/restriction.h"

/*
 * Append a query for the rows of a stage, columns c1, c2, ..., that satisfy all
 * of the restrictions (of Restriction).
 */
extern void stage_state_sql(const Stage *stage, List *restrictions,
							StringInfo out);

/* The same for a factor of a branch, as item s<scan> of a FROM clause. */
extern void factor_state_sql(const Branch *branch, int scan,
							 List *restrictions, StringInfo out);

/*
 * A restriction of a column of one factor also holds, by the branch's
 * equalities, for columns of others.  pushed[i - 1] gets those of factor i if
 * it is a stage.
 */
extern void branch_restrict(const Branch *branch, List *equalities, int factor,
							int column, const Restriction *r, List **pushed);

/*
 * Append the query of a block over given inputs, columns c1, c2, ...:
 * inputs[i] is the text of input i, first a WITH item to precede them or "".
 */
extern void block_sql(const Stage *stage, const char *first,
					  char *const *inputs, StringInfo out);

/*
 * Restrictions of input i of a LINEAR block to the rows that match some row of
 * a relation which has columns of the first input.
 */
extern List *linear_match(const Stage *stage, int i, const char *left_relation);

/* False if some stage is two inputs of a block, which share a name then. */
extern bool stage_inputs_differ(const Stage *stage);

static inline StageInput *
stage_input_at(const Stage *stage, int i)
{
	return (StageInput *) list_nth(stage->inputs, i);
}

static inline OutputColumn *
stage_column(const Stage *stage, int column)
{
	return (OutputColumn *) list_nth(stage->columns, column - 1);
}

#endif							/* PGT_STAGE_SQL_H */
