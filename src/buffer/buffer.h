/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  Change buffers: where captured changes wait.
 *
 * One heap table a source, pgtrickle_changes.changes_<key of the source>, with the
 * columns
 *
 *		xid xid8	top-level transaction that made the change
 *		w int2		+1 the row came, -1 the row went, 0 the table was truncated
 *		part int2	which part of its transaction; see frontier.h
 *		c<attnum>	one for each captured column, of the type of the source's
 *
 * Nothing is ever updated in it.  See README.md for why it has no index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_BUFFER_H
#define PGT_BUFFER_H

#include "pgt.h"
#include "access/tupdesc.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
#include "utils/tuplestore.h"

#include "refresh/frontier.h"

#define BUFFER_ATTR_XID		1
#define BUFFER_ATTR_W		2
#define BUFFER_ATTR_PART	3

/* Columns that every buffer has; those of the source follow. */
#define BUFFER_FIXED_ATTRS	3

/*
 * The changes of one source between a consumer's frontier and a snapshot.
 *
 * rows holds tuples of the descriptor given to buffer_read_window(): first
 * column w int4, then the wanted columns.  It is NULL when there is nothing.
 */
typedef struct ChangeWindow
{
	Tuplestorestate *rows;
	int64		nrows;			/* tuples in rows, after consolidation */
	int64		nchanges;		/* buffer rows read, before consolidation */
	int64		npassed;		/* of them, those that the filter let through */
	bool		has_negative;	/* some row of rows has w < 0 */
	bool		partial;		/* there may be rows that came and went */
	bool		has_marker;		/* the source was truncated in the window, or
								 * changes of it may be missing; rows is NULL */
} ChangeWindow;

/*
 * Rows of a window that do not satisfy both conditions can be left out.  Each is
 * asked of the scan's tuple, and NULL if there is none.
 */
typedef struct WindowFilter
{
	MemoryContext context;		/* holds this, and what the conditions keep */
	ExprState  *any;			/* can be asked of any change */
	ExprState  *netted;			/* only of what is left after netting */
	TupleTableSlot *slot;		/* virtual, of the window's descriptor */
} WindowFilter;

/*
 * Create the buffer of a source, or add the columns it lacks.
 *
 * columns: attribute numbers of the source that must be captured from now on
 * (plain members, no offset).  The caller holds ShareRowExclusiveLock or more
 * on the source, so that no writer is open.  Runs as the bootstrap superuser.
 * Returns the buffer's oid.
 */
extern Oid	buffer_ensure(const SourceIdentifier *source, const Bitmapset *columns);

/* Name a buffer as another identifier of the same source says; no error if there is none. */
extern void buffer_rename(const SourceIdentifier *source, const SourceIdentifier *as);

/*
 * Empty it, under AccessExclusiveLock.  Nothing in it may be wanted by anybody.
 */
extern void buffer_empty(const SourceIdentifier *source);
/* Can nobody but the owner of the extension read it?  Else it is made anew. */
extern bool buffer_is_ours(Oid buffer);

/* Drop the columns that are not in keep. */
extern void buffer_narrow(const SourceIdentifier *source, const Bitmapset *keep);

/* Drop the buffer; no error if it is gone. */
extern void buffer_drop(const SourceIdentifier *source);

/* Buffer of a source, or InvalidOid. */
extern Oid	buffer_relid(const SourceIdentifier *source);

/*
 * Append rows.  Each is an array of attribute values of the source; the map
 * says which of them go into the buffer's columns: columns[i] is the attribute
 * behind the buffer's column BUFFER_FIXED_ATTRS + 1 + i, 0 if there is none, and
 * ncolumns counts all of these, dropped ones too.  Values may point to what
 * lives until the next call only.  Used by capture only.
 */
typedef struct BufferWriter BufferWriter;
extern BufferWriter *buffer_writer_begin(Relation buffer, int ncolumns,
										 const AttrNumber *columns);
extern void buffer_writer_add(BufferWriter *writer, int w,
							  const Datum *values, const bool *isnull);
/* Append a row w = 0: what the source holds can no longer be told from here. */
extern void buffer_writer_marker(BufferWriter *writer);
extern void buffer_writer_end(BufferWriter *writer);

/* Write |w| rows of weight 1 or -1 instead of one of weight w. */
#define WINDOW_UNIT_WEIGHTS	1
/*
 * The reader adds up equal rows itself, and takes rows that came and went as
 * well: only neighbours need cancel.
 */
#define WINDOW_PASSING		2
/* Net all of it, in memory, however much that takes. */
#define WINDOW_WHOLE		4

/* Does the window (since, snapshot] hold any row?  Writes nothing. */
extern bool buffer_has_changes(Relation buffer, const SourceFrontier *since,
							   Snapshot snapshot);

/* How many rows does it hold?  Stops counting at limit. */
extern int64 buffer_count_changes(Relation buffer, const SourceFrontier *since,
								  Snapshot snapshot, int64 limit);

/*
 * How many rows does that window hold?  For people: of a large buffer the first
 * rows are counted, and the rest is taken to be like them.
 */
extern int64 buffer_estimate_changes(Relation buffer, const SourceFrontier *since,
									 Snapshot snapshot);

/*
 * Read the window (since, snapshot] into *window.
 *
 * desc: descriptor of the wanted rows, (w int4, column, column, ...);
 * attnums[i] is the source attribute behind desc column i + 2.
 * filter may be NULL.  flags: of WINDOW_*.  Rows whose weights cancel are left out, as far as memory
 * allows: the rules are exact without it, but may fail on a row that came and went.  Rows and store live in
 * CurrentMemoryContext; the store spills beyond work_mem.
 */
extern void buffer_read_window(Relation buffer, const SourceFrontier *since,
							   Snapshot snapshot, TupleDesc desc,
							   const AttrNumber *attnums, WindowFilter *filter,
							   int flags, ChangeWindow *window);

/*
 * Remove what every consumer has consumed.  Takes AccessExclusiveLock on the
 * buffer, waiting at most wait_ms for it (0: only if it is free), and keeps it
 * to the end of the transaction.  A buffer of a few pages is left alone.
 * Returns true if the buffer was trimmed.
 */
extern bool buffer_trim(const SourceIdentifier *source, int wait_ms);

#endif							/* PGT_BUFFER_H */
