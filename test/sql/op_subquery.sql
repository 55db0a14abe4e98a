-- Subqueries in expressions: what a row's condition says may change without the row.
\set VERBOSITY terse
CREATE SCHEMA op_subquery;
SET search_path = op_subquery, public;

-- o outside, i inside, d for either: without a key, rows in duplicate
CREATE TABLE o (id int PRIMARY KEY, k int, m int, v text);
CREATE TABLE i (id int PRIMARY KEY, k int, w int);
CREATE TABLE d (k int, w int);
INSERT INTO o VALUES (1, 1, 10, 'o1'), (2, 1, 30, 'o2'), (3, 2, 20, 'o3'), (4, 3, NULL, 'o4'),
	(5, NULL, 10, 'o5'), (6, 4, 40, NULL), (7, 5, 0, 'o7');
INSERT INTO i VALUES (1, 1, 10), (2, 1, 20), (3, 2, 20), (4, 4, NULL), (5, 6, 5);
INSERT INTO d VALUES (1, 10), (1, 10), (2, 20), (3, NULL), (7, 1), (7, 1);

-- EXISTS
SELECT made('exists_', 'SELECT id, v FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k)');
SELECT made('exists_not', 'SELECT id, v FROM o WHERE NOT EXISTS (SELECT FROM i WHERE i.k = o.k)');
SELECT made('exists_keyless', 'SELECT k, w FROM d WHERE EXISTS (SELECT FROM i WHERE i.k = d.k)');
SELECT made('exists_not_keyless', 'SELECT k FROM d WHERE NOT EXISTS (SELECT FROM i WHERE i.k = d.k)');
SELECT made('exists_less', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.w < o.m AND i.k <> o.k)');
SELECT made('exists_two_columns', 'SELECT id FROM o WHERE EXISTS (SELECT FROM d WHERE d.k = o.k AND o.m = d.w)');
SELECT made('exists_filtered', 'SELECT id FROM o WHERE m >= 10 AND EXISTS (SELECT FROM i WHERE i.k = o.k AND i.w > 5 AND o.m <> 30)');
SELECT made('exists_closed', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE w = 5)');
SELECT made('exists_not_closed', 'SELECT id FROM o WHERE NOT EXISTS (SELECT FROM i WHERE w = 5)');
SELECT made('exists_both', 'SELECT id FROM o WHERE EXISTS (SELECT FROM d WHERE d.k = o.k) AND NOT EXISTS (SELECT FROM i WHERE i.k = o.k)');
SELECT made('exists_nested', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND NOT EXISTS (SELECT FROM d WHERE d.w = i.w))');
SELECT made('exists_two_levels', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k AND NOT EXISTS (SELECT FROM d WHERE d.k = i.k AND d.w = o.m))');
SELECT made('exists_join', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i JOIN d ON d.w = i.w WHERE i.k = o.k)');
SELECT made('exists_outer_join', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i LEFT JOIN d ON d.k = i.k WHERE i.k = o.k AND d.w IS NULL)');
SELECT made('exists_union', 'SELECT id FROM o WHERE EXISTS (SELECT k FROM i WHERE i.k = o.k UNION ALL SELECT k FROM d WHERE d.k = o.k)');
SELECT made('exists_having', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k HAVING count(*) > 1)');
SELECT made('exists_always', 'SELECT id FROM o WHERE EXISTS (SELECT count(*) FROM i WHERE i.k = o.k)');
-- IN
SELECT made('in_', 'SELECT id FROM o WHERE k IN (SELECT k FROM i)');
SELECT made('in_not', 'SELECT id FROM o WHERE k NOT IN (SELECT k FROM i)');
SELECT made('in_not_filtered', 'SELECT id FROM o WHERE k NOT IN (SELECT k FROM i WHERE w > 5)');
SELECT made('in_not_correlated', 'SELECT id FROM o WHERE m NOT IN (SELECT w FROM i WHERE i.k = o.k)');
SELECT made('in_not_keyless', 'SELECT k, w FROM d WHERE w NOT IN (SELECT w FROM i)');
SELECT made('in_row', 'SELECT id FROM o WHERE (k, m) IN (SELECT k, w FROM i)');
SELECT made('in_row_not', 'SELECT id FROM o WHERE (k, m) NOT IN (SELECT k, w FROM i)');
SELECT made('in_correlated', 'SELECT id FROM o WHERE k IN (SELECT i.k FROM i WHERE i.w >= o.m)');
SELECT made('in_expression', 'SELECT id FROM o WHERE k + 1 IN (SELECT k * 2 FROM d)');
SELECT made('in_group', 'SELECT id FROM o WHERE k IN (SELECT k FROM i GROUP BY k HAVING count(*) > 1)');
SELECT made('in_union', 'SELECT id FROM o WHERE k IN (SELECT k FROM i UNION SELECT k FROM d)');
SELECT made('in_limit', 'SELECT id FROM o WHERE k IN (SELECT k FROM i ORDER BY id DESC LIMIT 2)');
SELECT made('in_value', 'SELECT id, k IN (SELECT k FROM i) AS b, k NOT IN (SELECT k FROM d) AS nb FROM o');
SELECT made('in_unknown', 'SELECT id FROM o WHERE (k IN (SELECT k FROM i)) IS NULL');
-- ANY and ALL
SELECT made('any_', 'SELECT id FROM o WHERE m > ANY (SELECT w FROM i WHERE i.k = o.k)');
SELECT made('any_closed', 'SELECT id FROM o WHERE m < ANY (SELECT w FROM i)');
SELECT made('all_', 'SELECT id FROM o WHERE m >= ALL (SELECT w FROM i WHERE i.k = o.k)');
SELECT made('all_closed', 'SELECT id FROM o WHERE m >= ALL (SELECT w FROM d WHERE k < 3)');
SELECT made('all_not_equal', 'SELECT id, k <> ALL (SELECT k FROM i) AS b FROM o');
SELECT made('row_less', 'SELECT id FROM o WHERE (k, m) < ANY (SELECT k, w FROM i)');
-- OR, NOT, CASE, and the select list
SELECT made('or_', 'SELECT id FROM o WHERE m = 10 OR EXISTS (SELECT FROM i WHERE i.k = o.k)');
SELECT made('or_keyless', 'SELECT k, w FROM d WHERE w = 1 OR EXISTS (SELECT FROM i WHERE i.k = d.k)');
SELECT made('or_two', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k) OR m IN (SELECT w FROM d) OR v IS NULL');
SELECT made('not_', 'SELECT id FROM o WHERE NOT (m = 10 OR k IN (SELECT k FROM i))');
SELECT made('case_', $$SELECT id, CASE WHEN EXISTS (SELECT FROM i WHERE i.k = o.k) THEN 'i'
	WHEN k IN (SELECT k FROM d) THEN (SELECT max(w)::text FROM d WHERE d.k = o.k) ELSE 'none' END AS c FROM o$$);
SELECT made('case_where', 'SELECT id FROM o WHERE CASE WHEN m > 10 THEN EXISTS (SELECT FROM i WHERE i.k = o.k) ELSE k IN (SELECT k FROM d) END');
SELECT made('select_list', 'SELECT id, EXISTS (SELECT FROM i WHERE i.k = o.k) AS e, m = ALL (SELECT w FROM d WHERE d.k = o.k) AS a FROM o');
SELECT made('select_list_keyless', 'SELECT k, EXISTS (SELECT FROM i WHERE i.k = d.k) AS e FROM d');
-- scalar, of the row
SELECT made('scalar_count', 'SELECT id, (SELECT count(*) FROM i WHERE i.k = o.k) AS n FROM o');
SELECT made('scalar_sum', 'SELECT id, (SELECT sum(w) FROM i WHERE i.k = o.k) AS s, (SELECT max(w) FROM d WHERE d.k = o.k) AS mx FROM o');
SELECT made('scalar_keyless', 'SELECT k, (SELECT sum(w) FROM i WHERE i.k = d.k) AS s FROM d');
SELECT made('scalar_by_pk', 'SELECT id, (SELECT w FROM i WHERE i.id = o.k) AS w FROM o');
SELECT made('scalar_first', 'SELECT id, (SELECT w FROM i WHERE i.k = o.k ORDER BY w DESC NULLS LAST, id LIMIT 1) AS w FROM o');
SELECT made('scalar_less', 'SELECT id, (SELECT count(*) FROM i WHERE i.w < o.m) AS n FROM o');
SELECT made('scalar_where', 'SELECT id FROM o WHERE m > (SELECT avg(w) FROM i WHERE i.k = o.k)');
SELECT made('scalar_of_scalar', 'SELECT id, (SELECT sum(w + (SELECT count(*) FROM d WHERE d.k = i.k)) FROM i WHERE i.k = o.k) AS s FROM o');
SELECT made('scalar_expression', 'SELECT id, coalesce((SELECT sum(w) FROM i WHERE i.k = o.k), 0) + m AS s FROM o');
SELECT made('scalar_row', 'SELECT id FROM o WHERE (k, m) = (SELECT i.k, i.w FROM i WHERE i.id = o.id)');
SELECT made('array_', 'SELECT id, ARRAY(SELECT w FROM i WHERE i.k = o.k ORDER BY w) AS ws FROM o');
SELECT made('array_any', 'SELECT id FROM o WHERE m = ANY (ARRAY(SELECT w FROM d WHERE d.k = o.k ORDER BY w))');
-- scalar, the same for all rows
SELECT made('closed_count', 'SELECT id, (SELECT count(*) FROM i) AS n FROM o');
SELECT made('closed_where', 'SELECT id, m FROM o WHERE m > (SELECT avg(w) FROM i)');
SELECT made('closed_two', 'SELECT id FROM o WHERE m BETWEEN (SELECT min(w) FROM i) AND (SELECT max(w) FROM d)');
SELECT made('closed_keyless', 'SELECT k, w - (SELECT max(w) FROM i) AS x FROM d');
SELECT made('closed_pk', 'SELECT id, m FROM o WHERE m = (SELECT w FROM i WHERE id = 2)');
SELECT made('closed_no_from', 'SELECT (SELECT count(*) FROM o) AS o, (SELECT sum(w) FROM i) AS i, EXISTS (SELECT FROM d WHERE w = 1) AS d');
SELECT made('closed_array', 'SELECT id, ARRAY(SELECT w FROM i ORDER BY id) AS ws FROM o WHERE id < 4');
-- with aggregates
SELECT made('count_exists', 'SELECT count(*) AS n, sum(m) AS s FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k)');
SELECT made('group_exists', 'SELECT w, count(*) AS n FROM d WHERE k NOT IN (SELECT k FROM i WHERE k IS NOT NULL) GROUP BY w');
SELECT made('group_by_in', 'SELECT k IN (SELECT k FROM i) AS b, count(*) AS n FROM o GROUP BY 1');
SELECT made('sum_scalar', 'SELECT o.m, sum((SELECT sum(w) FROM i WHERE i.k = o.k)) AS s FROM o GROUP BY o.m');
SELECT made('having_closed', 'SELECT k, sum(w) AS s FROM d GROUP BY k HAVING sum(w) >= (SELECT avg(w) FROM i)');
SELECT made('having_exists', 'SELECT k, count(*) AS n FROM d GROUP BY k HAVING EXISTS (SELECT FROM i WHERE i.k = d.k)');
SELECT made('having_in', 'SELECT k, count(*) AS n FROM d GROUP BY k HAVING sum(w) NOT IN (SELECT w FROM i WHERE i.k = d.k)');
SELECT made('group_scalar', 'SELECT k, count(*) AS n, (SELECT count(*) FROM i WHERE i.k = d.k) AS ni FROM d GROUP BY k');
SELECT made('group_inside', 'SELECT k, (SELECT max(w) FROM i WHERE i.w <= sum(d.w)) AS mx FROM d GROUP BY k');
SELECT made('distinct_', 'SELECT DISTINCT k FROM d WHERE EXISTS (SELECT FROM o WHERE o.k = d.k)');
-- with joins
SELECT made('join_exists', 'SELECT o.id, i.id AS iid FROM o JOIN i ON o.k = i.k WHERE EXISTS (SELECT FROM d WHERE d.k = o.k AND d.w = i.w)');
SELECT made('left_join_exists', 'SELECT o.id, i.id AS iid FROM o LEFT JOIN i ON o.k = i.k WHERE i.w IS NULL OR i.w NOT IN (SELECT w FROM d WHERE w IS NOT NULL)');
SELECT made('join_on', 'SELECT o.id, i.id AS iid FROM o JOIN i ON o.k = i.k AND o.m IN (SELECT w FROM d)');
SELECT made('in_from', 'SELECT x.id, x.n FROM (SELECT id, m, (SELECT count(*) FROM i WHERE i.k = o.k) AS n FROM o) x WHERE x.n > 0 AND x.m > x.n');
SELECT made('union_exists', 'SELECT id FROM o WHERE EXISTS (SELECT FROM i WHERE i.k = o.k) UNION ALL SELECT id FROM i WHERE k IN (SELECT k FROM d)');
-- the same table outside and inside
SELECT made('self_exists', 'SELECT id FROM o WHERE EXISTS (SELECT FROM o x WHERE x.k = o.k AND x.id <> o.id)');
SELECT made('self_max', 'SELECT id, m FROM o WHERE m = (SELECT max(m) FROM o x WHERE x.k = o.k)');
SELECT made('self_average', 'SELECT id, m FROM o WHERE m >= (SELECT avg(m) FROM o x)');
SELECT made('self_not_in', 'SELECT id FROM o WHERE id NOT IN (SELECT k FROM o x WHERE k IS NOT NULL)');
SELECT made('self_not_in_null', 'SELECT id FROM o WHERE id NOT IN (SELECT k FROM o x)');
SELECT made('self_keyless', 'SELECT k, w FROM d WHERE w >= ALL (SELECT w FROM d x WHERE x.k = d.k)');
SELECT made('self_rank', 'SELECT id, (SELECT count(*) FROM o x WHERE x.m > o.m) + 1 AS r FROM o');

CREATE VIEW results AS
	SELECT o.id, e.id IS NOT NULL AS exists_, n.id IS NOT NULL AS not_exists, ni.id IS NOT NULL AS not_in,
		r.id IS NOT NULL AS row_in, v.b AS "in", s.s AS sum, a.ws AS array_
	  FROM o LEFT JOIN exists_ e USING (id) LEFT JOIN exists_not n USING (id) LEFT JOIN in_not_filtered ni USING (id)
		LEFT JOIN in_row r USING (id) LEFT JOIN in_value v USING (id) LEFT JOIN scalar_sum s USING (id) LEFT JOIN array_ a USING (id)
	 ORDER BY id;
SELECT * FROM results;

-- a row comes along with its first partner; others find or lose theirs
BEGIN;
INSERT INTO o VALUES (8, 8, 80, 'o8'), (9, 6, 5, 'o9');
INSERT INTO i VALUES (6, 8, 80), (7, 3, 7), (8, 1, 10);
INSERT INTO d VALUES (8, 80), (8, 80), (4, 40);
DELETE FROM i WHERE id = 3;
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;

-- NULL appears inside and outside
BEGIN;
INSERT INTO i VALUES (9, NULL, NULL);
UPDATE i SET k = NULL WHERE id = 5;
UPDATE o SET k = NULL WHERE id = 7;
INSERT INTO d VALUES (NULL, NULL), (NULL, 3);
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;

-- and disappears, while other rows change
BEGIN;
DELETE FROM i WHERE k IS NULL;
UPDATE i SET w = 6 WHERE w IS NULL;
UPDATE o SET k = 2, m = 3 WHERE k IS NULL;
DELETE FROM d WHERE k IS NULL OR w IS NULL;
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;

-- the outer row moves to another partner, the old partner goes
BEGIN;
UPDATE o SET k = 8 WHERE id = 1;
DELETE FROM i WHERE k = 1;
UPDATE o SET m = 7, k = 3 WHERE id = 3;
UPDATE i SET k = 2, w = 3 WHERE id = 7;
UPDATE d SET k = CASE k WHEN 7 THEN 8 ELSE 7 END WHERE k IN (7, 8);
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;

-- one of two equal rows goes; one that two subqueries read changes
BEGIN;
DELETE FROM d WHERE ctid = (SELECT min(ctid) FROM d WHERE k = 7);
UPDATE d SET w = 2 WHERE ctid = (SELECT min(ctid) FROM d WHERE k = 8);
UPDATE o SET m = m + 1, v = v || '+' WHERE id % 2 = 0;
INSERT INTO i SELECT 20 + x, x % 3, x * 3 FROM generate_series(1, 6) x;
COMMIT;
SELECT * FROM all_fresh('op_subquery');

-- the inner side empties, the outer side empties, both fill
BEGIN;
DELETE FROM i;
UPDATE o SET m = 9 WHERE id = 4;
DELETE FROM d WHERE k = 1;
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;
SELECT o, i, d FROM closed_no_from;
BEGIN;
DELETE FROM o;
DELETE FROM d;
INSERT INTO i VALUES (1, 1, 1), (2, NULL, 2);
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT o, i, d FROM closed_no_from;
BEGIN;
INSERT INTO o VALUES (1, 1, 1, 'x'), (2, NULL, 2, 'y'), (3, 3, NULL, 'z');
INSERT INTO d VALUES (1, 1), (1, 1), (NULL, 3);
DELETE FROM i WHERE k IS NULL;
COMMIT;
SELECT * FROM all_fresh('op_subquery');
SELECT * FROM results;

-- rows that a function in the select list makes of one row have its key together
SELECT made('made_many', 'SELECT id, generate_series(1, id) AS x FROM o WHERE EXISTS (SELECT FROM d WHERE d.k = o.k)');
INSERT INTO d SELECT k, 9 FROM o WHERE k IS NOT NULL;
SELECT * FROM fresh('made_many');
SELECT count(*) > count(DISTINCT id) AS many FROM made_many;

-- more than one row is an error, as it is for the query, and passes
CREATE TABLE e (id int PRIMARY KEY, k int);
INSERT INTO e VALUES (1, 1), (2, 2);
SELECT made('at_most_one', 'SELECT id, (SELECT e.id FROM e WHERE e.k = o.k) AS e FROM o');
INSERT INTO e VALUES (3, 1);
SELECT pgtrickle.refresh_stream_table('at_most_one');
DELETE FROM e WHERE id = 1;
UPDATE o SET v = 'changed';
SELECT exact FROM fresh('at_most_one');
SELECT id, e FROM at_most_one ORDER BY id;

-- IN over values that come once is a join; also with NULLs, and compared otherwise
CREATE TABLE tags (tag text PRIMARY KEY, n int);
CREATE TABLE tagged (id int PRIMARY KEY, tag text, n int);
INSERT INTO tags VALUES ('a', 1), ('B', 2), ('c', NULL);
INSERT INTO tagged VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3), (4, 'c', NULL), (5, 'A', 1);
SELECT made('in_once', 'SELECT id, n FROM tagged WHERE tag IN (SELECT tag FROM tags WHERE n IS DISTINCT FROM 2)');
SELECT made('in_once_collated', 'SELECT id FROM tagged WHERE tag COLLATE "C" IN (SELECT tag FROM tags)');
SELECT made('in_once_expression', 'SELECT id FROM tagged WHERE upper(tag) IN (SELECT tag FROM tags)');
SELECT made('in_once_row', 'SELECT id FROM tagged WHERE (n, tag) IN (SELECT n, tag FROM tags)');
SELECT made('in_once_both', 'SELECT t.id, x.id AS xid FROM tagged t LEFT JOIN tagged x ON x.n = t.id
	WHERE t.tag IN (SELECT tag FROM tags) AND t.n IN (SELECT n FROM tagged GROUP BY n HAVING count(*) > 1)');
SELECT made('in_once_not', 'SELECT id FROM tagged WHERE tag NOT IN (SELECT tag FROM tags)');
BEGIN;
UPDATE tags SET n = 2 WHERE tag = 'a';
UPDATE tagged SET tag = 'B' WHERE id IN (2, 3);
INSERT INTO tagged VALUES (6, 'c', 2), (7, 'a', 2);
COMMIT;
SELECT id FROM in_once UNION ALL SELECT 0 UNION ALL SELECT id FROM in_once_row ORDER BY id;
SELECT st, (fresh(('in_once' || st)::regclass)).exact
FROM unnest('{"",_collated,_expression,_row,_both,_not}'::text[]) st;
SELECT id FROM in_once ORDER BY id;
SELECT id FROM in_once_row ORDER BY id;
BEGIN;
DELETE FROM tags WHERE tag = 'B';
INSERT INTO tags VALUES ('b', 5), ('A', 1);
UPDATE tagged SET n = n + 1;
COMMIT;
SELECT st, (fresh(('in_once' || st)::regclass)).exact
FROM unnest('{"",_collated,_expression,_row,_both,_not}'::text[]) st;

-- what EXISTS selects does not matter
SELECT made('exists_star', 'SELECT id FROM tagged t WHERE EXISTS (SELECT *, n / 0 FROM tags WHERE tags.tag = t.tag ORDER BY n)');
UPDATE tags SET n = n + 1;
SELECT exact FROM fresh('exists_star');
DELETE FROM tags WHERE tag = 'a';
SELECT exact FROM fresh('exists_star');

-- changes of many rows, by one column, by two, and in two subqueries by the same
CREATE TABLE mo (id int PRIMARY KEY, a int, b text);
CREATE TABLE ml (id int PRIMARY KEY, a int, b text, n int, note text);
INSERT INTO mo SELECT i, i % 700, 'b' || i % 3 FROM generate_series(1, 800) i;
INSERT INTO ml SELECT i, i % 650, 'b' || i % 4, i % 7 FROM generate_series(1, 2000) i;
CREATE INDEX ON ml (a, b);
CREATE INDEX ON ml (b, a);
SELECT made('many_both', 'SELECT id FROM mo WHERE EXISTS (SELECT FROM ml WHERE ml.a = mo.a AND n > 3)
	AND NOT EXISTS (SELECT FROM ml x WHERE x.a = mo.a AND x.n < 1)');
SELECT made('many_pairs', 'SELECT id FROM mo WHERE EXISTS (SELECT FROM ml WHERE ml.a = mo.a AND ml.b = mo.b AND n > 4)
	OR EXISTS (SELECT FROM ml x WHERE x.b = mo.b AND x.a = mo.a AND x.n = 1)');
SELECT made('many_sums', 'SELECT id, (SELECT sum(n) FROM ml WHERE ml.a = mo.a AND ml.b = mo.b) AS s FROM mo');
SELECT made('many_parts', 'SELECT id, a, rank() OVER (PARTITION BY a, b ORDER BY n, id) AS r FROM ml');
UPDATE ml SET n = n + 1 WHERE id % 2 = 0;
SELECT st, (fresh(('many' || st)::regclass)).* FROM unnest('{_both,_pairs,_sums,_parts}'::text[]) st;
BEGIN;
UPDATE ml SET a = a + 1, n = n - 1 WHERE id % 3 = 0;
DELETE FROM ml WHERE id % 5 = 0;
UPDATE mo SET b = 'b1' WHERE id % 2 = 0;
DELETE FROM mo WHERE id % 7 = 0;
COMMIT;
SELECT st, (fresh(('many' || st)::regclass)).* FROM unnest('{_both,_pairs,_sums,_parts}'::text[]) st;
BEGIN;
UPDATE ml SET a = NULL WHERE id % 11 = 0;
UPDATE mo SET a = NULL WHERE id % 11 = 0;
INSERT INTO ml SELECT i, i % 650, 'b' || i % 4, i % 7 FROM generate_series(2001, 2900) i;
COMMIT;
SELECT st, (fresh(('many' || st)::regclass)).* FROM unnest('{_both,_pairs,_sums,_parts}'::text[]) st;
SELECT count(*) > 100 AS many FROM many_both;

-- in which order what a subquery gathers comes is nobody's business, where no order
-- is asked for and the row is known by a key; an order by what is not shown is
CREATE TABLE holder (id int PRIMARY KEY, name text);
CREATE TABLE item (id int PRIMARY KEY, holder int, v numeric);
INSERT INTO holder VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO item VALUES (1, 1, 1.0), (2, 1, 1.00), (3, 2, 5), (4, 1, 2);
SELECT pgtrickle.create_stream_table('gathered', $$SELECT h.*,
	(SELECT jsonb_agg(i) FROM item i WHERE i.holder = h.id) AS all_of,
	coalesce((SELECT jsonb_agg(i.v) FROM item i WHERE i.holder = h.id), '[]') AS vs,
	(SELECT coalesce(array_agg(i.v), '{}') FROM item i WHERE i.holder = h.id) AS arr,
	ARRAY(SELECT i.id FROM item i WHERE i.holder = h.id) AS ids FROM holder h$$, refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('gathered_beside', $$SELECT h.id, x.l, x.n FROM holder h
	LEFT JOIN LATERAL (SELECT array_agg(i.v) AS l, count(*) AS n FROM item i WHERE i.holder = h.id) x ON true$$, refresh_mode => 'DIFFERENTIAL');
CREATE FUNCTION gathered_wrong() RETURNS bigint LANGUAGE sql AS $$
	WITH now AS (SELECT h.*,
		(SELECT jsonb_agg(i ORDER BY to_jsonb(i)) FROM item i WHERE i.holder = h.id) AS all_of,
		(SELECT string_agg(i.v::text, ' ' ORDER BY i.v::text) FROM item i WHERE i.holder = h.id) AS vs,
		ARRAY(SELECT i.id FROM item i WHERE i.holder = h.id ORDER BY 1) AS ids FROM holder h),
	stored AS (SELECT id, name,
		(SELECT jsonb_agg(e ORDER BY e) FROM jsonb_array_elements(all_of) e) AS all_of,
		(SELECT string_agg(e, ' ' ORDER BY e) FROM jsonb_array_elements_text(vs) e) AS vs,
		(SELECT string_agg(e::text, ' ' ORDER BY e::text) FROM unnest(arr) e) AS arr,
		(SELECT string_agg(e::text, ' ' ORDER BY e::text) FROM unnest(l) e) AS l, n,
		ARRAY(SELECT unnest(ids) ORDER BY 1) AS ids FROM gathered JOIN gathered_beside USING (id))
	SELECT count(*) FROM (SELECT *, vs AS arr FROM now) n FULL JOIN stored s
		ON (n.id, n.name, n.ids) = (s.id, s.name, s.ids) AND n.all_of IS NOT DISTINCT FROM s.all_of
			AND n.vs IS NOT DISTINCT FROM s.vs AND n.arr IS NOT DISTINCT FROM s.arr
			AND n.arr IS NOT DISTINCT FROM s.l AND cardinality(n.ids) = s.n
	 WHERE n.id IS NULL OR s.id IS NULL
$$;
SELECT gathered_wrong();
BEGIN;
UPDATE item SET v = 3 WHERE id = 1;
UPDATE item SET holder = 3 WHERE id = 4;
DELETE FROM item WHERE id = 3;
INSERT INTO holder VALUES (4, 'd');
INSERT INTO item VALUES (5, 4, 1), (6, 4, 1);
COMMIT;
SELECT pgtrickle.refresh_stream_table('gathered'), pgtrickle.refresh_stream_table('gathered_beside');
SELECT gathered_wrong(), last_refresh_action FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'gathered'::regclass;
-- the rows move, and one takes the place of another
BEGIN;
UPDATE item SET v = v;
UPDATE item SET id = id + 100;
UPDATE holder SET name = upper(name);
COMMIT;
SELECT pgtrickle.refresh_stream_table('gathered'), pgtrickle.refresh_stream_table('gathered_beside');
SELECT gathered_wrong(), last_refresh_action FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'gathered'::regclass;
SELECT pgtrickle.drop_stream_table('gathered'), pgtrickle.drop_stream_table('gathered_beside');
-- a subquery that is sorted is expected to show that
CREATE VIEW sorted_items AS SELECT * FROM item ORDER BY v DESC, id;
SELECT made('as_sorted', 'SELECT id, (SELECT array_agg(i.id) FROM sorted_items i WHERE i.holder = h.id) AS a, ARRAY(SELECT i.id FROM sorted_items i WHERE i.holder = h.id) AS b FROM holder h');
SELECT made('as_sorted_below', 'WITH s AS (SELECT * FROM item ORDER BY v, id) SELECT x.h, x.a FROM (SELECT s.holder AS h, array_agg(s.id) AS a FROM s GROUP BY s.holder) x JOIN holder ON holder.id = x.h');
SELECT made('as_sorted_by_rows', 'SELECT holder, array_agg(id) AS a FROM (SELECT holder, id FROM item ORDER BY unnest(ARRAY[-id, id])) x GROUP BY holder');
SELECT made('as_sorted_first', 'SELECT DISTINCT ON (holder) holder, id FROM (SELECT * FROM item ORDER BY holder, v DESC, id) x');
SELECT made('as_sorted_first_again', 'SELECT DISTINCT ON (holder) holder, id FROM (SELECT * FROM item ORDER BY holder, v, id) x ORDER BY holder');
SELECT made('as_sorted_recursive', 'WITH RECURSIVE r AS ((SELECT id, v, 0 AS d FROM item ORDER BY v, id) UNION ALL SELECT id, v, d + 1 FROM r WHERE d < 1) SELECT array_agg(id) AS a FROM r');
SELECT made('one_row_each', 'SELECT h.name, count(*) AS n, array_agg(x.id) AS a FROM holder h, LATERAL (SELECT id FROM item i WHERE i.holder = h.id ORDER BY v, id LIMIT 1) x GROUP BY h.name');
-- a subquery may sort by what it gathers
SELECT made('first_by_gathered', 'SELECT h.id, x.parity FROM holder h, LATERAL (SELECT i.id % 2 AS parity FROM item i WHERE i.holder = h.id GROUP BY 1 ORDER BY array_agg(i.v), 1 LIMIT 1) x', 'AUTO');
UPDATE item SET v = 100 - v WHERE id % 2 = 0;
INSERT INTO item VALUES (7, 1, 50), (8, 2, 1), (9, 2, 99);
SELECT st, (fresh(st::regclass)).* FROM unnest('{as_sorted,as_sorted_below,as_sorted_by_rows,as_sorted_first,as_sorted_first_again,as_sorted_recursive,one_row_each,first_by_gathered}'::text[]) st;
SELECT construct, rule, note ~ 'is recomputed|depends on the order' AS not_by_delta FROM (VALUES
	('SELECT h.id, (SELECT jsonb_agg(i.id ORDER BY i.v) FROM op_subquery.item i WHERE i.holder = h.id) AS a FROM op_subquery.holder h'),
	('SELECT h.id, ARRAY(SELECT i.id FROM op_subquery.item i WHERE i.holder = h.id ORDER BY i.v) AS a FROM op_subquery.holder h'),
	('SELECT h.id, (SELECT array_agg(i.id) FILTER (WHERE i.v = (SELECT (array_agg(x.v))[1] FROM op_subquery.item x WHERE x.holder = i.holder)) FROM op_subquery.item i WHERE i.holder = h.id) AS a FROM op_subquery.holder h'),
	('SELECT h.id, (SELECT string_agg(i.name, '','') FROM op_subquery.holder i WHERE i.id > h.id) AS a FROM op_subquery.holder h'),
	('SELECT h.id, (SELECT jsonb_agg(i.id) -> 0 FROM op_subquery.item i WHERE i.holder = h.id) AS a FROM op_subquery.holder h'),
	('SELECT h.id, coalesce((SELECT array_agg(i.id) FROM op_subquery.item i WHERE i.holder = h.id), ''{1}'') AS a FROM op_subquery.holder h'),
	('SELECT h.id, x.a FROM op_subquery.holder h LEFT JOIN LATERAL (SELECT jsonb_agg(i.id) AS a FROM op_subquery.item i WHERE i.holder = h.id) x ON true'),
	('SELECT h.id, coalesce(x.a, ''[]'') AS a, x.n FROM op_subquery.holder h, LATERAL (SELECT jsonb_agg(i.id) AS a, count(*) AS n FROM op_subquery.item i WHERE i.holder = h.id) x WHERE x.n > 1'),
	('SELECT h.id, x.a, jsonb_array_length(x.a) AS n FROM op_subquery.holder h, LATERAL (SELECT jsonb_agg(i.id) AS a FROM op_subquery.item i WHERE i.holder = h.id) x'),
	('SELECT h.id, x.a FROM op_subquery.holder h, LATERAL (SELECT jsonb_agg(i.id) AS a FROM op_subquery.item i WHERE i.holder = h.id) x WHERE x.a IS NOT NULL'),
	('SELECT h.name, (SELECT jsonb_agg(i.id) FROM op_subquery.item i WHERE i.holder = h.id) AS a FROM op_subquery.holder h'))
	q (query), LATERAL pgtrickle.validate_query(query) WHERE item = 'verdict';
