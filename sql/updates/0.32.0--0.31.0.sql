-- Back to layout 0.31.0: everything that belongs to a source is named by its oid
-- again.  What uses the functions and views that go must be dropped before.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION pgtrickle.pgt_lock_sources()
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'pgt_lock_sources';

CREATE FUNCTION pgtrickle.pgt_rename_source(source oid, stable_name text)
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'pgt_rename_source';

SELECT pgtrickle.pgt_lock_sources();

-- A frontier is found under the oid from here on.
UPDATE pgtrickle.pgt_stream_tables st
   SET frontier = jsonb_set(st.frontier, '{sources}', r.sources)
  FROM (
	SELECT s.pgt_id, jsonb_object_agg(coalesce(t.source::oid::text, f.key), f.value) AS sources
	  FROM pgtrickle.pgt_stream_tables s
	 CROSS JOIN LATERAL jsonb_each(s.frontier -> 'sources') f
	  LEFT JOIN pgtrickle.pgt_change_tracking t ON t.source_stable_name = f.key
	 GROUP BY s.pgt_id) r
 WHERE st.pgt_id = r.pgt_id;

SELECT pgtrickle.pgt_rename_source(n.source, NULL)
  FROM (SELECT t.source::oid AS source FROM pgtrickle.pgt_change_tracking t) n
 ORDER BY n.source;

DROP FUNCTION pgtrickle.pgt_rename_source(oid, text);
DROP FUNCTION pgtrickle.pgt_lock_sources();

-- What shows a column that goes, and what uses that; made again below.
DROP FUNCTION pgtrickle.health_check();
DROP FUNCTION pgtrickle.pgt_status();
DROP FUNCTION pgtrickle.get_staleness(text);
DROP FUNCTION pgtrickle.explain_refresh_mode(text);
DROP FUNCTION pgtrickle.change_buffer_sizes();
DROP FUNCTION pgtrickle.list_sources(text);
DROP FUNCTION pgtrickle.pgt_pending_by_source();
DROP VIEW pgtrickle.quick_health;
DROP VIEW pgtrickle.pgt_cdc_status;
DROP VIEW pgtrickle.stream_tables_info;
DROP FUNCTION pgtrickle.cdc_capture();
DROP FUNCTION pgtrickle.stable_hash(text);
DROP FUNCTION pgtrickle.shard_placements(regclass);
DROP FUNCTION pgtrickle.worker_nodes();
DROP FUNCTION pgtrickle.placement(regclass);
DROP FUNCTION pgtrickle.is_citus_loaded();

ALTER TABLE pgtrickle.pgt_change_tracking
	DROP COLUMN source_stable_name,
	DROP COLUMN source_placement,
	DROP COLUMN frontier_per_node;
ALTER TABLE pgtrickle.pgt_dependencies
	DROP COLUMN source_stable_name,
	DROP COLUMN source_placement;
ALTER TABLE pgtrickle.pgt_stream_tables
	DROP COLUMN st_placement;

