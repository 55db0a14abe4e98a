-- What the functions and views for people on call say, and to whom.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA api_monitor;
SET search_path = api_monitor, public;
CREATE ROLE regress_pgt_on_call IN ROLE pg_monitor;
CREATE ROLE regress_pgt_stranger;
CREATE ROLE regress_pgt_friend;
CREATE ROLE regress_pgt_maker;
GRANT ALL ON SCHEMA api_monitor TO PUBLIC;
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE u (id int PRIMARY KEY, t text);
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO u VALUES (1, '1');
SELECT pgtrickle.create_stream_table('a', 'SELECT id, v FROM t', '5m', 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('b', 'SELECT a.id, u.t FROM a JOIN u USING (id)', '1h');
SELECT pgtrickle.create_stream_table('c', 'SELECT v, count(*) AS n FROM t GROUP BY v', initialize => false);
SELECT pgtrickle.create_stream_table('d', 'SELECT id FROM u LIMIT 1');
SELECT pgtrickle.create_stream_table('e', 'SELECT id FROM u', refresh_mode => 'FULL');

-- one row answers
SELECT name, freshness, staleness = '0' AS up_to_date, last_action, last_reason, last_error FROM pgtrickle.pgt_status() WHERE name LIKE 'api\_monitor.%';
INSERT INTO t VALUES (3, 3), (4, 4);
DELETE FROM t WHERE id = 1;
SELECT name, freshness, staleness > '0' AS behind FROM pgtrickle.pgt_status() WHERE name LIKE 'api\_monitor.%';
SELECT name, split_part(next_refresh, ':', 1) AS next FROM pgtrickle.pgt_status() WHERE name LIKE 'api\_monitor.%';
SELECT pgt_name, target_staleness FROM pgtrickle.stream_tables_info WHERE pgt_schema = 'api_monitor' ORDER BY 1;
-- a schedule of long ago
UPDATE pgtrickle.pgt_stream_tables SET data_timestamp = data_timestamp - interval '7 min' WHERE pgt_relid = 'a'::regclass;
SELECT freshness FROM pgtrickle.pgt_status() WHERE name = 'api_monitor.a';
UPDATE pgtrickle.pgt_stream_tables SET data_timestamp = data_timestamp - interval '7 min' WHERE pgt_relid = 'a'::regclass;
SELECT freshness FROM pgtrickle.pgt_status() WHERE name = 'api_monitor.a';
SELECT pgtrickle.get_staleness('a') BETWEEN 14 * 60 AND 20 * 60 AS a, pgtrickle.get_staleness('c') AS c;
SELECT pgtrickle.get_staleness('t');
SELECT pgtrickle.get_staleness('nothing');

-- what waits, for whom
SELECT stream_table, source_table, source_oid = source_table::regclass::oid::bigint AS oid, cdc_mode, pending_rows, buffer_bytes > 0 AS bytes
  FROM pgtrickle.change_buffer_sizes() WHERE stream_table LIKE 'api\_monitor.%';
SELECT pgtrickle.refresh_stream_table('a');
SELECT stream_table, source_table, pending_rows FROM pgtrickle.change_buffer_sizes() WHERE stream_table LIKE 'api\_monitor.%' AND pending_rows > 0;
-- an estimate above 8 MB is a good one
CREATE TABLE wide (id int PRIMARY KEY, x text);
SELECT pgtrickle.create_stream_table('w', 'SELECT id, x FROM wide');
INSERT INTO wide SELECT i, repeat('x', 400) FROM generate_series(1, 30000) i;
SELECT pending_rows BETWEEN 28500 AND 31500 AS about_30000, buffer_bytes > 10000000 AS large
  FROM pgtrickle.change_buffer_sizes() WHERE stream_table = 'api_monitor.w';
SELECT pgtrickle.drop_stream_table('w');
SELECT source_table, source_type, cdc_mode, columns_used FROM pgtrickle.list_sources(name => 'b');
SELECT * FROM pgtrickle.list_sources('t');
SELECT pgt_name, source_name, cdc_mode, capture_mode, slot_name, tracked_since IS NOT NULL AS tracked, source_stable_name IS NOT NULL AS named
  FROM pgtrickle.pgt_cdc_status WHERE pgt_schema = 'api_monitor' ORDER BY 1, 2;

-- how, and why so
SELECT n, m.* FROM unnest('{a,b,c,d,e}'::text[]) n, pgtrickle.explain_refresh_mode(n) m;
SELECT * FROM pgtrickle.explain_refresh_mode('t');
SELECT stream_table, action, status, rows_inserted, rows_deleted, rows_updated, reason, duration_ms >= 0 AS timed
  FROM pgtrickle.refresh_timeline(5) WHERE stream_table LIKE 'api\_monitor.%';
SELECT count(*) FROM pgtrickle.refresh_timeline(2);

-- counters: what committed, and nothing else
CREATE FUNCTION counted(st text, OUT refreshes bigint, OUT "full" bigint, OUT empty bigint, OUT i bigint, OUT u bigint, OUT d bigint, OUT changes bigint) LANGUAGE sql AS $$
	SELECT total_refreshes, full_refreshes, empty_refreshes, total_rows_inserted, total_rows_updated, total_rows_deleted, total_changes_consumed
	  FROM pgtrickle.pg_stat_stream_tables WHERE pgt_relid = st::regclass
$$;
SELECT * FROM counted('a');
SELECT pgtrickle.refresh_stream_table('a');
SELECT * FROM counted('a');
INSERT INTO t VALUES (5, 5);
BEGIN;
SELECT pgtrickle.refresh_stream_table('a');
ROLLBACK;
SELECT * FROM counted('a');
BEGIN;
INSERT INTO t VALUES (6, 6);
SELECT pgtrickle.refresh_stream_table('a');
SAVEPOINT s1;
INSERT INTO t VALUES (7, 7), (8, 8);
SAVEPOINT s2;
SELECT pgtrickle.refresh_stream_table('a');
RELEASE s2;
ROLLBACK TO s1;
INSERT INTO t VALUES (9, 9);
SELECT pgtrickle.refresh_stream_table('a');
COMMIT;
SELECT * FROM counted('a');
SELECT total_duration_ms > 0 AS timed, avg_duration_ms <= total_duration_ms AS averaged, stats_reset >= created_at AND stats_reset < now() AS since
  FROM pgtrickle.pg_stat_stream_tables JOIN pgtrickle.stream_tables_info USING (pgt_relid) WHERE pgt_relid = 'a'::regclass;
SELECT pgtrickle.reset_stats('a');
SELECT * FROM counted('a');
SELECT stats_reset > now() - interval '1 min' AND stats_reset > last_refresh_at AS just_now FROM pgtrickle.pg_stat_stream_tables WHERE pgt_relid = 'a'::regclass;
SELECT total_refreshes > 0 AS still_counts FROM pgtrickle.pg_stat_stream_tables WHERE pgt_relid = 'b'::regclass;
SELECT * FROM pgtrickle.refresh_progress WHERE pid = pg_backend_pid();

-- the way of an error, and data that it quotes
GRANT SELECT ON t TO regress_pgt_friend, regress_pgt_maker;
GRANT SELECT, TRIGGER ON u TO regress_pgt_maker;
SET ROLE regress_pgt_maker;
SELECT pgtrickle.create_stream_table('mine', 'SELECT id, t FROM u', '1h');
RESET ROLE;
UPDATE pgtrickle.pgt_stream_tables SET last_refresh_reason = 'a data error in its delta: "secret"', status = 'ERROR',
	last_error_message = '"secret"', consecutive_errors = 1 WHERE pgt_relid = 'mine'::regclass;
UPDATE pgtrickle.pgt_refresh_history SET reason = 'a data error in its delta: "secret"', error_message = '"secret"'
 WHERE pgt_id = (SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'mine'::regclass);
GRANT INSERT ON mine TO regress_pgt_friend;
CREATE FUNCTION seen() RETURNS TABLE (what text, n bigint, secrets bigint) LANGUAGE sql VOLATILE AS $$
	SELECT 'pgt_status', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.pgt_status() r WHERE r.name ~ '^api_monitor'
	UNION ALL SELECT 'info', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.stream_tables_info r WHERE pgt_schema = 'api_monitor'
	UNION ALL SELECT 'stat', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.pg_stat_stream_tables r WHERE pgt_schema = 'api_monitor'
	UNION ALL SELECT 'cdc', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.pgt_cdc_status r WHERE pgt_schema = 'api_monitor'
	UNION ALL SELECT 'buffers', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.change_buffer_sizes() r WHERE r.stream_table ~ '^api_monitor'
	UNION ALL SELECT 'timeline', count(*), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.refresh_timeline(100000) r WHERE r.stream_table ~ '^api_monitor\.mine'
	UNION ALL SELECT 'health', count(*) FILTER (WHERE r.detail ~ 'api_monitor.mine'), count(*) FILTER (WHERE r::text LIKE '%secret%') FROM pgtrickle.health_check() r
	UNION ALL SELECT 'quick', count(*), NULL FROM pgtrickle.quick_health r WHERE status = 'EMPTY'
$$;
SET ROLE regress_pgt_stranger;
SELECT * FROM seen();
SELECT pgtrickle.get_staleness('mine');
SELECT * FROM pgtrickle.list_sources('mine');
SELECT * FROM pgtrickle.explain_refresh_mode('mine');
SELECT pgtrickle.pgt_next_refresh('mine') AS next, pgtrickle.pgt_counters('mine') AS counters, pgtrickle.pgt_pending_changes('mine', 'u') AS pending, pgtrickle.pgt_full_reason('d') AS reason;
SELECT pgtrickle.reset_stats('mine');
SELECT pgtrickle.reset_stats();
SET ROLE regress_pgt_friend;
SELECT * FROM seen();
SELECT pgtrickle.get_staleness('mine') = 0 AS fresh;
SELECT * FROM pgtrickle.explain_refresh_mode('mine');
SET ROLE regress_pgt_maker;
SELECT * FROM seen();
SELECT pgtrickle.reset_stats();
SELECT total_refreshes FROM pgtrickle.pg_stat_stream_tables WHERE pgt_name = 'mine';
SET ROLE regress_pgt_on_call;
SELECT * FROM seen();
SELECT * FROM pgtrickle.explain_refresh_mode('d');
SELECT pgtrickle.reset_stats('mine');
RESET ROLE;
SELECT total_refreshes > 0 AS still_counts FROM pgtrickle.pg_stat_stream_tables WHERE pgt_relid = 'b'::regclass;

-- what needs attention
SELECT pgtrickle.alter_stream_table('b', status => 'SUSPENDED');
SELECT check_name, severity, detail ~ 'api_monitor' AS ours FROM pgtrickle.health_check() WHERE check_name NOT IN ('scheduler_running', 'buffer_growth', 'stale_tables', 'lost_queries', 'needs_reinit');
BEGIN;
ALTER EVENT TRIGGER pg_trickle_table_altered RENAME TO pg_trickle_renamed;
SELECT severity FROM pgtrickle.health_check() WHERE check_name = 'event_trigger';
ALTER EVENT TRIGGER pg_trickle_renamed DISABLE;
SELECT severity FROM pgtrickle.health_check() WHERE check_name = 'event_trigger';
ROLLBACK;
SELECT freshness, split_part(next_refresh, ':', 1) AS next FROM pgtrickle.pgt_status() WHERE name = 'api_monitor.b';
SELECT status FROM pgtrickle.quick_health;
SELECT pgtrickle.resume_stream_table('b');

-- everything is described, and says so to psql
SELECT p.oid::regprocedure AS undescribed FROM pg_proc p
 WHERE pronamespace = 'pgtrickle'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass AS undescribed, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE relnamespace = 'pgtrickle'::regnamespace AND relkind = 'v'
   AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL);

SELECT pgtrickle.drop_stream_table('mine');
DROP OWNED BY regress_pgt_on_call, regress_pgt_stranger, regress_pgt_friend, regress_pgt_maker;
DROP ROLE regress_pgt_on_call, regress_pgt_stranger, regress_pgt_friend, regress_pgt_maker;
