-- alter_stream_table() and resume_stream_table(): NULL keeps what there is.
\set VERBOSITY terse
CREATE SCHEMA api_alter;
SET search_path = api_alter, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;
CREATE TABLE u (g int PRIMARY KEY, name text);
INSERT INTO u VALUES (0, 'zero'), (1, 'one');
SELECT pgtrickle.create_stream_table('st', 'SELECT id, g FROM t', '1m', 'DIFFERENTIAL');
CREATE FUNCTION settings() RETURNS TABLE (schedule text, refresh_mode text, status text)
LANGUAGE sql AS $$
	SELECT schedule, refresh_mode, status FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'api_alter.st'::regclass
$$;
SELECT * FROM settings();
SELECT pgtrickle.alter_stream_table('st');
SELECT * FROM settings();
SELECT pgtrickle.alter_stream_table('st', schedule => '200ms');
SELECT * FROM settings();
SELECT pgtrickle.alter_stream_table('st', schedule => 'calculated');
SELECT * FROM settings();
SELECT pgtrickle.alter_stream_table('st', schedule => '1h30m', refresh_mode => 'FULL');
SELECT * FROM settings();
INSERT INTO t VALUES (10, 1, 1);
SELECT * FROM fresh('st');
SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'auto');
INSERT INTO t VALUES (11, 1, 1);
SELECT * FROM fresh('st');
SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'DIFFERENTIAL');
SELECT * FROM settings();

-- suspended by the user, and resumed
SELECT pgtrickle.alter_stream_table('st', status => 'SUSPENDED');
SELECT * FROM settings();
INSERT INTO t VALUES (12, 1, 1);
SELECT pgtrickle.resume_stream_table('st');
SELECT * FROM settings();
SELECT * FROM fresh('st');
SELECT pgtrickle.alter_stream_table('st', status => 'suspended');
SELECT pgtrickle.alter_stream_table('st', status => 'ACTIVE');
SELECT * FROM settings();

-- another query with the same columns: same table
SELECT oid AS before FROM pg_class WHERE oid = 'st'::regclass \gset
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT id, g FROM t WHERE g <> 0');
SELECT 'st'::regclass::oid = :before AS same;
SELECT exact FROM fresh('st');
UPDATE t SET g = 0 WHERE id = 1;
SELECT * FROM fresh('st');
SELECT count(*) FROM st WHERE g = 0;
-- other columns, another source
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT t.id, u.name, t.v FROM t JOIN u USING (g)');
SELECT pgt_name FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'st'::regclass;
SELECT exact FROM fresh('st');
UPDATE u SET name = 'ONE' WHERE g = 1;
INSERT INTO t VALUES (13, 1, 100);
SELECT * FROM fresh('st');
SELECT count(*) FROM st WHERE name = 'ONE';
-- an aggregate instead of a join
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT g, sum(v) AS s FROM t GROUP BY g');
SELECT exact FROM fresh('st');
UPDATE t SET v = v + 1;
SELECT * FROM fresh('st');
SELECT waiting('u') IS NULL AS u_not_captured_any_more;
-- what DIFFERENTIAL cannot do, and what does not parse, changes nothing
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT g, v FROM t LIMIT 2');
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT nonsense FROM t');
SELECT pgtrickle.alter_stream_table('st', schedule => 'soon');
SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'MAYBE');
SELECT pgtrickle.alter_stream_table('st', status => 'ASLEEP');
SELECT * FROM settings();
SELECT exact FROM fresh('st');
-- rolled back
BEGIN;
SELECT pgtrickle.alter_stream_table('st', query => 'SELECT id FROM t', schedule => '9m');
ROLLBACK;
SELECT * FROM settings();
INSERT INTO t VALUES (14, 2, 14);
SELECT * FROM fresh('st');

-- what a user does to the table itself
COMMENT ON TABLE st IS 'mine';
CREATE INDEX st_s ON st (s);
INSERT INTO t VALUES (15, 2, 15);
SELECT * FROM fresh('st');
ALTER TABLE st RENAME TO st_renamed;
INSERT INTO t VALUES (16, 2, 16);
SELECT * FROM fresh('st_renamed');
CREATE SCHEMA api_alter2;
ALTER TABLE st_renamed SET SCHEMA api_alter2;
INSERT INTO t VALUES (17, 2, 17);
SELECT * FROM fresh('api_alter2.st_renamed');
SELECT name FROM pgtrickle.pgt_status() WHERE name LIKE '%st_renamed';

-- A key of a source goes, and comes back: hidden columns and the index follow,
-- and everything that others have put on the table or made of it stays.
CREATE TABLE api_alter.k (id int PRIMARY KEY, v int);
INSERT INTO api_alter.k VALUES (1, 1), (2, 2);
CREATE ROLE regress_pgt_reader;
SELECT made('keyed', 'SELECT id, v FROM api_alter.k');
SELECT made('above', 'SELECT v, count(*) AS n FROM keyed GROUP BY v');
SELECT made('textual', 'SELECT id::text AS id, v FROM api_alter.k');
CREATE VIEW over_keyed AS SELECT id, v FROM keyed;
CREATE INDEX keyed_v ON keyed (v);
GRANT SELECT ON keyed TO regress_pgt_reader;
GRANT REFERENCES (v) ON keyed TO regress_pgt_reader;
COMMENT ON TABLE keyed IS 'mine';
COMMENT ON COLUMN keyed.v IS 'mine, too';
SELECT oid AS before FROM pg_class WHERE oid = 'keyed'::regclass \gset
PREPARE looks AS
	SELECT c.oid = :before AS same, (SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
		(SELECT string_agg(indexrelid::regclass || CASE WHEN indisunique THEN ' unique' ELSE '' END, ', ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid) AS indexes,
		concat(has_table_privilege('regress_pgt_reader', c.oid, 'SELECT'), ' ', has_column_privilege('regress_pgt_reader', c.oid, 'v', 'REFERENCES')) AS rights,
		obj_description(c.oid, 'pg_class') || ', ' || col_description(c.oid, 2) AS comments, (SELECT count(*) FROM over_keyed) AS seen
	  FROM pg_class c WHERE c.oid = 'keyed'::regclass;
EXECUTE looks;
ALTER TABLE api_alter.k DROP CONSTRAINT k_pkey;
INSERT INTO api_alter.k VALUES (1, 1), (1, 3);
SELECT * FROM fresh('keyed');
SELECT * FROM fresh('above');
SELECT * FROM fresh('textual');
EXECUTE looks;
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'keyed';
UPDATE api_alter.k SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('keyed');
SELECT * FROM fresh('above');
SELECT pgtrickle.alter_stream_table('keyed', query => 'SELECT id, v FROM api_alter.k');
SELECT * FROM fresh('keyed');
DELETE FROM api_alter.k WHERE v <> 2;
DELETE FROM api_alter.k WHERE ctid NOT IN (SELECT min(ctid) FROM api_alter.k GROUP BY id);
ALTER TABLE api_alter.k ADD PRIMARY KEY (id);
SELECT * FROM fresh('keyed');
SELECT * FROM fresh('above');
EXECUTE looks;
INSERT INTO api_alter.k VALUES (5, 5);
UPDATE api_alter.k SET v = v + 1;
SELECT * FROM fresh('keyed');
SELECT * FROM fresh('above');
SELECT * FROM fresh('textual');
-- in the same transaction, and rolled back
BEGIN;
ALTER TABLE api_alter.k DROP CONSTRAINT k_pkey;
UPDATE api_alter.k SET v = 7;
SELECT * FROM fresh('keyed');
SELECT * FROM fresh('above');
ROLLBACK;
SELECT * FROM fresh('keyed');
EXECUTE looks;
-- another key of the same columns
CREATE TABLE api_alter.k2 (a int PRIMARY KEY, b int NOT NULL);
INSERT INTO api_alter.k2 VALUES (1, 2), (2, 1);
SELECT made('either', 'SELECT a, b FROM api_alter.k2');
ALTER TABLE api_alter.k2 DROP CONSTRAINT k2_pkey, ADD PRIMARY KEY (b);
UPDATE api_alter.k2 SET a = 1;
SELECT * FROM fresh('either');
INSERT INTO api_alter.k2 VALUES (1, 3);
SELECT * FROM fresh('either');
-- a hidden column that somebody uses keeps it from following, until he does not
ALTER TABLE api_alter.k2 DROP CONSTRAINT k2_pkey;
SELECT * FROM fresh('either');
CREATE VIEW uses_row_id AS SELECT * FROM either;
ALTER TABLE api_alter.k2 ADD PRIMARY KEY (b);
SELECT * FROM fresh('either');
DROP VIEW uses_row_id;
SELECT * FROM fresh('either');
-- columns that a user has changed
ALTER TABLE either ADD COLUMN mine int;
INSERT INTO api_alter.k2 VALUES (4, 4);
SELECT * FROM fresh('either');
ALTER TABLE either DROP COLUMN mine;
SELECT * FROM fresh('either');
ALTER TABLE either RENAME COLUMN a TO z;
SELECT * FROM fresh('either');
ALTER TABLE either RENAME COLUMN z TO a;
ALTER TABLE either ALTER COLUMN a TYPE bigint;
SELECT * FROM fresh('either');
ALTER TABLE either ALTER COLUMN a TYPE int;
UPDATE api_alter.k2 SET a = a + 1;
SELECT * FROM fresh('either');
ALTER TABLE either DROP COLUMN b, ADD COLUMN b int;
SELECT * FROM fresh('either');
UPDATE api_alter.k2 SET a = a + 1;
SELECT * FROM fresh('either');
ALTER TABLE either DROP COLUMN a;
SELECT * FROM fresh('either');
ALTER TABLE either ADD COLUMN a int;
SELECT * FROM fresh('either');
SELECT pgtrickle.create_or_replace_stream_table('either', 'SELECT a, b FROM api_alter.k2');
SELECT * FROM fresh('either');
-- constraints of a user hold for the rows, and go on to be refused
ALTER TABLE either ADD CONSTRAINT small CHECK (a < 10);
INSERT INTO api_alter.k2 VALUES (10, 10);
SELECT * FROM fresh('either');
UPDATE api_alter.k2 SET a = 9 WHERE a = 10;
SELECT * FROM fresh('either');
ALTER TABLE either DROP CONSTRAINT small;
-- a lost index comes back
DROP INDEX either_pgt_key;
INSERT INTO api_alter.k2 VALUES (11, 11);
SELECT * FROM fresh('either');
INSERT INTO api_alter.k2 VALUES (12, 12);
SELECT * FROM fresh('either');
-- storage parameters and the like
ALTER TABLE either SET (fillfactor = 50), SET UNLOGGED, ALTER b SET STATISTICS 50;
INSERT INTO api_alter.k2 VALUES (13, 13);
SELECT * FROM fresh('either');
VACUUM FULL either;
INSERT INTO api_alter.k2 VALUES (14, 14);
SELECT * FROM fresh('either');
-- past the guards: while they are disabled, by ALTER TABLE, never through a parent
ALTER TABLE either DISABLE TRIGGER USER;
UPDATE either SET a = 0;
ALTER TABLE either ENABLE ALWAYS TRIGGER pg_trickle_guard, ENABLE REPLICA TRIGGER pg_trickle_guard_row;
UPDATE either SET a = 1;
SELECT * FROM fresh('either');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'either';
SELECT * FROM fresh('either');
ALTER TABLE either ALTER a TYPE int USING a + 1;
SELECT * FROM fresh('either');
CREATE TABLE elder (a int);
CREATE TABLE eldest (LIKE either) PARTITION BY RANGE (a);
ALTER TABLE either INHERIT elder;
ALTER TABLE eldest ATTACH PARTITION either DEFAULT;
SET session_replication_role = replica;
ALTER TABLE either INHERIT elder;
UPDATE either SET a = 0;
RESET session_replication_role;
INSERT INTO api_alter.k2 VALUES (15, 15);
SELECT exact FROM fresh('either');
CREATE TABLE younger () INHERITS (either);
INSERT INTO younger VALUES (99, 99);
INSERT INTO api_alter.k2 VALUES (16, 16);
SELECT * FROM fresh('either');
DROP TABLE younger;
SELECT exact FROM fresh('either');
INSERT INTO api_alter.k2 VALUES (17, 17);
SELECT * FROM fresh('either');
CREATE TRIGGER mine AFTER UPDATE ON either FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
DROP TRIGGER mine ON either;
INSERT INTO api_alter.k2 VALUES (18, 18);
SELECT * FROM fresh('either');

-- the same of an auxiliary table, which is its owner's, too
CREATE TABLE counted (k int);
INSERT INTO counted SELECT i % 3 FROM generate_series(1, 12) i;
SELECT made('counts', 'SELECT n, count(*) AS m FROM (SELECT k, count(*) AS n FROM counted GROUP BY k) x GROUP BY n');
SELECT format('pgtrickle_defs.aux_%s_1', pgt_id) AS aux FROM pgtrickle.stream_tables_info WHERE pgt_name = 'counts' \gset
INSERT INTO counted VALUES (1);
SELECT * FROM fresh('counts');
ALTER TABLE :aux DISABLE TRIGGER USER;
DELETE FROM :aux;
ALTER TABLE :aux ENABLE ALWAYS TRIGGER pg_trickle_guard, ENABLE REPLICA TRIGGER pg_trickle_guard_row;
INSERT INTO counted VALUES (2);
SELECT * FROM fresh('counts');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'counts';
INSERT INTO counted VALUES (2);
SELECT * FROM fresh('counts');
CREATE TABLE nothing ();
\set VERBOSITY sqlstate
ALTER TABLE :aux INHERIT nothing;
\set VERBOSITY terse
DELETE FROM nothing;
INSERT INTO counted VALUES (0);
SELECT * FROM fresh('counts');

-- Another query of a table on which something hangs: it stays, if the columns
-- that it uses do, and the others can go or come last.
CREATE TABLE base (id int PRIMARY KEY, a int, b int, c text);
INSERT INTO base SELECT i, i % 3, i, 'c' || i FROM generate_series(1, 9) i;
SELECT made('used', 'SELECT id, a, b FROM base');
SELECT made('reader', 'SELECT a, count(*) AS n FROM used GROUP BY a');
CREATE VIEW on_used AS SELECT id, a FROM used;
CREATE INDEX used_a ON used (a);
GRANT SELECT ON used TO regress_pgt_reader;
COMMENT ON COLUMN used.a IS 'mine';
SELECT oid AS before FROM pg_class WHERE oid = 'used'::regclass \gset
PREPARE used_looks AS
	SELECT c.oid = :before AS same, (SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns,
		(SELECT string_agg(indexrelid::regclass::text, ', ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid) AS indexes,
		has_table_privilege('regress_pgt_reader', c.oid, 'SELECT') AS granted,
		col_description(c.oid, 2) AS comment, (SELECT count(*) FROM on_used) AS seen
	  FROM pg_class c WHERE c.oid = 'used'::regclass;
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT id, a, c FROM base WHERE b > 1');
SELECT * FROM fresh('used');
SELECT * FROM fresh('reader');
EXECUTE used_looks;
INSERT INTO base VALUES (10, 1, 10, 'x');
SELECT * FROM fresh('used');
SELECT * FROM fresh('reader');
SELECT pgtrickle.create_or_replace_stream_table('used', 'SELECT id, a, c, b, b + 1 AS d FROM base');
SELECT * FROM fresh('used');
SELECT * FROM fresh('reader');
-- without a key, and then as groups
SELECT pgtrickle.create_or_replace_stream_table('used', 'SELECT id, a, sum(b) AS b FROM (TABLE base UNION ALL TABLE base) x GROUP BY id, a');
SELECT * FROM fresh('used');
SELECT * FROM fresh('reader');
EXECUTE used_looks;
UPDATE base SET b = b + 1, a = a + 1 WHERE id < 4;
SELECT * FROM fresh('used');
SELECT * FROM fresh('reader');
-- a column that is used, and another order
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT id FROM base');
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT a, id FROM base');
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT id, a::bigint FROM base');
SELECT * FROM fresh('used');
EXECUTE used_looks;
DROP VIEW on_used;
SELECT pgtrickle.drop_stream_table('reader');
DROP INDEX used_a;
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT a, id FROM base');
SELECT * FROM fresh('used');
-- a query that was lost
CREATE VIEW on_used AS SELECT id, a FROM used;
SET client_min_messages = warning;
DROP TABLE base CASCADE;
CREATE TABLE base (id int PRIMARY KEY, a int);
INSERT INTO base VALUES (1, 1);
SELECT pgtrickle.alter_stream_table('used', query => 'SELECT a, id, id + 1 AS n FROM base');
SELECT * FROM fresh('used');
SELECT * FROM on_used;
DROP OWNED BY regress_pgt_reader;
DROP ROLE regress_pgt_reader;
