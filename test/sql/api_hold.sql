-- What keeps the scheduler from refreshing, and says so: gates, pauses, fuses.
-- test/t/016_hold shows that it does.
CREATE SCHEMA api_hold;
SET search_path = api_hold, public;
CREATE TABLE t (id int PRIMARY KEY, k int);
CREATE TABLE u (k int);
SELECT pgtrickle.create_stream_table('a', 'SELECT k, count(*) AS n FROM t GROUP BY k');
SELECT pgtrickle.create_stream_table('b', 'SELECT k, n FROM a');
SELECT pgtrickle.create_stream_table('c', 'SELECT t.id, a.n FROM t JOIN a USING (k)');
CREATE VIEW held AS
SELECT pgt_name, pgtrickle.hold_reason(pgt_relid)
FROM pgtrickle.pgt_stream_tables WHERE pgt_schema = 'api_hold' ORDER BY pgt_name;
-- The server that runs this has the scheduler off.
SELECT * FROM held;

-- ---- gates
SELECT pgtrickle.gate_source('t');
SELECT pgtrickle.gate_source('api_hold.t');
SELECT pgtrickle.gate_source('u');
SELECT * FROM held;
SELECT source, gated_by = current_user AS by_me, gated_at <= clock_timestamp() AS since, held
FROM pgtrickle.source_gates ORDER BY source::text;
-- A refresh by hand is what somebody asked for, and capture goes on.
INSERT INTO t VALUES (1, 1), (2, 1);
SELECT waiting('t');
SELECT pgtrickle.refresh_stream_table('a');
TABLE a;
SELECT pgtrickle.ungate_source('t');
SELECT pgtrickle.ungate_source('t');
DROP TABLE u;
SELECT pgtrickle.gate_source('u');
SELECT pgtrickle.gate_source('held');
SELECT pgtrickle.gate_source(NULL);

-- ---- all
SELECT pgtrickle.pause_all();
SELECT pgtrickle.pause_all();
SELECT source IS NULL AS all, held @> '{a,b,c}' AS held FROM pgtrickle.source_gates WHERE source IS NULL;
SELECT * FROM held;
SELECT pgtrickle.resume_all();
SELECT pgtrickle.resume_all();
SELECT pgtrickle.ungate_source('a');

-- ---- fuses
SELECT pgtrickle.alter_stream_table('a', fuse_ceiling => 10);
SELECT pgtrickle.alter_stream_table('a', schedule => '1h');
SELECT pgt_name, fuse_ceiling, fuse_blown_at FROM pgtrickle.pgt_stream_tables
WHERE pgt_schema = 'api_hold' ORDER BY pgt_name;
SELECT pgtrickle.reset_fuse('a');
SELECT pgtrickle.reset_fuse('a', 'forget');
SELECT pgtrickle.alter_stream_table('a', fuse_ceiling => -1);
SELECT fuse_ceiling FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = 'a'::regclass;
SELECT pgtrickle.alter_stream_table('a', status => 'SUSPENDED');
SELECT pgt_name, hold_reason FROM held WHERE pgt_name = 'a';
SELECT pgtrickle.resume_stream_table('a');

-- ---- rights
CREATE ROLE api_hold_other;
GRANT USAGE ON SCHEMA api_hold TO api_hold_other;
SET ROLE api_hold_other;
SELECT pgtrickle.gate_source('t');
SELECT pgtrickle.ungate_source('t');
SELECT pgtrickle.pause_all();
SELECT pgtrickle.resume_all();
SELECT pgtrickle.reset_fuse('a');
SELECT pgtrickle.hold_reason('a'::regclass) IS NULL AS not_for_him;
SELECT count(*) FROM pgtrickle.source_gates;
RESET ROLE;
DROP OWNED BY api_hold_other;
DROP ROLE api_hold_other;
