-- subscribe(), unsubscribe(), list_subscriptions(); what is told is in test/t.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA api_subscribe;
SET search_path = api_subscribe, public;
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT made('"st ""x"""', 'SELECT id, v FROM t');
SELECT made('silent', 'SELECT id FROM t');
CREATE ROLE regress_pgt_listener;
GRANT USAGE ON SCHEMA api_subscribe TO regress_pgt_listener;

-- who may
SET ROLE regress_pgt_listener;
SELECT pgtrickle.subscribe('"st ""x"""');
SELECT pgtrickle.unsubscribe('"st ""x"""');
SELECT count(*) FROM pgtrickle.list_subscriptions();
RESET ROLE;
SELECT pgtrickle.subscribe('nothing');
SELECT pgtrickle.subscribe('t');
SELECT pgtrickle.subscribe('silent', '');
SELECT pgtrickle.subscribe('silent', repeat('x', 64));
SELECT pgtrickle.subscribe('silent', NULL);
SELECT pgtrickle.subscribe(name => '"st ""x"""', channel => 'mine');
SELECT pgtrickle.subscribe('"st ""x"""');
SELECT pgtrickle.subscribe('"st ""x"""');
SELECT pgtrickle.subscribe('"st ""x"""', 'pg_trickle_alert');
SELECT stream_table, channel, subscribed_at <= now() AS since FROM pgtrickle.list_subscriptions();

-- a stream table that is gone is told of no more
SELECT pgtrickle.unsubscribe('"st ""x"""', 'mine') AS there, pgtrickle.unsubscribe('"st ""x"""', 'mine') AS again;
SELECT pgtrickle.drop_stream_table('"st ""x"""');
SELECT count(*) FROM pgtrickle.pgt_subscriptions;
BEGIN;
SELECT pgtrickle.subscribe('silent');
ROLLBACK;
SELECT count(*) FROM pgtrickle.list_subscriptions();
DROP OWNED BY regress_pgt_listener;
DROP ROLE regress_pgt_listener;
