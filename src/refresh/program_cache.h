/*-------------------------------------------------------------------------
 *
 * program_cache.h
 *	  Compiled queries of the stream tables this backend refreshes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_PROGRAM_CACHE_H
#define PGT_PROGRAM_CACHE_H

#include "pgt.h"
#include "delta/program.h"
#include "refresh/refresh.h"

/* A source as a refresh needs it, in the order of program_sources(). */
typedef struct CachedSource
{
	SourceIdentifier id;		/* only the oid if it is not captured */
	Oid			buffer;			/* InvalidOid if it is not captured */
	List	   *partitions;		/* oids */
} CachedSource;

typedef struct CachedProgram
{
	Oid			relid;			/* hash key: the stream table */
	bool		valid;
	MemoryContext context;
	Oid			defview;
	bool		net_first;		/* as the stream table said when this was made */
	DeltaProgram *program;
	int			nsources;
	CachedSource *sources;
	bool		sources_valid;	/* no message about a buffer has come since */
	MemoryContext sources_context;	/* of what they point to, and the next */
	char	   *capture_problem;	/* a source's triggers are not in place */
	bool		storage_known_good;	/* the table was found to fit, or made so */
	List	   *parts;			/* oids of its auxiliary tables, and */
	uint64		table;			/* storage_signature(), 0 before it was asked for */
	Placement	placement;		/* of the stream table */
	bool		types_known;	/* of those that it may name: */
	int			ntypes;
	uint32	   *types;			/* their hash values in the cache of types */
	TimestampTz used_at;		/* when the last transaction that used it began */
} CachedProgram;

/*
 * Compile the query of a stream table in the form on which its refreshes have
 * settled, see program_net_first().
 */
extern DeltaProgram *program_compile_for(const StreamTable *st);

/*
 * The program of a stream table, compiled if needed, with AccessShareLock
 * taken on every source and its partitions and buffers, to the end of the
 * transaction.  The caller runs as the owner; to compile, the settings are pinned.
 */
extern CachedProgram *program_cache_get(const StreamTable *st, OwnerContext *ctx);

/* Forget what is known of a stream table. */
extern void program_cache_forget(Oid relid);

/*
 * Forget all that have to be compiled again, if they are ever asked for: the stream
 * table may be gone.  Nobody may hold one.
 */
extern void program_cache_sweep(void);

extern void program_cache_init(void);

#endif							/* PGT_PROGRAM_CACHE_H */
