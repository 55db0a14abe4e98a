
-- Every source gets the stable name that it would have got, had it been tracked
-- by this version.  Two that would have the same, as "a.b".c and a."b.c", and
-- tables that are gone, get one of the name that their buffer had.
SELECT pgtrickle.pgt_rename_source(n.source,
		CASE n.nth WHEN 1 THEN n.of_table ELSE n.of_buffer END)
  FROM (
	SELECT h.source, h.of_table, h.of_buffer,
		CASE
			WHEN h.of_table IS NOT NULL
				THEN row_number() OVER (PARTITION BY h.of_table ORDER BY h.source)
		END AS nth
	  FROM (
		SELECT t.source::oid AS source,
			pgtrickle.stable_hash(d.oid || '/' || s.nspname || '.' || c.relname) AS of_table,
			pgtrickle.stable_hash(d.oid || '/pgtrickle_changes.changes_' || t.source::oid) AS of_buffer
		  FROM pgtrickle.pgt_change_tracking t
		  JOIN pg_database d ON d.datname = current_database()
		  LEFT JOIN pg_class c ON c.oid = t.source
		  LEFT JOIN pg_namespace s ON s.oid = c.relnamespace) h) n
 ORDER BY n.source;

-- Frontiers are read under either name; this is for whoever looks at them.
UPDATE pgtrickle.pgt_stream_tables st
   SET frontier = jsonb_set(st.frontier, '{sources}', r.sources)
  FROM (
	SELECT s.pgt_id, jsonb_object_agg(coalesce(t.source_stable_name, f.key), f.value) AS sources
	  FROM pgtrickle.pgt_stream_tables s
	 CROSS JOIN LATERAL jsonb_each(s.frontier -> 'sources') f
	  LEFT JOIN pgtrickle.pgt_change_tracking t ON t.source::oid::text = f.key
	 GROUP BY s.pgt_id) r
 WHERE st.pgt_id = r.pgt_id;

-- What later refreshes find to be as it was recorded.
UPDATE pgtrickle.pgt_change_tracking t
   SET source_placement = p.placement
  FROM pg_class c, pgtrickle.placement(c.oid) p
 WHERE c.oid = t.source AND p.placement <> t.source_placement;
UPDATE pgtrickle.pgt_dependencies d
   SET source_placement = p.placement
  FROM pg_class c, pgtrickle.placement(c.oid) p
 WHERE c.oid = d.source AND p.placement <> d.source_placement;
UPDATE pgtrickle.pgt_stream_tables s
   SET st_placement = p.placement
  FROM pg_class c, pgtrickle.placement(c.oid) p
 WHERE c.oid = s.pgt_relid AND p.placement <> s.st_placement;

DROP FUNCTION pgtrickle.pgt_rename_source(oid, text);
DROP FUNCTION pgtrickle.pgt_lock_sources();
