-- Who may do what, and as whom a query runs.
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA rights;
SET search_path = rights, public;

CREATE ROLE regress_pgt_owner;
CREATE ROLE regress_pgt_other;
CREATE ROLE regress_pgt_reader;
GRANT ALL ON SCHEMA rights TO PUBLIC;

CREATE TABLE secret (id int PRIMARY KEY, v int);
INSERT INTO secret VALUES (1, 1), (2, 2);
CREATE TABLE open_ (id int PRIMARY KEY, v int);
INSERT INTO open_ VALUES (1, 1);
GRANT SELECT, INSERT, UPDATE, DELETE ON open_ TO regress_pgt_other, regress_pgt_reader;
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON open_ TO regress_pgt_owner;

-- SELECT and TRIGGER are needed on every source, CREATE on the schema
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('no', 'SELECT id FROM secret');
SELECT pgtrickle.create_stream_table('no', 'SELECT o.id FROM open_ o JOIN secret s USING (id)');
RESET ROLE;
GRANT SELECT ON secret TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('no', 'SELECT id FROM secret');
RESET ROLE;
REVOKE SELECT ON secret FROM regress_pgt_owner;
GRANT TRIGGER ON secret TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('no', 'SELECT id FROM secret');
RESET ROLE;
CREATE SCHEMA rights_closed;
GRANT USAGE ON SCHEMA rights_closed TO PUBLIC;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('rights_closed.no', 'SELECT id FROM open_');
-- through a view whose owner may read: its rights count, as they do for SELECT,
-- but a delta would read the table itself
RESET ROLE;
CREATE VIEW window_ AS SELECT id FROM secret;
GRANT SELECT ON window_ TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('through', 'SELECT id FROM window_', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('through', 'SELECT id FROM window_');
-- made by one who may
SELECT pgtrickle.create_stream_table('mine', 'SELECT id, v FROM open_', refresh_mode => 'DIFFERENTIAL');
SELECT count(*) FROM mine;
RESET ROLE;
SELECT c.relname, pg_get_userbyid(c.relowner) AS owner FROM pg_class c WHERE oid = 'mine'::regclass;
SELECT pg_get_userbyid(c.relowner) AS owner_of_definition FROM pg_class c
  JOIN pgtrickle.pgt_stream_tables s ON s.definition = c.oid WHERE s.pgt_relid = 'mine'::regclass;
SELECT 'pgtrickle_changes.changes_' || source_stable_name AS buffer
  FROM pgtrickle.pgt_change_tracking WHERE source = 'rights.open_'::regclass \gset
INSERT INTO secret VALUES (3, 3);
SELECT * FROM fresh('through');
SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'no';

-- writers need no right of ours
SET ROLE regress_pgt_other;
INSERT INTO open_ VALUES (2, 2);
UPDATE open_ SET v = 3 WHERE id = 1;
-- and see nothing of ours; the name of a buffer is not shown either
\set VERBOSITY sqlstate
SELECT * FROM :buffer;
INSERT INTO :buffer (w) VALUES (1);
TRUNCATE :buffer;
\set VERBOSITY terse
SELECT count(*) FROM mine;
-- only the owner may refresh, alter, drop, resume
SELECT pgtrickle.refresh_stream_table('mine');
SELECT pgtrickle.alter_stream_table('mine', schedule => '1s');
SELECT pgtrickle.alter_stream_table('mine', query => 'SELECT 1 AS id, 2 AS v');
SELECT pgtrickle.create_or_replace_stream_table('mine', 'SELECT 1 AS id');
SELECT pgtrickle.drop_stream_table('mine');
SELECT pgtrickle.resume_stream_table('mine');
SELECT pgtrickle.verify_stream_table('mine');
-- nobody writes our tables
INSERT INTO pgtrickle.pgt_stream_tables (pgt_relid, pgt_schema, pgt_name) VALUES ('rights.open_', 'x', 'y');
UPDATE pgtrickle.pgt_stream_tables SET status = 'SUSPENDED';
DELETE FROM pgtrickle.pgt_change_tracking;
SET ROLE regress_pgt_owner;
\set VERBOSITY sqlstate
SELECT * FROM :buffer;
DELETE FROM :buffer;
\set VERBOSITY terse
-- not even the owner writes a stream table by hand
INSERT INTO mine VALUES (9, 9);
SELECT pgtrickle.refresh_stream_table('mine');
SELECT missing, surplus FROM pgtrickle.verify_stream_table('mine');
SELECT status FROM pgtrickle.pgt_status() WHERE name = 'rights.mine';
GRANT SELECT ON mine TO regress_pgt_reader;
SET ROLE regress_pgt_reader;
SELECT id, v FROM mine ORDER BY id;
RESET ROLE;
-- a superuser may refresh; the query runs as the owner
SELECT * FROM fresh('mine');
CREATE FUNCTION who(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT current_user::text';
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('whose', 'SELECT id, who(id) AS w FROM open_', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
INSERT INTO open_ VALUES (3, 3);
SELECT pgtrickle.refresh_stream_table('whose');
SELECT DISTINCT w FROM whose;
SELECT missing, surplus FROM pgtrickle.verify_stream_table('whose');
SELECT current_user;

-- a function of the owner cannot act with the rights of who refreshes, nor
-- leave something behind that acts later
SET ROLE regress_pgt_owner;
CREATE TABLE orders_ (command text);
INSERT INTO orders_ VALUES ('SELECT 1');
CREATE FUNCTION obey(int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF $1 > 100 THEN
		EXECUTE (SELECT command FROM rights.orders_);
	END IF;
	RETURN $1;
END $$;
CREATE FUNCTION innocent(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN rights.obey($1); END';
SELECT pgtrickle.create_stream_table('trap', 'SELECT innocent(id) AS id FROM open_', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
INSERT INTO open_ VALUES (101, 0);
UPDATE orders_ SET command = 'ALTER ROLE regress_pgt_owner SUPERUSER';
\set VERBOSITY sqlstate
SELECT pgtrickle.refresh_stream_table('trap');
\set VERBOSITY terse
UPDATE orders_ SET command = 'RESET ROLE';
SELECT pgtrickle.refresh_stream_table('trap');
UPDATE orders_ SET command = 'SET SESSION AUTHORIZATION regress_pgt_other';
SELECT pgtrickle.refresh_stream_table('trap');
UPDATE orders_ SET command = 'CREATE TEMP TABLE left_behind ()';
SELECT pgtrickle.refresh_stream_table('trap');
UPDATE orders_ SET command = 'DECLARE c CURSOR WITH HOLD FOR SELECT 1';
SELECT pgtrickle.refresh_stream_table('trap');
UPDATE orders_ SET command = 'UPDATE rights.secret SET v = 666';
SELECT pgtrickle.refresh_stream_table('trap');
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_pgt_owner') AS became_superuser;
SELECT count(*) AS touched FROM secret WHERE v = 666;
UPDATE orders_ SET command = 'SELECT 1';
SELECT * FROM fresh('trap');
DELETE FROM open_ WHERE id = 101;
SELECT * FROM fresh('trap');

-- names in a query were looked up when it was written
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('pathless', 'SELECT id, abs(v) AS a, v + 1 AS b FROM open_', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
CREATE SCHEMA rights_attack;
GRANT ALL ON SCHEMA rights_attack TO PUBLIC;
SET ROLE regress_pgt_other;
CREATE FUNCTION rights_attack.abs(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 666';
CREATE FUNCTION rights_attack.plus_(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 666';
CREATE OPERATOR rights_attack.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = rights_attack.plus_);
CREATE TABLE rights_attack.open_ (id int, v int);
CREATE FUNCTION rights_attack.eq_(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR rights_attack.= (LEFTARG = int, RIGHTARG = int, FUNCTION = rights_attack.eq_);
CREATE FUNCTION rights_attack.count(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 666';
RESET ROLE;
SET search_path = rights_attack, pg_catalog, rights, public;
INSERT INTO rights.open_ VALUES (4, -4);
SELECT pgtrickle.refresh_stream_table('rights.pathless');
SELECT count(*) FILTER (WHERE a OPERATOR(pg_catalog.=) 666 OR b OPERATOR(pg_catalog.=) 666) AS fooled, count(*) OPERATOR(pg_catalog.>) 0 AS filled FROM rights.pathless;
SELECT missing, surplus FROM pgtrickle.verify_stream_table('rights.pathless');
CREATE TEMP TABLE open_ (id int, v int);
SELECT pgtrickle.refresh_stream_table('rights.pathless');
DROP TABLE pg_temp.open_;
SET search_path = rights, public;
SELECT * FROM fresh('pathless');

-- a right that is taken away is missed at the next refresh, and only then
REVOKE SELECT ON open_ FROM regress_pgt_owner;
INSERT INTO open_ VALUES (5, 5);
SELECT pgtrickle.refresh_stream_table('mine');
GRANT SELECT ON open_ TO regress_pgt_owner;
SELECT * FROM fresh('mine');

-- row security: a stream table holds what its owner sees
CREATE TABLE walled (id int PRIMARY KEY, who text);
INSERT INTO walled VALUES (1, 'regress_pgt_owner'), (2, 'somebody');
ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON walled USING (who = current_user);
GRANT SELECT, TRIGGER ON walled TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('seen', 'SELECT id FROM walled');
RESET ROLE;
INSERT INTO walled VALUES (3, 'regress_pgt_owner'), (4, 'somebody');
SELECT pgtrickle.refresh_stream_table('seen');
SELECT id FROM seen ORDER BY id;

-- a policy that depends on the row alone is a condition like any other, also
-- where the table is looked up; another policy is another query
CREATE TABLE fenced (id int PRIMARY KEY, k int, level int);
INSERT INTO fenced SELECT i, i % 3, i % 5 FROM generate_series(1, 20) i;
ALTER TABLE fenced ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON fenced USING (level < 3);
GRANT SELECT, TRIGGER ON fenced TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('through_fence', 'SELECT a.id, b.id AS other FROM fenced a LEFT JOIN fenced b ON b.k = a.k AND b.level > a.level', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('counted_fence', 'SELECT k, count(*) AS n FROM fenced GROUP BY k', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
INSERT INTO fenced VALUES (21, 0, 2), (22, 0, 4);
UPDATE fenced SET level = 4 - level WHERE id < 6;
DELETE FROM fenced WHERE id = 10;
SELECT pgtrickle.refresh_stream_table('through_fence'), pgtrickle.refresh_stream_table('counted_fence');
SELECT action FROM pgtrickle.get_refresh_history('through_fence', 1);
SELECT action FROM pgtrickle.get_refresh_history('counted_fence', 1);
SET ROLE regress_pgt_owner;
SELECT * FROM pgtrickle.verify_stream_table('through_fence');
SELECT * FROM pgtrickle.verify_stream_table('counted_fence');
SELECT sum(n) = (SELECT count(*) FROM fenced) AS as_seen FROM counted_fence;
RESET ROLE;
ALTER POLICY low ON fenced USING (level < 2);
SELECT pgtrickle.refresh_stream_table('counted_fence');
SELECT action FROM pgtrickle.get_refresh_history('counted_fence', 1);
SET ROLE regress_pgt_owner;
SELECT * FROM pgtrickle.verify_stream_table('counted_fence');
SELECT sum(n) = (SELECT count(*) FROM fenced) AS as_seen FROM counted_fence;
RESET ROLE;

-- a policy that looks at other rows: a delta would read the table as these let
-- it now
CREATE TABLE pens (id int, k int);
INSERT INTO pens SELECT i, i % 3 FROM generate_series(1, 9) i;
ALTER TABLE pens ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_only ON pens USING (EXISTS (SELECT FROM open_ WHERE open_.id = pens.k));
GRANT SELECT, TRIGGER ON pens TO regress_pgt_owner;
SET ROLE regress_pgt_owner;
SELECT pgtrickle.create_stream_table('no', 'SELECT id FROM pens', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('penned', 'SELECT id FROM pens');
SELECT array_agg(id ORDER BY id) AS ids FROM penned;
RESET ROLE;
BEGIN;
DELETE FROM open_ WHERE id = 1;
SELECT pgtrickle.refresh_stream_table('penned');
SELECT action FROM pgtrickle.get_refresh_history('penned', 1);
SET ROLE regress_pgt_owner;
SELECT array_agg(id ORDER BY id) AS ids FROM penned;
ROLLBACK;

-- another owner: the query of somebody else is not run in his name before he
-- has given it himself
ALTER TABLE mine OWNER TO regress_pgt_other;
INSERT INTO open_ VALUES (6, 6);
SELECT pgtrickle.refresh_stream_table('mine');
GRANT TRIGGER ON open_ TO regress_pgt_other;
SET ROLE regress_pgt_other;
SELECT pgtrickle.refresh_stream_table('mine');
SELECT pgtrickle.create_or_replace_stream_table('mine', 'SELECT id, v FROM open_', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
SELECT exact FROM fresh('mine');
INSERT INTO open_ VALUES (7, 7);
SELECT * FROM fresh('mine');
SELECT pg_get_userbyid(c.relowner) AS owner_of_definition FROM pg_class c
  JOIN pgtrickle.pgt_stream_tables s ON s.definition = c.oid WHERE s.pgt_relid = 'mine'::regclass;
REVOKE SELECT ON open_ FROM regress_pgt_other;
INSERT INTO open_ VALUES (8, 8);
SELECT pgtrickle.refresh_stream_table('mine');
GRANT SELECT ON open_ TO regress_pgt_other;
SELECT * FROM fresh('mine');

-- rights on a stream table are those on any table, and MAINTAIN, where PostgreSQL
-- has it, is the right to have it refreshed and no other
CREATE FUNCTION may(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'yes';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN 'no';
END $$;
CREATE FUNCTION rights_of_reader() RETURNS TABLE (may_read text, may_refresh text, may_alter text, may_verify text, may_explain text, may_drop text) LANGUAGE sql AS $$
	SELECT rights.may('SELECT FROM rights.mine LIMIT 1'), rights.may('SELECT pgtrickle.refresh_stream_table(''rights.mine'')'),
		rights.may('SELECT pgtrickle.alter_stream_table(''rights.mine'', schedule => ''1h'')'), rights.may('SELECT pgtrickle.verify_stream_table(''rights.mine'')'),
		rights.may('SELECT pgtrickle.explain_stream_table(''rights.mine'')'), rights.may('SELECT pgtrickle.drop_stream_table(''rights.mine'')') $$;
REVOKE ALL ON mine FROM regress_pgt_reader;
SET ROLE regress_pgt_reader;
SELECT * FROM rights_of_reader();
RESET ROLE;
GRANT SELECT (id) ON mine TO regress_pgt_reader;
SET ROLE regress_pgt_reader;
SELECT may('SELECT id FROM mine'), may('SELECT v FROM mine');
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON mine TO regress_pgt_reader;
SET ROLE regress_pgt_reader;
SELECT * FROM rights_of_reader();
INSERT INTO mine VALUES (9, 9);
RESET ROLE;
SELECT current_setting('server_version_num')::int >= 170000 AS has_maintain \gset
\if :has_maintain
GRANT MAINTAIN ON mine TO regress_pgt_reader;
INSERT INTO open_ VALUES (50, 50);
\endif
SET ROLE regress_pgt_reader;
SELECT may_refresh = CASE WHEN :'has_maintain' THEN 'yes' ELSE 'no' END AS refresh_as_expected, may_alter, may_verify, may_explain, may_drop FROM rights_of_reader();
RESET ROLE;
\if :has_maintain
REVOKE MAINTAIN ON mine FROM regress_pgt_reader;
GRANT pg_maintain TO regress_pgt_reader;
\endif
SET ROLE regress_pgt_reader;
SELECT may_refresh = CASE WHEN :'has_maintain' THEN 'yes' ELSE 'no' END AS refresh_as_expected, may_alter, may_verify, may_explain, may_drop FROM rights_of_reader();
RESET ROLE;
SELECT exact FROM fresh('mine');
-- a member of the owner's role is as good as the owner
GRANT regress_pgt_other TO regress_pgt_reader;
SET ROLE regress_pgt_reader;
SELECT may('SELECT pgtrickle.alter_stream_table(''rights.mine'', schedule => ''1h'')'), may('SELECT pgtrickle.verify_stream_table(''rights.mine'')');
RESET ROLE;
SELECT * FROM fresh('mine');
REVOKE regress_pgt_other FROM regress_pgt_reader;

-- who has our tables, and who sees definitions
SELECT c.oid::regclass AS writable_by_public FROM pg_class c, LATERAL aclexplode(c.relacl) a
 WHERE c.relnamespace IN ('pgtrickle'::regnamespace, 'pgtrickle_changes'::regnamespace, 'pgtrickle_defs'::regnamespace)
   AND a.grantee = 0 AND a.privilege_type <> 'SELECT' ORDER BY 1;
SELECT has_schema_privilege('regress_pgt_other', 'pgtrickle_changes', 'USAGE') AS sees_buffers,
	has_schema_privilege('regress_pgt_other', 'pgtrickle_defs', 'CREATE') AS writes_definitions;

-- leave no roles behind
SELECT pgtrickle.drop_stream_table(s) FROM unnest('{through,mine,whose,trap,pathless,seen}'::text[]) s;
RESET ROLE;
DROP OWNED BY regress_pgt_owner, regress_pgt_other, regress_pgt_reader CASCADE;
DROP ROLE regress_pgt_owner, regress_pgt_other, regress_pgt_reader;
