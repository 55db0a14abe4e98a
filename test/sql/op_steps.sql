-- Joins of which many rows change at once, in several tables: one table after
-- the other.
\set VERBOSITY terse
CREATE SCHEMA op_steps;
SET search_path = op_steps, public;

CREATE TABLE region (r int PRIMARY KEY, name text);
CREATE TABLE nation (n int PRIMARY KEY, r int, name text);
CREATE TABLE cust (c int PRIMARY KEY, n int, kind text, note text);
CREATE TABLE ord (o int PRIMARY KEY, c int, day date, price numeric);
CREATE TABLE part (p int PRIMARY KEY, kind text, size int);
CREATE TABLE line (o int, nr int, p int, qty int, price numeric, note text, PRIMARY KEY (o, nr));
CREATE TABLE bag (o int, tag text);
INSERT INTO region VALUES (1, 'east'), (2, 'west');
INSERT INTO nation SELECT i, 1 + i % 2, 'n' || i FROM generate_series(1, 6) i;
INSERT INTO cust SELECT i, 1 + i % 6, 'k' || i % 4, 'x' FROM generate_series(1, 60) i;
INSERT INTO ord SELECT i, 1 + i % 60, date '2020-01-01' + i % 40, i FROM generate_series(1, 400) i;
INSERT INTO part SELECT i, 'k' || i % 5, i % 10 FROM generate_series(1, 80) i;
INSERT INTO line SELECT o, nr, 1 + (o * 7 + nr * 3) % 80, 1 + (o + nr) % 9, o + nr, 'y'
FROM generate_series(1, 400) o, generate_series(1, 4) nr;
INSERT INTO bag SELECT i % 50, 't' || i % 3 FROM generate_series(1, 200) i;

SELECT made('six', 'SELECT nation.name, part.kind, sum(qty * line.price) AS s, count(*) AS n
	FROM region, nation, cust, ord, line, part
	WHERE region.r = nation.r AND nation.n = cust.n AND cust.c = ord.c AND ord.o = line.o AND line.p = part.p
		AND region.name = ''east'' AND day >= ''2020-01-05'' AND part.size < 7 GROUP BY nation.name, part.kind');
SELECT made('rows_', 'SELECT line.o, nr, part.kind, cust.kind AS ckind, day FROM line
	JOIN part USING (p) JOIN ord USING (o) JOIN cust USING (c) WHERE part.kind LIKE ''k_'' AND cust.kind <> ''k1''');
SELECT made('arms', 'SELECT line.o, nr, part.p FROM line, part, ord WHERE ord.o = line.o
	AND ((line.p = part.p AND part.kind = ''k1'' AND qty BETWEEN 2 AND 5 AND day < ''2020-01-20'')
	  OR (line.p = part.p AND part.kind = ''k2'' AND qty > 3 AND part.size > 2))');
SELECT made('twice', 'SELECT a.name AS an, b.name AS bn, count(*) AS n FROM nation a, nation b, cust x, cust y, ord
	WHERE a.n = x.n AND b.n = y.n AND x.c = ord.c AND y.c = ord.o AND (a.name = ''n1'' AND b.name = ''n2'' OR a.name = ''n2'')
	GROUP BY a.name, b.name');
SELECT made('bags', 'SELECT tag, cust.kind FROM bag, ord, cust WHERE bag.o = ord.o AND ord.c = cust.c');
SELECT made('no_columns', 'SELECT count(*) AS n FROM region, part, nation WHERE part.size < 3');
SELECT made('crossed', 'SELECT x.r, part.p, cust.c FROM region x, part, cust WHERE part.size = 1 AND cust.kind = ''k2''');
SELECT made('over_groups', 'SELECT cust.kind, g.total, day FROM cust, ord,
	(SELECT o, sum(qty) AS total FROM line GROUP BY o) g WHERE g.o = ord.o AND ord.c = cust.c AND g.total > 15');
SELECT made('members', 'SELECT ord.o, cust.kind, price FROM ord, cust WHERE ord.c = cust.c
	AND o IN (SELECT o FROM line GROUP BY o HAVING sum(qty) > 22) AND cust.n IN (SELECT n FROM nation WHERE r = 1)');
SELECT made('halves', 'SELECT a.o, a.nr, b.p FROM (SELECT * FROM line WHERE qty > 6) a
	JOIN (SELECT * FROM part WHERE kind = ''k3'') b ON a.p = b.p JOIN ord ON ord.o = a.o AND ord.price > a.price - 2');
SELECT made('false_', 'SELECT ord.o FROM ord, line WHERE ord.o = line.o AND 1 = 2');

-- all tables, all kinds of changes
CREATE PROCEDURE change(seed int)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE nation SET r = 3 - r WHERE n % 6 = seed % 6;
	UPDATE region SET name = CASE name WHEN 'east' THEN 'west' ELSE 'east' END WHERE seed % 3 = 0;
	UPDATE cust SET n = 1 + (n + seed) % 6, kind = 'k' || (c + seed) % 4 WHERE c % 5 = seed % 5;
	UPDATE cust SET note = note || seed;
	DELETE FROM ord WHERE o % 9 = seed % 9;
	INSERT INTO ord SELECT o, 1 + (o * seed) % 60, date '2020-01-01' + (o * seed) % 40, o
	FROM generate_series(1, 420) o ON CONFLICT (o) DO UPDATE SET price = ord.price + 1, day = ord.day + seed % 3;
	UPDATE part SET kind = 'k' || (p * seed) % 5, size = (p + seed) % 10 WHERE p % 4 = seed % 4;
	DELETE FROM line WHERE (o + nr) % 7 = seed % 7;
	INSERT INTO line SELECT o, 5, 1 + (o * seed) % 80, 1 + (o + seed) % 9, o, 'z' FROM generate_series(1, 400, 3) o
	ON CONFLICT DO NOTHING;
	UPDATE line SET qty = 1 + (qty + seed) % 9, p = 1 + (p + seed) % 80 WHERE (o + nr) % 2 = seed % 2;
	INSERT INTO bag SELECT (o * seed) % 60, 't' || o % 2 FROM generate_series(1, 150) o;
	DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag ORDER BY o, tag, ctid LIMIT 100);
END $$;
CALL change(1);
SELECT * FROM all_fresh('op_steps');
SELECT count(*) > 0 AS some FROM six UNION ALL SELECT count(*) > 0 FROM rows_ UNION ALL SELECT count(*) > 0 FROM arms
UNION ALL SELECT count(*) > 0 FROM twice UNION ALL SELECT count(*) > 0 FROM bags UNION ALL SELECT count(*) > 0 FROM crossed
UNION ALL SELECT count(*) > 0 FROM over_groups UNION ALL SELECT count(*) > 0 FROM members UNION ALL SELECT count(*) > 0 FROM halves;
CALL change(2);
SELECT * FROM all_fresh('op_steps');
CALL change(3);
SELECT * FROM all_fresh('op_steps');

-- a filter leaves nothing of some table's changes
UPDATE part SET kind = 'other', size = 9 WHERE size >= 7;
UPDATE line SET qty = qty + 1, note = 'w';
UPDATE ord SET price = price + 1;
SELECT * FROM all_fresh('op_steps');

-- everything goes and comes
BEGIN;
DELETE FROM line;
DELETE FROM cust;
COMMIT;
SELECT * FROM all_fresh('op_steps');
SELECT n FROM no_columns;
BEGIN;
INSERT INTO cust SELECT i, 1 + i % 6, 'k' || i % 4, 'x' FROM generate_series(1, 60) i;
INSERT INTO line SELECT o, nr, 1 + (o * 7 + nr * 3) % 80, 1 + (o + nr) % 9, o + nr, 'y'
FROM generate_series(1, 400) o, generate_series(1, 4) nr;
CALL change(4);
COMMIT;
SELECT * FROM all_fresh('op_steps');

-- a row fails a condition only while it is not to be seen
CREATE TABLE v (id int PRIMARY KEY, a int, b int);
CREATE TABLE w (id int PRIMARY KEY, a int);
INSERT INTO v SELECT i, i, 1 + i % 3 FROM generate_series(1, 600) i;
INSERT INTO w SELECT i, i FROM generate_series(1, 600) i;
SELECT made('fails', 'SELECT v.id, w.id AS wid FROM v JOIN w ON v.a = w.a WHERE 10 / v.b > 4 AND v.id < 500');
BEGIN;
UPDATE v SET b = 0;
UPDATE v SET b = 1 + id % 4, a = a + 1;
UPDATE w SET a = a + 2;
COMMIT;
SELECT * FROM fresh('fails');
