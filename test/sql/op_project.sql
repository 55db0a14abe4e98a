-- Projection: each image projected by its own values; the key may go with it.
\set VERBOSITY terse
CREATE SCHEMA op_project;
SET search_path = op_project, public;

CREATE TABLE t (id int PRIMARY KEY, a int, b text, n numeric(10,2));
INSERT INTO t SELECT i, i % 3, CASE WHEN i % 4 > 0 THEN 'b' || i % 2 END, i / 4.0
  FROM generate_series(1, 40) i;

-- without the key, rows repeat
SELECT made('keyless', 'SELECT a, b FROM t');
SELECT made('one_column', 'SELECT a FROM t');
SELECT made('constant', 'SELECT 1 AS one, NULL::text AS nothing, ''x'' AS x FROM t');
SELECT made('expressions', $$SELECT id, a * (1 - a) AS p, a * 1 - a AS q, coalesce(b, '-') || a::text AS t,
	CASE a WHEN 0 THEN 'zero' WHEN 1 THEN 'one' END AS c, n * 2 AS n2, (a, b) = (1, 'b1') AS r FROM t$$);
SELECT made('key_expression', 'SELECT id + 1 AS id1, -id AS neg FROM t');
SELECT made('twice', 'SELECT id, id AS same, a, a AS a2 FROM t');
SELECT made('renamed', 'SELECT id AS a, a AS id, b AS "B b", n AS "select" FROM t');
SELECT made('nested', 'SELECT x + 1 AS y FROM (SELECT a * 2 AS x FROM (SELECT a FROM t WHERE id > 5) u) v');
SELECT made('casts', 'SELECT id::bigint, a::text, n::int, b::varchar(1) FROM t');
SELECT made('arrays', 'SELECT id, ARRAY[a, id] AS both_, (ARRAY[a, id])[2] AS second FROM t');
SELECT made('row_column', 'SELECT id, ROW(a, b) IS NULL AS nn FROM t');
SELECT made('whole_row', 'SELECT t FROM t', 'AUTO');
SELECT made('whole_row_null', 'SELECT id, t IS NOT NULL AS full_ FROM t', 'AUTO');

SELECT count(*), count(DISTINCT (a, b)) FROM keyless;

-- one of several equal rows goes, one changes, one comes
DELETE FROM t WHERE id = 3;
UPDATE t SET a = 2 WHERE id = 6;
INSERT INTO t VALUES (100, 0, 'b0', 1);
SELECT stream_tables, exact FROM all_fresh('op_project');
-- the unseen key changes: no row of the projection does
UPDATE t SET id = id + 1000 WHERE id < 10;
SELECT * FROM fresh('keyless');
SELECT stream_tables, exact FROM all_fresh('op_project');
-- a change that the projection maps to the same value
UPDATE t SET a = 1 - a WHERE a IN (0, 1);
SELECT stream_tables, exact FROM all_fresh('op_project');
UPDATE t SET a = NULL, b = NULL WHERE id % 2 = 0;
SELECT stream_tables, exact FROM all_fresh('op_project');
DELETE FROM t;
SELECT stream_tables, exact FROM all_fresh('op_project');
SELECT count(*) FROM keyless;
INSERT INTO t SELECT 1 + i, 1, 'same', 1 FROM generate_series(1, 5) i;
SELECT stream_tables, exact FROM all_fresh('op_project');
SELECT a, b FROM keyless ORDER BY a, b;
SELECT a, id, "B b", "select" FROM renamed ORDER BY a;

-- what a query sorts by can make rows
CREATE TABLE few (id int);
INSERT INTO few VALUES (1), (2);
SELECT made('sorted_by_rows', 'SELECT id FROM few ORDER BY id, generate_series(1, 3) DESC');
SELECT made('sorted_by_groups', 'SELECT id, count(*) AS n FROM few GROUP BY id ORDER BY generate_series(1, id)');
SELECT made('sorted_below', 'SELECT s.id, (SELECT count(*) FROM (SELECT 1 FROM few f WHERE f.id <= s.id ORDER BY generate_series(1, f.id)) x) AS n FROM few s');
INSERT INTO few VALUES (3);
DELETE FROM few WHERE id = 1;
SELECT * FROM fresh('sorted_by_rows');
SELECT * FROM fresh('sorted_by_groups');
SELECT * FROM fresh('sorted_below');
SELECT count(*) FROM sorted_by_rows;

SELECT s.pgt_name, s.refresh_mode, s.last_refresh_action <> 'FULL' AS differential
  FROM pgtrickle.pgt_stream_tables s
 WHERE s.pgt_schema = 'op_project' AND s.refresh_mode <> 'DIFFERENTIAL'
 ORDER BY s.pgt_name;
