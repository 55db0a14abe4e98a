-- dag(), dependency_tree(), status_page(): what they show, and that names stay text.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA api_dag;
SET search_path = api_dag, public;
-- other tests have stream tables, too: a role sees its own
CREATE ROLE regress_pgt_drawer;
GRANT ALL ON SCHEMA api_dag TO regress_pgt_drawer;
CREATE FUNCTION drawn(name text, query text) RETURNS void LANGUAGE sql AS $$
	SELECT pgtrickle.create_stream_table(name, query, '1h', 'DIFFERENTIAL')
$$;
SET ROLE regress_pgt_drawer;
SELECT pgtrickle.dag('dot') AS empty;
SELECT count(*) FROM pgtrickle.dependency_tree();
SELECT pgtrickle.status_page() ~ 'There are none that you may see' AS says_so;

CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE u (id int PRIMARY KEY, w int);
INSERT INTO t VALUES (1, 1);
SELECT drawn('a', 'SELECT id, v FROM t');
SELECT drawn('b', 'SELECT a.id, u.w FROM a JOIN u USING (id)');
SELECT drawn('c', 'SELECT id FROM a WHERE v > 1');
SELECT drawn('d', 'SELECT b.id, t.v, c.id AS c FROM b JOIN c USING (id) JOIN t USING (id)');
SELECT pgtrickle.create_stream_table('e', 'SELECT id FROM u', initialize => false);
SELECT * FROM pgtrickle.dependency_tree();
SELECT l FROM string_to_table(pgtrickle.dag('DOT'), E'\n') l;
SELECT l FROM string_to_table(pgtrickle.dag(), E'\n') l;
SELECT pgtrickle.dag('png');
SELECT pgtrickle.dag(NULL);

-- names are text to every format
CREATE TABLE "<script>alert(1)</script>" ("&" int PRIMARY KEY);
CREATE TABLE "a very long name that goes on and on until sixty-three are full" (i int PRIMARY KEY);
CREATE TABLE "x; ] --> ""y"" #z `k` \n {u|v} %% ']]>" (i int PRIMARY KEY);
CREATE TABLE U&"\6CE8\6587\30C6\30FC\30D6\30EB\202Eevil\0001" (i int PRIMARY KEY);
SELECT drawn('"</title></svg><script>alert(1)</script>"', 'SELECT "&" FROM "<script>alert(1)</script>"');
SELECT drawn('"'' onload=""alert(1)"" &quot; <!--"', 'SELECT x.i FROM "a very long name that goes on and on until sixty-three are full" x JOIN "x; ] --> ""y"" #z `k` \n {u|v} %% '']]>" y USING (i)');
SELECT drawn('"p
q"', $$SELECT i FROM U&"\6CE8\6587\30C6\30FC\30D6\30EB\202Eevil\0001"$$);
SELECT count(*) > 20 AS lines, string_agg(l, E'\n') FILTER (WHERE l !~
	'^(digraph stream_table \{|  rankdir=BT;|  node \[shape=box\];|\}|  \w+ -> \w+;|  \w+ \[shape=\w+, label="([^"\\]|\\.)*"\];)$') AS odd
  FROM string_to_table(pgtrickle.dag('dot'), E'\n') l;
SELECT count(*) > 20 AS lines, string_agg(l, E'\n') FILTER (WHERE l !~
	'^(flowchart BT|  \w+(\["|\[\("|\[\[")([^"`\\<>;&%#]|<br/>|#\w+;)*("\]|"\)\]|"\]\])|  \w+ --> \w+)$') AS odd
  FROM string_to_table(pgtrickle.dag('mermaid'), E'\n') l;

-- the drawing: a document of a few kinds of elements, whose boxes do not overlap
CREATE TEMP TABLE drawing AS SELECT xmlparse(document pgtrickle.dag('svg')) AS svg;
SELECT DISTINCT x.tag, count(*) > 0 AS some FROM drawing, unnest(xpath('//*', svg)) e,
	LATERAL (SELECT (xpath('local-name(/*)', e))[1]::text AS tag) x GROUP BY x.tag ORDER BY x.tag;
SELECT DISTINCT a.attribute FROM drawing, unnest(xpath('//*', svg)) e,
	LATERAL (SELECT (regexp_matches(substring(e::text, '^<[^>]*>'), ' ([a-z:A-Z]+)=', 'g'))[1] AS attribute) a ORDER BY 1;
CREATE TEMP TABLE boxes AS
	SELECT row_number() OVER () AS n, (xpath('/*/@x', e))[1]::text::float AS x, (xpath('/*/@y', e))[1]::text::float AS y,
		(xpath('/*/@width', e))[1]::text::float AS w, (xpath('/*/@height', e))[1]::text::float AS h, e
	  FROM drawing, unnest(xpath('/*/*[@x]', svg)) e;
SELECT count(*) AS boxes FROM boxes;
SELECT count(*) AS overlapping FROM boxes a JOIN boxes b
	ON a.n < b.n AND a.x < b.x + b.w AND b.x < a.x + a.w AND a.y < b.y + b.h AND b.y < a.y + a.h;
SELECT bool_and(b.x >= 0 AND b.y >= 0 AND b.x + b.w <= d.w AND b.y + b.h <= d.h) AS within
  FROM boxes b, (SELECT (xpath('/*/@width', svg))[1]::text::float AS w, (xpath('/*/@height', svg))[1]::text::float AS h FROM drawing) d;
-- what is read stands to the left
SELECT r.name AS reader, s.name AS source, r.x > s.x AS right_of
  FROM (VALUES ('b', 'a'), ('b', 'u'), ('d', 'b'), ('d', 'c'), ('d', 't')) e (reader, source)
  JOIN (SELECT x, (xpath('/*/*[local-name()="title"]/text()', e))[1]::text AS name FROM boxes) r ON r.name = 'api_dag.' || e.reader
  JOIN (SELECT x, (xpath('/*/*[local-name()="title"]/text()', e))[1]::text AS name FROM boxes) s ON s.name = 'api_dag.' || e.source
 ORDER BY 1, 2;
SELECT pgtrickle.dag('svg') ~ '^[ -~\n]*$' AS ascii;

-- the page: nothing of it is a script, or comes from elsewhere
CREATE TEMP TABLE page AS SELECT pgtrickle.status_page() AS html;
SELECT length(html) < 100000 AS small, html ~ '^[ -~\n]*$' AS ascii,
	html ~ '&#60;script&#62;alert' AS shows_name, html ~* '<script' AS script,
	html ~* ' (src|href|action|style|on[a-z]+)="' AS attribute, html ~* 'url\(|@import' AS from_elsewhere,
	html ~ 'default-src ''none''; style-src ''sha256-[A-Za-z0-9+/]{43}=''; base-uri ''none''; form-action ''none''"' AS policy
  FROM page;
SELECT encode(sha256(convert_to(substring(html FROM '<style>(.*)</style>'), 'UTF8')), 'base64') = substring(html FROM 'sha256-([^'']*)''') AS hash_fits FROM page;
SELECT DISTINCT (regexp_matches(html, '<([a-z0-9]+)', 'g'))[1] AS tag FROM page ORDER BY 1;
SELECT DISTINCT (regexp_matches(html, '<h2>([^<]*)', 'g'))[1] AS part FROM page ORDER BY 1;
SELECT html ~ 'api_dag.e</bdi></div><div class="m">empty' AS empty_needs_attention, html ~ 'REINITIALIZE|secret' AS secret FROM page;
-- and of what others have made it shows nothing
RESET ROLE;
SELECT drawn('hidden', 'SELECT id FROM t');
SET ROLE regress_pgt_drawer;
SELECT pgtrickle.status_page() ~ 'hidden' AS page, pgtrickle.dag('svg') ~ 'hidden' AS dag, count(*) AS tree
  FROM pgtrickle.dependency_tree() WHERE node ~ 'hidden';

-- a graph of many
SELECT count(pgtrickle.create_stream_table('many_' || i, format('SELECT id FROM %s', CASE WHEN i % 3 = 0 THEN 't' ELSE 'u' END), initialize => false)) FROM generate_series(1, 120) i;
SELECT length(html) < 100000 AS small, html ~ 'and [0-9]+ more' AS says_more FROM (SELECT pgtrickle.status_page() AS html) p;
SELECT count(pgtrickle.drop_stream_table('many_' || i)) FROM generate_series(1, 120) i;
RESET ROLE;
SELECT count(pgtrickle.drop_stream_table(format('%I.%I', pgt_schema, pgt_name), cascade => true)) FROM pgtrickle.pgt_stream_tables
 WHERE pgt_schema = 'api_dag' AND pgt_name NOT IN ('b', 'c', 'd');
DROP OWNED BY regress_pgt_drawer CASCADE;
DROP ROLE regress_pgt_drawer;
