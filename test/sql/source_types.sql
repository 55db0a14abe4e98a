-- Values of every kind of type come through, image for image.
\set VERBOSITY terse
CREATE SCHEMA source_types;
SET search_path = source_types, public;
SET TimeZone = 'UTC';

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (x int, y text);

CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8, j jsonb, js json, by bytea, arr int[], tarr text[],
	m mood, p positive, c pair, r int4range, u uuid, ts timestamptz, d date, tm timetz, iv interval,
	ip inet, bits bit varying, ch char(5), x xml, pt point, bo box, o oid, nm name, tv tsvector, b boolean,
	cash money, q "char");
INSERT INTO t (id, n, f, j, js, by, arr, tarr, m, p, c, r, u, ts, d, tm, iv, ip, bits, ch, x, pt, bo, o, nm, tv, b, cash, q)
SELECT i, i / 3.0, i / 4.0, jsonb_build_object('k', i), json_build_object('k', i), decode(lpad(i::text, 4, '0'), 'hex'),
	ARRAY[i, NULL, i], ARRAY['a' || i, NULL, ''], (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, i, ROW(i, 'y' || i)::pair,
	int4range(i, i + 5), md5(i::text)::uuid, timestamptz '2024-03-31 00:30+00' + make_interval(mins => 30 * i), date '2024-01-01' + i,
	'12:00+02', make_interval(days => i), ('10.0.0.' || i)::inet, B'101', 'c' || i, xmlparse(content '<a/>'), point(i, i),
	box(point(0, 0), point(i, i)), i, 'n' || i, to_tsvector('simple', 'word' || i), i % 2 = 0, i::money, 'q'
  FROM generate_series(1, 10) i;
INSERT INTO t (id) VALUES (11);

SELECT made('keyed', 'SELECT id, n, f, j, by, arr, tarr, m, p, c, r, u, ts, d, tm, iv, ip, bits, ch, o, nm, tv, b, cash, q FROM t');
SELECT made('bag', 'SELECT n, f, j, by, arr, tarr, m, p, c, r, u, ts, d, tm, iv, ip, bits, ch, o, nm, tv, b, cash, q FROM t');
SELECT made('grouped', 'SELECT m, u, d, r, by, count(*) AS k, max(p) AS p FROM t GROUP BY m, u, d, r, by');
SELECT made('by_composite', 'SELECT c, count(*) AS k FROM t GROUP BY c', 'AUTO');
SELECT made('distinct_', 'SELECT DISTINCT j, arr, ch, iv, f FROM t');
-- these have no equality operator
SELECT made('odd', 'SELECT id, js, x, pt, bo FROM t');
SELECT made('odd_bag', 'SELECT js, x, pt, bo FROM t');

CREATE FUNCTION both_fresh(OUT stream_tables bigint, OUT actions text, OUT exact boolean, OUT looks_alike boolean)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgtrickle.refresh_stream_table('odd');
	PERFORM pgtrickle.refresh_stream_table('odd_bag');
	PERFORM pgtrickle.refresh_stream_table('by_composite');
	SELECT count(*), string_agg(DISTINCT f.action, ', '), bool_and(f.exact) INTO stream_tables, actions, exact
	  FROM (VALUES ('keyed'::regclass), ('bag'), ('grouped'), ('distinct_')) s (st), LATERAL fresh(s.st) f;
	looks_alike := equals_query('by_composite') AND looks_like_query('keyed') AND looks_like_query('bag')
		AND looks_like_query('odd') AND looks_like_query('odd_bag')
		AND (SELECT missing = 0 AND surplus = 0 FROM pgtrickle.verify_stream_table('odd'))
		AND (SELECT missing = 0 AND surplus = 0 FROM pgtrickle.verify_stream_table('odd_bag'));
END $$;

INSERT INTO t SELECT (jsonb_populate_record(t, '{"id": 20, "n": 1.0}')).* FROM t WHERE id = 4;
SELECT * FROM both_fresh();
UPDATE t SET n = n + 1, f = -f, j = j || '{"more": [1, 2]}', js = '{"a":  1}', by = by || '\x00ff', arr = arr || id,
	tarr = tarr || 'more'::text, m = 'happy', p = p + 1, c = ROW(0, NULL), r = 'empty', ts = ts + '1 hour', iv = iv * 2,
	ch = 'xx', x = xmlparse(content '<b>t</b>'), pt = point(id, 0), bo = box(point(0, 0), point(1, id)), tv = tv || 'w:3'
 WHERE id % 2 = 0;
SELECT * FROM both_fresh();
DELETE FROM t WHERE id IN (1, 4);
UPDATE t SET id = id + 100 WHERE id IN (3, 6);
SELECT * FROM both_fresh();
-- values that become NULL, and NULLs that become values
UPDATE t SET n = NULL, j = NULL, js = NULL, by = NULL, arr = NULL, m = NULL, c = NULL, r = NULL, x = NULL, pt = NULL WHERE id = 5;
UPDATE t SET n = 0, j = 'null', js = 'null', by = '', arr = '{}', m = 'ok', c = ROW(NULL, NULL), pt = point(0, 0) WHERE id = 11;
SELECT * FROM both_fresh();

-- equal, but not the same to look at
CREATE TABLE e (id int PRIMARY KEY, n numeric, f float8, iv interval, s text, b bytea, ar numeric[]);
INSERT INTO e VALUES (1, 1.0, 0.0, '1 month', 'a', '\x61', '{1.0}'), (2, 1.00, '-0', '30 days', 'A', '\x41', '{1.00}');
SELECT made('e_keyed', 'SELECT * FROM e');
SELECT made('e_bag', 'SELECT n, f, iv, s, b, ar FROM e');
SELECT looks_like_query('e_keyed'), looks_like_query('e_bag');
UPDATE e SET n = 1.00, f = '-0', iv = '30 days', ar = '{1.00}' WHERE id = 1;
SELECT * FROM fresh('e_keyed');
SELECT * FROM fresh('e_bag');
SELECT looks_like_query('e_keyed'), looks_like_query('e_bag');
UPDATE e SET n = 1, f = 0, iv = '720 hours' WHERE id = 2;
SELECT * FROM fresh('e_keyed');
SELECT * FROM fresh('e_bag');
SELECT looks_like_query('e_keyed'), looks_like_query('e_bag');
DELETE FROM e WHERE id = 1;
SELECT * FROM fresh('e_keyed');
SELECT * FROM fresh('e_bag');
SELECT looks_like_query('e_keyed'), looks_like_query('e_bag');
SELECT n, f, iv FROM e_bag;

-- citext: 'A' equals 'a', and changes to it
CREATE EXTENSION citext SCHEMA public;
CREATE TABLE ci (id int PRIMARY KEY, w citext, v int);
INSERT INTO ci VALUES (1, 'a', 1), (2, 'A', 2), (3, 'b', 3);
SELECT made('ci_keyed', 'SELECT id, w FROM ci');
SELECT made('ci_bag', 'SELECT w FROM ci');
SELECT made('ci_group', 'SELECT w, count(*) AS n, sum(v) AS s FROM ci GROUP BY w');
SELECT made('ci_distinct', 'SELECT DISTINCT w FROM ci');
SELECT made('ci_join', 'SELECT x.id, y.id AS yid, x.w FROM ci x JOIN ci y ON x.w = y.w');
UPDATE ci SET w = 'A' WHERE id = 1;
INSERT INTO ci VALUES (4, 'B', 4);
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('ci_keyed'::regclass), ('ci_bag'), ('ci_group'), ('ci_distinct'), ('ci_join')) s (st)) x;
SELECT looks_like_query('ci_keyed'), looks_like_query('ci_bag');
UPDATE ci SET w = upper(w::text)::citext;
DELETE FROM ci WHERE id = 2;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('ci_keyed'::regclass), ('ci_bag'), ('ci_group'), ('ci_distinct'), ('ci_join')) s (st)) x;
SELECT looks_like_query('ci_keyed'), looks_like_query('ci_bag');
SELECT id, w FROM ci_keyed ORDER BY id;
DELETE FROM ci;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('ci_keyed'::regclass), ('ci_bag'), ('ci_group'), ('ci_distinct'), ('ci_join')) s (st)) x;

-- a nondeterministic collation: equal strings that are different bytes
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE nd (id int PRIMARY KEY, w text COLLATE nocase);
INSERT INTO nd VALUES (1, 'x'), (2, 'X'), (3, 'y');
SELECT made('nd_group', 'SELECT w, count(*) AS n FROM nd GROUP BY w');
SELECT made('nd_distinct', 'SELECT DISTINCT w FROM nd');
SELECT made('nd_bag', 'SELECT w FROM nd');
INSERT INTO nd VALUES (4, 'Y'), (5, 'Z');
UPDATE nd SET w = 'X' WHERE id = 1;
DELETE FROM nd WHERE id = 3;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('nd_group'::regclass), ('nd_distinct'), ('nd_bag')) s (st)) x;
SELECT looks_like_query('nd_bag');
SELECT lower(w) AS w, n FROM nd_group ORDER BY 1;

-- values out of line: changed, unchanged, beside others, equal but compressed otherwise
CREATE TABLE big (id int PRIMARY KEY, v text, plain text, n int);
ALTER TABLE big ALTER plain SET STORAGE EXTERNAL;
INSERT INTO big SELECT i, string_agg(md5(i * x || ''), ''), repeat('p' || i, 6000), i
  FROM generate_series(1, 5) i, generate_series(1, 600) x GROUP BY i;
SELECT min(length(v)) > 8192 AS long FROM big;
SELECT made('big_keyed', 'SELECT id, v, plain, n FROM big');
SELECT made('big_bag', 'SELECT v, plain FROM big');
SELECT made('big_max', 'SELECT n % 2 AS g, max(v COLLATE "C") AS v, min(plain COLLATE "C") AS p FROM big GROUP BY n % 2');
UPDATE big SET n = n + 2;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('big_keyed'::regclass), ('big_bag'), ('big_max')) s (st)) x;
UPDATE big SET v = v || 'x' WHERE id = 2;
UPDATE big SET plain = repeat('q', 9000) WHERE id = 3;
DELETE FROM big WHERE id = 4;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('big_keyed'::regclass), ('big_bag'), ('big_max')) s (st)) x;
ALTER TABLE big ALTER plain SET STORAGE EXTENDED;
UPDATE big SET plain = plain || '';
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('big_keyed'::regclass), ('big_bag'), ('big_max')) s (st)) x;
DELETE FROM big;
SELECT (f).* FROM (SELECT fresh(st) AS f FROM (VALUES ('big_keyed'::regclass), ('big_bag'), ('big_max')) s (st)) x;
SELECT count(*) FROM big_bag;

-- the same instant written in two time zones is one key
CREATE TABLE tz (ts timestamptz PRIMARY KEY, v int);
SELECT made('tz_keyed', 'SELECT ts, v FROM tz');
SELECT made('tz_group', 'SELECT ts, sum(v) AS s FROM tz GROUP BY ts');
SET TimeZone = 'America/New_York';
INSERT INTO tz VALUES ('2024-01-01 00:00+00', 1);
SET TimeZone = 'Asia/Tokyo';
SELECT * FROM fresh('tz_keyed');
SELECT * FROM fresh('tz_group');
UPDATE tz SET v = 2 WHERE ts = '2024-01-01 09:00';
SET TimeZone = 'UTC';
SELECT * FROM fresh('tz_keyed');
SELECT * FROM fresh('tz_group');
DELETE FROM tz WHERE ts = '2024-01-01 01:00+01';
SELECT * FROM fresh('tz_keyed');
SELECT * FROM fresh('tz_group');
SELECT count(*) FROM tz_keyed;
-- what a value looks like does not depend on who refreshes
CREATE TABLE w (id int PRIMARY KEY, f float8, b bytea, i interval);
INSERT INTO w VALUES (1, 0.1, '\x01', '1 day 02:03');
SELECT pgtrickle.create_stream_table('texts', 'SELECT id, f::text AS f, b::text AS b, i::text AS i FROM w');
SELECT missing, surplus FROM pgtrickle.verify_stream_table('texts');
SET extra_float_digits = -3;
SET bytea_output = 'escape';
SET IntervalStyle = 'iso_8601';
INSERT INTO w VALUES (2, 0.3333333333, '\x02', '1 day 02:03');
SELECT pgtrickle.refresh_stream_table('texts');
SELECT missing, surplus FROM pgtrickle.verify_stream_table('texts');
RESET extra_float_digits;
RESET bytea_output;
RESET IntervalStyle;
SELECT missing, surplus FROM pgtrickle.verify_stream_table('texts');
SELECT pgtrickle.drop_stream_table('texts');
-- what an expression keeps of a conversion of rows outlives the refresh
CREATE TABLE narrow (a int, b text);
CREATE TABLE wide (c int, d text) INHERITS (narrow);
CREATE TABLE rows (id int PRIMARY KEY, g int, r wide);
INSERT INTO rows SELECT i, i % 5, ROW(i % 5, 'b', i, 'd')::wide FROM generate_series(1, 50) i;
SELECT made('rows_filter', 'SELECT id FROM rows WHERE (r::narrow).a > 2');
SELECT made('rows_group', 'SELECT g, ((ROW(g, ''b'', g, ''d'')::wide)::narrow).a AS a, count(*) AS n FROM rows GROUP BY g');
SELECT made('rows_other', 'SELECT id, max(g) AS g FROM rows GROUP BY id');
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        UPDATE rows SET g = (g * 7 + i) % 5, r = ROW((id + i) % 5, 'b', i, 'd')::wide WHERE id % 5 = i % 5;
        PERFORM pgtrickle.refresh_stream_table(st) FROM unnest(ARRAY['rows_other', 'rows_filter', 'rows_group']) st;
        PERFORM array_agg(repeat(x::text, 20)) FROM generate_series(1, 3000) x;
    END LOOP;
END $$;
SELECT st, missing, surplus FROM unnest(ARRAY['rows_filter', 'rows_group']) st, pgtrickle.verify_stream_table(st);
