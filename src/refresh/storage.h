/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  The tables behind a stream table: its own, and those of its parts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_STORAGE_H
#define PGT_STORAGE_H

#include "pgt.h"
#include "delta/program.h"

#define PGT_GUARD_TRIGGER	"pg_trickle_guard"
#define PGT_GUARD_ROW_TRIGGER	"pg_trickle_guard_row"

/* Create the table, its index, its guard and its comment, as the owner. */
extern Oid	storage_create(const char *schema, const char *name,
						   const DeltaProgram *program, Oid owner);

/*
 * Create the tables of a program's parts, as far as they are missing or do not
 * fit, or all of them anew; they go with the stream table st.  Returns whether any was created, so
 * that they have to be filled.
 */
extern bool storage_ensure_parts(const DeltaProgram *program, Oid st, Oid owner,
								 bool anew);

/*
 * Is it as the end of recovery leaves an unlogged table?  It may also just be empty;
 * then it costs little to compute it again.
 */
extern bool storage_has_no_pages(Oid table);
/* The same of one that is unlogged now. */
extern bool storage_may_be_reset(Oid st);

/* Let a view or table go with the stream table st. */
extern void storage_attach(Oid relid, Oid st);
/* The table that it goes with, or InvalidOid. */
extern Oid	storage_attached_to(Oid relid);

/* Filling takes a snapshot newer than the transaction's: refuse if fixed. */
extern void require_new_snapshots(const char *what);

/* Does the table have exactly these columns? */
extern bool storage_matches(Oid relid, const List *layout);

/* Put a new table in the place of an old one, which is dropped. */
extern void storage_replace(Oid oldrelid, Oid newrelid);

/* Does the table have all that the program needs, and nothing else? */
extern bool storage_serves(Oid relid, DeltaProgram *program);

/*
 * Change hidden columns and indexes of the stream table to what the program
 * needs by now, where they are not so; or only empty it if its rows were stored under other
 * row_ids, unless these are 0.  Returns whether that was done: then the
 * table is empty, what was deleted is added to *counts, and it has to be filled.
 * Runs as the owner, who we are.  Refuses if visible columns are others.
 */
extern bool storage_adapt(Oid relid, DeltaProgram *program, uint64 row_ids,
						  ApplyCounts *counts);

/*
 * The same for another query, whose columns may be others; the table is empty
 * afterwards.  storage_can_change() tells whether that can be done by dropping
 * columns and adding some at the end; storage_is_used(), whether anything would be
 * lost with the table.
 */
extern bool storage_is_used(Oid relid);
extern bool storage_can_change(Oid relid, const DeltaProgram *program);
extern void storage_change(Oid relid, DeltaProgram *program, Oid owner);

/* Oids of the tables of a program's parts that are there. */
extern List *storage_parts(const DeltaProgram *program);

/*
 * A hash, never 0, of when the columns of a stream table and of its parts, and their
 * guards, were last changed.  Where it is another one than after the last refresh,
 * somebody may have written to one past the guards, or rewritten a column.
 */
extern uint64 storage_signature(Oid st, const List *parts);

/* The column as it is written in CREATE TABLE. */
extern char *storage_column_sql(const LayoutColumn *column);

/* Run statements through SPI as the current user. */
extern void run_sql(const char *sql);

#endif							/* PGT_STORAGE_H */
