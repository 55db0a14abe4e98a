-- Stream tables over stream tables.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA dag;
SET search_path = dag, public;

-- What a refresh of one did to all: which ones ran in the last refresh?
CREATE FUNCTION ran(names text[]) RETURNS TABLE (st text, action text, last boolean)
LANGUAGE sql AS $$
	SELECT pgt_name, last_refresh_action,
		data_timestamp = max(data_timestamp) OVER ()
	  FROM pgtrickle.pgt_stream_tables
	 WHERE pgt_schema = 'dag' AND pgt_name::text = ANY (names)
	 ORDER BY pgt_id
$$;
-- Does it equal its query over what its sources hold now?
CREATE FUNCTION right_now(names text[]) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(format('%s:%s', n, equals_query(n::regclass)), ' ' ORDER BY o)
	  FROM unnest(names) WITH ORDINALITY AS u(n, o)
$$;

-- a chain: each reads what the one before has stored
CREATE TABLE t (id int PRIMARY KEY, g int, v int);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
SELECT made('c1', 'SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g');
SELECT made('c2', 'SELECT g, s FROM c1 WHERE s > 10');
SELECT made('c3', 'SELECT count(*) AS n, sum(s) AS s FROM c2');
SELECT source_type, captured, columns_used FROM pgtrickle.pgt_dependencies d
  JOIN pgtrickle.pgt_stream_tables s USING (pgt_id) WHERE pgt_name = 'c2';
SELECT source::text, capture_mode FROM pgtrickle.pgt_change_tracking
 WHERE source IN ('t'::regclass, 'c1'::regclass, 'c2'::regclass) ORDER BY 1;
-- no trigger but the guard, which would send apply the long way round
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'c1'::regclass;
INSERT INTO t VALUES (10, 0, 5);
SELECT * FROM fresh('c2');
SELECT n, s FROM c3;
SELECT * FROM fresh('c1');
SELECT * FROM fresh('c3');
SELECT * FROM fresh('c2');
SELECT * FROM fresh('c3');
SELECT n, s FROM c3;
-- what does not change what is read leaves nothing behind
SELECT waiting('c1') AS before \gset
INSERT INTO t VALUES (11, 1, 0);
SELECT * FROM fresh('c1');
SELECT waiting('c1') = :before AS nothing_captured;
SELECT * FROM fresh('c2');
-- a group that goes and one that comes
DELETE FROM t WHERE g = 2;
INSERT INTO t VALUES (12, 7, 70), (13, NULL, 80);
SELECT * FROM all_fresh('dag');
SELECT g, s FROM c2 ORDER BY g;

-- in one transaction, in any order, several times, with savepoints
BEGIN;
UPDATE t SET v = v + 1;
SELECT pgtrickle.refresh_stream_table('c2');
SELECT pgtrickle.refresh_stream_table('c1');
SELECT pgtrickle.refresh_stream_table('c2');
SELECT right_now('{c1,c2}');
SAVEPOINT a;
UPDATE t SET g = 0 WHERE g = 1;
SELECT pgtrickle.refresh_stream_table('c1');
SELECT pgtrickle.refresh_stream_table('c2');
SELECT pgtrickle.refresh_stream_table('c3');
SELECT right_now('{c1,c2,c3}');
ROLLBACK TO a;
SELECT right_now('{c1,c2}');
INSERT INTO t VALUES (20, 1, 100);
SELECT pgtrickle.refresh_stream_table('c1');
SAVEPOINT b;
SELECT pgtrickle.refresh_stream_table('c2');
ROLLBACK TO b;
SELECT pgtrickle.refresh_stream_table('c2');
INSERT INTO t VALUES (21, 1, 1000);
SELECT pgtrickle.refresh_stream_table('c1');
SELECT pgtrickle.refresh_stream_table('c1');
SELECT pgtrickle.refresh_stream_table('c2');
SELECT pgtrickle.refresh_stream_table('c3');
SELECT right_now('{c1,c2,c3}');
COMMIT;
SELECT * FROM all_fresh('dag');

-- the refresh of the source is undone: nothing of it reaches the consumer
BEGIN;
INSERT INTO t VALUES (22, 1, 10000);
SELECT pgtrickle.refresh_stream_table('c1');
ROLLBACK;
SELECT * FROM fresh('c2');

-- truncated: the source starts afresh, the consumer gets the difference
TRUNCATE t;
SELECT * FROM fresh('c1');
SELECT * FROM fresh('c2');
SELECT * FROM fresh('c3');
INSERT INTO t VALUES (1, 1, 50);
SELECT * FROM all_fresh('dag');

-- a new query of the source with the same columns; another one is refused
SELECT pgtrickle.alter_stream_table('c1', query => 'SELECT g, count(*) AS n, sum(v) AS s FROM t WHERE v > 10 GROUP BY g');
SELECT * FROM all_fresh('dag');
SELECT pgtrickle.alter_stream_table('c1', query => 'SELECT g, sum(v) AS s, count(*) AS n FROM t GROUP BY g');
-- new names
ALTER TABLE c1 RENAME TO c1_renamed;
INSERT INTO t VALUES (2, 2, 60);
SELECT * FROM all_fresh('dag');
ALTER TABLE c1_renamed RENAME TO c1;
-- guarded as ever
TRUNCATE c1;
DELETE FROM c1;
-- filled for the first time when it has consumers already
SELECT pgtrickle.create_stream_table('late', 'SELECT id, v FROM t', initialize => false);
SELECT made('over_late', 'SELECT v FROM late WHERE v > 55');
SELECT * FROM fresh('late');
SELECT * FROM fresh('over_late');
SELECT v FROM over_late;
SELECT pgtrickle.drop_stream_table('late', cascade => true);

-- entry 20: a value that changes under the filter of a consumer
CREATE TABLE w (id int PRIMARY KEY, v int);
INSERT INTO w VALUES (1, 10), (2, 20);
SELECT made('w1', 'SELECT id, v FROM w');
SELECT made('w2', 'SELECT id, v FROM w1 WHERE v < 15');
SELECT made('w3', 'SELECT v, count(*) AS n FROM w1 GROUP BY v');
UPDATE w SET v = 30 WHERE id = 1;
UPDATE w SET v = 10 WHERE id = 2;
SELECT exact FROM fresh('w1');
SELECT * FROM fresh('w2');
SELECT * FROM fresh('w3');
SELECT id, v FROM w2;
-- back and forth between two refreshes of the consumer
UPDATE w SET v = 1 WHERE id = 2;
SELECT exact FROM fresh('w1');
UPDATE w SET v = 10 WHERE id = 2;
SELECT exact FROM fresh('w1');
SELECT * FROM fresh('w2');
SELECT * FROM all_fresh('dag');

-- entry 21: one source, two consumers, one of them suspended; trimming between
CREATE TABLE big (id int PRIMARY KEY, v text);
SELECT made('b0', 'SELECT id, v FROM big');
SELECT made('b1', 'SELECT id, v FROM b0 WHERE id % 2 = 0');
SELECT made('b2', 'SELECT count(*) AS n, max(id) AS m FROM b0');
SELECT pgtrickle.alter_stream_table('b2', status => 'SUSPENDED');
INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 5000) i;
SELECT pgtrickle.refresh_stream_table('b0');
SELECT pgtrickle.refresh_stream_table('b1');
UPDATE big SET v = repeat('y', 500);
SELECT pgtrickle.refresh_stream_table('b0');
SELECT pgtrickle.refresh_stream_table('b1');
SELECT waiting('b0') AS kept_for_the_suspended_one;
SELECT n FROM b2;
SELECT pgtrickle.resume_stream_table('b2');
SELECT pgtrickle.refresh_stream_table('b2');
SELECT waiting('b0') AS trimmed;
SELECT n, m FROM b2;
SELECT * FROM fresh('b1');
SELECT * FROM fresh('b2');
DELETE FROM big WHERE id > 10;
SELECT exact FROM fresh('b0');
SELECT * FROM fresh('b1');
SELECT * FROM fresh('b2');

-- entry 19: a diamond of which both arms change, and the base besides
CREATE TABLE dept (id int PRIMARY KEY, name text);
CREATE TABLE emp (id int PRIMARY KEY, dept int, pay int);
INSERT INTO dept VALUES (1, 'a'), (2, 'b');
INSERT INTO emp VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30);
SELECT made('pay', 'SELECT dept, sum(pay) AS pay FROM emp GROUP BY dept');
SELECT made('heads', 'SELECT dept, count(*) AS n FROM emp GROUP BY dept');
SELECT made('both_arms', 'SELECT dept, pay, n FROM pay JOIN heads USING (dept)');
SELECT made('with_base', 'SELECT dept.name, emp.id, emp.pay, h.n FROM dept JOIN heads h ON h.dept = dept.id JOIN emp ON emp.dept = dept.id');
UPDATE emp SET dept = 2, pay = pay + 1 WHERE id = 1;
INSERT INTO emp VALUES (4, 2, 5);
UPDATE dept SET name = 'z' WHERE id = 2;
-- the refresh of any member is the refresh of all
SELECT pgtrickle.refresh_stream_table('pay');
SELECT * FROM ran('{pay,heads,both_arms,with_base}');
SELECT right_now('{pay,heads,both_arms,with_base}');
DELETE FROM emp WHERE dept = 1;
UPDATE dept SET name = 'y' WHERE id = 1;
SELECT pgtrickle.refresh_stream_table('with_base');
SELECT * FROM ran('{pay,heads,both_arms,with_base}');
SELECT right_now('{pay,heads,both_arms,with_base}');
SELECT name, id, pay, n FROM with_base ORDER BY id;
SELECT * FROM fresh('with_base');
-- above the group, and beside it
SELECT made('over_group', 'SELECT name, sum(pay) AS pay FROM with_base GROUP BY name');
INSERT INTO emp VALUES (5, 1, 7);
SELECT pgtrickle.refresh_stream_table('heads');
SELECT * FROM ran('{with_base,over_group}');
SELECT * FROM fresh('over_group');
-- several times in a transaction
BEGIN;
UPDATE emp SET pay = pay * 2;
SELECT pgtrickle.refresh_stream_table('both_arms');
UPDATE emp SET dept = 3 - dept;
SAVEPOINT a;
SELECT pgtrickle.refresh_stream_table('pay');
ROLLBACK TO a;
INSERT INTO emp VALUES (6, 2, 1);
SELECT pgtrickle.refresh_stream_table('heads');
SELECT right_now('{pay,heads,both_arms,with_base}');
COMMIT;
SELECT right_now('{pay,heads,both_arms,with_base}');
SELECT * FROM all_fresh('dag');

-- a suspended member holds back those that read it, and no others
SELECT pgtrickle.alter_stream_table('heads', status => 'SUSPENDED');
INSERT INTO emp VALUES (7, 2, 1000);
\set VERBOSITY default
SELECT pgtrickle.refresh_stream_table('both_arms');
\set VERBOSITY terse
SELECT pgtrickle.refresh_stream_table('pay');
SELECT max(pay) FROM pay;
SELECT max(pay) FROM both_arms;
SELECT * FROM ran('{pay,heads,both_arms,with_base}');
SELECT pgtrickle.resume_stream_table('heads');
SELECT pgtrickle.refresh_stream_table('both_arms');
SELECT * FROM ran('{pay,heads,both_arms,with_base}');
SELECT * FROM all_fresh('dag');
-- asked for by name it is refreshed all the same
SELECT pgtrickle.alter_stream_table('both_arms', status => 'SUSPENDED');
INSERT INTO emp VALUES (8, 2, 2000);
SELECT pgtrickle.refresh_stream_table('both_arms');
SELECT right_now('{pay,heads,both_arms,with_base}');
SELECT pgtrickle.resume_stream_table('both_arms');

-- an error in one member takes back the others
CREATE TABLE n (id int PRIMARY KEY, a int, b int);
INSERT INTO n VALUES (1, 6, 2);
SELECT made('n1', 'SELECT id, a FROM n');
SELECT made('n2', 'SELECT n.id, n1.a / n.b AS q FROM n JOIN n1 USING (id)');
UPDATE n SET b = 0, a = 7;
SELECT pgtrickle.refresh_stream_table('n1');
SELECT a FROM n1;
UPDATE n SET b = 7;
SELECT * FROM fresh('n2');
SELECT a, q FROM n1, n2;

-- the same split on two levels, and a source that two groups share
SELECT made('l1', 'SELECT id, a FROM n WHERE a > 0');
SELECT made('l2', 'SELECT id, b FROM n');
SELECT made('l3', 'SELECT l1.id, a, b FROM l1 JOIN l2 USING (id)');
SELECT made('l4', 'SELECT l3.id, l3.a, l2.b FROM l3 JOIN l2 USING (id)');
SELECT made('l5', 'SELECT count(*) AS n FROM l4');
INSERT INTO n SELECT i, i, i + 1 FROM generate_series(2, 20) i;
SELECT * FROM ran('{l1,l2,l3,l4,l5}');
SELECT pgtrickle.refresh_stream_table('l1');
SELECT * FROM ran('{l1,l2,l3,l4,l5}');
UPDATE n SET a = -a WHERE id % 2 = 0;
DELETE FROM n WHERE id % 3 = 0;
SELECT pgtrickle.refresh_stream_table('l4');
SELECT right_now('{l1,l2,l3,l4}');
SELECT * FROM all_fresh('dag');

-- a join with oneself; UNION ALL of a stream table and its source
SELECT made('self', 'SELECT x.id, y.id AS other FROM l1 x JOIN l1 y ON x.a = y.a + 1');
SELECT made('sum_of_two', 'SELECT id, a FROM l1 UNION ALL SELECT id, a FROM n');
UPDATE n SET a = a + 1;
SELECT pgtrickle.refresh_stream_table('sum_of_two');
SELECT * FROM ran('{l1,sum_of_two}');
SELECT * FROM all_fresh('dag');

-- a member that is recomputed, and one whose refresh mode is FULL
SELECT made('f1', 'SELECT id, a FROM n WHERE a < 100', 'FULL');
SELECT made('f2', 'SELECT f1.id, f1.a, n.b FROM f1 JOIN n USING (id)');
SET client_min_messages = warning;
SELECT made('f3', 'SELECT a, id FROM f1 WHERE statement_timestamp() > timestamptz ''2000-01-01''', 'AUTO');
RESET client_min_messages;
UPDATE n SET b = b + 1, a = a - 1 WHERE id < 5;
SELECT pgtrickle.refresh_stream_table('f2');
SELECT * FROM ran('{f1,f2}');
SELECT * FROM fresh('f3');
SELECT * FROM all_fresh('dag');

-- duplicates, and a key that changes places
CREATE TABLE bag (a int, b text);
INSERT INTO bag SELECT i % 3, 'x' FROM generate_series(1, 9) i;
SELECT made('bag1', 'SELECT a, b FROM bag');
SELECT made('bag2', 'SELECT a, b FROM bag1 WHERE a > 0');
SELECT made('bag3', 'SELECT DISTINCT a FROM bag1');
DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE a = 1 LIMIT 2);
UPDATE bag SET b = 'y' WHERE ctid IN (SELECT ctid FROM bag WHERE a = 2 LIMIT 1);
DELETE FROM bag WHERE a = 0;
SELECT * FROM all_fresh('dag');
SELECT a, b, count(*) FROM bag2 GROUP BY 1, 2 ORDER BY 1, 2;
CREATE TABLE swap (id int PRIMARY KEY, k int);
INSERT INTO swap VALUES (1, 1), (2, 2);
SELECT made('swap1', 'SELECT k, id FROM swap');
CREATE UNIQUE INDEX ON swap1 (k);
SELECT made('swap2', 'SELECT k, id FROM swap1 WHERE k = 1');
UPDATE swap SET k = 3 - k;
-- two rows exchange their values, which one UPDATE cannot do where this is unique
SELECT current_setting('pg_trickle.debug_apply') = 'sql' AS by_statements \gset
\if :by_statements
DROP INDEX swap1_k_idx;
\endif
SELECT exact FROM fresh('swap1');
SELECT * FROM fresh('swap2');
SELECT k, id FROM swap2;
-- long values, kept out of line
CREATE TABLE long (id int PRIMARY KEY, v text, n int);
ALTER TABLE long ALTER v SET STORAGE EXTERNAL;
INSERT INTO long SELECT i, repeat(chr(64 + i), 9000), i FROM generate_series(1, 3) i;
SELECT made('long1', 'SELECT id, v, n FROM long');
SELECT made('long2', 'SELECT v, n FROM long1');
UPDATE long SET n = 10 WHERE id = 1;
DELETE FROM long WHERE id = 2;
UPDATE long SET v = v || 'x' WHERE id = 3;
SELECT exact FROM fresh('long1');
SELECT * FROM fresh('long2');
SELECT left(v, 1), length(v), n FROM long2 ORDER BY 1;

-- hidden columns are not meant by *, by NATURAL, or by a whole row
SELECT made('star', 'SELECT * FROM c1');
SELECT made('star2', 'SELECT c1.*, y.s AS again FROM c1 NATURAL JOIN dag.c1 y WHERE dag.c1.s IS NOT NULL');
SELECT made('star2b', 'SELECT x.*, y.s AS again FROM c1 x NATURAL JOIN dag.c1 y');
SELECT made('star3', 'TABLE bag1');
SET client_min_messages = warning;
SELECT made('star4', 'SELECT to_jsonb(bag1) AS j FROM dag.bag1', 'AUTO');
SELECT made('star5', 'WITH c1 AS (SELECT 1 AS __x) SELECT * FROM c1', 'AUTO');
RESET client_min_messages;
SELECT DISTINCT j FROM star4 ORDER BY j;
INSERT INTO t VALUES (30, 9, 90);
SELECT * FROM all_fresh('dag');
SELECT columns_used FROM pgtrickle.pgt_dependencies JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
 WHERE pgt_name = 'star';

-- whoever reads a stream table needs the rights that a table asks for
CREATE ROLE regress_dag;
GRANT USAGE, CREATE ON SCHEMA dag TO regress_dag;
GRANT SELECT ON bag1, bag TO regress_dag;
SET ROLE regress_dag;
SELECT pgtrickle.create_stream_table('theirs', 'SELECT a, count(*) AS n FROM bag1 GROUP BY a');
RESET ROLE;
GRANT TRIGGER ON bag1, bag TO regress_dag;
SET ROLE regress_dag;
SELECT pgtrickle.create_stream_table('theirs', 'SELECT bag1.a, count(*) AS n FROM bag1 JOIN bag USING (a) GROUP BY bag1.a');
RESET ROLE;
INSERT INTO bag VALUES (1, 'z');
-- a group of two owners, each of whom runs his own
SET ROLE regress_dag;
SELECT pgtrickle.refresh_stream_table('theirs');
SELECT pgtrickle.refresh_stream_table('bag1');
RESET ROLE;
SELECT * FROM ran('{bag1,theirs}');
SELECT right_now('{bag1,theirs}');
SELECT pgtrickle.drop_stream_table('theirs');
DROP OWNED BY regress_dag;
DROP ROLE regress_dag;

-- cycles
\set VERBOSITY default
SELECT pgtrickle.alter_stream_table('c1', query => 'SELECT g, n, s FROM c1');
SELECT pgtrickle.alter_stream_table('c1', query => 'SELECT c3.n::int AS g, c3.n, c3.s FROM c3');
SELECT pgtrickle.create_or_replace_stream_table('l1', 'SELECT id, a FROM n JOIN l4 USING (id, a)');
-- through a view that is changed behind our back
CREATE VIEW via AS SELECT id, a FROM n;
SELECT made('v1', 'SELECT id, a FROM via');
SELECT made('v2', 'SELECT id, a FROM v1');
CREATE OR REPLACE VIEW via AS SELECT id, a FROM v2;
SELECT pgtrickle.refresh_stream_table('v1');
\set VERBOSITY terse
CREATE OR REPLACE VIEW via AS SELECT id, a + 0 AS a FROM n;
SELECT * FROM fresh('v1');
SELECT * FROM fresh('v2');

-- dropping
SELECT pgtrickle.drop_stream_table('c1');
SELECT pgtrickle.drop_stream_table('star');
SELECT pgtrickle.drop_stream_table('star2');
SELECT pgtrickle.drop_stream_table('c3');
-- the last consumer goes: nothing is captured any more
SELECT pgtrickle.drop_stream_table('c2');
SELECT count(*) FROM pgtrickle.pgt_change_tracking WHERE source = 'c1'::regclass;
INSERT INTO t VALUES (31, 9, 90);
SELECT * FROM fresh('c1');
-- a group loses a member, another way
SET client_min_messages = warning;
DROP TABLE with_base CASCADE;
RESET client_min_messages;
INSERT INTO emp VALUES (9, 2, 3);
SELECT * FROM fresh('pay');
SELECT right_now('{pay,heads,both_arms}');
-- its query goes with a source: the others are not kept waiting
ALTER TABLE heads RENAME TO heads2;
SET client_min_messages = warning;
DROP TABLE n CASCADE;
RESET client_min_messages;
SELECT pgtrickle.refresh_stream_table('l1');
SELECT pgtrickle.refresh_stream_table('l3');
SET client_min_messages = warning;
DO $$
BEGIN
	FOR i IN 1 .. 9 LOOP
		PERFORM pgtrickle.drop_stream_table(x, cascade => true)
		   FROM unnest('{l1,l2,n1,n2,f1,f2,v1,sum_of_two,over_group}'::text[]) WITH ORDINALITY AS u(x, o)
		  WHERE o = i AND to_regclass(x) IS NOT NULL;
	END LOOP;
END $$;
RESET client_min_messages;
SELECT pgtrickle.drop_stream_table('pay', cascade => true);
SELECT * FROM fresh('heads2');
SELECT * FROM all_fresh('dag');
