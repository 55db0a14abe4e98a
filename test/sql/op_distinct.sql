-- DISTINCT: a row shows while its multiplicity is above zero.
\set VERBOSITY terse
CREATE SCHEMA op_distinct;
SET search_path = op_distinct, public;

CREATE TABLE t (id int PRIMARY KEY, a int, b text, n numeric);
INSERT INTO t SELECT i, i % 4, CASE WHEN i % 3 > 0 THEN 'b' || i % 3 END, i % 2 FROM generate_series(1, 30) i;
CREATE TABLE u (a int, c int);
INSERT INTO u SELECT i % 4, i % 2 FROM generate_series(1, 8) i;

SELECT made('one', 'SELECT DISTINCT a FROM t');
SELECT made('two', 'SELECT DISTINCT a, b FROM t');
SELECT made('with_key', 'SELECT DISTINCT id, a FROM t');
SELECT made('expression', 'SELECT DISTINCT a % 2 AS p, coalesce(b, ''none'') AS b FROM t');
SELECT made('filtered', 'SELECT DISTINCT b FROM t WHERE a > 1');
SELECT made('joined', 'SELECT DISTINCT t.b, u.c FROM t JOIN u ON t.a = u.a');
SELECT made('of_union', 'SELECT DISTINCT a FROM (SELECT a FROM t UNION ALL SELECT c FROM u) x');
SELECT made('numerics', 'SELECT DISTINCT n FROM t');
SELECT made('constant', 'SELECT DISTINCT 1 AS one FROM t');
SELECT a, b FROM two ORDER BY a, b;

-- one of many goes, the last goes, the first comes
DELETE FROM t WHERE id = 4;
SELECT * FROM all_fresh('op_distinct');
DELETE FROM t WHERE a = 0;
SELECT * FROM all_fresh('op_distinct');
SELECT a FROM one ORDER BY a;
INSERT INTO t VALUES (40, 0, 'b1', 5), (41, 0, 'b1', 5);
SELECT * FROM all_fresh('op_distinct');
UPDATE t SET a = 8 WHERE id = 40;
SELECT * FROM all_fresh('op_distinct');
UPDATE t SET a = 8 WHERE a = 1;
SELECT * FROM all_fresh('op_distinct');
-- NULLs are one value
UPDATE t SET b = NULL WHERE b = 'b1';
SELECT * FROM all_fresh('op_distinct');
UPDATE t SET a = NULL;
SELECT * FROM all_fresh('op_distinct');
SELECT a, b FROM two ORDER BY a, b;
DELETE FROM t WHERE b IS NULL;
SELECT * FROM all_fresh('op_distinct');
-- 1.0 and 1.00 are one value; whichever of them shows
UPDATE t SET n = 1.0 WHERE id % 2 = 0;
UPDATE t SET n = 1.00 WHERE id % 2 = 1;
SELECT * FROM all_fresh('op_distinct');
SELECT n = 1 AS one FROM numerics;
DELETE FROM t WHERE n::text = '1.0';
SELECT * FROM all_fresh('op_distinct');
-- both sides of the join
DELETE FROM u WHERE a = 3;
UPDATE t SET a = id % 4;
INSERT INTO u VALUES (1, 7), (1, 7), (NULL, 1);
SELECT * FROM all_fresh('op_distinct');
-- there and gone in one window; everything gone
INSERT INTO t VALUES (50, 77, 'zz', 0);
DELETE FROM t WHERE id = 50;
SELECT * FROM all_fresh('op_distinct');
DELETE FROM t;
SELECT * FROM all_fresh('op_distinct');
SELECT count(*) FROM two;
SELECT count(*) FROM constant;
INSERT INTO t SELECT i, i % 2, 'back', 1 FROM generate_series(1, 6) i;
SELECT * FROM all_fresh('op_distinct');
SELECT a, b FROM two ORDER BY a, b;

-- one column many times, and many conditions on few columns: there are more keys
-- than columns
CREATE TABLE few_columns (id int PRIMARY KEY, a int, b int);
INSERT INTO few_columns VALUES (1, 1, 1), (2, 2, 3), (3, NULL, 1);
SELECT made('repeated', 'SELECT q.a1 FROM (SELECT DISTINCT a AS a1, a AS a2, a AS a3, a AS a4, a AS a5, a AS a6, a AS a7, a AS a8, a AS a9, a AS a10, a AS a11, a AS a12 FROM few_columns) q');
SELECT made('repeated_joined', 'SELECT x.b FROM few_columns x FULL JOIN few_columns y ON x.a = y.a AND x.a = y.b AND x.b = y.a AND x.b = y.b AND x.a = y.a AND x.a = y.b AND x.b = y.a AND x.b = y.b AND x.b = y.b');
UPDATE few_columns SET a = 3 WHERE id = 2;
INSERT INTO few_columns VALUES (4, 2, 2), (5, 2, 2);
SELECT * FROM fresh('repeated');
SELECT * FROM fresh('repeated_joined');
