-- Foreign tables: read whole by each refresh, compared with the copy of what the
-- last one read, and what differs is their change.  Another session serves them,
-- from tables of schema source_foreign_remote in this database.
CREATE SCHEMA source_foreign;
CREATE SCHEMA source_foreign_remote;
SET search_path = source_foreign, public;
\set VERBOSITY terse
\getenv host PGHOST
\getenv port PGPORT
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE EXTENSION IF NOT EXISTS file_fdw;
RESET client_min_messages;
SELECT current_database() AS db \gset
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host :'host', port :'port', dbname :'db');
CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere;

CREATE TABLE source_foreign_remote.r (k int, name text, n numeric, unread text);
INSERT INTO source_foreign_remote.r VALUES
	(1, 'one', 1.0, 'x'), (2, 'two', 2, 'x'), (2, 'two', 2, 'y'), (3, NULL, 3, 'x'), (NULL, 'none', NULL, 'x');
CREATE FOREIGN TABLE f (k int, name text, n numeric, unread text) SERVER elsewhere
	OPTIONS (schema_name 'source_foreign_remote', table_name 'r');
CREATE TABLE t (id int PRIMARY KEY, k int, v int);
INSERT INTO t SELECT i, nullif(i % 6, 5), i FROM generate_series(1, 24) i;

CREATE FUNCTION history(st text, OUT action text, OUT changes_consumed bigint,
	OUT rows_inserted bigint, OUT rows_updated bigint, OUT rows_deleted bigint)
LANGUAGE sql AS $$
	SELECT h.action, h.changes_consumed, h.rows_inserted, h.rows_updated, h.rows_deleted
	  FROM pgtrickle.refresh_history h
	 WHERE h.pgt_schema = 'source_foreign' AND h.pgt_name = st
	 ORDER BY h.refresh_id DESC LIMIT 1
$$;

-- every construct, maintained by delta
SELECT made('inner_', 'SELECT t.id, f.name FROM t JOIN f ON f.k = t.k');
SELECT made('left_', 'SELECT t.id, f.name, f.n FROM t LEFT JOIN f ON f.k = t.k');
SELECT made('right_', 'SELECT t.id, f.name FROM t RIGHT JOIN f ON f.k = t.k AND t.v > 10');
SELECT made('full_', 'SELECT t.id, t.k, f.k AS fk, f.name FROM t FULL JOIN f ON f.k = t.k');
SELECT made('cross_', 'SELECT t.id, f.name FROM t, f WHERE t.id < 4');
SELECT made('group_', 'SELECT f.name, count(*) AS c, sum(t.v) AS s, min(t.v) AS low, max(f.n) AS high FROM t LEFT JOIN f USING (k) GROUP BY f.name');
SELECT made('total_', 'SELECT count(*) AS c, sum(f.n) AS s FROM t JOIN f USING (k)');
SELECT made('rows_', 'SELECT count(*) AS c FROM t, f');
SELECT made('distinct_', 'SELECT DISTINCT f.name, t.k FROM t JOIN f USING (k)');
SELECT made('union_all_', 'SELECT k, v FROM t UNION ALL SELECT k, n::int FROM f');
SELECT made('except_', 'SELECT k FROM t EXCEPT SELECT k FROM f');
SELECT made('intersect_', 'SELECT k FROM f INTERSECT ALL SELECT k FROM t');
SELECT made('exists_', 'SELECT id FROM t WHERE EXISTS (SELECT FROM f WHERE f.k = t.k AND f.n > 1)');
SELECT made('not_in_', 'SELECT id FROM t WHERE k NOT IN (SELECT k FROM f WHERE k IS NOT NULL)');
SELECT made('scalar_', 'SELECT id, (SELECT max(f.n) FROM f WHERE f.k = t.k) AS n FROM t');
SELECT made('overall_', 'SELECT id FROM t WHERE v > (SELECT sum(n) FROM f)');
SELECT made('twice_', 'SELECT t.id, a.name, b.n FROM t JOIN f a ON a.k = t.k JOIN f b ON b.n = a.n');
SELECT made('window_', 'SELECT t.id, f.name, rank() OVER (PARTITION BY t.k ORDER BY f.n, t.v) AS r FROM t JOIN f USING (k)');
SELECT made('limit_', 'SELECT f.name, t.k, count(*) AS c FROM t JOIN f USING (k) GROUP BY f.name, t.k ORDER BY c DESC, t.k, f.name LIMIT 2');
SELECT made('lateral_', 'SELECT t.id, l.name FROM t LEFT JOIN LATERAL (SELECT name FROM f WHERE f.k < t.k ORDER BY f.k DESC, f.name LIMIT 1) l ON true');
SELECT made('recursive_', 'WITH RECURSIVE r AS (SELECT k FROM f WHERE k = 1 UNION SELECT t.k FROM t JOIN r ON t.k = r.k + 1) SELECT k FROM r');
CREATE VIEW named AS SELECT t.id, f.name FROM t JOIN f USING (k);
SELECT made('of_view', 'SELECT name, count(*) AS c FROM named GROUP BY name');
SELECT made('auto_', 'SELECT t.id, f.name FROM t JOIN f ON f.k = t.k', 'AUTO');

-- the foreign table alone changes: duplicates, NULLs, what looks other but is equal
SELECT * FROM all_fresh('source_foreign');
SELECT * FROM history('inner_');
INSERT INTO source_foreign_remote.r VALUES (2, 'two', 2, 'z'), (4, 'four', 4, 'x'), (NULL, NULL, NULL, NULL);
SELECT * FROM all_fresh('source_foreign');
DELETE FROM source_foreign_remote.r WHERE ctid = (SELECT min(ctid) FROM source_foreign_remote.r WHERE k = 2);
UPDATE source_foreign_remote.r SET n = 1.000 WHERE k = 1;
UPDATE source_foreign_remote.r SET name = 'three' WHERE k = 3;
SELECT * FROM all_fresh('source_foreign');
SELECT looks_like_query('left_') AND looks_like_query('union_all_') AND looks_like_query('cross_') AS looks_same;

-- what the query does not read does not count
UPDATE source_foreign_remote.r SET unread = 'w';
SELECT (fresh('inner_')).*, (history('inner_')).*;

-- the tables alone; both; both in one row pair
INSERT INTO t VALUES (100, 2, 5), (101, 7, 6), (102, NULL, 7);
UPDATE t SET k = 3 WHERE k = 4;
SELECT * FROM all_fresh('source_foreign');
DELETE FROM t WHERE k = 1;
UPDATE source_foreign_remote.r SET k = k + 1 WHERE k < 3;
INSERT INTO source_foreign_remote.r VALUES (7, 'seven', 7, '');
INSERT INTO t VALUES (103, 1, 1), (104, 3, 2);
SELECT * FROM all_fresh('source_foreign');
BEGIN;
UPDATE t SET v = v + 1 WHERE id < 10;
SELECT * FROM all_fresh('source_foreign');
SAVEPOINT a;
DELETE FROM t WHERE id < 5;
SELECT * FROM all_fresh('source_foreign');
ROLLBACK TO a;
SELECT * FROM all_fresh('source_foreign');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM fresh('left_');
COMMIT;

-- it becomes empty, and is filled again; a source is truncated
CREATE TABLE kept AS SELECT * FROM source_foreign_remote.r;
TRUNCATE source_foreign_remote.r;
SELECT * FROM all_fresh('source_foreign');
INSERT INTO source_foreign_remote.r SELECT * FROM kept;
SELECT * FROM all_fresh('source_foreign');
SELECT * FROM history('left_');
TRUNCATE t;
SELECT * FROM all_fresh('source_foreign');
INSERT INTO t SELECT i, i % 6, i FROM generate_series(1, 12) i;
SELECT * FROM all_fresh('source_foreign');

-- FULL computes the query over the copy, and can be left
SELECT made('full_mode', 'SELECT t.id, f.name FROM t JOIN f ON f.k = t.k', 'FULL');
UPDATE source_foreign_remote.r SET name = name || '!' WHERE k = 3;
SELECT * FROM fresh('full_mode');
SELECT pgtrickle.alter_stream_table('full_mode', refresh_mode => 'DIFFERENTIAL');
UPDATE source_foreign_remote.r SET name = name || '?' WHERE k = 3;
SELECT * FROM fresh('full_mode');

-- a stream table over it polls it, and serves those that read that
SELECT made('shared', 'SELECT f.k, f.name, u.c FROM f, (SELECT count(*) AS c FROM t) u');
SELECT made('above', 'SELECT t.id, s.name FROM t JOIN shared s ON s.k = t.k');
UPDATE source_foreign_remote.r SET name = 'two!' WHERE k = 2;
SELECT * FROM fresh('above');
SELECT count(*) FILTER (WHERE name = 'two!') > 0 AS has_it FROM above;

-- how it is maintained
SELECT item, construct, rule, reads, note FROM pgtrickle.validate_query('SELECT t.id, f.name FROM t JOIN f ON f.k = t.k')
 WHERE item IN ('verdict', 'source') OR rule = 'stored';
SELECT step FROM pgtrickle.explain_delta('inner_');
SELECT d.source, d.captured FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
 WHERE s.pgt_name = 'inner_' ORDER BY d.source::text;

-- what is not polled: nothing else would be saved; the rows are another role's
CREATE ROLE regress_pgt_a;
CREATE ROLE regress_pgt_b;
SELECT rule, note FROM pgtrickle.validate_query('SELECT name, count(*) AS c FROM f GROUP BY name') WHERE item = 'verdict';
SELECT rule, note FROM pgtrickle.validate_query('SELECT t.id FROM t JOIN ONLY f ON f.k = t.k') WHERE item = 'verdict';
SELECT rule, note FROM pgtrickle.validate_query('SELECT t.id, f.tableoid FROM t JOIN f ON f.k = t.k') WHERE item = 'verdict';
SELECT rule, note FROM pgtrickle.validate_query('SELECT t.id, now() AS at FROM t JOIN f ON f.k = t.k') WHERE item = 'verdict';
CREATE VIEW of_a AS SELECT k, name FROM f;
GRANT SELECT ON f TO regress_pgt_a;
ALTER VIEW of_a OWNER TO regress_pgt_a;
SELECT rule, note FROM pgtrickle.validate_query('SELECT t.id, a.name FROM t JOIN of_a a ON a.k = t.k') WHERE item = 'verdict';
SELECT made('alone', 'SELECT name, count(*) AS c FROM f GROUP BY name', 'AUTO');
UPDATE source_foreign_remote.r SET name = 'two' WHERE k = 2;
SELECT * FROM fresh('alone');
SELECT pgtrickle.drop_stream_table('alone');

-- Two owners, to whom the other side shows different rows: each stream table
-- has those of its owner.
CREATE ROLE regress_pgt_far_a LOGIN;
CREATE ROLE regress_pgt_far_b LOGIN;
CREATE TABLE source_foreign_remote.private (who text, k int, name text);
ALTER TABLE source_foreign_remote.private ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON source_foreign_remote.private USING (who = current_user);
GRANT USAGE ON SCHEMA source_foreign_remote TO regress_pgt_far_a, regress_pgt_far_b;
GRANT SELECT ON source_foreign_remote.private TO regress_pgt_far_a, regress_pgt_far_b;
INSERT INTO source_foreign_remote.private VALUES
	('regress_pgt_far_a', 1, 'of a'), ('regress_pgt_far_b', 1, 'of b'), ('regress_pgt_far_b', 2, 'of b');
CREATE USER MAPPING FOR regress_pgt_a SERVER elsewhere OPTIONS (user 'regress_pgt_far_a', password_required 'false');
CREATE USER MAPPING FOR regress_pgt_b SERVER elsewhere OPTIONS (user 'regress_pgt_far_b', password_required 'false');
CREATE FOREIGN TABLE p (k int, name text) SERVER elsewhere
	OPTIONS (schema_name 'source_foreign_remote', table_name 'private');
GRANT USAGE, CREATE ON SCHEMA source_foreign TO regress_pgt_a, regress_pgt_b;
GRANT SELECT, TRIGGER ON t TO regress_pgt_a, regress_pgt_b;
GRANT SELECT ON p TO regress_pgt_a;
SET ROLE regress_pgt_a;
SELECT pgtrickle.create_stream_table('st_a', 'SELECT t.id, p.name FROM t JOIN p ON p.k = t.k', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
SET ROLE regress_pgt_b;
SELECT pgtrickle.create_stream_table('st_b', 'SELECT t.id, p.name FROM t JOIN p ON p.k = t.k', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
GRANT SELECT ON p TO regress_pgt_b;
SET ROLE regress_pgt_b;
SELECT pgtrickle.create_stream_table('st_b', 'SELECT t.id, p.name FROM t JOIN p ON p.k = t.k', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
-- nobody reads the copy of another
SELECT format('pgtrickle_defs.aux_%s_1', pgt_id) AS copy_a FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_a' \gset
SELECT relowner::regrole FROM pg_class WHERE oid = :'copy_a'::regclass;
SELECT has_table_privilege('regress_pgt_b', :'copy_a', 'SELECT') AS b_may_read_a;
SELECT name, count(*) FROM st_a GROUP BY name ORDER BY name;
SELECT name, count(*) FROM st_b GROUP BY name ORDER BY name;
INSERT INTO source_foreign_remote.private VALUES ('regress_pgt_far_a', 3, 'of a'), ('regress_pgt_far_b', 4, 'of b');
-- whoever refreshes: the rows are the owner's
SELECT pgtrickle.refresh_stream_table('st_a');
SELECT pgtrickle.refresh_stream_table('st_b');
SELECT name, count(*) FROM st_a GROUP BY name ORDER BY name;
SELECT name, count(*) FROM st_b GROUP BY name ORDER BY name;
SET ROLE regress_pgt_b;
SELECT * FROM pgtrickle.verify_stream_table('st_b');
RESET ROLE;
-- a mapping that changes is a change like others; a right that is lost stops it
ALTER USER MAPPING FOR regress_pgt_b SERVER elsewhere OPTIONS (SET user 'regress_pgt_far_a');
SELECT pgtrickle.refresh_stream_table('st_b');
SELECT name, count(*) FROM st_b GROUP BY name ORDER BY name;
REVOKE SELECT ON p FROM regress_pgt_b;
SELECT pgtrickle.refresh_stream_table('st_b');
GRANT SELECT ON p TO regress_pgt_b;
SELECT pgtrickle.refresh_stream_table('st_b');
SELECT last_refresh_action FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_b';

-- a copy that went, or was given to another role, is made again
DROP TABLE :copy_a;
INSERT INTO source_foreign_remote.private VALUES ('regress_pgt_far_a', 4, 'of a');
SELECT pgtrickle.refresh_stream_table('st_a');
SELECT last_refresh_action, last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_a';
SELECT name, count(*) FROM st_a GROUP BY name ORDER BY name;
SELECT pgtrickle.drop_stream_table('st_a');
SELECT pgtrickle.drop_stream_table('st_b');
DROP VIEW of_a;
DROP FOREIGN TABLE p;
DROP TABLE source_foreign_remote.private;
DROP USER MAPPING FOR regress_pgt_a SERVER elsewhere;
DROP USER MAPPING FOR regress_pgt_b SERVER elsewhere;
DROP OWNED BY regress_pgt_a, regress_pgt_b, regress_pgt_far_a, regress_pgt_far_b;
DROP ROLE regress_pgt_a, regress_pgt_b, regress_pgt_far_a, regress_pgt_far_b;

-- definitions change
ALTER FOREIGN TABLE f RENAME COLUMN name TO label;
ALTER FOREIGN TABLE f ALTER label OPTIONS (column_name 'name');
ALTER FOREIGN TABLE f RENAME TO g;
ALTER FOREIGN TABLE g ADD COLUMN more text OPTIONS (column_name 'unread');
UPDATE source_foreign_remote.r SET name = 'renamed' WHERE k = 3;
SELECT * FROM all_fresh('source_foreign');
ALTER FOREIGN TABLE g DROP COLUMN k;
ALTER FOREIGN TABLE g ALTER COLUMN n TYPE int;
CREATE TABLE source_foreign_remote.r2 AS SELECT k, name, n, unread FROM source_foreign_remote.r WHERE k < 4;
ALTER FOREIGN TABLE g OPTIONS (SET table_name 'r2');
SELECT * FROM all_fresh('source_foreign');
-- another query, over another foreign table of the same columns
CREATE FOREIGN TABLE h (k int, label text OPTIONS (column_name 'name'), n numeric) SERVER elsewhere
	OPTIONS (schema_name 'source_foreign_remote', table_name 'r');
SELECT pgtrickle.alter_stream_table('inner_', query => 'SELECT t.id, h.label AS name FROM t JOIN h ON h.k = t.k');
SELECT equals_query('inner_');
UPDATE source_foreign_remote.r SET name = 'only r' WHERE k = 3;
SELECT * FROM fresh('inner_');
-- another type of its column: the copy must fit
SELECT pgtrickle.alter_stream_table('inner_', query => 'SELECT t.id, h.n::text AS name FROM t JOIN h ON h.k = t.k');
UPDATE source_foreign_remote.r SET n = 33 WHERE k = 3;
SELECT * FROM fresh('inner_');

-- the other side fails: nothing changes, and the reason is told
ALTER FOREIGN TABLE g OPTIONS (SET table_name 'nowhere');
INSERT INTO t VALUES (200, 1, 1);
SELECT pgtrickle.refresh_stream_table('left_');
SELECT count(*) FROM left_ WHERE id = 200;
ALTER FOREIGN TABLE g OPTIONS (SET table_name 'r');
SELECT * FROM all_fresh('source_foreign');

-- a file
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE file (k int, word text) SERVER files OPTIONS (filename 'source_foreign.csv', format 'csv');
SELECT current_setting('data_directory') || '/source_foreign.csv' AS path \gset
COPY (SELECT i, 'w' || i FROM generate_series(1, 5) i) TO :'path' (FORMAT csv);
SELECT made('of_file', 'SELECT t.id, file.word FROM t LEFT JOIN file ON file.k = t.k');
SELECT made('of_file_group', 'SELECT file.word, sum(t.v) AS s FROM t JOIN file ON file.k = t.k GROUP BY file.word');
COPY (SELECT i, CASE WHEN i = 3 THEN NULL ELSE 'w' || i END FROM generate_series(2, 7) i, generate_series(1, i % 3) j) TO :'path' (FORMAT csv);
SELECT * FROM fresh('of_file');
INSERT INTO t VALUES (201, 2, 9);
SELECT * FROM fresh('of_file_group');
COPY (SELECT 'x') TO :'path' (FORMAT csv);
SELECT pgtrickle.refresh_stream_table('of_file');
COPY (SELECT 1, 'one') TO :'path' (FORMAT csv);
SELECT * FROM fresh('of_file');
SELECT * FROM fresh('of_file_group');

-- it cannot go while it is used; the copies go with their stream tables
SELECT count(*) AS copies FROM pg_class c JOIN pgtrickle.pgt_stream_tables s ON c.relkind = 'r' AND c.relname ~ ('^aux_' || s.pgt_id || '_')
 WHERE s.pgt_name LIKE 'of_file%';
DROP FOREIGN TABLE file;
SELECT pgtrickle.drop_stream_table('of_file');
SET client_min_messages = warning;
DROP FOREIGN TABLE file CASCADE;
RESET client_min_messages;
SELECT pgtrickle.refresh_stream_table('of_file_group');
DROP TABLE of_file_group;
SELECT count(*) AS copies FROM pg_class WHERE relkind = 'r' AND relnamespace = 'pgtrickle_defs'::regnamespace
   AND relname ~ '^aux_' AND NOT EXISTS (SELECT FROM pgtrickle.pgt_stream_tables WHERE relname ~ ('^aux_' || pgt_id || '_'));
