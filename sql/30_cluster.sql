-- Where tables are in a cluster of Citus.  Without Citus every table is local,
-- and there are no nodes.  PUBLIC may ask: the tables of Citus are readable by
-- everybody.

CREATE FUNCTION pgtrickle.is_citus_loaded()
RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_is_citus_loaded';
COMMENT ON FUNCTION pgtrickle.is_citus_loaded() IS
	'whether Citus is installed in this database and its library is loaded';

CREATE FUNCTION pgtrickle.placement(
	relation regclass,
	OUT placement text,
	OUT distribution_column text,
	OUT is_managed boolean)
RETURNS record
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_placement';
COMMENT ON FUNCTION pgtrickle.placement(regclass) IS
	'local, reference or distributed; by which column, if by any; and whether the rows are in shards of Citus, as they may be of a local table, too';

CREATE FUNCTION pgtrickle.worker_nodes(
	OUT node_id integer,
	OUT group_id integer,
	OUT host text,
	OUT port integer,
	OUT has_shards boolean,
	OUT metadata_synced boolean)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_worker_nodes';
COMMENT ON FUNCTION pgtrickle.worker_nodes() IS
	'active primary nodes of the Citus cluster, the coordinator included, which is group 0';

CREATE FUNCTION pgtrickle.shard_placements(
	relation regclass,
	OUT shard_id bigint,
	OUT shard text,
	OUT group_id integer,
	OUT host text,
	OUT port integer)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_shard_placements';
COMMENT ON FUNCTION pgtrickle.shard_placements(regclass) IS
	'shards of a table, and the nodes that hold them';
