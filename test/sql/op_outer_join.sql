-- LEFT, RIGHT and FULL joins: rows find their first partner and lose their last,
-- while they change themselves.
\set VERBOSITY terse
CREATE SCHEMA op_outer_join;
SET search_path = op_outer_join, public;

-- a and b have keys; c is of another type; p and q hold rows in duplicate
CREATE TABLE a (id int PRIMARY KEY, k int, m int, v text);
CREATE TABLE b (id int PRIMARY KEY, k int, m int, w int);
CREATE TABLE c (k bigint, z text);
CREATE TABLE p (k int, v text);
CREATE TABLE q (k int, w text);
INSERT INTO a VALUES (1, 1, 1, 'a1'), (2, 1, 2, 'a2'), (3, 2, 1, 'a3'), (4, 3, 3, 'a4'),
	(5, NULL, 1, 'a5'), (6, NULL, NULL, 'a6'), (7, 4, NULL, NULL);
INSERT INTO b VALUES (1, 1, 1, 10), (2, 1, 1, 20), (3, 2, 2, NULL), (4, 5, 1, 40), (5, NULL, 1, 50), (6, 4, NULL, 60);
INSERT INTO c VALUES (1, 'c1'), (1, 'c1'), (2, NULL), (6, 'c6'), (NULL, 'cn');
INSERT INTO p VALUES (1, 'x'), (1, 'x'), (2, 'y'), (NULL, 'n'), (NULL, 'n');
INSERT INTO q VALUES (1, 'q'), (1, 'q'), (3, 's'), (NULL, 'n');

-- one equality
SELECT made('left_', 'SELECT a.id, a.v, b.id AS bid, b.w FROM a LEFT JOIN b ON a.k = b.k');
SELECT made('right_', 'SELECT a.id, a.v, b.id AS bid, b.w FROM a RIGHT JOIN b ON a.k = b.k');
SELECT made('full_', 'SELECT a.id, a.v, b.id AS bid, b.w FROM a FULL JOIN b ON a.k = b.k');
SELECT made('left_pk', 'SELECT a.id, a.v, b.w FROM a LEFT JOIN b ON b.id = a.k');
SELECT made('full_pk', 'SELECT a.id, b.id AS bid, a.v, b.w FROM a FULL JOIN b ON a.id = b.id');
SELECT made('left_expression', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k + a.m = b.k * 2');
SELECT made('left_one_side', 'SELECT a.v FROM a LEFT JOIN b ON a.k = b.k');
-- several, and of different types
SELECT made('left_two_columns', 'SELECT a.id, b.id AS bid, b.w FROM a LEFT JOIN b ON a.k = b.k AND b.m = a.m');
SELECT made('full_two_columns', 'SELECT a.id, b.id AS bid, b.w FROM a FULL JOIN b ON a.k = b.k AND a.m = b.m');
SELECT made('left_types', 'SELECT a.id, c.z FROM a LEFT JOIN c ON a.k = c.k');
SELECT made('right_types', 'SELECT a.id, c.k, c.z FROM a RIGHT JOIN c ON c.k = a.k');
SELECT made('full_types', 'SELECT a.id, c.k, c.z FROM a FULL JOIN c ON a.k = c.k');
-- other predicates
SELECT made('left_less', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k < b.k');
SELECT made('right_less', 'SELECT a.id, b.id AS bid FROM a RIGHT JOIN b ON a.k > b.m AND a.m <= b.k');
SELECT made('left_between', 'SELECT a.id, b.w FROM a LEFT JOIN b ON b.w BETWEEN a.k * 10 AND a.k * 20');
SELECT made('left_or', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k OR a.m = b.id');
SELECT made('left_not_distinct', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k IS NOT DISTINCT FROM b.k');
SELECT made('left_true', 'SELECT p.k, q.w FROM p LEFT JOIN q ON true');
SELECT made('left_false', 'SELECT a.id, b.w FROM a LEFT JOIN b ON false');
SELECT made('full_true', 'SELECT p.k, q.w FROM p FULL JOIN q ON true');
-- conditions on one side, in ON and in WHERE
SELECT made('left_on_left', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND a.m = 1');
SELECT made('left_on_right', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND b.w > 15');
SELECT made('left_only_left', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.m = 1');
SELECT made('left_on_both', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND a.m * 10 < b.w');
SELECT made('full_on_left', 'SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k AND a.m = 1');
SELECT made('full_on_right', 'SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k AND b.w > 15');
SELECT made('full_on_both', 'SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k AND a.id <> b.id');
SELECT made('left_anti', 'SELECT a.id, a.k FROM a LEFT JOIN b ON a.k = b.k WHERE b.id IS NULL');
SELECT made('full_anti', 'SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k WHERE a.id IS NULL OR b.id IS NULL');
SELECT made('left_where', 'SELECT a.id, b.w FROM a LEFT JOIN b ON a.k = b.k WHERE b.w IS NULL OR a.m = 1');
SELECT made('left_where_strict', 'SELECT a.id, b.w FROM a LEFT JOIN b ON a.k = b.k WHERE b.w > 15');
SELECT made('left_on_exists', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND EXISTS (SELECT FROM c WHERE c.k = b.m)');
-- conditions with subqueries, of one side, of both, and of none
SELECT made('on_exists_left', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND EXISTS (SELECT FROM c WHERE c.k = a.m)');
SELECT made('on_exists_both', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND EXISTS (SELECT FROM c WHERE c.k = a.m AND c.k < b.id)');
SELECT made('on_exists_only', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON EXISTS (SELECT FROM c WHERE c.k = a.k AND c.k = b.m)');
SELECT made('on_not_exists_right', 'SELECT a.id, b.id AS bid FROM a RIGHT JOIN b ON a.k = b.k AND NOT EXISTS (SELECT FROM p WHERE p.k = a.m AND p.k = b.m)');
SELECT made('on_in', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND a.m IN (SELECT k FROM p)');
SELECT made('on_in_both', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND (a.m, b.m) IN (SELECT k, k FROM p)');
SELECT made('on_not_in', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND a.m NOT IN (SELECT q.k FROM q WHERE q.k > b.m)');
SELECT made('on_in_or', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND (a.id = b.id OR a.m IN (SELECT k FROM p))');
SELECT made('on_scalar', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON b.id = (SELECT max(x.id) FROM b x WHERE x.k = a.k)');
SELECT made('on_scalar_both', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND b.w = (SELECT max(x.w) FROM b x WHERE x.k = a.k AND x.m = b.m)');
SELECT made('on_scalar_closed', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k AND a.m < (SELECT max(k) FROM c)');
SELECT made('on_case', 'SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON CASE WHEN EXISTS (SELECT FROM c WHERE c.k = a.k) THEN a.k = b.k ELSE a.m = b.m END');
SELECT made('on_groups', 'SELECT a.id, g.n FROM a LEFT JOIN (SELECT k, count(*) AS n FROM b GROUP BY k) g ON g.k = a.k AND EXISTS (SELECT FROM p WHERE p.k = a.m)');
SELECT made('on_join', 'SELECT a.id, b.id AS bid, c.z FROM a LEFT JOIN (b JOIN c ON b.m = c.k) ON a.k = b.k AND NOT EXISTS (SELECT FROM q WHERE q.k = a.m AND q.k < c.k)');
SELECT made('on_left_join', 'SELECT a.id, b.id AS bid, c.z FROM a LEFT JOIN (b LEFT JOIN c ON b.m = c.k AND b.k NOT IN (SELECT k FROM q WHERE q.k = c.k)) ON a.k = b.k AND EXISTS (SELECT FROM p WHERE p.k = a.m)');
SELECT made('on_merged', 'SELECT a.id, j.k, j.z, x.v FROM a LEFT JOIN ((b JOIN c USING (k)) AS j CROSS JOIN LATERAL (SELECT max(v) AS v FROM p WHERE p.k = a.m) x) ON j.m = a.m');
SELECT made('on_merged_full', 'SELECT a.id, j.k, j.z, x.v FROM a LEFT JOIN ((b FULL JOIN c USING (k)) AS j CROSS JOIN LATERAL (SELECT max(v) AS v FROM p WHERE p.k = a.m AND p.k = j.k) x) ON j.m = a.m AND j.k NOT IN (SELECT k FROM q WHERE q.k > a.k)');
SELECT made('on_keyless', 'SELECT p.v, q.w FROM p LEFT JOIN q ON p.k = q.k AND EXISTS (SELECT FROM c WHERE c.k = p.k)');
SELECT made('on_self', 'SELECT x.id, y.id AS yid FROM a x LEFT JOIN a y ON x.k = y.m AND y.id = (SELECT min(z.id) FROM a z WHERE z.m = x.k AND z.k >= y.k)');
SELECT made('on_unique', 'SELECT a.id, b.w FROM a LEFT JOIN b ON b.id = a.k AND EXISTS (SELECT FROM c WHERE c.k = b.m AND c.k <= a.m)');
SELECT made('on_group', 'SELECT a.k, count(*) AS n, count(b.id) AS nb, sum(b.w) AS s FROM a LEFT JOIN b ON a.k = b.k AND a.m IN (SELECT k FROM p) GROUP BY a.k');
SELECT made('above_left', 'SELECT a.id, b.id AS bid, (SELECT max(z) FROM c WHERE c.k = b.m) AS z FROM a LEFT JOIN b ON a.k = b.k');
SELECT made('above_left_exists', 'SELECT a.id FROM a LEFT JOIN b ON a.k = b.k WHERE NOT EXISTS (SELECT FROM c WHERE c.k = b.m)');
-- merged columns
SELECT made('left_using', 'SELECT k, a.v, b.w FROM a LEFT JOIN b USING (k)');
SELECT made('right_using', 'SELECT k, a.v, b.w FROM a RIGHT JOIN b USING (k)');
SELECT made('full_using', 'SELECT k, a.k AS ak, b.k AS bk, a.v, b.w FROM a FULL JOIN b USING (k)');
SELECT made('full_using_two', 'SELECT k, m, a.v, b.w FROM a FULL JOIN b USING (k, m)');
SELECT made('full_using_types', 'SELECT k, a.v, c.z FROM a FULL JOIN c USING (k)');
SELECT made('left_natural', 'SELECT * FROM a NATURAL LEFT JOIN b');
SELECT made('full_natural', 'SELECT * FROM a NATURAL FULL JOIN b');
-- nested
SELECT made('left_left', 'SELECT a.id, b.id AS bid, c.z FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN c ON b.m = c.k');
SELECT made('left_left_first', 'SELECT a.id, b.id AS bid, c.z FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN c ON a.m = c.k AND b.id IS NULL');
SELECT made('left_of_join', 'SELECT a.id, b.w, c.z FROM a LEFT JOIN (b JOIN c ON b.m = c.k) ON a.k = b.k');
SELECT made('left_of_left', 'SELECT a.id, b.id AS bid, c.z FROM a LEFT JOIN (b LEFT JOIN c ON b.m = c.k) ON a.k = b.k');
SELECT made('join_of_left', 'SELECT a.id, b.w, c.z FROM a LEFT JOIN b ON a.k = b.k JOIN c ON c.k = a.m');
SELECT made('beside_left', 'SELECT a.id, b.w, c.z FROM c, a LEFT JOIN b ON a.k = b.k WHERE c.k = a.k');
SELECT made('full_full', 'SELECT k, a.id, b.id AS bid, c.z FROM a FULL JOIN b USING (k) FULL JOIN c USING (k)');
SELECT made('left_full', 'SELECT a.id, b.w, c.z FROM a LEFT JOIN (b FULL JOIN c ON b.k = c.k) ON a.m = coalesce(b.k, c.k)');
SELECT made('right_left', 'SELECT a.id, b.id AS bid, p.v FROM a RIGHT JOIN b ON a.k = b.k LEFT JOIN p ON p.k = a.m');
-- over and under other operators
SELECT made('left_group', 'SELECT a.id, g.n, g.s FROM a LEFT JOIN (SELECT k, count(*) AS n, sum(w) AS s FROM b GROUP BY k) g ON g.k = a.k');
SELECT made('full_groups', 'SELECT k, x.n, y.s FROM (SELECT k, count(*) AS n FROM a GROUP BY k) x FULL JOIN (SELECT k, sum(w) AS s FROM b GROUP BY k) y USING (k)');
SELECT made('left_union_all', 'SELECT a.id, u.t FROM a LEFT JOIN (SELECT k, z AS t FROM c UNION ALL SELECT k, v FROM p) u ON u.k = a.k');
SELECT made('left_distinct', 'SELECT a.id, d.k FROM a LEFT JOIN (SELECT DISTINCT k FROM q) d ON d.k = a.k');
SELECT made('left_constant', 'SELECT a.id, x.found, x.w2 FROM a LEFT JOIN (SELECT k, true AS found, coalesce(w, 0) AS w2 FROM b) x ON x.k = a.k');
SELECT made('left_values', 'SELECT a.id, x.name FROM a LEFT JOIN (VALUES (1, ''one''), (2, ''two''), (9, ''nine'')) x(n, name) ON x.n = a.k');
SELECT made('right_values', 'SELECT a.id, x.name FROM a RIGHT JOIN (VALUES (1, ''one''), (2, ''two''), (9, ''nine'')) x(n, name) ON x.n = a.k');
SELECT made('right_series', 'SELECT a.id, i FROM a RIGHT JOIN generate_series(1, 5) i ON i = a.k');
SELECT made('group_left', 'SELECT a.k, count(*) AS n, count(b.id) AS nb, sum(b.w) AS s, max(b.w) AS mx FROM a LEFT JOIN b ON a.k = b.k GROUP BY a.k');
SELECT made('group_full', 'SELECT k, count(a.id) AS na, count(b.id) AS nb, sum(b.w) AS s FROM a FULL JOIN b USING (k) GROUP BY k');
SELECT made('total_full', 'SELECT count(*) AS n, sum(a.m) AS m, sum(b.w) AS w FROM a FULL JOIN b ON a.k = b.k');
SELECT made('distinct_left', 'SELECT DISTINCT a.k, b.m FROM a LEFT JOIN b ON a.k = b.k');
SELECT made('coalesce_', 'SELECT a.id, coalesce(b.w, -1) AS w, b.id IS NULL AS alone FROM a LEFT JOIN b ON a.k = b.k');
SELECT made('union_left', 'SELECT a.id, b.w FROM a LEFT JOIN b ON a.k = b.k UNION ALL SELECT b.id, a.m FROM b LEFT JOIN a ON a.id = b.k');
-- the same table on both sides
SELECT made('self_left', 'SELECT x.id, x.v, y.v AS boss FROM a x LEFT JOIN a y ON y.id = x.k');
SELECT made('self_full', 'SELECT x.id, y.id AS yid FROM a x FULL JOIN a y ON x.k = y.m');
SELECT made('self_same', 'SELECT x.id, y.id AS yid FROM a x LEFT JOIN a y ON x.k = y.k AND x.id < y.id');
SELECT made('self_keyless', 'SELECT x.k, y.v FROM p x FULL JOIN p y ON x.k = y.k');
-- without keys
SELECT made('pq_left', 'SELECT p.k, p.v, q.w FROM p LEFT JOIN q ON p.k = q.k');
SELECT made('pq_right', 'SELECT p.v, q.k, q.w FROM p RIGHT JOIN q ON p.k = q.k');
SELECT made('pq_full', 'SELECT p.k, p.v, q.k AS qk, q.w FROM p FULL JOIN q ON p.k = q.k');
SELECT made('pq_bare', 'SELECT p.v FROM p FULL JOIN q ON p.k = q.k');

CREATE VIEW pq_counted AS
	SELECT k, v, qk, w, count(*) AS rows FROM pq_full GROUP BY k, v, qk, w ORDER BY k, v, qk, w;
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT * FROM pq_counted;

-- first partners: of a row that was there, and of one that comes along
BEGIN;
INSERT INTO a VALUES (8, 9, 1, 'a8'), (9, 5, 2, 'a9');
INSERT INTO b VALUES (7, 9, 1, 70), (8, 3, 3, 80), (9, 8, 8, 90);
INSERT INTO c VALUES (3, 'c3'), (8, 'c8'), (8, 'c8');
INSERT INTO p VALUES (3, 'z'), (4, 'four'), (1, 'x');
INSERT INTO q VALUES (2, 'q2'), (4, 'four'), (4, 'four');
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT * FROM pq_counted;

-- last partners go, from rows that change and rows that do not
BEGIN;
DELETE FROM b WHERE k IN (1, 9);
UPDATE a SET v = v || '!' WHERE id IN (1, 8);
DELETE FROM a WHERE k = 5;
UPDATE b SET w = w + 1 WHERE k = 5;
DELETE FROM c WHERE k IN (1, 3);
DELETE FROM q WHERE k IN (1, 2);
UPDATE p SET v = 'changed' WHERE k = 2;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT * FROM pq_counted;

-- the key moves and the old partner goes; keys trade places
BEGIN;
UPDATE a SET k = 4 WHERE id = 3;
DELETE FROM b WHERE id = 3;
UPDATE a SET k = CASE k WHEN 1 THEN 3 ELSE 1 END WHERE k IN (1, 3);
UPDATE b SET k = CASE k WHEN 4 THEN 8 ELSE 4 END WHERE k IN (4, 8);
UPDATE c SET k = 4 WHERE k = 8;
UPDATE p SET k = 4 - k WHERE k IN (1, 3);
UPDATE q SET k = k + 1;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;

-- NULL comes to both sides and goes from both
BEGIN;
UPDATE a SET k = CASE WHEN k IS NULL THEN 4 END WHERE k IS NULL OR k = 4;
UPDATE b SET k = CASE WHEN k IS NULL THEN 4 END, m = 2 WHERE k IS NULL OR k = 4;
UPDATE c SET k = NULL, z = NULL WHERE k = 4;
UPDATE c SET k = 2 WHERE z = 'cn';
UPDATE p SET k = CASE WHEN k IS NULL THEN 4 END WHERE k IS NULL OR k = 2;
UPDATE q SET k = CASE WHEN k IS NULL THEN 4 END WHERE k IS NULL OR k = 5;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT * FROM pq_counted;

-- one of two equal rows is deleted, another is changed
BEGIN;
INSERT INTO p VALUES (1, 'd'), (1, 'd'), (NULL, 'd'), (NULL, 'd');
INSERT INTO q VALUES (1, 'd'), (1, 'd'), (NULL, 'd');
INSERT INTO c VALUES (4, 'd'), (4, 'd');
UPDATE a SET k = 4 WHERE id = 1;
INSERT INTO b VALUES (20, 1, 1, 1);
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
BEGIN;
DELETE FROM p WHERE ctid = (SELECT min(ctid) FROM p WHERE k = 1);
UPDATE p SET v = 'e' WHERE ctid = (SELECT min(ctid) FROM p WHERE k IS NULL);
UPDATE q SET k = 3 WHERE ctid = (SELECT max(ctid) FROM q WHERE k = 1);
DELETE FROM q WHERE ctid = (SELECT min(ctid) FROM q WHERE k IS NULL);
DELETE FROM c WHERE ctid = (SELECT min(ctid) FROM c WHERE k = 4);
UPDATE a SET m = m + 1;
UPDATE b SET w = w - 1, m = m + 1 WHERE id % 2 = 0;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT * FROM pq_counted;

-- one side empties; the other empties while the first fills again
BEGIN;
DELETE FROM b;
DELETE FROM c;
DELETE FROM q;
UPDATE a SET m = 1 WHERE id = 4;
UPDATE p SET v = 'lonely' WHERE k = 1;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT n, m, w FROM total_full;
BEGIN;
DELETE FROM a;
DELETE FROM p;
INSERT INTO b VALUES (1, 1, 1, 10), (2, NULL, NULL, NULL);
INSERT INTO c VALUES (1, 'c1'), (NULL, NULL);
INSERT INTO q VALUES (1, 'q'), (1, 'q');
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;
SELECT * FROM pq_counted;
SELECT n, m, w FROM total_full;
BEGIN;
INSERT INTO a VALUES (1, 1, 1, 'back'), (2, NULL, 1, 'none');
INSERT INTO p VALUES (1, 'x'), (2, 'y');
UPDATE b SET k = 2 WHERE id = 1;
DELETE FROM c WHERE k IS NULL;
INSERT INTO q VALUES (2, 'r');
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, v, bid, w FROM full_ ORDER BY id, bid;

-- nothing is written for a row whose partners trade places
CREATE TABLE l (id int PRIMARY KEY, k int);
CREATE TABLE r (id int PRIMARY KEY, k int, w int);
INSERT INTO l VALUES (1, 1), (2, 2);
INSERT INTO r VALUES (1, 1, 5), (2, 3, 5);
SELECT made('traded', 'SELECT l.id, r.w FROM l LEFT JOIN r ON l.k = r.k');
BEGIN;
UPDATE r SET k = 4 - k;
UPDATE l SET k = 9 WHERE id = 2;
COMMIT;
SELECT * FROM fresh('traded');
SELECT rows_inserted, rows_updated, rows_deleted FROM pgtrickle.get_refresh_history('traded', 1);
SELECT id, w FROM traded ORDER BY id;

-- what a side has decided, nobody asks again: its other columns may change
CREATE TABLE o1 (id int PRIMARY KEY, k int, note text);
CREATE TABLE o2 (id int PRIMARY KEY, k int, x int, note text);
CREATE TABLE o3 (x int, f int);
INSERT INTO o1 VALUES (1, 1, 'a'), (2, 2, 'b'), (3, NULL, 'c'), (4, 4, 'd');
INSERT INTO o2 VALUES (1, 1, 1, 'yes'), (2, 1, 2, 'no'), (3, 2, 3, 'yes'), (4, NULL, 1, 'yes'), (5, 9, 9, 'yes');
INSERT INTO o3 VALUES (1, 5), (2, 1), (3, 7), (3, 7), (9, 9);
SELECT made('side_left', 'SELECT o1.id, count(o2.id) AS n FROM o1 LEFT JOIN o2 ON o1.k = o2.k AND o2.note <> ''no'' GROUP BY o1.id');
SELECT made('side_inner', 'SELECT o1.id, o2.id AS id2 FROM o1 LEFT JOIN (o2 JOIN o3 ON o2.x = o3.x AND o3.f > 4) ON o1.k = o2.k');
SELECT made('side_outer', 'SELECT o1.id, o2.id AS id2 FROM o1 LEFT JOIN (o2 LEFT JOIN o3 ON o2.x = o3.x AND o3.f > 4 AND o2.note = ''yes'')
	ON o1.k = o2.k AND o1.note < ''c'' AND o3.f IS NOT NULL');
SELECT made('side_full', 'SELECT o1.id, o2.id AS id2 FROM o1 FULL JOIN o2 ON o1.k = o2.k AND o2.note <> ''no''');
SELECT made('side_right', 'SELECT o3.x, o1.id FROM (o1 JOIN o2 ON o1.k = o2.k AND o2.note = ''yes'') RIGHT JOIN o3 ON o3.x = o2.x');
UPDATE o2 SET note = 'maybe' WHERE id IN (1, 5);
SELECT * FROM all_fresh('op_outer_join');
SELECT st, rows_inserted, rows_updated, rows_deleted FROM unnest('{_left,_inner,_outer,_full,_right}'::text[]) st,
	pgtrickle.get_refresh_history('side' || st, 1);
BEGIN;
UPDATE o2 SET note = CASE note WHEN 'no' THEN 'yes' ELSE 'no' END;
UPDATE o3 SET f = 10 - f;
UPDATE o1 SET note = 'b';
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT id, n FROM side_left ORDER BY id;

-- of the rows that match and do not change, one tells as much as all
CREATE TABLE h1 (k int, t text, v int);
CREATE TABLE h2 (k int, t text, w int);
CREATE INDEX ON h2 (k);
INSERT INTO h1 VALUES (1, 'a', 1), (1, 'a', 1), (1, 'b', 2), (2, 'a', 3), (3, NULL, 4), (NULL, 'a', 5), (4, 'c', 6);
INSERT INTO h2 SELECT 1, CASE WHEN i % 2 = 0 THEN 'a' END, i % 5 FROM generate_series(1, 60) i;
INSERT INTO h2 VALUES (2, 'a', 1), (2, 'a', 1), (4, 'c', 1), (4, 'd', 1);
SELECT made('hot', 'SELECT h1.t, v, w FROM h1 LEFT JOIN h2 ON h1.k = h2.k');
SELECT made('hot_two', 'SELECT h1.k, v, w FROM h2 RIGHT JOIN h1 ON h1.t = h2.t AND h1.k = h2.k AND w > 0');
SELECT made('hot_count', 'SELECT h1.k, count(w) AS n, count(*) AS m FROM h1 LEFT JOIN h2 ON h1.k = h2.k GROUP BY h1.k');
-- one of many; and the first and the last of a few
INSERT INTO h2 VALUES (1, 'a', 3), (3, NULL, 3);
DELETE FROM h2 WHERE k = 2;
SELECT * FROM all_fresh('op_outer_join');
BEGIN;
UPDATE h2 SET w = w + 1 WHERE k = 1 AND t IS NULL;
DELETE FROM h2 WHERE k = 4 AND t = 'd';
INSERT INTO h2 VALUES (2, 'a', 1), (2, 'b', 0);
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
-- other rows take the places of all
BEGIN;
DELETE FROM h2 WHERE k IN (1, 2);
INSERT INTO h2 SELECT 1, 'a', i % 5 FROM generate_series(1, 30) i;
INSERT INTO h2 VALUES (NULL, 'a', 1);
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
-- rows of the first side come and go, too
BEGIN;
INSERT INTO h1 VALUES (1, 'a', 1), (2, 'a', 7), (4, 'c', 6);
DELETE FROM h1 WHERE v = 2;
UPDATE h1 SET k = 1 WHERE k = 3;
INSERT INTO h2 VALUES (1, 'b', 9), (4, 'c', 0);
DELETE FROM h2 WHERE ctid = (SELECT min(ctid) FROM h2 WHERE k = 1);
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
SELECT k, n, m FROM hot_count ORDER BY k;
-- and many at once
BEGIN;
INSERT INTO h1 SELECT i, 'a', i FROM generate_series(1, 800) i;
INSERT INTO h2 SELECT i, 'a', i % 3 FROM generate_series(1, 900) i, generate_series(1, 3);
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
BEGIN;
UPDATE h2 SET w = 7 - w WHERE k % 2 = 0;
DELETE FROM h2 WHERE k % 3 = 0;
DELETE FROM h1 WHERE k % 7 = 0;
COMMIT;
SELECT * FROM all_fresh('op_outer_join');
