-- What a hostile user gets: nothing.
--
-- mallory may create things, and reads and writes some tables of alice's.  Each
-- case ends with gained(), which asks as the superuser whether mallory's code ran
-- as somebody else, whether she saw any of alice's gold, whether she changed
-- anything that is not hers, whether alice's stream table is still right, and
-- whether this session is as it was.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
CREATE SCHEMA attack;
SET search_path = attack, public;
CREATE ROLE regress_pgt_alice;
CREATE ROLE regress_pgt_bob;
CREATE ROLE regress_pgt_mallory;
GRANT ALL ON SCHEMA attack TO PUBLIC;

-- ---- alice, and what she has to lose
SET ROLE regress_pgt_alice;
CREATE TABLE crown (what text);
INSERT INTO crown VALUES ('gold crown');
CREATE TABLE vault (id int PRIMARY KEY, k int, what text);
INSERT INTO vault SELECT i, i % 3, 'gold ' || i FROM generate_series(1, 9) i;
CREATE TABLE market (id int PRIMARY KEY, k int, v int);
INSERT INTO market SELECT i, i % 3, i FROM generate_series(1, 9) i;
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER ON market TO regress_pgt_mallory;
SELECT pgtrickle.create_stream_table('treasury', 'SELECT id, k, what FROM vault', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('prices', 'SELECT k, count(*) AS n, sum(v) AS s FROM market GROUP BY k', refresh_mode => 'DIFFERENTIAL');
RESET ROLE;
SELECT 'pgtrickle_changes.changes_' || source_stable_name AS gold_buffer, source_stable_name AS gold_name
  FROM pgtrickle.pgt_change_tracking WHERE source = 'vault'::regclass \gset
SELECT source_stable_name AS market_name
  FROM pgtrickle.pgt_change_tracking WHERE source = 'market'::regclass \gset
INSERT INTO vault VALUES (10, 1, 'gold 10');

-- ---- the judge
CREATE TABLE verdicts (n int GENERATED ALWAYS AS IDENTITY, attack text, got text);
CREATE FUNCTION gained(what text, OUT n int, OUT attack text, OUT got text) LANGUAGE plpgsql AS $$
DECLARE
	finds text[];
BEGIN
	SELECT array_agg(DISTINCT 'ran as ' || who) INTO finds FROM attack.loot
	 WHERE who <> 'regress_pgt_mallory';
	finds := finds || (SELECT array_agg('saw ' || l.what) FROM attack.loot l WHERE l.what LIKE '%gold%');
	IF (SELECT rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = 'regress_pgt_mallory')
		OR EXISTS (SELECT FROM pg_auth_members WHERE member = 'regress_pgt_mallory'::regrole) THEN
		finds := finds || '{power}';
	END IF;
	IF NOT EXISTS (SELECT FROM attack.crown c WHERE c.what = 'gold crown') THEN
		finds := finds || '{the crown}';
	END IF;
	IF current_user <> session_user OR current_setting('search_path') <> 'attack, public'
		OR EXISTS (SELECT FROM pg_cursors WHERE is_holdable)
		OR EXISTS (SELECT FROM pg_prepared_statements WHERE name LIKE 'mallory%')
		OR EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname LIKE 'mallory%') THEN
		finds := finds || '{the session}';
	END IF;
	PERFORM pgtrickle.refresh_stream_table('attack.treasury'), pgtrickle.refresh_stream_table('attack.prices');
	IF NOT equals_query('attack.treasury') OR NOT equals_query('attack.prices') THEN
		finds := finds || '{a wrong answer}';
	END IF;
	DELETE FROM attack.loot;
	INSERT INTO attack.verdicts AS v (attack, got) VALUES (gained.what, coalesce(array_to_string(finds, ', '), 'nothing'))
		RETURNING v.n, v.attack, v.got INTO gained.n, gained.attack, gained.got;
END $$;

-- ---- mallory, and her tools
SET ROLE regress_pgt_mallory;
CREATE TABLE loot (who text DEFAULT current_user, what text);
GRANT INSERT ON loot TO PUBLIC;
CREATE TABLE mine (id int PRIMARY KEY, k int, what text);
INSERT INTO mine SELECT i, i % 3, 'tin ' || i FROM generate_series(1, 4) i;
-- take whatever the present rights give
CREATE FUNCTION grab(place text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	command text;
BEGIN
	INSERT INTO attack.loot VALUES (current_user, place);
	-- by SET ROLE this session is hers, but could always be the superuser's again
	IF current_setting('role') <> 'none' THEN
		RETURN;
	END IF;
	FOREACH command IN ARRAY ARRAY[
		'RESET ROLE', 'SET ROLE NONE', 'SET ROLE regress_pgt_alice', 'SET SESSION AUTHORIZATION DEFAULT',
		'ALTER ROLE regress_pgt_mallory SUPERUSER', 'GRANT regress_pgt_alice TO regress_pgt_mallory',
		'UPDATE attack.crown SET what = ''stolen''',
		'INSERT INTO attack.loot SELECT current_user, what FROM attack.vault',
		'INSERT INTO attack.loot SELECT current_user, what FROM attack.treasury',
		'PREPARE mallory AS SELECT 1', 'DECLARE mallory CURSOR WITH HOLD FOR SELECT 1', 'CREATE TEMP TABLE mallory ()',
		'LISTEN mallory', 'DISCARD ALL', 'SET search_path = mallory']
	LOOP
		BEGIN
			EXECUTE command;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
END $$;
CREATE FUNCTION grab_int(int) RETURNS int LANGUAGE plpgsql IMMUTABLE COST 0.0001
	AS 'BEGIN PERFORM attack.grab(''int''); RETURN $1; END';
CREATE FUNCTION grab_text(text) RETURNS text LANGUAGE plpgsql IMMUTABLE COST 0.0001
	AS 'BEGIN PERFORM attack.grab($1); RETURN $1; END';
CREATE FUNCTION grab_bool(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001
	AS 'BEGIN PERFORM attack.grab($1); RETURN true; END';
CREATE FUNCTION grab_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM attack.grab(tg_name);
	RETURN CASE WHEN tg_op = 'DELETE' THEN old ELSE new END;
END $$;
-- what a query shows her, and the code of the error if it shows nothing
CREATE FUNCTION peek(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
BEGIN
	EXECUTE format('SELECT string_agg(x::text, '' '') FROM (%s) x', query) INTO seen;
	INSERT INTO attack.loot VALUES (current_user, seen);
	RETURN 'looked';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
-- her stream table over her own table, of any query
CREATE FUNCTION trap(query text, mode text DEFAULT 'DIFFERENTIAL') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgtrickle.create_or_replace_stream_table('attack.trap', query, refresh_mode => mode);
	RETURN 'set';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
RESET ROLE;
-- the superuser, or the scheduler, comes by
CREATE FUNCTION sprung() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	action text;
BEGIN
	INSERT INTO attack.mine SELECT max(id) + 1, 1, 'tin' FROM attack.mine;
	UPDATE attack.mine SET k = k + 1 WHERE id = 2;
	PERFORM pgtrickle.refresh_stream_table('attack.trap');
	SELECT h.action INTO action FROM pgtrickle.get_refresh_history('attack.trap', 1) h;
	RETURN action;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;

-- ---- her code in the query of a stream table that the superuser refreshes
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, grab_int(k) AS k FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in the select list');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, k FROM mine WHERE grab_bool(what)');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in WHERE');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT a.id, b.k FROM mine a LEFT JOIN mine b ON grab_int(a.id) = b.id');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in ON');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT grab_int(k) AS k, count(*) AS n FROM mine GROUP BY 1 HAVING grab_int(max(id)) > 0');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in GROUP BY and HAVING');
SET ROLE regress_pgt_mallory;
CREATE AGGREGATE grab_max(int) (sfunc = int4larger, stype = int, finalfunc = grab_int);
SELECT trap('SELECT k, grab_max(id) AS m FROM mine GROUP BY k');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('aggregate of her own');
SET ROLE regress_pgt_mallory;
CREATE FUNCTION grab_eq(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_int($1) = $2';
CREATE OPERATOR attack.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = grab_eq, HASHES, MERGES, COMMUTATOR = ===);
SELECT trap('SELECT a.id, b.k FROM mine a JOIN mine b ON a.id === b.id');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('operator of her own');
SET ROLE regress_pgt_mallory;
CREATE TYPE coin AS (metal text);
CREATE FUNCTION mint(coin) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_text($1.metal)';
CREATE CAST (coin AS text) WITH FUNCTION mint(coin) AS IMPLICIT;
SELECT trap('SELECT id, ROW(what)::coin::text AS coin FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('cast of her own');
SET ROLE regress_pgt_mallory;
CREATE DOMAIN checked AS int CHECK (attack.grab_int(VALUE) IS NOT NULL);
SELECT trap('SELECT id, k::checked AS k FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('check of a domain');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, ARRAY[k]::checked[] AS ks, ''{1}''::checked[] AS ones FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('check of a domain, within an array and a literal');
SET ROLE regress_pgt_mallory;
CREATE FUNCTION grab_rows(int) RETURNS SETOF int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM attack.grab(''rows''); RETURN NEXT $1; END';
SELECT trap('SELECT id, r FROM mine, LATERAL grab_rows(k) r');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in FROM');
SET ROLE regress_pgt_mallory;
CREATE FUNCTION grab_as_definer(int) RETURNS int LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog
	AS 'BEGIN PERFORM attack.grab(''definer''); RETURN $1; END';
SELECT trap('SELECT id, grab_as_definer(k) AS k FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function that is SECURITY DEFINER and has settings');
SET ROLE regress_pgt_mallory;
CREATE VIEW looking WITH (security_invoker) AS SELECT id, grab_int(k) AS k FROM mine;
SELECT trap('SELECT id, k FROM looking');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('view with security_invoker');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, sum(grab_int(k)) OVER (PARTITION BY k ORDER BY id) AS s FROM mine');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in a window');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT s.k, m.id FROM (SELECT k, count(*) AS n FROM mine GROUP BY k ORDER BY grab_int(k) LIMIT 2) s JOIN mine m USING (k)');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function below a kept limit');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, grab_int(k) + extract(year FROM now())::int * 0 AS k FROM mine', 'AUTO');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('function in a query that is recomputed');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, grab_int(k) AS k FROM mine', 'FULL');
RESET ROLE;
SELECT sprung();
SELECT missing, surplus FROM pgtrickle.verify_stream_table('trap');
SELECT * FROM gained('superuser verifies');
SELECT pgtrickle.explain_stream_table('trap') IS NULL, pgtrickle.explain_stream_table('trap', 'json') IS NULL;
SELECT count(*) > 0 FROM pgtrickle.explain_delta('trap');
SELECT * FROM gained('superuser explains');
SELECT pgtrickle.alter_stream_table('trap', refresh_mode => 'DIFFERENTIAL', schedule => '1h');
SELECT pgtrickle.alter_stream_table('trap', query => 'SELECT id, grab_int(k) AS k FROM mine WHERE id > 0');
SELECT sprung();
SELECT * FROM gained('superuser alters');
SELECT pgtrickle.create_or_replace_stream_table('trap', 'SELECT id, grab_int(k) AS k, 1 AS one FROM mine');
SELECT sprung();
SELECT * FROM gained('superuser replaces');
SELECT count(*) > 0 FROM pgtrickle.pgt_status();
SELECT count(*) > 0 FROM pgtrickle.stream_tables_info;
SELECT * FROM gained('superuser looks at the state');
SET ROLE regress_pgt_mallory;
CREATE FUNCTION saboteur(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM attack.try('SELECT pgtrickle.drop_stream_table(''attack.trap'')');
	PERFORM attack.try('SELECT pgtrickle.refresh_stream_table(''attack.trap'')');
	PERFORM attack.try('SELECT pgtrickle.refresh_stream_table(''attack.treasury'')');
	PERFORM attack.try('SELECT pgtrickle.create_stream_table(''attack.nested'', ''SELECT attack.grab_int(id) AS id FROM attack.mine'')');
	PERFORM attack.try('SELECT pgtrickle.alter_stream_table(''attack.trap'', query => ''SELECT 1 AS id'')');
	PERFORM attack.try('DROP TABLE attack.trap');
	RETURN $1;
END $$;
DROP TABLE trap;
SELECT trap('SELECT id, saboteur(k) AS k FROM mine', 'DIFFERENTIAL');
RESET ROLE;
SELECT sprung();
SELECT to_regclass('attack.trap') IS NOT NULL AS trap_is_there, to_regclass('attack.nested') AS nested;
SELECT * FROM gained('functions of ours, called by the query of a refresh');

-- ---- what waits for the end of the transaction, when rights are others'
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, k FROM mine');
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON trap DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION grab_trigger();
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('deferred trigger on the stream table');
SET ROLE regress_pgt_mallory;
DROP TRIGGER later ON trap;
CREATE TABLE fuse (id int);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON fuse DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION grab_trigger();
CREATE FUNCTION light(int) RETURNS void LANGUAGE plpgsql VOLATILE AS 'BEGIN INSERT INTO attack.fuse VALUES ($1); END';
CREATE FUNCTION light_int(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM attack.light($1); RETURN $1; END';
SELECT try($$SELECT pgtrickle.create_stream_table('attack.lit', 'SELECT id, light_int(k) AS k FROM mine')$$);
ALTER TABLE fuse DISABLE TRIGGER later;
SELECT trap('SELECT id, light_int(k) AS k FROM mine');
ALTER TABLE fuse ENABLE TRIGGER later;
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('deferred trigger on a table that the query writes');
BEGIN;
INSERT INTO mine VALUES (100, 1, 'tin');
SELECT pgtrickle.refresh_stream_table('trap');
COMMIT;
SELECT * FROM gained('the same, in a block');

-- ---- her code on the stream table itself
SET ROLE regress_pgt_mallory;
DROP TABLE fuse;
SELECT trap('SELECT id, k FROM mine');
CREATE TRIGGER a_before BEFORE INSERT OR UPDATE ON trap FOR EACH STATEMENT EXECUTE FUNCTION grab_trigger();
CREATE TRIGGER a_after AFTER INSERT OR UPDATE ON trap FOR EACH ROW EXECUTE FUNCTION grab_trigger();
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('triggers on the stream table');
SET ROLE regress_pgt_mallory;
DROP TRIGGER a_before ON trap;
DROP TRIGGER a_after ON trap;
CREATE INDEX ON trap (grab_int(k)) WHERE grab_int(id) > 0;
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('index with an expression and a predicate');
SET ROLE regress_pgt_mallory;
ALTER TABLE trap ADD CHECK (grab_int(k) IS NOT NULL);
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('check constraint');
SET ROLE regress_pgt_mallory;
CREATE STATISTICS estimates ON (grab_int(k)), (grab_int(id)) FROM trap;
RESET ROLE;
SELECT sprung();
ANALYZE trap;
SELECT * FROM gained('statistics of expressions');
SET ROLE regress_pgt_mallory;
CREATE RULE also AS ON INSERT TO trap DO ALSO SELECT attack.grab('rule');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('rule');
SET ROLE regress_pgt_mallory;
DROP RULE also ON trap;
CREATE POLICY watch ON trap USING (grab_int(k) IS NOT NULL);
ALTER TABLE trap ENABLE ROW LEVEL SECURITY;
ALTER TABLE trap FORCE ROW LEVEL SECURITY;
RESET ROLE;
-- where statements apply the changes they are refused
SELECT sprung() IN ('DIFFERENTIAL', '0A000') AS applied_or_refused;
SELECT * FROM gained('policy on the stream table, forced');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
SELECT trap('SELECT id, k FROM mine');
ALTER TABLE trap ADD COLUMN more int DEFAULT grab_int(1);
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('column with a default');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
SELECT trap('SELECT id, k FROM mine');
ALTER TABLE trap ADD COLUMN more int GENERATED ALWAYS AS (grab_int(k)) STORED;
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('generated column');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
SELECT trap('SELECT id, k FROM mine');
CREATE TABLE heir () INHERITS (trap);
CREATE TRIGGER inherited AFTER INSERT ON heir FOR EACH ROW EXECUTE FUNCTION grab_trigger();
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('child of the stream table');
SET ROLE regress_pgt_mallory;
DROP TABLE heir;
-- an auxiliary table is hers, too
SELECT trap('SELECT s.k, s.n, m.id FROM (SELECT k, count(*) AS n FROM mine GROUP BY k ORDER BY n, k LIMIT 2) s JOIN mine m USING (k)');
SELECT min(c.oid::regclass::text) AS aux FROM pg_class c
 WHERE relnamespace = 'pgtrickle_defs'::regnamespace AND relkind = 'r' AND relowner = 'regress_pgt_mallory'::regrole \gset
CREATE TRIGGER a_after AFTER INSERT OR UPDATE OR DELETE ON :aux FOR EACH ROW EXECUTE FUNCTION grab_trigger();
CREATE RULE also AS ON INSERT TO :aux DO ALSO SELECT attack.grab('rule');
CREATE INDEX ON :aux (grab_int(1 + 0 * c1));
RESET ROLE;
INSERT INTO mine SELECT i, i % 4, 'tin' FROM generate_series(200, 220) i;
SELECT sprung();
SELECT * FROM gained('trigger, rule and index on an auxiliary table');
SET ROLE regress_pgt_mallory;
DROP TABLE :aux;
CREATE TABLESPACE nowhere LOCATION '/nowhere';
RESET ROLE;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_pgt_forbidden LOCATION '';
SET ROLE regress_pgt_mallory;
SET default_tablespace = regress_pgt_forbidden;
SELECT pgtrickle.refresh_stream_table('trap');
RESET default_tablespace;
RESET ROLE;
SELECT count(*) AS in_forbidden_space FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE spcname = 'regress_pgt_forbidden';
SELECT * FROM gained('auxiliary table in a tablespace that is closed to her');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, k FROM mine');
SELECT definition AS def FROM pgtrickle.stream_tables_info i, LATERAL (SELECT c.oid::regclass AS definition FROM pg_class c
 WHERE relnamespace = 'pgtrickle_defs'::regnamespace AND relkind = 'v' AND relowner = 'regress_pgt_mallory'::regrole) d WHERE pgt_name = 'trap' \gset
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO :def DO INSTEAD SELECT id, attack.grab_int(k) AS k FROM attack.mine;
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('definition replaced behind our back by a function');
SET ROLE regress_pgt_mallory;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO :def DO INSTEAD SELECT id, k FROM attack.vault;
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('definition replaced behind our back by a forbidden table');
SET ROLE regress_pgt_mallory;
SELECT try(format('CREATE OR REPLACE VIEW %s AS SELECT 1 AS id, 2 AS k', :'def'));
SELECT try(format('ALTER VIEW %s SET (security_invoker = true)', :'def'));
SELECT try(format('ALTER VIEW %s RENAME COLUMN k TO kk', :'def'));
SELECT try(format('ALTER VIEW %s RENAME TO elsewhere', :'def'));
SELECT try('CREATE VIEW pgtrickle_defs.planted AS SELECT 1');
RESET ROLE;
SELECT sprung();
SELECT * FROM gained('definition altered');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
RESET ROLE;

-- ---- what is ours: buffers, catalog, schemas
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE ' || :'gold_buffer'), peek('SELECT count(*) FROM ' || :'gold_buffer'),
	try('INSERT INTO ' || :'gold_buffer' || ' (xid, w, part) VALUES (''1'', 0, 0)'),
	try('DELETE FROM ' || :'gold_buffer'), try('TRUNCATE ' || :'gold_buffer'), try('DROP TABLE ' || :'gold_buffer');
RESET ROLE;
SELECT * FROM gained('buffers read, written, dropped');
SET ROLE regress_pgt_mallory;
SELECT try('LOCK TABLE ' || :'gold_buffer'), try('CREATE TRIGGER t AFTER INSERT ON ' || :'gold_buffer' || ' EXECUTE FUNCTION attack.grab_trigger()'),
	try('CREATE RULE r AS ON INSERT TO ' || :'gold_buffer' || ' DO ALSO SELECT 1'), try('CREATE INDEX ON ' || :'gold_buffer' || ' (xid)'),
	try('CREATE TABLE attack.child () INHERITS (' || :'gold_buffer' || ')'), try('VACUUM ' || :'gold_buffer');
RESET ROLE;
SELECT * FROM gained('buffers locked, triggered, indexed');
ANALYZE vault;
ANALYZE treasury;
DO $$ BEGIN EXECUTE 'ANALYZE pgtrickle_changes.changes_' || (SELECT source_stable_name FROM pgtrickle.pgt_change_tracking WHERE source = 'attack.vault'::regclass); END $$;
SET ROLE regress_pgt_mallory;
SELECT peek('SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE schemaname IN (''attack'', ''pgtrickle_changes'', ''pgtrickle_defs'') AND tablename <> ''mine''');
SELECT peek('SELECT (SELECT string_agg(s::text, '' '') FROM pg_statistic s)');
SELECT peek('SELECT * FROM pg_toast.' || (SELECT relname FROM pg_class WHERE oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'treasury'::regclass)));
RESET ROLE;
SELECT * FROM gained('statistics and values out of line');
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE pgtrickle.pgt_stream_tables'), peek('TABLE pgtrickle.pgt_dependencies'), peek('TABLE pgtrickle.pgt_change_tracking'),
	peek('TABLE pgtrickle.pgt_refresh_history');
RESET ROLE;
SELECT * FROM gained('catalog read');
SET ROLE regress_pgt_mallory;
SELECT try('UPDATE pgtrickle.pgt_stream_tables SET pgt_relid = ''attack.crown'''), try('DELETE FROM pgtrickle.pgt_dependencies'),
	try('INSERT INTO pgtrickle.pgt_change_tracking (source_stable_name, source, capture_mode, capture_signature) VALUES (repeat(''a'', 16), ''attack.mine'', ''row'', 0)'),
	try('TRUNCATE pgtrickle.pgt_refresh_history'), try('SELECT setval(''pgtrickle.pgt_stream_tables_pgt_id_seq'', 1)'),
	try('SELECT nextval(''pgtrickle.pgt_stream_tables_pgt_id_seq'')');
RESET ROLE;
SELECT * FROM gained('catalog written');
SET ROLE regress_pgt_mallory;
SELECT try('CREATE FUNCTION pgtrickle.mine() RETURNS int LANGUAGE sql AS ''SELECT 1'''), try('CREATE TABLE pgtrickle_changes.mine ()'),
	try('ALTER TABLE attack.mine SET SCHEMA pgtrickle_defs'), try('ALTER FUNCTION pgtrickle.guard() OWNER TO regress_pgt_mallory'),
	try('DROP EXTENSION pg_trickle CASCADE'), try('ALTER EXTENSION pg_trickle ADD TABLE attack.mine'),
	try('CREATE OR REPLACE FUNCTION pgtrickle.version() RETURNS text LANGUAGE sql AS ''SELECT 1''');
RESET ROLE;
SELECT * FROM gained('things planted in our schemas');

-- ---- our functions, called by a stranger
SET ROLE regress_pgt_mallory;
SELECT try(format('SELECT pgtrickle.%s', call)) AS refused, call FROM unnest(ARRAY[
	'refresh_stream_table(''attack.treasury'')', 'verify_stream_table(''attack.treasury'')',
	'alter_stream_table(''attack.treasury'', query => ''SELECT 1 AS id'')', 'alter_stream_table(''attack.treasury'', status => ''SUSPENDED'')',
	'drop_stream_table(''attack.treasury'')', 'drop_stream_table(''attack.treasury'', true)', 'resume_stream_table(''attack.treasury'')',
	'create_or_replace_stream_table(''attack.treasury'', ''SELECT 1 AS id'')']) call;
RESET ROLE;
SELECT * FROM gained('stream table of another changed');
SET ROLE regress_pgt_mallory;
SELECT peek('SELECT pgtrickle.explain_stream_table(''attack.treasury'')'), peek('SELECT * FROM pgtrickle.explain_delta(''attack.treasury'')'),
	peek('SELECT * FROM pgtrickle.get_refresh_history(''attack.treasury'')');
SELECT count(*) AS seen FROM pgtrickle.stream_tables_info WHERE pgt_name = 'treasury';
SELECT count(*) AS seen FROM pgtrickle.pg_stat_stream_tables WHERE pgt_name = 'treasury';
SELECT count(*) AS seen FROM pgtrickle.refresh_history WHERE pgt_name = 'treasury';
SELECT count(*) AS seen FROM pgtrickle.pgt_status() WHERE name = 'attack.treasury';
SELECT pgtrickle.pgt_has_pending('attack.treasury') AS pending;
RESET ROLE;
SELECT * FROM gained('stream table of another explained');
SET ROLE regress_pgt_mallory;
SELECT trap(query, 'AUTO') AS refused, left(query, 38) AS query FROM unnest(ARRAY['SELECT * FROM vault', 'SELECT * FROM treasury', 'SELECT id FROM mine WHERE id IN (SELECT id FROM vault)',
	'WITH v AS (SELECT what FROM vault) SELECT * FROM v', 'SELECT (SELECT max(what) FROM vault) AS m', 'SELECT m.id, v.what FROM mine m LEFT JOIN vault v USING (id)',
	'SELECT id FROM mine UNION ALL SELECT id FROM vault', 'TABLE pgtrickle.pgt_stream_tables', 'SELECT * FROM ' || :'gold_buffer',
	'SELECT rolname FROM pg_authid', 'SELECT 1 AS a; SELECT 2', 'DELETE FROM mine RETURNING id', 'WITH d AS (DELETE FROM crown RETURNING 1) SELECT 1 AS a']) query;
RESET ROLE;
SELECT * FROM gained('stream tables over what she may not read');
SET ROLE regress_pgt_mallory;
SELECT peek('SELECT * FROM pgtrickle.validate_query(''SELECT what FROM vault'')'), peek('SELECT * FROM pgtrickle.validate_query(''SELECT attack.grab_text(what) FROM vault'')'),
	peek('SELECT * FROM pgtrickle.validate_query(''SELECT count(*) FROM ' || :'gold_buffer' || ''')');
RESET ROLE;
SELECT * FROM gained('validate_query over what she may not read');

-- ---- parts of a table
RESET ROLE;
SET ROLE regress_pgt_alice;
CREATE TABLE half (id int PRIMARY KEY, shown int, hidden text);
INSERT INTO half VALUES (1, 1, 'gold 1'), (2, 1, 'gold 2');
GRANT SELECT (shown), TRIGGER ON half TO regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT hidden FROM half', 'AUTO'), trap('SELECT h FROM half h', 'AUTO'), trap('SELECT shown FROM half ORDER BY hidden LIMIT 1', 'AUTO'),
	trap('SELECT shown, count(hidden) AS n FROM half GROUP BY shown', 'AUTO');
SELECT trap('SELECT shown FROM half');
RESET ROLE;
UPDATE half SET shown = 2, hidden = 'gold 3' WHERE id = 2;
SELECT pgtrickle.refresh_stream_table('trap');
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE trap');
RESET ROLE;
SELECT * FROM gained('columns she may not read');
REVOKE SELECT (shown) ON half FROM regress_pgt_mallory;
GRANT SELECT (id) ON half TO regress_pgt_mallory;
SET ROLE regress_pgt_alice;
UPDATE half SET shown = 4, hidden = 'gold 4' WHERE id = 2;
SET ROLE regress_pgt_mallory;
SELECT try('SELECT pgtrickle.refresh_stream_table(''attack.trap'')');
SELECT count(*) AS seen_after FROM trap WHERE shown = 4;
RESET ROLE;
SELECT * FROM gained('right to a column taken away');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
SET ROLE regress_pgt_alice;
CREATE MATERIALIZED VIEW digest AS SELECT id, what FROM vault;
CREATE VIEW keyhole WITH (security_barrier) AS SELECT id, 'tin' AS what FROM digest WHERE id = 1;
GRANT SELECT ON keyhole TO regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT h.id, h.what, m.k FROM keyhole h JOIN mine m USING (id)', 'AUTO');
SELECT count(*) AS copies FROM pg_class WHERE relnamespace = 'pgtrickle_defs'::regnamespace AND relkind = 'r' AND relowner = 'regress_pgt_mallory'::regrole;
SELECT peek('TABLE trap');
RESET ROLE;
SELECT * FROM gained('copy of what a view hides, where it is polled');

-- ---- row security of a source
SET ROLE regress_pgt_alice;
CREATE TABLE walled (id int PRIMARY KEY, k int, what text);
INSERT INTO walled VALUES (1, 1, 'tin 1'), (2, 1, 'gold 2');
ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
CREATE POLICY tin_only ON walled USING (length(what) < 6);
GRANT SELECT, TRIGGER ON walled TO regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, what FROM walled WHERE grab_bool(what)', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
RESET ROLE;
INSERT INTO walled VALUES (3, 1, 'gold 3'), (4, 1, 'tin 4');
SELECT pgtrickle.refresh_stream_table('trap');
SELECT * FROM gained('condition of hers before that of row security');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT a.id, b.what FROM walled a JOIN walled b ON grab_text(a.what) = grab_text(b.what)', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
RESET ROLE;
INSERT INTO walled VALUES (5, 1, 'gold 5'), (6, 1, 'tin 6');
SELECT pgtrickle.refresh_stream_table('trap');
SELECT * FROM gained('join of hers before row security');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT grab_text(what) AS what, count(*) AS n FROM walled GROUP BY 1', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
RESET ROLE;
INSERT INTO walled VALUES (7, 1, 'gold 7'), (8, 1, 'tin 8');
SELECT pgtrickle.refresh_stream_table('trap');
SELECT * FROM gained('group key of hers before row security');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT w.id FROM (SELECT id, substr(what, 1, 4)::text AS t FROM walled) w WHERE grab_bool(t)', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
RESET ROLE;
INSERT INTO walled VALUES (9, 1, 'gold 9');
SELECT pgtrickle.refresh_stream_table('trap');
SELECT * FROM gained('condition on a subquery before row security');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, what::int AS number FROM walled WHERE what::int > 0', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
SELECT trap('SELECT id, grab_text(what) AS what FROM walled');
RESET ROLE;
INSERT INTO walled VALUES (10, 1, 'gold 10'), (11, 1, 'tin');
SELECT sprung();
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE trap'), missing, surplus FROM pgtrickle.verify_stream_table('trap');
RESET ROLE;
SELECT * FROM gained('what is computed of rows that row security shows');
SET ROLE regress_pgt_mallory;
SET row_security = off;
SELECT trap('SELECT id, what FROM walled'), try('SELECT pgtrickle.refresh_stream_table(''attack.trap'')');
SELECT peek('TABLE trap');
RESET row_security;
RESET ROLE;
SELECT * FROM gained('row_security turned off');
-- a view shows her all rows, but not that column; the table itself other rows
SET ROLE regress_pgt_alice;
CREATE VIEW ids AS SELECT id, k FROM walled;
GRANT SELECT ON ids TO regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT a.id, b.id AS other FROM ids a JOIN ids b ON a.k = b.k', mode) FROM unnest('{DIFFERENTIAL,AUTO}'::text[]) mode;
RESET ROLE;
INSERT INTO walled VALUES (12, 1, 'gold 12'), (13, 1, 'tin');
DELETE FROM walled WHERE id = 2;
SELECT pgtrickle.refresh_stream_table('trap');
SET ROLE regress_pgt_mallory;
SELECT missing, surplus FROM pgtrickle.verify_stream_table('trap');
RESET ROLE;
SELECT * FROM gained('view of one from whom nothing is hidden');

-- ---- row security of a stream table
SET ROLE regress_pgt_alice;
SELECT pgtrickle.create_stream_table('shared', 'SELECT id, what FROM vault');
CREATE POLICY none_of_it ON shared USING (current_user <> 'regress_pgt_mallory');
ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON shared TO regress_pgt_mallory;
INSERT INTO vault VALUES (11, 1, 'gold 11');
SELECT pgtrickle.refresh_stream_table('shared');
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE shared');
RESET ROLE;
SELECT * FROM gained('stream table with row security');
SET ROLE regress_pgt_alice;
\set VERBOSITY terse
SELECT pgtrickle.alter_stream_table('shared', query => 'SELECT id, what, k FROM vault');
\set VERBOSITY sqlstate
SET ROLE regress_pgt_mallory;
SELECT peek('TABLE shared');
RESET ROLE;
SELECT * FROM gained('its row security, when its table is replaced');
SELECT pgtrickle.drop_stream_table('shared');

-- ---- capture
SET ROLE regress_pgt_mallory;
SELECT format('CREATE TRIGGER pg_trickle_cdc_ins_%s AFTER INSERT ON mine REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.cdc_capture()', :'gold_name') AS command \gset
:command;
SELECT format('CREATE TRIGGER pg_trickle_cdc_row_%s AFTER INSERT OR UPDATE OR DELETE ON mine FOR EACH ROW EXECUTE FUNCTION pgtrickle.cdc_capture()', :'gold_name') AS command \gset
:command;
INSERT INTO mine VALUES (300, 1, 'counterfeit');
RESET ROLE;
SELECT * FROM gained('trigger of the name of a victim''s on her own table');
SET ROLE regress_pgt_mallory;
SELECT format('CREATE TRIGGER pg_trickle_cdc_row_%s AFTER INSERT OR UPDATE OR DELETE ON market FOR EACH ROW EXECUTE FUNCTION pgtrickle.cdc_capture()', :'market_name') AS command \gset
:command;
INSERT INTO market VALUES (300, 1, 1);
RESET ROLE;
SELECT * FROM gained('second trigger of ours on the victim''s table');
SET ROLE regress_pgt_mallory;
INSERT INTO market VALUES (301, 1, 1);
UPDATE market SET v = 7 WHERE id = 301;
RESET ROLE;
SELECT * FROM gained('the same, once more');
SET ROLE regress_pgt_mallory;
CREATE TRIGGER extra AFTER UPDATE ON market REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.cdc_capture();
CREATE TRIGGER before_ BEFORE INSERT OR UPDATE OR DELETE ON market FOR EACH ROW EXECUTE FUNCTION pgtrickle.cdc_capture();
INSERT INTO market VALUES (302, 1, 1);
UPDATE market SET v = 8 WHERE id = 301;
DELETE FROM market WHERE id = 302;
SELECT try('DROP TRIGGER pg_trickle_cdc_ins_' || :'market_name' || ' ON market'), try('ALTER TABLE market DISABLE TRIGGER ALL'),
	try('SET session_replication_role = replica'), try('CREATE TABLE attack.bastard () INHERITS (attack.market)');
RESET ROLE;
SELECT * FROM gained('triggers of other kinds and names');
SET ROLE regress_pgt_mallory;
SELECT try('SELECT pgtrickle.cdc_capture()'), try('SELECT pgtrickle.guard()'),
	try('CREATE TRIGGER g BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pgtrickle.guard()'), try('INSERT INTO mine VALUES (999, 1, '''')');
DROP TRIGGER g ON mine;
RESET ROLE;
SELECT * FROM gained('our trigger functions, called otherwise');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, k FROM market');
SELECT try(command) AS refused, command FROM unnest(ARRAY['INSERT INTO trap VALUES (1, 1)', 'UPDATE trap SET k = 2', 'DELETE FROM trap', 'TRUNCATE trap',
	'MERGE INTO trap USING mine ON false WHEN NOT MATCHED THEN INSERT VALUES (1, 1)', 'INSERT INTO treasury VALUES (1, 1, '''')', 'DELETE FROM treasury', 'TRUNCATE treasury',
	'DROP TABLE treasury', 'ALTER TABLE treasury DISABLE TRIGGER ALL', 'ALTER TABLE treasury OWNER TO regress_pgt_mallory']) command;
RESET ROLE;
SELECT * FROM gained('stream tables written by hand');

-- ---- names
SET ROLE regress_pgt_mallory;
CREATE TEMP TABLE treasury (id int, k int, what text);
CREATE TEMP TABLE mine (id int, k int, what text);
CREATE FUNCTION pg_temp.grab_temp(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_int($1)';
SELECT try('SELECT pgtrickle.create_stream_table(''pg_temp.st'', ''SELECT 1 AS a'')'), trap('SELECT id FROM mine'), try('SELECT pgtrickle.refresh_stream_table(''treasury'')');
DROP TABLE pg_temp.treasury, pg_temp.mine;
RESET ROLE;
SELECT * FROM gained('temporary tables of the same names');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT k, count(*) AS n, sum(length(what)) AS s FROM mine GROUP BY k');
RESET ROLE;
CREATE SCHEMA attack_path AUTHORIZATION regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
CREATE FUNCTION attack_path.length(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_int(666)';
CREATE FUNCTION attack_path.format(text, VARIADIC "any") RETURNS text LANGUAGE internal IMMUTABLE AS 'text_format';
CREATE FUNCTION attack_path.plus(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_int(666)::bigint';
CREATE OPERATOR attack_path.+ (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = attack_path.plus);
CREATE FUNCTION attack_path.equals(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_int(1) IS NULL';
CREATE OPERATOR attack_path.= (LEFTARG = int, RIGHTARG = int, FUNCTION = attack_path.equals);
CREATE TABLE attack_path.pg_class (oid oid);
CREATE TABLE attack_path.pgt_stream_tables ();
RESET ROLE;
SET search_path = attack_path, pg_catalog, attack, public;
INSERT INTO attack.mine VALUES (400, 1, 'tin');
SELECT pgtrickle.refresh_stream_table('attack.trap'), pgtrickle.refresh_stream_table('attack.prices');
SELECT missing, surplus FROM pgtrickle.verify_stream_table('attack.trap');
SELECT pgtrickle.explain_stream_table('attack.trap') IS NULL;
SET search_path = attack, public;
SELECT count(*) AS fooled FROM trap WHERE s = 666;
SELECT * FROM gained('functions, operators and tables first in the path of another');
CREATE SCHEMA "at""tack'); DROP TABLE attack.crown; --" AUTHORIZATION regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SET search_path = "at""tack'); DROP TABLE attack.crown; --", attack, public;
CREATE TABLE "so""ur'ce
; UPDATE attack.crown SET what = 1; --" ("i""d'
; RESET ROLE; --" int PRIMARY KEY, "$1" text, "\" int);
INSERT INTO "so""ur'ce
; UPDATE attack.crown SET what = 1; --" VALUES (1, 'a', 1), (2, 'b', 2);
SELECT pgtrickle.create_stream_table('"st""''
; RESET ROLE; --"', $$SELECT *, (SELECT count(*) FROM "so""ur'ce
; UPDATE attack.crown SET what = 1; --" x WHERE x."\" <= y."\") AS "n""'
%s $q$" FROM "so""ur'ce
; UPDATE attack.crown SET what = 1; --" y$$, refresh_mode => 'DIFFERENTIAL');
INSERT INTO "so""ur'ce
; UPDATE attack.crown SET what = 1; --" VALUES (3, '''; DROP TABLE attack.crown; --', 2);
RESET ROLE;
SET search_path = attack, public;
SELECT pgtrickle.refresh_stream_table(name), pgtrickle.explain_stream_table(name, 'json')::jsonb IS NULL AS json,
	pgtrickle.explain_stream_table(name, 'dot') IS NULL AS dot, pgtrickle.explain_stream_table(name, 'mermaid') IS NULL AS mermaid
  FROM pgtrickle.pgt_status() WHERE name LIKE '%RESET ROLE%';
SELECT v.* FROM pgtrickle.pgt_status(), LATERAL pgtrickle.verify_stream_table(name) v WHERE name LIKE '%RESET ROLE%';
SELECT pgtrickle.alter_stream_table(name, query => 'SELECT id AS "''""
" FROM attack.mine') FROM pgtrickle.pgt_status() WHERE name LIKE '%RESET ROLE%';
SELECT pgtrickle.drop_stream_table(name) FROM pgtrickle.pgt_status() WHERE name LIKE '%RESET ROLE%';
SELECT * FROM gained('names with quotes, newlines and commands');
SET ROLE regress_pgt_mallory;
SELECT pgtrickle.create_stream_table('decoy', 'SELECT id FROM mine');
ALTER TABLE decoy RENAME TO decoyed;
RESET ROLE;
CREATE TABLE decoy (what text);
INSERT INTO decoy VALUES ('precious');
SELECT pgtrickle.alter_stream_table('decoyed', query => 'SELECT id, k FROM mine');
SELECT pgtrickle.drop_stream_table('decoyed');
TABLE decoy;
DROP TABLE decoy;
SELECT * FROM gained('other table under the name that a stream table had');

-- ---- other owners
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, grab_int(k) AS k FROM mine');
RESET ROLE;
ALTER TABLE trap OWNER TO regress_pgt_alice;
SELECT sprung();
SET ROLE regress_pgt_alice;
SELECT pgtrickle.refresh_stream_table('trap');
SELECT pgtrickle.verify_stream_table('trap');
SELECT pgtrickle.alter_stream_table('trap', refresh_mode => 'FULL');
RESET ROLE;
SELECT * FROM gained('stream table given away');
ALTER TABLE trap OWNER TO CURRENT_USER;
SELECT sprung();
SELECT pgtrickle.explain_stream_table('trap') IS NULL;
SELECT * FROM gained('stream table given to the superuser');
SELECT pgtrickle.drop_stream_table('trap');
SET ROLE regress_pgt_bob;
CREATE TABLE bobs (id int PRIMARY KEY, k int);
INSERT INTO bobs VALUES (1, 1);
SELECT pgtrickle.create_stream_table('inherited', 'SELECT id, grab_int(k) AS k FROM bobs', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('unfilled', 'SELECT id, grab_int(k) AS k FROM bobs', initialize => false);
RESET ROLE;
DELETE FROM loot;
REASSIGN OWNED BY regress_pgt_bob TO CURRENT_USER;
INSERT INTO bobs VALUES (2, 2);
\set VERBOSITY terse
SELECT pgtrickle.refresh_stream_table('inherited');
SELECT pgtrickle.refresh_stream_table('unfilled');
SELECT pgtrickle.verify_stream_table('inherited');
\set VERBOSITY sqlstate
SELECT * FROM gained('all that a role owned, given to the superuser');
SELECT pgtrickle.alter_stream_table('inherited', query => 'SELECT id, k FROM bobs');
INSERT INTO bobs VALUES (3, 3);
SELECT * FROM fresh('inherited');
SELECT pgtrickle.drop_stream_table('inherited'), pgtrickle.drop_stream_table('unfilled');
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, k FROM market');
RESET ROLE;
REVOKE SELECT ON market FROM regress_pgt_mallory;
INSERT INTO market VALUES (500, 1, 1);
SET ROLE regress_pgt_mallory;
SELECT try('SELECT pgtrickle.refresh_stream_table(''attack.trap'')'), try('SELECT pgtrickle.verify_stream_table(''attack.trap'')');
SELECT count(*) AS seen_after FROM trap WHERE id = 500;
RESET ROLE;
GRANT SELECT ON market TO regress_pgt_mallory;
SELECT * FROM gained('right to a source taken away');
SET ROLE regress_pgt_alice;
CREATE FUNCTION secret_of(int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT what FROM attack.vault WHERE id = $1';
REVOKE EXECUTE ON FUNCTION secret_of(int) FROM PUBLIC;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, secret_of(id) AS what FROM mine', 'AUTO');
SELECT peek('TABLE trap');
RESET ROLE;
SELECT * FROM gained('function she may not call');
SET ROLE regress_pgt_alice;
GRANT EXECUTE ON FUNCTION secret_of(int) TO regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT trap('SELECT id, length(secret_of(id)) AS n FROM mine', 'AUTO');
SET ROLE regress_pgt_alice;
REVOKE EXECUTE ON FUNCTION secret_of(int) FROM regress_pgt_mallory;
SET ROLE regress_pgt_mallory;
SELECT try('SELECT pgtrickle.refresh_stream_table(''attack.trap'')');
RESET ROLE;
SELECT * FROM gained('right to a function taken away');
SET ROLE regress_pgt_mallory;
DROP TABLE trap;
RESET ROLE;

-- ---- what our own statements call of hers in the name of another
SET ROLE regress_pgt_mallory;
CREATE TYPE coupon AS (a int, b json);
CREATE FUNCTION redeem(coupon) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT attack.grab_text(''coupon'')';
CREATE CAST (coupon AS text) WITH FUNCTION redeem(coupon) AS IMPLICIT;
SET ROLE regress_pgt_alice;
CREATE TABLE drawer (id int PRIMARY KEY, c coupon);
INSERT INTO drawer VALUES (1, ROW(1, '{}'));
SELECT pgtrickle.create_stream_table('drawn', 'SELECT id, c FROM drawer', refresh_mode => 'DIFFERENTIAL');
SELECT pgtrickle.create_stream_table('drawn_bag', 'SELECT c FROM drawer', refresh_mode => 'DIFFERENTIAL');
INSERT INTO drawer VALUES (2, ROW(2, '[]')), (3, NULL);
UPDATE drawer SET c = ROW(3, '1') WHERE id = 1;
SELECT pgtrickle.refresh_stream_table('drawn'), pgtrickle.refresh_stream_table('drawn_bag');
SELECT * FROM pgtrickle.verify_stream_table('drawn');
SELECT * FROM pgtrickle.verify_stream_table('drawn_bag');
RESET ROLE;
SELECT * FROM gained('cast of her type, in a table of another');
SELECT pgtrickle.drop_stream_table('drawn'), pgtrickle.drop_stream_table('drawn_bag');

-- ---- texts
SET ROLE regress_pgt_alice;
CREATE TABLE entries (id int PRIMARY KEY, k int, v text);
INSERT INTO entries VALUES (1, 1, '1');
CREATE TABLE rates (k int PRIMARY KEY, r int);
INSERT INTO rates VALUES (1, 1);
SELECT pgtrickle.create_stream_table('totals', 'SELECT e.id, e.v::int + r.r AS v FROM entries e JOIN rates r USING (k)');
GRANT REFERENCES ON totals TO regress_pgt_mallory;
BEGIN;
INSERT INTO entries VALUES (2, 1, 'gold');
DELETE FROM rates;
COMMIT;
SELECT pgtrickle.refresh_stream_table('totals');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'totals';
SET ROLE regress_pgt_mallory;
SELECT peek('SELECT * FROM pgtrickle.stream_tables_info WHERE pgt_name = ''totals'''), peek('SELECT * FROM pgtrickle.get_refresh_history(''totals'')'),
	peek('SELECT * FROM pgtrickle.refresh_history WHERE pgt_name = ''totals''');
RESET ROLE;
SELECT * FROM gained('reasons of refreshes that met bad data');
SET ROLE regress_pgt_alice;
UPDATE pgtrickle.pgt_stream_tables SET last_error_message = 'gold';
RESET ROLE;
UPDATE pgtrickle.pgt_stream_tables SET last_error_message = 'gold' WHERE pgt_name = 'totals';
INSERT INTO pgtrickle.pgt_refresh_history (pgt_id, start_time, end_time, action, status, error_message)
	SELECT pgt_id, now(), now(), 'FULL', 'FAILED', 'gold' FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'totals';
SET ROLE regress_pgt_mallory;
SELECT peek('SELECT * FROM pgtrickle.stream_tables_info WHERE pgt_name = ''totals'''), peek('SELECT * FROM pgtrickle.get_refresh_history(''totals'')'),
	peek('SELECT * FROM pgtrickle.refresh_history WHERE pgt_name = ''totals''');
CREATE FUNCTION eager(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN PERFORM attack.grab($1); RETURN true; END';
SELECT count(*) FROM pgtrickle.stream_tables_info WHERE eager(defining_query) AND pgt_name = 'treasury';
SELECT count(*) FROM pgtrickle.refresh_history WHERE eager(pgt_name) AND pgt_name = 'treasury';
RESET ROLE;
SELECT count(*) FROM loot WHERE what LIKE '%vault%' OR what = 'treasury';
SELECT * FROM gained('texts of errors, and rows of views that are not for her');
SELECT pgtrickle.drop_stream_table('totals');

-- ---- the verdict
SELECT count(*) AS attacks, count(*) >= 60 AS enough, count(*) FILTER (WHERE got <> 'nothing') AS successes FROM verdicts;

SET client_min_messages = error;
DROP TABLESPACE regress_pgt_forbidden;
DROP OWNED BY regress_pgt_mallory, regress_pgt_bob, regress_pgt_alice CASCADE;
DROP ROLE regress_pgt_mallory, regress_pgt_bob, regress_pgt_alice;
SELECT pgtrickle.create_stream_table('attack.swept', 'SELECT n FROM attack.verdicts');
SELECT pgtrickle.drop_stream_table('attack.swept');
