/*-------------------------------------------------------------------------
 *
 * pgt.h
 *	  What every file of pg_trickle may use: names of our schemas, the
 *	  settings, and the identity of a source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_H
#define PGT_H

#include "postgres.h"

#include "compat.h"

#define PGT_SCHEMA			"pgtrickle"
#define PGT_DEFS_SCHEMA		"pgtrickle_defs"
#define PGT_CHANGES_SCHEMA	"pgtrickle_changes"

/* module_pathname of the control file */
#define PGT_LIBRARY			"$libdir/pg_trickle"

/* Prefix of the columns of a stream table that its query does not name. */
#define PGT_HIDDEN_PREFIX	"__pgt_"

#define PGT_STABLE_NAME_LEN 16

/*
 * A table that stream tables read.  The stable name is computed once, when
 * the table is first tracked, and used verbatim ever after; every object we
 * create for the source is named by it.  The oid is what it is today.
 *
 * The stable name is empty where a catalog row has none: such a source is
 * known by its oid.  source_key() says how a source's objects are named.
 */
typedef struct SourceIdentifier
{
	Oid			oid;
	char		stable_name[PGT_STABLE_NAME_LEN + 1];
} SourceIdentifier;

/* guc.c */
typedef enum DebugApplyPath
{
	APPLY_PATH_AUTO,
	APPLY_PATH_C,
	APPLY_PATH_SQL
} DebugApplyPath;

typedef enum DebugPlan
{
	DEBUG_PLAN_AUTO,
	DEBUG_PLAN_TINY,
	DEBUG_PLAN_BULK
} DebugPlan;

extern bool pgt_enabled;
extern char *pgt_default_schedule;
extern int	pgt_max_consecutive_errors;
extern int	pgt_history_retention;	/* minutes */
extern int	pgt_max_refresh_workers;
extern int	pgt_metrics_port;	/* 0: none */
extern int	pgt_debug_apply;	/* DebugApplyPath */
extern int	pgt_debug_plan;		/* DebugPlan */
extern char *pgt_debug_stable_name;

extern void pgt_guc_init(void);

#endif							/* PGT_H */
