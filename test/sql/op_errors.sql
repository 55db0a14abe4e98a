-- Expressions that fail on a pair of rows that never existed together, and
-- expressions that fail because the query does.
\set VERBOSITY terse
CREATE SCHEMA op_errors;
SET search_path = op_errors, public;

CREATE FUNCTION reason(st text) RETURNS text LANGUAGE sql AS $$
	SELECT last_refresh_reason FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st::regclass
$$;
CREATE TABLE l (id int PRIMARY KEY, k int, a int);
CREATE TABLE r (id int PRIMARY KEY, k int, b int);
CREATE TABLE m (k int, w int);
INSERT INTO l SELECT i, i % 3, 10 + i FROM generate_series(1, 9) i;
INSERT INTO r SELECT i, i % 3, 50 + i FROM generate_series(1, 9) i;
INSERT INTO m VALUES (0, 1), (1, 2), (1, 2), (2, NULL);

-- in the select list; in a condition; below a sum; in the argument of a function
-- in FROM; in an input of an outer join; in one that is kept; in a part of it
SELECT made('listed', 'SELECT l.id, r.id AS rid, 100 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k');
SELECT made('tested', 'SELECT l.id, r.id AS rid FROM l JOIN r ON l.k = r.k AND 100 / (l.a - r.b) < 0');
SELECT made('crossed', 'SELECT l.id, r.id AS rid FROM l, r WHERE 100 / (l.a - r.b) < -2');
SELECT made('summed', 'SELECT l.k, sum(100 / (l.a - r.b)) AS s, count(*) AS n FROM l JOIN r ON l.k = r.k GROUP BY l.k');
SELECT made('single', 'SELECT max(100 / (l.a - r.b)) AS q FROM l JOIN r USING (k) JOIN m USING (k)');
SELECT made('called', 'SELECT l.id, s FROM l JOIN r ON l.k = r.k, generate_series(1, 2 + 100 / (l.a - r.b)) s');
SELECT made('padded', 'SELECT m.k, m.w, q FROM m LEFT JOIN (SELECT l.k, 100 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k) x ON x.k = m.k');
SELECT made('kept', 'SELECT l.k, min(100 / (l.a - r.b)) AS q FROM l JOIN r ON l.k = r.k GROUP BY l.k ORDER BY 2, 1 LIMIT 2');
SELECT made('three', 'SELECT l.id, r.id AS rid, m.w, (100 / (l.a - r.b))::text || m.w AS q FROM l JOIN r ON l.k = r.k JOIN m ON m.k = r.k WHERE l.a <> r.b');
SELECT made('distinct_', 'SELECT DISTINCT 100 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k');
SELECT made('both', 'SELECT l.id, 100 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k UNION ALL SELECT l.id, m.w FROM l JOIN m ON l.k = m.k');

-- 11 to 19 become what 51 to 59 were, and these move on
BEGIN;
UPDATE l SET a = a + 40;
UPDATE r SET b = b + 40;
COMMIT;
SELECT * FROM all_fresh('op_errors');
SELECT reason(pgt_name), count(*), string_agg(pgt_name, ' ' ORDER BY pgt_id) AS stream_tables
  FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_errors' GROUP BY 1 ORDER BY 1;

-- it is not tried again, by nobody
BEGIN;
UPDATE l SET a = a + 40 WHERE id < 7;
UPDATE r SET b = b + 40 WHERE id <> 8;
INSERT INTO m VALUES (1, 2);
DELETE FROM m WHERE k = 0;
COMMIT;
SELECT * FROM all_fresh('op_errors');
SELECT DISTINCT reason(pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_errors' ORDER BY 1;
SELECT count(*) FILTER (WHERE pgtrickle.explain_stream_table(pgt_name::text) ~ 'joins are netted first') AS say_so, count(*)
  FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_errors';
SELECT n->>'construct' AS construct, n->>'note' ~ 'netted before what can fail' AS netted
  FROM jsonb_array_elements(pgtrickle.explain_stream_table('listed', 'json')::jsonb->'stages') n;
\c -
\set VERBOSITY terse
SET search_path = op_errors, public;
UPDATE l SET k = k + 1, a = a - 3 WHERE id IN (1, 5);
DELETE FROM r WHERE id IN (2, 4);
INSERT INTO r VALUES (20, 2, 200), (21, 3, 201);
SELECT * FROM all_fresh('op_errors');
SELECT count(*) FROM pgtrickle.pgt_refresh_history h JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
 WHERE s.pgt_schema = 'op_errors' AND h.reason LIKE '%(22012)%';

-- the query itself fails: so does the refresh, and nothing changes
SELECT md5(string_agg(x::text, ',' ORDER BY x)) AS listed FROM listed x \gset
INSERT INTO l VALUES (30, 2, 200);
SELECT pgtrickle.refresh_stream_table('listed');
UPDATE r SET b = b + 1;
SELECT pgtrickle.refresh_stream_table('summed');
UPDATE l SET a = 201 WHERE id = 30;
SELECT pgtrickle.refresh_stream_table('listed');
SELECT md5(string_agg(x::text, ',' ORDER BY x)) = :'listed' AS unchanged FROM listed x;
UPDATE l SET a = 300 WHERE id = 30;
SELECT * FROM all_fresh('op_errors');

-- such an error teaches nothing
CREATE TABLE p (id int PRIMARY KEY, a int);
CREATE TABLE q (id int PRIMARY KEY, b int);
INSERT INTO p VALUES (1, 1);
INSERT INTO q VALUES (1, 10);
SELECT made('own', 'SELECT 100 / (a - b) AS x FROM p, q');
UPDATE p SET a = 20;
UPDATE q SET b = 20;
SELECT pgtrickle.refresh_stream_table('own');
UPDATE p SET a = 30;
SELECT * FROM fresh('own');
SELECT x, reason('own'), pgtrickle.explain_stream_table('own') ~ 'joins are netted first' AS says_so FROM own;

-- another query starts anew
SELECT pgtrickle.alter_stream_table('listed', query => 'SELECT l.id, r.id AS rid, 200 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k');
SELECT pgtrickle.explain_stream_table('listed') ~ 'joins are netted first' AS says_so;
UPDATE l SET a = a + 1;
SELECT * FROM fresh('listed');
SELECT reason('listed');

BEGIN;
UPDATE l SET a = a + 5000;
UPDATE r SET b = b + 50000;
COMMIT;
SELECT * FROM all_fresh('op_errors');
-- AUTO, too
SELECT made('auto', 'SELECT l.id, 100 / (l.a - r.b) AS q FROM l JOIN r ON l.k = r.k', 'AUTO');
BEGIN;
UPDATE l SET a = (SELECT min(b) FROM r WHERE r.k = l.k);
UPDATE r SET b = b + 7000;
COMMIT;
SELECT * FROM all_fresh('op_errors');
SELECT DISTINCT reason(pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_errors' ORDER BY 1;

-- what cannot fail needs nothing of this
SELECT made('plain', 'SELECT l.id, r.id AS rid, l.a / 2 AS half FROM l JOIN r ON l.k = r.k AND l.a < r.b');
UPDATE l SET a = a + 1;
UPDATE r SET b = b + 1;
SELECT * FROM fresh('plain');
SELECT reason('plain');

-- an error that a function of the user's raises
CREATE FUNCTION differ(a int, b int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF a = b THEN
		RAISE EXCEPTION 'two values are equal';
	END IF;
	RETURN a - b;
END $$;
UPDATE l SET a = id;
UPDATE r SET b = 100 + id;
SELECT made('raised', 'SELECT l.id, r.id AS rid, differ(l.a, r.b) AS d FROM l JOIN r ON l.k = r.k');
UPDATE l SET a = 100 + id;
UPDATE r SET b = 200 + id;
SELECT * FROM fresh('raised');
SELECT reason('raised');

-- from here on it may not recompute because that took less time
SELECT pgtrickle.alter_stream_table('auto', refresh_mode => 'DIFFERENTIAL');

-- a row that came and went, in a window that is too large for memory
SET work_mem = '64kB';
CREATE TABLE loaded (id int PRIMARY KEY, a int, pad text);
SELECT made('asked', 'SELECT id, a FROM loaded WHERE 1000000 / a > 1');
SELECT made('shown', 'SELECT id, 1000000 / a AS q FROM loaded');
INSERT INTO loaded SELECT i, abs(i - 5000), repeat('x', 100) FROM generate_series(1, 8000) i;
DELETE FROM loaded WHERE a = 0;
SELECT * FROM all_fresh('op_errors');
SELECT reason('asked');
UPDATE loaded SET a = id - 4000;
UPDATE loaded SET a = 4000 WHERE a = 0;
SELECT * FROM fresh('asked');
SELECT * FROM fresh('shown');
-- but the query's own errors are
UPDATE loaded SET a = id - 4000;
DO $$ BEGIN PERFORM pgtrickle.refresh_stream_table('shown'); EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'division by zero'; END $$;
UPDATE loaded SET a = id;
RESET work_mem;

-- a row without a partner is one that the query computed nothing of
CREATE TABLE alone (id int PRIMARY KEY, a int);
CREATE TABLE partner (k int);
INSERT INTO alone VALUES (1, 0), (2, 5);
SELECT made('unpaired', 'SELECT id, 10 / a AS q FROM alone CROSS JOIN partner');
SELECT made('unpaired_condition', 'SELECT id FROM alone, partner WHERE 10 / a > k');
SELECT made('unpaired_sum', 'SELECT k, sum(10 / a) AS s FROM alone, partner GROUP BY k');
BEGIN;
UPDATE alone SET a = 3 WHERE id = 1;
INSERT INTO partner VALUES (1), (2);
COMMIT;
SELECT * FROM all_fresh('op_errors');
SELECT pgt_name, reason(pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_name ~ '^unpaired' ORDER BY 1;
BEGIN;
DELETE FROM partner;
UPDATE alone SET a = 0;
COMMIT;
SELECT * FROM all_fresh('op_errors');
INSERT INTO partner VALUES (1);
DO $$ BEGIN PERFORM pgtrickle.refresh_stream_table('unpaired'); EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'division by zero'; END $$;
DELETE FROM partner;
SELECT * FROM all_fresh('op_errors');

-- nor of the rows of a function or of VALUES
CREATE TABLE gone (id int);
INSERT INTO gone VALUES (1);
SELECT made('unpaired_call', 'SELECT id, k, 10 / g AS q FROM gone CROSS JOIN partner CROSS JOIN generate_series(0, 1) g');
SELECT made('unpaired_value', 'SELECT id, k FROM gone CROSS JOIN partner CROSS JOIN (VALUES (0), (1)) v (x) WHERE 10 / x > id');
BEGIN;
DELETE FROM gone;
INSERT INTO partner VALUES (1);
COMMIT;
SELECT * FROM fresh('unpaired_call');
SELECT * FROM fresh('unpaired_value');
DELETE FROM partner;

-- a name in the body of a function is not looked up where its author thought
CREATE FUNCTION lost(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM partner WHERE k > $1';
DO $$
DECLARE
	context text;
BEGIN
	PERFORM pgtrickle.create_stream_table('named', 'SELECT id, lost(a) FROM alone', refresh_mode => 'FULL');
EXCEPTION WHEN undefined_table THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '% (%)', SQLERRM, substring(context FROM 'under [a-z_=, ]*');
END $$;
