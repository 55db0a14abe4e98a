-- pgt_status(), get_refresh_history(), the views, parse_duration_seconds().
\set VERBOSITY terse
CREATE SCHEMA api_status;
SET search_path = api_status, public;

CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT pgtrickle.create_stream_table('st', 'SELECT id, v FROM t', '5m', 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('empty_', 'SELECT id FROM t', initialize => false);

SELECT name, status, refresh_mode, is_populated, consecutive_errors, schedule,
	data_timestamp IS NOT NULL AS dated, staleness >= '0' AS staleness
  FROM pgtrickle.pgt_status() WHERE name LIKE '%api_status%' ORDER BY name;
SELECT pg_get_function_result('pgtrickle.pgt_status'::regproc);
SELECT pg_get_function_result('pgtrickle.get_refresh_history'::regproc);

-- every refresh that did something is there, newest first
INSERT INTO t VALUES (3, 3), (4, 4);
SELECT pgtrickle.refresh_stream_table('st');
UPDATE t SET v = v + 1 WHERE id < 3;
DELETE FROM t WHERE id = 4;
SELECT pgtrickle.refresh_stream_table('st');
SELECT pgtrickle.refresh_stream_table('st');
SELECT action, status, rows_inserted, rows_updated, rows_deleted, error_message,
	end_time >= start_time AND duration_ms >= 0 AND data_timestamp IS NOT NULL AS timed
  FROM pgtrickle.get_refresh_history('st');
SELECT count(*) FROM pgtrickle.get_refresh_history('st', 1);
SELECT count(*) FROM pgtrickle.get_refresh_history(name => 'st', max_rows => 2);
SELECT count(*) FROM pgtrickle.get_refresh_history('empty_');
SELECT bool_and(refresh_id > next) AS newest_first
  FROM (SELECT refresh_id, lead(refresh_id) OVER () AS next FROM pgtrickle.get_refresh_history('st')) h;

-- an update of nothing is counted as nothing
UPDATE t SET v = v + 1 WHERE id = 1;
UPDATE t SET v = v - 1 WHERE id = 1;
SELECT pgtrickle.refresh_stream_table('st');
SELECT sum(rows_inserted) AS i, sum(rows_updated) AS u, sum(rows_deleted) AS d FROM pgtrickle.get_refresh_history('st');

SELECT pgt_name, total_refreshes, failed_refreshes, total_rows_inserted, total_rows_deleted
  FROM pgtrickle.pg_stat_stream_tables WHERE pgt_schema = 'api_status' ORDER BY pgt_name;
SELECT pgt_name, defining_query LIKE '%FROM t%' OR defining_query LIKE '%FROM api_status.t%' AS shows_query
  FROM pgtrickle.stream_tables_info WHERE pgt_schema = 'api_status' ORDER BY pgt_name;

-- durations
SELECT i, pgtrickle.parse_duration_seconds(i) AS seconds
  FROM (VALUES ('0s'), ('200ms'), ('1s'), ('90s'), ('5m'), ('1h30m'), ('2d'), ('1w'), ('1d2h3m4s'), ('1000ms')) v (i);
SELECT pgtrickle.parse_duration_seconds('soon');
SELECT pgtrickle.parse_duration_seconds('');
SELECT pgtrickle.parse_duration_seconds('-1s');
SELECT pgtrickle.parse_duration_seconds('5');
SELECT pgtrickle.parse_duration_seconds('5 parsecs');
SELECT pgtrickle.parse_duration_seconds('3m1h');
SELECT pgtrickle.parse_duration_seconds('99999999999999999999s');
SELECT pgtrickle.parse_duration_seconds(NULL) IS NULL AS null_;
-- the stable hash is FNV-1a with 64 bits
SELECT i, pgtrickle.stable_hash(i)
  FROM (VALUES (''), ('a'), ('foobar'), ('public.orders'), ('16384/public.orders')) v (i);
SELECT source_stable_name = pgtrickle.stable_hash((SELECT oid FROM pg_database WHERE datname = current_database())
	|| '/api_status.t') AS by_database_and_name
  FROM pgtrickle.pgt_change_tracking WHERE source = 't'::regclass;

-- the settings, each documented
SELECT name, setting, unit, context, short_desc <> '' AS described
  FROM pg_settings WHERE name LIKE 'pg\_trickle.%' AND name NOT LIKE '%.debug%' AND name <> 'pg_trickle.enabled' ORDER BY name;
