-- drop_stream_table(), and other ways for things to go away.
\set VERBOSITY terse
CREATE SCHEMA api_drop;
SET search_path = api_drop, public;
SET client_min_messages = warning;

CREATE TABLE t (id int PRIMARY KEY, g int);
CREATE TABLE u (id int PRIMARY KEY, g int);
INSERT INTO t VALUES (1, 1), (2, 2);
CREATE FUNCTION left_over() RETURNS TABLE (registered bigint, buffers bigint, triggers bigint, definitions bigint)
LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'api_drop'),
		(SELECT count(*) FROM pgtrickle.pgt_change_tracking WHERE source::regclass::text ~ '^(api_drop\.)?[tu]$'),
		(SELECT count(*) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
		  WHERE c.relnamespace = 'api_drop'::regnamespace AND g.tgname LIKE 'pg\_trickle\_cdc%' AND c.relkind = 'r'),
		(SELECT count(*) FROM pg_class c JOIN pgtrickle.pgt_stream_tables s ON s.definition = c.oid
		  WHERE s.pgt_schema = 'api_drop')
$$;

SELECT made('a', 'SELECT id, g FROM t');
SELECT made('b', 'SELECT t.id, u.g FROM t JOIN u USING (id)');
SELECT registered, buffers, triggers > 0 AS triggers, definitions FROM left_over();
SELECT pgtrickle.drop_stream_table('b');
SELECT registered, buffers, triggers > 0 AS triggers, definitions FROM left_over();
SELECT to_regclass('b') IS NULL AS gone;
SELECT pgtrickle.drop_stream_table('a');
SELECT * FROM left_over();
SELECT pgtrickle.drop_stream_table('a');
SELECT pgtrickle.drop_stream_table('t');

-- what hangs on it
SELECT made('a', 'SELECT id, g FROM t');
CREATE VIEW on_a AS SELECT count(*) FROM a;
SELECT pgtrickle.drop_stream_table('a');
SELECT exact FROM fresh('a');
SELECT pgtrickle.drop_stream_table('a', cascade => true);
SELECT to_regclass('on_a') IS NULL AS view_gone;
SELECT * FROM left_over();

-- rolled back
SELECT made('a', 'SELECT id, g FROM t');
BEGIN;
SELECT pgtrickle.drop_stream_table('a');
SELECT to_regclass('a') IS NULL AS gone;
ROLLBACK;
INSERT INTO t VALUES (3, 3);
SELECT * FROM fresh('a');
-- and made again in the transaction that dropped it
BEGIN;
SELECT pgtrickle.drop_stream_table('a');
INSERT INTO t VALUES (4, 4);
SELECT pgtrickle.create_stream_table('a', 'SELECT g FROM t', refresh_mode => 'DIFFERENTIAL');
INSERT INTO t VALUES (5, 5);
COMMIT;
SELECT * FROM fresh('a');

-- a source cannot go while it is used, unless by CASCADE
DROP TABLE t;
SELECT exact FROM fresh('a');
DROP TABLE t CASCADE;
SELECT pgtrickle.refresh_stream_table('a');
SELECT count(*) FROM a;
SELECT pgtrickle.drop_stream_table('a');
SELECT to_regclass('a') IS NULL AS gone;
SELECT registered, buffers FROM left_over();

-- a column that is used cannot change or go; others may
CREATE TABLE t (id int PRIMARY KEY, used int, unused int);
INSERT INTO t VALUES (1, 1, 1);
SELECT made('a', 'SELECT id, used FROM t');
ALTER TABLE t DROP COLUMN used;
ALTER TABLE t ALTER used TYPE bigint;
ALTER TABLE t ALTER unused TYPE bigint, ADD COLUMN extra text DEFAULT 'x';
INSERT INTO t VALUES (2, 2, 2);
SELECT exact FROM fresh('a');
ALTER TABLE t DROP COLUMN unused;
INSERT INTO t VALUES (3, 3);
SELECT exact FROM fresh('a');
INSERT INTO t VALUES (4, 4);
SELECT * FROM fresh('a');
ALTER TABLE t DROP COLUMN used CASCADE;
SELECT pgtrickle.refresh_stream_table('a');
SELECT pgtrickle.drop_stream_table('a');

-- a table that takes the place of a dropped source is not its heir
CREATE TABLE v (id int PRIMARY KEY);
SELECT made('c', 'SELECT id FROM v');
DROP TABLE v CASCADE;
CREATE TABLE v (id int PRIMARY KEY);
INSERT INTO v VALUES (1);
SELECT pgtrickle.refresh_stream_table('c');
SELECT pgtrickle.drop_stream_table('c');
SELECT made('c', 'SELECT id FROM v');
INSERT INTO v VALUES (2);
SELECT * FROM fresh('c');

-- dropped with its schema, by plain SQL
CREATE TABLE w (id int PRIMARY KEY);
SELECT made('d', 'SELECT id FROM w');
DROP SCHEMA api_drop CASCADE;
SELECT to_regclass('api_drop.d') IS NULL AS gone;

-- a session keeps no compiled queries of stream tables that are gone
CREATE TABLE kept (id int PRIMARY KEY, v int);
SELECT pgtrickle.create_stream_table('st' || i, 'SELECT v, count(*) AS n FROM kept GROUP BY v') FROM generate_series(1, 5) i;
INSERT INTO kept VALUES (1, 1);
SELECT pgtrickle.refresh_stream_table('st' || i) FROM generate_series(1, 5) i;
SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'pg_trickle program';
SELECT pgtrickle.drop_stream_table('st' || i) FROM generate_series(2, 5) i;
SELECT pgtrickle.refresh_stream_table('st1');
SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'pg_trickle program';
SELECT pgtrickle.drop_stream_table('st1');
