-- UNION, INTERSECT and EXCEPT, with and without ALL: a row may be hidden by
-- another and shown when that goes.
\set VERBOSITY terse
CREATE SCHEMA op_setop;
SET search_path = op_setop, public;

CREATE TABLE a (id int PRIMARY KEY, k int, v text COLLATE "C");
CREATE TABLE b (k int, v text COLLATE "C");
CREATE TABLE c (k bigint, v text COLLATE "C");
INSERT INTO a VALUES (1, 1, 'x'), (2, 1, 'x'), (3, 1, 'x'), (4, 2, 'y'), (5, NULL, 'n'), (6, NULL, NULL), (7, 3, 'z'), (8, 4, 'only');
INSERT INTO b VALUES (1, 'x'), (1, 'x'), (2, 'other'), (NULL, 'n'), (NULL, 'n'), (NULL, NULL), (5, 'b');
INSERT INTO c VALUES (1, 'x'), (3, 'z'), (3, 'z'), (NULL, 'n'), (6, 'c');

SELECT made('union_', 'SELECT k, v FROM a UNION SELECT k, v FROM b');
SELECT made('union_all', 'SELECT k, v FROM a UNION ALL SELECT k, v FROM b');
SELECT made('intersect_', 'SELECT k, v FROM a INTERSECT SELECT k, v FROM b');
SELECT made('intersect_all', 'SELECT k, v FROM a INTERSECT ALL SELECT k, v FROM b');
SELECT made('except_', 'SELECT k, v FROM a EXCEPT SELECT k, v FROM b');
SELECT made('except_all', 'SELECT k, v FROM a EXCEPT ALL SELECT k, v FROM b');
SELECT made('except_other', 'SELECT k, v FROM b EXCEPT ALL SELECT k, v FROM a');
SELECT made('one_column', 'SELECT k FROM a EXCEPT ALL SELECT k FROM b');
SELECT made('with_key', 'SELECT id, k FROM a UNION SELECT k, k FROM b');
-- nested, to both sides, mixed with ALL
SELECT made('three_unions', 'SELECT k FROM a UNION SELECT k FROM b UNION SELECT k FROM c');
SELECT made('all_then_distinct', 'SELECT k FROM a UNION ALL SELECT k FROM b UNION SELECT k FROM c');
SELECT made('distinct_then_all', 'SELECT k FROM a UNION SELECT k FROM b UNION ALL SELECT k FROM c');
SELECT made('union_except', '(SELECT k, v FROM a UNION SELECT k, v FROM b) EXCEPT SELECT k, v FROM c');
SELECT made('except_union', 'SELECT k, v FROM a EXCEPT (SELECT k, v FROM b UNION ALL SELECT k, v FROM c)');
SELECT made('except_intersect', 'SELECT k, v FROM a EXCEPT ALL (SELECT k, v FROM b INTERSECT ALL SELECT k, v FROM c)');
SELECT made('except_except', 'SELECT k, v FROM a EXCEPT ALL (SELECT k, v FROM b EXCEPT ALL SELECT k, v FROM c)');
SELECT made('except_twice', 'SELECT k, v FROM a EXCEPT ALL SELECT k, v FROM b EXCEPT ALL SELECT k, v FROM c');
SELECT made('sums', '(SELECT k, v FROM a UNION ALL SELECT k, v FROM b) INTERSECT ALL (SELECT k, v FROM c UNION ALL SELECT k, v FROM c)');
SELECT made('union_all_of_except', 'SELECT k, v FROM c UNION ALL (SELECT k, v FROM a EXCEPT SELECT k, v FROM b)');
-- other types, constants, no table
SELECT made('types', 'SELECT k FROM a INTERSECT SELECT k FROM c');
SELECT made('types_all', 'SELECT k FROM c EXCEPT ALL SELECT k FROM b');
SELECT made('constants', 'SELECT k, ''a'' AS of FROM a UNION SELECT k, ''b'' FROM b');
SELECT made('expressions', 'SELECT k + 1 AS k FROM a EXCEPT SELECT k * 2 FROM b');
SELECT made('values_', 'SELECT k FROM a EXCEPT VALUES (1), (NULL), (7)');
SELECT made('values_first', 'VALUES (1), (2), (7) EXCEPT SELECT k FROM a');
SELECT made('no_from', 'SELECT 1 AS k UNION SELECT k FROM b');
-- the same table more than once
SELECT made('self_union', 'SELECT k FROM a UNION SELECT k FROM a');
SELECT made('self_except', 'SELECT k, v FROM a EXCEPT ALL SELECT k, v FROM a WHERE id > 2');
SELECT made('self_nothing', 'SELECT k FROM b EXCEPT ALL SELECT k FROM b');
SELECT made('self_intersect', 'SELECT k FROM b INTERSECT ALL SELECT k FROM b');
SELECT made('self_id', 'SELECT id FROM a EXCEPT SELECT k FROM a');
-- over and under other operators
SELECT made('of_groups', 'SELECT k, count(*) AS n FROM a GROUP BY k INTERSECT SELECT k, count(*) FROM b GROUP BY k');
SELECT made('of_distinct', 'SELECT DISTINCT k FROM a EXCEPT ALL SELECT DISTINCT k FROM b');
SELECT made('of_joins', 'SELECT a.k, b.v FROM a JOIN b ON a.k = b.k EXCEPT ALL SELECT a.k, c.v FROM a LEFT JOIN c ON a.k = c.k');
SELECT made('of_limits', '(SELECT k FROM a ORDER BY k, id LIMIT 4) UNION ALL (SELECT k FROM c ORDER BY k LIMIT 2)');
SELECT made('grouped', 'SELECT k, count(*) AS n FROM (SELECT k, v FROM a EXCEPT ALL SELECT k, v FROM b) x GROUP BY k');
SELECT made('counted', 'SELECT count(*) AS n, count(k) AS nk, sum(k) AS s FROM (SELECT k FROM a UNION SELECT k FROM b) x');
SELECT made('joined', 'SELECT a.id, x.k FROM a JOIN (SELECT k FROM b EXCEPT SELECT k FROM c) x ON x.k = a.k');
SELECT made('left_joined', 'SELECT a.id, x.k FROM a LEFT JOIN (SELECT k FROM b INTERSECT SELECT k FROM c) x ON x.k = a.k');
SELECT made('self_joined', 'SELECT x.k, y.v FROM (SELECT k FROM a UNION SELECT k FROM b) x JOIN (SELECT k, v FROM a EXCEPT SELECT k, v FROM b) y ON x.k = y.k');
SELECT made('filtered', 'SELECT k, v FROM (SELECT k, v FROM a UNION SELECT k, v FROM b) x WHERE k > 1 OR v IS NULL');
SELECT made('in_', 'SELECT id FROM a WHERE k IN (SELECT k FROM b EXCEPT SELECT k FROM c WHERE v = ''x'')');
SELECT made('limited', 'SELECT k FROM (SELECT k FROM a UNION SELECT k FROM c) x ORDER BY k DESC NULLS LAST LIMIT 3');
SELECT made('ordered_limit', 'SELECT k FROM a UNION ALL SELECT k FROM b ORDER BY k NULLS FIRST LIMIT 5');

CREATE VIEW results AS
	SELECT k, v, count(*) FILTER (WHERE op = 'u') AS "union", count(*) FILTER (WHERE op = 'i') AS "intersect",
		count(*) FILTER (WHERE op = 'ia') AS intersect_all, count(*) FILTER (WHERE op = 'e') AS "except",
		count(*) FILTER (WHERE op = 'ea') AS except_all
	  FROM (SELECT 'u', k, v FROM union_ UNION ALL SELECT 'i', k, v FROM intersect_
			UNION ALL SELECT 'ia', k, v FROM intersect_all UNION ALL SELECT 'e', k, v FROM except_
			UNION ALL SELECT 'ea', k, v FROM except_all) x(op, k, v)
	 GROUP BY k, v ORDER BY k, v;
SELECT * FROM results;

-- rows get hidden on the right while more of them come on the left
BEGIN;
INSERT INTO a VALUES (9, 5, 'b'), (10, 5, 'b'), (11, 2, 'other');
INSERT INTO b VALUES (2, 'y'), (3, 'z'), (1, 'x');
INSERT INTO c VALUES (5, 'b'), (2, 'y');
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;

-- and are shown again, one copy at a time
BEGIN;
DELETE FROM b WHERE ctid = (SELECT min(ctid) FROM b WHERE k = 1);
DELETE FROM b WHERE ctid = (SELECT min(ctid) FROM b WHERE k IS NULL AND v = 'n');
DELETE FROM b WHERE k = 2;
UPDATE a SET v = 'x' WHERE id = 8;
DELETE FROM c WHERE ctid = (SELECT min(ctid) FROM c WHERE k = 3);
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;
BEGIN;
DELETE FROM b WHERE ctid = (SELECT min(ctid) FROM b WHERE k = 1);
DELETE FROM b WHERE k IS NULL;
DELETE FROM a WHERE id = 2;
UPDATE c SET v = NULL WHERE k = 1;
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;

-- a row changes sides; NULLs come on both
BEGIN;
DELETE FROM a WHERE k = 5;
INSERT INTO b VALUES (4, 'only'), (4, 'only'), (NULL, NULL), (NULL, NULL);
UPDATE b SET k = NULL, v = 'z' WHERE k = 3;
UPDATE a SET k = NULL WHERE id IN (4, 7);
UPDATE c SET k = NULL WHERE k = 6;
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;

-- all is renamed on both sides at once
BEGIN;
UPDATE a SET k = coalesce(k, 0) + 1, v = 'same';
UPDATE b SET k = coalesce(k, 0) + 1, v = 'same';
UPDATE c SET k = coalesce(k, 0) + 1, v = 'same';
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;

-- the right side empties, the left side empties, both fill
BEGIN;
DELETE FROM b;
DELETE FROM c;
UPDATE a SET v = 'left' WHERE id = 1;
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;
BEGIN;
DELETE FROM a;
INSERT INTO b VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
INSERT INTO c VALUES (1, 'x');
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;
BEGIN;
INSERT INTO a VALUES (1, 1, 'x'), (2, 1, 'x'), (3, 1, 'x'), (4, NULL, NULL);
DELETE FROM b WHERE k IS NULL;
INSERT INTO c VALUES (NULL, NULL);
COMMIT;
SELECT * FROM all_fresh('op_setop');
SELECT * FROM results;
