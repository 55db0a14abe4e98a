-- The ways in which incremental maintenance is known to go wrong, one by one.
\set VERBOSITY terse
CREATE SCHEMA catalogue;
SET search_path = catalogue, public;

-- both sides of a join change in one window; three tables
CREATE TABLE c (id int PRIMARY KEY, seg text);
CREATE TABLE o (id int PRIMARY KEY, c int, d date);
CREATE TABLE l (o int, n int, price numeric, disc numeric, PRIMARY KEY (o, n));
INSERT INTO c SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 6) i;
INSERT INTO o SELECT i, 1 + i % 6, date '2024-01-01' + i FROM generate_series(1, 18) i;
INSERT INTO l SELECT 1 + i % 18, i, 100 + i, 0.1 FROM generate_series(1, 60) i;
SELECT made('q3', $$SELECT l.o, o.d, sum(l.price * (1 - l.disc)) AS revenue
	FROM c, o, l WHERE c.seg = 'a' AND c.id = o.c AND l.o = o.id AND o.d < '2024-01-15' GROUP BY l.o, o.d$$);
SELECT made('q10', 'SELECT c.id, c.seg, sum(l.price) AS s, count(*) AS n FROM c JOIN o ON c.id = o.c JOIN l ON l.o = o.id GROUP BY c.id');
BEGIN;
UPDATE c SET seg = CASE seg WHEN 'a' THEN 'b' ELSE 'a' END WHERE id <= 3;
UPDATE o SET c = 7 - c, d = d + 1 WHERE id % 2 = 0;
DELETE FROM l WHERE n % 5 = 0;
UPDATE l SET price = price + 1 WHERE n % 3 = 0;
INSERT INTO o VALUES (30, 2, '2024-01-02');
INSERT INTO l VALUES (30, 1, 50, 0.5);
COMMIT;
SELECT * FROM fresh('q3');
SELECT * FROM fresh('q10');
DELETE FROM o WHERE id < 6;
DELETE FROM l WHERE o < 4;
DELETE FROM c WHERE id = 3;
SELECT * FROM fresh('q3');
SELECT * FROM fresh('q10');

-- the join key changes and the old partner is deleted
CREATE TABLE k1 (id int PRIMARY KEY, k int);
CREATE TABLE k2 (k int PRIMARY KEY, v text);
INSERT INTO k1 VALUES (1, 1), (2, 1);
INSERT INTO k2 VALUES (1, 'old'), (2, 'new');
SELECT made('phantom', 'SELECT k1.id, k2.v FROM k1 JOIN k2 USING (k)');
BEGIN;
UPDATE k1 SET k = 2 WHERE id = 1;
DELETE FROM k2 WHERE k = 1;
COMMIT;
SELECT * FROM fresh('phantom');
SELECT id, v FROM phantom;

-- the NULL group: deleted from, updated, all of it multiplied
CREATE TABLE ng (g int, v int);
INSERT INTO ng VALUES (NULL, 1), (NULL, 2), (1, 1);
SELECT made('null_group', 'SELECT g, sum(v) AS s, count(*) AS n FROM ng GROUP BY g');
UPDATE ng SET v = v * 10;
SELECT * FROM fresh('null_group');
SELECT g, s, n FROM null_group ORDER BY g;
DELETE FROM ng WHERE g IS NULL AND v = 10;
SELECT * FROM fresh('null_group');
SELECT g, s, n FROM null_group ORDER BY g;

-- an aggregate without GROUP BY over input that empties
SELECT made('scalar_agg', 'SELECT count(*) AS n, sum(v) AS s, max(v) AS m FROM ng');
DELETE FROM ng;
SELECT * FROM fresh('scalar_agg');
SELECT n, s, m FROM scalar_agg;

-- avg from the sum, not from its own rounded value
CREATE TABLE av (id int PRIMARY KEY, v numeric);
INSERT INTO av VALUES (1, 1), (2, 1), (3, 2);
SELECT made('average', 'SELECT avg(v) AS a FROM av');
DO $$
BEGIN
	FOR i IN 4..60 LOOP
		INSERT INTO av VALUES (i, i / 7.0);
		PERFORM pgtrickle.refresh_stream_table('average');
		DELETE FROM av WHERE id = i - 2;
		PERFORM pgtrickle.refresh_stream_table('average');
	END LOOP;
END $$;
SELECT * FROM fresh('average');

-- NaN and infinity removed from a sum
CREATE TABLE sp (id int PRIMARY KEY, n numeric, f float8);
INSERT INTO sp VALUES (1, 1, 1), (2, 'NaN', 'NaN'), (3, 'Infinity', 'Infinity'), (4, '-Infinity', '-Infinity');
SELECT made('special', 'SELECT sum(n) AS n, avg(n) AS an, sum(f) AS f, avg(f) AS af, max(n) AS mn, min(f) AS mf FROM sp');
DELETE FROM sp WHERE id = 2;
SELECT * FROM fresh('special');
DELETE FROM sp WHERE id = 4;
SELECT * FROM fresh('special');
SELECT n, an, f, af, mn, mf FROM special;
DELETE FROM sp WHERE id = 3;
SELECT * FROM fresh('special');
SELECT n, an, f, af, mn, mf FROM special;

-- sum(CASE ...) over an updated CASE column
CREATE TABLE cs (id int PRIMARY KEY, p text, v int);
INSERT INTO cs VALUES (1, 'high', 1), (2, 'low', 2), (3, 'low', 3);
SELECT made('sum_case', $$SELECT sum(CASE WHEN p = 'high' THEN v ELSE 0 END) AS h, sum(CASE WHEN p <> 'high' THEN v END) AS l,
	count(*) FILTER (WHERE p = 'high') AS n FROM cs$$);
UPDATE cs SET p = CASE p WHEN 'high' THEN 'low' ELSE 'high' END;
SELECT * FROM fresh('sum_case');
UPDATE cs SET p = 'high', v = v * 2 WHERE id = 1;
SELECT * FROM fresh('sum_case');
SELECT h, l, n FROM sum_case;

-- min: inserted and deleted in one window; ties
CREATE TABLE mi (id int PRIMARY KEY, g int, v int);
INSERT INTO mi VALUES (1, 1, 5), (2, 1, 5), (3, 1, 9);
SELECT made('minimum', 'SELECT g, min(v) AS mn, max(v) AS mx FROM mi GROUP BY g');
INSERT INTO mi VALUES (4, 1, 1);
DELETE FROM mi WHERE id = 4;
SELECT exact FROM fresh('minimum');
INSERT INTO mi VALUES (5, 1, 6);
DELETE FROM mi WHERE id = 1;
SELECT * FROM fresh('minimum');
SELECT g, mn, mx FROM minimum;
DELETE FROM mi WHERE id = 2;
SELECT * FROM fresh('minimum');
SELECT g, mn, mx FROM minimum;

-- duplicates without a key: one of two deleted, one of two updated
CREATE TABLE du (v int);
INSERT INTO du VALUES (1), (1), (2), (2);
SELECT made('duplicates', 'SELECT v FROM du');
DELETE FROM du WHERE ctid = (SELECT min(ctid) FROM du WHERE v = 1);
UPDATE du SET v = 3 WHERE ctid = (SELECT min(ctid) FROM du WHERE v = 2);
SELECT * FROM fresh('duplicates');
SELECT v FROM duplicates ORDER BY v;

-- GROUP BY a key, the dependent column renamed
SELECT made('dependent', 'SELECT c.id, c.seg, count(*) AS n FROM c JOIN o ON o.c = c.id GROUP BY c.id');
UPDATE c SET seg = 'renamed' WHERE id = 2;
SELECT * FROM fresh('dependent');

-- two stream tables of one source, one suspended for long: cleaning waits for it
CREATE TABLE sh (id int PRIMARY KEY, v int);
INSERT INTO sh VALUES (1, 1);
SELECT made('quick', 'SELECT id, v FROM sh');
SELECT made('late', 'SELECT count(*) AS n, sum(v) AS s FROM sh');
SELECT pgtrickle.alter_stream_table('late', status => 'SUSPENDED');
DO $$
BEGIN
	FOR i IN 2..40 LOOP
		INSERT INTO sh VALUES (i, i);
		DELETE FROM sh WHERE id = i - 3;
		PERFORM pgtrickle.refresh_stream_table('quick');
	END LOOP;
END $$;
SELECT * FROM fresh('quick');
SELECT pgtrickle.resume_stream_table('late');
SELECT * FROM fresh('late');
-- then nothing is kept for either
SELECT waiting('sh') <= 200 AS bounded;

-- refreshed twice within the transaction that writes; a savepoint rolled back
BEGIN;
INSERT INTO sh VALUES (100, 1);
SELECT exact FROM fresh('late');
INSERT INTO sh VALUES (101, 1);
SAVEPOINT s;
INSERT INTO sh VALUES (102, 1);
SELECT exact FROM fresh('late');
ROLLBACK TO s;
SELECT exact FROM fresh('late');
INSERT INTO sh VALUES (103, 1);
COMMIT;
SELECT * FROM fresh('late');

-- truncated and filled in one transaction
BEGIN;
TRUNCATE sh;
INSERT INTO sh VALUES (1, 1), (200, 2);
COMMIT;
SELECT exact FROM fresh('quick');
SELECT exact FROM fresh('late');

-- a timestamptz key, written from two time zones
CREATE TABLE tz (at timestamptz PRIMARY KEY, v int);
SELECT made('zones', 'SELECT at, v FROM tz');
SET TimeZone = 'UTC';
INSERT INTO tz VALUES ('2024-01-01 00:00', 1);
SELECT exact FROM fresh('zones');
SET TimeZone = 'America/New_York';
UPDATE tz SET v = 2;
SELECT exact FROM fresh('zones');
DELETE FROM tz;
INSERT INTO tz VALUES ('2023-12-31 19:00', 3);
SELECT exact FROM fresh('zones');
SET TimeZone = 'UTC';
SELECT * FROM zones;
RESET TimeZone;

-- updates between equal values that look different
CREATE TABLE eq (id int PRIMARY KEY, n numeric, f float8);
INSERT INTO eq VALUES (1, 1.0, 0);
SELECT made('equal', 'SELECT id, n, f FROM eq');
SELECT made('equal_bag', 'SELECT n, f FROM eq');
UPDATE eq SET n = 1.00, f = '-0';
SELECT * FROM fresh('equal');
SELECT * FROM fresh('equal_bag');
SELECT * FROM equal;
SELECT n, f FROM equal_bag;
DELETE FROM eq;
SELECT * FROM fresh('equal_bag');

-- now() without any change of data
CREATE TABLE nw (id int PRIMARY KEY, at timestamptz);
INSERT INTO nw VALUES (1, clock_timestamp() + '200 ms'), (2, '2100-01-01');
SELECT made('past', 'SELECT id FROM nw WHERE at < now()', 'AUTO');
SELECT pg_sleep(0.3);
SELECT * FROM fresh('past');
SELECT id FROM past;

-- comments, reserved words, parentheses
CREATE TABLE "select" (id int PRIMARY KEY, "from" int, "group" int);
INSERT INTO "select" VALUES (1, 2, 3), (2, 3, 3);
SELECT made('words', $$SELECT /* FROM nothing */ "group" AS "order", -- WHERE
	sum("from" * (1 - "from")) AS "where", count(*) AS "limit" FROM "select" AS "join" GROUP BY "group"$$);
UPDATE "select" SET "from" = 10 WHERE id = 1;
INSERT INTO "select" VALUES (3, 4, 5);
SELECT * FROM fresh('words');
SELECT "order", "where", "limit" FROM words ORDER BY 1;

-- an error only for a pair of rows that never was
CREATE TABLE n1 (id int PRIMARY KEY, k int, a int);
CREATE TABLE n2 (id int PRIMARY KEY, k int, b int);
INSERT INTO n1 VALUES (1, 1, 1);
INSERT INTO n2 VALUES (1, 1, 1);
SELECT made('never_existed', 'SELECT n1.id, a / b AS q FROM n1 JOIN n2 USING (k)');
SELECT made('never_summed', 'SELECT sum(a / b) AS q FROM n1 JOIN n2 USING (k)');
BEGIN;
UPDATE n1 SET k = 2;
UPDATE n2 SET b = 0;
INSERT INTO n2 VALUES (2, 2, 3);
COMMIT;
SELECT * FROM fresh('never_existed');
SELECT * FROM fresh('never_summed');
BEGIN;
UPDATE n1 SET k = 1;
UPDATE n2 SET b = 4 WHERE id = 1;
UPDATE n2 SET b = 0 WHERE id = 2;
COMMIT;
SELECT * FROM fresh('never_existed');
SELECT * FROM fresh('never_summed');
