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
#include "utils/numeric.h"

/* Sources that a refresh finds changed are a bit set of this type. */
typedef uint64 SourceMask;
#define MAX_SOURCES 64

/* Delta rows in one refresh beyond which plans are made for their number. */
#define BULK_ROWS 2000

typedef enum StateKind
{
	STATE_ROWS,					/* number of rows of the group */
	STATE_NONNULL,				/* number of its rows whose argument is not NULL */
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
	AttrNumber	attno;			/* where the stream table keeps it */
	const AggregateCall *call;	/* STATE_VALUE, MIN, MAX */
	int			scales;			/* STATE_SUM: index of its STATE_SCALES, or -1 */
} StateColumn;

typedef enum PlanKind
{
	PLAN_DELTA,					/* mask: changed sources */
	PLAN_RECOMPUTE,				/* mask: group keys that are NULL */
	PLAN_FULL
} PlanKind;

typedef struct SavedPlan
{
	PlanKind	kind;
	uint64		mask;
	SPIPlanPtr	plan;
} SavedPlan;

struct DeltaProgram
{
	MemoryContext context;		/* holds all of this */
	Oid			defview;
	QueryTree  *tree;
	const char *reason;			/* not differentiable because, or NULL */
	bool		always_recompute;
	bool		is_volatile;
	List	   *sources;		/* of ProgramSource */
	TupleDesc  *window_desc;	/* per source */
	AttrNumber **window_attnums;
	List	   *watched;		/* oids of all relations of the query, views too */
	uint64		fingerprint;	/* of the query's meaning */
	List	   *layout;			/* of LayoutColumn */
	Identity	identity;
	List	   *plans;			/* of SavedPlan */

	/* aggregated queries */
	int			nstates;
	StateColumn   *states;
	AttrNumber *key_attnos;		/* where the stream table keeps group key i */
	uint64		fresh_keys;		/* keys whose spelling is determined, while
								 * equal values may be spelled differently */
	int		  **call_states;	/* per call: its states, in a fixed order */
	bool		unit_weights;
	/* run-time parts, made at first use */
	TupleDesc	final_desc;		/* (keys, aggregate values) */
	TupleTableSlot *final_slot;
	ExprContext *econtext;
	ExprState **outputs;
};

/* ---- op_join.c ---- */

/*
 * Append the delta of the core, as a query of columns c1, c2, ... and w, when
 * the masked sources have changed.
 */
extern void core_delta_sql(const DeltaProgram *program, SourceMask changed,
						   StringInfo out);
/*
 * Append the core's new state, columns c1, c2, ...; if restricted, only rows
 * whose group keys are among the affected ones, with a column ord in front and
 * the keys as the affected relation has them.  null_keys: bit i is set if key
 * i + 1 is NULL in all of the affected keys, else it is not NULL in any.
 */
extern void core_state_sql(const DeltaProgram *program, bool restricted,
						   uint64 null_keys, StringInfo out);

/* ---- scale_units.c ---- */
extern int	scale_of_units(Numeric units);

/* ---- op_agg.c ---- */
extern void aggregate_plan_states(DeltaProgram *program);
extern void aggregate_delta_sql(const DeltaProgram *program, SourceMask changed,
								StringInfo out);
extern void aggregate_state_sql(const DeltaProgram *program, bool restricted,
								uint64 null_keys, StringInfo out);

/* ---- agg_merge.c ---- */
extern void aggregate_run_delta(DeltaProgram *program, Relation st,
								SourceMask changed, int64 nrows,
								ApplyState *apply);
extern void aggregate_run_full(DeltaProgram *program, Relation st,
							   ApplyState *apply);

/* ---- run.c ---- */
typedef void (*RowCallback) (TupleTableSlot *slot, void *arg);

extern void program_delta_sql(const DeltaProgram *program, SourceMask changed,
							  StringInfo out);
/*
 * Run one of the program's statements and call back for each row.  rows is the
 * number of delta rows it reads: large ones get a plan of their own.
 */
extern void program_execute(DeltaProgram *program, PlanKind kind, uint64 mask,
							int64 rows, RowCallback callback, void *arg);

/* Make a tuplestore visible to SQL under a name, until SPI_finish(). */
extern void program_register(const char *name, TupleDesc desc,
							 Tuplestorestate *rows, int64 nrows);

static inline ProgramSource *
program_source(const DeltaProgram *program, int i)
{
	return (ProgramSource *) list_nth(program->sources, i);
}

/* Position of a relation among the program's sources. */
extern int	program_source_index(const DeltaProgram *program, Oid relid);

#endif							/* PGT_DELTA_H */
