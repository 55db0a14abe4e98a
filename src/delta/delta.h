/*-------------------------------------------------------------------------
 *
 * delta.h
 *	  What the files of this folder share: the inside of a compiled query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_DELTA_H
#define PGT_DELTA_H

#include "delta/program.h"

#include "analyze/analyze.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "sqlgen/sqlgen.h"
#include "sqlgen/stage_sql.h"
#include "utils/numeric.h"

/*
 * The inputs of a program are its sources and then its stages, and the clock.
 * Those that a refresh finds changed are a bit set of this type.
 */
typedef uint64 SourceMask;
#define MAX_SOURCES 63
#define CLOCK_BIT	(UINT64CONST(1) << MAX_SOURCES)

/* Delta rows in one refresh beyond which plans are made for their number. */
#define BULK_ROWS 500

typedef enum StateKind
{
	STATE_ROWS,					/* number of rows of the group */
	STATE_NONNULL,				/* number of its rows whose argument is not NULL */
	STATE_TRUE,					/* number of its rows whose argument is true */
	STATE_SUM,
	STATE_SCALES,				/* decimal places of a sum, see scale_units.c */
	STATE_MIN,
	STATE_MAX,
	STATE_VALUE					/* the aggregate itself, recomputed */
} StateKind;

/* A piece of per-group state, kept in a column of the stream table. */
typedef struct StateColumn
{
	StateKind	kind;
	int			arg;			/* 1-based core column, 0 for STATE_ROWS */
	Oid			type;
	int32		typmod;
	Oid			collation;
	AttrNumber	attno;			/* where the layout has it */
	const AggregateCall *call;	/* STATE_VALUE, MIN, MAX */
	int			scales;			/* STATE_SUM: index of its STATE_SCALES, or -1 */
} StateColumn;

typedef enum PlanKind
{
	PLAN_DELTA,					/* of the top, or of a SUM stage */
	PLAN_RECOMPUTE,				/* nulls: group keys that are NULL */
	PLAN_FULL,
	PLAN_REEVALUATE,			/* the result now of a query without a key */
	/* steps to the delta of a join, see join_steps.c */
	PLAN_JOIN_NARROW,			/* step: a factor */
	PLAN_JOIN_CHANGES,			/* step: a group */
	PLAN_JOIN_STEP,
	/* steps of the rule for slices, see slice_sql.c */
	PLAN_SLICE_KEYS,
	PLAN_SLICE_LEFT,
	PLAN_SLICE_OUTSIDE,
	PLAN_SLICE_INPUT,
	PLAN_SLICE_INPUT_DELTA,
	PLAN_SLICE_RESULT,
	PLAN_SLICE_TOUCHED,
	/* of a recursion, see op_recursion.c */
	PLAN_RECURSION_SEEDS,
	PLAN_RECURSION_STEP,
	PLAN_RECURSION_WHOLE
} PlanKind;

/* What makes a statement's text: equal keys, equal texts. */
typedef struct StatementKey
{
	PlanKind	kind;
	int			stage;			/* number, or 0 for the top */
	int			step;			/* position of an input of the stage */
	uint64		mask;			/* what has changed: of the program's inputs for
								 * PLAN_DELTA, of the stage's own for slices */
	uint64		nulls;			/* keys that are NULL in some row */
	bool		values;			/* the values that restrict a slice are rows of
								 * relations, not parameters */
	uint64		order;			/* of the factors of a join that is taken in
								 * steps, see join_steps.c; else 0 */
	uint64		sizes;			/* how large the deltas are, roughly, if a plan
								 * for large ones is kept; else 0: see
								 * sizes_add() */
} StatementKey;

typedef struct Statement
{
	StatementKey key;
	int64		rows;			/* delta rows that it reads */
	uint64		sizes;			/* of the deltas, or 0 if its plan is not kept */
	bool		bulk;			/* plan it for the rows that there are, however
								 * few */
	int64		elements;		/* of its parameters, which are arrays */
	int			nparams;
	Oid		   *types;
	Datum	   *values;
	TupleDesc	desc;			/* a window whose columns, but w, its first
								 * columns must fit; or NULL */
} Statement;

typedef struct SavedPlan
{
	StatementKey key;
	SPIPlanPtr	plan;
} SavedPlan;

struct DeltaProgram
{
	MemoryContext context;		/* holds all of this */
	Oid			defview;		/* invalid: compiled only to be explained */
	QueryTree  *tree;
	const char *reason;			/* not differentiable because, or NULL */
	bool		always_recompute;
	bool		is_volatile;
	bool		nets_first;		/* see program_net_first() */
	bool		is_timed;		/* the clock is an input */
	List	   *sources;		/* of ProgramSource */
	TupleDesc  *window_desc;	/* per input */
	AttrNumber **window_attnums;
	int			window_flags;
	List	   *watched;		/* oids of all relations of the query, views too */
	List	   *trees;			/* of List of oids: each plain table that is
								 * read with its children, and these */
	uint64		fingerprint;	/* of the query's meaning */
	List	   *types;			/* oids of types that statements may name */
	bool		types_known;	/* these are all */
	Oid			relid;			/* the table that keeps the result; from the
								 * first run on */
	List	   *layout;			/* of LayoutColumn */
	Identity	identity;		/* in terms of the layout */
	AttrNumber *attnos;			/* where the table has the columns of the layout, */
	Identity	placed;			/* and the identity in terms of the table */
	List	   *plans;			/* of SavedPlan */

	/*
	 * Results kept beside the stream table's own: for each of these stages a
	 * program, which shares the sources, and a table.
	 */
	List	   *stored;			/* of Stage */
	List	   *parts;			/* of DeltaProgram; NIL in a part itself */
	char	   *table;			/* of a part: its table in pgtrickle_defs */
	char	   *index;			/* the columns of a further index, or NULL */

	/* aggregated queries */
	int			nstates;
	StateColumn   *states;
	AttrNumber *key_attnos;		/* where the layout has group key i */
	uint64		fresh_keys;		/* keys whose spelling is determined, while
								 * equal values may be spelled differently */
	int		  **call_states;	/* per call: its states, in a fixed order */
	bool		unit_weights;
	/* run-time parts, made at first use */
	WindowFilter **filters;		/* per source, NULL: none */
	TupleDesc	final_desc;		/* (keys, aggregate values) */
	TupleTableSlot *final_slot;
	ExprState **outputs;
	ExprState  *having;			/* NULL: always true */
};

typedef void (*RowCallback) (TupleTableSlot *slot, void *arg);

/* One refresh: the deltas of all inputs. */
typedef struct DeltaRun
{
	DeltaProgram *program;
	MemoryContext context;		/* freed at the end of the run */
	ChangeWindow *deltas;		/* per input */
	SourceMask	changed;		/* whose delta is not empty */
	List	   *joins;			/* relations that steps to a join have made */
	Oid			clock_type;		/* what statements that read the clock's */
	Datum		clock_before;	/* change take: the instant before */
	bool		wrote;			/* to the table of a part */
} DeltaRun;

/* What the columns, after w, of a relation of a refresh are. */
typedef struct RelationOrigin
{
	const DeltaProgram *program;
	int			input;			/* those of an input, or */
	const Branch *branch;		/* if not NULL, */
	List	   *columns;		/* of Var, in terms of the branch; or */
	bool		distinct;		/* no input's, and no two rows are equal */
} RelationOrigin;

extern RelationOrigin *input_origin(const DeltaProgram *program, int input);

/* ---- op_join.c ---- */

/* Inputs of the program that branches read. */
extern SourceMask branches_inputs(const DeltaProgram *program, List *branches);

/*
 * Append the delta of a sum of branches, as a query of columns c1, c2, ... and
 * w, when the masked inputs have changed.
 */
extern void branches_delta_sql(const DeltaProgram *program, List *branches,
							   SourceMask changed, StringInfo out);
/*
 * Append one term: some factors of a branch in their new state, the others
 * replaced by the relations of deltas[], columns w, c1, c2, ...
 */
extern void branch_term_sql(const Branch *branch, const char *const *deltas,
							int sign, StringInfo out);
/*
 * Append the core's new state, columns c1, c2, ...; if restricted, only rows
 * whose group keys are among the affected ones, with a column ord in front and
 * the keys as the affected relation has them.  null_keys: bit i is set if key
 * i + 1 is NULL in all of the affected keys, else it is not NULL in any.
 */
extern void core_state_sql(const DeltaProgram *program, bool restricted,
						   uint64 null_keys, StringInfo out);

/* ---- join_run.c ---- */

/*
 * If the join that the statement is about is better taken in steps, take all
 * but the last and make the statement that one.  Returns false if the delta
 * turned out to be empty, so that there is nothing to run.  Relations that the
 * statement reads are there until join_steps_end().
 */
extern bool join_steps_begin(DeltaRun *run, List *branches, Statement *statement);
extern void join_steps_end(DeltaRun *run);

/* ---- join_steps.c ---- */
extern void join_steps_sql(const DeltaProgram *program, List *branches,
						   const StatementKey *key, StringInfo out);

/* ---- join_quals.c ---- */

/*
 * Conditions of a branch on one of its factors alone, also those that a
 * condition on several implies.
 */
extern List *factor_quals(const Branch *branch, int factor);

/* ---- op_clock.c ---- */

/* A term of the delta of a branch as the clock goes on. */
typedef struct ClockTerm
{
	Branch	   *branch;			/* over its factors as they are now */
	int			sign;
} ClockTerm;

extern List *clock_terms(const Branch *branch); /* of ClockTerm */
/* The branch at the instant of the last refresh. */
extern Branch *branch_before(const Branch *branch);

/* ---- window_filter.c ---- */
/* Can an expression raise an error for a row that no table ever showed? */
extern bool may_fail(Node *expr);
extern bool window_is_filtered(const DeltaProgram *program, Oid relid, Node *qual);

/* ---- term_keys.c ---- */

/*
 * Restrictions of a stage that is a factor of a term, by the deltas in it:
 * deltas[i] is the relation that stands for factor i + 1, or NULL.
 */
extern List *term_restrictions(const Branch *branch, List *equalities,
							   const char *const *deltas, int scan);

/* ---- stages.c ---- */

/* Register the windows of the sources; before: the instant of the last refresh. */
extern DeltaRun *run_begin(DeltaProgram *program, const ChangeWindow *windows,
						   TimestampTz before);
/* Give a statement what it takes of the clock, if it is changed for it. */
extern void run_set_clock(DeltaRun *run, Statement *statement);
/* The run of a part: it sees what the whole has computed so far. */
extern DeltaRun *run_begin_part(DeltaProgram *part, const DeltaRun *whole);
/* From now on the delta of an input can be read, if there is one. */
extern void run_publish(DeltaRun *run, int input);
extern void run_end(DeltaRun *run);
/* Takes rows c1, c2, ..., w into the Consolidation arg. */
extern void receive_weighted(TupleTableSlot *slot, void *arg);
/* Compute and register the delta of every stage. */
extern void run_stages(DeltaRun *run);
extern int64 run_rows(const DeltaRun *run, SourceMask inputs);
/* The sizes of the deltas of these inputs. */
extern uint64 run_sizes(const DeltaRun *run, SourceMask inputs);
/* Inputs of the program that a stage reads itself. */
extern SourceMask stage_reads(const DeltaProgram *program, const Stage *stage);
/* Mask of sources to mask of inputs that may change with them. */
extern SourceMask inputs_below(const DeltaProgram *program, SourceMask sources);

/* ---- parts.c ---- */

/* Compile what is kept beside the stream table of that number. */
extern void parts_compile(DeltaProgram *program, const char *number);
/*
 * Bring the parts up to date, but those that a poll has brought, and publish
 * what changed.
 */
extern void parts_run_delta(DeltaRun *run, Snapshot snapshot);
extern void parts_run_full(DeltaProgram *program, Snapshot snapshot);
/* The table of a part. */
extern Relation part_open(const DeltaProgram *part);
/* Let what was just written be read under the refresh's snapshot. */
extern void part_show_writes(void);

/* What apply does to a part, as its observer collects it. */
typedef struct PartDelta
{
	struct Consolidation *rows;
	int			ncolumns;
} PartDelta;
/* desc: of the window that is to be filled; whole: of the query */
extern PartDelta part_delta_begin(const DeltaProgram *part, TupleDesc desc,
								  const DeltaProgram *whole);
extern void part_observe(int w, const Datum *values, const bool *isnull,
						 void *arg);
extern void part_delta_end(PartDelta *delta, ChangeWindow *window);

/* ---- execute.c ---- */

/*
 * Apply the delta of the top of a program to its table, when its stages have
 * been computed.  observer may be NULL.
 */
extern void run_top(DeltaRun *run, Relation rel, Snapshot snapshot,
					ApplyObserver observer, void *arg, ApplyCounts *counts);
/*
 * Compute the whole result of a program, whose parts are up to date, and apply
 * its difference.  Without an observer a table without pages is filled by swap,
 * which closes rel; returns whether that was done.
 */
extern bool run_whole(DeltaProgram *program, Relation rel, Snapshot snapshot,
					  ApplyObserver observer, void *arg, ApplyCounts *counts);

/* ---- sources.c ---- */

/* Fill sources and watched; returns whether one is read by TABLESAMPLE. */
extern bool sources_find(DeltaProgram *program, Query *query);
/* Say of each source that cannot be captured why, and whether it is polled. */
extern void sources_find_polled(DeltaProgram *program);
extern List *sources_polled(const DeltaProgram *program);	/* of PolledSource */
/* The query is computed as a whole, so nobody asks how a source has changed. */
extern void sources_forget_polled(DeltaProgram *program);
/* What rules out a delta, or NULL: a source that is neither captured nor polled. */
extern const char *sources_uncapturable_reason(const DeltaProgram *program);
/* The same: the owner may not read a table itself. */
extern const char *sources_unreadable_reason(const DeltaProgram *program);
/* The same: row security that looks at other rows, or could be got around. */
extern const char *sources_policy_reason(Query *query);

/* ---- fingerprint.c ---- */
extern uint64 query_fingerprint(Query *query);
/* Combine a hash with what the hidden columns keep. */
extern uint64 states_fingerprint(const DeltaProgram *program, uint64 hash);

/* ---- windows.c ---- */

/*
 * Which columns of the sources a delta reads.  Less than what the query names is
 * wanted where the query drops it, as EXISTS does with its select list: so
 * changes of nothing else cancel.
 */
extern void find_wanted(DeltaProgram *program);
extern void find_window_flags(DeltaProgram *program);

/* ---- layout.c ---- */

/* Layout, states and windows of a program whose tree and identity are known. */
extern void program_lay_out(DeltaProgram *program);
/* (w, columns) of a stage */
extern TupleDesc window_descriptor(const Stage *stage);
/* The same of all inputs, when stages have changed. */
extern void describe_inputs(DeltaProgram *program);

/* ---- named_types.c ---- */

/*
 * The types, beside PostgreSQL's own, that statements made of a query may name.
 * False if there may be more.
 */
extern bool query_named_types(Query *query, List **types);

/* ---- op_slice.c ---- */

/*
 * Call back for the rows of a PARTITION stage whose keys the deltas of its
 * inputs touch: as they are now with weight 1, and as the program's table has
 * them with weight -1.  The weight is the last column.
 */
extern void slice_run_touched(DeltaRun *run, const Stage *stage,
							  RowCallback callback, void *arg);

/* Fill the window with the delta of a PARTITION or LINEAR stage. */
extern void slice_run_delta(DeltaRun *run, const Stage *stage,
							ChangeWindow *window);

/* ---- op_recursion.c ---- */

/* Inputs of the program that a recursion reads, itself left out. */
extern SourceMask recursion_reads(const DeltaProgram *program, const Stage *stage);
extern void recursion_sql(const DeltaProgram *program, const StatementKey *key,
						  StringInfo out);
/*
 * Fill the window with the delta of the recursion that a part keeps; its table
 * holds what was before.
 */
extern void recursion_run_delta(DeltaRun *run, const Stage *stage,
								SourceMask changed, ChangeWindow *window);

/* ---- advice.c ---- */

/* Has a table an index that begins with one of these columns? */
extern bool table_has_index(Oid relid, List *columns);

/* ---- slice_sql.c ---- */

/*
 * A column of a slice that is restricted to a set of values: an array, which is
 * parameter i of the statements, or a column of the relation of all keys with
 * the same input.
 */
typedef struct SliceKey
{
	int			input;			/* LINEAR: the changed input that it matches, and
								 * all with the same slice_touched_as() */
	int			position;		/* of the stage's key, or of the input's pair */
	Oid			opno;			/* column opno element */
	Oid			collation;
	Oid			element;
} SliceKey;

/* changed: bit i if input i of the stage has changed */
extern List *slice_keys(const Stage *stage, uint64 changed);
/*
 * LINEAR: the first of the changed inputs that are matched with the same columns
 * of the first input, by the same equalities, as changed input i.
 */
extern int	slice_touched_as(const Stage *stage, uint64 changed, int i);
/* Does a change of an input that nothing restricts touch every row? */
extern bool slice_is_whole(const Stage *stage, uint64 changed);
/* Does the block read the stage behind its input i instead of a slice? */
extern bool slice_reads_stage(const Stage *stage, uint64 changed, int i);
extern void slice_sql(const DeltaProgram *program, const StatementKey *key,
					  StringInfo out);

/* ---- explain.c ---- */

/* How a refresh changes a piece of state. */
extern const char *state_words(StateKind kind);

/* ---- scale_units.c ---- */
extern int	scale_of_units(Numeric units);

/* ---- op_agg.c ---- */
extern void aggregate_plan_states(DeltaProgram *program);
extern void aggregate_delta_sql(const DeltaProgram *program,
								const StatementKey *key, StringInfo out);
extern void aggregate_state_sql(const DeltaProgram *program, bool restricted,
								uint64 null_keys, StringInfo out);

/* ---- agg_merge.c ---- */
extern void aggregate_run_delta(DeltaProgram *program, Relation st,
								const Statement *statement,
								ApplyState *apply);
extern void aggregate_run_full(DeltaProgram *program, Relation st,
							   ApplyState *apply);

/* ---- run.c ---- */

/*
 * Add the size of one of the relations that a statement reads, in powers of
 * four; 0 are none.
 */
extern uint64 sizes_add(uint64 sizes, int position, int64 rows);
/* Are so many rows worth a plan of their own? */
extern bool is_bulk(int64 rows);
/* Is the statement planned as if its deltas were small? */
extern bool is_tiny(const Statement *statement);
/* Append the delta of the branches that the key is about. */
extern void delta_sql(const DeltaProgram *program, List *branches,
					  const StatementKey *key, StringInfo out);
/* The text of a statement. */
extern void program_statement_sql(const DeltaProgram *program,
								  const StatementKey *key, StringInfo out);
/*
 * Run one of the program's statements and call back for each row.  Those that
 * read much get a plan of their own.
 */
extern void program_execute(DeltaProgram *program, const Statement *statement,
							RowCallback callback, void *arg);

/* At the beginning of a run: none is registered. */
extern void program_register_none(void);
extern void program_unregister(const char *name);
/*
 * Make a tuplestore visible to SQL under a name, until SPI_finish().  origin
 * may be NULL; it must live as long.
 */
extern void program_register(const char *name, TupleDesc desc,
							 Tuplestorestate *rows, int64 nrows,
							 const RelationOrigin *origin);
/* While a statement for large deltas runs; NULL: unknown, or no such relation. */
extern const RelationOrigin *program_relation_origin(const char *name);

static inline ProgramSource *
program_source(const DeltaProgram *program, int i)
{
	return (ProgramSource *) list_nth(program->sources, i);
}

/* Position of a relation among the program's sources. */
extern int	program_source_index(const DeltaProgram *program, Oid relid);

/* Position of a stage among the program's inputs. */
extern int	stage_input_index(const DeltaProgram *program, const Stage *stage);
/* The stage of that number. */
extern const Stage *program_stage(const DeltaProgram *program, int number);

/* Position of what a factor reads among the program's inputs, or -1. */
extern int	factor_input(const DeltaProgram *program, const Factor *factor);

static inline int
program_ninputs(const DeltaProgram *program)
{
	return list_length(program->sources) + list_length(program->stored) +
		list_length(program->tree->stages);
}

#define INPUT_BIT(input) (UINT64CONST(1) << (input))

#endif							/* PGT_DELTA_H */
