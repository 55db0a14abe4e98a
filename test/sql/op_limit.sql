-- ORDER BY ... LIMIT and DISTINCT ON: what leaves makes room for what was hidden.
\set VERBOSITY terse
CREATE SCHEMA op_limit;
SET search_path = op_limit, public;

-- d has no key, rows in duplicate
CREATE TABLE t (id int PRIMARY KEY, g int, v int, s text COLLATE "C");
CREATE TABLE d (g int, v int);
INSERT INTO t VALUES (1, 1, 10, 'a'), (2, 1, 20, 'b'), (3, 2, 20, 'c'), (4, 2, NULL, 'd'), (5, 3, 5, 'e'),
	(6, NULL, 30, 'f'), (7, NULL, NULL, NULL), (8, 1, 20, 'h'), (9, 4, 1, 'i');
INSERT INTO d VALUES (1, 5), (1, 5), (1, 6), (2, 7), (NULL, 8), (NULL, NULL), (NULL, NULL), (3, 1);

-- LIMIT and OFFSET
SELECT made('first_', 'SELECT id, v FROM t ORDER BY v, id LIMIT 3');
SELECT made('last_', 'SELECT id, v FROM t ORDER BY v DESC, id DESC LIMIT 3');
SELECT made('nulls_first', 'SELECT id, v FROM t ORDER BY v NULLS FIRST, id LIMIT 3');
SELECT made('nulls_last', 'SELECT id, v FROM t ORDER BY v DESC NULLS LAST, id LIMIT 3');
SELECT made('offset_', 'SELECT id, v FROM t ORDER BY v, id LIMIT 2 OFFSET 3');
SELECT made('offset_only', 'SELECT id FROM t ORDER BY id OFFSET 6');
SELECT made('fetch_', 'SELECT id FROM t ORDER BY id FETCH FIRST ROW ONLY');
SELECT made('ties', 'SELECT id, v FROM t ORDER BY v DESC NULLS LAST FETCH FIRST 2 ROWS WITH TIES');
SELECT made('ties_keyless', 'SELECT g, v FROM d ORDER BY v FETCH FIRST 2 ROWS WITH TIES');
SELECT made('keyless', 'SELECT g, v FROM d ORDER BY g, v LIMIT 3');
SELECT made('keyless_offset', 'SELECT g, v FROM d ORDER BY v DESC, g DESC LIMIT 3 OFFSET 1');
SELECT made('more_than_all', 'SELECT id FROM t ORDER BY id LIMIT 1000');
SELECT made('nothing', 'SELECT id FROM t ORDER BY id LIMIT 0');
SELECT made('all_', 'SELECT id FROM t ORDER BY id LIMIT ALL');
SELECT made('expression', 'SELECT id FROM t ORDER BY abs(coalesce(v, 0) - 15), id LIMIT 4');
SELECT made('limit_expression', 'SELECT id FROM t ORDER BY id LIMIT 1 + 2');
SELECT made('unseen_order', 'SELECT s FROM t ORDER BY v, id LIMIT 3');
SELECT made('where_', 'SELECT id, v FROM t WHERE g IS NOT NULL ORDER BY v DESC, id LIMIT 2');
-- over other operators
SELECT made('of_groups', 'SELECT g, sum(v) AS s FROM d GROUP BY g ORDER BY sum(v) DESC NULLS LAST, g LIMIT 2');
SELECT made('of_groups_having', 'SELECT g, count(*) AS n FROM t GROUP BY g HAVING count(*) > 1 ORDER BY n DESC, g LIMIT 1');
SELECT made('of_join', 'SELECT t.id, d.v FROM t JOIN d ON t.g = d.g ORDER BY t.id, d.v LIMIT 4');
SELECT made('of_left_join', 'SELECT t.id, d.v FROM t LEFT JOIN d ON t.g = d.g ORDER BY t.id DESC, d.v LIMIT 5');
SELECT made('of_union', 'SELECT v FROM t UNION SELECT v FROM d ORDER BY v LIMIT 4');
SELECT made('of_distinct', 'SELECT DISTINCT v FROM d ORDER BY v DESC LIMIT 2');
SELECT made('of_exists', 'SELECT id FROM t WHERE EXISTS (SELECT FROM d WHERE d.g = t.g) ORDER BY id LIMIT 2');
SELECT made('of_window', 'SELECT id, rank() OVER (ORDER BY v) AS r FROM t ORDER BY r, id LIMIT 3');
SELECT made('of_limit', 'SELECT id FROM (SELECT id, v FROM t ORDER BY v, id LIMIT 5) x ORDER BY id LIMIT 2');
-- under other operators
SELECT made('grouped', 'SELECT g, count(*) AS n, sum(v) AS s FROM (SELECT g, v FROM t ORDER BY id LIMIT 4) x GROUP BY g');
SELECT made('joined', 'SELECT x.id, d.v FROM (SELECT id, g FROM t ORDER BY v, id LIMIT 3) x JOIN d ON d.g = x.g');
SELECT made('left_joined', 'SELECT d.g, d.v, x.id FROM d LEFT JOIN (SELECT id, g FROM t ORDER BY id LIMIT 3) x ON x.g = d.g');
SELECT made('in_', 'SELECT g, v FROM d WHERE g IN (SELECT g FROM t ORDER BY v DESC NULLS LAST, id LIMIT 3)');
SELECT made('union_all', '(SELECT id, v FROM t ORDER BY v, id LIMIT 2) UNION ALL (SELECT g, v FROM d ORDER BY g DESC, v LIMIT 2)');
SELECT made('filtered', 'SELECT id FROM (SELECT id, v FROM t ORDER BY v, id LIMIT 4) x WHERE v > 5');
SELECT made('sum_of_ties', 'SELECT count(*) AS n, sum(v) AS s FROM (SELECT v FROM t ORDER BY v DESC NULLS LAST FETCH FIRST 2 ROWS WITH TIES) x');
-- DISTINCT ON
SELECT made('on_', 'SELECT DISTINCT ON (g) g, id, v FROM t ORDER BY g, v, id');
SELECT made('on_desc', 'SELECT DISTINCT ON (g) g, id, v FROM t ORDER BY g DESC, v DESC NULLS LAST, id');
SELECT made('on_two', 'SELECT DISTINCT ON (g, v) g, v, id, s FROM t ORDER BY g, v, id DESC');
SELECT made('on_expression', 'SELECT DISTINCT ON (coalesce(g, 0) % 2) id, g FROM t ORDER BY coalesce(g, 0) % 2, id');
SELECT made('on_unseen', 'SELECT DISTINCT ON (g) id, s FROM t ORDER BY g, v, id');
SELECT made('on_keyless', 'SELECT DISTINCT ON (g) g, v FROM d ORDER BY g, v');
SELECT made('on_join', 'SELECT DISTINCT ON (t.id) t.id, d.v FROM t JOIN d ON d.g = t.g ORDER BY t.id, d.v DESC');
SELECT made('on_groups', 'SELECT DISTINCT ON (v) v, g, count(*) AS n FROM d GROUP BY v, g ORDER BY v, count(*) DESC, g');
SELECT made('on_grouped', 'SELECT v, count(*) AS n FROM (SELECT DISTINCT ON (g) g, v FROM t ORDER BY g, v, id) x GROUP BY v');
SELECT made('on_joined', 'SELECT d.g, d.v, x.id FROM d JOIN (SELECT DISTINCT ON (g) g, id FROM t ORDER BY g, v DESC NULLS LAST, id) x ON x.g = d.g');
SELECT made('on_limit', 'SELECT DISTINCT ON (g) g, id FROM t ORDER BY g, v, id LIMIT 2');

CREATE VIEW results AS
	SELECT 'first' AS what, id AS a, v AS b FROM first_ UNION ALL SELECT 'ties', id, v FROM ties
	UNION ALL SELECT 'keyless', g, v FROM keyless UNION ALL SELECT 'on', g, id FROM on_
	UNION ALL SELECT 'groups', g, s FROM of_groups
	 ORDER BY 1, 2, 3;
SELECT * FROM results;

-- rows come within the limit, at its end, and beyond
BEGIN;
INSERT INTO t VALUES (20, 1, 0, 'in'), (21, 2, 30, 'tie'), (22, 5, 7, 'end'), (23, 3, 1000, 'beyond');
INSERT INTO d VALUES (1, 1), (NULL, 1), (3, 50);
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;

-- those within go
BEGIN;
DELETE FROM t WHERE id IN (20, 9, 23, 6);
DELETE FROM d WHERE ctid = (SELECT min(ctid) FROM d WHERE g = 1);
DELETE FROM d WHERE v = 50;
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;

-- rows swap places across the end; some get NULL, some lose it
BEGIN;
UPDATE t SET v = 40 - v WHERE v IS NOT NULL;
UPDATE t SET v = 3 WHERE id = 7;
UPDATE t SET v = NULL WHERE id = 5;
UPDATE t SET g = CASE WHEN g IS NULL THEN 2 END WHERE g IS NULL OR g = 2;
UPDATE d SET v = 9 - v, g = CASE WHEN g IS NULL THEN 2 ELSE g END;
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;

-- a change beyond the limit, and one that is undone in the same window
BEGIN;
UPDATE t SET s = s || '!' WHERE id = 3;
UPDATE t SET v = -1 WHERE id = 8;
UPDATE t SET v = 20 WHERE id = 8;
INSERT INTO d VALUES (9, 99), (9, 99);
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;

-- fewer rows than the limit, none, and again many
BEGIN;
DELETE FROM t WHERE id > 2;
DELETE FROM d WHERE g <> 1 OR g IS NULL;
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;
BEGIN;
DELETE FROM t;
DELETE FROM d;
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;
BEGIN;
INSERT INTO t SELECT x, x % 3, (x * 5) % 7, 's' || x FROM generate_series(1, 9) x;
INSERT INTO d SELECT x % 2, x % 3 FROM generate_series(1, 9) x;
COMMIT;
SELECT * FROM all_fresh('op_limit');
SELECT * FROM results;

-- below the limit a subquery or an outer join, whose result is kept
CREATE TABLE g (id int PRIMARY KEY, k int, v int);
CREATE TABLE h (k int, v int);
INSERT INTO g SELECT x, x % 5, x * 7 % 31 FROM generate_series(1, 30) x;
INSERT INTO h SELECT x % 4, x FROM generate_series(1, 12) x;
SELECT made('of_subquery', 'SELECT id, v FROM g WHERE v > (SELECT avg(v) FROM h WHERE h.k = g.k) ORDER BY v DESC, id LIMIT 4');
SELECT made('of_outer_join', 'SELECT g.id, h.v FROM g LEFT JOIN h ON h.k = g.k AND h.v > 6 ORDER BY h.v DESC NULLS FIRST, g.id LIMIT 5 OFFSET 1');
SELECT id, v FROM of_subquery ORDER BY v DESC, id;
BEGIN;
UPDATE g SET v = v + 40 WHERE id IN (3, 4);
DELETE FROM h WHERE v = 12;
INSERT INTO h VALUES (3, 100), (4, 1);
COMMIT;
SELECT * FROM fresh('of_subquery');
SELECT * FROM fresh('of_outer_join');
SELECT id, v FROM of_subquery ORDER BY v DESC, id;
DELETE FROM g WHERE id > 3;
SELECT * FROM fresh('of_subquery');
SELECT * FROM fresh('of_outer_join');

-- a text too long for an index does not stop what is ordered by it
CREATE TABLE wide (id int PRIMARY KEY, s text);
INSERT INTO wide SELECT i, 'short ' || i FROM generate_series(1, 9) i;
SELECT made('by_text', 'SELECT s, count(*) AS c FROM wide GROUP BY s ORDER BY s LIMIT 3');
SELECT made('by_text_join', 'SELECT w.s, w.id, v.id AS vid FROM wide w LEFT JOIN wide v ON v.id = w.id + 8 ORDER BY w.s, w.id, v.id LIMIT 3');
INSERT INTO wide SELECT 10, string_agg(md5(i::text), '') FROM generate_series(1, 600) i;
SELECT * FROM fresh('by_text');
SELECT * FROM fresh('by_text_join');

-- all rows are no limit; but below the top it keeps a condition from being tested
-- before another one
SELECT made('fenced_all', 'SELECT id, v FROM t LIMIT ALL OFFSET 0');
SELECT made('fenced_null', 'SELECT count(*) AS n FROM t LIMIT NULL');
SELECT made('fenced', 'SELECT id FROM (SELECT id, s FROM t WHERE s ~ ''^[0-9]+$'' OFFSET 0) x WHERE s::int > 1', 'AUTO');
UPDATE t SET v = v + 1 WHERE id < 4;
UPDATE t SET s = '12' WHERE id = 1;
SELECT * FROM fresh('fenced');
SELECT * FROM fresh('fenced_all');
SELECT * FROM fresh('fenced_null');
