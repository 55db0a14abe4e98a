-- Filter: the delta of a filter is the filter of the delta, each image by its
-- own values.
\set VERBOSITY terse
CREATE SCHEMA op_filter;
SET search_path = op_filter, public;

CREATE TABLE t (id int PRIMARY KEY, a int, b text, f boolean);
INSERT INTO t SELECT i, i % 7, CASE WHEN i % 3 > 0 THEN 'b' || i % 4 END, i % 2 = 0
  FROM generate_series(1, 60) i;

SELECT made('lt', 'SELECT id, a FROM t WHERE a < 3');
SELECT made('unseen', 'SELECT id FROM t WHERE a < 3 AND f');
SELECT made('null_only', 'SELECT id, b FROM t WHERE b IS NULL');
SELECT made('three_valued', 'SELECT id, b FROM t WHERE NOT (b = ''b1'' AND a > 2)');
SELECT made('inlist', 'SELECT * FROM t WHERE a IN (1, 2, NULL) OR b NOT IN (''b1'', ''b2'')');
SELECT made('liking', 'SELECT id, b FROM t WHERE b LIKE ''b_'' AND b ~ ''[12]$''');
SELECT made('never', 'SELECT id FROM t WHERE false');
SELECT made('always', 'SELECT id FROM t WHERE true');
SELECT made('twocols', 'SELECT id FROM t WHERE (a, id) < (3, 30)');
SELECT made('inner_filter', 'SELECT * FROM (SELECT id, a + 1 AS a1 FROM t WHERE f) s WHERE a1 > 3');

-- into the filter, out of it, within it, beside it
UPDATE t SET a = 0 WHERE id = 3;
UPDATE t SET a = 6 WHERE id = 7;
UPDATE t SET a = 2 WHERE id = 8;
UPDATE t SET a = 5 WHERE id = 4;
SELECT * FROM all_fresh('op_filter');
-- the deciding column is not in the target list
UPDATE t SET f = NOT f;
SELECT * FROM all_fresh('op_filter');
UPDATE t SET f = NULL WHERE id < 10;
SELECT * FROM all_fresh('op_filter');
-- NULL comes and goes
UPDATE t SET b = NULL WHERE id IN (1, 2);
UPDATE t SET b = 'b1', a = NULL WHERE id IN (3, 6);
SELECT * FROM all_fresh('op_filter');
SELECT id, b FROM null_only WHERE id < 10 ORDER BY id;
UPDATE t SET a = NULL;
SELECT * FROM all_fresh('op_filter');
UPDATE t SET a = id % 5, b = 'b' || id % 5;
INSERT INTO t VALUES (100, 1, 'b1', true), (101, NULL, NULL, NULL);
DELETE FROM t WHERE id < 20;
SELECT * FROM all_fresh('op_filter');
SELECT count(*) FROM never;
SELECT count(*) = (SELECT count(*) FROM t) AS all_there FROM always;

-- changes wholly outside of the filter change nothing
UPDATE t SET a = a + 100 WHERE a >= 3;
SELECT exact FROM fresh('lt');

-- the remainder of a division by zero fails, of one by another constant does not
CREATE TABLE r (id int PRIMARY KEY, n int, m bigint);
INSERT INTO r SELECT i, i, i % 5 FROM generate_series(1, 20) AS i;
SELECT made('even', 'SELECT id, n FROM r WHERE n % 2 = 0');
SELECT made('remainders', 'SELECT n % -3 AS x, mod(m, 4) AS y, count(*) FROM r WHERE mod(n, 7) < 4 GROUP BY 1, 2');
SELECT made('of_rest', 'SELECT id, n FROM r WHERE n % (m::int + 1) = 1');
UPDATE r SET n = n + 1 WHERE id < 8;
UPDATE r SET n = n - 1 WHERE id < 4;
UPDATE r SET n = NULL WHERE id = 9;
UPDATE r SET n = -2147483648, m = -1 WHERE id = 10;
UPDATE r SET m = 0 WHERE id = 10;
DELETE FROM r WHERE id = 12;
INSERT INTO r VALUES (12, 12, 12), (21, 21, -1);
UPDATE r SET m = 3 WHERE id = 21;
SELECT * FROM all_fresh('op_filter');

-- a filter whose evaluation fails for some rows, guarded by its own AND/CASE
CREATE TABLE d (id int PRIMARY KEY, n int, m int);
INSERT INTO d VALUES (1, 10, 5), (2, 10, 0), (3, 4, 2);
SELECT made('guarded', 'SELECT id FROM d WHERE CASE WHEN m <> 0 THEN n / m > 1 ELSE false END');
UPDATE d SET m = 0 WHERE id = 1;
UPDATE d SET m = 3 WHERE id = 2;
SELECT * FROM fresh('guarded');

-- rows that came and went between two refreshes are none for the query to fail on
SELECT made('unguarded', 'SELECT id, n FROM d WHERE n / (m + 1) > 1');
SELECT made('unguarded_sum', 'SELECT count(*) AS c, sum(n / (m + 1)) AS s FROM d');
SELECT made('unguarded_group', 'SELECT n / (m + 1) AS q, count(*) AS c FROM d GROUP BY 1');
INSERT INTO d VALUES (4, 7, -1), (5, 7, 1), (6, 8, -1);
UPDATE d SET m = -1 WHERE id = 1;
UPDATE d SET m = 1 WHERE id IN (1, 4);
DELETE FROM d WHERE id = 6;
SELECT * FROM all_fresh('op_filter');
