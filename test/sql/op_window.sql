-- Window functions: a row's neighbours decide what it shows.
\set VERBOSITY terse
CREATE SCHEMA op_window;
SET search_path = op_window, public;

-- d has no key, rows in duplicate
CREATE TABLE t (id int PRIMARY KEY, g int, h int, v int, s text COLLATE "C");
CREATE TABLE d (g int, v int);
INSERT INTO t SELECT x, x % 3, x % 2, (x * 7) % 5, chr(97 + x % 4) FROM generate_series(1, 9) x;
INSERT INTO t VALUES (10, NULL, 1, 3, 'n'), (11, NULL, NULL, NULL, NULL), (12, 1, NULL, NULL, 'a');
INSERT INTO d VALUES (1, 5), (1, 5), (1, 6), (2, 7), (NULL, 8), (NULL, NULL), (NULL, NULL);

-- ranks and numbers
SELECT made('number_', 'SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY v, id) AS n FROM t');
SELECT made('ranks', 'SELECT id, g, rank() OVER w AS r, dense_rank() OVER w AS d, percent_rank() OVER w AS p, cume_dist() OVER w AS c FROM t WINDOW w AS (PARTITION BY g ORDER BY v DESC NULLS LAST)');
SELECT made('ranks_keyless', 'SELECT g, v, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM d');
SELECT made('tiles', 'SELECT id, ntile(2) OVER (PARTITION BY g ORDER BY id) AS n FROM t');
-- neighbours
SELECT made('neighbours', 'SELECT id, lag(v) OVER w AS l1, lag(v, 2, -1) OVER w AS l2, lead(s) OVER w AS n FROM t WINDOW w AS (PARTITION BY g ORDER BY id)');
SELECT made('ends', 'SELECT id, first_value(id) OVER w AS f, last_value(id) OVER w AS l, nth_value(id, 2) OVER w AS n FROM t WINDOW w AS (PARTITION BY g ORDER BY v, id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)');
-- aggregates, with every kind of frame
SELECT made('partition_', 'SELECT id, sum(v) OVER (PARTITION BY g) AS s, count(*) OVER (PARTITION BY g) AS n, avg(v) OVER (PARTITION BY g) AS a FROM t');
SELECT made('partition_keyless', 'SELECT g, v, sum(v) OVER (PARTITION BY g) AS s FROM d');
SELECT made('running', 'SELECT id, sum(v) OVER (PARTITION BY g ORDER BY v) AS s, max(id) OVER (PARTITION BY g ORDER BY id) AS m FROM t');
SELECT made('frame_rows', 'SELECT id, sum(v) OVER (PARTITION BY g ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM t');
SELECT made('frame_range', 'SELECT id, count(*) OVER (PARTITION BY g ORDER BY id RANGE BETWEEN 3 PRECEDING AND CURRENT ROW) AS n FROM t');
SELECT made('frame_groups', 'SELECT id, sum(id) OVER (PARTITION BY g ORDER BY v GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM t');
SELECT made('frame_exclude', 'SELECT id, sum(id) OVER (PARTITION BY g ORDER BY v RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) AS s, count(*) OVER (PARTITION BY g ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) AS n FROM t');
SELECT made('filter_', 'SELECT id, count(*) FILTER (WHERE v > 1) OVER (PARTITION BY g) AS n, sum(v) FILTER (WHERE h = 1) OVER (PARTITION BY g ORDER BY id) AS s FROM t');
-- several windows
SELECT made('common', 'SELECT id, sum(v) OVER (PARTITION BY g) AS sg, sum(v) OVER (PARTITION BY g, h) AS sgh, rank() OVER (PARTITION BY h, g ORDER BY v) AS r FROM t');
SELECT made('different', 'SELECT id, sum(v) OVER (PARTITION BY g) AS sg, sum(v) OVER (PARTITION BY h) AS sh FROM t');
SELECT made('different_keyless', 'SELECT g, v, count(*) OVER (PARTITION BY g) AS ng, count(*) OVER (PARTITION BY v) AS nv FROM d');
SELECT made('one_without', 'SELECT id, sum(v) OVER (PARTITION BY g) AS sg, rank() OVER (ORDER BY v) AS r FROM t');
-- without PARTITION BY
SELECT made('whole', 'SELECT id, rank() OVER (ORDER BY v) AS r, count(*) OVER () AS n, sum(v) OVER () AS s FROM t');
SELECT made('whole_running', 'SELECT id, sum(v) OVER (ORDER BY id) AS s, lag(id) OVER (ORDER BY id) AS l FROM t');
SELECT made('whole_keyless', 'SELECT g, v, dense_rank() OVER (ORDER BY v) AS r FROM d');
-- expressions around and inside
SELECT made('around', 'SELECT id, v * 100 / nullif(sum(v) OVER (PARTITION BY g), 0) AS p, v - lag(v, 1, 0) OVER (PARTITION BY g ORDER BY id) > 0 AS up FROM t');
SELECT made('by_expression', 'SELECT id, count(*) OVER (PARTITION BY coalesce(g, 0) + h) AS n, max(v + id) OVER (PARTITION BY coalesce(g, 0) + h) AS m FROM t');
SELECT made('where_', 'SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t WHERE v > 0');
-- over groups
SELECT made('over_groups', 'SELECT g, sum(v) AS s, sum(sum(v)) OVER () AS total, rank() OVER (ORDER BY sum(v) DESC) AS r FROM t GROUP BY g');
SELECT made('over_groups_part', 'SELECT g, h, count(*) AS n, sum(count(*)) OVER (PARTITION BY g) AS ng, rank() OVER (PARTITION BY h ORDER BY count(*)) AS r FROM t GROUP BY g, h');
SELECT made('over_groups_having', 'SELECT g, max(v) AS m, row_number() OVER (ORDER BY g) AS n FROM t GROUP BY g HAVING count(*) > 2');
-- under and over other operators
SELECT made('best', 'SELECT g, id, v FROM (SELECT g, id, v, row_number() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, id) AS n FROM t) x WHERE n = 1');
SELECT made('best_two', 'SELECT g, id, r FROM (SELECT g, id, rank() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST) AS r FROM t) x WHERE r <= 2');
SELECT made('grouped', 'SELECT r, count(*) AS n, sum(v) AS s FROM (SELECT v, dense_rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t) x GROUP BY r');
SELECT made('joined', 'SELECT x.id, x.r, d.v FROM (SELECT id, g, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t) x JOIN d ON d.g = x.g');
SELECT made('left_joined', 'SELECT d.g, d.v, x.n FROM d LEFT JOIN (SELECT DISTINCT g, count(*) OVER (PARTITION BY g) AS n FROM t) x ON x.g = d.g');
SELECT made('of_join', 'SELECT t.id, d.v, sum(d.v) OVER (PARTITION BY t.id) AS s FROM t JOIN d ON t.g = d.g');
SELECT made('of_left_join', 'SELECT t.id, d.v, count(d.v) OVER (PARTITION BY t.g) AS n FROM t LEFT JOIN d ON t.g = d.g');
SELECT made('of_union_all', 'SELECT g, v, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM (SELECT g, v FROM t UNION ALL SELECT g, v FROM d) x');
SELECT made('of_exists', 'SELECT id, count(*) OVER (PARTITION BY h) AS n FROM t WHERE EXISTS (SELECT FROM d WHERE d.g = t.g)');
SELECT made('of_windows', 'SELECT r, id, count(*) OVER (PARTITION BY r) AS n FROM (SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t) x');
SELECT made('distinct_', 'SELECT DISTINCT g, sum(v) OVER (PARTITION BY g) AS s FROM t');
SELECT made('limited', 'SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t ORDER BY id DESC LIMIT 4');
SELECT made('in_', 'SELECT g, v FROM d WHERE v IN (SELECT sum(v) OVER (PARTITION BY g) FROM t)');

SELECT g, id, v FROM best ORDER BY g;
SELECT g, v, r FROM ranks_keyless ORDER BY g, v, r;

-- a row comes first, one last, one between; ties
BEGIN;
INSERT INTO t VALUES (20, 0, 1, 9, 'x'), (21, 1, 0, -1, 'y'), (22, 2, 1, 2, 'z'), (0, 2, 0, 2, 'w');
INSERT INTO d VALUES (1, 5), (2, 7), (2, 6), (3, NULL);
COMMIT;
SELECT * FROM all_fresh('op_window');
SELECT g, id, v FROM best ORDER BY g;
SELECT g, v, r FROM ranks_keyless ORDER BY g, v, r;

-- the first goes, another gets its place
BEGIN;
DELETE FROM t WHERE id IN (20, 3);
UPDATE t SET v = 10 WHERE id = 12;
DELETE FROM d WHERE ctid = (SELECT min(ctid) FROM d WHERE g = 1);
UPDATE d SET v = 8 WHERE ctid = (SELECT min(ctid) FROM d WHERE g IS NULL AND v IS NULL);
COMMIT;
SELECT * FROM all_fresh('op_window');
SELECT g, id, v FROM best ORDER BY g;
SELECT g, v, r FROM ranks_keyless ORDER BY g, v, r;

-- rows change partitions, through NULL and back; partitions die and are born
BEGIN;
UPDATE t SET g = CASE WHEN g IS NULL THEN 2 END WHERE g IS NULL OR g = 0;
UPDATE t SET h = 1 - h WHERE id % 2 = 0;
UPDATE t SET g = 7 WHERE id = 21;
UPDATE d SET g = 4 WHERE g = 2;
UPDATE d SET g = 2 WHERE g IS NULL;
COMMIT;
SELECT * FROM all_fresh('op_window');
SELECT g, id, v FROM best ORDER BY g;

-- only the order changes, within all partitions
BEGIN;
UPDATE t SET v = 10 - v;
UPDATE d SET v = 10 - v;
COMMIT;
SELECT * FROM all_fresh('op_window');
SELECT g, id, v FROM best ORDER BY g;

-- rows that are not touched are not written
SELECT pgtrickle.refresh_stream_table('number_');
DELETE FROM t WHERE id = (SELECT id FROM t WHERE g = 1 ORDER BY v DESC NULLS LAST, id DESC LIMIT 1);
SELECT * FROM fresh('number_');
SELECT rows_inserted + rows_updated + rows_deleted <= 2 AS little FROM pgtrickle.get_refresh_history('number_', 1);

-- all goes and comes
BEGIN;
DELETE FROM t;
DELETE FROM d;
COMMIT;
SELECT * FROM all_fresh('op_window');
BEGIN;
INSERT INTO t SELECT x, x % 2, x % 3, x % 4, 's' FROM generate_series(1, 8) x;
INSERT INTO d VALUES (1, 1), (1, 1), (0, 6), (NULL, 6);
COMMIT;
SELECT * FROM all_fresh('op_window');
SELECT g, id, v FROM best ORDER BY g;
SELECT g, v, r FROM ranks_keyless ORDER BY g, v, r;

-- rows that look the same, numbered in two orders: it is open which numbers come
-- together, so they would not come out again
CREATE TABLE twice (a text, g int, k int);
INSERT INTO twice VALUES (NULL, 2, NULL), ('a', 2, 1), ('a', 2, 1);
SELECT made('numbered_twice', 'SELECT row_number() OVER (PARTITION BY a ORDER BY g, k) AS c1,
	row_number() OVER (PARTITION BY a ORDER BY g DESC, k) AS c2 FROM twice');
SELECT made('numbered_in_one', 'SELECT a, g, k, row_number() OVER (PARTITION BY a ORDER BY g, k) AS c1,
	sum(g) OVER (PARTITION BY a ORDER BY g, k ROWS 1 PRECEDING) AS c2, rank() OVER (PARTITION BY a ORDER BY k) AS c3 FROM twice');
SELECT made('numbered_by_key', 'SELECT id, row_number() OVER (PARTITION BY g ORDER BY v, id) AS c1,
	row_number() OVER (PARTITION BY g ORDER BY id DESC) AS c2 FROM t');
INSERT INTO twice VALUES ('a', 0, 1), ('a', 0, 1);
UPDATE twice SET g = g + 1 WHERE a = 'a';
UPDATE t SET v = v + 1 WHERE g = 1;
SELECT * FROM fresh('numbered_in_one');
SELECT * FROM fresh('numbered_by_key');

-- the order of a subquery is what a window without an order shows; nothing that
-- looks at its peers alone asks for that
CREATE TABLE sorted (id int PRIMARY KEY, g int, v int);
INSERT INTO sorted SELECT i, i % 3, (i * 7) % 10 FROM generate_series(1, 20) i;
SELECT made('as_sorted', 'SELECT id, g, last_value(v) OVER (PARTITION BY g) AS l, array_agg(v) OVER (PARTITION BY g) AS a FROM (SELECT * FROM sorted ORDER BY v, id) s');
SELECT made('running_as_sorted', 'SELECT id, g, sum(v) OVER (PARTITION BY g ROWS UNBOUNDED PRECEDING) AS s FROM (SELECT * FROM sorted ORDER BY v, id) s');
SELECT made('running_below', 'SELECT x.id, x.s FROM (SELECT id, sum(v) OVER (PARTITION BY g ROWS 1 PRECEDING) AS s FROM (SELECT * FROM sorted ORDER BY v, id) s) x WHERE x.s > 3');
SELECT made('not_as_sorted', 'SELECT id, g, sum(v) OVER (PARTITION BY g) AS s, first_value(v) OVER (PARTITION BY g ORDER BY id) AS f FROM (SELECT * FROM sorted ORDER BY v, id) s');
UPDATE sorted SET v = 11 - v WHERE id < 8;
DELETE FROM sorted WHERE id = 9;
SELECT * FROM fresh('as_sorted');
SELECT * FROM fresh('running_as_sorted');
SELECT * FROM fresh('running_below');
SELECT * FROM fresh('not_as_sorted');
SELECT DISTINCT item, construct, rule, key FROM pgtrickle.validate_query('SELECT id, g, sum(v) OVER (PARTITION BY g) AS s FROM (SELECT * FROM op_window.sorted ORDER BY v, id) s') WHERE item = 'stage' ORDER BY 2;
