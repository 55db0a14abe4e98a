/*-------------------------------------------------------------------------
 *
 * citus.c
 *	  What Citus says of the tables and nodes of this database.
 *
 * All of it stands in tables that CREATE EXTENSION citus makes in pg_catalog,
 * and that Citus reads itself.  Columns are found by name: later versions have
 * more of them, and have dropped some.
 *
 * Whether Citus is there is asked of the system cache of relation names, which
 * remembers names that do not exist as well and follows CREATE and DROP
 * EXTENSION.  Where it is not, that one lookup is all that is ever done.
 *
 *		partmethod	repmodel	colocationid	the rows are
 *		n			t			any				on every node		reference
 *		n			other		0				here, in one shard	local
 *		n			other		other			in one shard		distributed
 *		other		any			any				in shards by value	distributed
 *
 * Reads:  pg_dist_partition by table scan, the rest through SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog/placement.h"

#define DIST_PARTITION			"pg_dist_partition"
#define DIST_PARTITION_INDEX	"pg_dist_partition_logical_relid_index"
#define DIST_LOCAL_GROUP		"pg_dist_local_group"

#define COORDINATOR_GROUP		0
#define PARTMETHOD_NONE			'n'
#define REPMODEL_TWO_PHASE		't'
#define NO_COLOCATION			0

/* A setting that only the library defines; others may have set the name. */
#define CITUS_SETTING			"citus.shard_count"

static Oid
citus_relid(const char *name)
{
	return get_relname_relid(name, PG_CATALOG_NAMESPACE);
}

static bool
library_is_loaded(void)
{
	return GetConfigOption(CITUS_SETTING, true, false) != NULL &&
		!(GetConfigOptionFlags(CITUS_SETTING, true) & GUC_CUSTOM_PLACEHOLDER);
}

/* Without the library the tables of Citus are just tables, and nobody's. */
static bool
citus_is_loaded(void)
{
	return OidIsValid(citus_relid(DIST_PARTITION)) && library_is_loaded();
}

static Datum
column_value(HeapTuple tuple, Relation rel, const char *name, bool *isnull)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), name);

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("this version of Citus is not known to pg_trickle"),
				 errdetail("Its table \"%s\" has no column \"%s\".",
						   RelationGetRelationName(rel), name)));
	return heap_getattr(tuple, attno, RelationGetDescr(rel), isnull);
}

/* ---- nodes ---- */

static bool
citus_is_worker(void)
{
	Oid			relid = citus_relid(DIST_LOCAL_GROUP);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result = false;

	if (!OidIsValid(relid))
		return false;
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		group = column_value(tuple, rel, "groupid", &isnull);

		result = !isnull && DatumGetInt32(group) != COORDINATOR_GROUP;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* ---- tables ---- */

/* "partkey" is the column as the planner has it. */
static char *
partition_column(Oid relid, const char *partkey)
{
	Node	   *node = stringToNode(partkey);

	return IsA(node, Var) ? get_attname(relid, ((Var *) node)->varattno, true) : NULL;
}

static void
read_placement(HeapTuple tuple, Relation rel, Oid relid, Placement *placement)
{
	bool		isnull;
	char		method = DatumGetChar(column_value(tuple, rel, "partmethod", &isnull));
	char		repmodel = DatumGetChar(column_value(tuple, rel, "repmodel", &isnull));
	int32		colocation = DatumGetInt32(column_value(tuple, rel, "colocationid", &isnull));
	Datum		partkey = column_value(tuple, rel, "partkey", &isnull);

	placement->managed = true;
	if (method != PARTMETHOD_NONE || (repmodel != REPMODEL_TWO_PHASE && colocation != NO_COLOCATION))
		placement->kind = PLACEMENT_DISTRIBUTED;
	else
		placement->kind = repmodel == REPMODEL_TWO_PHASE ?
			PLACEMENT_REFERENCE : PLACEMENT_LOCAL;
	if (!isnull)
		placement->column = partition_column(relid, TextDatumGetCString(partkey));
}

/* False if Citus does not know the relation. */
static bool
find_placement(Oid relid, Placement *placement)
{
	Relation	rel = table_open(citus_relid(DIST_PARTITION), AccessShareLock);
	Oid			index = citus_relid(DIST_PARTITION_INDEX);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, get_attnum(RelationGetRelid(rel), "logicalrelid"),
				BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		read_placement(tuple, rel, relid, placement);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

static void
citus_placement(Oid relid, Placement *placement)
{
	if (find_placement(relid, placement) || !get_rel_relispartition(relid))
		return;
	(void) find_placement(llast_oid(get_partition_ancestors(relid)), placement);
}

/*
 * Rows move in binary form if all of their columns have one.  That of a row type
 * names the types in it by oids, which are others on another node.
 */
static bool
citus_moves_exactly(Oid type)
{
	Oid			base = getBaseType(type);
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(base));
	Form_pg_type form;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", base);
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = form->typtype != TYPTYPE_COMPOSITE &&
		OidIsValid(form->typsend) && OidIsValid(form->typreceive) &&
		(!OidIsValid(form->typelem) || citus_moves_exactly(form->typelem));
	ReleaseSysCache(tuple);
	return result;
}

/* ---- lists ---- */

typedef void *(*RowReader) (HeapTuple tuple, TupleDesc desc);

static int64
int_value(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, desc, column, &isnull);

	return SPI_gettypeid(desc, column) == INT8OID ?
		DatumGetInt64(value) : DatumGetInt32(value);
}

static bool
bool_value(HeapTuple tuple, TupleDesc desc, int column)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(tuple, desc, column, &isnull));
}

static void *
read_node(HeapTuple tuple, TupleDesc desc)
{
	WorkerNode *node = palloc(sizeof(WorkerNode));

	node->node_id = (int32) int_value(tuple, desc, 1);
	node->group_id = (int32) int_value(tuple, desc, 2);
	node->host = SPI_getvalue(tuple, desc, 3);
	node->port = (int32) int_value(tuple, desc, 4);
	node->has_shards = bool_value(tuple, desc, 5);
	node->metadata_synced = bool_value(tuple, desc, 6);
	return node;
}

static void *
read_shard(HeapTuple tuple, TupleDesc desc)
{
	ShardPlacement *shard = palloc(sizeof(ShardPlacement));

	shard->shard_id = int_value(tuple, desc, 1);
	shard->shard = SPI_getvalue(tuple, desc, 2);
	shard->group_id = (int32) int_value(tuple, desc, 3);
	shard->host = SPI_getvalue(tuple, desc, 4);
	shard->port = (int32) int_value(tuple, desc, 5);
	return shard;
}

/* The rows of a query with one argument, read into the caller's context. */
static List *
read_rows(const char *sql, Oid type, Datum argument, RowReader reader)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *rows = NIL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(sql, 1, &type, &argument, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "reading the tables of Citus failed");
	MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < SPI_processed; i++)
		rows = lappend(rows, reader(SPI_tuptable->vals[i], SPI_tuptable->tupdesc));
	SPI_finish();
	return rows;
}

/* A clone follows another node, and is none that holds shards of its own. */
static const char *
no_clones(void)
{
	return get_attnum(citus_relid("pg_dist_node"), "nodeisclone") != InvalidAttrNumber ?
		" AND NOT nodeisclone" : "";
}

static List *
citus_worker_nodes(void)
{
	const char *name = GetConfigOption("citus.cluster_name", true, false);

	return read_rows(psprintf("SELECT nodeid, groupid, nodename, nodeport, shouldhaveshards, metadatasynced"
							  " FROM pg_catalog.pg_dist_node"
							  " WHERE isactive AND noderole = 'primary' AND nodecluster = $1%s"
							  " ORDER BY groupid, nodeid", no_clones()),
					 NAMEOID, CStringGetDatum(pstrdup(name ? name : "default")),
					 read_node);
}

static List *
citus_shard_placements(Oid relid)
{
	return read_rows("SELECT s.shardid, pg_catalog.shard_name(s.logicalrelid, s.shardid), p.groupid, n.nodename, n.nodeport"
					 " FROM pg_catalog.pg_dist_shard AS s"
					 " JOIN pg_catalog.pg_dist_placement AS p USING (shardid)"
					 " JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary'"
					 " WHERE s.logicalrelid = $1 AND p.shardstate = 1"
					 " ORDER BY s.shardid, p.groupid",
					 REGCLASSOID, ObjectIdGetDatum(relid), read_shard);
}

/* ---- triggers ---- */

static void
set_until_end(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Citus carries the command to the shards.  Of a table that is not local it does
 * so only where triggers are allowed, though they be there.
 */
static void
citus_drop_trigger(Oid relid, const char *name)
{
	int			level = NewGUCNestLevel();
	char	   *table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												   get_rel_name(relid));

	set_until_end("citus.enable_ddl_propagation", "on");
	set_until_end("citus.enable_unsafe_triggers", "on");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(psprintf("DROP TRIGGER %s ON %s", quote_identifier(name), table),
					false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "dropping a trigger failed");
	SPI_finish();
	AtEOXact_GUC(false, level);
}

/* ---- registering ---- */

/*
 * What we create is for this node only: views and tables of ours must not be
 * made on the others as well, nor a table of ours be put into shards because
 * of its schema.  And values of sources that are in shards must come as they
 * are, not as text in formats of the node that sends them.
 */
static const ClusterSetting citus_settings[] = {
	{"citus.enable_ddl_propagation", "off"},
	{"citus.enable_schema_based_sharding", "off"},
	{"citus.enable_binary_protocol", "on"},
	{NULL}
};

static const ClusterRoutines citus_routines = {
	.is_loaded = citus_is_loaded,
	.is_worker = citus_is_worker,
	.placement = citus_placement,
	.worker_nodes = citus_worker_nodes,
	.shard_placements = citus_shard_placements,
	.moves_exactly = citus_moves_exactly,
	.drop_trigger = citus_drop_trigger,
	.settings = citus_settings,
};

/*
 * Nobody calls into this folder by name, so that the library can be built
 * without it: the loader of the library runs this.
 */
static void __attribute__((constructor))
citus_register(void)
{
	cluster_register(&citus_routines);
}
