-- Stable functions that depend on nothing but pinned settings; and all others.
CREATE SCHEMA source_stable;
SET search_path = source_stable, public;

CREATE TABLE ev (
	id int PRIMARY KEY,
	g int,
	ts timestamptz,
	t timestamp,
	d date,
	iv interval,
	n numeric,
	f float8,
	m money,
	b bytea,
	tags text[],
	r daterange,
	j jsonb,
	txt text
);
INSERT INTO ev
SELECT i, i % 4, '2024-03-09 22:00+00'::timestamptz + i * interval '5 hours 13 minutes',
	'2024-03-09 22:00'::timestamp + i * interval '3 hours', '2024-03-09'::date + i % 5,
	i * interval '7 hours', i * 1.50, i / 7.0, i * 3.25::numeric, decode(lpad(i::text, 4, '0'), 'hex'),
	ARRAY['a' || i, NULL], daterange('2024-01-01', '2024-01-02'::date + i),
	jsonb_build_object('a', i, 'at', '2024-03-09T22:00:00'), i::text
FROM generate_series(1, 24) i;
CREATE TABLE days (d date PRIMARY KEY, name text);
INSERT INTO days SELECT '2024-03-09'::date + i, 'day ' || i FROM generate_series(0, 4) i;

-- what day, hour or instant it is
SELECT made('part', $$SELECT id, date_trunc('day', ts) AS dt, date_part('hour', ts) AS dp,
	extract(dow FROM ts) AS ex, date_trunc('month', ts, 'Asia/Tokyo') AS tokyo FROM ev$$);
SELECT made('casts', $$SELECT id, ts::date AS d1, ts::time AS t1, ts::timestamp AS t2, t::timestamptz AS t3,
	d::timestamptz AS t4, timestamptz(d, '10:00'::time) AS t5 FROM ev$$);
SELECT made('arithmetic', $$SELECT id, ts + iv AS a, ts - iv AS b, iv + ts AS c, age(ts, '2024-01-01 00:00+00') AS e,
	(ts, iv) OVERLAPS ('2024-03-12 00:00+00'::timestamptz, interval '1 day') AS o,
	make_timestamptz(2024, 1, 1 + g, 12, 30, 0) AS m FROM ev$$);
SELECT made('comparisons', $$SELECT e.id, x.name FROM ev e JOIN days x ON e.ts >= x.d AND e.ts < x.d + 1 WHERE e.t <= e.ts$$);
SELECT made('equal_days', $$SELECT e.id, x.name FROM ev e LEFT JOIN days x ON x.d = date_trunc('day', e.ts)$$);
SELECT made('series', $$SELECT id, s FROM ev, generate_series(ts, ts + interval '1 day', interval '8 hours') s$$);
SELECT made('by_day', $$SELECT date_trunc('day', ts) AS day, count(*) AS c, sum(n) AS s FROM ev GROUP BY 1$$);
SELECT made('by_date', $$SELECT ts::date AS day, max(iv) AS m, sum(n) AS s FROM ev GROUP BY 1 HAVING count(*) > 1$$);
SELECT made('in_day', $$SELECT id, row_number() OVER (PARTITION BY ts::date ORDER BY ts, id) AS n,
	sum(n) OVER (PARTITION BY date_trunc('day', ts)) AS s FROM ev$$);
SELECT made('in_range', $$SELECT id, sum(n) OVER (ORDER BY ts RANGE BETWEEN interval '6 hours' PRECEDING AND CURRENT ROW) AS s FROM ev$$);
SELECT made('latest', $$SELECT DISTINCT ON (ts::date) ts::date AS day, id, to_char(ts, 'HH24:MI') AS at FROM ev ORDER BY ts::date, ts DESC, id$$);
SELECT made('recent', $$SELECT id, ts::text AS at FROM ev ORDER BY ts::text DESC, id LIMIT 5$$);
SELECT made('json_path', $$SELECT id, jsonb_path_query_first_tz(j, '$.at.datetime() < "2024-03-10T00:00:00+00:00".datetime()') AS p FROM ev$$);

-- how values look
SELECT made('texts', $$SELECT id, ts::text AS ts, t::text AS t, d::text AS d, iv::text AS iv, f::text AS f, m::text AS m,
	b::text AS b, tags::text AS tags, r::text AS r, ARRAY[ts, NULL]::text AS a, ROW(id, ts, iv)::text AS row FROM ev$$);
SELECT made('glued', $$SELECT id, concat(ts, '/', iv, '/', d) AS c, concat_ws(' ', t, f) AS w, format('%s %L %I', ts, iv, txt) AS f,
	array_to_string(ARRAY[ts, ts + iv], ' to ') AS a, 'at ' || ts AS l, ts || ' at' AS r,
	quote_literal(ts) AS q, quote_nullable(iv) AS qn FROM ev$$);
SELECT made('to_chars', $$SELECT id, to_char(ts, 'YYYY-MM-DD HH24:MI TZ') AS a, to_char(n, 'FM9G990D00L') AS b, to_char(iv, 'HH24:MI') AS c,
	to_char(ts, 'TMMonth') AS e, to_number(txt, '999D9') AS x, to_date(txt, 'YYYY') AS y,
	to_timestamp('2024-01-' || (1 + id % 20), 'YYYY-MM-DD') AS z, m::numeric AS mn, n::money AS nm FROM ev$$);
SELECT made('read', $$SELECT id, (g || ' hours')::interval AS i, txt::money AS m, ('{' || id || ',NULL}')::int[] AS a,
	length(convert_to(txt, 'UTF8')) AS l FROM ev$$);

-- JSON
SELECT made('json_values', $$SELECT id, to_jsonb(ts) AS a, to_json(iv) AS b, jsonb_build_object('id', id, 'at', ts, 'tags', tags) AS c,
	json_build_array(d, m, b, r, f) AS e, array_to_json(ARRAY[ts]) AS g FROM ev$$);
SELECT made('json_subrows', $$SELECT x.id, row_to_json(x) AS a FROM (SELECT id, ts, upper(txt) AS up FROM ev) x$$);
SELECT made('json_aggregates', $$SELECT g, jsonb_agg(ts ORDER BY id) AS a, json_agg(iv ORDER BY id) AS b,
	jsonb_object_agg(txt, n ORDER BY id) AS c, json_object_agg(id, d ORDER BY id) AS e FROM ev GROUP BY g$$);
SELECT made('json_agg_rows', $$SELECT g, json_agg(x ORDER BY x.id) AS a FROM (SELECT id, g, ts FROM ev) x GROUP BY g$$);
SELECT made('json_nested', $$SELECT d.d, (SELECT jsonb_agg(jsonb_build_object('id', e.id, 'at', e.ts) ORDER BY e.id)
	FROM ev e WHERE e.d = d.d) AS events FROM days d$$);
SELECT made('json_having', $$SELECT g, count(*) AS c FROM ev GROUP BY g HAVING jsonb_array_length(jsonb_agg(ts ORDER BY id)) > 5$$);
SELECT made('json_columns', $$SELECT id, x.a, x.i FROM ev, jsonb_to_record(j) AS x(a int, i interval)$$);

INSERT INTO ev SELECT id + 100, g, ts + interval '40 minutes', t, d, iv, n, f, m, b, tags, r, j, txt FROM ev WHERE id % 3 = 0;
UPDATE ev SET ts = ts + interval '9 hours', d = d + 1, iv = iv * 2, m = m * 2 WHERE id % 5 = 0;
DELETE FROM ev WHERE id % 7 = 1;
DELETE FROM days WHERE name = 'day 2';
SELECT * FROM all_fresh('source_stable');
UPDATE ev SET g = 9 WHERE g = 1;
INSERT INTO days VALUES ('2024-03-11', 'again');
SELECT * FROM all_fresh('source_stable');

-- Whatever the session has set, results are those of the pinned settings.
SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -3;
SET bytea_output = 'escape';
SET quote_all_identifiers = on;
SET array_nulls = off;
UPDATE ev SET ts = ts + interval '1 hour', f = f / 3 WHERE id % 2 = 0;
SELECT * FROM all_fresh('source_stable');
RESET quote_all_identifiers;
RESET array_nulls;
RESET bytea_output;
RESET extra_float_digits;
RESET IntervalStyle;
RESET DateStyle;
RESET TimeZone;
SELECT * FROM all_fresh('source_stable');
SELECT to_char(day, 'YYYY-MM-DD') AS day FROM by_date ORDER BY day LIMIT 1;

-- What depends on anything else is recomputed.
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TYPE pair AS (a int, b int);
CREATE TABLE odd (id int PRIMARY KEY, txt text, mood mood, pair pair, ttz timetz, ti time, x xml);
INSERT INTO odd VALUES (1, 'today', 'glad', (1, 2), '10:00+02', '10:00', '<a><d>today</d></a>');
CREATE FUNCTION shifted(timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$SELECT $1 + interval '1 day'$$;
CREATE FUNCTION refused(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM pgtrickle.create_stream_table(name => 'never', query => query, refresh_mode => 'DIFFERENTIAL');
	PERFORM pgtrickle.drop_stream_table('never');
	RETURN 'accepted';
EXCEPTION WHEN feature_not_supported THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END $$;
SELECT expr, refused('SELECT id, ' || expr || ' AS x FROM odd')
  FROM (VALUES ('now()'), ('current_date'), ('age(timestamptz ''2020-01-01'' + id * interval ''1 h'')::text'),
	('txt::date'), ('txt::timestamptz'), ('txt::time'), ('(''{'' || txt || ''}'')::date[]'), ('(''['' || txt || '',)'')::daterange'),
	('mood::text'), ('to_json(mood)'), ('concat(pair)'), ('to_jsonb(pair)'), ('ROW(id, mood)::text'),
	('ARRAY[mood]::text'), ('txt::regclass'), ('ti::timetz'), ('ttz AT TIME ZONE ''Europe/Berlin'''), ('to_tsvector(txt)'),
	('current_setting(''TimeZone'')'), ('current_user'), ('shifted(''2024-01-01'')'), ('pg_typeof(id)::text'),
	('jsonb_populate_record(NULL::pair, ''{}'')')) v (expr);
SELECT refused('SELECT id, c FROM odd, XMLTABLE(''/a'' PASSING x COLUMNS c date PATH ''d'')');
SELECT refused('SELECT id, c FROM odd, jsonb_to_record(''{}'') AS r(c date)');
SELECT refused('SELECT g, jsonb_agg(x ORDER BY id) FROM (SELECT id, id % 2 AS g, mood FROM odd) x GROUP BY g');
SELECT made('labels', 'SELECT id, mood::text AS mood FROM odd', 'AUTO');
ALTER TYPE mood RENAME VALUE 'glad' TO 'merry';
SELECT * FROM fresh('labels');
