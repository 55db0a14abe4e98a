/*-------------------------------------------------------------------------
 *
 * refresh.h
 *	  One refresh as one transaction: lock, snapshot, choose, run, record.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_REFRESH_H
#define PGT_REFRESH_H

#include "pgt.h"
#include "catalog/catalog.h"

typedef enum RefreshResult
{
	REFRESH_NO_DATA,			/* nothing had changed; nothing was written but,
								 * once in a while, that the clock was looked at */
	REFRESH_DONE,
	REFRESH_BUSY,				/* wait was false and somebody else refreshes it */
	REFRESH_HELD_BACK			/* suspended, or reads one of its group that is */
} RefreshResult;

/*
 * Refresh a stream table inside the current transaction, and with it all of
 * its consistency group (dag.h), each as its owner.
 *
 * Each equals its query at the one snapshot that this call takes after its
 * locks.  Locks to the end of the transaction: the refresh locks;
 * AccessShareLock on sources and their partitions; RowExclusiveLock on the
 * stream tables.  full: recompute this one even where a delta would do, with
 * the reason.  Rights were checked by the caller.  Errors travel up.
 */
extern RefreshResult refresh_run(Oid relid, bool wait, const char *full_reason);

/*
 * The same, telling what became of each member, and of those that were not held
 * back, whether the clock is an input of it; false if the group is busy, and
 * then nothing was told.
 *
 * An automatic one holds back all members if one of them reads a source that is
 * gated (catalog/gate.c), and raises ERRCODE_PGT_FUSE_BLOWN if more changes wait
 * for one of them than its fuse_ceiling.
 */
typedef struct RefreshReport
{
	bool		automatic;		/* nobody asked for it: heed gates and fuses */
	void		(*callback) (Oid relid, RefreshResult result, bool timed, void *arg);
	void	   *arg;
} RefreshReport;
extern bool refresh_run_reporting(Oid relid, bool wait, const char *full_reason,
								  RefreshReport *report);

/* Raise an error if a refresh is under way in this session. */
extern void refresh_refuse_nested(const char *function);

/* After an error: the stream table that was being refreshed, and its name. */
extern Oid	refresh_current_member(void);
extern const char *refresh_current_name(void);

/*
 * Take the refresh locks of a stream table's group, as refresh_run() does
 * first.  Whoever changes a definition calls this before he locks a source
 * against its refresh; sources: what it will read, or NIL for what it reads.
 */
extern void refresh_lock_group(Oid relid, const List *sources);

/* A refresh has read this buffer. */
extern void refresh_note_buffer(Relation buffer);

/*
 * Trim the buffers of the sources of a stream table, and of its group, that
 * have grown, if nobody uses them just now.  Does nothing if no buffer that was
 * read since the last call was large.  The locks last to the end of the
 * transaction, so this is not for transaction blocks.
 */
extern void refresh_trim_buffers(Oid relid);

/*
 * Is there a change of data that the next refresh would consume (or must it
 * recompute anyway)?  At the active snapshot, if there is one.
 */
extern bool refresh_has_changes(const StreamTable *st);

/*
 * Must the next refresh recompute, or look at the clock, whatever its sources
 * hold?  Also if it would be refused, for want of a query.
 */
extern bool refresh_pending_by_itself(const StreamTable *st);

/*
 * Might the next refresh do anything: by itself, for changes of sources, because
 * these are not captured, or because a stream table that it reads might be changed
 * by its own?  A hint, not a promise.
 */
extern bool refresh_has_pending(const StreamTable *st);

/*
 * If what this process keeps of stream tables takes more memory than budget,
 * forget some of it that was not used since then; it is made again when needed.
 */
extern void refresh_trim_programs(Size budget, TimestampTz unused_since);

struct DeltaProgram;

/*
 * Replace what is recorded of a stream table's sources by what its program
 * reads, and have their changes captured.  Waits until no writer of a source
 * is open, in the order of oids.  Sources that it alone used are released.
 * Raises ERRCODE_INSUFFICIENT_PRIVILEGE if the owner lacks TRIGGER on one.
 */
extern void refresh_track(int64 pgt_id, const struct DeltaProgram *program,
						  Oid owner);

/*
 * Refuse a query that other nodes of a cluster would have to compute: see
 * program_remote_source().
 */
extern void refresh_refuse_remote(const char *name,
								  const struct DeltaProgram *program);

/* Oids of the relations that a program reads. */
extern List *refresh_sources(const struct DeltaProgram *program);

/*
 * Run code as the stream table's owner under SECURITY_RESTRICTED_OPERATION,
 * with search_path = pg_catalog, pg_temp and the settings that decide what
 * expressions give and how values print pinned.  Undone by
 * owner_context_leave(), or by an abort.
 */
typedef struct OwnerContext
{
	Oid			save_userid;
	int			save_sec_context;
	int			guc_level;		/* 0: no setting has been pinned */
} OwnerContext;
extern void owner_context_enter(OwnerContext *ctx, Oid owner);
/*
 * The two halves of it: the rights, and the settings, which have been pinned
 * before anything of a query is analysed, planned or run.
 */
extern void owner_context_become(OwnerContext *ctx, Oid owner);
extern void owner_context_settings(OwnerContext *ctx);
extern void owner_context_leave(OwnerContext *ctx);
/* Pin the settings for as long as the session lasts, which makes that cheap. */
extern void owner_context_pin(void);

extern void refresh_init(void);

#endif							/* PGT_REFRESH_H */
