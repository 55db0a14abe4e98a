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
SELECT made('past', 'SELECT id FROM nw WHERE at < now()');
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

-- the same for an outer join: its condition fails for pairs that never were
SELECT made('never_padded', 'SELECT n1.id, n2.b FROM n1 LEFT JOIN n2 ON n1.k = n2.k AND n1.a / n2.b >= 0');
SELECT made('never_looked_up', 'SELECT id, (SELECT sum(n1.a / n2.b) FROM n2 WHERE n2.k = n1.k) AS q FROM n1');
BEGIN;
UPDATE n1 SET k = 2;
UPDATE n2 SET b = 0 WHERE id = 1;
UPDATE n2 SET b = 2 WHERE id = 2;
COMMIT;
SELECT * FROM fresh('never_padded');
SELECT * FROM fresh('never_looked_up');
SELECT id, b FROM never_padded;

-- an outer join in place of an inner one: both sides change, the old partner goes
SELECT made('q13', 'SELECT n, count(*) AS c FROM (SELECT c.id, count(o.id) AS n FROM c LEFT JOIN o ON o.c = c.id AND o.d > ''2024-01-03'' GROUP BY c.id) x GROUP BY n');
SELECT made('phantom_left', 'SELECT k1.id, k2.v FROM k1 LEFT JOIN k2 USING (k)');
BEGIN;
INSERT INTO c VALUES (7, 'a');
INSERT INTO o VALUES (40, 7, '2024-02-01');
UPDATE o SET c = 8 - c WHERE id % 3 = 0;
DELETE FROM c WHERE id = 5;
UPDATE k1 SET k = 3 WHERE id = 1;
DELETE FROM k2 WHERE k = 2;
INSERT INTO k2 VALUES (3, 'newer'), (1, 'again');
COMMIT;
SELECT * FROM fresh('q13');
SELECT * FROM fresh('phantom_left');
SELECT id, v FROM phantom_left ORDER BY id;

-- a row and its first partner come together
CREATE TABLE ex (id int PRIMARY KEY, k int);
CREATE TABLE ey (id int PRIMARY KEY, k int);
INSERT INTO ex VALUES (1, 1);
INSERT INTO ey VALUES (1, 1);
SELECT made('semi', 'SELECT id FROM ex WHERE EXISTS (SELECT FROM ey WHERE ey.k = ex.k)');
SELECT made('anti', 'SELECT id FROM ex WHERE NOT EXISTS (SELECT FROM ey WHERE ey.k = ex.k)');
SELECT made('semi_bag', 'SELECT k FROM ex WHERE k IN (SELECT k FROM ey)');
BEGIN;
INSERT INTO ex VALUES (2, 2), (3, 2);
INSERT INTO ey VALUES (2, 2), (3, 2);
COMMIT;
SELECT * FROM fresh('semi');
SELECT * FROM fresh('anti');
SELECT * FROM fresh('semi_bag');
SELECT id FROM semi ORDER BY id;
BEGIN;
DELETE FROM ex WHERE id = 2;
DELETE FROM ey WHERE k = 2;
COMMIT;
SELECT * FROM fresh('semi');
SELECT * FROM fresh('anti');
SELECT * FROM fresh('semi_bag');
SELECT id FROM anti ORDER BY id;

-- NOT IN, a NULL among the values comes and goes
CREATE TABLE ni (v int);
CREATE TABLE nv (v int);
INSERT INTO ni VALUES (1), (2), (2), (NULL);
INSERT INTO nv VALUES (1);
SELECT made('not_in', 'SELECT v FROM ni WHERE v NOT IN (SELECT v FROM nv)');
SELECT v FROM not_in ORDER BY v;
INSERT INTO nv VALUES (NULL);
SELECT * FROM fresh('not_in');
SELECT v FROM not_in ORDER BY v;
DELETE FROM nv WHERE v IS NULL;
INSERT INTO ni VALUES (3);
SELECT * FROM fresh('not_in');
SELECT v FROM not_in ORDER BY v;
-- nothing to be in: even NULL is not in it
DELETE FROM nv;
SELECT * FROM fresh('not_in');
SELECT v FROM not_in ORDER BY v;

-- OR with a subquery: no row twice, and none of two equal rows less
CREATE TABLE oe (v int);
INSERT INTO oe VALUES (1), (1), (2);
SELECT made('or_exists', 'SELECT v FROM oe WHERE v = 1 OR EXISTS (SELECT FROM nv WHERE nv.v = oe.v)');
INSERT INTO nv VALUES (1), (2);
INSERT INTO oe VALUES (2), (3);
SELECT * FROM fresh('or_exists');
SELECT v FROM or_exists ORDER BY v;
DELETE FROM nv WHERE v = 1;
DELETE FROM oe WHERE ctid = (SELECT min(ctid) FROM oe WHERE v = 1);
SELECT * FROM fresh('or_exists');
SELECT v FROM or_exists ORDER BY v;

-- IN of rows: every column is compared
CREATE TABLE ra (a int, b int);
CREATE TABLE rb (a int, b int);
INSERT INTO ra VALUES (1, 1), (1, 2), (2, 1), (NULL, 1);
INSERT INTO rb VALUES (1, 1);
SELECT made('row_in', 'SELECT a, b FROM ra WHERE (a, b) IN (SELECT a, b FROM rb)');
SELECT made('row_not_in', 'SELECT a, b FROM ra WHERE (a, b) NOT IN (SELECT a, b FROM rb)');
INSERT INTO rb VALUES (2, 2), (1, NULL);
SELECT * FROM fresh('row_in');
SELECT * FROM fresh('row_not_in');
SELECT a, b FROM row_in ORDER BY a, b;
SELECT a, b FROM row_not_in ORDER BY a, b;
UPDATE rb SET b = 1 WHERE a = 2;
DELETE FROM rb WHERE b IS NULL;
SELECT * FROM fresh('row_in');
SELECT * FROM fresh('row_not_in');
SELECT a, b FROM row_in ORDER BY a, b;
SELECT a, b FROM row_not_in ORDER BY a, b;

-- a group crosses the threshold of HAVING: it comes with all that it has
CREATE TABLE hv (id int PRIMARY KEY, g int, v int);
INSERT INTO hv VALUES (1, 1, 10), (2, 1, 20), (3, 2, 100);
SELECT made('having_', 'SELECT g, sum(v) AS s, count(*) AS n FROM hv GROUP BY g HAVING count(*) > 2');
SELECT g, s, n FROM having_;
INSERT INTO hv VALUES (4, 1, 3);
SELECT * FROM fresh('having_');
SELECT g, s, n FROM having_;
DELETE FROM hv WHERE id = 1;
INSERT INTO hv VALUES (5, 2, 1), (6, 2, 1);
SELECT * FROM fresh('having_');
SELECT g, s, n FROM having_;

-- a sum over an outer join is NULL, not 0, where no partner is left
SELECT made('sum_left', 'SELECT ex.id, sum(hv.v) AS s, count(hv.v) AS n FROM ex LEFT JOIN hv ON hv.g = ex.id GROUP BY ex.id');
SELECT made('sum_full', 'SELECT sum(ex.k) AS k, sum(hv.v) AS v FROM ex FULL JOIN hv ON hv.g = ex.id');
DELETE FROM hv;
SELECT * FROM fresh('sum_left');
SELECT * FROM fresh('sum_full');
SELECT id, s, n FROM sum_left ORDER BY id;
SELECT k, v FROM sum_full;

-- the NULL that was grouped by, and the NULL of the totals
CREATE TABLE ro (g int, v int);
INSERT INTO ro VALUES (1, 1), (NULL, 2), (NULL, 4);
SELECT made('rolled', 'SELECT g, sum(v) AS s FROM ro GROUP BY ROLLUP (g)');
SELECT g, s FROM rolled ORDER BY g, s;
DELETE FROM ro WHERE g = 1;
SELECT * FROM fresh('rolled');
SELECT g, s FROM rolled ORDER BY g, s;
DELETE FROM ro WHERE v = 2;
INSERT INTO ro VALUES (2, 8);
SELECT * FROM fresh('rolled');
SELECT g, s FROM rolled ORDER BY g, s;
DELETE FROM ro;
SELECT * FROM fresh('rolled');
SELECT g, s FROM rolled;

-- EXCEPT: hidden, then shown again; EXCEPT ALL: as many as are left over
CREATE TABLE ea (v int);
CREATE TABLE eb (v int);
INSERT INTO ea VALUES (1), (1), (1), (2);
INSERT INTO eb VALUES (1);
SELECT made('except_', 'SELECT v FROM ea EXCEPT SELECT v FROM eb');
SELECT made('except_all', 'SELECT v FROM ea EXCEPT ALL SELECT v FROM eb');
INSERT INTO eb VALUES (1), (2), (2);
SELECT * FROM fresh('except_');
SELECT * FROM fresh('except_all');
SELECT v FROM except_all;
DELETE FROM eb WHERE v = 1;
DELETE FROM eb WHERE ctid = (SELECT min(ctid) FROM eb);
INSERT INTO ea VALUES (2), (2);
SELECT * FROM fresh('except_');
SELECT * FROM fresh('except_all');
SELECT v FROM except_;
SELECT v FROM except_all ORDER BY v;

-- windows: ties, several partitionings, over groups
CREATE TABLE wi (id int PRIMARY KEY, g int, h int, v int);
INSERT INTO wi VALUES (1, 1, 1, 5), (2, 1, 2, 5), (3, 1, 1, 7), (4, 2, 2, 5), (5, NULL, 1, 1);
SELECT made('ties', 'SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r, sum(v) OVER (PARTITION BY g ORDER BY v) AS s FROM wi');
SELECT made('partitions', 'SELECT id, count(*) OVER (PARTITION BY g) AS ng, count(*) OVER (PARTITION BY h) AS nh FROM wi');
SELECT made('of_groups', 'SELECT g, sum(v) AS s, rank() OVER (ORDER BY sum(v) DESC) AS r FROM wi GROUP BY g');
BEGIN;
UPDATE wi SET v = 7 WHERE id = 1;
INSERT INTO wi VALUES (6, 2, 1, 50), (7, NULL, 2, 1);
DELETE FROM wi WHERE id = 2;
COMMIT;
SELECT * FROM fresh('ties');
SELECT * FROM fresh('partitions');
SELECT * FROM fresh('of_groups');
SELECT id, r, s FROM ties ORDER BY id;
SELECT g, s, r FROM of_groups ORDER BY r;

-- the NULL group, and an aggregate over nothing, below other operators
SELECT made('null_having', 'SELECT g, sum(v) AS s FROM wi GROUP BY g HAVING sum(v) > 1');
SELECT made('null_below', 'SELECT x.g, x.n FROM (SELECT g, count(*) AS n FROM wi GROUP BY g) x WHERE x.n > 0');
SELECT made('nothing_below', 'SELECT ex.id, (SELECT max(v) FROM wi WHERE wi.g = ex.id) AS m, (SELECT count(*) FROM wi WHERE wi.g = ex.id) AS n FROM ex');
DELETE FROM wi WHERE g IS NULL AND h = 1 OR g = 1;
SELECT * FROM fresh('null_having');
SELECT * FROM fresh('null_below');
SELECT * FROM fresh('nothing_below');
SELECT g, s FROM null_having ORDER BY g;
SELECT g, n FROM null_below ORDER BY g;
SELECT id, m, n FROM nothing_below ORDER BY id;

-- duplicates without a key on both sides of an outer join
SELECT made('duplicates_left', 'SELECT ea.v, eb.v AS w FROM ea LEFT JOIN eb ON ea.v = eb.v');
DELETE FROM ea WHERE ctid = (SELECT min(ctid) FROM ea WHERE v = 1);
UPDATE ea SET v = 3 WHERE ctid = (SELECT min(ctid) FROM ea WHERE v = 2);
INSERT INTO eb VALUES (2), (1);
SELECT * FROM fresh('duplicates_left');
SELECT v, w, count(*) FROM duplicates_left GROUP BY v, w ORDER BY v, w;

-- the dependent column renamed, above an outer join and below HAVING
CREATE TABLE dc (id int PRIMARY KEY, name text);
INSERT INTO dc VALUES (1, 'a'), (2, 'b');
SELECT made('dependent_left', 'SELECT dc.id, dc.name, count(ex.id) AS n FROM dc LEFT JOIN ex ON ex.id = dc.id GROUP BY dc.id HAVING count(*) > 0');
UPDATE dc SET name = upper(name) WHERE id = 1;
SELECT * FROM fresh('dependent_left');
SELECT id, name, n FROM dependent_left ORDER BY id;

-- recursion: one of several ways is cut, and the only one
CREATE TABLE ed (a int, b int);
INSERT INTO ed VALUES (1, 2), (1, 3), (2, 4), (3, 4), (4, 5), (4, 5);
SELECT made('ways', 'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT ed.b FROM r JOIN ed ON ed.a = r.n) SELECT n, count(*) AS ways FROM r GROUP BY n');
SELECT made('reached', 'WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT ed.b FROM r JOIN ed ON ed.a = r.n) SELECT n FROM r');
SELECT n, ways FROM ways ORDER BY n;
DELETE FROM ed WHERE a = 2;
SELECT * FROM fresh('ways');
SELECT * FROM fresh('reached');
SELECT n, ways FROM ways ORDER BY n;
DELETE FROM ed WHERE a = 3;
INSERT INTO ed VALUES (2, 6);
SELECT * FROM fresh('ways');
SELECT * FROM fresh('reached');
SELECT n FROM reached ORDER BY n;
