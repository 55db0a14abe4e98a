-- GROUP BY: what is merged into the groups' states, what is computed afresh for
-- the groups that are touched, and HAVING.
\set VERBOSITY terse
CREATE SCHEMA op_agg;
SET search_path = op_agg, public;

CREATE TABLE t (id int PRIMARY KEY, g int, i int, bi bigint, si smallint, n numeric, n2 numeric(10,2),
	f float8, f4 float4, iv interval, m money, s text COLLATE "C", d date, ts timestamptz, b boolean);
INSERT INTO t SELECT x, x % 5, x, x * 1000000000::bigint, x, x / 4.0, x / 8.0, x / 2.0, x / 2.0,
	make_interval(hours => x), x::money, chr(65 + x % 26), date '2020-01-01' + x,
	timestamptz '2020-01-01 00:00+00' + make_interval(days => x), x % 2 = 0
  FROM generate_series(1, 50) x;
INSERT INTO t (id) VALUES (51);
INSERT INTO t (id, g) VALUES (52, 0);

SELECT made('counts', 'SELECT g, count(*) AS n, count(i) AS ni, count(s) AS ns, count(b AND i > 3) AS nb FROM t GROUP BY g');
SELECT made('sums', 'SELECT g, sum(i) AS i, sum(bi) AS bi, sum(si) AS si, sum(n) AS n, sum(n2) AS n2 FROM t GROUP BY g');
SELECT made('avgs', 'SELECT g, avg(i) AS i, avg(bi) AS bi, avg(si) AS si, avg(n) AS n, avg(n2) AS n2 FROM t GROUP BY g');
SELECT made('floats', 'SELECT g, sum(f) AS f, avg(f) AS af, sum(f4) AS f4, avg(f4) AS af4, min(f) AS mn, max(f4) AS mx FROM t GROUP BY g');
SELECT made('intervals', 'SELECT g, sum(iv) AS s, avg(iv) AS a, min(iv) AS mn, max(iv) AS mx FROM t GROUP BY g');
SELECT made('moneys', 'SELECT g, sum(m) AS s, min(m) AS mn, max(m) AS mx FROM t GROUP BY g');
SELECT made('mins', 'SELECT g, min(i) AS i, min(bi) AS bi, min(n) AS n, min(s) AS s, min(d) AS d, min(ts) AS ts FROM t GROUP BY g');
SELECT made('maxs', 'SELECT g, max(i) AS i, max(bi) AS bi, max(n) AS n, max(s) AS s, max(d) AS d, max(ts) AS ts FROM t GROUP BY g');
SELECT made('filters', $$SELECT g, count(*) FILTER (WHERE b) AS n, sum(i) FILTER (WHERE i > 10) AS s,
	avg(n) FILTER (WHERE s < 'M') AS a, min(i) FILTER (WHERE NOT b) AS mn, max(d) FILTER (WHERE b AND i < 30) AS mx
	FROM t GROUP BY g$$);
SELECT made('sum_case', 'SELECT g, sum(CASE WHEN b THEN i ELSE -i END) AS s, sum(coalesce(i, 0) * 2) AS s2 FROM t GROUP BY g');
SELECT made('by_expression', 'SELECT g % 2 AS parity, b, count(*) AS n, sum(i + 1) AS s FROM t GROUP BY g % 2, b');
SELECT made('key_hidden', 'SELECT count(*) AS n, sum(i) AS s FROM t GROUP BY g');
SELECT made('key_hidden_partly', 'SELECT g, count(*) AS n FROM t GROUP BY g, b');
SELECT made('only_key', 'SELECT g FROM t GROUP BY g');
SELECT made('over', 'SELECT g, sum(i) * 2 + count(*) AS x, sum(i)::numeric / nullif(count(i), 0) AS r, max(i) - min(i) AS spread, g * count(*) AS gn FROM t GROUP BY g');
SELECT made('twice', 'SELECT g, sum(i) AS a, sum(i) AS b, count(*) AS c, count(*) + 1 AS d FROM t GROUP BY g');
SELECT made('text_key', 'SELECT s, b, count(*) AS n FROM t GROUP BY s, b');
SELECT made('scalar_', 'SELECT count(*) AS n, count(i) AS ni, sum(i) AS s, avg(n) AS a, min(s) AS mn, max(i) AS mx FROM t');
SELECT made('scalar_filter', 'SELECT count(*) AS n, sum(i) AS s FROM t WHERE g = 3');
SELECT made('by_pk', 'SELECT id, s, count(*) AS n, sum(i) AS x FROM t GROUP BY id');
SELECT made('constant_key', 'SELECT g, ''x'' AS c, 1 + 1 AS two, count(*) AS n FROM t GROUP BY g');
SELECT made('of_subquery', 'SELECT g, sum(x) AS s FROM (SELECT g, i * 2 AS x FROM t WHERE b) q GROUP BY g');
SELECT made('order_by', 'SELECT g, count(*) AS n FROM t GROUP BY g ORDER BY g');
SELECT made('bools', 'SELECT g, bool_and(i > 10) AS a, bool_or(b) AS o, every(b OR i > 40) AS e, bool_or(b) FILTER (WHERE i > 30) AS f FROM t GROUP BY g');
SELECT made('bools_hidden', 'SELECT g, NOT bool_and(b) AS some_not, CASE WHEN bool_or(i < 5) THEN count(i) END AS n FROM t GROUP BY g');

-- computed afresh for the groups that are touched
CREATE TABLE u (id int PRIMARY KEY, g int, v int);
INSERT INTO u SELECT x, x % 7, x * 2 FROM generate_series(1, 20) x;
CREATE FUNCTION three(text, text, text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT concat($1, $2, $3, ';') $$;
CREATE AGGREGATE own_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE AGGREGATE own_pairs(text, text) (SFUNC = three, STYPE = text, INITCOND = '');
CREATE AGGREGATE own_flat(VARIADIC int[]) (SFUNC = array_cat, STYPE = int[], INITCOND = '{}');
SELECT made('distincts', $$SELECT g, count(DISTINCT i % 3) AS c, sum(DISTINCT n) AS s, avg(DISTINCT i) FILTER (WHERE b) AS a,
	string_agg(DISTINCT s, '-' ORDER BY s DESC) AS l, count(DISTINCT (i, b)) AS p FROM t GROUP BY g$$);
SELECT made('lists', $$SELECT g, array_agg(i ORDER BY i % 3 DESC NULLS LAST, id) AS a,
	string_agg(s, ',' ORDER BY s COLLATE "POSIX" DESC, id) FILTER (WHERE b) AS s FROM t GROUP BY g$$);
SELECT made('ordered_sets', $$SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY f) AS c,
	percentile_cont(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY iv) AS ca, percentile_disc(least(g / 10.0, 1)) WITHIN GROUP (ORDER BY s DESC) AS d,
	mode() WITHIN GROUP (ORDER BY i % 4) FILTER (WHERE b) AS m FROM t GROUP BY g$$);
SELECT made('hypothetical', $$SELECT g % 2 AS parity, rank(10, 'x') WITHIN GROUP (ORDER BY i, s COLLATE "C" DESC) AS r,
	dense_rank(g % 2) WITHIN GROUP (ORDER BY n) AS d, cume_dist(20) WITHIN GROUP (ORDER BY i) AS c FROM t GROUP BY g % 2$$);
SELECT made('direct_below', 'SELECT id, p + 1 AS p FROM (SELECT u.id, percentile_disc(least(u.v / 50.0, 1)) WITHIN GROUP (ORDER BY t.i) AS p FROM u JOIN t ON t.g = u.g GROUP BY u.id) q');
SELECT made('direct_dependent', 'SELECT u.id, percentile_disc(least(u.v / 50.0, 1)) WITHIN GROUP (ORDER BY t.i) AS p FROM u JOIN t ON t.g = u.g GROUP BY u.id');
SELECT made('spread', 'SELECT g, var_samp(n) AS v, stddev(i) AS s, stddev_pop(n2) AS p, bit_and(i) AS ba, bit_or(i) AS bo, round(corr(f, i)::numeric, 6) AS c, regr_count(f, i) AS rc FROM t GROUP BY g');
SELECT made('own', $$SELECT g, own_sum(i % 100) AS s, own_sum(DISTINCT i % 4) FILTER (WHERE b) AS d, own_pairs(s, n::text ORDER BY id) AS p,
	own_flat(i, id ORDER BY id) AS f, own_flat(VARIADIC ARRAY[id, i % 5] ORDER BY id) AS v FROM t GROUP BY g$$);
SELECT made('with_subqueries', $$SELECT g, array_agg((SELECT count(*) FROM u WHERE u.g = t.g AND u.v < t.i) ORDER BY id) AS a,
	sum(n) FILTER (WHERE EXISTS (SELECT FROM u WHERE u.v = t.i)) AS s, bool_or(i IN (SELECT v FROM u)) AS b FROM t GROUP BY g$$);
SELECT made('spelled', 'SELECT i % 3 * 1.0 AS k, string_agg((i % 3)::text || n::text, '','' ORDER BY id) AS l FROM t GROUP BY i % 3 * 1.0');
SELECT made('scalar_afresh', 'SELECT count(DISTINCT g) AS n, array_agg(i ORDER BY id) AS l, bool_and(b) AS b, percentile_disc(0.5) WITHIN GROUP (ORDER BY i) AS p FROM t');
SELECT made('union_afresh', 'SELECT g, count(DISTINCT x) AS n, array_agg(x ORDER BY x) AS l FROM (SELECT g, i AS x FROM t UNION ALL SELECT g, v FROM u) q GROUP BY g');
SELECT made('join_afresh', 'SELECT u.g, count(DISTINCT t.s) AS n, array_agg(DISTINCT t.id) AS l FROM t JOIN u ON u.v = t.i GROUP BY u.g');
-- these show the order of a subquery, as they would without a stream table
SELECT made('of_sorted', 'SELECT g, string_agg(s, '','') AS l, array_agg(id) AS a FROM (SELECT * FROM t ORDER BY s DESC, id) q GROUP BY g');
SELECT made('of_first', 'SELECT string_agg(s, '','') AS l FROM (SELECT * FROM t ORDER BY i DESC NULLS LAST, id LIMIT 5) q');

-- HAVING: groups come, go, cross the threshold both ways
SELECT made('having_count', 'SELECT g, count(*) AS n, sum(i) AS s, avg(n) AS a FROM t GROUP BY g HAVING count(*) > 10');
SELECT made('having_mixed', 'SELECT g, max(i) AS m FROM t GROUP BY g HAVING sum(f) > 100 AND min(i) < 4 OR g IS NULL');
SELECT made('having_hidden', 'SELECT count(*) AS n FROM t GROUP BY g, b HAVING avg(n) > 6 AND b IS NOT NULL');
SELECT made('having_dependent', 'SELECT u.id, max(t.i) AS m FROM u JOIN t ON t.g = u.g GROUP BY u.id HAVING u.v > 3 AND count(*) > 5');
SELECT made('having_afresh', 'SELECT g FROM t GROUP BY g HAVING count(DISTINCT s) > 5 AND bool_or(b)');
SELECT made('having_key', 'SELECT g, sum(i) AS s FROM t GROUP BY g HAVING g > 1');
SELECT made('having_null', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING sum(i) > 100');
SELECT made('having_scalar', 'SELECT count(*) AS n FROM t HAVING count(*) > 50');
SELECT made('having_subquery', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > (SELECT count(*) FROM u) / 2');
SELECT made('having_below', 'SELECT id FROM t WHERE g IN (SELECT g FROM t GROUP BY g HAVING sum(i) > 200)');
SELECT made('having_limited', 'SELECT g, sum(i) AS s FROM t GROUP BY g HAVING count(*) > 3 ORDER BY s DESC NULLS LAST, g LIMIT 2');
SELECT made('grouping_', 'SELECT g, GROUPING(g) AS z, count(*) AS n FROM t GROUP BY g');

INSERT INTO t (id, g, i, bi, n, n2, f, s) VALUES (100, 1, 7, 7, 7, 7, 7, 'g');
SELECT * FROM all_fresh('op_agg');
-- values change, rows change groups
UPDATE t SET i = i + 1, bi = -bi, n = n * 3, n2 = n2 + 0.01, f = f + 0.5, f4 = f4 * 2, iv = iv * 2,
	m = m + 1::money, d = d + 1, s = s || 'x', b = NOT b WHERE id % 3 = 0;
SELECT * FROM all_fresh('op_agg');
UPDATE t SET g = (g + 1) % 5 WHERE id % 7 = 0;
SELECT * FROM all_fresh('op_agg');
-- extremes go, tie, come back
DELETE FROM t WHERE i = (SELECT max(i) FROM t) OR i = (SELECT min(i) FROM t);
SELECT * FROM all_fresh('op_agg');
INSERT INTO t (id, g, i, s, n, d) VALUES (110, 2, -5, '0', -5, '1999-01-01'), (111, 2, -5, '0', -5, '1999-01-01');
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE id = 110;
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE id = 111;
SELECT * FROM all_fresh('op_agg');
-- an extreme that comes and goes within one window
INSERT INTO t (id, g, i) VALUES (112, 2, -1000), (113, 2, 1000);
DELETE FROM t WHERE id IN (112, 113);
SELECT * FROM all_fresh('op_agg');
-- the old extreme goes while a better one comes, and while a worse one comes
DELETE FROM t WHERE g = 3 AND i = (SELECT min(i) FROM t WHERE g = 3);
INSERT INTO t (id, g, i) VALUES (114, 3, -7);
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE id = 114;
INSERT INTO t (id, g, i) VALUES (115, 3, 12);
SELECT * FROM all_fresh('op_agg');

-- a group dies, is born, dies and comes back within one window
DELETE FROM t WHERE g = 4;
SELECT * FROM all_fresh('op_agg');
SELECT count(*) FROM counts WHERE g = 4;
INSERT INTO t (id, g, i) VALUES (120, 4, 1), (121, 9, 2);
SELECT * FROM all_fresh('op_agg');
BEGIN;
DELETE FROM t WHERE g = 9;
INSERT INTO t (id, g, i) VALUES (122, 9, 3);
COMMIT;
SELECT * FROM all_fresh('op_agg');
-- only values that are NULL stay in a group
UPDATE t SET i = NULL, bi = NULL, n = NULL, n2 = NULL, f = NULL, f4 = NULL, iv = NULL, m = NULL, s = NULL WHERE g = 2;
SELECT * FROM all_fresh('op_agg');
SELECT g, i, bi, n FROM sums WHERE g = 2;

-- the NULL group comes, changes and goes
UPDATE t SET g = NULL WHERE g = 1;
SELECT * FROM all_fresh('op_agg');
UPDATE t SET i = i * 10 WHERE g IS NULL;
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE g IS NULL AND id % 2 = 0;
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE g IS NULL;
SELECT * FROM all_fresh('op_agg');
SELECT count(*) FROM counts WHERE g IS NULL;

-- numeric: specials come and go
INSERT INTO t (id, g, n) VALUES (130, 0, 'NaN'), (131, 3, 'Infinity'), (132, 9, '-Infinity'), (133, 9, 'Infinity');
SELECT * FROM all_fresh('op_agg');
SELECT g, n FROM sums WHERE g IN (0, 3, 9) ORDER BY g;
DELETE FROM t WHERE id = 132;
SELECT * FROM all_fresh('op_agg');
UPDATE t SET n = 1.5 WHERE id IN (130, 131, 133);
SELECT * FROM all_fresh('op_agg');
SELECT g, n FROM sums WHERE g IN (3, 9) ORDER BY g;
-- float8: specials, and a sum that subtraction would get wrong
INSERT INTO t (id, g, f) VALUES (140, 50, 1), (141, 50, 1e20), (142, 51, 'NaN'), (143, 51, 2), (144, 52, 'Infinity');
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE id IN (141, 142);
UPDATE t SET f = 3 WHERE id = 144;
SELECT * FROM all_fresh('op_agg');
SELECT g, f, af FROM floats WHERE g >= 50 ORDER BY g;
-- sums that pass through the limits of the input's type
INSERT INTO t (id, g, i, bi) VALUES (150, 60, 1000000000, 9223372036854775807), (151, 60, 1000000000, 9223372036854775807),
	(152, 60, 1000000000, 9223372036854775807), (153, 60, -1000000000, -9223372036854775808);
SELECT * FROM all_fresh('op_agg');
DELETE FROM t WHERE id IN (150, 153);
SELECT * FROM all_fresh('op_agg');
SELECT g, i, bi FROM sums WHERE g = 60;

-- a table that only arguments, or only HAVING, read
UPDATE u SET v = v + 1 WHERE id % 2 = 0;
SELECT * FROM all_fresh('op_agg');
UPDATE u SET g = g + 1;
DELETE FROM u WHERE id > 15;
SELECT * FROM all_fresh('op_agg');
-- groups just at a threshold: one row more, one less, one out and another in
SELECT g, n FROM having_count ORDER BY g;
INSERT INTO t (id, g, i, n) SELECT 200 + x, 70 + x % 2, x, x FROM generate_series(1, 20) x;
SELECT * FROM all_fresh('op_agg');
SELECT g, n FROM having_count ORDER BY g;
INSERT INTO t (id, g, i, n) VALUES (221, 70, 0, 0);
SELECT * FROM all_fresh('op_agg');
SELECT g, n, s, a FROM having_count WHERE g >= 70;
UPDATE t SET g = 141 - g WHERE id IN (202, 203, 221);
SELECT * FROM all_fresh('op_agg');
SELECT g, n, s, a FROM having_count WHERE g >= 70;
DELETE FROM t WHERE id = 221;
SELECT * FROM all_fresh('op_agg');
SELECT g, n FROM having_count WHERE g >= 70;
DELETE FROM t WHERE id > 200;
SELECT * FROM all_fresh('op_agg');
-- what looks different is different
SELECT st, looks_like_query(st) FROM unnest('{lists, own, spread, spelled, scalar_afresh, having_count}'::regclass[]) st;

-- the input empties: groups vanish, the row without GROUP BY stays
DELETE FROM t;
SELECT * FROM all_fresh('op_agg');
SELECT n, ni, s, a, mn, mx FROM scalar_;
SELECT n, s FROM scalar_filter;
SELECT count(*) FROM counts;
INSERT INTO t (id, g, i, n, s) VALUES (1, 3, 5, 0.5, 'a'), (2, NULL, 6, 1.5, 'b');
SELECT * FROM all_fresh('op_agg');
SELECT n, ni, s, a, mn, mx FROM scalar_;
SELECT n, s FROM scalar_filter;
SELECT g, n, ni, ns, nb FROM counts ORDER BY g;

-- the initial fill of empty input
CREATE TABLE nothing (g int, v int);
SELECT made('nothing_scalar', 'SELECT count(*) AS n, sum(v) AS s, min(v) AS m FROM nothing');
SELECT made('nothing_grouped', 'SELECT g, count(*) AS n FROM nothing GROUP BY g');
SELECT n, s, m FROM nothing_scalar;
INSERT INTO nothing VALUES (1, NULL), (1, NULL);
SELECT * FROM fresh('nothing_scalar');
SELECT * FROM fresh('nothing_grouped');
SELECT n, s, m FROM nothing_scalar;
SELECT g, n FROM nothing_grouped;

-- GROUP BY a primary key, other columns of the row depend on it
CREATE TABLE cust (id int PRIMARY KEY, name text, city text);
CREATE TABLE ord (id int PRIMARY KEY, cust int, amount numeric(10,2));
INSERT INTO cust VALUES (1, 'Ada', 'x'), (2, 'Bob', 'y');
INSERT INTO ord VALUES (1, 1, 10), (2, 1, 20), (3, 2, 5);
SELECT made('per_cust', 'SELECT c.id, c.name, c.city || ''!'' AS city, sum(o.amount) AS s FROM cust c JOIN ord o ON o.cust = c.id GROUP BY c.id');
UPDATE cust SET name = 'Alice' WHERE id = 1;
SELECT * FROM fresh('per_cust');
UPDATE cust SET city = 'z', name = 'Rob' WHERE id = 2;
UPDATE ord SET amount = 6 WHERE id = 3;
INSERT INTO ord VALUES (4, 2, 1);
SELECT * FROM fresh('per_cust');
UPDATE ord SET cust = 2;
SELECT * FROM fresh('per_cust');
SELECT id, name, city, s FROM per_cust ORDER BY id;

-- duplicates of rows in a group
CREATE TABLE dup (g int, v int);
INSERT INTO dup VALUES (1, 5), (1, 5), (1, 5), (2, 5);
SELECT made('dup_agg', 'SELECT g, count(*) AS n, sum(v) AS s, avg(v) AS a, min(v) AS mn, max(v) AS mx FROM dup GROUP BY g');
DELETE FROM dup WHERE ctid = (SELECT min(ctid) FROM dup WHERE g = 1);
SELECT * FROM fresh('dup_agg');
UPDATE dup SET v = 4 WHERE ctid = (SELECT min(ctid) FROM dup WHERE g = 1);
INSERT INTO dup SELECT 1, 5 FROM generate_series(1, 10);
SELECT * FROM fresh('dup_agg');
SELECT g, n, s, a, mn, mx FROM dup_agg ORDER BY g;

-- nothing changes for a group although its rows do
UPDATE dup SET v = 9 - v WHERE v IN (4, 5) AND g = 2;
INSERT INTO dup VALUES (2, 5);
DELETE FROM dup WHERE g = 2 AND v = 4;
SELECT * FROM fresh('dup_agg');

-- many groups at once
CREATE TABLE many (id int PRIMARY KEY, g int, v int);
INSERT INTO many SELECT x, x / 3, x FROM generate_series(1, 9000) x;
SELECT made('many_agg', 'SELECT g, count(*) AS n, sum(v) AS s, max(v) AS mx FROM many GROUP BY g');
UPDATE many SET v = v + 1, g = g + x.d FROM (SELECT 1 AS d) x WHERE id % 2 = 0;
DELETE FROM many WHERE id % 11 = 0;
INSERT INTO many SELECT x, x / 5, x FROM generate_series(9001, 12000) x;
SELECT * FROM fresh('many_agg');

-- an aggregate is as mutable as the functions that it is made of, and changes with them
CREATE FUNCTION twice(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 2 * $2';
CREATE FUNCTION any_time(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT $1::text';
CREATE AGGREGATE own_twice(int) (SFUNC = twice, STYPE = int, INITCOND = '0');
CREATE AGGREGATE own_stable(int) (SFUNC = twice, STYPE = int, INITCOND = '0', FINALFUNC = any_time);
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT made('no', 'SELECT g, own_stable(v) AS s FROM dup GROUP BY g');
\set VERBOSITY terse
SELECT made('own_changes', 'SELECT g, own_twice(v) AS s FROM dup GROUP BY g');
INSERT INTO dup VALUES (1, 1);
SELECT * FROM fresh('own_changes');
CREATE OR REPLACE FUNCTION twice(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 3 * $2';
INSERT INTO dup VALUES (1, 1);
SELECT exact FROM fresh('own_changes');
SELECT g, s FROM own_changes ORDER BY g;
