-- Groups that are filtered, joined and grouped again, and aggregates whose state
-- cannot be merged.
\set VERBOSITY terse
CREATE SCHEMA op_group;
SET search_path = op_group, public;

-- u has no key and rows in duplicate
CREATE TABLE t (id int PRIMARY KEY, g int, h int, v int, n numeric(10,2), s text COLLATE "C", b boolean, f float8);
CREATE TABLE u (g int, h int, v int);
CREATE TABLE dim (g int PRIMARY KEY, name text COLLATE "C", kind text COLLATE "C");
INSERT INTO t SELECT x, x % 4, x % 3, x, x / 4.0, chr(97 + x % 5), x % 2 = 0, x / 2.0 FROM generate_series(1, 16) x;
INSERT INTO t VALUES (17, NULL, 1, 5, 1.5, 'a', true, 1), (18, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (19, 1, NULL, 2, 2, 'b', false, 2);
INSERT INTO u VALUES (1, 1, 5), (1, 1, 5), (1, 2, 6), (2, NULL, 7), (NULL, 1, 8), (NULL, NULL, 9), (3, 1, NULL);
INSERT INTO dim VALUES (0, 'zero', 'x'), (1, 'one', 'y'), (2, 'two', 'x'), (5, 'five', NULL);

-- an immutable aggregate of our own
CREATE FUNCTION add_square(state bigint, x int) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS 'SELECT state + x::bigint * x';
CREATE AGGREGATE sum_squares(int) (SFUNC = add_square, STYPE = bigint, INITCOND = '0');

-- HAVING
SELECT made('having_count', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > 4');
SELECT made('having_sum', 'SELECT g, sum(v) AS s FROM t GROUP BY g HAVING sum(v) >= 36');
SELECT made('having_unseen', 'SELECT g FROM t GROUP BY g HAVING avg(v) > 8 OR min(s) IS NULL');
SELECT made('having_hidden_key', 'SELECT count(*) AS n FROM u GROUP BY g HAVING max(v) > 5');
SELECT made('having_key', 'SELECT g, count(*) AS n FROM t WHERE v > 1 GROUP BY g HAVING g > 0 AND count(*) < 5');
SELECT made('having_null', 'SELECT h, sum(v) AS s FROM u GROUP BY h HAVING h IS NULL OR sum(v) > 20');
SELECT made('having_without_group', 'SELECT count(*) AS n, sum(v) AS s FROM u HAVING count(*) > 6');
SELECT made('having_only', 'SELECT 1 AS one FROM u HAVING sum(v) > 40');
SELECT made('having_join', 'SELECT dim.kind, sum(t.v) AS s FROM t JOIN dim USING (g) GROUP BY dim.kind HAVING count(*) > 5');
SELECT made('having_float', 'SELECT g, sum(f) AS s FROM t GROUP BY g HAVING sum(f) > 15');
-- groups joined
SELECT made('joined', 'SELECT x.g, x.n, y.s FROM (SELECT g, count(*) AS n FROM t GROUP BY g) x JOIN (SELECT g, sum(v) AS s FROM u GROUP BY g) y ON x.g = y.g');
SELECT made('joined_base', 'SELECT t.id, m.mx FROM t JOIN (SELECT g, max(v) AS mx FROM t GROUP BY g) m ON m.g = t.g AND t.v = m.mx');
SELECT made('joined_dim', 'SELECT dim.g, dim.name, x.n FROM dim JOIN (SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > 3) x ON x.g = dim.g');
SELECT made('joined_total', 'SELECT x.g, x.s, y.s AS total FROM (SELECT g, sum(v) AS s FROM t GROUP BY g) x, (SELECT sum(v) AS s FROM t) y');
SELECT made('joined_sum', 'SELECT x.h, sum(x.s) AS s, count(*) AS n FROM (SELECT g, h, sum(v) AS s FROM t GROUP BY g, h) x JOIN dim ON dim.g = x.g GROUP BY x.h');
SELECT made('filtered', 'SELECT g, s FROM (SELECT g, sum(v) AS s FROM t GROUP BY g) x WHERE s > 30 AND g <> 2');
-- groups of groups
SELECT made('of_groups', 'SELECT n, count(*) AS c FROM (SELECT g, count(*) AS n FROM t GROUP BY g) x GROUP BY n');
SELECT made('of_groups_total', 'SELECT max(n) AS mx, min(s) AS mn, avg(s) AS a, count(*) AS c FROM (SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g) x');
SELECT made('of_groups_thrice', 'SELECT c, sum(n) AS s FROM (SELECT n, count(*) AS c FROM (SELECT g, count(*) AS n FROM u GROUP BY g) x GROUP BY n) y GROUP BY c');
SELECT made('of_groups_having', 'SELECT h, count(*) AS n FROM (SELECT g, h, sum(v) AS s FROM t GROUP BY g, h HAVING sum(v) > 8) x GROUP BY h HAVING count(*) > 1');
SELECT made('of_distinct', 'SELECT g, count(*) AS n FROM (SELECT DISTINCT g, h FROM t) x GROUP BY g');
SELECT made('distinct_of', 'SELECT DISTINCT count(*) AS n FROM t GROUP BY g');
SELECT made('of_union_all', 'SELECT g, count(*) AS n, sum(v) AS s FROM (SELECT g, v FROM t UNION ALL SELECT g, v FROM u) x GROUP BY g HAVING sum(v) > 10');
-- DISTINCT and ORDER BY in aggregates
SELECT made('count_distinct', 'SELECT g, count(DISTINCT v % 3) AS n, sum(DISTINCT h) AS s, count(*) AS c FROM t GROUP BY g');
SELECT made('count_distinct_two', 'SELECT h, count(DISTINCT g) AS g, count(DISTINCT v) FILTER (WHERE b) AS v, count(DISTINCT (g, v)) AS gv FROM t GROUP BY h');
SELECT made('count_distinct_total', 'SELECT count(DISTINCT g) AS g, count(DISTINCT v) AS v FROM u');
SELECT made('string_agg_', $$SELECT g, string_agg(s, ',' ORDER BY s) AS a, string_agg(DISTINCT s, '' ORDER BY s DESC) AS d FROM t GROUP BY g$$);
SELECT made('array_agg_', 'SELECT g, array_agg(v ORDER BY v DESC NULLS FIRST) AS a, array_agg(h ORDER BY h) FILTER (WHERE b) AS h FROM t GROUP BY g');
SELECT made('array_agg_keyless', 'SELECT g, array_agg(v ORDER BY v) AS a FROM u GROUP BY g');
SELECT made('array_agg_by_key', 'SELECT g, array_agg(s ORDER BY id) AS a FROM t GROUP BY g');
SELECT made('json_agg_', 'SELECT g, jsonb_agg(v ORDER BY v) AS a, jsonb_object_agg(id, s ORDER BY id) AS o FROM t GROUP BY g');
-- the other built-in ones
SELECT made('bool_', 'SELECT g, bool_and(v > 3) AS a, bool_or(v > 14) AS o, every(b) AS e FROM t GROUP BY g');
SELECT made('bit_', 'SELECT g, bit_and(v) AS a, bit_or(v) AS o, bit_xor(v) AS x FROM t GROUP BY g');
SELECT made('variance_', 'SELECT g, var_pop(v) AS vp, var_samp(v) AS vs, stddev(n) AS s, stddev_pop(v) AS sp FROM t GROUP BY g');
SELECT made('regression_', 'SELECT g, corr(f, v) AS c, regr_slope(f, v) AS r, covar_pop(f, v) AS p, regr_count(f, v) AS n FROM t GROUP BY g');
SELECT made('percentile_disc_', 'SELECT g, percentile_disc(0.5) WITHIN GROUP (ORDER BY v) AS p, percentile_disc(0.25) WITHIN GROUP (ORDER BY s) AS q FROM t GROUP BY g');
SELECT made('percentile_cont_', 'SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS p, percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY f) AS q FROM t GROUP BY g');
SELECT made('mode_', 'SELECT g, mode() WITHIN GROUP (ORDER BY h) AS m FROM t GROUP BY g');
SELECT made('hypothetical_', 'SELECT g, rank(7) WITHIN GROUP (ORDER BY v) AS r, dense_rank(7) WITHIN GROUP (ORDER BY v) AS d, percent_rank(7) WITHIN GROUP (ORDER BY v) AS p, cume_dist(7) WITHIN GROUP (ORDER BY v) AS c FROM t GROUP BY g');
SELECT made('own_', 'SELECT g, sum_squares(v) AS s FROM t GROUP BY g');
SELECT made('own_total', 'SELECT sum_squares(v) AS s, count(*) AS n FROM u');
-- several sets of keys; NULL is a value of g and h too
SELECT made('rollup_', 'SELECT g, h, count(*) AS n, sum(v) AS s FROM u GROUP BY ROLLUP (g, h)');
SELECT made('rollup_told', 'SELECT g, h, grouping(g, h) AS gr, count(*) AS n FROM u GROUP BY ROLLUP (g, h)');
SELECT made('cube_', 'SELECT g, h, sum(v) AS s FROM t GROUP BY CUBE (g, h)');
SELECT made('sets_', 'SELECT g, h, count(*) AS n FROM t GROUP BY GROUPING SETS ((g), (h), ())');
SELECT made('sets_common', 'SELECT g, h, b, count(*) AS n FROM t GROUP BY g, ROLLUP (h, b)');
SELECT made('sets_having', 'SELECT g, h, grouping(h) AS gr, sum(v) AS s FROM t GROUP BY ROLLUP (g, h) HAVING sum(v) > 15');
SELECT made('sets_expression', 'SELECT g % 2 AS parity, h, count(*) AS n FROM t GROUP BY ROLLUP (g % 2, h)');
SELECT made('sets_empty', 'SELECT count(*) AS n, sum(v) AS s FROM u GROUP BY GROUPING SETS (())');
SELECT made('sets_join', 'SELECT dim.kind, dim.name, sum(t.v) AS s FROM t JOIN dim USING (g) GROUP BY ROLLUP (dim.kind, dim.name)');
SELECT made('of_sets', 'SELECT n, count(*) AS c FROM (SELECT g, count(*) AS n FROM u GROUP BY ROLLUP (g)) x GROUP BY n');
-- expressions, and columns that a key determines
SELECT made('by_expression', 'SELECT g * 10 + h AS gh, upper(s) AS s, count(*) AS n FROM t GROUP BY g * 10 + h, upper(s) HAVING count(*) > 0');
SELECT made('by_key', 'SELECT dim.g, dim.name, count(t.id) AS n FROM dim LEFT JOIN t ON t.g = dim.g GROUP BY dim.g');
SELECT made('by_key_having', 'SELECT dim.g, upper(dim.name) AS name, dim.kind, max(t.v) AS mx FROM dim JOIN t ON t.g = dim.g GROUP BY dim.g HAVING max(t.v) > 5');
SELECT made('of_by_key', 'SELECT kind, max(n) AS mx FROM (SELECT dim.g, dim.kind, count(*) AS n FROM dim JOIN t USING (g) GROUP BY dim.g) x GROUP BY kind');

CREATE VIEW rolled AS
	SELECT g, h, n, s, count(*) AS rows FROM rollup_ GROUP BY g, h, n, s ORDER BY g, h, n, s;
SELECT g, n FROM having_count ORDER BY g;
SELECT * FROM rolled;

-- groups cross upwards with rows that were there before, others come and go
BEGIN;
INSERT INTO t VALUES (30, 2, 2, 1, 1, 'z', true, 1), (31, 7, 1, 100, 10, 'y', true, 50), (32, NULL, 2, 40, 4, 'x', false, 20);
INSERT INTO u VALUES (2, NULL, 3), (3, 1, 4), (NULL, NULL, 9);
INSERT INTO dim VALUES (7, 'seven', 'y');
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT g, n FROM having_count ORDER BY g;
SELECT * FROM rolled;

-- and downwards; dependent columns change alone
BEGIN;
DELETE FROM t WHERE id IN (1, 5, 4, 8);
UPDATE t SET v = v + 10 WHERE g = 3;
DELETE FROM u WHERE ctid = (SELECT min(ctid) FROM u WHERE g = 1);
UPDATE dim SET name = 'renamed', kind = 'z' WHERE g IN (0, 1);
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT g, n FROM having_count ORDER BY g;
SELECT g, name, n FROM by_key ORDER BY g;

-- rows change groups, through NULL and back; values tie
BEGIN;
UPDATE t SET g = NULL WHERE g = 2;
UPDATE t SET g = 2, h = 1, v = 12 WHERE id IN (17, 18, 3, 7);
UPDATE u SET g = CASE WHEN g IS NULL THEN 1 END, h = CASE WHEN h IS NULL THEN 1 END WHERE g IS NULL OR g = 1;
UPDATE dim SET g = 3 WHERE g = 5;
DELETE FROM dim WHERE g = 2;
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT g, n FROM having_count ORDER BY g;
SELECT * FROM rolled;
SELECT g, a, d FROM string_agg_ ORDER BY g;

-- values change, and no count does
BEGIN;
UPDATE t SET v = v * 2, n = n + 0.25, s = chr(97 + id % 3), b = NOT b, f = f * 2 WHERE id % 2 = 1;
UPDATE u SET v = coalesce(v, 0) + 1 WHERE ctid = (SELECT min(ctid) FROM u WHERE g = 3);
UPDATE dim SET name = upper(name);
COMMIT;
SELECT * FROM all_fresh('op_group');

-- a group dies while another is born with what the first had
BEGIN;
UPDATE t SET g = 40 WHERE g = 3;
DELETE FROM t WHERE g = 0;
INSERT INTO t VALUES (50, 0, 0, 0, 0, 'a', true, 0);
UPDATE u SET g = 40 WHERE g = 3;
INSERT INTO dim VALUES (40, 'forty', 'x');
COMMIT;
SELECT * FROM all_fresh('op_group');

-- the input empties: only sets without keys keep a row
BEGIN;
DELETE FROM t;
DELETE FROM u;
DELETE FROM dim WHERE g > 1;
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT count(*) FROM having_count;
SELECT * FROM rolled;
SELECT n, s FROM having_without_group;
SELECT n, s FROM sets_empty;
SELECT mx, mn, a, c FROM of_groups_total;
BEGIN;
INSERT INTO t SELECT x, x % 2, x % 2, x, x, 'a', true, x FROM generate_series(1, 12) x;
INSERT INTO u SELECT NULL, NULL, x FROM generate_series(1, 9) x;
INSERT INTO dim VALUES (2, 'two', 'x');
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT g, n FROM having_count ORDER BY g;
SELECT * FROM rolled;
SELECT n, s FROM having_without_group;

-- a function that returns rows is called before the groups are made, if these are
-- named by it, and else after
SELECT made('by_function', 'SELECT g, count(*) AS n, min(v) AS mn, unnest(ARRAY[1, 1, 3]) AS k FROM t GROUP BY g, unnest(ARRAY[1, 1, 3])');
SELECT made('by_function_of_row', 'SELECT generate_series(1, g) AS k, sum(v) AS s FROM t GROUP BY generate_series(1, g) HAVING sum(v) > 3');
SELECT made('by_two_functions', 'SELECT generate_series(1, 2) AS k, generate_series(1, g) AS l, count(*) AS n FROM t GROUP BY 1, 2');
SELECT made('after_groups', 'SELECT g, unnest(ARRAY[1, 1, 3]) AS k, unnest(ARRAY[g, 1]) AS l, count(*) AS n FROM t GROUP BY g, unnest(ARRAY[1, 1, 3])');
SELECT made('by_function_in_window', 'SELECT unnest(ARRAY[g, 7]) AS k, count(*) AS n, rank() OVER (PARTITION BY unnest(ARRAY[g, 7]) ORDER BY count(*)) AS r FROM t GROUP BY 1');
SELECT made('by_function_tested', 'SELECT generate_series(1, g) AS k, sum(v) AS s FROM t GROUP BY 1 HAVING sum(v) > (SELECT min(v) FROM t)');
BEGIN;
UPDATE t SET g = g + 1 WHERE id IN (1, 4);
DELETE FROM t WHERE id = 2;
INSERT INTO t VALUES (90, 3, 3, 7, 7, 'a', true, 7);
COMMIT;
SELECT * FROM all_fresh('op_group');
SELECT k, s FROM by_function_of_row ORDER BY k;
