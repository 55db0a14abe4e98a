/*-------------------------------------------------------------------------
 *
 * restriction.h
 *	  A condition  column = ANY (set), and where else it holds.
 *
 * A refresh reads of a stage only the rows that its changes can meet.  The
 * planner does not push a join's condition into a grouped or windowed query,
 * so such restrictions are put into the text of each input.
 *
 * Several columns may be restricted to the rows of one relation:
 *		exists k in rows with  column_1 = k.element_1 and column_2 = ...
 * That is more than each of the restrictions says, and is what is meant where
 * they stand together.  One of them that goes on alone, to another factor,
 * still says something that is true.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_RESTRICTION_H
#define PGT_RESTRICTION_H

#include "pgt.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "analyze/analyze.h"

typedef struct Restriction
{
	int			column;			/* of the relation that is restricted */
	Oid			opno;			/* column opno element: an equality */
	Oid			collation;		/* its input collation */
	const char *set;			/* SQL: an array or a subquery of elements */
	const char *rows;			/* SQL: the relation, named k, whose rows the
								 * elements are of; NULL: any elements will do */
	const char *element;		/* SQL: the element in such a row */
	bool		or_null;		/* rows where the column is NULL stay too */
} Restriction;

/* A condition of a branch that equates columns of two of its factors. */
typedef struct ColumnEquality
{
	int			factor;			/* 1-based */
	int			column;
	int			other;
	int			other_column;
	Oid			other_type;
	Oid			opno;			/* column opno other_column */
	Oid			collation;
} ColumnEquality;

/* May a column of the type stand left of the operator, without a conversion? */
extern bool restriction_fits(Oid opno, Oid type);
/* The type of the elements, if the column has the given one. */
extern Oid	restriction_element(Oid opno, Oid type);
/* Those of the list that name the same rows, the given one among them. */
extern List *restriction_joint(const Restriction *r, List *restrictions);

/*
 * Append the keyword and then all of the conditions, the i-th on the i-th of
 * exprs (of char *), which has the i-th of the types.
 */
extern void restriction_conditions(StringInfo out, const char *keyword,
								   List *restrictions, List *exprs, List *types);

/* The same on columns <prefix>c<n>; columns is of OutputColumn. */
extern void restrictions_append(StringInfo out, const char *keyword,
								List *restrictions, List *columns,
								const char *prefix);

/* column = element, where the column is expr, of the given type. */
extern void restriction_equality(StringInfo out, const Restriction *r,
								 const char *expr, Oid type, const char *element);

/*
 * Let the elements be column c<column>, of the given type, of a relation.
 */
extern void restriction_to_rows(Restriction *r, Oid type, int column,
								const char *relation);

/* A copy for another column, whose NULLs go. */
extern Restriction *restriction_on(const Restriction *r, int column);

/* Do a = b and b opno x imply a opno x, with the equality given? */
extern bool restriction_follows(const Restriction *r, Oid equality, Oid collation);

/* All equalities of a branch, each in both directions. */
extern List *branch_equalities(const Branch *branch);

extern char *plain_type_name(Oid type);
#endif							/* PGT_RESTRICTION_H */
