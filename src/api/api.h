/*-------------------------------------------------------------------------
 *
 * api.h
 *	  What the SQL functions on stream tables share.
 *
 * A definition becomes a stream table in these steps, each of which may refuse
 * it: text -> analysed query -> definition view -> compiled program -> table.
 * Everything happens in the caller's transaction, so an error undoes it all.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_API_H
#define PGT_API_H

#include "pgt.h"
#include "catalog/pg_attribute.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"

#include "catalog/catalog.h"
#include "delta/program.h"
#include "refresh/storage.h"

/* ---- arguments.c ---- */

/* A text argument as a string; NULL only where null_ok. */
extern char *argument_text(FunctionCallInfo fcinfo, int argno,
						   const char *name, bool null_ok);
/* Check a schedule and give it as it is stored: NULL for 'calculated'. */
extern char *schedule_argument(const char *schedule);

/*
 * What every function asks first that changes stream tables: not where nothing
 * can be written, nor from within a refresh, which would lose track of them.
 */
extern void begin_change(const char *function);

/*
 * stream_table_open() with the refresh locks of the whole group, for whoever
 * will refresh it while he holds other locks.
 */
extern StreamTable *stream_table_open_group(const char *name);

/* ---- visible.c ---- */

/* Make a SELECT as it was parsed see only the query's columns of stream tables. */
extern void query_hide_columns(Node *statement);

/* A column of a stream table that its query does not name? */
static inline bool
attribute_is_hidden(Form_pg_attribute att)
{
	return strncmp(NameStr(att->attname), PGT_HIDDEN_PREFIX,
				   strlen(PGT_HIDDEN_PREFIX)) == 0;
}

/* ---- definition.c ---- */

/*
 * Parse and analyse a query by the current search_path and check that it can
 * define a stream table that the owner may have.
 */
extern Query *definition_parse(const char *text, Oid owner);

/* Store an analysed query as a view in pgtrickle_defs, owned by the owner. */
extern Oid	definition_view_create(const char *viewname, Query *query, Oid owner);

/* Let the view go with the stream table. */
extern void definition_view_attach(Oid defview, Oid relid);

/* The query as PostgreSQL prints it, every name qualified. */
extern char *definition_view_text(Oid defview, Oid owner);

/* Compile as the owner; refuses sources that no stream table may have. */
extern DeltaProgram *definition_compile(Oid defview, Oid owner);

/* The same of an analysed query, to explain it only. */
extern DeltaProgram *definition_compile_query(Query *query, Oid owner);

/* NULL if AUTO maintains it differentially, else why not. */
extern const char *definition_full_reason(const DeltaProgram *program);

/*
 * Refuse DIFFERENTIAL for a query that cannot be maintained so, and say what it
 * means for one whose delta is the whole result; under AUTO say what will be
 * recomputed.
 */
extern void definition_check_mode(const char *name, RefreshMode mode,
								  const DeltaProgram *program);

/* Say which indexes of its sources are missing. */
extern void definition_advise(const char *name, RefreshMode mode,
							  const DeltaProgram *program);

/* A phrase as a sentence. */
extern char *sentence(const char *phrase);

/* ---- explain_json.c, explain_graph.c ---- */

struct Explanation;

extern char *explain_json(const StreamTable *st,
						  const struct Explanation *explanation);
/* In the language of Graphviz, or of Mermaid. */
extern char *explain_dot(const StreamTable *st,
						 const struct Explanation *explanation);
extern char *explain_mermaid(const StreamTable *st,
							 const struct Explanation *explanation);

/* ---- alter.c ---- */

/* What to change; NULL keeps.  A schedule is as the user wrote it. */
typedef struct AlterRequest
{
	const char *query;
	const char *schedule;
	const char *mode;
	const char *status;
	const int64 *fuse_ceiling;	/* negative: no fuse */
} AlterRequest;

/* st: read under its refresh lock. */
extern void stream_table_alter(StreamTable *st, const AlterRequest *request);

/* ---- version.c ---- */

/* SQL: of the extension's objects in this database. */
extern PGDLLEXPORT Datum pgt_version(PG_FUNCTION_ARGS);

/* ---- drop.c ---- */

/* Names of the stream tables that read this one, quoted; NULL if none does. */
extern char *consumer_names(Oid relid);

/*
 * Forget stream tables whose table is gone, and what was captured for them.
 * Skips those that are locked.  Any transaction may call it.
 */
extern void stream_table_sweep(void);

#endif							/* PGT_API_H */
