-- validate_query(): what a query would get, before anything is created.
\set VERBOSITY terse
CREATE SCHEMA api_validate;
SET search_path = api_validate, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int, n numeric);
CREATE TABLE u (g int PRIMARY KEY, name text);
CREATE VIEW tv AS SELECT id, g FROM t WHERE v > 0;
CREATE FUNCTION says(query text) RETURNS TABLE (item text, stage int, construct text, rule text, key text, reads text) LANGUAGE sql AS $$
	SELECT item, stage, construct, rule, key, reads FROM pgtrickle.validate_query(query)
$$;
CREATE FUNCTION objects() RETURNS bigint LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_depend) + (SELECT count(*) FROM pg_type) +
		(SELECT count(*) FROM pg_trigger) + (SELECT count(*) FROM pg_rewrite)
$$;
SELECT objects() AS before \gset

BEGIN READ ONLY;
SELECT * FROM says('SELECT id, v FROM t WHERE v > 3');
SELECT * FROM says('SELECT t.id, u.name FROM t JOIN u USING (g)');
SELECT * FROM says('SELECT u.name, count(*), sum(v) AS s, min(v) FILTER (WHERE v > 2) AS m FROM t JOIN u USING (g) GROUP BY u.name');
SELECT * FROM says('SELECT count(*) FROM t');
SELECT * FROM says('SELECT DISTINCT g FROM t');
SELECT * FROM says('SELECT id FROM t UNION ALL SELECT g FROM u');
SELECT * FROM says('SELECT t.id, u.name FROM t LEFT JOIN u ON u.g = t.g');
SELECT * FROM says('SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM t');
SELECT * FROM says('SELECT id, rank() OVER (ORDER BY v) AS r FROM t');
SELECT * FROM says('SELECT id FROM tv');
SELECT * FROM says('SELECT 1 AS one');
SELECT * FROM says('SELECT v FROM t LIMIT 3');
SELECT * FROM says('SELECT id, random() AS r FROM t');
COMMIT;
SELECT rule, note FROM pgtrickle.validate_query('SELECT id, v FROM t') WHERE item = 'verdict';
SELECT rule, note FROM pgtrickle.validate_query('SELECT v FROM t LIMIT 3') WHERE item = 'verdict';
SELECT rule, note FROM pgtrickle.validate_query('SELECT id, random() AS r FROM t') WHERE item = 'verdict';
-- why it is one part
SELECT note FROM pgtrickle.validate_query('SELECT id, rank() OVER (ORDER BY v) AS r FROM t') WHERE rule = 'one part';
SELECT note FROM pgtrickle.validate_query('SELECT id FROM t ORDER BY v, id OFFSET 3') WHERE rule = 'one part';
SELECT note FROM pgtrickle.validate_query('WITH RECURSIVE r(i) AS (SELECT id FROM t UNION SELECT t.g FROM t JOIN r ON id = i) SELECT i FROM r') WHERE rule = 'one part';
-- a result that is kept
SELECT construct, rule, note ~ 'auxiliary table' AS says FROM pgtrickle.validate_query('SELECT id FROM t WHERE v > (SELECT avg(g) FROM u)') WHERE rule = 'stored';

-- what it says is what AUTO does
CREATE TABLE query (name text, text text);
INSERT INTO query VALUES
	('q1', 'SELECT id, v FROM t WHERE v > 3'), ('q2', 'SELECT g, max(n) AS m FROM t GROUP BY g'), ('q3', 'SELECT v FROM t LIMIT 3'),
	('q4', 'SELECT t.id, name FROM t LEFT JOIN u ON u.g = t.g'), ('q5', 'SELECT id, random() AS r FROM t'), ('q6', 'SELECT id FROM tv');
SET client_min_messages = warning;
SELECT count(made(name, text, 'AUTO')) FROM query;
RESET client_min_messages;
SELECT name, v.rule, (pgtrickle.explain_stream_table(name, 'json')::jsonb -> 'differential')::boolean = (v.rule = 'DIFFERENTIAL') AS agrees
  FROM query, pgtrickle.validate_query(text) v WHERE item = 'verdict' ORDER BY name;
SELECT count(pgtrickle.drop_stream_table(name)) FROM query;
DROP TABLE query;
SELECT objects() - :before AS left_behind;

-- advice
CREATE TABLE big (id int PRIMARY KEY, g int);
INSERT INTO big SELECT i, i % 10 FROM generate_series(1, 2000) i;
ANALYZE big;
SELECT construct, reads, key, note FROM pgtrickle.validate_query('SELECT big.id, name FROM big JOIN u USING (g)') WHERE item = 'advice';
CREATE INDEX ON big (g);
SELECT construct, reads, key, note FROM pgtrickle.validate_query('SELECT big.id, name FROM big JOIN u USING (g)') WHERE item = 'advice';

-- the errors are those of create_stream_table()
\set VERBOSITY default
SELECT * FROM pgtrickle.validate_query('SELECT id FROM');
SELECT * FROM pgtrickle.validate_query('SELECT nothing FROM t');
SELECT * FROM pgtrickle.validate_query('SELECT id, g AS id FROM t');
SELECT * FROM pgtrickle.validate_query('SELECT 1 AS a; SELECT 2 AS a');
SELECT * FROM pgtrickle.validate_query('DELETE FROM t');
SELECT * FROM pgtrickle.validate_query('SELECT id FROM t FOR UPDATE');
SELECT * FROM pgtrickle.validate_query('SELECT oid FROM pg_class');
SELECT * FROM pgtrickle.validate_query('SELECT id AS __pgt_id FROM t');
SELECT * FROM pgtrickle.validate_query(NULL);
\set VERBOSITY terse

-- rights: nobody learns about what he may not read
CREATE ROLE validate_user;
GRANT USAGE ON SCHEMA api_validate TO validate_user;
GRANT SELECT ON u TO validate_user;
SET ROLE validate_user;
SELECT * FROM pgtrickle.validate_query('SELECT id FROM t');
SELECT item, rule, note FROM pgtrickle.validate_query('SELECT g FROM u') WHERE item = 'source';
RESET ROLE;
REVOKE ALL ON u FROM validate_user;
REVOKE ALL ON SCHEMA api_validate FROM validate_user;
DROP ROLE validate_user;
