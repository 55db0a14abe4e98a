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

-- auxiliary tables and sources are shown
SELECT made('above', 'SELECT id, v FROM t WHERE v >= (SELECT avg(g) FROM u)');
SELECT made('ranked', 'SELECT t.id, u.name, rank() OVER (PARTITION BY t.g ORDER BY v, id) AS r FROM t LEFT JOIN u ON u.g = t.g');
SELECT explained('above') ~ 'Stage [0-9]+, kept in pgtrickle_defs\.aux_[0-9]+_1 ' AS shows_table,
	explained('above') ~ 'Source api_explain\.u: g; changes of these are captured' AS shows_source;

-- json: one document, whose keys stay
CREATE FUNCTION json_of(st text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT pgtrickle.explain_stream_table(st, 'json')::jsonb
$$;
SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") AS keys FROM jsonb_object_keys(json_of('above')) k;
SELECT DISTINCT string_agg(k, ' ' ORDER BY k COLLATE "C") AS stage_keys
  FROM jsonb_array_elements(json_of('ranked') -> 'stages') WITH ORDINALITY s(s, n), jsonb_object_keys(s) k GROUP BY n;
SELECT json_of('ranked') ->> 'stream_table' AS stream_table, json_of('ranked') ->> 'refresh_mode' AS refresh_mode,
	json_of('ranked') -> 'differential' AS differential, json_of('ranked') -> 'reason' AS reason,
	json_of('ranked') -> 'identity' ->> 'kind' AS identity;
SELECT s ->> 'name' AS source, s -> 'columns' AS columns, s -> 'captured' AS captured, s ->> 'reason' AS reason
  FROM jsonb_array_elements(json_of('ranked') -> 'sources') s;
SELECT s ->> 'construct' AS construct, s ->> 'rule' AS rule, s -> 'key' AS key
  FROM jsonb_array_elements(json_of('ranked') -> 'stages') s WHERE s ->> 'rule' <> 'linear';
SELECT a ->> 'call' AS call FROM jsonb_array_elements(json_of('grouped') -> 'stages' -> 0 -> 'aggregates') a;
SELECT made('afresh', 'SELECT u.name, string_agg(t.id::text || ''!'', '','' ORDER BY t.v DESC) FILTER (WHERE t.v > 3) AS l, mode() WITHIN GROUP (ORDER BY t.v % 2) AS m, count(DISTINCT t.v) AS d FROM t JOIN u USING (g) GROUP BY u.name HAVING count(*) > 1');
SELECT a ->> 'call' AS call FROM jsonb_array_elements(json_of('afresh') -> 'stages' -> 0 -> 'aggregates') a;
SELECT step FROM pgtrickle.explain_delta('afresh');
SELECT json_of('whole') -> 'differential' AS differential, json_of('whole') ->> 'reason' ~* 'limit' AS says_why,
	json_of('whole') -> 'stages' AS stages;
SELECT s ->> 'rule' AS rule, s ->> 'table' ~ '^pgtrickle_defs\.aux_[0-9]+_1$' AS has_table
  FROM jsonb_array_elements(json_of('above') -> 'stages') s WHERE s ->> 'rule' = 'stored';

-- the statements of a refresh
SELECT count(*) > 0 AS some, bool_and(sql ~ '^(SELECT|WITH)') AS sql, count(DISTINCT stage) AS stages
  FROM pgtrickle.explain_delta('joined');
SELECT step, sql ~ '__pgt_d1' AND sql ~ '__pgt_d2' AS reads_both FROM pgtrickle.explain_delta('joined');
SELECT stage, step FROM pgtrickle.explain_delta('grouped');
-- they are those of the stages that are described
SELECT (SELECT array_agg(DISTINCT stage ORDER BY stage) FROM pgtrickle.explain_delta(st)) =
	(SELECT array_agg((s ->> 'stage')::int ORDER BY (s ->> 'stage')::int) FROM jsonb_array_elements(json_of(st) -> 'stages') s) AS same_stages
  FROM unnest('{scan,joined,grouped,above,ranked}'::text[]) st;
SELECT stage, step, sql ~ '^SELECT \* FROM pgtrickle_defs\.def_[0-9]+$' AS of_view FROM pgtrickle.explain_delta('whole');
-- computed only now, of all rows and of those that changes touch
CREATE TABLE nums (id int PRIMARY KEY, n numeric);
SELECT made('firsts', 'SELECT id FROM t ORDER BY v, id OFFSET 1');
SELECT made('numbered', 'SELECT n, id, row_number() OVER (PARTITION BY n) AS c FROM nums');
SELECT stage, step FROM pgtrickle.explain_delta('firsts');
SELECT stage, step, sql ~ ' FROM api_explain.numbered' AS of_table FROM pgtrickle.explain_delta('numbered') WHERE stage <> 1;
SELECT * FROM pgtrickle.explain_delta('nothing');
SELECT * FROM pgtrickle.explain_delta(NULL);

-- names are text to every format
CREATE SCHEMA "a ""b"" \ & <c>";
CREATE TABLE "a ""b"" \ & <c>"."x; ] --> ""y"" #z `k` \n {u|v} %%" ("p ""q"" & \l" int PRIMARY KEY, "r;
s" int);
CREATE TABLE plain (id int PRIMARY KEY, n int);
SELECT made('"st "" \ --> ; &"', $$SELECT id, x.* FROM plain LEFT JOIN "a ""b"" \ & <c>"."x; ] --> ""y"" #z `k` \n {u|v} %%" x ON "r;
s" = n$$);
SELECT pgtrickle.explain_stream_table('"st "" \ --> ; &"') IS NOT NULL AS text;
SELECT json_of('"st "" \ --> ; &"') ->> 'stream_table' AS stream_table;
SELECT s ->> 'name' AS source FROM jsonb_array_elements(json_of('"st "" \ --> ; &"') -> 'sources') s;
-- each line of a graph is one of these
CREATE FUNCTION dot_lines(st text, OUT lines bigint, OUT odd text) LANGUAGE sql AS $$
	SELECT count(*), string_agg(l, E'\n') FILTER (WHERE l !~
		'^(digraph stream_table \{|  rankdir=BT;|  node \[shape=box\];|\}|  \w+ -> \w+( \[label="([^"\\]|\\.)*"\])?;|  \w+ \[(shape=\w+, )?label="([^"\\]|\\.)*"\];)$')
	  FROM string_to_table(pgtrickle.explain_stream_table(st, 'dot'), E'\n') l
$$;
CREATE FUNCTION mermaid_lines(st text, OUT lines bigint, OUT odd text) LANGUAGE sql AS $$
	SELECT count(*), string_agg(l, E'\n') FILTER (WHERE l !~
		'^(flowchart BT|  \w+(\["|\[\("|\[\[")([^"`\\<>;&%#]|<br/>|#\w+;)*("\]|"\)\]|"\]\])|  \w+ --> \w+|  \w+ -- "([^"`\\<>;&%#]|#\w+;)*" --> \w+)$')
	  FROM string_to_table(pgtrickle.explain_stream_table(st, 'mermaid'), E'\n') l
$$;
SELECT st, d.lines > 4 AS dot, d.odd, m.lines > 2 AS mermaid, m.odd
  FROM unnest(ARRAY['scan', 'joined', 'grouped', 'above', 'ranked', 'whole', '"st "" \ --> ; &"']) st, dot_lines(st) d, mermaid_lines(st) m;
SELECT l AS dot FROM string_to_table(pgtrickle.explain_stream_table('"st "" \ --> ; &"', 'DOT'), E'\n') l WHERE l ~ '^  (source|result)';
SELECT l AS mermaid FROM string_to_table(pgtrickle.explain_stream_table('"st "" \ --> ; &"', 'mermaid'), E'\n') l WHERE l ~ '^  (source|result)';

-- missing indexes: said once at creation, and whenever asked
CREATE TABLE big (id int PRIMARY KEY, a int, b int, c text, d numeric);
CREATE TABLE big2 (id int PRIMARY KEY, a int, b int);
INSERT INTO big SELECT i, i % 100, i % 7, i, i FROM generate_series(1, 2000) i;
INSERT INTO big2 SELECT i, i % 100, i % 7 FROM generate_series(1, 2000) i;
ANALYZE big, big2;
\set VERBOSITY default
SELECT made('j1', 'SELECT big.id, big2.id AS id2 FROM big JOIN big2 ON big2.id = big.a');
SELECT made('j2', 'SELECT big.id, big2.id AS id2 FROM big JOIN big2 ON big2.a = big.a AND big2.b = big.b');
SELECT made('m1', 'SELECT c, max(d::int) AS m FROM big GROUP BY c');
SELECT made('s1', 'SELECT c, sum(d) AS m FROM big GROUP BY c');
SELECT made('w1', 'SELECT id, rank() OVER (PARTITION BY b ORDER BY d::int) AS r FROM (SELECT b, d, id FROM big) x');
SELECT made('l1', 'SELECT t.id, big.id AS id2 FROM t LEFT JOIN big ON big.b = t.v');
SELECT made('f1', 'SELECT big.id, big2.id AS id2 FROM big JOIN big2 ON big2.id = big.a', 'FULL');
SELECT pgtrickle.alter_stream_table('s1', query => 'SELECT c, max(d::int)::numeric AS m FROM big GROUP BY c');
\set VERBOSITY terse
SELECT a ->> 'relation' AS relation, a ->> 'columns' AS columns, a ->> 'statement' AS statement
  FROM jsonb_array_elements(json_of('j2') -> 'advice') a;
SELECT explained('j1') ~ 'Missing index.*: CREATE INDEX ON api_explain\.big \(a\)' AS says;
-- what would not serve it
CREATE INDEX ON big (b) WHERE b > 3;
CREATE INDEX ON big (id, b);
CREATE INDEX ON big (abs(b));
CREATE INDEX ON big USING brin (b);
SELECT jsonb_array_length(json_of('l1') -> 'advice') AS missing;
-- what would
CREATE INDEX ON big USING hash (b);
SELECT jsonb_array_length(json_of('l1') -> 'advice') AS missing;
SELECT made('j3', 'SELECT big.id, big2.id AS id2 FROM big JOIN big2 ON big2.a = big.a AND big2.b = big.b');
CREATE INDEX ON big2 (b, id);
SELECT jsonb_array_length(json_of('j3') -> 'advice') AS missing;
-- a partitioned table is large if one of its partitions is
CREATE TABLE parted (id int, a int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (600);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (600) TO (4000);
INSERT INTO parted SELECT i, i FROM generate_series(1, 1000) i;
ANALYZE parted;
SELECT made('p1', 'SELECT t.id, parted.id AS id2 FROM t JOIN parted ON parted.a = t.v');
INSERT INTO parted SELECT i, i FROM generate_series(1001, 3000) i;
ANALYZE parted;
SELECT made('p2', 'SELECT t.id, parted.id AS id2 FROM t JOIN parted ON parted.a = t.v');
