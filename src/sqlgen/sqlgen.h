/*-------------------------------------------------------------------------
 *
 * sqlgen.h
 *	  The only place that quotes names and prints expressions as SQL.
 *
 * Inside generated SQL the i-th factor of a branch is called s<i>, column a of
 * it c<a>, and the delta of the i-th input is the ephemeral named relation
 * __pgt_d<i>.  The caller has search_path = pg_catalog, pg_temp, so that every
 * other name and operator comes out qualified.  Strings are palloc'd or
 * appended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_SQLGEN_H
#define PGT_SQLGEN_H

#include "pgt.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "nodes/primnodes.h"

#include "analyze/analyze.h"

#define SQLGEN_DELTA_NAME		"__pgt_d%d"
#define SQLGEN_AFFECTED_NAME	"__pgt_a"

/* Many values by which a slice is found; <n>: SliceKey's input */
#define SQLGEN_VALUES_NAME		"__pgt_v%d"

/* What a block reads instead of stage <n>. */
#define SQLGEN_STAGE_NAME		"__pgt_s%d"
/*
 * The first input of stage <n>, where another input is restricted by it.  That
 * input's text may have a __pgt_s of its own for the same stage, but cannot
 * have a stage that reads it.
 */
#define SQLGEN_LEFT_NAME		"__pgt_k%d"
/* A recursion, where its step reads what it has brought as stage <n>. */
#define SQLGEN_RECURSION_NAME	"__pgt_r%d"

/*
 * Context to print expressions of a branch.  nkeys > 0 adds, after the factors,
 * the relation of affected keys, called a, with columns ord, c1 .. c<nkeys>.
 */
extern List *sqlgen_branch_context(const Branch *branch, int nkeys);
/* The same of one relation with columns c1 .. c<ncolumns>, as varno 1. */
extern List *sqlgen_relation_context(const char *name, int ncolumns);
extern char *sqlgen_expr(Node *expr, List *context);

extern char *sqlgen_relation(Oid relid);

/*
 * For people: an expression of a branch, and a column of a stage, by the names
 * of the tables' columns.
 */
extern char *sqlgen_readable(Node *expr, const Branch *branch);
extern char *sqlgen_readable_column(const Stage *stage, int column);

/* c1, c2, ..., c<n>, with the separator before the first as well */
extern void sqlgen_columns(StringInfo out, int ncolumns, const char *separator);
/* (c1, ..., c<n>), or nothing if there are none */
extern void sqlgen_column_aliases(StringInfo out, int ncolumns);

/* The attributes of a table factor that its branch uses, plain numbers. */
extern Bitmapset *sqlgen_used_columns(const Branch *branch, int scan);

/* (SELECT col AS c<attno>, ... FROM rel) s<scan> */
extern void sqlgen_table(StringInfo out, Oid relid, const Bitmapset *columns,
						 int scan);
/* LATERAL (SELECT ... FROM f(...)) s<scan>(c1, ...) */
extern void sqlgen_function(StringInfo out, const Branch *branch, int scan);
/* the table without its delta: rows of weight 1 and -w */
extern void sqlgen_old_table(StringInfo out, Oid relid, const Bitmapset *columns,
							 const char *delta, int scan);

#endif							/* PGT_SQLGEN_H */
