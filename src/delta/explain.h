/*-------------------------------------------------------------------------
 *
 * explain.h
 *	  What a compiled query does, in words, for people and programs.
 *
 * Everything lives in CurrentMemoryContext.  Callers run as the owner of the
 * query with the fixed search_path, as for program_compile().
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_EXPLAIN_H
#define PGT_EXPLAIN_H

#include "pgt.h"
#include "nodes/pg_list.h"

#include "delta/program.h"

typedef struct ExplainedSource
{
	Oid			relid;
	const char *name;			/* as SQL */
	List	   *columns;		/* of char *: what the query reads of it */
	const char *uncapturable;	/* reason, or NULL */
	bool		polled;			/* because of that */
} ExplainedSource;

/* One of source and stage is set. */
typedef struct ExplainedRead
{
	const ExplainedSource *source;
	int			stage;
	const char *lookup;			/* by which columns its rows are found, or NULL */
} ExplainedRead;

typedef struct ExplainedAggregate
{
	const char *call;			/* as SQL; if it is merged, a FILTER is made part
								 * of the argument */
	const char *note;
} ExplainedAggregate;

typedef struct ExplainedStage
{
	int			number;			/* 0: the stream table itself */
	const char *construct;
	const char *rule;
	List	   *key;			/* of char *: expressions, as SQL */
	List	   *reads;			/* of ExplainedRead */
	List	   *aggregates;		/* of ExplainedAggregate: what a group keeps */
	const char *note;
	const char *table;			/* as SQL: where its result is kept, or NULL */
} ExplainedStage;

/* An index that a refresh could use and that is not there. */
typedef struct ExplainedAdvice
{
	const char *relation;		/* as SQL */
	const char *columns;
	const char *statement;		/* CREATE INDEX */
} ExplainedAdvice;

typedef struct Explanation
{
	const char *reason;			/* not differentiable because, or NULL */
	bool		always_recompute;
	const char *identity;		/* kind: key, hashed key, image, single row */
	List	   *identity_columns;	/* of char *, as SQL */
	const char *identity_note;
	List	   *sources;		/* of ExplainedSource */
	List	   *stages;			/* of ExplainedStage: the stream table, then the
								 * stages in the order of their computation;
								 * NIL if not differentiable */
	List	   *advice;			/* of ExplainedAdvice */
} Explanation;

extern Explanation *program_describe(const DeltaProgram *program);

struct Branch;

/* What is done about a branch that uses the clock as time goes by. */
extern char *branch_clock_note(const struct Branch *branch);

/* Indexes that are missing; NIL if the query is not differentiable. */
extern List *program_advice(const DeltaProgram *program);

/* A statement of a refresh; stage 0 is the stream table itself. */
typedef struct ExplainedStatement
{
	int			stage;
	const char *step;
	const char *sql;
} ExplainedStatement;

/*
 * The statements of a refresh of the stream table for which every source has
 * changed, in the order in which it runs them; or the one of a query that is
 * recomputed.
 */
extern List *program_statements(DeltaProgram *program, Oid relid);

#endif							/* PGT_EXPLAIN_H */
