-- Scan: the delta of a table is the window of its buffer.
\set VERBOSITY terse
CREATE SCHEMA op_scan;
SET search_path = op_scan, public;

CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT i, i % 5, 'row ' || i FROM generate_series(1, 100) i;

SELECT made('st', 'SELECT * FROM t');
SELECT count(*) FROM st;
SELECT * FROM fresh('st');

INSERT INTO t VALUES (101, 1, 'new');
SELECT * FROM fresh('st');
UPDATE t SET a = 7 WHERE id = 101;
SELECT * FROM fresh('st');
DELETE FROM t WHERE id = 101;
SELECT * FROM fresh('st');
SELECT * FROM fresh('st');

-- the key itself changes, keys are swapped, keys move along
UPDATE t SET id = 1000 WHERE id = 1;
SELECT * FROM fresh('st');
BEGIN;
UPDATE t SET id = -2 WHERE id = 2;
UPDATE t SET id = 2 WHERE id = 3;
UPDATE t SET id = 3 WHERE id = -2;
COMMIT;
SELECT id, b FROM t WHERE id IN (2, 3) ORDER BY id;
SELECT * FROM fresh('st');
SELECT id, b FROM st WHERE id IN (2, 3) ORDER BY id;

-- deleted and inserted again, as it was and with another value
BEGIN;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, 4, 'row 4');
COMMIT;
SELECT * FROM fresh('st');
BEGIN;
DELETE FROM t WHERE id = 4;
INSERT INTO t VALUES (4, 4, 'row four');
COMMIT;
SELECT * FROM fresh('st');

-- there and gone within one window
INSERT INTO t VALUES (200, 0, 'short');
UPDATE t SET b = 'shorter' WHERE id = 200;
DELETE FROM t WHERE id = 200;
SELECT * FROM fresh('st');
-- several versions of one row within one window
UPDATE t SET a = 1, b = 'x' WHERE id = 5;
UPDATE t SET a = 2 WHERE id = 5;
UPDATE t SET a = NULL, b = NULL WHERE id = 5;
SELECT * FROM fresh('st');
SELECT * FROM st WHERE id = 5;
-- there and back
UPDATE t SET a = 99 WHERE id = 6;
UPDATE t SET a = 1 WHERE id = 6;
SELECT * FROM fresh('st');

-- everything at once, by statements of many rows
INSERT INTO t SELECT i, i, 'bulk' FROM generate_series(2000, 4999) i;
UPDATE t SET a = a + 1 WHERE id BETWEEN 3000 AND 3999;
DELETE FROM t WHERE id BETWEEN 2500 AND 3499;
SELECT * FROM fresh('st');
SELECT count(*) FROM st;
DELETE FROM t;
SELECT * FROM fresh('st');
SELECT count(*) FROM st;

-- by COPY, MERGE and INSERT ... ON CONFLICT
COPY t FROM stdin;
1	1	one
2	2	\N
3	\N	three
\.
SELECT * FROM fresh('st');
INSERT INTO t VALUES (1, 10, 'ten'), (4, 4, 'four')
	ON CONFLICT (id) DO UPDATE SET a = excluded.a;
SELECT * FROM fresh('st');
INSERT INTO t VALUES (1, 11, 'no') ON CONFLICT DO NOTHING;
SELECT * FROM fresh('st');
MERGE INTO t USING (VALUES (1, 'merged'), (2, NULL), (9, 'nine')) v (id, b) ON t.id = v.id
	WHEN MATCHED AND v.b IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET b = v.b
	WHEN NOT MATCHED THEN INSERT VALUES (v.id, 0, v.b);
SELECT * FROM fresh('st');
WITH gone AS (DELETE FROM t WHERE id = 3 RETURNING *)
	INSERT INTO t SELECT id + 100, a, b FROM gone;
SELECT * FROM fresh('st');
SELECT * FROM st ORDER BY id;

-- a rolled back change and a rolled back part of a change leave nothing
BEGIN;
INSERT INTO t VALUES (500, 0, 'never');
ROLLBACK;
BEGIN;
INSERT INTO t VALUES (501, 0, 'kept');
SAVEPOINT a;
UPDATE t SET b = 'lost';
ROLLBACK TO a;
SAVEPOINT b;
INSERT INTO t VALUES (502, 0, 'kept too');
RELEASE b;
COMMIT;
SELECT * FROM fresh('st');
SELECT * FROM st ORDER BY id;

-- two stream tables of one source, each with a window of its own
SELECT made('second', 'SELECT id, b FROM t');
INSERT INTO t VALUES (600, 0, 'first window');
SELECT * FROM fresh('second');
INSERT INTO t VALUES (601, 0, 'second window');
DELETE FROM t WHERE id = 600;
SELECT * FROM fresh('st');
SELECT * FROM fresh('second');

-- columns that were dropped before, and that are added and dropped later
CREATE TABLE gaps (a int, gone text, b int, id int PRIMARY KEY, gone_too int);
INSERT INTO gaps VALUES (1, 'x', 2, 3, 4);
ALTER TABLE gaps DROP COLUMN gone, DROP COLUMN gone_too;
SELECT made('gaps_st', 'SELECT id, b, a FROM gaps');
INSERT INTO gaps (id, a, b) VALUES (4, 5, 6);
UPDATE gaps SET b = 7 WHERE id = 3;
SELECT * FROM fresh('gaps_st');
ALTER TABLE gaps ADD COLUMN more int DEFAULT 42;
INSERT INTO gaps (id, a, b) VALUES (5, 8, 9);
UPDATE gaps SET a = 0 WHERE id = 3;
SELECT * FROM fresh('gaps_st');
ALTER TABLE gaps DROP COLUMN more;
DELETE FROM gaps WHERE id = 4;
SELECT * FROM fresh('gaps_st');
SELECT * FROM gaps_st ORDER BY id;

-- a generated column
CREATE TABLE g (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO g VALUES (1, 1), (2, 2);
SELECT made('g_st', 'SELECT id, twice FROM g');
UPDATE g SET a = a + 10;
INSERT INTO g VALUES (3, 3);
SELECT * FROM fresh('g_st');
SELECT * FROM g_st ORDER BY id;

-- no columns at all
SELECT made('no_columns', 'SELECT FROM t', 'AUTO');
INSERT INTO t VALUES (700, 0, 'x'), (701, 0, 'x');
SELECT exact FROM fresh('no_columns');
