-- A source with inheritance children: changes by the parent, by a child, by
-- ONLY; children that come and go; whose rights and policies count.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA source_inheritance;
SET search_path = source_inheritance, public;
SET client_min_messages = warning;

CREATE TABLE p (id int, k int, gone text, v text, dbl int GENERATED ALWAYS AS (k * 2) STORED);
INSERT INTO p SELECT i, i % 3, 'g', 'p' || i FROM generate_series(1, 5) i;
CREATE TABLE c1 (extra text) INHERITS (p);
-- a child whose columns are in another order, with holes
CREATE TABLE c2 (v text, gone text, hole int, k int, more int, id int, dbl int GENERATED ALWAYS AS (k * 2) STORED);
ALTER TABLE c2 DROP COLUMN hole;
ALTER TABLE c2 INHERIT p;
-- two ways lead to it
CREATE TABLE g (y int) INHERITS (c1, c2);
ALTER TABLE p DROP COLUMN gone;
INSERT INTO c1 (id, k, v) VALUES (1, 1, 'c1'), (6, 1, 'c1');
INSERT INTO c2 (id, k, v) VALUES (1, 1, 'c2'), (9, 2, 'c2');
INSERT INTO g (id, k, v) VALUES (1, 1, 'g'), (7, 0, 'g');
CREATE TABLE d (k int PRIMARY KEY, name text);
INSERT INTO d VALUES (0, 'zero'), (1, 'one'), (2, 'two');

SELECT made('scan', 'SELECT id, k, v, dbl FROM p');
SELECT made('filter', 'SELECT id, v FROM p WHERE k = 1');
SELECT made('by_k', 'SELECT k, count(*) AS n, sum(id) AS s, max(v COLLATE "C") AS m FROM p GROUP BY k');
SELECT made('rows', 'SELECT count(*) AS n FROM p');
SELECT made('different', 'SELECT DISTINCT v FROM p');
SELECT made('pairs', 'SELECT x.id, y.v FROM p x JOIN p y ON x.k = y.k AND x.id < y.id');
SELECT made('triples', 'SELECT x.id, y.v, z.dbl FROM p x JOIN p y USING (id) JOIN p z ON z.k = y.k');
SELECT made('named', 'SELECT p.id, d.name FROM p JOIN d USING (k)');
SELECT made('only_p', 'SELECT id, v FROM ONLY p');
SELECT made('only_and_all', 'SELECT x.id, y.v FROM ONLY p x JOIN p y ON x.id = y.id');
SELECT made('child', 'SELECT id, k, v FROM c1');
SELECT made('left_join', 'SELECT d.name, p.id FROM d LEFT JOIN p ON p.k = d.k AND p.id > 5');
SELECT made('left_only', 'SELECT x.id, y.v FROM p x LEFT JOIN ONLY p y ON x.id = y.id AND y.k > 0');
SELECT made('has_match', 'SELECT id, v FROM ONLY p a WHERE EXISTS (SELECT FROM p b WHERE b.id = a.id AND b.v <> a.v)');
SELECT made('no_match', 'SELECT id FROM p a WHERE NOT EXISTS (SELECT FROM c1 b WHERE b.id = a.id)');
SELECT made('ranks', 'SELECT id, v, rank() OVER (PARTITION BY k ORDER BY id) AS r FROM p');
SELECT made('top', 'SELECT id, v FROM p ORDER BY id DESC, v COLLATE "C" LIMIT 3');
SELECT made('apart', 'SELECT id, k FROM p EXCEPT SELECT id, k FROM c2');
SELECT made('in_view', 'SELECT name FROM d WHERE k IN (SELECT k FROM p WHERE id > 6)');

-- by the parent: rows of its own, and rows of its children
INSERT INTO p VALUES (11, 1, 'new');
SELECT * FROM all_fresh('source_inheritance');
UPDATE p SET v = v || '!' WHERE id % 2 = 0 OR id = 1;
SELECT * FROM all_fresh('source_inheritance');
UPDATE p SET k = (k + 1) % 3;
SELECT * FROM all_fresh('source_inheritance');
DELETE FROM p WHERE id IN (5, 6, 7, 9);
SELECT * FROM all_fresh('source_inheritance');
COPY p (v, id, k) FROM stdin;
copied	21	2
\.
SELECT * FROM all_fresh('source_inheritance');
MERGE INTO p USING (VALUES (1, 'merged'), (11, NULL), (31, 'inserted')) v (id, v) ON p.id = v.id
	WHEN MATCHED AND v.v IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET v = v.v
	WHEN NOT MATCHED THEN INSERT (id, k, v) VALUES (v.id, 0, v.v);
SELECT * FROM all_fresh('source_inheritance');
-- by a child, one with a child of its own; by ONLY
INSERT INTO c1 (id, k, v, extra) VALUES (41, 1, 'c1', 'e'), (42, 0, 'c1', 'e');
INSERT INTO c2 (id, k, v, more) VALUES (41, 1, 'c2', 1), (43, 2, 'c2', 2);
INSERT INTO g (id, k, v, extra, more, y) VALUES (41, 1, 'g', 'e', 3, 4), (44, 2, 'g', 'e', 5, 6);
SELECT * FROM all_fresh('source_inheritance');
UPDATE c1 SET v = 'by c1' WHERE k = 1;
UPDATE ONLY c2 SET k = 0, more = 7 WHERE id = 41;
SELECT * FROM all_fresh('source_inheritance');
-- columns that nobody reads
UPDATE c1 SET extra = 'f';
UPDATE c2 SET more = more + 1;
SELECT * FROM all_fresh('source_inheritance');
DELETE FROM ONLY p WHERE k = 0;
DELETE FROM c2 WHERE id = 41;
WITH moved AS (DELETE FROM c1 WHERE id = 42 RETURNING id, k, v)
	INSERT INTO g (id, k, v) SELECT id, k, v FROM moved;
SELECT * FROM all_fresh('source_inheritance');

-- a child that comes with rows, between two refreshes
CREATE TABLE c3 (id int, k int, v text, dbl int GENERATED ALWAYS AS (k * 2) STORED);
INSERT INTO c3 VALUES (50, 1, 'c3'), (51, 2, 'c3');
ALTER TABLE c3 INHERIT p;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
SELECT count(*) FROM scan WHERE v = 'c3';
UPDATE c3 SET v = 'after';
UPDATE p SET v = v || '.' WHERE id >= 50;
SELECT * FROM all_fresh('source_inheritance');
-- it goes, and its further changes are not ours
ALTER TABLE c3 NO INHERIT p;
INSERT INTO c3 VALUES (52, 0, 'apart');
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
SELECT count(*) FROM scan WHERE id >= 50;
SELECT waiting('c3');
-- it comes, is changed, and goes before anybody looks
ALTER TABLE c3 INHERIT p;
UPDATE p SET v = 'brief' WHERE id >= 50;
ALTER TABLE c3 NO INHERIT p;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
-- it goes and comes back: its changes were captured all the time
ALTER TABLE c3 INHERIT p;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
ALTER TABLE c3 NO INHERIT p;
UPDATE c3 SET k = k + 1;
ALTER TABLE c3 INHERIT p;
SELECT * FROM all_fresh('source_inheritance');
-- a grandchild; a child that is dropped, and one of the same name
CREATE TABLE c4 () INHERITS (c3);
INSERT INTO c4 VALUES (60, 1, 'c4');
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
INSERT INTO c4 VALUES (61, 1, 'c4');
SELECT * FROM all_fresh('source_inheritance');
DROP TABLE c3 CASCADE;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
SELECT count(*) FROM scan WHERE v = 'c4';
SELECT count(*) AS vanished FROM pgtrickle.pgt_dependencies d
 WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.source);
SELECT count(*) AS vanished FROM pgtrickle.pgt_change_tracking t
 WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.source);
CREATE TABLE c3 () INHERITS (p);
INSERT INTO c3 VALUES (70, 2, 'again');
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
-- columns of the parent
ALTER TABLE p ADD COLUMN later int DEFAULT 5;
ALTER TABLE p RENAME COLUMN v TO w;
UPDATE c2 SET later = 6, w = 'renamed';
SELECT * FROM all_fresh('source_inheritance');

-- truncation of the parent alone, of a child, of everything
TRUNCATE ONLY p;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
TRUNCATE c3;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
TRUNCATE p;
SELECT stream_tables, exact FROM all_fresh('source_inheritance');
SELECT count(*) FROM scan;
INSERT INTO p VALUES (1, 1, 'one');
INSERT INTO g (id, k, w) VALUES (1, 1, 'g'), (2, 0, 'g');
SELECT * FROM all_fresh('source_inheritance');

-- the first child of a table: its statement triggers are given the rows of the
-- child as its own, and must not take them
CREATE TABLE q (id int, v int);
INSERT INTO q VALUES (1, 1);
SELECT made('q_all', 'SELECT id, v FROM q');
SELECT made('q_only', 'SELECT id, v FROM ONLY q');
UPDATE q SET v = 2;
SELECT * FROM fresh('q_all');
SELECT * FROM fresh('q_only');
CREATE TABLE q1 () INHERITS (q);
INSERT INTO q1 VALUES (2, 2);
UPDATE q SET v = v + 1;
SELECT * FROM fresh('q_all');
SELECT * FROM fresh('q_only');
UPDATE q SET v = v + 1;
SELECT * FROM fresh('q_all');
SELECT * FROM fresh('q_only');
-- no child any more, which is noticed only by ANALYZE: row triggers still serve
DROP TABLE q1;
SELECT exact FROM fresh('q_all');
UPDATE q SET v = 7;
ANALYZE q;
SELECT relhassubclass FROM pg_class WHERE oid = 'q'::regclass;
SELECT * FROM fresh('q_all');
SELECT * FROM fresh('q_only');
-- a child that comes, and goes before anybody looks, with that noticed
CREATE TABLE r (id int, v int);
CREATE TABLE r1 (id int, v int);
INSERT INTO r VALUES (1, 1);
INSERT INTO r1 VALUES (2, 2);
SELECT made('r_all', 'SELECT id, v FROM r');
ALTER TABLE r1 INHERIT r;
UPDATE r SET v = v + 1;
ALTER TABLE r1 NO INHERIT r;
ANALYZE r;
SELECT exact FROM fresh('r_all');
SELECT id, v FROM r_all;

-- rows that were known by a primary key, which is none of the children's
CREATE TABLE keyed (id int PRIMARY KEY, v text);
INSERT INTO keyed VALUES (1, 'a');
SELECT made('by_key', 'SELECT id, v FROM keyed');
CREATE TABLE keyed1 () INHERITS (keyed);
INSERT INTO keyed1 VALUES (1, 'b');
SELECT * FROM fresh('by_key');
SELECT pgtrickle.create_or_replace_stream_table('by_key', 'SELECT id, v FROM keyed', refresh_mode => 'DIFFERENTIAL');
SELECT * FROM fresh('by_key');
UPDATE keyed SET v = v || '!';
SELECT * FROM fresh('by_key');
SELECT id, v FROM by_key ORDER BY v;
-- PostgreSQL takes it for one where it groups: which row is shown is open
SELECT pgtrickle.create_stream_table('by_no_key', 'SELECT id, v FROM keyed GROUP BY id', refresh_mode => 'DIFFERENTIAL');
SELECT made('by_own_key', 'SELECT id, v, count(*) AS n FROM ONLY keyed GROUP BY id');

-- children that cannot be captured
CREATE UNLOGGED TABLE keyed2 () INHERITS (keyed);
SELECT pgtrickle.create_stream_table('no', 'SELECT id, v FROM keyed', refresh_mode => 'DIFFERENTIAL');
INSERT INTO keyed2 VALUES (5, 'unlogged');
SELECT pgtrickle.create_stream_table('recomputed', 'SELECT id, v FROM keyed');
SELECT * FROM fresh('recomputed');
DROP TABLE keyed2;
SELECT exact FROM fresh('by_key');
-- a temporary one is read by its session alone
CREATE TEMP TABLE keyed3 () INHERITS (keyed);
INSERT INTO keyed3 VALUES (6, 'temporary');
SELECT exact FROM fresh('by_key');
INSERT INTO keyed3 VALUES (7, 'temporary');
SELECT exact FROM fresh('by_key');
DROP TABLE keyed3;
SELECT exact FROM fresh('by_key');
INSERT INTO keyed1 VALUES (8, 'last');
SELECT exact FROM fresh('by_key');

-- rights: the parent's count where PostgreSQL reads through it, but a delta
-- reads the child itself
CREATE ROLE regress_pgt_heir;
GRANT ALL ON SCHEMA source_inheritance TO regress_pgt_heir;
CREATE TABLE mine (id int, v int);
CREATE TABLE theirs () INHERITS (mine);
GRANT SELECT, TRIGGER ON mine TO regress_pgt_heir;
INSERT INTO mine VALUES (1, 1);
INSERT INTO theirs VALUES (2, 2);
SET client_min_messages = notice;
SET ROLE regress_pgt_heir;
SELECT pgtrickle.create_stream_table('rights_', 'SELECT id, v FROM mine');
RESET ROLE;
INSERT INTO theirs VALUES (3, 3);
SELECT * FROM fresh('rights_');
GRANT SELECT ON theirs TO regress_pgt_heir;
SET ROLE regress_pgt_heir;
SELECT pgtrickle.create_stream_table('no', 'SELECT id, v FROM mine', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
SELECT * FROM fresh('rights_');
GRANT TRIGGER ON theirs TO regress_pgt_heir;
SELECT exact FROM fresh('rights_');
INSERT INTO theirs VALUES (4, 4);
INSERT INTO mine VALUES (5, 5);
SELECT * FROM fresh('rights_');
-- a child's row security does not count where it is read through its parent
ALTER TABLE theirs ENABLE ROW LEVEL SECURITY;
INSERT INTO theirs VALUES (6, 6);
SELECT * FROM fresh('rights_');
SET ROLE regress_pgt_heir;
SELECT count(*) FROM mine;
SELECT count(*) FROM theirs;
SELECT pgtrickle.create_stream_table('no', 'SELECT id, v FROM mine', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
ALTER TABLE theirs DISABLE ROW LEVEL SECURITY;
-- the parent's does, for all
ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON mine USING (v < 6);
SELECT exact FROM fresh('rights_');
INSERT INTO theirs VALUES (7, 4), (8, 8);
INSERT INTO mine VALUES (9, 5), (10, 8);
SELECT * FROM fresh('rights_');
SELECT id, v FROM rights_ ORDER BY id;
-- with a subquery in it
ALTER POLICY low ON mine USING (v < 6 AND EXISTS (SELECT FROM d WHERE d.k = mine.v % 3));
GRANT SELECT, TRIGGER ON d TO regress_pgt_heir;
SELECT exact FROM fresh('rights_');
DELETE FROM d WHERE k = 1;
SELECT * FROM fresh('rights_');
SELECT id, v FROM rights_ ORDER BY id;
SET client_min_messages = warning;

-- a child that is gone when the stream table goes
CREATE TABLE s (id int);
CREATE TABLE s1 () INHERITS (s);
SELECT made('s_all', 'SELECT id FROM s');
DROP TABLE s1;
SELECT pgtrickle.drop_stream_table('s_all');
SELECT count(*) FROM pgtrickle.pgt_change_tracking t
 WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.source);
SELECT made('s_all', 'SELECT id FROM s');
SELECT pgtrickle.drop_stream_table('s_all');

-- leave no role behind
SELECT pgtrickle.drop_stream_table('rights_');
DROP OWNED BY regress_pgt_heir CASCADE;
DROP ROLE regress_pgt_heir;
