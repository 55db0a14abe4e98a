-- WITH: named subqueries, used once and often, and recursive ones.
\set VERBOSITY terse
CREATE SCHEMA op_cte;
SET search_path = op_cte, public;

-- d has no key, rows in duplicate; edge may have several ways and, later, cycles
CREATE TABLE t (id int PRIMARY KEY, g int, v int);
CREATE TABLE d (g int, v int);
CREATE TABLE edge (a int, b int, w int);
CREATE TABLE node (id int PRIMARY KEY, parent int, name text COLLATE "C");
INSERT INTO t VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30), (4, NULL, 40), (5, 3, NULL), (6, 2, 5);
INSERT INTO d VALUES (1, 5), (1, 5), (2, 6), (NULL, 7), (3, NULL);
INSERT INTO edge VALUES (1, 2, 1), (1, 3, 2), (2, 4, 3), (3, 4, 1), (4, 5, 1), (6, 7, 1), (1, 2, 1);
INSERT INTO node VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'aa'), (5, 4, 'aaa'), (6, NULL, 'other');

-- used once
SELECT made('once', 'WITH x AS (SELECT g, v FROM t WHERE v > 5) SELECT g, v FROM x WHERE g < 3');
SELECT made('once_grouped', 'WITH x AS (SELECT g, sum(v) AS s FROM t GROUP BY g) SELECT x.g, x.s, d.v FROM x JOIN d ON d.g = x.g');
SELECT made('over_group', 'WITH x AS (SELECT g, v FROM t) SELECT g, count(*) AS n, sum(v) AS s FROM x GROUP BY g');
SELECT made('named_columns', 'WITH x(a, b) AS (SELECT g, v FROM t) SELECT a, b FROM x WHERE b > 10');
SELECT made('unused', 'WITH x AS (SELECT g FROM d) SELECT id FROM t');
SELECT made('hides_table', 'WITH d AS (SELECT id AS g FROM t) SELECT g FROM d');
-- used often
SELECT made('twice', 'WITH x AS (SELECT g, sum(v) AS s FROM t GROUP BY g) SELECT a.g, a.s, b.g AS bg FROM x a JOIN x b ON a.s < b.s');
SELECT made('against_itself', 'WITH x AS (SELECT g, sum(v) AS s FROM t GROUP BY g) SELECT g, s FROM x WHERE s >= (SELECT avg(s) FROM x)');
SELECT made('best', 'WITH x AS (SELECT g, sum(v) AS s FROM t GROUP BY g) SELECT g FROM x WHERE s = (SELECT max(s) FROM x)');
SELECT made('union_all', 'WITH x AS (SELECT g, v FROM d WHERE v > 4) SELECT g FROM x UNION ALL SELECT v FROM x');
SELECT made('thrice', 'WITH x AS (SELECT DISTINCT g FROM t) SELECT a.g, b.g AS b, c.g AS c FROM x a LEFT JOIN x b ON b.g = a.g + 1 LEFT JOIN x c ON c.g = a.g + 2');
SELECT made('in_subquery', 'WITH x AS (SELECT g FROM t GROUP BY g HAVING count(*) > 1) SELECT g, v FROM d WHERE g IN (SELECT g FROM x) OR EXISTS (SELECT FROM x WHERE x.g > d.v)');
SELECT made('materialized_', 'WITH x AS MATERIALIZED (SELECT g, count(*) AS n FROM t GROUP BY g), y AS NOT MATERIALIZED (SELECT g, v FROM d) SELECT x.g, x.n, y.v FROM x LEFT JOIN y ON y.g = x.g');
-- nested
SELECT made('of_each_other', 'WITH x AS (SELECT g, v FROM t), y AS (SELECT g, sum(v) AS s FROM x GROUP BY g), z AS (SELECT x.v, y.s FROM x JOIN y USING (g)) SELECT v, s FROM z');
SELECT made('nested', 'WITH x AS (WITH y AS (SELECT g, v FROM t WHERE v > 5) SELECT g, max(v) AS m FROM y GROUP BY g) SELECT d.g, x.m FROM d LEFT JOIN x ON x.g = d.g');
SELECT made('in_from', 'SELECT d.v, q.n FROM d JOIN (WITH x AS (SELECT g FROM t) SELECT g, count(*) AS n FROM x GROUP BY g) q ON q.g = d.g');
SELECT made('in_exists', 'SELECT id FROM t WHERE EXISTS (WITH x AS (SELECT g, v FROM d) SELECT FROM x WHERE x.g = t.g AND x.v < t.v)');
SELECT made('same_name', 'WITH x AS (SELECT g FROM t) SELECT g FROM (WITH x AS (SELECT g FROM d) SELECT g FROM x) q UNION ALL SELECT g FROM x');
SELECT made('windowed', 'WITH x AS (SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, id) AS n FROM t) SELECT g, id FROM x WHERE n = 1');
SELECT made('limited', 'WITH x AS (SELECT id, v FROM t ORDER BY v, id LIMIT 3) SELECT count(*) AS n, sum(v) AS s FROM x');
-- recursive, every way counted
SELECT made('tree', $$WITH RECURSIVE r(id, depth, path) AS (SELECT id, 0, name FROM node WHERE parent IS NULL
	UNION ALL SELECT n.id, r.depth + 1, r.path || '/' || n.name FROM node n JOIN r ON n.parent = r.id) SELECT id, depth, path FROM r$$);
SELECT made('ways', 'WITH RECURSIVE r(a, b, w, len) AS (SELECT a, b, w, 1 FROM edge UNION ALL SELECT r.a, e.b, r.w + e.w, r.len + 1 FROM r JOIN edge e ON e.a = r.b WHERE r.len < 6) SELECT a, b, w, len FROM r');
SELECT made('ways_from_one', 'WITH RECURSIVE r(b, len) AS (SELECT 1, 0 UNION ALL SELECT e.b, len + 1 FROM r JOIN edge e ON e.a = r.b WHERE len < 6) SELECT b FROM r');
SELECT made('ways_counted', 'WITH RECURSIVE r(a, b, len) AS (SELECT a, b, 1 FROM edge UNION ALL SELECT r.a, e.b, len + 1 FROM r JOIN edge e ON e.a = r.b WHERE len < 6) SELECT a, b, count(*) AS n, min(len) AS l FROM r GROUP BY a, b');
SELECT made('bill', 'WITH RECURSIVE r(part, w, len) AS (SELECT b, w, 1 FROM edge WHERE a = 1 UNION ALL SELECT e.b, r.w * e.w, len + 1 FROM r, edge e WHERE e.a = r.part AND len < 6) SELECT part, sum(w) AS s FROM r GROUP BY part');
SELECT made('numbers', 'WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT t.id, i FROM t JOIN r ON i <= t.g');
-- recursive, every row once
SELECT made('reach', 'WITH RECURSIVE r(a, b) AS (SELECT a, b FROM edge UNION SELECT r.a, e.b FROM r JOIN edge e ON e.a = r.b) SELECT a, b FROM r');
SELECT made('reach_from', 'WITH RECURSIVE r(b) AS (SELECT 1 UNION SELECT e.b FROM r JOIN edge e ON e.a = r.b) SELECT b FROM r');
SELECT made('reach_not', 'WITH RECURSIVE r(b) AS (SELECT 1 UNION SELECT e.b FROM r JOIN edge e ON e.a = r.b) SELECT n.id, n.name FROM node n WHERE n.id NOT IN (SELECT b FROM r)');
SELECT made('reach_joined', 'WITH RECURSIVE r(b) AS (SELECT id FROM node WHERE parent IS NULL UNION SELECT e.b FROM r JOIN edge e ON e.a = r.b) SELECT r.b, count(t.id) AS n FROM r LEFT JOIN t ON t.g = r.b GROUP BY r.b');
SELECT made('both_ways', 'WITH RECURSIVE r(x) AS (SELECT 4 UNION SELECT CASE WHEN e.a = r.x THEN e.b ELSE e.a END FROM r JOIN edge e ON r.x IN (e.a, e.b)) SELECT x FROM r');
-- of several, in several places
SELECT made('after_plain', 'WITH RECURSIVE s AS (SELECT DISTINCT a, b FROM edge), r(a, b) AS (SELECT a, b FROM s UNION SELECT r.a, s.b FROM r JOIN s ON s.a = r.b) SELECT a, b FROM r WHERE a = 1');
SELECT made('two_recursions', 'WITH RECURSIVE x(b) AS (SELECT 1 UNION SELECT e.b FROM x JOIN edge e ON e.a = x.b), y(b) AS (SELECT 6 UNION SELECT e.b FROM y JOIN edge e ON e.a = y.b) SELECT b FROM x UNION ALL SELECT b FROM y');
SELECT made('in_subselect', 'SELECT id, (WITH RECURSIVE r(id, parent) AS (SELECT n.id, n.parent UNION ALL SELECT p.id, p.parent FROM node p JOIN r ON p.id = r.parent) SELECT count(*) FROM r) AS depth FROM node n');
CREATE VIEW reachable AS
	WITH RECURSIVE r(a, b) AS (SELECT a, b FROM edge UNION SELECT r.a, e.b FROM r JOIN edge e ON e.a = r.b) SELECT a, b FROM r;
SELECT made('of_view', 'SELECT node.name, count(*) AS n FROM node JOIN reachable ON reachable.a = node.id GROUP BY node.name');
-- SEARCH and CYCLE
SELECT made('depth_first', 'WITH RECURSIVE r(id, parent) AS (SELECT id, parent FROM node WHERE parent IS NULL UNION ALL SELECT n.id, n.parent FROM node n JOIN r ON n.parent = r.id) SEARCH DEPTH FIRST BY id SET o SELECT id, row_number() OVER (ORDER BY o) AS n FROM r');
SELECT made('breadth_first', 'WITH RECURSIVE r(id, parent) AS (SELECT id, parent FROM node WHERE parent IS NULL UNION ALL SELECT n.id, n.parent FROM node n JOIN r ON n.parent = r.id) SEARCH BREADTH FIRST BY id SET o SELECT id, row_number() OVER (ORDER BY o, id) AS n FROM r');
SELECT made('cycle_', 'WITH RECURSIVE r(a, b) AS (SELECT a, b FROM edge WHERE a = 1 UNION ALL SELECT e.a, e.b FROM r JOIN edge e ON e.a = r.b) CYCLE a, b SET again USING path SELECT a, b, again FROM r');
SELECT made('cycle_union', $$WITH RECURSIVE r(a, b) AS (SELECT a, b FROM edge UNION SELECT e.a, e.b FROM r JOIN edge e ON e.a = r.b) CYCLE b SET again TO 'y' DEFAULT 'n' USING path SELECT a, b, again FROM r$$);

CREATE VIEW results AS
	SELECT 'reach' AS what, a, b, 1 AS n FROM reach WHERE a IN (1, 6) UNION ALL SELECT 'ways', a, b, n FROM ways_counted WHERE a = 1 ORDER BY 1, 2, 3;
SELECT * FROM results;
SELECT id, depth, path FROM tree ORDER BY id;

-- rows come on all sides, ways get longer and more
BEGIN;
INSERT INTO t VALUES (7, 4, 50), (8, 1, 1);
INSERT INTO d VALUES (4, 1), (1, 5), (1, NULL);
INSERT INTO edge VALUES (5, 6, 1), (2, 5, 9), (3, 8, 1);
INSERT INTO node VALUES (7, 6, 'x'), (8, 5, 'aaaa'), (9, 7, 'y');
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;
SELECT id, depth, path FROM tree ORDER BY id;

-- one of several ways goes; a subtree moves
BEGIN;
DELETE FROM edge WHERE (a, b) IN ((2, 4), (3, 8));
DELETE FROM edge WHERE ctid = (SELECT min(ctid) FROM edge WHERE a = 1 AND b = 2);
UPDATE node SET parent = 3 WHERE id = 4;
UPDATE node SET name = 'A' WHERE id = 2;
UPDATE t SET g = 2, v = v + 1 WHERE id IN (1, 7);
DELETE FROM d WHERE ctid = (SELECT min(ctid) FROM d WHERE g = 1);
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;
SELECT id, depth, path FROM tree ORDER BY id;

-- cycles come
BEGIN;
INSERT INTO edge VALUES (5, 1, 1), (7, 7, 2);
UPDATE t SET v = 7 WHERE v IS NULL;
UPDATE d SET g = 3 WHERE g IS NULL;
UPDATE node SET parent = 1 WHERE id = 6;
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;

-- and go, while what hung on them alone goes too
BEGIN;
DELETE FROM edge WHERE (a, b) IN ((1, 3), (7, 7));
UPDATE edge SET a = 2 WHERE a = 5 AND b = 1;
DELETE FROM node WHERE id IN (4, 5, 8);
DELETE FROM t WHERE g = 2;
UPDATE d SET v = v + 1;
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;
SELECT id, depth, path FROM tree ORDER BY id;

-- nothing is left, then something
BEGIN;
DELETE FROM t;
DELETE FROM d;
DELETE FROM edge;
DELETE FROM node;
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;
BEGIN;
INSERT INTO t VALUES (1, 1, 1), (2, 1, 2);
INSERT INTO d VALUES (1, 0), (1, 0);
INSERT INTO edge VALUES (1, 2, 1), (2, 1, 1), (NULL, 2, 3);
INSERT INTO node VALUES (1, NULL, 'r'), (2, 1, 's');
COMMIT;
SELECT * FROM all_fresh('op_cte');
SELECT * FROM results;
SELECT id, depth, path FROM tree ORDER BY id;

-- columns that are called otherwise than in the query that WITH names, where each
-- row of another table is looked at
SELECT made('renamed', 'SELECT id, (WITH c (k) AS (VALUES (t.v)) SELECT (SELECT k FROM c)) AS k FROM t');
SELECT made('renamed_twice', 'SELECT t.id, x.b FROM t, LATERAL (WITH c (k, b) AS (VALUES (t.v, 1), (t.v + 1, 2)) SELECT a.b FROM c a JOIN c b USING (b) WHERE a.k > 1) x');
BEGIN;
UPDATE t SET v = v + 1 WHERE id = 1;
INSERT INTO t VALUES (3, 1, 0);
COMMIT;
SELECT * FROM all_fresh('op_cte');
