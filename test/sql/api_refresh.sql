-- refresh_stream_table() and verify_stream_table().
\set VERBOSITY terse
CREATE SCHEMA api_refresh;
SET search_path = api_refresh, public;

CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE u (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
INSERT INTO u VALUES (1, 10), (2, 20);
SELECT made('st', 'SELECT t.id, t.v, u.v AS w FROM t JOIN u USING (id)');
SELECT made('agg', 'SELECT v % 2 AS p, count(*) AS n, sum(v) AS s FROM t GROUP BY v % 2');

SELECT pgtrickle.refresh_stream_table('st');
SELECT pgtrickle.refresh_stream_table(name => 'api_refresh.st');
INSERT INTO t VALUES (3, 3);
INSERT INTO u VALUES (3, 30);
SELECT * FROM pgtrickle.verify_stream_table('st');
SELECT pgtrickle.refresh_stream_table('st');
SELECT * FROM pgtrickle.verify_stream_table('st');
UPDATE t SET v = v + 1;
SELECT missing, surplus FROM pgtrickle.verify_stream_table(name => 'st');
SELECT pgtrickle.refresh_stream_table('st');
SELECT missing, surplus FROM pgtrickle.verify_stream_table('st');

-- within a transaction: changes before, between and after refreshes
BEGIN;
INSERT INTO t VALUES (4, 4);
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
UPDATE t SET v = v + 1;
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
DELETE FROM t WHERE id = 4;
COMMIT;
SELECT * FROM fresh('agg');
SELECT * FROM fresh('agg');
-- in savepoints, some rolled back
BEGIN;
INSERT INTO t VALUES (5, 5);
SAVEPOINT a;
INSERT INTO t VALUES (6, 6);
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
ROLLBACK TO a;
INSERT INTO t VALUES (7, 7);
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
SAVEPOINT b;
INSERT INTO t VALUES (8, 8);
RELEASE b;
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
COMMIT;
SELECT * FROM fresh('agg');
-- the whole transaction is rolled back: the changes are found again
BEGIN;
INSERT INTO t VALUES (9, 9);
SELECT pgtrickle.refresh_stream_table('agg');
ROLLBACK;
INSERT INTO t VALUES (10, 10);
SELECT * FROM fresh('agg');
INSERT INTO t VALUES (11, 11);
BEGIN;
SELECT pgtrickle.refresh_stream_table('agg');
ROLLBACK;
SELECT * FROM fresh('agg');
-- REPEATABLE READ: the snapshot of the transaction is the refresh's
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO t VALUES (12, 12);
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
UPDATE t SET v = 0 WHERE id = 12;
SELECT pgtrickle.refresh_stream_table('agg');
SELECT equals_query('agg');
COMMIT;
SELECT * FROM fresh('agg');
BEGIN ISOLATION LEVEL SERIALIZABLE;
DELETE FROM t WHERE id = 12;
SELECT pgtrickle.refresh_stream_table('agg');
COMMIT;
SELECT * FROM fresh('agg');
-- read only
BEGIN READ ONLY;
SELECT pgtrickle.refresh_stream_table('agg');
ROLLBACK;

-- from a function, from DO
DO $$
BEGIN
	INSERT INTO t VALUES (20, 20);
	PERFORM pgtrickle.refresh_stream_table('st');
	INSERT INTO u VALUES (20, 200);
	PERFORM pgtrickle.refresh_stream_table('st');
END $$;
SELECT * FROM st WHERE id = 20;
SELECT * FROM fresh('st');
CREATE TABLE log (n int);
CREATE FUNCTION refresh_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgtrickle.refresh_stream_table('api_refresh.st');
	RETURN NULL;
END $$;
-- but not from a trigger, in the middle of a statement
CREATE TRIGGER refresh_it AFTER INSERT ON log EXECUTE FUNCTION refresh_it();
INSERT INTO u VALUES (5, 50);
INSERT INTO log VALUES (1);
CREATE TRIGGER refresh_it AFTER INSERT ON t EXECUTE FUNCTION refresh_it();
INSERT INTO t VALUES (21, 21);
DROP TRIGGER refresh_it ON t;
SELECT * FROM fresh('st');

-- an open cursor keeps what it saw
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM st ORDER BY id;
FETCH 1 FROM c;
DELETE FROM t WHERE id = 2;
SELECT pgtrickle.refresh_stream_table('st');
FETCH 1 FROM c;
COMMIT;
SELECT equals_query('st');

-- the stream table may not be written by hand
INSERT INTO st VALUES (99, 99, 99);
UPDATE st SET v = 0;
DELETE FROM st;
TRUNCATE st;
COPY st (id, v, w) FROM stdin;
99	99	99
\.
MERGE INTO st USING (VALUES (1)) x (id) ON st.id = x.id WHEN MATCHED THEN DELETE;
SELECT equals_query('st');
SELECT * FROM fresh('st');

-- a failing query fails the refresh and loses nothing
CREATE TABLE f (id int PRIMARY KEY, d int);
INSERT INTO f VALUES (1, 1);
SELECT made('div', 'SELECT id, 100 / d AS q FROM f');
INSERT INTO f VALUES (2, 0), (3, 5);
SELECT pgtrickle.refresh_stream_table('div');
SELECT * FROM div ORDER BY id;
SELECT pgtrickle.refresh_stream_table('div');
UPDATE f SET d = 2 WHERE d = 0;
SELECT * FROM fresh('div');
SELECT * FROM div ORDER BY id;

-- stopped in the middle: nothing half-made, nothing lost
CREATE TABLE long_ (id int PRIMARY KEY);
CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF $1 > 1000 AND current_setting('statement_timeout') <> '0' THEN
		PERFORM pg_sleep(10);
	END IF;
	RETURN $1;
END $$;
SELECT made('slowly', 'SELECT slow(id) AS id FROM long_');
INSERT INTO long_ VALUES (1), (1001);
SET statement_timeout = '200ms';
SELECT pgtrickle.refresh_stream_table('slowly');
RESET statement_timeout;
SELECT count(*) FROM slowly;
SELECT * FROM fresh('slowly');

-- a source that shares rows with many windows: every refresh takes its own
DO $$
BEGIN
	FOR i IN 100..160 LOOP
		INSERT INTO t VALUES (i, i);
		IF i % 3 = 0 THEN
			DELETE FROM t WHERE id = i - 1;
		END IF;
		PERFORM pgtrickle.refresh_stream_table('agg');
		IF i % 10 = 0 AND NOT (equals_query('agg') AND (fresh('st')).exact) THEN
			RAISE EXCEPTION 'differs at %', i;
		END IF;
	END LOOP;
END $$;
SELECT * FROM all_fresh('api_refresh');
