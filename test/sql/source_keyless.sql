-- Tables without a key: rows are counted, not named.
\set VERBOSITY terse
CREATE SCHEMA source_keyless;
SET search_path = source_keyless, public;

CREATE TABLE t (a int, b text);
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL), (2, NULL), (NULL, NULL);
SELECT made('plain', 'SELECT * FROM t');
SELECT made('part', 'SELECT b FROM t');
SELECT made('pairs', 'SELECT x.a, y.b FROM t x JOIN t y ON x.a = y.a');
SELECT made('sums', 'SELECT b, count(*) AS n, sum(a) AS s, min(a) AS m FROM t GROUP BY b');
SELECT count(*) FROM plain;
SELECT count(*) FROM pairs;

-- one of three equal rows goes
DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1);
SELECT * FROM all_fresh('source_keyless');
SELECT count(*) FROM plain WHERE a = 1;
-- one of two equal rows changes
UPDATE t SET b = 'y' WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1);
SELECT * FROM all_fresh('source_keyless');
-- two equal rows come, one of them goes, in one window
INSERT INTO t VALUES (3, 'z'), (3, 'z');
DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 3);
SELECT * FROM all_fresh('source_keyless');
-- rows of nothing but NULL
INSERT INTO t VALUES (NULL, NULL), (NULL, NULL);
SELECT * FROM all_fresh('source_keyless');
DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE a IS NULL);
SELECT * FROM all_fresh('source_keyless');
SELECT a, b, count(*) FROM plain GROUP BY a, b ORDER BY a, b;
-- rows trade values: nothing has changed
BEGIN;
INSERT INTO t VALUES (10, 'p'), (11, 'q');
COMMIT;
SELECT * FROM all_fresh('source_keyless');
UPDATE t SET a = 21 - a, b = CASE b WHEN 'p' THEN 'q' ELSE 'p' END WHERE a IN (10, 11);
SELECT exact FROM fresh('plain');
-- many duplicates
INSERT INTO t SELECT 5, 'many' FROM generate_series(1, 500);
SELECT * FROM all_fresh('source_keyless');
DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a = 5 LIMIT 333);
SELECT * FROM all_fresh('source_keyless');
SELECT count(*) FROM plain WHERE a = 5;
DELETE FROM t;
SELECT * FROM all_fresh('source_keyless');
SELECT count(*) FROM plain;

-- a key with NULLs is no key, nor is a partial one, nor a deferrable one
CREATE TABLE u (a int UNIQUE, b int);
CREATE UNIQUE INDEX ON u (b) WHERE a > 0;
INSERT INTO u VALUES (NULL, 1), (NULL, 1), (1, 2);
SELECT made('nullable', 'SELECT a, b FROM u');
INSERT INTO u VALUES (NULL, 1), (-1, 2);
DELETE FROM u WHERE ctid = (SELECT min(ctid) FROM u WHERE a IS NULL);
SELECT * FROM fresh('nullable');
CREATE TABLE w (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, b int);
INSERT INTO w VALUES (1, 1), (2, 2), (3, 3);
SELECT made('deferrable_', 'SELECT a, b FROM w');
BEGIN;
UPDATE w SET a = a + 1;
INSERT INTO w VALUES (1, 0);
COMMIT;
SELECT * FROM fresh('deferrable_');
