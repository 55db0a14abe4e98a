/*-------------------------------------------------------------------------
 *
 * sqlgen.h
 *	  The only place that quotes names and prints expressions as SQL.
 *
 * Inside generated SQL a scan is called s<i>, attribute a of it c<a>, and the
 * delta of the i-th source is the ephemeral named relation __pgt_d<i>.  The
 * caller has search_path = pg_catalog, pg_temp, so that every other name and
 * operator comes out qualified.  Strings are palloc'd or appended.
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

/*
 * Context to print expressions of a branch.  nkeys > 0 adds, after the scans,
 * the relation of affected keys, called a, with columns ord, c1 .. c<nkeys>.
 */
extern List *sqlgen_branch_context(const Branch *branch, int nkeys);
extern char *sqlgen_expr(Node *expr, List *context);

extern char *sqlgen_relation(Oid relid);

/* (SELECT col AS c<attno>, ... FROM rel) s<scan> */
extern void sqlgen_table(StringInfo out, Oid relid, const Bitmapset *columns,
						 int scan);
/* __pgt_d<source> s<scan> */
extern void sqlgen_delta(StringInfo out, int source, int scan);
/* the table without its delta: rows of weight 1 and -w */
extern void sqlgen_old_table(StringInfo out, Oid relid, const Bitmapset *columns,
							 int source, int scan);

#endif							/* PGT_SQLGEN_H */
