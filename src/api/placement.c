/*-------------------------------------------------------------------------
 *
 * placement.c
 *	  is_citus_loaded(), placement(), worker_nodes() and shard_placements():
 *	  where tables are in a cluster.
 *
 * They answer what the tables of Citus say, which everybody may read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "api/api.h"
#include "catalog/placement.h"

PG_FUNCTION_INFO_V1(pgt_is_citus_loaded);
PG_FUNCTION_INFO_V1(pgt_placement);
PG_FUNCTION_INFO_V1(pgt_worker_nodes);
PG_FUNCTION_INFO_V1(pgt_shard_placements);

Datum
pgt_is_citus_loaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cluster_is_loaded());
}

Datum
pgt_placement(PG_FUNCTION_ARGS)
{
	Placement	placement = placement_of(PG_GETARG_OID(0));
	TupleDesc	desc;
	Datum		values[3] = {0};
	bool		isnull[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(placement_name(placement.kind));
	if (placement.column != NULL)
		values[1] = CStringGetTextDatum(placement.column);
	else
		isnull[1] = true;
	values[2] = BoolGetDatum(placement.managed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, isnull)));
}

Datum
pgt_worker_nodes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *nodes = cluster_worker_nodes();
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, nodes)
	{
		const WorkerNode *node = lfirst(lc);
		Datum		values[6];
		bool		isnull[6] = {false};

		values[0] = Int32GetDatum(node->node_id);
		values[1] = Int32GetDatum(node->group_id);
		values[2] = CStringGetTextDatum(node->host);
		values[3] = Int32GetDatum(node->port);
		values[4] = BoolGetDatum(node->has_shards);
		values[5] = BoolGetDatum(node->metadata_synced);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	}
	return (Datum) 0;
}

Datum
pgt_shard_placements(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *shards = cluster_shard_placements(PG_GETARG_OID(0));
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, shards)
	{
		const ShardPlacement *shard = lfirst(lc);
		Datum		values[5];
		bool		isnull[5] = {false};

		values[0] = Int64GetDatum(shard->shard_id);
		values[1] = CStringGetTextDatum(shard->shard);
		values[2] = Int32GetDatum(shard->group_id);
		values[3] = CStringGetTextDatum(shard->host);
		values[4] = Int32GetDatum(shard->port);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, isnull);
	}
	return (Datum) 0;
}
