-- metrics(): the text, its grammar, and that the numbers are those of the views.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA api_metrics;
SET search_path = api_metrics, public;

CREATE TABLE source (id int PRIMARY KEY, g int, v numeric);
INSERT INTO source SELECT i, i % 3, i FROM generate_series(1, 9) i;
CREATE TABLE other (id int PRIMARY KEY);
-- nothing in a name may end a label or a line
CREATE TABLE "hostile ""}\
x" (id int PRIMARY KEY);
SELECT pgtrickle.create_stream_table('groups', 'SELECT g, count(*) AS n, sum(v) AS v FROM source GROUP BY g', schedule => '5m');
SELECT pgtrickle.create_stream_table('above', 'SELECT sum(n) AS n FROM groups', schedule => '1h');
SELECT pgtrickle.create_stream_table('recomputed', 'SELECT id FROM source LIMIT 3', refresh_mode => 'FULL');
SELECT pgtrickle.create_stream_table('empty', 'SELECT id FROM other', initialize => false);
SELECT pgtrickle.create_stream_table('"hostile""}\\
# EOF"', 'SELECT id FROM "hostile ""}\
x"');
INSERT INTO source VALUES (10, 1, 10);
SELECT pgtrickle.refresh_stream_table('groups');
UPDATE source SET v = 0 WHERE id = 10;

-- Its lines, as they are; and taken apart, as far as they are of this schema.
CREATE VIEW lines AS
SELECT n, line FROM string_to_table(pgtrickle.metrics(), E'\n') WITH ORDINALITY AS t (line, n);
CREATE TABLE samples AS
SELECT n, line, p[1] AS metric, p[2] AS labels, p[3]::float8 AS value
  FROM lines, regexp_match(line, '^([a-z_]+)\{(.*)\} ([-+.0-9e]+)$') p
 WHERE line NOT LIKE '#%' AND line <> '';
CREATE VIEW mine AS
SELECT metric, (regexp_match(labels, 'name="((?:[^"\\]|\\.)*)"$'))[1] AS name, value
  FROM samples WHERE labels LIKE '%schema="api_metrics"%';

-- the grammar
SELECT right(pgtrickle.metrics(), 7) = E'\n# EOF\n' AS ends, count(*) FILTER (WHERE line = '# EOF') AS ends_once FROM lines;
SELECT count(*) AS not_taken_apart FROM samples WHERE metric IS NULL OR value IS NULL;
SELECT bool_and(labels ~ '^[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*$') AS labels FROM samples;
CREATE TABLE families AS
SELECT n, p[1] AS family, p[2] AS type,
	lead(n, 1, 1000000) OVER (ORDER BY n) AS next,
	p[1] || CASE p[2] WHEN 'counter' THEN '_total' WHEN 'info' THEN '_info' ELSE '' END AS metric
  FROM lines, regexp_match(line, '^# TYPE ([a-z_]+) (counter|gauge|info)$') p
 WHERE line LIKE '# TYPE %';
SELECT count(*) = count(DISTINCT family) AS each_once,
	bool_and(EXISTS (SELECT FROM lines h WHERE h.n BETWEEN f.n AND f.next AND h.line LIKE '# HELP ' || family || ' %')) AS helped,
	bool_and((family ~ '_seconds$') = EXISTS (SELECT FROM lines u WHERE u.line = '# UNIT ' || family || ' seconds')) AS seconds,
	bool_and((family ~ '_bytes$') = EXISTS (SELECT FROM lines u WHERE u.line = '# UNIT ' || family || ' bytes')) AS bytes,
	bool_and((metric ~ '_total$') = (type = 'counter')) AS totals
  FROM families f;
SELECT count(*) AS astray
  FROM samples s LEFT JOIN families f ON s.n > f.n AND s.n < f.next
 WHERE f.metric IS DISTINCT FROM s.metric;
SELECT count(*) - count(DISTINCT (metric, labels)) AS twice FROM samples;

-- what there is, and the names of the system that this one replaces
SELECT metric, type FROM families ORDER BY metric;
SELECT old FROM unnest('{pg_trickle_refreshes_total,pg_trickle_refresh_failures_total,pg_trickle_rows_changed_total,
	pg_trickle_consecutive_errors,pg_trickle_active,
	pg_trickle_frontier_holdback_lsn_bytes,pg_trickle_frontier_holdback_seconds}'::text[]) old
EXCEPT SELECT metric FROM samples;

-- the numbers
SELECT name, metric, value FROM mine
 WHERE metric NOT LIKE '%timestamp%' AND metric NOT LIKE '%duration%' AND metric NOT LIKE '%staleness_seconds'
	AND metric NOT LIKE '%buffer%' AND name IN ('groups', 'empty', 'recomputed')
 ORDER BY name, metric;
SELECT name, value AS target FROM mine WHERE metric = 'pg_trickle_target_staleness_seconds' ORDER BY name COLLATE "C";
SELECT name, value > 0 AS stale FROM mine WHERE metric = 'pg_trickle_staleness_seconds' ORDER BY name COLLATE "C";
SELECT count(*) AS views_differ
  FROM pgtrickle.stream_tables_info i
  LEFT JOIN mine m ON m.metric = 'pg_trickle_staleness_seconds' AND m.name = i.pgt_name
 WHERE i.pgt_schema = 'api_metrics' AND i.pgt_name NOT LIKE 'hostile%'
	AND ((i.staleness > '0') IS DISTINCT FROM (m.value > 0) OR i.staleness < m.value * '1 s'::interval);
SELECT count(*) AS views_differ
  FROM pgtrickle.pg_stat_stream_tables i
 WHERE i.pgt_schema = 'api_metrics' AND i.pgt_name NOT LIKE 'hostile%' AND
	(SELECT array_agg(round(value::numeric, 6) ORDER BY metric) FROM mine m WHERE m.name = i.pgt_name
		AND metric ~ '_(changes_consumed|empty_refreshes|full_refreshes|refresh_failures|refreshes|rows_changed|refresh_duration_seconds)_total')
	IS DISTINCT FROM ARRAY[total_changes_consumed, empty_refreshes, full_refreshes, round(total_duration_ms::numeric / 1000, 6),
		failed_refreshes, successful_refreshes, total_rows_inserted + total_rows_updated + total_rows_deleted];
SELECT count(*) AS views_differ
  FROM pgtrickle.pgt_status() i, mine m
 WHERE m.metric = 'pg_trickle_data_timestamp_seconds' AND i.name = 'api_metrics.' || m.name
	AND abs(extract(epoch FROM i.data_timestamp) - m.value) > 1e-5;
SELECT name, value > 0 AS filled FROM mine WHERE metric = 'pg_trickle_change_buffer_bytes' ORDER BY name COLLATE "C";

-- what is refreshed is counted, and no counter goes back, but those of a stream
-- table that was made anew
SELECT pgtrickle.refresh_stream_table('above');
SELECT name, value > 0 AS stale
  FROM regexp_matches(pgtrickle.metrics(), '^pg_trickle_staleness_seconds\{[^}]*schema="api_metrics",name="([a-z]+)"\} (\S+)$', 'gn') p,
	LATERAL (SELECT p[1], p[2]::float8) m (name, value) ORDER BY 1;
CREATE TABLE before AS SELECT metric, labels, value FROM samples WHERE metric LIKE '%total';
TRUNCATE samples;
INSERT INTO samples
SELECT n, line, p[1] AS metric, p[2] AS labels, p[3]::float8 AS value
  FROM lines, regexp_match(line, '^([a-z_]+)\{(.*)\} ([-+.0-9e]+)$') p
 WHERE line NOT LIKE '#%' AND line <> '';
SELECT count(*) FILTER (WHERE s.value > b.value) > 0 AS forth, count(*) FILTER (WHERE s.value < b.value OR s.value IS NULL) AS back
  FROM before b LEFT JOIN samples s USING (metric, labels);

-- the other format names a family as its lines are named, and has no end
SELECT count(*) FILTER (WHERE line ~ '^# (UNIT|EOF)') AS only_open, count(*) FILTER (WHERE line = '# TYPE pg_trickle_refreshes_total counter') AS suffix,
	string_agg(line, ',') FILTER (WHERE line LIKE '# TYPE %' AND split_part(line, ' ', 3) NOT IN (SELECT metric FROM samples)) AS unnamed
  FROM string_to_table(pgtrickle.metrics('prometheus'), E'\n') line;
SELECT pgtrickle.metrics('xml');
SELECT pgtrickle.metrics(NULL) IS NULL AS null_of_null;

-- for pg_monitor
CREATE ROLE regress_pgt_monitor;
SET ROLE regress_pgt_monitor;
SELECT pgtrickle.metrics();
RESET ROLE;
GRANT pg_monitor TO regress_pgt_monitor;
SET ROLE regress_pgt_monitor;
SELECT count(*) AS refreshes FROM regexp_matches(pgtrickle.metrics(), 'pg_trickle_refreshes_total\{[^}]*schema="api_metrics"', 'g');
RESET ROLE;
DROP ROLE regress_pgt_monitor;
SELECT pgtrickle.refresh_stream_table('recomputed');
SELECT pgtrickle.refresh_stream_table('empty');
