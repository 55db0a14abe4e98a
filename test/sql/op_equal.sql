-- Values that are equal and look different, as keys of every operator: 1.0 and
-- 1.00, 0 and -0, 'a' and 'a  ', a moment in two time zones.
\set VERBOSITY terse
CREATE SCHEMA op_equal;
SET search_path = op_equal, public;
SET TimeZone = 'UTC';

CREATE TABLE x (id int PRIMARY KEY, n numeric, f float8, c char(5), v varchar(9), ts timestamptz, j jsonb, ar int[]);
CREATE TABLE y (n numeric, f float8, c char(5), t text, ts timestamptz, j jsonb, ar int[]);
INSERT INTO x VALUES (1, 1.0, 0, 'a', 'a', '2024-01-01 00:00', '{"a":1.0}', '{1}'),
	(2, 1.00, '-0', 'b ', 'b', '2024-01-02 00:00', '[1]', '{2}'), (3, 'NaN', 'NaN', NULL, NULL, NULL, NULL, NULL);
INSERT INTO y VALUES (1.000, '-0', 'a', 'a', '2024-01-01 01:00+01', '{"a":1.00}', '{1}'),
	(1, 0, 'b', 'b ', '2024-01-03 00:00', '[1]', '{2}'), ('NaN', 'NaN', 'c', 'c', NULL, NULL, NULL);

SELECT made('left_numeric', 'SELECT x.id, x.n, y.n AS yn FROM x LEFT JOIN y ON x.n = y.n');
SELECT made('full_numeric', 'SELECT x.id, x.n, y.n AS yn FROM x FULL JOIN y ON x.n = y.n');
SELECT made('full_using_numeric', 'SELECT n, x.id FROM x FULL JOIN y USING (n)');
SELECT made('full_float', 'SELECT x.id, x.f, y.f AS yf FROM x FULL JOIN y ON x.f = y.f');
SELECT made('full_numeric_float', 'SELECT x.id, x.n, y.f AS yf FROM x FULL JOIN y ON x.n = y.f');
SELECT made('left_char_text', 'SELECT x.id, x.c, y.t FROM x LEFT JOIN y ON x.c = y.t');
SELECT made('full_char', 'SELECT x.id, x.c, y.c AS yc FROM x FULL JOIN y ON x.c = y.c');
SELECT made('left_varchar', 'SELECT x.id, x.v, y.t FROM x LEFT JOIN y ON x.v = y.t');
SELECT made('left_varchar_char', 'SELECT x.id, x.v, y.c FROM x LEFT JOIN y ON x.v = y.c');
SELECT made('full_jsonb', 'SELECT x.id, y.j FROM x FULL JOIN y ON x.j = y.j');
SELECT made('full_array', 'SELECT x.id, y.ar FROM x FULL JOIN y ON x.ar = y.ar');
SELECT made('full_time', 'SELECT x.id, y.ts FROM x FULL JOIN y ON x.ts = y.ts');
SELECT made('in_numeric', 'SELECT id, n FROM x WHERE n IN (SELECT n FROM y)');
SELECT made('not_in_float', 'SELECT id, n FROM x WHERE n NOT IN (SELECT f FROM y)');
SELECT made('exists_char', 'SELECT id FROM x WHERE NOT EXISTS (SELECT FROM y WHERE y.t = x.c)');
SELECT made('window_numeric', 'SELECT id, n, rank() OVER (PARTITION BY n ORDER BY f) AS r FROM x');
SELECT made('window_float', 'SELECT id, n, sum(n) OVER (PARTITION BY f) AS r FROM x');
SELECT made('limit_numeric', 'SELECT id, n FROM x ORDER BY n DESC, id LIMIT 2');
SELECT made('distinct_on_numeric', 'SELECT DISTINCT ON (n) n, id FROM x ORDER BY n, id');
-- where one of several equal values is shown, it may be any of them
SELECT made('scalar_max', 'SELECT x.id, (SELECT max(n) FROM y WHERE y.f = x.f) AS m FROM x');
SELECT made('having_numeric', 'SELECT n, count(*) AS n2 FROM x GROUP BY n HAVING count(*) > 1');
SELECT made('having_char', 'SELECT c, count(*) AS n2 FROM x GROUP BY c HAVING count(*) > 0');
SELECT made('union_numeric', 'SELECT n FROM x UNION SELECT n FROM y');
SELECT made('except_float', 'SELECT f FROM x EXCEPT ALL SELECT f FROM y');
SELECT made('except_jsonb', 'SELECT j FROM x EXCEPT ALL SELECT j FROM y');
SELECT made('intersect_char', 'SELECT c FROM x INTERSECT ALL SELECT c FROM y');

SELECT id, n, yn FROM full_numeric ORDER BY id, yn::text;

-- equal values take each other's place, on both sides
BEGIN;
UPDATE x SET n = 1.00000, f = -f WHERE id < 3;
UPDATE y SET n = 1.0, f = -f, c = c || ' ' WHERE t <> 'c';
INSERT INTO x VALUES (4, 1, 0, 'c', 'c  ', '2024-01-03 00:00', '{"a":1}', '{3}');
INSERT INTO y VALUES (2, 2, 'd', 'd', '2024-01-04 00:00', '[2]', '{9}');
COMMIT;
SELECT * FROM all_fresh('op_equal');
SELECT looks_like_query('full_numeric') AS numeric, looks_like_query('full_float') AS float,
	looks_like_query('full_jsonb') AS jsonb, looks_like_query('limit_numeric') AS "limit";
SELECT id, n, yn FROM full_numeric ORDER BY id, yn::text;

-- rows go, others become equal to what is left
BEGIN;
DELETE FROM x WHERE id = 1;
UPDATE y SET n = 'NaN', f = 'NaN' WHERE t = 'a';
UPDATE x SET n = 2.0, f = 2, c = 'd', v = 'd', j = '[2]', ar = '{9}', ts = '2024-01-03 20:00-04' WHERE id = 3;
COMMIT;
SELECT * FROM all_fresh('op_equal');
SELECT id, n, yn FROM full_numeric ORDER BY id, yn::text;
BEGIN;
DELETE FROM y WHERE f = 2;
UPDATE y SET n = 1.0000 WHERE n = 1;
UPDATE x SET n = 2, f = '-0' WHERE id = 3;
COMMIT;
SELECT * FROM all_fresh('op_equal');
SELECT looks_like_query('full_numeric') AS numeric, looks_like_query('full_float') AS float,
	looks_like_query('full_jsonb') AS jsonb, looks_like_query('limit_numeric') AS "limit";
SELECT id, n, yn FROM full_numeric ORDER BY id, yn::text;
BEGIN;
DELETE FROM y;
UPDATE x SET n = n + 0.000;
COMMIT;
SELECT * FROM all_fresh('op_equal');
SELECT id, n, yn FROM full_numeric ORDER BY id, yn::text;
