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

-- a table that was made for a key that is gone: giving the same query rebuilds it
CREATE TABLE api_alter.k (id int PRIMARY KEY, v int);
INSERT INTO api_alter.k VALUES (1, 1), (2, 2);
SELECT made('keyed', 'SELECT id, v FROM api_alter.k');
ALTER TABLE api_alter.k DROP CONSTRAINT k_pkey;
INSERT INTO api_alter.k VALUES (1, 1), (1, 3);
SELECT * FROM fresh('keyed');
SELECT pgtrickle.alter_stream_table('keyed', query => 'SELECT id, v FROM api_alter.k');
SELECT * FROM fresh('keyed');
UPDATE api_alter.k SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('keyed');
