-- Schedules: durations, cron expressions, and what 'calculated' comes to.
CREATE SCHEMA api_schedule;
SET search_path = api_schedule, public;
SET timezone = 'UTC';

-- ---- when a schedule asks for the next refresh
SELECT schedule, pgtrickle.schedule_next(schedule, '2026-03-10 11:59:59.9+00') AS next
FROM unnest(ARRAY['0s', '200ms', '1h30m', '1w 1d 1h 1m 1s 1ms',
	'* * * * *', '*/10 * * * *', '30 6 * * *', '0 12 * * MON-FRI', '0 0 1 * *',
	'0 0 29 2 *', '*/5 * * * * *', '15 30 8 * * *',
	'@hourly', '@daily', ' @MIDNIGHT', '@weekly', '@monthly', '@yearly', '@annually'])
	WITH ORDINALITY AS s(schedule, i)
ORDER BY i;
-- A time that has come is over; the next one is the one after it.
SELECT pgtrickle.schedule_next('0 12 * * *', '2026-03-10 12:00+00') AS next,
	pgtrickle.schedule_next('0 12 * * *', 'infinity') AS never;
-- The end of January does not carry over, every field matches, and what is smaller begins anew.
SELECT pgtrickle.schedule_next('0 0 * 2 *', '2026-01-29 00:00+00') AS february,
	pgtrickle.schedule_next('* 12 1 * 3', '2028-02-01 04:00:08+00') AS noon,
	pgtrickle.schedule_next('*/2 35 * * * *', '2026-03-10 02:07:13+00') AS second_0;
-- Cron means UTC, whoever asks.
SET timezone = 'America/New_York';
SELECT pgtrickle.schedule_next('0 12 * * *', '2026-03-10 11:00+00') AT TIME ZONE 'UTC' AS next;
RESET timezone;

-- ---- what is none
CREATE FUNCTION is_schedule(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN pgtrickle.schedule_next($1) IS NOT NULL;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN false;
END $$;
SELECT left(schedule, 20) AS schedule, is_schedule(schedule)
FROM unnest(ARRAY['', ' ', '* * * *', '* * * * * * *', '61 * * * *', '* 24 * * *', '0 0 32 * *',
	'0 0 31 2 *', '* * * * FOO', '@never', '@', '5', '*', '-1 * * * *', '*/0 * * * *',
	repeat('1,', 120) || '1 * * * *', 'a b c d e']) WITH ORDINALITY AS s(schedule, i)
ORDER BY i;

CREATE TABLE t (id int PRIMARY KEY, k int);
SELECT pgtrickle.create_stream_table('bad', 'SELECT k FROM t', '0 0 31 2 *');
SELECT pgtrickle.create_stream_table('bad', 'SELECT k FROM t', 'now and then');
SELECT pgtrickle.parse_duration_seconds('* * * * *');

-- ---- 'calculated' is the tightest of those that read it
SELECT pgtrickle.create_stream_table('a', 'SELECT id, k FROM t');
SELECT pgtrickle.create_stream_table('b', 'SELECT id, k FROM a');
SELECT pgtrickle.create_stream_table('c', 'SELECT id, k FROM b', '10m');
SELECT pgtrickle.create_stream_table('d', 'SELECT id, k FROM b', '*/2 * * * *');
CREATE FUNCTION in_force() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(c.relname || '=' || pgtrickle.schedule_in_force(c.oid), ', ' ORDER BY c.relname)
	FROM pg_class c
	WHERE c.relnamespace = 'api_schedule'::regnamespace AND c.relname IN ('a', 'b', 'c', 'd', 'e')
$$;
SELECT in_force();
SELECT pgtrickle.alter_stream_table('d', schedule => '@hourly');
SELECT in_force();
SELECT pgtrickle.alter_stream_table('b', schedule => '3h');
SELECT in_force();
SELECT pgtrickle.alter_stream_table('b', schedule => 'calculated');
SELECT pgtrickle.create_stream_table('e', 'SELECT count(*) AS n FROM a');
SELECT in_force();
SELECT pgtrickle.schedule_in_force('t') IS NULL AS no_stream_table;
SELECT 'a'::regclass::oid AS a \gset
CREATE ROLE api_schedule_nobody;
SET ROLE api_schedule_nobody;
SELECT pgtrickle.schedule_in_force(:a) IS NULL AS not_for_him;
RESET ROLE;
DROP ROLE api_schedule_nobody;
