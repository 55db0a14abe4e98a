/*-------------------------------------------------------------------------
 *
 * program.h
 *	  A stream table's query, compiled: which rule serves it, the layout of
 *	  the stream table, and the SQL of its delta.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_PROGRAM_H
#define PGT_PROGRAM_H

#include "pgt.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "apply/apply.h"
#include "buffer/buffer.h"
#include "catalog/catalog.h"
#include "catalog/placement.h"

/* A relation that the query reads, views expanded. */
typedef struct ProgramSource
{
	Oid			relid;
	Bitmapset  *columns;		/* plain attribute numbers that the query uses */
	Bitmapset  *wanted;			/* of them, those that a delta reads */
	int			nreferences;	/* factors that are this relation */
	Placement	placement;
	char	   *uncapturable;	/* reason, or NULL */
	bool		polled;			/* cannot be captured, and is polled instead */
	const char *unpollable;		/* what keeps this query from polling it */
	bool		inherits;		/* it is read through a table that it inherits
								 * from */
} ProgramSource;

/* A column of the stream table's layout. */
typedef struct LayoutColumn
{
	char	   *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
	bool		hidden;
} LayoutColumn;

typedef struct DeltaProgram DeltaProgram;

/* At load time. */
extern void delta_init(void);

/*
 * Compile the query of a definition view, as its owner sees it.  The caller
 * runs as the owner, with the fixed search_path, and holds locks on the view.
 * Takes AccessShareLock on the relations of the query.  Result and all it
 * points to live in CurrentMemoryContext.  Never raises an error for a query
 * that is merely not differentiable: see program_reason().
 */
extern DeltaProgram *program_compile(Oid defview);

/*
 * The same of an analysed query that nothing was made for yet.  The program can
 * be explained, but not run.
 */
extern DeltaProgram *program_compile_query(Query *query);

/* NULL if the query is maintained differentially, else construct and reason. */
extern const char *program_reason(const DeltaProgram *program);

/*
 * True if the result may change without any captured change, and not by a
 * polled source alone: functions that are not immutable, sources that can be
 * neither captured nor polled.
 */
extern bool program_always_recompute(const DeltaProgram *program);
extern bool program_is_volatile(const DeltaProgram *program);
/* Must some source be polled before the program runs? */
extern bool program_polls(const DeltaProgram *program);

/*
 * A source in the shards of a cluster that is not polled, or NULL.  The query
 * would be computed by other nodes, under settings that are not ours, and is to
 * be refused.
 */
extern const ProgramSource *program_remote_source(const DeltaProgram *program);

/*
 * True if the result changes as time goes by, by a delta: it depends on the
 * instant of the refresh, which is the now() of its transaction.
 */
extern bool program_is_timed(const DeltaProgram *program);

/*
 * The construct, in words, whose result no key divides, so that a delta
 * computes the whole result; or NULL.
 */
extern const char *program_undivided(const DeltaProgram *program);

extern List *program_sources(const DeltaProgram *program);	/* of ProgramSource *, distinct */
extern List *program_layout(const DeltaProgram *program);	/* of LayoutColumn *, hidden last */
extern const Identity *program_identity(const DeltaProgram *program);

/*
 * Find the columns of the layout in the table that keeps the result, by their
 * names.  False if it does not have exactly these, the visible ones in their order
 * and then the hidden ones.
 */
extern bool program_place(DeltaProgram *program, TupleDesc desc);

/* The identity in terms of the table in which the columns were found last. */
extern const Identity *program_placed_identity(const DeltaProgram *program);

/*
 * Bring the copies of the polled sources up to what these hold now.  Their
 * windows are filled, as buffer_read_window() does it for the others, unless
 * windows is NULL.  To be called before either of the two that follow, under
 * the active snapshot, which sees afterwards what was written.  Uses SPI.
 */
extern void program_poll(DeltaProgram *program, Snapshot snapshot,
						 ChangeWindow *windows);

/*
 * Compute and apply the delta of the windows.  windows[i] belongs to the i-th
 * member of program_sources().  before: the instant of the last refresh, for a
 * timed program.  st is open with RowExclusiveLock; the active snapshot is the
 * refresh's.  Uses SPI, which the caller has connected.  Returns whether
 * anything was written, here or to what is kept beside.
 */
extern bool program_run_delta(DeltaProgram *program, Relation st,
							  ChangeWindow *windows, TimestampTz before,
							  Snapshot snapshot, ApplyCounts *counts);

/* Oids of all relations, views too, whose change may change the program. */
extern List *program_watched(const DeltaProgram *program);

/*
 * A table that is read with all who inherit from it, where one more does than
 * when the program was compiled; or InvalidOid.
 */
extern Oid	program_grown_source(const DeltaProgram *program);

/*
 * Oids of the types whose change may change the program.  False if there may be
 * more.
 */
extern bool program_types(const DeltaProgram *program, List **types);

/*
 * A hash of what the query means: its tree and the bodies of the functions in
 * it.  Contents computed under one fingerprint cannot be carried on under
 * another.
 */
extern uint64 program_fingerprint(const DeltaProgram *program);

/*
 * Where columns are and what row ids mean in the table of the result, and the
 * latter in those of its parts: hashes, never 0.  Rows that were stored under one
 * are not what they should be under another.
 */
extern uint64 program_row_ids(const DeltaProgram *program);
extern uint64 program_part_row_ids(const DeltaProgram *program);

/*
 * Change the program so that no delta computes anything that can fail on a pair
 * of rows that never existed together; layout and parts stay as they are.
 * False, with nothing changed, if that is so already or cannot be had.
 */
extern bool program_net_first(DeltaProgram *program);
extern bool program_nets_first(const DeltaProgram *program);

/* May a delta fail on pairs of rows that never existed together? */
extern bool program_has_phantoms(const DeltaProgram *program,
								 const ChangeWindow *windows);

/*
 * The columns by which the table wants an index besides that of its identity,
 * as SQL, or NULL.
 */
extern const char *program_index(const DeltaProgram *program);

/*
 * Results that are kept beside the stream table's own, each a program with a
 * table in pgtrickle_defs; of DeltaProgram.
 */
extern List *program_parts(const DeltaProgram *program);
extern const char *program_part_table(const DeltaProgram *part);

/* Drop the kept plans; the memory goes with its context. */
extern void program_free(DeltaProgram *program);

/* Descriptor and source columns of the windows of source i. */
extern TupleDesc program_window_desc(const DeltaProgram *program, int source,
									 const AttrNumber **attnums);
/* What is not needed of the window of source i; NULL if all of it is. */
extern WindowFilter *program_window_filter(DeltaProgram *program, int source);
/* How its windows are to be read: WINDOW_* of buffer.h. */
extern int	program_window_flags(const DeltaProgram *program);

/*
 * Compute the whole result and apply its difference from the stored rows; fill
 * by swap if the table has no pages.  In that case st is closed on return.
 * Returns whether it was.
 */
extern bool program_run_full(DeltaProgram *program, Relation st,
							 Snapshot snapshot, ApplyCounts *counts);

/*
 * Operator tree, rule and reason per stage, statements, as text.  relid: the
 * stream table.
 */
extern void program_explain(DeltaProgram *program, Oid relid, StringInfo out);

#endif							/* PGT_PROGRAM_H */
