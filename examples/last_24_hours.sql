-- The last 24 hours: a view over the time, right although nothing is written.
\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS pg_trickle;

CREATE TABLE requests (
	request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now(),
	path text NOT NULL,
	failed boolean NOT NULL DEFAULT false);
-- As time goes by, a refresh reads the rows that come of age from this index.
CREATE INDEX ON requests (at);

INSERT INTO requests (at, path, failed)
	SELECT now() - i * interval '1 minute', '/page/' || i % 5, i % 50 = 0
	FROM generate_series(1, 3000) AS i;
-- One that is a second short of 24 hours old, and fails the most seen page.
INSERT INTO requests (at, path, failed)
	VALUES (now() - interval '24 hours' + interval '1 second', '/about to go', true);

-- Compare the column with a function of now(), not the difference of the two
-- with an interval: so a refresh finds the rows whose time has come.
SELECT pgtrickle.create_stream_table('last_day', $$
	SELECT path, count(*) AS requests, count(*) FILTER (WHERE failed) AS failed
	FROM requests
	WHERE at > now() - interval '24 hours'
	GROUP BY path $$, schedule => '1s', refresh_mode => 'DIFFERENTIAL');

SELECT path, requests, failed FROM last_day ORDER BY path;

\echo 'two seconds later, without any write'
SELECT pg_sleep(2);
SELECT pgtrickle.refresh_stream_table('last_day');
SELECT path, requests, failed FROM last_day ORDER BY path;

\ir verify.sql
