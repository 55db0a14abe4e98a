-- Without Citus every table is local, and there are no nodes.
CREATE SCHEMA api_placement;
SET search_path = api_placement, public;
\set VERBOSITY terse
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE p (id int) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE VIEW v AS SELECT * FROM t;
SELECT pgtrickle.is_citus_loaded();
SELECT r, p.* FROM unnest('{t,p,p1,v,pg_class}'::regclass[]) r, pgtrickle.placement(r) p;
SELECT * FROM pgtrickle.placement(NULL);
SELECT * FROM pgtrickle.worker_nodes();
SELECT * FROM pgtrickle.shard_placements('t');
-- a setting or a table of that name is no Citus
SET citus.shard_count = 3;
CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char");
INSERT INTO pg_dist_partition VALUES ('t', 'h');
SELECT pgtrickle.is_citus_loaded(), placement FROM pgtrickle.placement('t');
-- and that is what is recorded
SELECT * FROM made('s', 'SELECT v, count(*) AS n FROM t GROUP BY v');
SELECT source, d.source_placement, c.source_placement, frontier_per_node
  FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_change_tracking c USING (source) WHERE source = 't'::regclass;
SELECT st_placement FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 's'::regclass;
-- other placements there are not
BEGIN;
UPDATE pgtrickle.pgt_change_tracking SET source_placement = 'elsewhere' WHERE source = 't'::regclass;
ROLLBACK;
-- nobody needs a right to ask
SELECT p.oid::regprocedure FROM pg_proc p
 WHERE p.pronamespace = 'pgtrickle'::regnamespace AND p.proname IN ('is_citus_loaded', 'placement', 'worker_nodes', 'shard_placements')
   AND NOT has_function_privilege('pg_monitor', p.oid, 'EXECUTE');
