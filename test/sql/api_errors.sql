-- Every refusal: what is wrong, in one line; a few with detail and hint.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA api_errors;
SET search_path = api_errors, public;

CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE taken (id int);
CREATE VIEW taken_view AS SELECT 1 AS x;
CREATE TEMP TABLE tmp (id int);
CREATE FUNCTION vol() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
SELECT made('st', 'SELECT id, v FROM t');

-- no such stream table, no stream table
SELECT pgtrickle.refresh_stream_table('nothing');
SELECT pgtrickle.refresh_stream_table('t');
SELECT pgtrickle.refresh_stream_table('nowhere.st');
SELECT pgtrickle.alter_stream_table('nothing', schedule => '1s');
SELECT pgtrickle.drop_stream_table('nothing');
SELECT pgtrickle.resume_stream_table('nothing');
SELECT pgtrickle.verify_stream_table('nothing');
SELECT * FROM pgtrickle.get_refresh_history('nothing');
SELECT pgtrickle.refresh_stream_table('a.b.c.d');
SELECT pgtrickle.refresh_stream_table('');
SELECT pgtrickle.refresh_stream_table(NULL);

-- names
SELECT pgtrickle.create_stream_table('st', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('taken', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('taken_view', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('nowhere.x', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table(NULL, 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('a b', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('pg_temp.x', 'SELECT id FROM t');

-- queries
SELECT pgtrickle.create_stream_table('x', NULL);
SELECT pgtrickle.create_stream_table('x', '');
SELECT pgtrickle.create_stream_table('x', 'SELECT FROM WHERE');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM nothing');
SELECT pgtrickle.create_stream_table('x', 'SELECT nothing FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t; SELECT id FROM t');
SELECT pgtrickle.create_stream_table('x', 'DELETE FROM t');
SELECT pgtrickle.create_stream_table('x', 'CREATE TABLE y (id int)');
SELECT pgtrickle.create_stream_table('x', 'SELECT id INTO y FROM t');
SELECT pgtrickle.create_stream_table('x', 'WITH d AS (DELETE FROM t RETURNING id) SELECT id FROM d');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t WHERE id = $1');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t FOR UPDATE');
SELECT pgtrickle.create_stream_table('x', 'SELECT id, v AS id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id AS __pgt_row_id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id AS ctid FROM t');
-- sources
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM tmp');
SELECT pgtrickle.create_stream_table('x', 'SELECT oid FROM pg_class', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT pgt_id FROM pgtrickle.pgt_stream_tables');
SELECT pgtrickle.create_stream_table('x', 'SELECT ctid FROM t', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t TABLESAMPLE SYSTEM (50)', refresh_mode => 'DIFFERENTIAL');
-- volatile functions, wherever they hide
SELECT pgtrickle.create_stream_table('x', 'SELECT id, random() AS r FROM t', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t WHERE v > vol()', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT a.id FROM t a JOIN t b ON a.id = b.id + vol()', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT count(*) FILTER (WHERE vol() > 0) AS n FROM t', refresh_mode => 'DIFFERENTIAL');
-- AUTO takes a query that is not the same at each run, and says what it does
\set VERBOSITY default
SELECT pgtrickle.create_stream_table('r', 'SELECT id, random() AS r FROM t');
\set VERBOSITY terse

-- settings
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', 'often');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', '5');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', '-1s');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', '1s', 'SOMETIMES');
SELECT pgtrickle.alter_stream_table('st', schedule => 'often');
-- nothing was made
SELECT to_regclass('x') IS NULL AS nothing_made;
SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'x';

-- by the direct way
INSERT INTO st VALUES (1, 1);
DELETE FROM st;
TRUNCATE st;

-- the detail and the hint
\set VERBOSITY default
SELECT pgtrickle.refresh_stream_table('nothing');
SELECT pgtrickle.refresh_stream_table('t');
SELECT pgtrickle.create_stream_table('st', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', 'often');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', '1s', 'SOMETIMES');
SELECT pgtrickle.create_stream_table('x', 'SELECT id, v AS id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t WHERE v > vol()', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM tmp');
INSERT INTO st VALUES (1, 1);
\set VERBOSITY sqlstate
SELECT pgtrickle.refresh_stream_table('nothing');
SELECT pgtrickle.refresh_stream_table('t');
SELECT pgtrickle.create_stream_table('st', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t', 'often');
SELECT pgtrickle.create_stream_table('x', 'SELECT id, v AS id FROM t');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM t WHERE v > vol()', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('x', 'SELECT id FROM tmp');
SELECT pgtrickle.create_stream_table('x', NULL);
INSERT INTO st VALUES (1, 1);
\set VERBOSITY terse
SELECT * FROM fresh('st');
