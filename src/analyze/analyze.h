/*-------------------------------------------------------------------------
 *
 * analyze.h
 *	  From a rewritten Query to the operator tree that the delta rules
 *	  differentiate, or a reason why not.
 *
 * The normal form of every level is
 *
 *		output  <-  [ aggregate ]  <-  branch_1 + branch_2 + ...
 *
 * where a branch is a projection of a selection of a cross product of factors,
 * and + is UNION ALL.  A factor is a table, a function or list of values, or a
 * stage.  Inner joins, subqueries in FROM, views and UNION ALL at any depth
 * below the aggregate all become that, because each of them distributes
 * over +.  What does not becomes a stage: a relation of its own, made of other
 * relations, whose delta is known before its readers ask for it.
 *
 * Expressions are PostgreSQL's.  In a branch, Var(varno = i, varattno = a) is
 * column a of the branch's i-th factor: attribute a of a table, the a-th column
 * of a stage or function.  In the outputs of an aggregated query,
 * Var(OUTER_VAR, i) is the i-th column of the row (group keys ..., aggregate
 * values ...).
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_ANALYZE_H
#define PGT_ANALYZE_H

#include "pgt.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "storage/lockdefs.h"

#include "apply/apply.h"

typedef struct Stage Stage;

/* One of relid, stage and function is set. */
typedef struct Factor
{
	Oid			relid;			/* a table */
	Stage	   *stage;
	RangeTblEntry *function;	/* functions, XMLTABLE, VALUES: reads no table;
								 * its Vars are of factors before it */
} Factor;

typedef struct Branch
{
	List	   *factors;		/* of Factor */
	List	   *quals;			/* of Expr, implicitly ANDed */
	List	   *targets;		/* of Expr: the branch's columns */
	bool		uses_clock;		/* set by branch_note_clock() */
} Branch;

/* "expr op value", where value is a function of the clock and expr is not */
typedef struct ClockBound
{
	Node	   *expr;
	Node	   *value;
	int			strategy;		/* of op, or of its negator if that is "=" */
	Oid			family;			/* the default btree of value's type */
	Oid			expr_type;		/* what the operator takes on either side */
	Oid			value_type;
	Oid			collation;
} ClockBound;

/* What a branch computes of the clock; see clock.c. */
typedef struct BranchClock
{
	List	   *bounds;			/* of ClockBound */
	List	   *values;			/* of Node */
} BranchClock;

typedef enum StageRule
{
	/*
	 * The sum of its branches; the rule is that of op_join.c.
	 */
	STAGE_SUM,

	/*
	 * A query over its inputs that falls apart by a key: with K the key
	 * columns, which every input has,
	 *		Q(I_1, I_2, ...) = sum over k of Q(I_1 | K = k, I_2 | K = k, ...)
	 * Without key columns there is one part, which is everything.
	 */
	STAGE_PARTITION,

	/*
	 * A query that is linear in its first input, and for each row of that
	 * depends, of each other input, on the rows only that match the row in the
	 * pairs of columns given:
	 *		Q(L, R_1, ...) = sum over l in L of
	 *							Q({l}, R_1 | r.b = l.a for all pairs (a, b), ...)
	 */
	STAGE_LINEAR,

	/*
	 * A query whose result is kept in a table of its own, beside the stream
	 * table, and maintained like one.
	 */
	STAGE_STORED,

	/*
	 * WITH RECURSIVE ... UNION ALL, a step of which is linear in what the one
	 * before has brought:
	 *		X_0 = sum of the branches,	X_n+1 = step(X_n)
	 * The last column is n.  The rule is that of op_recursion.c; only a stored
	 * stage shows such a one.
	 */
	STAGE_RECURSION,

	/*
	 * What the step of a recursion reads as X_n.
	 */
	STAGE_WORKING
} StageRule;

/*
 * A pair of columns that must match: left opno right, an equality that is
 * strict and has a commutator.
 */
typedef struct StagePair
{
	int			left;			/* column of the stage's first input */
	int			right;			/* column of the input that has the pair */
	Oid			opno;
	Oid			collation;		/* input collation of the operator */
} StagePair;

typedef struct StageInput
{
	Stage	   *stage;
	int		   *keys;			/* PARTITION: the column that is key i */
	List	   *pairs;			/* LINEAR: of StagePair; NIL: unrestricted */
	bool		grouped;		/* LINEAR: the query groups it by its pairs */
	bool		alike;			/* LINEAR: once a row of the first input has a
								 * match, each further one adds something that
								 * does not depend on the others */
} StageInput;

struct Stage
{
	int			number;			/* from 1, unique below the top of the query */
	StageRule	rule;
	const char *what;			/* the construct, in words */
	List	   *columns;		/* of OutputColumn, without names: c1, c2, ... */
	List	   *unique;			/* of int: columns that are a key, or NIL */
	bool		single_row;		/* always exactly one row */
	/* SUM and RECURSION */
	List	   *branches;		/* of Branch */
	bool		netted;			/* its delta must be netted completely, whatever
								 * memory that takes */
	/* PARTITION and LINEAR */
	Query	   *query;			/* reads input i as a CTE called
								 * __pgt_s<number of its stage>, c1, c2, ... */
	List	   *inputs;			/* of StageInput */
	int			nkeys;			/* PARTITION: number of key columns */
	Oid		   *key_eqops;		/* their equality and collation */
	Oid		   *key_collations;
	/*
	 * Where columns of the result stand: per column, the input column that it
	 * is: of the first input for LINEAR, the key (1-based) for PARTITION; or 0.
	 */
	int		   *origins;
	const char *undetermined;	/* why the result is not a function of the
								 * inputs, or NULL */
	bool		equal_again;	/* it is one but for which of several values,
								 * as good as each other, a column shows */
	/* RECURSION */
	List	   *step;			/* of Branch, each of which has the working stage
								 * as one of its factors */
	Stage	   *working;
	bool		whole;			/* its delta is its result now less what is
								 * stored */
	/* STORED */
	Oid			polled;			/* it is this relation, as it was last polled;
								 * or InvalidOid */
	struct QueryTree *tree;
	const char *relation;		/* its table as SQL; set by the program */
	List	   *order;			/* of SortGroupClause, on columns numbered by
								 * tleSortGroupRef: its readers want the first
								 * rows in this order; or NIL */
};

typedef enum AggregateKind
{
	AGGREGATE_COUNT,			/* arg 0: count(*) */
	AGGREGATE_SUM,
	AGGREGATE_AVG,
	AGGREGATE_MIN,
	AGGREGATE_MAX,
	AGGREGATE_BOOL_AND,
	AGGREGATE_BOOL_OR,
	AGGREGATE_RECOMPUTE			/* not invertible exactly: its group is
								 * computed afresh when touched */
} AggregateKind;

/*
 * An aggregate call.  If it is merged, a FILTER has become part of the
 * argument.
 */
typedef struct AggregateCall
{
	AggregateKind kind;
	Aggref	   *aggref;			/* as in the query */
	Aggref	   *over;			/* RECOMPUTE: the same in terms of the core's
								 * columns, Var(varno = 1, varattno = column) */
	int			arg;			/* else: 1-based core column, 0: none */
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
	List	   *stored;			/* of Stage, in the order in which they must be
								 * brought up to date; only of the top */
	int			nnumbers;		/* numbers given to stages; only of the top */
	List	   *stages;			/* of Stage, inputs before their readers; the
								 * stored ones are not among them */
	List	   *branches;		/* of Branch */
	bool		aggregated;
	bool		distinct;		/* the aggregate stands for DISTINCT */
	int			nkeys;			/* leading core columns that are group keys */
	int			nproper;		/* of them, those that GROUP BY names; the rest
								 * are columns that these determine */
	List	   *keytypes;		/* of OutputColumn: types of the keys */
	List	   *calls;			/* of AggregateCall */
	Expr	   *having;			/* in terms of the aggregate's row, as the
								 * outputs; or NULL */
} QueryTree;

/*
 * A copy of a query or expression in which every operator outside pg_catalog
 * is named where PostgreSQL prints it.  context is NULL.
 */
extern Node *analyze_name_operators(Node *node, void *context);

/*
 * A copy of a query or expression in which the clock has one name: CURRENT_DATE
 * and the like are functions of now().  context is NULL.
 */
extern Node *analyze_name_clock(Node *node, void *context);
extern bool uses_clock(Node *node);
extern BranchClock *branch_clock(const Branch *branch);
/* The same, and sets uses_clock. */
extern BranchClock *branch_note_clock(Branch *branch);
/* A copy of an expression with another expression for now(). */
extern Node *clock_at(Node *node, Node *instant);

/*
 * Why a tree has no delta as time goes by, or NULL.  Sets uses_clock of all
 * branches, and *used if there is any use of the clock in the tree.
 */
extern const char *tree_clock_reason(const QueryTree *tree, bool *used);

/*
 * NULL if the result of a query depends on nothing but its sources, the clock
 * as analyze_name_clock() leaves it, and the settings that
 * owner_context_enter() pins, else the function that it also depends on, as a
 * reason (palloc'd).
 */
extern const char *analyze_mutable_reason(Query *query);

/*
 * Make whole rows that are values of columns, in a rewritten query, which is
 * scribbled upon.  Returns why that could not be done everywhere, or NULL.
 */
extern const char *analyze_expand_rows(Query **query);

/* A source that is read whole by each refresh, see delta/poll.c. */
typedef struct PolledSource
{
	Oid			relid;
	Bitmapset  *columns;		/* plain attribute numbers that the query uses */
} PolledSource;

/*
 * Replace every table of a rewritten query that is read with its inheritance
 * children by the sum of its members; the query is scribbled upon.  trees gets
 * for each plain table that is not read by ONLY the members that it has now,
 * as inheritance_members(): a List of Lists of oids.  Takes AccessShareLock on
 * them.  Returns why the result cannot be maintained (palloc'd), or NULL.
 */
extern const char *analyze_expand_inheritance(Query *query, List **trees);

/*
 * The table and all who inherit from it, itself first, each once, but for other
 * sessions' temporary tables, which nobody else reads.
 */
extern List *inheritance_members(Oid relid, LOCKMODE lockmode);

/*
 * Analyse a query that was rewritten (views and row security expanded).
 * polled: of PolledSource; each that the query reads becomes a stored stage,
 * whose columns are the source's in the order of their numbers.
 * Result in CurrentMemoryContext; the query is scribbled upon.
 */
extern QueryTree *analyze_query(Query *query, List *polled);

/*
 * Joins of a tree, without those of its stored stages, of which something can
 * fail on a pair of rows that never existed together.
 */
extern int	tree_fallible_joins(const QueryTree *tree);

/*
 * Change the top of a query, and its stored stages, so that what can fail is
 * computed on netted rows only.  Each fallible join becomes a stage; outputs,
 * keys and calls stay what they are.  In CurrentMemoryContext.
 */
extern void tree_net_first(QueryTree *tree);

/*
 * Classify an aggregate call.  Fills everything but arg and over.  False, with
 * a reason, if its value cannot be kept.
 */
extern bool aggregate_classify(Aggref *aggref, AggregateCall *call,
							   const char **reason);

/*
 * Oids of the functions that an aggregate is made of, InvalidOid for each that
 * it does not have; NIL for any other function.
 */
extern List *aggregate_functions(Oid aggfnoid);

/* May the result show the order in which the rows come, which is not its own? */
extern bool aggregate_may_show_order(const Aggref *aggref);
/* The same of an aggregate function, called without an order. */
extern bool function_may_show_order(Oid aggfnoid);

/*
 * The display scale that all values of a numeric expression have, or -1 if
 * they may differ.
 */
extern int	expression_scale(Node *expr);

/*
 * The stage that a tree shows as it is and that is computed only now: its delta
 * is its result, of the parts that changes touch, less what is stored of them.
 * So it is where a stage has no key, or might come out otherwise if what it
 * was before were computed again.  NULL if there is none.
 */
extern Stage *tree_reevaluated(const QueryTree *tree);

/* Does the planner see through to the tables of the stage, for good indexes? */
extern bool stage_is_flat(const Stage *stage);

/* The expression below binary-coercible conversions. */
extern Node *strip_relabel(Node *node);

/* Can every value of the type be in a btree index? */
extern bool type_fits_index(Oid type, int32 typmod);

/* Are equal values of the type always the same bytes? */
extern bool equality_is_image(Oid type, Oid collation);

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
