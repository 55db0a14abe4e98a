-- Materialized views: read whole by each refresh, compared with the copy of what
-- the last one read, and what differs is their change.
CREATE SCHEMA source_matview;
SET search_path = source_matview, public;
\set VERBOSITY terse

CREATE TABLE base (id int PRIMARY KEY, k int, name text, n numeric);
INSERT INTO base VALUES (1, 1, 'one', 1.0), (2, 2, 'two', 2), (3, 2, 'two', 2), (4, 3, NULL, 3), (5, NULL, 'none', NULL);
CREATE MATERIALIZED VIEW m AS SELECT id, k, name, n FROM base;
CREATE UNIQUE INDEX ON m (id);
CREATE MATERIALIZED VIEW bag AS SELECT k, name FROM base;
CREATE MATERIALIZED VIEW later AS SELECT k, count(*) AS c FROM base GROUP BY k WITH NO DATA;
CREATE TABLE t (id int PRIMARY KEY, k int, v int);
INSERT INTO t SELECT i, nullif(i % 6, 5), i FROM generate_series(1, 24) i;

SELECT made('inner_', 'SELECT t.id, m.name FROM t JOIN m ON m.k = t.k');
SELECT made('left_', 'SELECT t.id, m.id AS m, m.n FROM t LEFT JOIN m ON m.k = t.k');
SELECT made('full_', 'SELECT t.id, t.k, bag.k AS bk, bag.name FROM t FULL JOIN bag ON bag.k = t.k');
SELECT made('group_', 'SELECT m.name, count(*) AS c, sum(t.v) AS s, max(m.n) AS high FROM t LEFT JOIN m USING (k) GROUP BY m.name');
SELECT made('exists_', 'SELECT id FROM t WHERE EXISTS (SELECT FROM bag WHERE bag.k = t.k)');
SELECT made('union_', 'SELECT k FROM t UNION SELECT k FROM bag');
SELECT made('union_all_', 'SELECT k, NULL AS name FROM t UNION ALL SELECT k, name FROM bag');
SELECT made('both_', 'SELECT t.id, m.n, bag.name FROM t JOIN m USING (k) LEFT JOIN bag USING (k)');
SELECT made('window_', 'SELECT t.id, m.id AS m, row_number() OVER (PARTITION BY t.k ORDER BY m.id, t.id) AS r FROM t JOIN m USING (k)');
SELECT made('having_', 'SELECT bag.name, count(*) AS c FROM t JOIN bag USING (k) GROUP BY bag.name HAVING count(*) > 3');
-- cannot be printed as what it is, so it is left as the user wrote it
SELECT made('cycle_', 'WITH RECURSIVE r (n) AS (SELECT k FROM t WHERE v < 5 UNION ALL SELECT t.k + 1 FROM r JOIN t ON t.k = r.n) CYCLE n SET looped USING way SELECT r.n, r.looped, bag.name FROM r JOIN bag ON bag.k = r.n');
SELECT made('cycle_', 'WITH RECURSIVE r (n) AS (SELECT k FROM t WHERE v < 5 UNION ALL SELECT t.k + 1 FROM r JOIN t ON t.k = r.n) CYCLE n SET looped USING way SELECT r.n, r.looped, bag.name FROM r JOIN bag ON bag.k = r.n', 'AUTO');
SELECT * FROM fresh('cycle_');
SELECT pgtrickle.drop_stream_table('cycle_');
CREATE VIEW of_bag AS SELECT t.id, bag.name FROM t JOIN bag USING (k);
SELECT made('of_view', 'SELECT name, count(*) AS c FROM of_bag GROUP BY name');
-- its table is a source as well: the query shows them as they are, not as one
SELECT made('beside_base', 'SELECT m.id, m.n AS then, base.n AS now FROM m JOIN base USING (id)');

-- not before it is refreshed
INSERT INTO base VALUES (6, 4, 'four', 4), (7, 2, 'two', 2);
UPDATE base SET n = 1.00 WHERE id = 1;
DELETE FROM base WHERE id = 3;
SELECT * FROM all_fresh('source_matview');
REFRESH MATERIALIZED VIEW m;
SELECT * FROM all_fresh('source_matview');
SELECT looks_like_query('left_') AND looks_like_query('beside_base') AS looks_same;
REFRESH MATERIALIZED VIEW bag;
SELECT * FROM all_fresh('source_matview');

-- CONCURRENTLY, which keeps the storage; nothing changed; a table changes, too
UPDATE base SET name = 'second', k = 1 WHERE id = 2;
DELETE FROM base WHERE id = 6;
INSERT INTO base VALUES (8, NULL, NULL, 8);
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
SELECT * FROM all_fresh('source_matview');
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
REFRESH MATERIALIZED VIEW bag;
SELECT * FROM all_fresh('source_matview');
SELECT * FROM all_fresh('source_matview');
INSERT INTO t VALUES (100, 1, 1), (101, 3, 2);
DELETE FROM t WHERE k = 2;
UPDATE base SET k = 2 WHERE k = 3;
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
REFRESH MATERIALIZED VIEW bag;
SELECT * FROM all_fresh('source_matview');

-- in one transaction, and taken back
BEGIN;
INSERT INTO base VALUES (9, 1, 'nine', 9);
REFRESH MATERIALIZED VIEW m;
SELECT * FROM all_fresh('source_matview');
SAVEPOINT a;
DELETE FROM base WHERE id < 3;
REFRESH MATERIALIZED VIEW m;
REFRESH MATERIALIZED VIEW bag;
UPDATE t SET v = v + 1;
SELECT * FROM all_fresh('source_matview');
ROLLBACK TO a;
SELECT * FROM all_fresh('source_matview');
ROLLBACK;
SELECT * FROM all_fresh('source_matview');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM fresh('both_');
COMMIT;

-- empty, filled again, and not populated at all
CREATE TABLE kept AS SELECT * FROM base;
DELETE FROM base;
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
REFRESH MATERIALIZED VIEW bag;
SELECT * FROM all_fresh('source_matview');
INSERT INTO base SELECT * FROM kept;
REFRESH MATERIALIZED VIEW CONCURRENTLY m;
REFRESH MATERIALIZED VIEW bag;
SELECT * FROM all_fresh('source_matview');
SELECT made('of_later', 'SELECT t.id, later.c FROM t LEFT JOIN later USING (k)');
SELECT pgtrickle.create_stream_table('of_later', 'SELECT t.id, later.c FROM t LEFT JOIN later USING (k)', refresh_mode => 'DIFFERENTIAL', initialize => false);
SELECT pgtrickle.refresh_stream_table('of_later');
REFRESH MATERIALIZED VIEW later;
SELECT * FROM fresh('of_later');
REFRESH MATERIALIZED VIEW later WITH NO DATA;
INSERT INTO t VALUES (102, 1, 3);
SELECT pgtrickle.refresh_stream_table('of_later');
SELECT count(*) FROM of_later WHERE id = 102;
REFRESH MATERIALIZED VIEW later;
SELECT * FROM fresh('of_later');

-- many rows: more than are netted in memory at once, and plans for large deltas
CREATE TABLE wide_base AS SELECT i AS k, repeat('x', 100) || i AS filler FROM generate_series(1, 20000) i;
CREATE MATERIALIZED VIEW wide AS SELECT k, filler FROM wide_base;
SELECT made('of_wide', 'SELECT t.k, count(*) AS c, max(length(w.filler)) AS l FROM t JOIN wide w ON w.k % 7 = t.k GROUP BY t.k');
SET work_mem = '64kB';
UPDATE wide_base SET filler = filler || '!' WHERE k % 2 = 0;
DELETE FROM wide_base WHERE k % 5 = 0;
REFRESH MATERIALIZED VIEW wide;
SELECT * FROM fresh('of_wide');
UPDATE wide_base SET filler = NULL WHERE k = 7;
REFRESH MATERIALIZED VIEW wide;
SELECT * FROM fresh('of_wide');
SELECT changes_consumed FROM pgtrickle.refresh_history WHERE pgt_name = 'of_wide' AND rows_updated > 0
 ORDER BY refresh_id DESC LIMIT 1;
RESET work_mem;

-- types whose values are compared as they are stored
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE MATERIALIZED VIEW typed AS
	SELECT i AS k, ARRAY[i, NULL] AS arr, json_build_object('i', i) AS js, point(i, 0) AS pt,
		(i, 'p' || i)::pair AS pr, i::positive AS pos, (i / 3.0)::float8 AS fl, repeat('long', i * 1000) AS lg,
		('A' || i)::varchar(5) COLLATE "C" AS cc, tstzrange('2020-01-01Z', NULL) AS rg
	  FROM generate_series(1, 3) i;
SELECT made('of_typed', 'SELECT t.id, y.arr, y.js, y.pt, y.pr, y.pos, y.fl, y.lg, y.cc, y.rg FROM t JOIN typed y USING (k)');
REFRESH MATERIALIZED VIEW typed;
DELETE FROM t WHERE id = 7;
SELECT * FROM fresh('of_typed');
SELECT looks_like_query('of_typed') AS looks_same;

-- a materialized view that is replaced; one that is gone
SELECT pgtrickle.drop_stream_table('of_later');
DROP MATERIALIZED VIEW later;
DROP MATERIALIZED VIEW bag;
ALTER MATERIALIZED VIEW m RENAME COLUMN name TO label;
ALTER MATERIALIZED VIEW m RENAME TO mm;
UPDATE base SET name = 'renamed' WHERE id = 1;
REFRESH MATERIALIZED VIEW mm;
SELECT * FROM all_fresh('source_matview');

-- an aggregate above a subquery that is kept, over a polled source
SELECT made('kept_', 'SELECT g.k, g.c FROM (SELECT mm.k, count(*) AS c FROM t JOIN mm USING (k) GROUP BY mm.k) g WHERE g.c > (SELECT avg(n) FROM mm)');
UPDATE base SET n = n + 1;
REFRESH MATERIALIZED VIEW mm;
SELECT * FROM fresh('kept_');
INSERT INTO t SELECT i, 1, i FROM generate_series(200, 210) i;
SELECT * FROM fresh('kept_');

SELECT DISTINCT action, reason FROM pgtrickle.refresh_history WHERE pgt_schema = 'source_matview' AND status = 'COMPLETED' ORDER BY action;
