-- Whole rows as values: of tables, subqueries, joins and functions, whose columns
-- have names that are seen.
\set VERBOSITY terse
CREATE SCHEMA op_row;
SET search_path = op_row, public;

-- u has lost a column, and its column names need quotes
CREATE TABLE t (id int PRIMARY KEY, a text, b int);
CREATE TABLE u (id int, "X y" text, lost numeric, m int DEFAULT 7);
ALTER TABLE u DROP COLUMN lost;
CREATE TABLE kin (extra int) INHERITS (t);
CREATE TYPE pair AS (x int, y text);
CREATE FUNCTION pairs(n int) RETURNS SETOF pair IMMUTABLE LANGUAGE sql AS
	'SELECT i, i::text FROM generate_series(1, $1) i';
CREATE VIEW v AS SELECT id AS "the id", a FROM t;
INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, NULL, NULL), (6, 'six', 3);
INSERT INTO u VALUES (1, 'p', 7), (1, 'q', 7), (4, 'r', 7), (NULL, NULL, 7), (NULL, NULL, NULL), (6, 'p', 8);
INSERT INTO kin VALUES (7, 'seven', 7, 70);

-- the row of a table; of a subquery; of a join; of a join by USING; of a view
SELECT made('of_table', 'SELECT id, to_jsonb(u) AS j, u::text AS r FROM u');
SELECT made('of_children', 'SELECT id, to_jsonb(t) AS j FROM t');
SELECT made('of_only', 'SELECT id, t AS r FROM ONLY t');
SELECT made('of_subquery', 'SELECT q.id, row_to_json(q)::text AS j FROM (SELECT id, b AS "B b", a FROM ONLY t) q');
SELECT made('of_join', 'SELECT row_to_json(x)::text AS j FROM (ONLY t JOIN u ON t.id = u.id) AS x (i, k, l, m, n)');
SELECT made('of_using', 'SELECT row_to_json(x.*)::text AS j FROM ONLY t JOIN u USING (id) AS x');
SELECT made('of_view', 'SELECT to_jsonb(v) AS j, v.*::text AS r FROM v');
SELECT made('of_with', 'WITH c AS (SELECT id, a FROM ONLY t) SELECT to_jsonb(c) AS j FROM c WHERE c.id < 3 UNION ALL SELECT to_jsonb(w) FROM (VALUES (1, ''x'')) w (k, l)');
SELECT made('of_with_all', 'WITH RECURSIVE c AS (SELECT id, 1 AS n FROM ONLY t UNION ALL SELECT id, n + 1 FROM c WHERE n < 3) SELECT to_jsonb(c) AS j FROM c');
SELECT made('of_function', 'SELECT t.id, to_jsonb(p) AS j, (p).y FROM ONLY t, pairs(t.b) p');
SELECT made('of_functions', 'SELECT t.id, to_jsonb(p) AS j FROM ONLY t, ROWS FROM (pairs(t.b), generate_series(5, 6)) WITH ORDINALITY AS p (x, y, s, o)');
SELECT made('of_record', 'SELECT t.id, to_jsonb(x) AS j FROM ONLY t, jsonb_to_record(jsonb_build_object(''a'', t.b)) AS x (a int, "b c" text)');

-- where an outer join may have put NULL: that is no row of NULLs
SELECT made('padded', 'SELECT t.id, to_jsonb(u) AS j, u IS NULL AS isnull, u IS NOT NULL AS notnull, (u).m FROM ONLY t LEFT JOIN u ON u.id = t.id');
SELECT made('padded_both', 'SELECT t::text AS a, u::text AS b FROM ONLY t FULL JOIN u ON u.id = t.id');
SELECT made('padded_subquery', 'SELECT t.id, to_jsonb(q) AS j, q IS NULL AS isnull FROM ONLY t LEFT JOIN (SELECT id, m AS "M" FROM u) q ON q.id = t.id');
SELECT made('padded_lateral', 'SELECT t.id, to_jsonb(q) AS j FROM ONLY t LEFT JOIN LATERAL (SELECT max("X y") AS mx, count(*) AS n FROM u WHERE u.id = t.id) q ON q.n > 0');
SELECT made('padded_function', 'SELECT t.id, to_jsonb(p) AS j FROM ONLY t LEFT JOIN pairs(3) p ON p.x = t.b');
-- (the row of a join is NULL there from 16 on, and one of NULLs before)
SET client_min_messages = warning;
SELECT made('padded_join', 'SELECT t.id, to_jsonb(x) AS j FROM ONLY t LEFT JOIN (u JOIN ONLY t s USING (id)) AS x ON x.id = t.id', 'AUTO');
RESET client_min_messages;
SELECT made('padded_right', 'SELECT to_jsonb(t) AS j, u.id FROM ONLY t RIGHT JOIN u ON u.id = t.id WHERE t IS NULL OR t.b > 0');

-- where the query is printed as it is
CREATE MATERIALIZED VIEW mt AS SELECT * FROM ONLY t;
SELECT made('padded_whole', 'SELECT q::text AS r, r::text AS s FROM mt q LEFT JOIN LATERAL (SELECT max("X y") AS m FROM u FULL JOIN mt ON true WHERE u.id = q.id) x ON true FULL JOIN mt r ON q.id = r.id + 1');

-- compared, tested, counted, gathered, numbered, taken apart, and seen from below
SELECT made('tested', 'SELECT t.id FROM ONLY t WHERE EXISTS (SELECT FROM u WHERE (u.id, u."X y", u.m) = (t.id, ''p'', 7) AND u IS NOT NULL AND t IS NOT NULL)');
SELECT made('equal', 'SELECT s.id FROM ONLY t s JOIN ONLY t r ON s = r AND s.* >= r.*');
SELECT made('among', 'SELECT s.id FROM ONLY t s WHERE s IN (SELECT r FROM ONLY t r WHERE r.b > 1)');
SELECT made('counted', 'SELECT m, count(u) AS n, count(DISTINCT u) AS d FROM u GROUP BY m');
SELECT made('gathered', 'SELECT b, json_agg(q ORDER BY q.id)::text AS j FROM (SELECT id, b, a FROM t) q GROUP BY b');
SELECT made('nested', 'SELECT t.id, (SELECT jsonb_agg(u ORDER BY u."X y", u.m) FROM u WHERE u.id = t.id) AS j FROM ONLY t', 'AUTO');
SELECT made('numbered', 'SELECT row_number() OVER (PARTITION BY b ORDER BY id) AS n, to_jsonb(t) AS j FROM ONLY t');
SELECT made('apart', 'SELECT (x.r).a, (x.r).id + 1 AS i, (y.r)."X y" AS p FROM (SELECT t AS r FROM ONLY t) x, (SELECT u AS r FROM u) y WHERE (x.r).id = (y.r).id AND y.r IS NOT NULL');
SELECT made('outer_row', 'SELECT t.id, (SELECT to_jsonb(t) || to_jsonb(q) FROM (SELECT count(*) AS n FROM u WHERE u.id = t.id) q) AS j FROM ONLY t');
SELECT pg_get_function_result('pgtrickle.named_row'::regproc), pgtrickle.named_row(ROW(1, 'a'), '{x,"y z"}');
SELECT to_jsonb(pgtrickle.named_row(ROW(i, i + 1), ARRAY['a', 'b' || i])) FROM generate_series(1, 2) i;
SELECT pgtrickle.named_row(ROW(1, 2), '{x}');
SELECT pgtrickle.named_row(ROW(1, 2), '{x,NULL}');
SELECT pgtrickle.named_row(t, '{x,y,z}') FROM t;
SELECT id, pgtrickle.explain_refresh_mode('nested') FROM t WHERE id = 1;

-- what a row looks like
SELECT * FROM padded ORDER BY id, j;
SELECT j FROM of_join ORDER BY j;
SELECT j FROM of_subquery ORDER BY id;
SELECT stream_tables, exact FROM all_fresh('op_row');

BEGIN;
INSERT INTO t VALUES (4, 'four', 2), (5, 'five', NULL);
UPDATE ONLY t SET a = 'zwei' WHERE id = 2;
UPDATE u SET m = NULL WHERE "X y" = 'q';
DELETE FROM ONLY t WHERE id = 1;
INSERT INTO u VALUES (2, 'z', 1), (2, 'y', 2), (3, 'p', 7);
UPDATE kin SET b = 8;
COMMIT;
SELECT * FROM all_fresh('op_row');

-- other names, another column; what keeps the type of a row keeps its table
ALTER TABLE u RENAME "X y" TO xy;
REFRESH MATERIALIZED VIEW mt;
DO $$ BEGIN
	ALTER TABLE t ADD c date DEFAULT '2020-01-01';
EXCEPTION WHEN feature_not_supported THEN
	RAISE NOTICE 'its row type is in use';
END $$;
SELECT pgtrickle.drop_stream_table(n) FROM unnest(ARRAY['of_only', 'among', 'apart']) n;
ALTER TABLE t ADD c date DEFAULT '2020-01-01';
SELECT exact FROM all_fresh('op_row');
SELECT j FROM of_table WHERE id = 4;
SELECT j FROM of_children WHERE id IN (2, 7) ORDER BY id;
BEGIN;
INSERT INTO u VALUES (5, 'k', NULL);
DELETE FROM ONLY t WHERE id IN (2, 3);
UPDATE t SET c = NULL WHERE id IN (4, 7);
COMMIT;
SELECT * FROM all_fresh('op_row');
BEGIN;
DELETE FROM t;
DELETE FROM u;
COMMIT;
SELECT * FROM all_fresh('op_row');
