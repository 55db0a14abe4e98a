-- LATERAL subqueries and set-returning functions: rows made from a row's values.
\set VERBOSITY terse
CREATE SCHEMA op_lateral;
SET search_path = op_lateral, public;

-- e has no key, rows in duplicate
CREATE TABLE t (id int PRIMARY KEY, g int, n int, tags text[], j jsonb, words text);
CREATE TABLE u (id int PRIMARY KEY, g int, v int);
CREATE TABLE e (g int, tags text[]);
INSERT INTO t VALUES
	(1, 1, 3, '{a,b}', '[1, {"k": 2}, null]', 'one two'), (2, 1, 2, '{a,a,NULL}', '[]', 'three'),
	(3, 2, 0, '{}', '["x"]', ''), (4, NULL, NULL, NULL, NULL, NULL), (5, 3, 1, '{c}', '[true]', 'two two');
INSERT INTO u VALUES (1, 1, 10), (2, 1, 20), (3, 2, 30), (4, NULL, 40), (5, 1, NULL);
INSERT INTO e VALUES (1, '{x,x}'), (1, '{x,x}'), (2, '{y,NULL}'), (NULL, '{z}'), (3, '{a}');

-- functions without tables, and two that are written in SQL
CREATE FUNCTION up_to(n int) RETURNS SETOF int LANGUAGE sql IMMUTABLE AS 'SELECT generate_series(1, n)';
CREATE FUNCTION halves(n int, OUT low int, OUT high int) LANGUAGE sql IMMUTABLE AS 'SELECT n / 2, n - n / 2';

-- LATERAL subqueries
SELECT made('top_one', 'SELECT t.id, x.id AS uid, x.v FROM t, LATERAL (SELECT id, v FROM u WHERE u.g = t.g ORDER BY v DESC NULLS LAST, id LIMIT 1) x');
SELECT made('top_one_left', 'SELECT t.id, x.id AS uid FROM t LEFT JOIN LATERAL (SELECT id FROM u WHERE u.g = t.g ORDER BY v, id LIMIT 1) x ON true');
SELECT made('limit_column', 'SELECT t.id, x.id AS uid FROM t, LATERAL (SELECT id FROM u WHERE u.g = t.g ORDER BY id LIMIT greatest(t.n, 1)) x');
SELECT made('less', 'SELECT t.id, x.id AS uid FROM t, LATERAL (SELECT id FROM u WHERE u.v < t.n * 10 ORDER BY v DESC, id LIMIT 1) x');
SELECT made('aggregate_', 'SELECT t.id, x.n, x.s FROM t, LATERAL (SELECT count(*) AS n, sum(v) AS s FROM u WHERE u.g = t.g) x');
SELECT made('group_', 'SELECT e.g, x.v, x.n FROM e, LATERAL (SELECT v, count(*) AS n FROM u WHERE u.g = e.g GROUP BY v) x');
SELECT made('plain', 'SELECT t.id, x.v FROM t, LATERAL (SELECT u.v + t.n AS v FROM u WHERE u.g = t.g) x');
SELECT made('closed', 'SELECT e.g, x.n FROM e, LATERAL (SELECT count(*) AS n FROM u) x');
SELECT made('chain', 'SELECT t.id, x.s, y.n FROM t, LATERAL (SELECT sum(v) AS s FROM u WHERE u.g = t.g) x, LATERAL (SELECT count(*) AS n FROM u WHERE u.v < x.s) y');
SELECT made('left_aggregate', 'SELECT t.id, x.mx FROM t LEFT JOIN LATERAL (SELECT max(v) AS mx FROM u WHERE u.g = t.g HAVING count(*) > 1) x ON true');
SELECT made('left_on', 'SELECT t.id, x.v FROM t LEFT JOIN LATERAL (SELECT v FROM u WHERE u.g = t.g AND u.v > t.n) x ON x.v <> 20');
SELECT made('union_', 'SELECT t.id, x.w FROM t, LATERAL (SELECT v AS w FROM u WHERE u.g = t.g UNION SELECT t.n) x');
SELECT made('values_', 'SELECT t.id, x.name, x.value FROM t, LATERAL (VALUES (''n'', n), (''g'', g)) x(name, value)');
SELECT made('no_from', 'SELECT t.id, x.twice, y.more FROM t, LATERAL (SELECT n * 2 AS twice) x, LATERAL (SELECT x.twice + 1 AS more) y');
SELECT made('of_function', 'SELECT t.id, x.n FROM t, LATERAL (SELECT count(*) AS n FROM unnest(t.tags) tag JOIN u ON u.g = t.g WHERE tag = ''a'') x');
SELECT made('exists_', 'SELECT t.id, x.b FROM t, LATERAL (SELECT EXISTS (SELECT FROM u WHERE u.g = t.g AND u.v > 15) AS b) x');
SELECT made('self', 'SELECT x.id, y.id AS next FROM u x, LATERAL (SELECT id FROM u WHERE u.id > x.id ORDER BY id LIMIT 1) y');
SELECT made('grouped', 'SELECT x.v, count(*) AS n FROM t, LATERAL (SELECT v FROM u WHERE u.g = t.g ORDER BY v DESC, id LIMIT 1) x GROUP BY x.v');
-- LATERAL subqueries that may find nothing
SELECT made('left_two', 'SELECT t.id, x.id AS uid, x.v FROM t LEFT JOIN LATERAL (SELECT id, v FROM u WHERE u.g = t.g ORDER BY v DESC NULLS LAST, id LIMIT 2) x ON true');
SELECT made('left_plain', 'SELECT t.id, x.v FROM t LEFT JOIN LATERAL (SELECT u.v + t.n AS v, u.id FROM u) x ON x.id = t.g AND x.v > 12');
SELECT made('left_group', 'SELECT e.g, x.v, x.n FROM e LEFT JOIN LATERAL (SELECT v, count(*) AS n FROM u WHERE u.g = e.g GROUP BY v) x ON x.n < 2');
SELECT made('left_limit_on', 'SELECT t.id, x.id AS uid FROM t LEFT JOIN LATERAL (SELECT id, v FROM u WHERE u.g = t.g ORDER BY v, id LIMIT 1) x ON x.v < t.n * 10');
SELECT made('left_exists_on', 'SELECT t.id, x.id AS uid FROM t LEFT JOIN LATERAL (SELECT id, v FROM u WHERE u.g = t.g ORDER BY v, id LIMIT 1) x ON EXISTS (SELECT FROM e WHERE e.g = x.id AND e.g <= t.n)');
SELECT made('left_in_on', 'SELECT t.id, x.id AS uid FROM t LEFT JOIN LATERAL (SELECT id, v FROM u WHERE u.g = t.g) x ON t.n IN (SELECT g FROM e)');
SELECT made('left_chain', 'SELECT t.id, x.s, y.n FROM t LEFT JOIN LATERAL (SELECT sum(v) AS s FROM u WHERE u.g = t.g) x ON x.s > 10 LEFT JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.v < x.s + t.n) y ON true');
SELECT made('left_values', 'SELECT t.id, x.name, x.value FROM t LEFT JOIN LATERAL (VALUES (''n'', n), (''g'', g)) x(name, value) ON x.value > 1');
SELECT made('left_union', 'SELECT t.id, x.w FROM t LEFT JOIN LATERAL (SELECT v AS w FROM u WHERE u.g = t.g UNION SELECT t.n) x ON x.w > 2');
SELECT made('left_no_from', 'SELECT t.id, x.twice FROM t LEFT JOIN LATERAL (SELECT n * 2 AS twice) x ON x.twice > 2');
SELECT made('left_of_join', 'SELECT t.id, x.id AS uid, tag FROM t LEFT JOIN (u x JOIN LATERAL unnest(t.tags) tag ON x.v > 10) ON x.g = t.g');
SELECT made('left_outer_of_join', 'SELECT t.id, x.id AS uid, y.id AS yid FROM t LEFT JOIN (u x LEFT JOIN LATERAL (SELECT id FROM u WHERE u.v < x.v AND u.id <> t.n ORDER BY v DESC, id LIMIT 1) y ON true) ON x.g = t.g');
SELECT made('left_of_lateral', 'SELECT t.id, x.s, tag FROM t CROSS JOIN LATERAL (SELECT sum(v) AS s FROM u WHERE u.g = t.g) x LEFT JOIN unnest(tags) tag ON x.s > 10');
SELECT made('left_grouped', 'SELECT x.v, count(*) AS n FROM t LEFT JOIN LATERAL (SELECT v FROM u WHERE u.g = t.g ORDER BY v DESC, id LIMIT 1) x ON true GROUP BY x.v');
SELECT made('left_self', 'SELECT x.id, y.id AS next FROM u x LEFT JOIN LATERAL (SELECT id FROM u WHERE u.id > x.id ORDER BY id LIMIT 1) y ON true');
SELECT made('left_nobody', 'SELECT t.id FROM t LEFT JOIN LATERAL (SELECT FROM u WHERE u.g = t.g) x ON true');
-- functions of a row's columns
SELECT made('unnest_', 'SELECT t.id, tag FROM t, unnest(tags) tag');
SELECT made('unnest_keyless', 'SELECT e.g, tag FROM e, unnest(tags) tag');
SELECT made('unnest_left', 'SELECT t.id, tag FROM t LEFT JOIN unnest(tags) tag ON true');
SELECT made('unnest_left_on', 'SELECT t.id, tag FROM t LEFT JOIN unnest(tags) tag ON tag <> ''a''');
SELECT made('unnest_left_exists', 'SELECT t.id, tag FROM t LEFT JOIN unnest(tags) tag ON EXISTS (SELECT FROM u WHERE u.g = t.g AND u.v > 15 * length(tag))');
SELECT made('unnest_left_keyless', 'SELECT e.g, tag FROM e LEFT JOIN unnest(tags) tag ON true');
SELECT made('unnest_left_count', 'SELECT t.g, count(tag) AS n, count(*) AS rows FROM t LEFT JOIN unnest(tags) tag ON true GROUP BY t.g');
SELECT made('ordinality_left', 'SELECT t.id, tag, o FROM t LEFT JOIN unnest(tags) WITH ORDINALITY AS f(tag, o) ON o > 1');
SELECT made('json_left', 'SELECT t.id, el FROM t LEFT JOIN jsonb_array_elements(j) el ON true');
SELECT made('series_left', 'SELECT t.id, i, k FROM t LEFT JOIN generate_series(1, n) i ON true LEFT JOIN generate_series(i, n) k ON k > 1');
SELECT made('unnest_two', 'SELECT t.id, x, y FROM t, unnest(tags, string_to_array(words, '' '')) AS f(x, y)');
SELECT made('ordinality_', 'SELECT t.id, tag, o FROM t, unnest(tags) WITH ORDINALITY AS f(tag, o)');
SELECT made('ordinality_where', 'SELECT e.g, tag FROM e, unnest(tags) WITH ORDINALITY AS f(tag, o) WHERE o = 1');
SELECT made('series', 'SELECT t.id, i FROM t, generate_series(1, n) i');
SELECT made('series_two', 'SELECT t.id, i, k FROM t, generate_series(1, n) i, generate_series(i, n) k');
SELECT made('rows_from', 'SELECT t.id, i, tag, o FROM t, ROWS FROM (generate_series(1, n), unnest(tags)) WITH ORDINALITY AS f(i, tag, o)');
SELECT made('json_', 'SELECT t.id, el, jsonb_typeof(el) AS type FROM t, jsonb_array_elements(j) el');
SELECT made('json_text', 'SELECT t.id, el FROM t, jsonb_array_elements_text(j) el WHERE el IS NOT NULL');
SELECT made('json_each', 'SELECT t.id, m.key, m.value FROM t, jsonb_array_elements(j) el, jsonb_each(CASE WHEN jsonb_typeof(el) = ''object'' THEN el ELSE ''{}'' END) m');
SELECT made('json_path', 'SELECT t.id, x FROM t, jsonb_path_query(j, ''$[*] ? (@ != null)'') x');
SELECT made('words_', 'SELECT word, count(*) AS n FROM t, regexp_split_to_table(words, '' '') word GROUP BY word');
SELECT made('own_set', 'SELECT t.id, i FROM t, up_to(n) i');
SELECT made('own_record', 'SELECT t.id, low, high FROM t, halves(n)');
SELECT made('constant', 'SELECT e.g, i FROM e, generate_series(1, 2) i');
SELECT made('tag_count', 'SELECT tag, count(*) AS n, count(DISTINCT t.g) AS g FROM t, unnest(tags) tag GROUP BY tag HAVING count(*) > 1');
SELECT made('tag_join', 'SELECT t.id, e.g FROM t, unnest(t.tags) x JOIN e ON x = e.tags[1] WHERE t.id > 0');
SELECT made('tag_pairs', 'SELECT x.id, y.id AS yid, a FROM t x, unnest(x.tags) a, t y, unnest(y.tags) b WHERE a = b AND x.id < y.id');
SELECT made('tag_exists', 'SELECT id FROM t WHERE EXISTS (SELECT FROM unnest(tags) tag WHERE tag = ''a'')');
SELECT made('tag_beside', 'SELECT t.id, (SELECT min(e.tags) FROM e WHERE e.g = t.g) AS mn, (SELECT count(*) FROM e, unnest(t.tags) tag WHERE tag = ANY (e.tags) AND e.g > 0) AS n FROM t');
SELECT made('tag_any', 'SELECT e.g FROM e WHERE EXISTS (SELECT FROM unnest(tags) tag, u WHERE tag = ''x'' AND u.g = e.g)');
-- functions in the select list
SELECT made('list_series', 'SELECT id, generate_series(1, n) AS i FROM t');
SELECT made('list_two', 'SELECT id, generate_series(1, n) AS i, unnest(tags) AS tag FROM t');
SELECT made('list_keyless', 'SELECT g, unnest(tags) AS tag FROM e');
SELECT made('list_expression', 'SELECT id, unnest(tags) || ''!'' AS tag FROM t');
SELECT made('list_groups', 'SELECT g, generate_series(1, count(*)) AS i FROM u GROUP BY g');
SELECT made('list_filtered', 'SELECT id, i FROM (SELECT id, generate_series(1, n) AS i FROM t) x WHERE i > 1');
SELECT made('list_grouped', 'SELECT tag, count(*) AS n FROM (SELECT unnest(tags) AS tag FROM e) x GROUP BY tag');
SELECT made('list_distinct', 'SELECT DISTINCT unnest(tags) AS tag FROM t');
SELECT made('list_limited', 'SELECT id, unnest(tags) AS tag FROM t ORDER BY id DESC, tag LIMIT 2');
SELECT made('list_joined', 'SELECT x.id, x.i, u.v FROM (SELECT id, g, generate_series(1, n) AS i FROM t) x JOIN u ON u.id = x.i');
-- VALUES
SELECT made('values_join', 'SELECT t.id, x.name FROM t JOIN (VALUES (1, ''one''), (1, ''uno''), (2, ''two'')) x(g, name) ON x.g = t.g');
SELECT made('values_in', 'SELECT id FROM t WHERE (g, n) IN (VALUES (1, 3), (2, 0))');
SELECT made('values_union', 'SELECT g FROM e UNION ALL VALUES (7), (7)');
SELECT made('values_not_exists', 'SELECT x.g FROM (VALUES (1), (2), (9)) x(g) WHERE NOT EXISTS (SELECT FROM u WHERE u.g = x.g)');

CREATE VIEW results AS
	SELECT t.id, l.uid AS top, a.n, a.s, array(SELECT tag FROM unnest_ x WHERE x.id = t.id ORDER BY tag) AS tags,
		(SELECT count(*) FROM series s WHERE s.id = t.id) AS series
	  FROM t LEFT JOIN top_one l USING (id) LEFT JOIN aggregate_ a USING (id)
	 ORDER BY t.id;
SELECT * FROM results;
SELECT g, tag, count(*) FROM unnest_keyless GROUP BY g, tag ORDER BY g, tag;

-- a row comes along with what it reads; another finds more
BEGIN;
INSERT INTO t VALUES (6, 5, 4, '{b,d}', '[[1], 2]', 'six'), (7, 2, -1, '{a}', '{"not": "a list"}'::jsonb -> 'list', 'two');
INSERT INTO u VALUES (6, 5, 1), (7, 5, 2), (8, 2, 5), (9, 1, 21);
INSERT INTO e VALUES (5, '{x}'), (1, '{x,x}'), (1, NULL), (3, '{d,x}');
COMMIT;
SELECT * FROM all_fresh('op_lateral');
SELECT * FROM results;
SELECT g, tag, count(*) FROM unnest_keyless GROUP BY g, tag ORDER BY g, tag;

-- what was read goes, from rows that change and rows that do not
BEGIN;
UPDATE t SET n = n + 1, tags = tags || '{a}'::text[], j = j || '[7]' WHERE id IN (1, 3, 5);
UPDATE t SET tags = array_remove(tags, 'a'), words = 'two' WHERE id = 2;
DELETE FROM u WHERE id IN (9, 2, 6);
UPDATE u SET v = 15 WHERE id = 1;
DELETE FROM e WHERE ctid = (SELECT min(ctid) FROM e WHERE g = 1);
UPDATE e SET tags = '{b,y}' WHERE g = 2;
COMMIT;
SELECT * FROM all_fresh('op_lateral');
SELECT * FROM results;
SELECT g, tag, count(*) FROM unnest_keyless GROUP BY g, tag ORDER BY g, tag;

-- keys move on both sides, through NULL and back
BEGIN;
UPDATE t SET g = CASE WHEN g IS NULL THEN 1 END, n = coalesce(n, 2) WHERE g IS NULL OR g = 1;
UPDATE t SET tags = NULL, j = NULL WHERE id = 5;
UPDATE u SET g = CASE WHEN g IS NULL THEN 2 END WHERE g IS NULL OR g = 2;
UPDATE e SET g = CASE WHEN g IS NULL THEN 2 END WHERE g IS NULL OR g = 2;
COMMIT;
SELECT * FROM all_fresh('op_lateral');
SELECT * FROM results;

-- one side empties, then the other while the first fills
BEGIN;
DELETE FROM u;
UPDATE t SET n = 1 WHERE id < 3;
DELETE FROM e WHERE g = 1;
COMMIT;
SELECT * FROM all_fresh('op_lateral');
SELECT * FROM results;
BEGIN;
DELETE FROM t;
INSERT INTO u VALUES (1, 1, 1), (2, 1, 2);
INSERT INTO e VALUES (1, '{x}');
COMMIT;
SELECT * FROM all_fresh('op_lateral');
BEGIN;
INSERT INTO t VALUES (1, 1, 2, '{a,b,a}', '[1]', 'new words');
UPDATE u SET v = v + 1;
DELETE FROM e WHERE g = 2;
COMMIT;
SELECT * FROM all_fresh('op_lateral');
SELECT * FROM results;
