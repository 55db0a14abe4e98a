/*-------------------------------------------------------------------------
 *
 * placement.c
 *	  Where the rows of a table are, whoever knows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/placement.h"

static const ClusterRoutines *cluster = NULL;

static const char *const placement_names[] = {
	[PLACEMENT_LOCAL] = "local",
	[PLACEMENT_REFERENCE] = "reference",
	[PLACEMENT_DISTRIBUTED] = "distributed",
};

void
cluster_register(const ClusterRoutines *routines)
{
	cluster = routines;
}

bool
cluster_is_loaded(void)
{
	return cluster != NULL && cluster->is_loaded();
}

bool
cluster_is_worker(void)
{
	return cluster_is_loaded() && cluster->is_worker();
}

const ClusterSetting *
cluster_settings(void)
{
	return cluster_is_loaded() ? cluster->settings : NULL;
}

Placement
placement_of(Oid relid)
{
	Placement	placement = {.kind = PLACEMENT_LOCAL};

	if (cluster_is_loaded())
		cluster->placement(relid, &placement);
	return placement;
}

List *
cluster_worker_nodes(void)
{
	return cluster_is_loaded() ? cluster->worker_nodes() : NIL;
}

List *
cluster_shard_placements(Oid relid)
{
	return cluster_is_loaded() ? cluster->shard_placements(relid) : NIL;
}

bool
cluster_moves_exactly(Oid type)
{
	return !cluster_is_loaded() || cluster->moves_exactly(type);
}

void
cluster_drop_trigger(Oid relid, const char *name)
{
	Assert(cluster_is_loaded());
	cluster->drop_trigger(relid, name);
}

const char *
placement_name(PlacementKind kind)
{
	return placement_names[kind];
}

PlacementKind
placement_from_name(const char *name)
{
	for (int i = 0; i < lengthof(placement_names); i++)
		if (strcmp(placement_names[i], name) == 0)
			return (PlacementKind) i;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown placement: \"%s\"", name)));
}

const char *
placement_describe(const Placement *placement)
{
	switch (placement->kind)
	{
		case PLACEMENT_REFERENCE:
			return "a reference table of Citus";
		case PLACEMENT_DISTRIBUTED:
			return "a distributed table of Citus";
		default:
			return placement->managed ?
				"a local table that Citus manages" : "a local table";
	}
}
