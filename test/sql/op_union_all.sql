-- UNION ALL: the delta of a sum is the sum of the deltas.
\set VERBOSITY terse
CREATE SCHEMA op_union_all;
SET search_path = op_union_all, public;

CREATE TABLE a (id int PRIMARY KEY, x int, y text);
CREATE TABLE b (id int PRIMARY KEY, x int, y text);
INSERT INTO a SELECT i, i % 4, 'a' FROM generate_series(1, 20) i;
INSERT INTO b SELECT i, i % 4, CASE WHEN i % 2 = 0 THEN 'b' ELSE 'a' END FROM generate_series(1, 20) i;

SELECT made('two', 'SELECT id, x, y FROM a UNION ALL SELECT id, x, y FROM b');
SELECT made('nokey', 'SELECT x, y FROM a UNION ALL SELECT x, y FROM b');
SELECT made('same', 'SELECT x FROM a UNION ALL SELECT x FROM a');
SELECT made('three', 'SELECT x, y FROM a WHERE x > 1 UNION ALL SELECT x + 1, y FROM b UNION ALL SELECT id, NULL FROM a');
SELECT made('types', 'SELECT id, x, NULL AS z FROM a UNION ALL SELECT id, x / 2.0, y FROM b');
SELECT made('with_constant', 'SELECT 1 AS side, id FROM a UNION ALL SELECT 2, id FROM b');
SELECT made('parenthesised', '(SELECT x FROM a UNION ALL SELECT x FROM b) UNION ALL (SELECT id FROM b UNION ALL SELECT id FROM a)');
SELECT made('within', 'SELECT x, count(*) AS n, sum(id) AS s FROM (SELECT id, x FROM a UNION ALL SELECT id, x FROM b) u GROUP BY x');
SELECT made('filtered', 'SELECT * FROM (SELECT id, x FROM a UNION ALL SELECT x, id FROM b) u WHERE x > 2');
SELECT made('joined', 'SELECT u.x, a.y FROM (SELECT x FROM a UNION ALL SELECT x FROM b) u JOIN a ON a.id = u.x');

INSERT INTO a VALUES (21, 1, 'a');
SELECT * FROM all_fresh('op_union_all');
INSERT INTO b VALUES (21, 1, 'a');
SELECT * FROM all_fresh('op_union_all');
DELETE FROM a WHERE id = 21;
SELECT * FROM all_fresh('op_union_all');
UPDATE a SET x = x + 1, y = NULL WHERE id % 3 = 0;
UPDATE b SET y = 'c' WHERE id % 3 = 0;
DELETE FROM b WHERE id % 5 = 0;
INSERT INTO a SELECT i, 0, 'a' FROM generate_series(30, 40) i;
SELECT * FROM all_fresh('op_union_all');
-- the same row leaves one branch and enters the other
WITH gone AS (DELETE FROM a WHERE id IN (1, 2) RETURNING *)
	INSERT INTO b SELECT id + 100, x, y FROM gone;
SELECT * FROM fresh('nokey');
SELECT * FROM all_fresh('op_union_all');
TRUNCATE a;
SELECT stream_tables, exact FROM all_fresh('op_union_all');
INSERT INTO a VALUES (1, 1, 'back');
DELETE FROM b;
SELECT * FROM all_fresh('op_union_all');
SELECT id, x, y FROM two ORDER BY 1;
