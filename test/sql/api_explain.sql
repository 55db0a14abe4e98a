-- explain_stream_table(): the facts of it, not its layout.
\set VERBOSITY terse
CREATE SCHEMA api_explain;
SET search_path = api_explain, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int);
CREATE TABLE u (g int PRIMARY KEY, name text);
INSERT INTO t VALUES (1, 1, 1);
SELECT made('scan', 'SELECT id, v FROM t');
SELECT made('joined', 'SELECT t.id, u.name FROM t JOIN u USING (g)');
SELECT made('grouped', 'SELECT u.name, sum(t.v) AS s, min(t.v) AS m FROM t JOIN u USING (g) GROUP BY u.name');
SELECT made('whole', 'SELECT id FROM t LIMIT 3', 'AUTO');

CREATE FUNCTION explained(st text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(l, E'\n') FROM pgtrickle.explain_stream_table(st) l
$$;
SELECT explained('scan') ~* 'scan' AS operator, explained('scan') ~ 't' AS source;
SELECT explained('joined') ~* 'join' AS operator, explained('joined') ~ 'SELECT' AS shows_sql;
SELECT explained('grouped') ~* 'join' AS join_, explained('grouped') ~* 'agg|group' AS group_,
	explained('grouped') ~ 'SELECT' AS shows_sql;
SELECT explained('whole') ~* 'full' AS says_full, explained('whole') ~* 'limit' AS says_why;
SELECT explained('scan') = (SELECT string_agg(l, E'\n') FROM pgtrickle.explain_stream_table(name => 'scan', format => 'text') l) AS default_;
-- it changes nothing
INSERT INTO t VALUES (2, 1, 2);
SELECT explained('scan') IS NOT NULL AS works;
SELECT waiting('t');
SELECT pgtrickle.explain_stream_table('scan', 'yaml');
SELECT pgtrickle.explain_stream_table('nothing');
