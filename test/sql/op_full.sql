-- Everything that is no plain select, under AUTO; and what no rule serves: AUTO
-- recomputes and says so, DIFFERENTIAL refuses.
CREATE SCHEMA op_full;
SET search_path = op_full, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int, s text);
CREATE TABLE u (id int PRIMARY KEY, g int);
INSERT INTO t SELECT i, i % 4, i, 't' || i FROM generate_series(1, 20) i;
INSERT INTO u SELECT i, i % 3 FROM generate_series(1, 9) i;
CREATE SEQUENCE seq;
CREATE MATERIALIZED VIEW mv AS SELECT g, count(*) AS n FROM t GROUP BY g;

SELECT made('left_join', 'SELECT t.id, u.g FROM t LEFT JOIN u ON t.id = u.id', 'AUTO');
SELECT made('full_join', 'SELECT t.id, u.g FROM t FULL JOIN u ON t.id = u.id', 'AUTO');
SELECT made('exists_', 'SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.id = t.id)', 'AUTO');
SELECT made('in_', 'SELECT id FROM t WHERE g IN (SELECT g FROM u)', 'AUTO');
SELECT made('not_in', 'SELECT id FROM t WHERE g NOT IN (SELECT g FROM u WHERE g IS NOT NULL)', 'AUTO');
SELECT made('scalar_subquery', 'SELECT id, (SELECT count(*) FROM u) AS n FROM t', 'AUTO');
SELECT made('having_', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > 4', 'AUTO');
SELECT made('rollup_', 'SELECT g, count(*) AS n FROM t GROUP BY ROLLUP (g)', 'AUTO');
SELECT made('window_', 'SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t', 'AUTO');
SELECT made('distinct_on', 'SELECT DISTINCT ON (g) g, id FROM t ORDER BY g, id', 'AUTO');
SELECT made('union_', 'SELECT g FROM t UNION SELECT g FROM u', 'AUTO');
SELECT made('except_', 'SELECT id FROM t EXCEPT SELECT id FROM u', 'AUTO');
SELECT made('intersect_all', 'SELECT g FROM t INTERSECT ALL SELECT g FROM u', 'AUTO');
SELECT made('limited', 'SELECT id FROM t ORDER BY id LIMIT 5', 'AUTO');
SELECT made('string_agg_', 'SELECT g, string_agg(s, '','' ORDER BY id) AS l FROM t GROUP BY g', 'AUTO');
SELECT made('count_distinct', 'SELECT g, count(DISTINCT v % 3) AS n FROM t GROUP BY g', 'AUTO');
SELECT made('bool_', 'SELECT g, bool_and(v > 3) AS b FROM t GROUP BY g', 'AUTO');
SELECT made('percentile_', 'SELECT g, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) AS p FROM t GROUP BY g', 'AUTO');
SELECT made('lateral_', 'SELECT t.id, l.g FROM t, LATERAL (SELECT g FROM u WHERE u.id < t.id ORDER BY u.id DESC LIMIT 1) l', 'AUTO');
SELECT made('recursive_', 'WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT t.id FROM t JOIN r ON t.id = r.id + 1) SELECT id FROM r', 'AUTO');
SELECT made('function_', 'SELECT t.id, x FROM t, generate_series(1, t.g) x', 'AUTO');
SELECT made('srf_', 'SELECT id, generate_series(1, g) AS x FROM t', 'AUTO');
SELECT made('values_', 'SELECT column1 AS x FROM (VALUES (1), (2)) v', 'AUTO');
SELECT made('no_from', 'SELECT 1 AS one', 'AUTO');
SELECT made('of_matview', 'SELECT g, n FROM mv', 'AUTO');
SELECT made('now_', 'SELECT id, statement_timestamp() > timestamptz ''2000-01-01'' AS b FROM t', 'AUTO');
SELECT made('group_of_group', 'SELECT n, count(*) AS c FROM (SELECT g, count(*) AS n FROM t GROUP BY g) x GROUP BY n', 'AUTO');
SELECT made('distinct_of_group', 'SELECT DISTINCT count(*) AS n FROM t GROUP BY g', 'AUTO');

CREATE VIEW facts AS
	SELECT pgt_name, refresh_mode, last_refresh_action
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_full';

-- every one is right after inserts, updates and deletes on both tables
INSERT INTO t SELECT i, i % 5, i, 'n' || i FROM generate_series(21, 25) i;
UPDATE t SET g = g + 1, v = 30 - v, s = s || '!' WHERE id % 3 = 0;
DELETE FROM t WHERE id % 7 = 0;
INSERT INTO u VALUES (10, 1), (11, NULL);
DELETE FROM u WHERE id = 2;
UPDATE u SET g = 3 WHERE id = 3;
REFRESH MATERIALIZED VIEW mv;
SELECT stream_tables, exact FROM all_fresh('op_full');
SELECT pgt_name, refresh_mode, last_refresh_action FROM facts ORDER BY pgt_name COLLATE "C";
DELETE FROM u;
SELECT stream_tables, exact FROM all_fresh('op_full');
TRUNCATE t;
SELECT stream_tables, exact FROM all_fresh('op_full');
INSERT INTO t VALUES (1, 1, 1, 'one'), (2, 1, 2, 'two');
INSERT INTO u VALUES (1, 1);
SELECT stream_tables, exact FROM all_fresh('op_full');

-- a full refresh writes only what differs
CREATE TABLE big (id int PRIMARY KEY, v int);
INSERT INTO big SELECT i, i FROM generate_series(1, 1000) i;
SELECT made('big_full', 'SELECT id, v FROM big', 'FULL');
SELECT rows_inserted, rows_updated, rows_deleted FROM pgtrickle.get_refresh_history('big_full', 1);
UPDATE big SET v = 0 WHERE id = 500;
DELETE FROM big WHERE id = 501;
INSERT INTO big VALUES (2000, 1), (2001, 1);
SELECT * FROM fresh('big_full');
SELECT action, rows_inserted, rows_updated, rows_deleted FROM pgtrickle.get_refresh_history('big_full', 1);
SELECT * FROM fresh('big_full');

-- DIFFERENTIAL refuses each of them, with construct and reason
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT made('no', 'SELECT id FROM t LIMIT 5');
SELECT made('no', 'SELECT g, n FROM mv');
SELECT made('no', 'SELECT id, now() AS x FROM t');
\set VERBOSITY terse
SELECT to_regclass('no') IS NULL AS nothing_left;
