-- A partitioned source: changes by the parent, by a partition, across
-- partitions; partitions that come and go.
\set VERBOSITY terse
CREATE SCHEMA source_partition;
SET search_path = source_partition, public;

CREATE TABLE p (id int, k int, v text, PRIMARY KEY (k, id)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
CREATE TABLE p2a PARTITION OF p2 FOR VALUES IN (1, 2, 3);
CREATE TABLE p2b PARTITION OF p2 DEFAULT;
-- a partition whose columns are in another order, with holes
CREATE TABLE p3 (gone int, v text, k int NOT NULL, gone_too text, id int NOT NULL);
ALTER TABLE p3 DROP COLUMN gone, DROP COLUMN gone_too;
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (20) TO (30);
INSERT INTO p SELECT i % 8, i, 'v' || i FROM generate_series(0, 29) i;

SELECT made('all_rows', 'SELECT id, k, v FROM p');
SELECT made('by_id', 'SELECT id, count(*) AS n, sum(k) AS s, max(v COLLATE "C") AS m FROM p GROUP BY id');
SELECT made('pairs', 'SELECT x.k, y.k AS k2 FROM p x JOIN p y ON x.id = y.id AND x.k < y.k');
SELECT made('one_leaf', 'SELECT id, k, v FROM p1');
SELECT made('leaf_of_leaf', 'SELECT k, v FROM p2a WHERE k > 10');

-- by the parent
INSERT INTO p VALUES (100, 5, 'p1'), (100, 15, 'p2b'), (1, 16, 'p2a'), (100, 25, 'p3');
SELECT * FROM all_fresh('source_partition');
UPDATE p SET v = v || '!' WHERE k % 5 = 0;
SELECT * FROM all_fresh('source_partition');
DELETE FROM p WHERE id = 100 AND k > 6;
SELECT * FROM all_fresh('source_partition');
-- by a partition, a sub-partitioned one, a leaf
INSERT INTO p1 VALUES (101, 6, 'direct');
INSERT INTO p2 VALUES (2, 17, 'direct');
INSERT INTO p2b VALUES (101, 18, 'direct');
INSERT INTO p3 (id, k, v) VALUES (101, 26, 'direct');
SELECT * FROM all_fresh('source_partition');
UPDATE p2 SET v = 'by p2' WHERE k = 15;
UPDATE p3 SET v = 'by p3', id = id + 200 WHERE k = 26;
DELETE FROM p2a WHERE id = 2;
SELECT * FROM all_fresh('source_partition');
COPY p3 (v, id, k) FROM stdin;
copied	55	27
copied	56	27
\.
SELECT * FROM all_fresh('source_partition');

-- rows move between partitions, one, many, and between leaves of a leaf
UPDATE p SET k = 28 WHERE id = 101 AND k = 6;
SELECT * FROM all_fresh('source_partition');
UPDATE p SET k = k + 10 WHERE k < 15;
SELECT * FROM all_fresh('source_partition');
UPDATE p2 SET id = 1 WHERE id = 101;
SELECT * FROM all_fresh('source_partition');
WITH moved AS (DELETE FROM p3 RETURNING id, k, v)
	INSERT INTO p SELECT id, k - 20, v FROM moved WHERE k < 28 ON CONFLICT DO NOTHING;
SELECT * FROM all_fresh('source_partition');
SELECT count(*) FROM p1;
SELECT count(*) FROM one_leaf;
INSERT INTO p VALUES (5, 2, 'a'), (5, 3, 'b') ON CONFLICT (k, id) DO UPDATE SET v = 'conflict';
SELECT * FROM all_fresh('source_partition');

-- MERGE that inserts, updates and deletes in one statement, inserting first
SET enable_hashjoin = off;
SET enable_mergejoin = off;
MERGE INTO p USING (VALUES (70, 4, 'new'), (5, 3, 'merged'), (71, 14, 'new'), (5, 2, NULL), (72, 24, 'new'), (70, 4, 'never'))
	v (id, k, v) ON p.id = v.id AND p.k = v.k AND v.v <> 'never'
	WHEN MATCHED AND v.v IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET v = v.v
	WHEN NOT MATCHED AND v.v <> 'never' THEN INSERT (id, k, v) VALUES (v.id, v.k, v.v);
SELECT * FROM all_fresh('source_partition');
MERGE INTO p USING (VALUES (80, 5, 'new'), (70, 4, 'updated'), (81, 15, 'new'), (71, 14, 'updated'), (82, 25, 'new'), (72, 24, 'updated'))
	v (id, k, v) ON p.id = v.id AND p.k = v.k
	WHEN MATCHED THEN UPDATE SET v = v.v
	WHEN NOT MATCHED THEN INSERT (id, k, v) VALUES (v.id, v.k, v.v);
SELECT * FROM all_fresh('source_partition');
RESET enable_hashjoin;
RESET enable_mergejoin;

-- MERGE that moves a row to another partition, and back
MERGE INTO p USING (VALUES (80, 5)) v (id, k) ON p.id = v.id AND p.k = v.k
	WHEN MATCHED THEN UPDATE SET k = 26;
SELECT * FROM all_fresh('source_partition');
MERGE INTO p USING (VALUES (80, 26)) v (id, k) ON p.id = v.id AND p.k = v.k
	WHEN MATCHED THEN UPDATE SET k = 5;
SELECT * FROM all_fresh('source_partition');

-- a partition comes: with rows, without; then changes in it count
CREATE TABLE p4 (LIKE p INCLUDING ALL);
INSERT INTO p4 SELECT i, 30 + i, 'attached' FROM generate_series(1, 5) i;
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM (30) TO (40);
SELECT stream_tables, exact FROM all_fresh('source_partition');
SELECT count(*) FROM all_rows WHERE k >= 30;
UPDATE p4 SET v = 'after';
INSERT INTO p VALUES (9, 39, 'after');
SELECT * FROM fresh('all_rows');
SELECT * FROM fresh('by_id');
CREATE TABLE p5 PARTITION OF p FOR VALUES FROM (40) TO (50);
INSERT INTO p5 VALUES (1, 41, 'five');
SELECT stream_tables, exact FROM all_fresh('source_partition');
INSERT INTO p VALUES (2, 42, 'five');
SELECT * FROM fresh('all_rows');
-- a partition goes: detached, dropped
ALTER TABLE p DETACH PARTITION p4;
SELECT stream_tables, exact FROM all_fresh('source_partition');
SELECT count(*) FROM all_rows WHERE k BETWEEN 30 AND 39;
UPDATE p4 SET v = 'no longer ours';
INSERT INTO p4 VALUES (77, 33, 'no longer ours');
SELECT stream_tables, exact FROM all_fresh('source_partition');
DROP TABLE p5;
SELECT stream_tables, exact FROM all_fresh('source_partition');
-- it comes back
ALTER TABLE p ATTACH PARTITION p4 FOR VALUES FROM (30) TO (40);
SELECT stream_tables, exact FROM all_fresh('source_partition');
DELETE FROM p4 WHERE id = 77;
SELECT * FROM fresh('all_rows');

-- truncation of a leaf, and of everything
TRUNCATE p2a;
SELECT stream_tables, exact FROM all_fresh('source_partition');
TRUNCATE p;
SELECT stream_tables, exact FROM all_fresh('source_partition');
INSERT INTO p VALUES (1, 1, 'one'), (1, 11, 'eleven');
SELECT stream_tables, exact FROM all_fresh('source_partition');
UPDATE p SET v = 'last';
SELECT * FROM all_fresh('source_partition');
