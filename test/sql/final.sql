-- After all other tests: what they left must still be right, and nothing may
-- be left over of what they dropped.
\set VERBOSITY terse

CREATE TEMP TABLE wrong (st regclass, why text);
DO $$
DECLARE
	st regclass;
BEGIN
	-- rows of those that DROP TABLE has taken stay until somebody creates or drops one
	FOR st IN SELECT pgt_relid FROM pgtrickle.pgt_stream_tables
			   JOIN pg_class c ON c.oid = pgt_relid
			   WHERE status = 'ACTIVE' ORDER BY pgt_id
	LOOP
		BEGIN
			IF NOT (fresh(st)).exact THEN
				INSERT INTO wrong VALUES (st, 'differs from its query');
			END IF;
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO wrong VALUES (st, sqlerrm);
		END;
	END LOOP;
END $$;
SELECT st, why FROM wrong ORDER BY st::text;

-- definition views, auxiliary tables, buffers and triggers belong to something that exists
SELECT count(*) AS stray_definitions
  FROM pg_class c
 WHERE c.relnamespace = 'pgtrickle_defs'::regnamespace AND c.relkind = 'v'
   AND NOT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables s WHERE s.definition = c.oid);
SELECT count(*) AS stray_auxiliary_tables
  FROM pg_class c
 WHERE c.relnamespace = 'pgtrickle_defs'::regnamespace AND c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM pg_depend d
					 JOIN pgtrickle.pgt_stream_tables s ON s.pgt_relid = d.refobjid
					WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
					  AND d.refclassid = 'pg_class'::regclass);
SELECT count(*) AS stray_buffers
  FROM pg_class c
 WHERE c.relnamespace = 'pgtrickle_changes'::regnamespace AND c.relkind = 'r'
   AND NOT EXISTS (SELECT FROM pgtrickle.pgt_change_tracking t
					WHERE c.relname = 'changes_' || t.source_stable_name);
SELECT count(*) AS stray_triggers
  FROM pg_trigger g
 WHERE g.tgname LIKE 'pg\_trickle\_cdc\_%'
   AND NOT EXISTS (SELECT FROM pgtrickle.pgt_change_tracking t
					WHERE g.tgname LIKE '%' || t.source_stable_name);
SELECT count(*) AS tracked_for_nobody
  FROM pgtrickle.pgt_change_tracking t
 WHERE NOT EXISTS (SELECT FROM pgtrickle.pgt_dependencies d WHERE d.source = t.source);

-- and none of what all tests made is named by an oid
SELECT named_by_oid();
