-- create_stream_table() and its two relatives.
\set VERBOSITY terse
CREATE SCHEMA api_create;
CREATE SCHEMA other;
SET search_path = api_create, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i;

-- by position, by name, with defaults
SELECT pgtrickle.create_stream_table('by_position', 'SELECT id, v FROM t', '1m', 'DIFFERENTIAL', true);
SELECT pgtrickle.create_stream_table(query => 'SELECT g, sum(v) AS s FROM t GROUP BY g', name => 'by_name');
SELECT pgt_schema, pgt_name, schedule, refresh_mode, status, is_populated, needs_reinit, consecutive_errors,
	frontier IS NOT NULL AS has_frontier, data_timestamp IS NOT NULL AS has_time, total_refreshes
  FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'api_create' ORDER BY pgt_id;
SELECT g, s FROM by_name ORDER BY g;
-- 'calculated' is the default schedule, and stands for the setting
SELECT schedule FROM pgtrickle.stream_tables_info WHERE pgt_name = 'by_name' AND pgt_schema = 'api_create';

-- where it goes: the first schema of the search path, or the one named
SELECT pgtrickle.create_stream_table('other.elsewhere', 'SELECT id FROM t');
SELECT pgtrickle.create_stream_table('"Odd Name"', 'SELECT id AS "select", g AS "Ünï", v AS "a""b" FROM t', refresh_mode => 'differential');
INSERT INTO t VALUES (10, 1, 10);
SELECT * FROM fresh('other.elsewhere');
SELECT * FROM fresh('"Odd Name"');
SELECT "select", "Ünï", "a""b" FROM "Odd Name" WHERE "select" > 8 ORDER BY 1;
SELECT pgtrickle.create_stream_table('columns_named', 'SELECT id, 1 + 1, count(*) OVER (), now() FROM t');

-- not filled yet
SELECT pgtrickle.create_stream_table('later', 'SELECT id FROM t', initialize => false);
SELECT count(*) FROM later;
SELECT is_populated, frontier -> 'sources' = '{}' AS no_frontier FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'later'::regclass;
INSERT INTO t VALUES (11, 1, 11);
SELECT exact FROM fresh('later');
INSERT INTO t VALUES (12, 1, 12);
SELECT * FROM fresh('later');

-- the definition is a view that shows the query
SELECT replace(regexp_replace(pg_get_viewdef(definition), '\s+', ' ', 'g'), 't.', '') AS definition
  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'by_name'::regclass;
SELECT replace(regexp_replace(defining_query, '\s+', ' ', 'g'), 't.', '') AS defining_query
  FROM pgtrickle.stream_tables_info WHERE pgt_name = 'by_name' AND pgt_schema = 'api_create';
-- types, typmods and collations are those of the query
CREATE TABLE typed (id int PRIMARY KEY, n numeric(7,3), s varchar(5) COLLATE "C", ts timestamptz(2), b bit(4));
SELECT made('of_typed', 'SELECT id, n, s, ts, b, n * 2 AS n2, s || s AS s2, NULL AS nothing, ''x'' AS x FROM typed');
SELECT attname, format_type(atttypid, atttypmod) AS type, attcollation::regcollation AS collation
  FROM pg_attribute WHERE attrelid = 'of_typed'::regclass AND attnum > 0 AND attname NOT LIKE '\_\_pgt%' ORDER BY attnum;

-- within a transaction, rolled back and committed
BEGIN;
SELECT pgtrickle.create_stream_table('never', 'SELECT id FROM t');
INSERT INTO t VALUES (13, 0, 13);
SELECT pgtrickle.refresh_stream_table('never');
SELECT count(*) = (SELECT count(*) FROM t) AS right_ FROM never;
ROLLBACK;
SELECT to_regclass('never') IS NULL AS gone;
SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'never';
BEGIN;
CREATE TABLE fresh_source (id int PRIMARY KEY, v int);
INSERT INTO fresh_source VALUES (1, 1);
SELECT pgtrickle.create_stream_table('in_transaction', 'SELECT * FROM fresh_source', refresh_mode => 'DIFFERENTIAL');
INSERT INTO fresh_source VALUES (2, 2);
SELECT pgtrickle.refresh_stream_table('in_transaction');
SELECT * FROM in_transaction ORDER BY id;
INSERT INTO fresh_source VALUES (3, 3);
COMMIT;
SELECT * FROM fresh('in_transaction');

-- if it does not exist
SELECT pgtrickle.create_stream_table_if_not_exists('maybe', 'SELECT id FROM t WHERE g = 0', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table_if_not_exists('maybe', 'SELECT g FROM t');
SELECT exact FROM fresh('maybe');
SELECT count(*) FROM maybe WHERE id % 3 <> 0;
SELECT pgtrickle.create_stream_table_if_not_exists('t', 'SELECT g FROM t');

-- create or replace: new, same, other rows, other columns, other settings
SELECT pgtrickle.create_or_replace_stream_table('repl', 'SELECT id FROM t WHERE g = 0', '5m', 'DIFFERENTIAL');
SELECT count(*) FROM repl;
SELECT pgt_id AS before FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'repl'::regclass \gset
SELECT pgtrickle.create_or_replace_stream_table('repl', 'SELECT id FROM t WHERE g = 0', '5m', 'DIFFERENTIAL');
SELECT pgtrickle.create_or_replace_stream_table('repl', 'SELECT id FROM t WHERE g = 1', '5m', 'DIFFERENTIAL');
SELECT pgt_id = :before AS same FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'repl'::regclass;
SELECT count(*) = (SELECT count(*) FROM t WHERE g = 1) AS replaced FROM repl;
SELECT exact FROM fresh('repl');
UPDATE t SET g = 1 WHERE id = 3;
SELECT * FROM fresh('repl');
SELECT pgtrickle.create_or_replace_stream_table('repl', 'SELECT g, count(*) AS n FROM t GROUP BY g', '10s', 'AUTO');
SELECT g, n FROM repl ORDER BY g;
UPDATE t SET g = 2 WHERE id = 3;
SELECT * FROM fresh('repl');
SELECT schedule, refresh_mode FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'repl'::regclass;
-- a failing replacement leaves the old one as it was
SELECT pgtrickle.create_or_replace_stream_table('repl', 'SELECT g / 0 AS z FROM t', '10s', 'AUTO');
SELECT exact FROM fresh('repl');
SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'repl'::regclass;

-- comments of everything a user may call
SELECT p.oid::regprocedure FROM pg_proc p
 WHERE p.pronamespace = 'pgtrickle'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
-- signatures
SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments
  FROM pg_proc p WHERE p.pronamespace = 'pgtrickle'::regnamespace
   AND p.proname IN ('create_stream_table', 'create_stream_table_if_not_exists', 'create_or_replace_stream_table',
	'alter_stream_table', 'drop_stream_table', 'refresh_stream_table', 'resume_stream_table', 'verify_stream_table',
	'pgt_status', 'get_refresh_history', 'explain_stream_table', 'explain_delta', 'validate_query',
	'parse_duration_seconds', 'version')
 ORDER BY p.proname COLLATE "C";
