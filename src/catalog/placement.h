/*-------------------------------------------------------------------------
 *
 * placement.h
 *	  Where the rows of a table are: in the table, or spread over a cluster.
 *
 * Who knows of a kind of cluster registers a table of functions here when the
 * library is loaded; the rest of pg_trickle asks here, and without anybody
 * registered every table is a local one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGT_PLACEMENT_H
#define PGT_PLACEMENT_H

#include "pgt.h"
#include "nodes/pg_list.h"

typedef enum PlacementKind
{
	PLACEMENT_LOCAL,			/* on this node, be it in the table or in a shard */
	PLACEMENT_REFERENCE,		/* a copy on every node */
	PLACEMENT_DISTRIBUTED		/* in shards on the nodes */
} PlacementKind;

typedef struct Placement
{
	PlacementKind kind;

	/*
	 * Whether the rows are in shards, wherever these are.  The table itself
	 * then holds none, and no trigger on it sees their changes.
	 */
	bool		managed;
	char	   *column;			/* whose values choose the shard, or NULL */
} Placement;

typedef struct WorkerNode
{
	int32		node_id;
	int32		group_id;		/* which stays when another host takes over; 0 is
								 * the coordinator */
	char	   *host;
	int32		port;
	bool		has_shards;		/* shards may be put there */
	bool		metadata_synced;	/* it can plan queries itself */
} WorkerNode;

typedef struct ShardPlacement
{
	int64		shard_id;
	char	   *shard;			/* as the node names it, qualified */
	int32		group_id;
	char	   *host;
	int32		port;
} ShardPlacement;

typedef struct ClusterSetting
{
	const char *name;
	const char *value;
} ClusterSetting;

/*
 * What a kind of cluster answers.  All but the first are called only if that
 * says true.
 */
typedef struct ClusterRoutines
{
	bool		(*is_loaded) (void);
	bool		(*is_worker) (void);
	void		(*placement) (Oid relid, Placement *placement);
	List	   *(*worker_nodes) (void);
	List	   *(*shard_placements) (Oid relid);
	bool		(*moves_exactly) (Oid type);
	void		(*drop_trigger) (Oid relid, const char *name);
	const ClusterSetting *settings; /* the last one has no name */
} ClusterRoutines;

/* Keeps the pointer.  At load time. */
extern void cluster_register(const ClusterRoutines *routines);

/*
 * Is this database part of a cluster?  Cheap enough to ask anywhere: one
 * lookup in a system cache where it is not.
 */
extern bool cluster_is_loaded(void);

/*
 * Does another node of the cluster coordinate this one, so that stream tables
 * belong there?
 */
extern bool cluster_is_worker(void);

/*
 * Settings under which stream tables are made and refreshed, up to one without
 * a name; NULL if there are none.
 */
extern const ClusterSetting *cluster_settings(void);

/* Where the rows of a relation are; of a partition, those of its root. */
extern Placement placement_of(Oid relid);

/* Nodes that hold or may hold shards, of WorkerNode *, by group; NIL if local. */
extern List *cluster_worker_nodes(void);

/* The shards of a table and where they are, of ShardPlacement *, by shard. */
extern List *cluster_shard_placements(Oid relid);

/*
 * Do values of the type come from other nodes as they are there, rather than as
 * text in formats that are set there?
 */
extern bool cluster_moves_exactly(Oid type);

/*
 * Drop a trigger of a table whose rows are in shards, and what was made of it
 * on these.  By the superuser.
 */
extern void cluster_drop_trigger(Oid relid, const char *name);

extern const char *placement_name(PlacementKind kind);
/* A name that is stored; anything unknown is an ERROR. */
extern PlacementKind placement_from_name(const char *name);

/* What such a relation is, as a phrase after "is": palloc'd or constant. */
extern const char *placement_describe(const Placement *placement);

#endif							/* PGT_PLACEMENT_H */
