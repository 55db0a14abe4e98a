-- The clock as an input: views over now() that are right as time goes by, by
-- delta, and with no change of data.  Within a transaction now() stands still,
-- so what is inserted and refreshed in one is placed exactly.
\set VERBOSITY terse
CREATE SCHEMA op_time;
SET search_path = op_time, public;

-- Rows at and around the bounds of the last hour: 1 leaves it, 4 enters from
-- the future, 8 and 9 lie on the bounds.
CREATE TABLE ev (id int PRIMARY KEY, g int, v int, ts timestamptz, plain timestamp, d date, until timestamptz);
CREATE TABLE u (id int PRIMARY KEY, g int, at timestamptz);
CREATE INDEX ON ev (ts);
CREATE TABLE parted (id int, g int, ts timestamptz) PARTITION BY LIST (g);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
CREATE INDEX ON parted (ts);
CREATE VIEW recent AS SELECT id, g, v FROM ev WHERE ts > now() - interval '1 hour';
CREATE FUNCTION fill(first int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO ev
	SELECT first + n, n % 3, n, ts, ts AT TIME ZONE 'UTC', (ts AT TIME ZONE 'UTC')::date, ts + interval '1 hour'
	  FROM (VALUES (1, now() - interval '1 hour' + interval '50 ms'), (2, now() - interval '30 min'),
		(3, now() - interval '2 hours'), (4, now() + interval '50 ms'), (5, NULL), (6, 'infinity'),
		(7, '-infinity'), (8, now() - interval '1 hour'), (9, now())) x (n, ts);
	INSERT INTO u SELECT first + n, n % 3, now() + (n - 5) * interval '50 ms' FROM generate_series(1, 9) n;
	INSERT INTO parted SELECT id, g, ts FROM ev WHERE id > first;
$$;

BEGIN;
SELECT fill(0);

-- every comparison, in both directions
SELECT made('gt', 'SELECT id FROM ev WHERE ts > now() - interval ''1 hour''');
SELECT made('ge', 'SELECT id FROM ev WHERE ts >= now() - interval ''1 hour''');
SELECT made('lt', 'SELECT id FROM ev WHERE ts < now() - interval ''1 hour''');
SELECT made('le', 'SELECT id FROM ev WHERE ts <= now() - interval ''1 hour''');
SELECT made('eq', 'SELECT id FROM ev WHERE ts = now()');
SELECT made('ne', 'SELECT id FROM ev WHERE ts <> now()');
SELECT made('flipped', 'SELECT id FROM ev WHERE current_timestamp - interval ''1 hour'' < ts');
SELECT made('between_', 'SELECT id FROM ev WHERE ts BETWEEN now() - interval ''1 hour'' AND now()');
SELECT made('symmetric_', 'SELECT id FROM ev WHERE ts BETWEEN SYMMETRIC now() AND now() - interval ''1 hour''');
SELECT made('selected', 'SELECT id FROM ev WHERE ts > (SELECT (SELECT current_timestamp) - interval ''1 hour'')');
SELECT made('valid', 'SELECT id FROM ev WHERE now() BETWEEN ts AND until');
SELECT made('computed', 'SELECT id FROM ev WHERE coalesce(until, ''infinity'') > transaction_timestamp()');

-- not a condition by itself
SELECT made('or_', 'SELECT id FROM ev WHERE ts > now() OR v = 3');
SELECT made('not_', 'SELECT id FROM ev WHERE NOT (ts > now() - interval ''1 hour'' AND ts < now())');
SELECT made('unknown', 'SELECT id FROM ev WHERE (ts > now()) IS NOT TRUE');
SELECT made('shown', 'SELECT id, CASE WHEN ts > now() THEN ''future'' WHEN ts > now() - interval ''1 hour'' THEN ''recent'' ELSE ''old'' END AS x FROM ev');
SELECT made('bag', 'SELECT ts > now() - interval ''1 hour'' AS recent FROM ev');

-- other types, and functions of the clock
SELECT made('plain_', 'SELECT id FROM ev WHERE plain > localtimestamp - interval ''1 hour''');
SELECT made('cross_type', 'SELECT id FROM ev WHERE plain <= now()');
SELECT made('epoch', 'SELECT id FROM ev WHERE extract(epoch FROM ts) > extract(epoch FROM now()) - 3600');
SELECT made('precise', 'SELECT id FROM ev WHERE ts > current_timestamp(1) - interval ''1 hour''');
SELECT made('days', 'SELECT id, d FROM ev WHERE d >= current_date - 7');
SELECT made('this_day', 'SELECT id FROM ev WHERE ts >= date_trunc(''day'', now())');
SELECT made('zone', 'SELECT id FROM ev WHERE plain < now() AT TIME ZONE ''Asia/Tokyo''');

-- above the condition
SELECT made('grouped', 'SELECT g, count(*) AS n, sum(v) AS s, min(ts) AS first, max(ts) AS last FROM ev WHERE ts > now() - interval ''1 hour'' GROUP BY g');
SELECT made('total', 'SELECT count(*) AS n, max(v) AS m FROM ev WHERE ts > now() - interval ''1 hour''');
SELECT made('filtered', 'SELECT g, count(*) FILTER (WHERE ts <= now()) AS past, count(*) AS n FROM ev GROUP BY g');
SELECT made('afresh', 'SELECT g, string_agg(v::text, '','' ORDER BY id) FILTER (WHERE ts > now()) AS l FROM ev GROUP BY g');
SELECT made('flag', 'SELECT ts > now() AS future, count(*) AS n FROM ev GROUP BY 1');
SELECT made('having_', 'SELECT g, count(*) AS n FROM ev GROUP BY g HAVING bool_or(ts > now())');
SELECT made('distinct_', 'SELECT DISTINCT g FROM ev WHERE ts > now()');
SELECT made('ranked', 'SELECT id, rank() OVER (PARTITION BY g ORDER BY v) AS r FROM ev WHERE ts > now() - interval ''1 hour''');
SELECT made('ranked_by', 'SELECT id, count(*) FILTER (WHERE ts > now()) OVER (PARTITION BY g) AS n FROM ev');
SELECT made('first_', 'SELECT id, ts FROM ev WHERE ts > now() - interval ''1 hour'' ORDER BY ts, id LIMIT 2');
SELECT made('union_', 'SELECT g FROM ev WHERE ts > now() UNION SELECT g FROM u WHERE at < now()');
SELECT made('union_all', 'SELECT id FROM ev WHERE ts > now() UNION ALL SELECT id FROM u WHERE at < now()');
SELECT made('except_', 'SELECT g FROM ev EXCEPT SELECT g FROM u WHERE at > now()');
SELECT made('sets', 'SELECT g, count(*) FILTER (WHERE ts > now()) AS n FROM ev GROUP BY ROLLUP (g)');

-- with other tables
SELECT made('joined', 'SELECT ev.id, u.id AS uid FROM ev JOIN u ON u.g = ev.g WHERE ev.ts > now() - interval ''1 hour'' AND u.at <= now()');
SELECT made('either', 'SELECT ev.id, u.id AS uid FROM ev JOIN u ON u.g = ev.g AND (ev.ts > now() OR u.at < now())');
SELECT made('self', 'SELECT a.id, b.id AS bid FROM ev a JOIN ev b ON a.g = b.g WHERE a.ts > now() AND b.ts <= now()');
SELECT made('left_where', 'SELECT ev.id, u.id AS uid FROM ev LEFT JOIN u ON u.id = ev.id WHERE u.at > now()');
SELECT made('left_on', 'SELECT ev.id, u.id AS uid FROM ev LEFT JOIN u ON u.id = ev.id AND u.at > now()');
SELECT made('left_on_left', 'SELECT ev.id, u.id AS uid FROM ev LEFT JOIN u ON u.id = ev.id AND ev.ts > now()');
SELECT made('left_above', 'SELECT ev.id, u.id AS uid FROM ev LEFT JOIN u ON u.id = ev.id WHERE ev.ts > now() - interval ''1 hour''');
SELECT made('full_on', 'SELECT ev.id, u.id AS uid FROM ev FULL JOIN u ON u.id = ev.id AND u.at > now()');
SELECT made('exists_', 'SELECT id FROM u WHERE EXISTS (SELECT FROM ev WHERE ev.id = u.id AND ev.ts > now())');
SELECT made('exists_outer', 'SELECT id FROM u WHERE EXISTS (SELECT FROM ev WHERE ev.g = u.g AND u.at > now())');
SELECT made('not_exists', 'SELECT id FROM u WHERE NOT EXISTS (SELECT FROM ev WHERE ev.id = u.id AND ev.ts <= now())');
SELECT made('in_', 'SELECT id FROM u WHERE g IN (SELECT g FROM ev WHERE ts > now() AND ts < now() + interval ''1 min'')');
SELECT made('not_in', 'SELECT id FROM u WHERE id NOT IN (SELECT id FROM ev WHERE ts > now())');
SELECT made('scalar_', 'SELECT u.id, (SELECT count(*) FROM ev WHERE ev.g = u.g AND ev.ts > now()) AS n FROM u');
SELECT made('scalar_in', 'SELECT id FROM ev WHERE v >= (SELECT min(v) FROM ev WHERE ts > now())');
SELECT made('lateral_', 'SELECT u.id, l.v FROM u, LATERAL (SELECT v FROM ev WHERE ev.g = u.g AND ev.ts <= now() ORDER BY v DESC, id DESC LIMIT 1) l');
SELECT made('with_', 'WITH w AS (SELECT * FROM ev WHERE ts > now()) SELECT a.id, b.id AS bid FROM w a JOIN w b ON a.g = b.g');
SELECT made('of_view', 'SELECT a.id, u.id AS uid FROM recent a JOIN u USING (g)');
SELECT made('of_parted', 'SELECT g, count(*) AS n FROM parted WHERE ts > now() - interval ''1 hour'' GROUP BY g');
SELECT made('six', 'SELECT a.id, f.v FROM ev a JOIN ev b USING (id) JOIN ev c USING (id) JOIN ev d USING (id) JOIN ev e USING (id) JOIN ev f USING (id) WHERE a.ts > now() OR f.ts < now() - interval ''1 hour''');

-- without a table, and values that change seldom
SELECT made('nothing', 'SELECT now() AS x');
SELECT made('series', 'SELECT x FROM generate_series(now(), now() + interval ''2 min'', interval ''1 min'') x');
SELECT made('calendar', 'SELECT day::date AS day, count(ev.id) AS n FROM generate_series(current_date - 7, current_date, interval ''1 day'') AS day LEFT JOIN ev ON ev.d = day::date GROUP BY 1');
SELECT made('values_', 'SELECT id FROM ev JOIN (VALUES (0, now())) x (v, t) ON ev.ts > x.t');
SELECT made('age_days', 'SELECT id, current_date - d AS days FROM ev WHERE ts > now() - interval ''1 hour'' AND isfinite(d)');
SELECT made('dated', 'SELECT id FROM ev WHERE now() > timestamptz ''2000-01-01'' AND v < 5');

-- above each other
SELECT made('above', 'SELECT g, count(*) AS n FROM gt JOIN ev USING (id) GROUP BY g');
SELECT made('above_again', 'SELECT n FROM above WHERE n > 0');
COMMIT;

CREATE VIEW facts AS
	SELECT pgt_id, pgt_name AS name, last_refresh_action AS action,
		total_rows_inserted AS inserted, total_rows_deleted AS deleted
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_time';
CREATE TEMP TABLE before AS SELECT * FROM facts;

-- Nothing but time passes.
SELECT pg_sleep(0.11);
SELECT * FROM all_fresh('op_time');
SELECT name, f.action, f.inserted - b.inserted AS inserted, f.deleted - b.deleted AS deleted
  FROM facts f JOIN before b USING (pgt_id, name)
 WHERE name IN ('gt', 'ge', 'lt', 'le', 'eq', 'ne', 'flipped', 'selected', 'between_', 'valid', 'plain_', 'cross_type', 'epoch',
	'days', 'left_on', 'exists_', 'joined', 'shown', 'dated', 'above') ORDER BY pgt_id;
SELECT id FROM gt ORDER BY id;
SELECT id FROM le ORDER BY id;
SELECT g, n, s FROM grouped ORDER BY g;

-- Time and data: rows that came and were never in, that came and went, that are
-- changed while they cross.
TRUNCATE before;
INSERT INTO before SELECT * FROM facts;
BEGIN;
SELECT fill(100);
SELECT * FROM all_fresh('op_time');
COMMIT;
INSERT INTO ev SELECT id + 100, g, v + 1, ts, plain, d, until FROM ev WHERE id > 100;
UPDATE ev SET ts = ts + interval '20 ms', g = (g + 1) % 3 WHERE id IN (101, 104, 108);
DELETE FROM ev WHERE id IN (1, 102, 109);
UPDATE u SET at = at + interval '100 ms' WHERE id > 104;
DELETE FROM u WHERE id = 103;
SELECT pg_sleep(0.15);
SELECT * FROM all_fresh('op_time');
SELECT name, action FROM facts WHERE action <> 'DIFFERENTIAL' ORDER BY pgt_id;
SELECT * FROM filtered ORDER BY g;

-- A look that finds nothing writes nothing.
CREATE TEMP TABLE looked AS SELECT xmin::text AS version, total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'dated'::regclass;
SELECT * FROM fresh('dated');
SELECT s.xmin::text = l.version AND s.total_refreshes = l.total_refreshes AS untouched
  FROM pgtrickle.pgt_stream_tables s, looked l WHERE s.pgt_relid = 'dated'::regclass;
-- At the same instant there is not even a look.
BEGIN;
SELECT * FROM fresh('gt');
SELECT * FROM fresh('gt');
INSERT INTO ev (id, ts) VALUES (900, now() - interval '1 hour'), (901, now());
SELECT * FROM fresh('gt');
SELECT * FROM fresh('between_');
ROLLBACK;
SELECT * FROM fresh('gt');

-- The clock goes by days, and back: each table is right for both instants when
-- the remembered one is moved, and then rows come between them.
DELETE FROM ev;
DELETE FROM parted;
DELETE FROM u;
SELECT * FROM all_fresh('op_time');
CREATE FUNCTION shift(by interval) RETURNS void LANGUAGE sql AS $$
	UPDATE pgtrickle.pgt_stream_tables SET evaluated_at = evaluated_at + by
	 WHERE pgt_schema = 'op_time' AND pgt_name NOT IN ('nothing', 'series', 'calendar')
$$;
CREATE FUNCTION fill_days(first int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO ev SELECT first + n, n % 3, n, at, at AT TIME ZONE 'UTC', (at AT TIME ZONE 'UTC')::date, at + interval '1 hour'
	  FROM (SELECT n, now() + (n - 10) * interval '1 day' AS at FROM generate_series(1, 12) n) x;
	INSERT INTO u SELECT first + n, n % 3, now() + (n - 5) * interval '1 day' FROM generate_series(1, 9) n;
$$;
SELECT shift('-3 days');
SELECT fill_days(0);
SELECT * FROM all_fresh('op_time');
SELECT (now() AT TIME ZONE 'UTC')::date - d AS days FROM days ORDER BY d;
DELETE FROM ev;
DELETE FROM parted;
DELETE FROM u;
SELECT * FROM all_fresh('op_time');
SELECT shift('3 days');
SELECT fill_days(0);
SELECT * FROM all_fresh('op_time');
SELECT count(*) FROM days;

-- Many rows at once.
CREATE TABLE many (id int PRIMARY KEY, at timestamptz);
BEGIN;
INSERT INTO many SELECT i, now() + i * interval '10 us' FROM generate_series(1, 5000) i;
SELECT made('come', 'SELECT id FROM many WHERE at <= now()');
SELECT made('counted', 'SELECT id % 10 AS k, count(*) AS n, count(*) FILTER (WHERE at > now()) AS left FROM many GROUP BY 1');
COMMIT;
SELECT pg_sleep(0.06);
SELECT * FROM fresh('come');
SELECT * FROM fresh('counted');
SELECT count(*) FROM come;
SELECT sum(n) AS n, sum("left") AS left FROM counted;

-- A lost instant, TRUNCATE, and the mode FULL.
UPDATE pgtrickle.pgt_stream_tables SET evaluated_at = NULL WHERE pgt_relid = 'gt'::regclass;
SELECT * FROM fresh('gt');
SELECT last_refresh_reason, evaluated_at IS NOT NULL AS known FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'gt'::regclass;
TRUNCATE ev;
DELETE FROM u;
SELECT exact FROM all_fresh('op_time');
SELECT fill(0);
SELECT pgtrickle.alter_stream_table('gt', refresh_mode => 'FULL');
SELECT * FROM fresh('gt');
SELECT * FROM fresh('gt');
SELECT pgtrickle.alter_stream_table('gt', refresh_mode => 'DIFFERENTIAL');
SELECT exact FROM fresh('gt');
SELECT exact FROM all_fresh('op_time');

-- An error that only a row at the old instant would raise is none of the query.
SELECT made('guarded', 'SELECT id, CASE WHEN ts > now() THEN 1 / (v - 40) END AS x FROM ev');
BEGIN;
INSERT INTO ev (id, v, ts) VALUES (40, 41, now() + interval '50 ms');
SELECT * FROM fresh('guarded');
COMMIT;
INSERT INTO ev (id, v, ts) SELECT 41, 40, ts FROM ev WHERE id = 40;
SELECT pg_sleep(0.06);
SELECT * FROM fresh('guarded');
SELECT last_refresh_reason FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'guarded'::regclass;

-- What has no delta says why.
CREATE FUNCTION verdict(query text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(': ', rule, CASE WHEN rule = 'FULL' THEN note END) FROM pgtrickle.validate_query(query) WHERE item = 'verdict'
$$;
SELECT expr, verdict('SELECT id, ' || expr || ' AS x FROM ev')
  FROM (VALUES ('ts > now()'), ('now()'), ('now() - ts'), ('current_date'), ('current_date - d'), ('age(now(), ts)'), ('age(ts)'),
	('date_trunc(''hour'', now())'), ('now() > ts + interval ''1 day'''), ('now() - ts < interval ''1 day'''),
	('statement_timestamp()'), ('clock_timestamp()'), ('localtime'), ('current_time'), ('timeofday()'),
	('to_char(now(), ''YYYY'')'), ('to_char(current_date, ''YYYY'')'), ('''now''::text::timestamptz')) x (expr);
SELECT verdict('SELECT g, max(ts) AS m FROM ev GROUP BY g HAVING max(ts) > now()');
SELECT verdict('SELECT g, count(*) AS n, now() AS t FROM ev GROUP BY g');
SELECT verdict('SELECT id, lag(ts) OVER (ORDER BY id) > now() AS x FROM ev');
SELECT verdict('SELECT id, lead(now()) OVER (ORDER BY id) AS x FROM ev');
SELECT verdict('WITH RECURSIVE r AS (SELECT id, ts FROM ev WHERE ts > now() UNION ALL SELECT id + 1, ts FROM r WHERE id < 3) SELECT id FROM r');
SELECT made('recomputed', 'SELECT id, now() - at AS age FROM u WHERE at > now() - interval ''1 hour''', 'AUTO');
SELECT * FROM fresh('recomputed');
SELECT made('lateral_on', 'SELECT u.id FROM ev LEFT JOIN LATERAL unnest(ARRAY[ev.g]) WITH ORDINALITY AS x (f, o) ON x.f = (extract(epoch FROM now()) * 1000)::bigint % 3 FULL JOIN u ON u.id = ev.id GROUP BY u.id', 'AUTO');
SELECT * FROM fresh('lateral_on');

-- An index on what is compared with the clock is what it takes.
CREATE TABLE big (id int PRIMARY KEY, ts timestamptz, d date);
INSERT INTO big SELECT i, now() - i * interval '1 min', current_date - i FROM generate_series(1, 2000) i;
ANALYZE big;
SELECT item, key, note FROM pgtrickle.validate_query('SELECT id FROM big WHERE ts > now() - interval ''1 day''') WHERE item IN ('result', 'advice');
SELECT key, note FROM pgtrickle.validate_query('SELECT count(*) FROM big WHERE current_date - 7 < d') WHERE item = 'advice';
CREATE INDEX ON big (ts);
SELECT count(*) FROM pgtrickle.validate_query('SELECT id FROM big WHERE ts > now() - interval ''1 day''') WHERE item = 'advice';

SELECT substring(pgtrickle.explain_stream_table('gt') FROM 'Clock: [^\n]*');
SELECT DISTINCT step, sql LIKE '%$1%' AS takes_the_last_instant FROM pgtrickle.explain_delta('grouped') ORDER BY step;

-- Values that are equal, and not the same: a month is thirty days until it is added.
CREATE TABLE kin (id int PRIMARY KEY, d date, w int, ts timestamptz);
INSERT INTO kin VALUES (1, current_date, 1, now()), (2, NULL, 0, now()), (3, '2000-01-01', 2, 'infinity');
SELECT made('month', $$SELECT id, timestamp '2026-02-01' + id * CASE WHEN extract(epoch FROM date_trunc('second', now()))::bigint % 2 = 0
	THEN interval '1 mon' ELSE interval '30 days' END AS f FROM kin$$);
-- CASE with an operand
SELECT made('operand', $$SELECT id, CASE d WHEN current_date THEN 'today' WHEN current_date - 1 THEN 'yesterday' ELSE 'other' END AS x FROM kin$$);
SELECT pg_sleep(1);
SELECT exact FROM fresh('month');
SELECT exact FROM fresh('operand');
UPDATE kin SET d = current_date - 1 WHERE id = 2;
SELECT * FROM fresh('operand');
-- What CASE guards is not asked of other rows.
SELECT verdict($$SELECT id, CASE WHEN w <> 0 THEN ts + interval '1 s' / w > now() END AS f FROM kin$$);
SELECT made('over_join', $$SELECT a.id, b.w, CASE WHEN b.w <> 0 THEN b.ts > now() END AS f FROM kin a LEFT JOIN kin b ON b.id = a.id + 1$$);
UPDATE kin SET w = 0;
SELECT exact FROM fresh('over_join');

-- How old is what it shows?
SELECT staleness > '0' AND staleness < '1 h' AS of_the_last_look FROM pgtrickle.pgt_status() WHERE name = 'op_time.gt';
DO $$
DECLARE
	st regclass;
BEGIN
	FOR st IN SELECT pgt_relid FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'op_time' ORDER BY pgt_id DESC
	LOOP
		PERFORM pgtrickle.drop_stream_table(st::text);
	END LOOP;
END $$;
DROP SCHEMA op_time CASCADE;
