/*-------------------------------------------------------------------------
 *
 * analyze.h
 *	  From a rewritten Query to the operator tree that the delta rules
 *	  differentiate, or a reason why not.
 *
 * The normal form is
 *
 *		output  <-  [ aggregate ]  <-  branch_1 + branch_2 + ...
 *
 * where a branch is a projection of a selection of a cross product of scans,
 * and + is UNION ALL.  Inner joins, subqueries in FROM, views and UNION ALL at
 * any depth below the aggregate all become that, because each of them
 * distributes over +.
 *
 * Expressions are PostgreSQL's.  In a branch, Var(varno = i, varattno = a) is
 * attribute a of the branch's i-th scan.  In the outputs of an aggregated
 * query, Var(OUTER_VAR, i) is the i-th column of the row
 * (group keys ..., aggregate values ...).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_ANALYZE_H
#define PGT_ANALYZE_H

#include "pgt.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

#include "apply/apply.h"

typedef struct Branch
{
	List	   *relids;			/* of Oid: the scans */
	List	   *quals;			/* of Expr, implicitly ANDed */
	List	   *targets;		/* of Expr: the core's columns */
} Branch;

typedef enum AggregateKind
{
	AGGREGATE_COUNT,			/* arg 0: count(*) */
	AGGREGATE_SUM,
	AGGREGATE_AVG,
	AGGREGATE_MIN,
	AGGREGATE_MAX,
	AGGREGATE_RECOMPUTE			/* not invertible exactly: its group is
								 * computed afresh when touched */
} AggregateKind;

/* An aggregate call; a FILTER has become part of the argument (see below). */
typedef struct AggregateCall
{
	AggregateKind kind;
	Aggref	   *aggref;			/* as in the query */
	int			arg;			/* 1-based core column, 0: none */
	Oid			argtype;
	Oid			resulttype;
	int32		resulttypmod;
	Oid			resultcollid;
} AggregateCall;

typedef struct OutputColumn
{
	char	   *name;
	Expr	   *expr;			/* in terms of the core's columns: for an
								 * aggregated query as described above, else
								 * NULL: the i-th core column */
	Oid			type;
	int32		typmod;
	Oid			collation;
} OutputColumn;

typedef struct QueryTree
{
	List	   *outputs;		/* of OutputColumn; always filled */
	const char *reason;			/* not differentiable because; the rest of
								 * this struct is filled only if NULL */
	List	   *branches;		/* of Branch */
	bool		aggregated;
	bool		distinct;		/* the aggregate stands for DISTINCT */
	int			nkeys;			/* leading core columns that are group keys */
	int			nproper;		/* of them, those that GROUP BY names; the rest
								 * are columns that these determine */
	List	   *keytypes;		/* of OutputColumn: types of the keys */
	List	   *calls;			/* of AggregateCall */
} QueryTree;

/*
 * A copy of a query or expression in which every operator outside pg_catalog
 * is named where PostgreSQL prints it.  context is NULL.
 */
extern Node *analyze_name_operators(Node *node, void *context);

/*
 * NULL if a query or expression is immutable, else which function is not, as
 * a reason (palloc'd).
 */
extern const char *analyze_mutable_reason(Node *node);

/*
 * Analyse a query that was rewritten (views and row security expanded).
 * Result in CurrentMemoryContext; the query is scribbled upon.
 */
extern QueryTree *analyze_query(Query *query);

/*
 * Classify an aggregate call: false, with a reason, if there is no exact rule.
 */
extern bool aggregate_classify(Aggref *aggref, AggregateCall *call,
							   const char **reason);

/*
 * The display scale that all values of a numeric expression have, or -1 if
 * they may differ.
 */
extern int	expression_scale(Node *expr);

/*
 * Find the identity of the result of a tree: which of its output columns form
 * a key, and how they are compared.  Fills everything but row_id; key numbers
 * are 1-based positions in outputs, or, for group keys that are no output,
 * -(1-based group key).  Returns false with a reason if rows cannot be
 * recognised.
 */
extern bool identity_derive(const QueryTree *tree, Identity *identity,
							const char **reason);

#endif							/* PGT_ANALYZE_H */
