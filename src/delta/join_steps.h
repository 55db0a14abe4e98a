/*-------------------------------------------------------------------------
 *
 * join_steps.h
 *	  What the files about joins in steps share: see join_steps.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_JOIN_STEPS_H
#define PGT_JOIN_STEPS_H

#include "delta/delta.h"

/* order: four bits for each group, the number of the factor that has changed */
#define ORDER_BITS		4
#define MAX_STEP_FACTORS	15

typedef struct JoinQual
{
	Node	   *expr;
	Bitmapset  *factors;
} JoinQual;

/* The branch, taken apart for one order. */
typedef struct StepJoin
{
	const DeltaProgram *program;
	const Branch *branch;
	List	   *quals;			/* of JoinQual */
	int			ngroups;
	int			changed[MAX_STEP_FACTORS + 1];	/* per group, from 1 */
	Bitmapset  *groups[MAX_STEP_FACTORS + 1];
	Bitmapset  *prefix[MAX_STEP_FACTORS + 1];	/* factors of P_i */
} StepJoin;

/* A relation in a statement that stands for the delta of some factors. */
typedef struct Piece
{
	const char *name;
	int			window;			/* it is the window of this factor, or 0 */
	List	   *columns;		/* else its columns: of Var */
} Piece;

/* ---- join_quals.c ---- */

/* Of JoinQual. */
extern List *join_quals(const Branch *branch);

/* ---- join_steps.c ---- */

extern StepJoin *begin_join(const DeltaProgram *program, const Branch *branch);
/* The same with its groups. */
extern StepJoin *divide_join(const DeltaProgram *program, const Branch *branch,
							 uint64 order);
/* Has a factor quals of its own; and has its delta still to pass some? */
extern bool has_quals(const StepJoin *join, int factor);
extern bool is_narrowed(const StepJoin *join, int factor);
/* Factors, of some, that equalities connect with others; the others with those. */
extern Bitmapset *add_neighbours(List *equalities, Bitmapset *of,
								 const Bitmapset *among);
extern Bitmapset *add_connected(List *equalities, Bitmapset *set,
								const Bitmapset *among);
/* What the quals of a factor leave of its delta; D_i; dP_i. */
extern Piece *narrowed_piece(const StepJoin *join, int factor);
extern Piece *changes_piece(const StepJoin *join, int i);
extern Piece *prefix_piece(const StepJoin *join, int i);
/* A stage with columns of the types of Vars. */
extern Stage *columns_stage(List *vars);

#endif							/* PGT_JOIN_STEPS_H */
