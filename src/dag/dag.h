/*-------------------------------------------------------------------------
 *
 * dag.h
 *	  Stream tables over stream tables: who reads whom, and who must be
 *	  refreshed together.
 *
 * Lists are of oids, palloc'd in CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_DAG_H
#define PGT_DAG_H

#include "pgt.h"
#include "nodes/pg_list.h"

struct StreamTable;

/*
 * The consistency group of a stream table: all that must be at one snapshot
 * with it, itself included, each after those that it reads.
 */
extern List *dag_group(Oid relid);

/* The same if relid, which need not exist yet, had these sources. */
extern List *dag_group_with(Oid relid, const List *sources);

/*
 * Raise ERRCODE_INVALID_OBJECT_DEFINITION, naming the path, if a stream table
 * with these sources would read itself.  Until the end of the transaction no
 * other definition of a stream table over stream tables passes this.
 */
extern void dag_refuse_cycle(Oid relid, const List *sources);

/* Of these sources, the ones that are stream tables. */
extern List *dag_stream_tables(const List *sources);

/*
 * What gates a stream table or one of its group, as a phrase in the current
 * context; NULL if nothing does.
 */
extern char *dag_gate_reason(const struct StreamTable *st);

extern void dag_init(void);

#endif							/* PGT_DAG_H */
