-- DDL on sources and on what is behind the query: followed, refused by
-- PostgreSQL, or an error that says what to do; never a wrong answer.
\set VERBOSITY terse
CREATE SCHEMA source_ddl;
CREATE SCHEMA source_ddl2;
SET search_path = source_ddl, public;
SET client_min_messages = warning;

CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, v int, unused text, gen int GENERATED ALWAYS AS (v * 2) STORED);
INSERT INTO t SELECT i, i % 3, i, 'x' FROM generate_series(1, 12) i;
SELECT made('rows_', 'SELECT id, v, gen FROM t WHERE k > 0');
SELECT made('groups', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k');
CREATE FUNCTION followed(INOUT change text, OUT action text, OUT exact boolean)
LANGUAGE plpgsql AS $$
DECLARE
	st regclass;
	f record;
BEGIN
	FOREACH change IN ARRAY string_to_array(change, ';') LOOP
		EXECUTE change;
	END LOOP;
	exact := true;
	FOR st IN SELECT pgt_relid FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'source_ddl' ORDER BY pgt_id LOOP
		f := fresh(st);
		action := concat_ws(' ', action, f.action);
		exact := exact AND f.exact;
	END LOOP;
END $$;

-- names
ALTER TABLE t RENAME TO renamed;
SELECT * FROM followed('INSERT INTO renamed VALUES (20, 1, 1)');
ALTER TABLE renamed SET SCHEMA source_ddl2;
SELECT * FROM followed('INSERT INTO source_ddl2.renamed VALUES (21, 1, 1)');
ALTER SCHEMA source_ddl2 RENAME TO source_ddl3;
SELECT * FROM followed('UPDATE source_ddl3.renamed SET v = v + 1');
ALTER TABLE source_ddl3.renamed RENAME v TO w;
ALTER TABLE source_ddl3.renamed RENAME k TO v;
SELECT * FROM followed('UPDATE source_ddl3.renamed SET w = w + 1, v = v + 1');
ALTER TABLE source_ddl3.renamed RENAME v TO k;
ALTER TABLE source_ddl3.renamed RENAME w TO v;
ALTER TABLE source_ddl3.renamed RENAME CONSTRAINT t_pkey TO another;
ALTER TABLE source_ddl3.renamed SET SCHEMA source_ddl;
ALTER TABLE renamed RENAME TO t;
CREATE TABLE source_ddl3.renamed (id int, k int, v int);
INSERT INTO source_ddl3.renamed VALUES (1, 1, 1);
SELECT * FROM followed('DELETE FROM t WHERE id = 20');

-- columns
SELECT * FROM followed('ALTER TABLE t ADD a int; INSERT INTO t VALUES (22, 1, 1)');
SELECT * FROM followed('ALTER TABLE t ADD b int DEFAULT 5; UPDATE t SET v = 3 WHERE id = 1');
SELECT * FROM followed('ALTER TABLE t ADD c float DEFAULT random(); UPDATE t SET v = 4 WHERE id = 1');
SELECT * FROM followed('ALTER TABLE t DROP a, DROP unused, ALTER b TYPE text; UPDATE t SET v = 5 WHERE id = 1');
SELECT * FROM followed('ALTER TABLE t ALTER b SET NOT NULL, ALTER v SET DEFAULT 1, ALTER v SET STATISTICS 5; UPDATE t SET v = 6 WHERE id = 1');
SELECT * FROM followed('ALTER TABLE t ALTER b SET STORAGE plain; ALTER TABLE t ALTER k DROP NOT NULL; INSERT INTO t (id, k, v, b) VALUES (23, NULL, 1, 1)');
SELECT * FROM followed('ALTER TABLE t SET (fillfactor = 50); CREATE INDEX ON t (k); CLUSTER t USING another; DELETE FROM t WHERE id = 23');
ALTER TABLE t DROP v;
ALTER TABLE t ALTER v TYPE bigint;
ALTER TABLE t DROP gen;
SELECT * FROM followed('UPDATE t SET v = 7 WHERE id = 1');
-- a generated column that is computed otherwise, where that can be
DO $$ BEGIN
	IF current_setting('server_version_num')::int >= 170000 THEN
		EXECUTE 'ALTER TABLE source_ddl.t ALTER gen SET EXPRESSION AS (v * 3)';
	END IF;
END $$;
SELECT exact FROM followed('SELECT 1');
SELECT exact FROM followed('ALTER TABLE t ALTER gen DROP EXPRESSION; UPDATE t SET gen = 0 WHERE id = 2');

-- a whole row is all columns that there are
SELECT made('whole', 'SELECT id, t::text AS r, row_to_json(t)::text AS j FROM t', 'AUTO');
SELECT exact FROM followed('ALTER TABLE t ADD d int DEFAULT 7');
SELECT exact FROM followed('ALTER TABLE t RENAME d TO e');
SELECT exact FROM followed('UPDATE t SET e = 8 WHERE id = 1');
SELECT exact FROM followed('ALTER TABLE t DROP c');
SELECT exact FROM followed('ALTER TABLE t ALTER e TYPE numeric');
SELECT pgtrickle.drop_stream_table('whole');
SELECT made('whole', 'SELECT id, t AS r FROM t', 'AUTO');
ALTER TABLE t ADD f int DEFAULT 7;
SELECT exact FROM followed('UPDATE t SET e = 9 WHERE id = 1');
SELECT pgtrickle.drop_stream_table('whole');

-- persistence
SELECT exact FROM followed('ALTER TABLE t SET UNLOGGED; INSERT INTO t (id, k, v, b) VALUES (24, 1, 1, 1)');
SELECT exact FROM followed('ALTER TABLE t SET LOGGED; INSERT INTO t (id, k, v, b) VALUES (25, 1, 1, 1)');
SELECT exact FROM followed('INSERT INTO t (id, k, v, b) VALUES (26, 1, 1, 1)');

-- policies, for an owner whom they concern
CREATE ROLE regress_pgt_ddl;
CREATE ROLE regress_pgt_ddl2;
GRANT ALL ON SCHEMA source_ddl TO regress_pgt_ddl, regress_pgt_ddl2;
CREATE TABLE p (id int PRIMARY KEY, v int);
INSERT INTO p SELECT i, i FROM generate_series(1, 9) i;
GRANT SELECT, TRIGGER ON p TO regress_pgt_ddl;
SET ROLE regress_pgt_ddl;
SELECT pgtrickle.create_stream_table('seen', 'SELECT id, v FROM p');
RESET ROLE;
CREATE FUNCTION as_seen(change text) RETURNS TABLE (action text, ids int[], same boolean)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE change;
	PERFORM pgtrickle.refresh_stream_table('source_ddl.seen');
	SET LOCAL ROLE regress_pgt_ddl;
	RETURN QUERY SELECT h.action, (SELECT array_agg(seen.id ORDER BY id) FROM source_ddl.seen),
		(SELECT array_agg(p.id ORDER BY id) FROM source_ddl.p) IS NOT DISTINCT FROM (SELECT array_agg(seen.id ORDER BY id) FROM source_ddl.seen)
		FROM pgtrickle.get_refresh_history('source_ddl.seen', 1) h;
	RESET ROLE;
END $$;
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p ENABLE ROW LEVEL SECURITY');
SELECT ids, same FROM as_seen('CREATE POLICY a ON source_ddl.p USING (v < 4)');
SELECT ids, same FROM as_seen('CREATE POLICY b ON source_ddl.p USING (v > 8)');
SELECT ids, same FROM as_seen('ALTER POLICY b ON source_ddl.p USING (v > 7)');
SELECT ids, same FROM as_seen('ALTER POLICY a ON source_ddl.p TO regress_pgt_ddl2');
SELECT ids, same FROM as_seen('DROP POLICY b ON source_ddl.p');
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p DISABLE ROW LEVEL SECURITY');
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p OWNER TO regress_pgt_ddl');
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p ENABLE ROW LEVEL SECURITY');
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p FORCE ROW LEVEL SECURITY');
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p NO FORCE ROW LEVEL SECURITY');
-- the owner of the source changes: the old one sees nothing of it any more
SELECT ids, same FROM as_seen('ALTER TABLE source_ddl.p OWNER TO regress_pgt_ddl2');
SELECT ids, same FROM as_seen('GRANT SELECT ON source_ddl.p TO regress_pgt_ddl');
SELECT ids, same FROM as_seen('GRANT TRIGGER ON source_ddl.p TO regress_pgt_ddl');
SELECT pgtrickle.drop_stream_table('seen');

-- what is behind the query: views
CREATE VIEW vw AS SELECT id, v FROM t WHERE k > 0;
SELECT made('over_view', 'SELECT id, v FROM vw');
SELECT exact FROM followed('CREATE OR REPLACE VIEW vw AS SELECT id, v * 10 AS v FROM t WHERE k > 1');
SELECT exact FROM followed('CREATE OR REPLACE VIEW vw AS SELECT id, v, k FROM t WHERE k > 1; UPDATE t SET k = k + 1');
SELECT exact FROM followed('ALTER VIEW vw RENAME TO vw2; ALTER VIEW vw2 RENAME v TO x; UPDATE t SET k = k + 1');
SELECT exact FROM followed('CREATE TABLE other (id int, v int); INSERT INTO other VALUES (1, 1); CREATE OR REPLACE VIEW vw2 AS SELECT id, v AS x, 1 AS k FROM other');
SELECT * FROM followed('INSERT INTO other VALUES (1, 1)');
DROP VIEW vw2;
DROP TABLE other;
-- functions
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + 1; END';
CREATE FUNCTION h(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN f($1) * 2;
CREATE FUNCTION j(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN source_ddl.g($1); END';
SELECT made('calls', 'SELECT id, f(v) AS a, g(v) AS b, h(v) AS c FROM t');
SELECT exact FROM followed('CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS ''SELECT $1 + 2''');
CREATE OR REPLACE FUNCTION g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + 3; END';
SELECT exact FROM followed('SELECT 1');
SELECT exact FROM followed('ALTER FUNCTION f(int) RENAME TO ff; ALTER FUNCTION g(int) SET SCHEMA source_ddl3; UPDATE t SET v = v + 1');
SELECT exact FROM followed('CREATE OR REPLACE FUNCTION ff(int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS ''SELECT coalesce($1, 0) + 2''; UPDATE t SET v = NULL WHERE id = 4');
DROP FUNCTION ff(int);
SELECT exact FROM followed('ALTER FUNCTION ff(int) VOLATILE; UPDATE t SET v = v + 1');
SELECT exact FROM followed('ALTER FUNCTION ff(int) IMMUTABLE; UPDATE t SET v = v + 1');
ALTER FUNCTION source_ddl3.g(int) SET SCHEMA source_ddl;
SELECT pgtrickle.drop_stream_table('calls');
-- what a function calls in its text, which PostgreSQL does not know of
CREATE FUNCTION "G h"(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 10 * x';
CREATE FUNCTION j2(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT source_ddl.J($1) + source_ddl."G h"(x => $1)';
SELECT made('deep', 'SELECT id, j2(v) AS a FROM t');
CREATE FUNCTION unrelated(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
SELECT * FROM fresh('deep');
CREATE OR REPLACE FUNCTION g(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + 5; END';
SELECT * FROM fresh('deep');
CREATE OR REPLACE FUNCTION "G h"(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 20 * x';
SELECT * FROM fresh('deep');
CREATE OR REPLACE FUNCTION unrelated(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';
UPDATE t SET v = v + 1 WHERE id = 5;
SELECT * FROM fresh('deep');
SELECT pgtrickle.drop_stream_table('deep');
-- types
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b int);
CREATE TABLE typed (id int PRIMARY KEY, m mood, p pair);
INSERT INTO typed VALUES (1, 'sad', (1, 2)), (2, 'glad', (3, 4));
SELECT made('moods', 'SELECT id, m, m::text AS t, p, row_to_json(p)::text AS j, p::text AS x FROM typed', 'AUTO');
SELECT exact FROM followed('ALTER TYPE mood RENAME VALUE ''sad'' TO ''blue''');
SELECT exact FROM followed('ALTER TYPE pair ADD ATTRIBUTE c int');
SELECT exact FROM followed('ALTER TYPE pair RENAME ATTRIBUTE a TO z');
SELECT exact FROM followed('ALTER TYPE pair DROP ATTRIBUTE b');
SELECT exact FROM followed('ALTER TYPE mood RENAME TO humour; ALTER TYPE pair RENAME TO couple; UPDATE typed SET m = ''glad''');
SELECT pgtrickle.drop_stream_table('moods');

-- partitions
CREATE TABLE parted (id int, k int, v int) PARTITION BY LIST (k);
CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE part2 PARTITION OF parted FOR VALUES IN (2);
CREATE TABLE part3 (v int, k int, id int);
INSERT INTO parted SELECT i, 1 + i % 2, i FROM generate_series(1, 6) i;
INSERT INTO part3 VALUES (30, 3, 30);
SELECT made('of_parts', 'SELECT k, count(*) AS n, sum(v) AS s FROM parted GROUP BY k');
SELECT made('of_part', 'SELECT id, k, v FROM part1');
SELECT exact FROM followed('ALTER TABLE parted ATTACH PARTITION part3 FOR VALUES IN (3); INSERT INTO parted VALUES (31, 3, 31)');
SELECT exact FROM followed('UPDATE parted SET k = 3 WHERE id < 3; INSERT INTO part3 VALUES (1, 3, 99)');
SELECT exact FROM followed('ALTER TABLE parted DETACH PARTITION part3; INSERT INTO part3 VALUES (1, 3, 99)');
ALTER TABLE parted DETACH PARTITION part1 CONCURRENTLY;
SELECT exact FROM followed('UPDATE part1 SET v = v + 1');
SELECT exact FROM followed('CREATE TABLE part4 PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (40, 4, 40), (10, 1, 1)');
SELECT exact FROM followed('TRUNCATE part4');
SELECT exact FROM followed('DROP TABLE part2');
SELECT exact FROM followed('ALTER TABLE parted RENAME v TO w; INSERT INTO parted VALUES (41, 4, 41)');
SELECT * FROM followed('UPDATE parted SET w = w + 1');

-- sources that go
DROP TABLE part1;
DROP TABLE t;
DROP TABLE t CASCADE;
SELECT defining_query, staleness > '0' AS stale FROM pgtrickle.stream_tables_info WHERE pgt_schema = 'source_ddl' AND pgt_name = 'rows_';
SELECT pgtrickle.refresh_stream_table('rows_');
CREATE TABLE t (id int PRIMARY KEY, k int, v int, gen int);
INSERT INTO t VALUES (1, 1, 1, 1);
SELECT pgtrickle.refresh_stream_table('rows_');
SELECT pgtrickle.create_or_replace_stream_table('rows_', 'SELECT id, v, gen FROM t WHERE k > 0');
SELECT exact FROM fresh('rows_');
DROP SCHEMA source_ddl CASCADE;
DROP SCHEMA source_ddl3 CASCADE;
DROP OWNED BY regress_pgt_ddl, regress_pgt_ddl2;
DROP ROLE regress_pgt_ddl, regress_pgt_ddl2;
