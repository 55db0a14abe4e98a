-- WITH RECURSIVE ... UNION ALL by rounds, and what remains one part.
\set VERBOSITY terse
CREATE SCHEMA op_recursive;
SET search_path = op_recursive, public;

-- how the recursions of a stream table are maintained
CREATE FUNCTION recursions(st text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(n->>'rule', ', ' ORDER BY n->>'rule')
	  FROM jsonb_array_elements(pgtrickle.explain_stream_table(st, 'json')::jsonb->'stages') n
	 WHERE n->>'construct' = 'WITH RECURSIVE'
$$;

CREATE TABLE node (id int PRIMARY KEY, parent int, name varchar(10) COLLATE "C", cost numeric(6,2));
CREATE TABLE edge (a int, b int, w int, ok boolean DEFAULT true);
CREATE TABLE start (n int);
CREATE TABLE hop (x int, y int);
INSERT INTO node VALUES (1, NULL, 'root', 1), (2, 1, 'a', 2.5), (3, 1, 'b', 0.25), (4, 2, 'aa', NULL), (5, 4, 'aaa', 3), (6, NULL, 'other', 1);
INSERT INTO edge VALUES (1, 2, 2), (1, 3, 3), (2, 4, 1), (3, 4, 5), (4, 5, 1), (4, 5, 1), (NULL, 1, 1), (5, NULL, 1), (6, 7, 1);
INSERT INTO start VALUES (1), (1), (6), (NULL);
INSERT INTO hop VALUES (2, 20), (4, 40), (4, 41), (NULL, 0);

SELECT made('tree', $$WITH RECURSIVE r(id, path, cost, depth) AS (SELECT id, name, cost, 0 FROM node WHERE parent IS NULL
	UNION ALL SELECT n.id, (r.path || '/' || n.name)::varchar(10) COLLATE "C", (r.cost + n.cost)::numeric(6,2), depth + 1 FROM r JOIN node n ON n.parent = r.id) SELECT * FROM r$$);
SELECT made('ways', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n WHERE ok) SELECT n FROM r');
SELECT made('ways_counted', 'WITH RECURSIVE r(n, w) AS (SELECT n, 1 FROM start UNION ALL SELECT b, r.w * edge.w FROM r JOIN edge ON a = n WHERE ok) SELECT n, sum(w) AS s, count(*) AS c, min(w) AS m FROM r GROUP BY n');
SELECT made('bounded', 'WITH RECURSIVE r(n, level) AS (SELECT a, 0 FROM edge UNION ALL SELECT b, level + 1 FROM r JOIN edge ON a = n WHERE level < 4) SELECT n, level FROM r');
SELECT made('guarded', 'WITH RECURSIVE r(n, path) AS (SELECT n, ARRAY[n] FROM start UNION ALL SELECT b, path || b FROM r JOIN edge ON a = n WHERE NOT b = ANY (path)) SELECT n, path FROM r');
SELECT made('two_tables', 'WITH RECURSIVE r(n, y) AS (SELECT n, 0 FROM start UNION ALL SELECT b, hop.y FROM r JOIN edge ON a = n JOIN hop ON x = a) SELECT n, y FROM r');
SELECT made('same_table', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT f.b FROM r, edge e, edge f WHERE e.a = n AND f.a = e.b) SELECT n FROM r');
SELECT made('no_equality', 'WITH RECURSIVE r(n, level) AS (SELECT min(n), 0 FROM start UNION ALL SELECT b, level + 1 FROM r, edge WHERE b > n AND a < b AND level < 3) SELECT n, level FROM r');
SELECT made('first_terms', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT x FROM hop GROUP BY x UNION ALL SELECT b FROM r JOIN edge ON a = n) SELECT n FROM r');
SELECT made('of_groups', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN (SELECT DISTINCT a, b FROM edge) e ON a = n) SELECT n FROM r');
SELECT made('of_first', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN (SELECT a, b FROM edge ORDER BY a, b, w LIMIT 3) e ON a = n) SELECT n FROM r');
SELECT made('of_function', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n, generate_series(1, w) g WHERE g < 3) SELECT n FROM r');
SELECT made('below', 'WITH RECURSIVE r(n, d) AS (SELECT n, 0 FROM start UNION ALL SELECT b, d + 1 FROM r JOIN edge ON a = n) SELECT node.name, r.d FROM node LEFT JOIN r ON r.n = node.id WHERE EXISTS (SELECT FROM r x WHERE x.n = node.id) OR node.id = 2');
SELECT made('twice', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n) SELECT x.n, y.n AS m FROM r x JOIN r y ON y.n = x.n + 1');
SELECT made('of_recursion', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n), s(n) AS (SELECT y FROM hop UNION ALL SELECT x FROM s JOIN hop ON y = s.n JOIN r ON r.n = x) SELECT n FROM s');
SELECT made('two_arms', 'WITH RECURSIVE r(n, d) AS (SELECT n, 0 FROM start UNION ALL SELECT e.b, d + 1 FROM r JOIN (SELECT a, b FROM edge UNION ALL SELECT x, y FROM hop) e ON a = n WHERE d < 5) SELECT n, d FROM r');
SELECT made('undirected', 'WITH RECURSIVE r(n, path) AS (SELECT n, ARRAY[n] FROM start UNION ALL SELECT e.b, path || e.b FROM r JOIN (SELECT a, b FROM edge UNION ALL SELECT b, a FROM edge) e ON a = n WHERE cardinality(path) < 4 AND NOT e.b = ANY (path)) SELECT n, path FROM r');
SELECT made('constant', 'WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT n, i FROM start JOIN r ON i <= n');

SELECT pgt_name, recursions(pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_recursive' ORDER BY pgt_id;

SELECT step FROM pgtrickle.explain_delta('tree');
SELECT pgtrickle.explain_stream_table('tree') ~ 'from round to round' AS says_how;

-- rows are recognised by what they are, however often they occur
SELECT n, count(*) FROM ways GROUP BY n ORDER BY n;
DELETE FROM edge WHERE a = 2;
SELECT * FROM all_fresh('op_recursive');
SELECT n, count(*) FROM ways GROUP BY n ORDER BY n;
INSERT INTO edge VALUES (2, 4, 1), (2, 4, 1), (2, 4, 7);
SELECT * FROM all_fresh('op_recursive');
-- one of several ways is cut, one of two equal edges
DELETE FROM edge WHERE ctid = (SELECT min(ctid) FROM edge WHERE a = 4);
SELECT * FROM all_fresh('op_recursive');
UPDATE edge SET ok = false WHERE a = 3;
SELECT * FROM all_fresh('op_recursive');
UPDATE edge SET ok = true, b = 5 WHERE a = 3;
SELECT * FROM all_fresh('op_recursive');
SELECT n, s, c, m FROM ways_counted ORDER BY n;
-- where it begins, and everything at once
INSERT INTO start VALUES (2), (NULL), (99);
SELECT * FROM all_fresh('op_recursive');
BEGIN;
DELETE FROM start WHERE n = 1;
UPDATE edge SET a = 6 WHERE a = 1 AND b = 3;
INSERT INTO hop VALUES (6, 60), (3, 30);
UPDATE hop SET y = y + 1 WHERE x = 4;
DELETE FROM edge WHERE b = 7;
UPDATE node SET parent = 6 WHERE id = 2;
INSERT INTO node VALUES (7, 2, 'ab', 4);
COMMIT;
SELECT * FROM all_fresh('op_recursive');
SELECT id, path, cost, depth FROM tree ORDER BY id;
UPDATE node SET name = 'x', cost = cost + 1 WHERE id IN (2, 6);
SELECT * FROM all_fresh('op_recursive');
SELECT id, path, cost, depth FROM tree ORDER BY id;
BEGIN;
INSERT INTO start VALUES (1);
UPDATE edge SET a = 1 WHERE a = 6;
COMMIT;
SELECT * FROM all_fresh('op_recursive');

-- a cycle where nothing is any more that was there before
BEGIN;
DELETE FROM edge WHERE a = 1 AND b = 2;
DELETE FROM start WHERE n = 2;
INSERT INTO edge VALUES (2, 8, 1), (8, 2, 1);
COMMIT;
SELECT * FROM fresh('ways');
SELECT * FROM fresh('ways_counted');
SELECT * FROM fresh('twice');
-- and one that is reached only while it is none
BEGIN;
DELETE FROM edge WHERE a = 8;
INSERT INTO edge VALUES (1, 2, 4);
COMMIT;
SELECT * FROM all_fresh('op_recursive');
-- a cycle that is counted or guarded
SELECT pgtrickle.drop_stream_table(pgt_name) FROM pgtrickle.pgt_stream_tables
 WHERE pgt_schema = 'op_recursive' AND pgt_name NOT IN ('bounded', 'guarded', 'no_equality', 'tree', 'two_arms', 'undirected');
INSERT INTO edge VALUES (5, 1, 2), (4, 4, 1);
SELECT * FROM all_fresh('op_recursive');
UPDATE edge SET b = 2 WHERE a = 5;
SELECT * FROM all_fresh('op_recursive');
DELETE FROM edge WHERE a = 4 AND b = 4;
SELECT * FROM all_fresh('op_recursive');
SELECT n, level, count(*) FROM bounded WHERE level > 2 GROUP BY n, level ORDER BY n, level;

-- it empties, and fills again
DELETE FROM edge;
DELETE FROM start;
DELETE FROM node;
SELECT * FROM all_fresh('op_recursive');
SELECT count(*) FROM bounded;
INSERT INTO start VALUES (1);
INSERT INTO node VALUES (1, NULL, 'root', 1);
INSERT INTO node SELECT i, i / 2, 'n', i FROM generate_series(2, 40) i;
INSERT INTO edge SELECT i / 3, i, 1 FROM generate_series(1, 30) i;
SELECT * FROM all_fresh('op_recursive');
UPDATE node SET parent = 3 WHERE id = 10;
UPDATE edge SET b = b + 1 WHERE b = 9;
SELECT * FROM all_fresh('op_recursive');
SELECT depth, count(*) FROM tree GROUP BY depth ORDER BY depth;
TRUNCATE edge;
INSERT INTO edge VALUES (1, 2, 1);
SELECT * FROM fresh('guarded');
SELECT n, path FROM guarded ORDER BY n;
INSERT INTO edge VALUES (2, 3, 1);
SELECT * FROM fresh('guarded');
SELECT n, path FROM guarded ORDER BY n;

-- over another stream table, and in a group with its own source
SELECT made('edges', 'SELECT a, b, w FROM edge WHERE w < 9');
SELECT made('over', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT e.b FROM r JOIN edges e ON e.a = n JOIN edge f ON f.a = e.a AND f.b = e.b) SELECT n FROM r');
INSERT INTO edge VALUES (3, 4, 1), (3, 5, 10);
SELECT * FROM fresh('over');
UPDATE edge SET w = 20 - w;
SELECT * FROM fresh('over');
SELECT n FROM over ORDER BY n;
UPDATE edge SET w = 1;
SELECT * FROM fresh('over');
SELECT n FROM over ORDER BY n;

-- the step fails on a pair of rows that never existed together
CREATE TABLE part (of int, sub int, n int);
CREATE TABLE lot (sub int, size int);
INSERT INTO part VALUES (0, 1, 12), (1, 2, 24), (2, 3, 48);
INSERT INTO lot VALUES (1, 2), (2, 3), (3, 4);
SELECT made('lots', 'WITH RECURSIVE r(sub, q) AS (SELECT 0, 100 UNION ALL SELECT part.sub, r.q / (lot.size - part.n) FROM r JOIN part ON part.of = r.sub JOIN lot ON lot.sub = part.sub) SELECT sub, q FROM r');
BEGIN;
UPDATE part SET n = 3 WHERE sub = 2;
UPDATE lot SET size = 30 WHERE sub = 2;
COMMIT;
SELECT * FROM fresh('lots');
SELECT recursions('lots'), last_refresh_reason FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'lots'::regclass;
SELECT n->>'note' LIKE 'computed afresh and compared%' AS whole
  FROM jsonb_array_elements(pgtrickle.explain_stream_table('lots', 'json')::jsonb->'stages') n WHERE n->>'construct' = 'WITH RECURSIVE';
SELECT step FROM pgtrickle.explain_delta('lots');
UPDATE lot SET size = size + 7;
DELETE FROM part WHERE sub = 3;
SELECT * FROM fresh('lots');
UPDATE part SET n = (SELECT size FROM lot WHERE sub = 2) WHERE sub = 2;
SELECT pgtrickle.refresh_stream_table('lots');
UPDATE part SET n = 1 WHERE sub = 2;
SELECT * FROM fresh('lots');
SELECT sub, q FROM lots ORDER BY sub;

-- one part: the rounds do not add up, or what a column holds cannot be stored
SELECT made('set', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION SELECT b FROM r JOIN edge ON a = n) SELECT n FROM r');
SELECT made('distinct_', 'WITH RECURSIVE r(n, d) AS (SELECT n, 0 FROM start UNION ALL SELECT DISTINCT b, d + 1 FROM r JOIN edge ON a = n WHERE d < 5) SELECT n, d FROM r');
SELECT made('outer_', 'WITH RECURSIVE r(n, d) AS (SELECT n, 0 FROM start UNION ALL SELECT b, d + 1 FROM r LEFT JOIN edge ON a = n WHERE d < 3) SELECT n, d FROM r');
SELECT made('not_exists', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n WHERE NOT EXISTS (SELECT FROM hop WHERE x = r.n)) SELECT n FROM r');
SELECT made('lateral_', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT l.b FROM r, LATERAL (SELECT b FROM edge WHERE a = r.n ORDER BY b, w, ok LIMIT 1) l) SELECT n FROM r');
SELECT made('breadth', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n) SEARCH BREADTH FIRST BY n SET o SELECT n FROM r');
SELECT made('cycle_', 'WITH RECURSIVE r(n) AS (SELECT n FROM start UNION ALL SELECT b FROM r JOIN edge ON a = n) CYCLE n SET again USING path SELECT n, again FROM r');
SELECT made('undetermined', 'WITH RECURSIVE r(c, d) AS ((SELECT cost, 0 FROM node UNION SELECT cost, 1 FROM node) UNION ALL SELECT r.c, d + 1 FROM r JOIN hop ON x = d WHERE d < 3) SELECT c, d FROM r');
SELECT made('correlated', 'SELECT n, (WITH RECURSIVE r(m) AS (SELECT start.n UNION ALL SELECT b FROM r JOIN edge ON a = m) SELECT count(*) FROM r) AS c FROM start');
SELECT pgt_name, recursions(pgt_name) FROM pgtrickle.pgt_stream_tables
 WHERE pgt_schema = 'op_recursive' AND pgt_id >= (SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'set'::regclass) ORDER BY pgt_id;
INSERT INTO edge VALUES (3, 6, 1), (4, 6, 1);
INSERT INTO hop VALUES (1, 4);
INSERT INTO start VALUES (3);
SELECT * FROM all_fresh('op_recursive');
DELETE FROM edge WHERE b = 6 AND a = 3;
UPDATE hop SET x = 3 WHERE y = 4;
SELECT * FROM all_fresh('op_recursive');
