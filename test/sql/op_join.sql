-- Inner joins of any arity and predicate: the windows of both sides meet once.
\set VERBOSITY terse
CREATE SCHEMA op_join;
SET search_path = op_join, public;

CREATE TABLE a (id int PRIMARY KEY, k int, v text);
CREATE TABLE b (id int PRIMARY KEY, k int, w int);
CREATE TABLE c (id int PRIMARY KEY, k int, z int);
CREATE TABLE d (id int PRIMARY KEY, k int);
CREATE TABLE e (id int PRIMARY KEY, k int);
INSERT INTO a SELECT i, i % 6, 'a' || i FROM generate_series(1, 30) i;
INSERT INTO b SELECT i, i % 6, i FROM generate_series(1, 12) i;
INSERT INTO c SELECT i, i % 6, i * 10 FROM generate_series(1, 12) i;
INSERT INTO d SELECT i, i % 6 FROM generate_series(1, 6) i;
INSERT INTO e SELECT i, i % 6 FROM generate_series(1, 6) i;
INSERT INTO a VALUES (31, NULL, 'null');
INSERT INTO b VALUES (13, NULL, 13);

SELECT made('two', 'SELECT a.id, b.id AS bid, a.v, b.w FROM a JOIN b ON a.k = b.k');
SELECT made('two_nokey', 'SELECT a.k, b.w % 2 AS w2 FROM a, b WHERE a.k = b.k');
SELECT made('to_pk', 'SELECT a.id, a.v, b.w FROM a JOIN b ON b.id = a.k');
SELECT made('using_', 'SELECT id, a.k AS ak, b.k AS bk, w FROM a JOIN b USING (id)');
SELECT made('natural_', 'SELECT * FROM b NATURAL JOIN c');
SELECT made('three', 'SELECT a.id, b.id AS bid, c.id AS cid, z + w AS s FROM a JOIN b ON a.k = b.k JOIN c ON b.k = c.k');
SELECT made('chain', 'SELECT a.id, c.z FROM a JOIN b ON b.id = a.k JOIN c ON c.id = b.k');
SELECT made('star', 'SELECT a.v, b.w, c.z FROM a JOIN b ON b.id = a.k JOIN c ON c.id = a.k');
SELECT made('four', 'SELECT a.id AS ai, b.id AS bi, c.id AS ci, d.id AS di FROM a JOIN b USING (k) JOIN c USING (k) JOIN d USING (k)');
SELECT made('five', 'SELECT a.id, b.w, c.z, d.k, e.id AS eid FROM a, b, c, d, e WHERE a.k = b.id AND b.k = c.id AND c.k = d.id AND d.k = e.id');
SELECT made('self', 'SELECT x.id, y.id AS yid FROM a x JOIN a y ON x.k = y.k AND x.id < y.id');
SELECT made('self_pk', 'SELECT x.id, x.v, y.v AS boss FROM a x JOIN a y ON y.id = x.k');
SELECT made('self_three', 'SELECT x.id AS xi, y.id AS yi, z.id AS zi FROM d x JOIN d y ON x.k = y.id JOIN d z ON y.k = z.id');
SELECT made('cross_', 'SELECT b.id, d.id AS did FROM b CROSS JOIN d');
SELECT made('cross_self', 'SELECT x.k, y.k AS yk FROM d x, d y');
SELECT made('nonequi', 'SELECT b.id, c.id AS cid FROM b JOIN c ON b.w < c.id AND b.k <> c.k');
SELECT made('between_', 'SELECT b.id, c.z FROM b JOIN c ON c.z BETWEEN b.w AND b.w * 2');
SELECT made('or_', 'SELECT b.id, d.id AS did FROM b JOIN d ON b.k = d.k OR b.id = d.id');
SELECT made('distinctfrom', 'SELECT a.id, b.id AS bid FROM a JOIN b ON a.k IS NOT DISTINCT FROM b.k');
SELECT made('expr_key', 'SELECT a.id, c.z FROM a JOIN c ON a.id * 10 = c.z');
SELECT made('filtered', 'SELECT a.id, b.w FROM a JOIN b ON a.k = b.k WHERE a.id > 5 AND b.w < 10 AND a.id + b.w > 8');
SELECT made('on_true_filtered', 'SELECT x.id, y.id AS i2 FROM (SELECT * FROM a WHERE k = 1) x JOIN (SELECT * FROM a WHERE k = 2) y ON true');
SELECT made('grouped', 'SELECT b.k, count(*) AS n, sum(c.z) AS s, min(a.v COLLATE "C") AS m FROM a JOIN b ON a.k = b.k JOIN c ON c.k = b.k GROUP BY b.k');
SELECT made('one_side', 'SELECT a.v FROM a, d WHERE a.k = d.k');

SELECT count(*) FROM two;
SELECT count(*) FROM five;

-- one side
INSERT INTO a VALUES (40, 1, 'a40');
SELECT * FROM all_fresh('op_join');
UPDATE b SET w = w + 100 WHERE k = 2;
SELECT * FROM all_fresh('op_join');
DELETE FROM c WHERE id = 3;
SELECT * FROM all_fresh('op_join');

-- both sides in one window: both come, both go, one comes and one goes
INSERT INTO a VALUES (50, 77, 'a50');
INSERT INTO b VALUES (50, 77, 50);
SELECT * FROM all_fresh('op_join');
SELECT id, bid, v, w FROM two WHERE id = 50;
DELETE FROM a WHERE id = 50;
DELETE FROM b WHERE id = 50;
SELECT * FROM all_fresh('op_join');
INSERT INTO a VALUES (51, 3, 'a51');
DELETE FROM b WHERE k = 3;
SELECT * FROM all_fresh('op_join');

-- the join key moves and the old partner goes
UPDATE a SET k = 5 WHERE id = 4;
DELETE FROM b WHERE id = 4;
SELECT * FROM all_fresh('op_join');
SELECT count(*) FROM to_pk WHERE id = 4;
-- the join key moves on both sides at once
UPDATE a SET k = 60 WHERE k = 1;
UPDATE b SET k = 60 WHERE k = 1;
SELECT * FROM all_fresh('op_join');
-- keys trade places
UPDATE a SET k = CASE k WHEN 2 THEN 5 ELSE 2 END WHERE k IN (2, 5);
UPDATE b SET k = CASE k WHEN 2 THEN 5 ELSE 2 END WHERE k IN (2, 5);
UPDATE c SET k = CASE k WHEN 2 THEN 5 ELSE 2 END WHERE k IN (2, 5);
SELECT * FROM all_fresh('op_join');
-- all of five tables at once
UPDATE a SET k = k + 1, v = v || '+' WHERE id % 2 = 0;
UPDATE b SET k = k + 1 WHERE id % 3 = 0;
UPDATE c SET k = k - 1, z = z + 1;
UPDATE d SET k = 7 - id;
UPDATE e SET k = k + 1;
INSERT INTO d VALUES (7, 1);
DELETE FROM e WHERE id = 2;
SELECT * FROM all_fresh('op_join');
-- to NULL and from NULL
UPDATE a SET k = NULL WHERE id IN (10, 11, 12);
UPDATE b SET k = 4 WHERE k IS NULL;
SELECT * FROM all_fresh('op_join');
UPDATE a SET k = 4 WHERE k IS NULL;
UPDATE b SET k = NULL WHERE id = 13;
SELECT * FROM all_fresh('op_join');
-- self-join: both occurrences see the one change
INSERT INTO a SELECT 60 + i, 90 + i % 2, 'self' FROM generate_series(1, 6) i;
SELECT * FROM all_fresh('op_join');
SELECT id, yid FROM self WHERE id > 60 ORDER BY 1, 2;
UPDATE a SET k = 92 WHERE k = 90;
DELETE FROM a WHERE k = 91 AND id < 64;
SELECT * FROM all_fresh('op_join');
SELECT id, yid FROM self WHERE id > 60 ORDER BY 1, 2;

-- one side empties and fills again
DELETE FROM d;
SELECT * FROM all_fresh('op_join');
SELECT count(*) FROM four;
INSERT INTO d SELECT i, i % 4 FROM generate_series(1, 6) i;
SELECT * FROM all_fresh('op_join');

-- tables without keys, rows in duplicate
CREATE TABLE p (k int, v text);
CREATE TABLE q (k int, w text);
INSERT INTO p VALUES (1, 'x'), (1, 'x'), (2, 'y'), (NULL, 'n');
INSERT INTO q VALUES (1, 'q'), (1, 'q'), (1, 'r'), (2, 's'), (2, 's');
SELECT made('pq', 'SELECT p.k, v, w FROM p JOIN q ON p.k = q.k');
SELECT count(*) FROM pq;
INSERT INTO p VALUES (1, 'x');
INSERT INTO q VALUES (1, 'q');
SELECT * FROM fresh('pq');
SELECT count(*) FROM pq;
DELETE FROM p WHERE ctid = (SELECT min(ctid) FROM p WHERE k = 1);
DELETE FROM q WHERE ctid = (SELECT min(ctid) FROM q WHERE k = 1);
SELECT * FROM fresh('pq');
UPDATE p SET v = 'z' WHERE ctid = (SELECT min(ctid) FROM p WHERE k = 1);
UPDATE q SET k = 1 WHERE k = 2;
SELECT * FROM fresh('pq');
SELECT k, v, w, count(*) FROM pq GROUP BY k, v, w ORDER BY k, v, w;

-- division by zero happens only for a pair that never exists
CREATE TABLE l (id int PRIMARY KEY, k int, n int);
CREATE TABLE r (id int PRIMARY KEY, k int, m int);
INSERT INTO l VALUES (1, 1, 10);
INSERT INTO r VALUES (1, 1, 2);
SELECT made('div', 'SELECT l.id, r.id AS rid, l.n / r.m AS q FROM l JOIN r ON l.k = r.k');
BEGIN;
DELETE FROM r WHERE id = 1;
UPDATE l SET k = 2;
INSERT INTO r VALUES (2, 1, 0), (3, 2, 5);
COMMIT;
SELECT * FROM fresh('div');
SELECT id, rid, q FROM div;
