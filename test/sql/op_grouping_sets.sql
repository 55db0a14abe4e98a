-- GROUPING SETS, ROLLUP and CUBE, of which no key is in all sets.
\set VERBOSITY terse
CREATE SCHEMA op_grouping_sets;
SET search_path = op_grouping_sets, public;

-- how many auxiliary tables a stream table has, and whether it has one part
CREATE FUNCTION kept(st text) RETURNS text LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE n->>'rule' = 'stored') || ' kept' ||
		CASE WHEN bool_or(n->>'rule' = 'one part') THEN ', one part' ELSE '' END
	  FROM jsonb_array_elements(pgtrickle.explain_stream_table(st, 'json')::jsonb->'stages') n
$$;

CREATE TABLE t (id int PRIMARY KEY, g int, h int, i int, x numeric, f float8, s text, v int);
CREATE TABLE dim (g int, name text);
CREATE TABLE empty (g int, v int);
INSERT INTO t SELECT n, n % 3, nullif(n % 4, 0), n % 2, (n % 3 + 1)::numeric / 4, n / 3.0, chr(97 + n % 3), n * 10 FROM generate_series(1, 24) n;
INSERT INTO t VALUES (25, NULL, NULL, 1, 1.0, 'NaN', NULL, NULL), (26, NULL, 1, 0, 1.00, 0, 'z', 7);
INSERT INTO dim VALUES (0, 'zero'), (1, 'one'), (1, 'uno'), (NULL, 'none');

-- natural NULLs are other groups than those that a set leaves out
SELECT made('rollup_', 'SELECT g, h, count(*) AS n, sum(v) AS s, min(v) AS m, avg(x) AS a FROM t GROUP BY ROLLUP (g, h)');
SELECT made('cube_', 'SELECT g, h, i, GROUPING(h, g, i) AS told, count(h) AS n FROM t GROUP BY CUBE (g, h, i)');
SELECT made('twice', 'SELECT g, h, count(*) AS n FROM t GROUP BY GROUPING SETS ((g), (g), (h), (), ())');
SELECT made('once', 'SELECT g, h, count(*) AS n FROM t GROUP BY DISTINCT GROUPING SETS ((g), (g), (h), (), ())');
SELECT made('no_aggregate', 'SELECT g, h FROM t GROUP BY ROLLUP (g, h)');
SELECT made('no_aggregate_having', 'SELECT g, GROUPING(g) AS told FROM t GROUP BY ROLLUP (g) HAVING GROUPING(g) = 1 OR g > 0');
SELECT made('of_nothing', 'SELECT g, count(*) AS n, sum(v) AS s FROM empty GROUP BY CUBE (g)');
SELECT made('having_', 'SELECT g, h, sum(v) AS s FROM t GROUP BY GROUPING SETS ((g, i), (h), ()) HAVING sum(v) > 500 AND count(*) < 20');
SELECT made('key_in_key', 'SELECT g, g + 1 AS g1, g + 2 AS g2, count(*) AS n FROM t GROUP BY GROUPING SETS ((g), (g, g + 1), (g + 1), ())', 'AUTO');
SELECT made('shown_otherwise', $$SELECT coalesce(s, CASE WHEN GROUPING(s) = 1 THEN 'all' ELSE 'none' END) AS s, GROUPING(s, i) * 10 + count(*) AS n, max(v) - min(i) AS d FROM t GROUP BY CUBE (s, i)$$);
SELECT made('joined', 'SELECT dim.name, t.h, sum(t.v) AS s, string_agg(t.s, $$,$$ ORDER BY t.s, t.id) AS l FROM t LEFT JOIN dim ON dim.g = t.g GROUP BY ROLLUP (dim.name, t.h)');
SELECT made('spelled', 'SELECT x, count(*) AS n, sum(f) AS f FROM t GROUP BY ROLLUP (x)');
SELECT made('filtered', 'SELECT g, count(*) FILTER (WHERE h = 1) AS n, count(DISTINCT v % 7) AS d, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) AS p FROM t GROUP BY GROUPING SETS ((g), ())');
SELECT made('below', 'SELECT told, max(n) AS m FROM (SELECT GROUPING(g, h) AS told, count(*) AS n FROM t GROUP BY CUBE (g, h)) x GROUP BY told');
SELECT made('ranked', 'SELECT g, h, sum(v) AS s, rank() OVER (PARTITION BY GROUPING(g, h) ORDER BY sum(v), g, h) AS r FROM t GROUP BY CUBE (g, h)');
SELECT made('unioned', 'SELECT DISTINCT h FROM (SELECT g, h FROM t GROUP BY GROUPING SETS (g, h) UNION ALL SELECT g, g FROM dim) y');
-- these are computed as they are
SELECT made('many_sets', 'SELECT g, h, i, s, count(*) AS n FROM t GROUP BY CUBE (g, h, i, s, v)');
SELECT made('common', 'SELECT g, h, i, count(*) AS n FROM t GROUP BY g, CUBE (h, i)');
SELECT made('constant', 'SELECT 1 AS one, g, count(*) AS n FROM t GROUP BY GROUPING SETS ((1), (g))', 'AUTO');
SELECT made('subselect', 'SELECT g, (SELECT count(*) FROM dim WHERE dim.g = t.g) AS d, count(*) AS n FROM t GROUP BY ROLLUP (g)');
SELECT made('rows_of_set', 'SELECT g, generate_series(1, 2) AS r, count(*) AS n FROM t GROUP BY ROLLUP (g)');

SELECT pgt_name, kept(pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_grouping_sets' ORDER BY pgt_id;
SELECT g, h, n, s, m FROM rollup_ ORDER BY g, h, n;

UPDATE t SET v = v + 1 WHERE id = 5;
SELECT * FROM all_fresh('op_grouping_sets');
-- groups are born and die, in some sets only
BEGIN;
INSERT INTO t VALUES (30, 9, NULL, 0, 0.5, 1, 'n', 5), (31, NULL, 9, 1, 0.50, 2, 'n', 6);
DELETE FROM t WHERE g = 1 AND h = 1;
UPDATE t SET g = NULL WHERE id IN (3, 6);
UPDATE dim SET name = upper(name) WHERE g = 0;
INSERT INTO empty VALUES (NULL, 4);
COMMIT;
SELECT * FROM all_fresh('op_grouping_sets');
SELECT g, h, n, s, m FROM rollup_ ORDER BY g, h, n;
SELECT g, n, s FROM of_nothing ORDER BY n, s;
UPDATE t SET x = 1.000 WHERE x = 1;
UPDATE t SET h = h + 1, i = 1 - i, s = NULL WHERE id % 4 = 1;
DELETE FROM empty;
DELETE FROM dim WHERE g IS NULL;
SELECT * FROM all_fresh('op_grouping_sets');
-- the empty set alone is left, and the sets come back
DELETE FROM t;
SELECT * FROM all_fresh('op_grouping_sets');
SELECT g, h, n, s FROM rollup_;
SELECT g, h, n FROM twice;
SELECT g, h FROM no_aggregate;
INSERT INTO t SELECT n, n % 2, n % 3, 0, n, n, 'a', n FROM generate_series(1, 8) n;
SELECT * FROM all_fresh('op_grouping_sets');
TRUNCATE t;
INSERT INTO t VALUES (1, 1, NULL, 1, 1, 1, 'a', 1);
SELECT * FROM all_fresh('op_grouping_sets');
SELECT g, h, n, s FROM rollup_ ORDER BY g, h;
