-- Capture: what the triggers leave in the buffer, and what they do not.
\set VERBOSITY terse
CREATE SCHEMA capture;
SET search_path = capture, public;

CREATE TABLE t (id int PRIMARY KEY, used int, unused int, late int);
INSERT INTO t SELECT i, i, i, i FROM generate_series(1, 10) i;
SELECT waiting('t') IS NULL AS not_tracked;
SELECT made('st', 'SELECT id, used FROM t');
SELECT columns_used, captured FROM pgtrickle.pgt_dependencies WHERE source = 't'::regclass;
SELECT capture_mode, source_stable_name ~ '^[0-9a-f]{16}$' AS well_named
  FROM pgtrickle.pgt_change_tracking WHERE source = 't'::regclass;
-- statement triggers for each kind of change, fired always; one by row sees to
-- what goes past them
SELECT count(*) AS triggers, bool_and(tgenabled = CASE WHEN tgtype & 1 = 1 THEN 'R' ELSE 'A' END) AS enabled,
	bool_and(tgfoid = 'pgtrickle.cdc_capture'::regproc) AS one_function, bool_and(tgqual IS NULL) AS unconditional
  FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname LIKE 'pg\_trickle\_cdc\_%';

SELECT waiting('t');
-- a change of columns that nobody uses leaves nothing, nor does an empty change
UPDATE t SET unused = unused + 1;
SELECT waiting('t');
UPDATE t SET used = used, unused = 0;
SELECT waiting('t');
UPDATE t SET used = 1 WHERE false;
DELETE FROM t WHERE false;
INSERT INTO t SELECT 1, 1, 1, 1 WHERE false;
SELECT waiting('t');
SELECT * FROM fresh('st');
-- an update leaves two rows, for the rows that changed
UPDATE t SET used = CASE WHEN id = 3 THEN 33 ELSE used END, unused = 5;
SELECT waiting('t');
INSERT INTO t VALUES (11, 11, 11, 11);
DELETE FROM t WHERE id = 11;
SELECT waiting('t');
SELECT * FROM fresh('st');

-- a second stream table widens what is captured, of the same buffer
SELECT made('st2', 'SELECT id, late FROM t');
SELECT count(*) FROM pgtrickle.pgt_change_tracking WHERE source = 't'::regclass;
UPDATE t SET late = late + 1 WHERE id = 4;
UPDATE t SET unused = unused + 1;
SELECT * FROM fresh('st');
SELECT * FROM fresh('st2');
SELECT * FROM fresh('st2');
SELECT late FROM st2 WHERE id = 4;

-- what no trigger of ours would see under session_replication_role
SET session_replication_role = replica;
INSERT INTO t VALUES (20, 20, 20, 20);
UPDATE t SET used = -1 WHERE id = 1;
DELETE FROM t WHERE id = 2;
SET session_replication_role = DEFAULT;
SELECT * FROM all_fresh('capture');
SELECT * FROM st WHERE id IN (1, 2, 20) ORDER BY id;

-- changes made by triggers of the source itself
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE capture.t SET used = used + 100 WHERE id = 5 AND NEW.id = 6;
	RETURN NULL;
END $$;
CREATE TRIGGER bump AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION bump();
CREATE FUNCTION before_() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.used := NEW.used * 2;
	RETURN NEW;
END $$;
CREATE TRIGGER before_ BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION before_();
UPDATE t SET used = 66 WHERE id = 6;
INSERT INTO t VALUES (30, 15, 0, 0);
SELECT * FROM all_fresh('capture');
SELECT * FROM st WHERE id IN (5, 6, 30) ORDER BY id;

-- foreign key actions
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
	q int REFERENCES parent ON DELETE SET NULL);
INSERT INTO parent VALUES (1), (2), (3);
INSERT INTO child VALUES (1, 1, 3), (2, 2, 3), (3, 3, 1);
SELECT made('kids', 'SELECT child.id, p, q FROM child JOIN parent ON parent.id = p');
UPDATE parent SET id = 10 WHERE id = 2;
SELECT * FROM fresh('kids');
DELETE FROM parent WHERE id = 3;
SELECT * FROM fresh('kids');
SELECT id, p, q FROM kids ORDER BY id;

-- the trigger function does nothing for a trigger that is not ours
CREATE TABLE stranger (id int);
CREATE TRIGGER mine AFTER INSERT ON stranger FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.cdc_capture();
INSERT INTO stranger VALUES (1);
CREATE TRIGGER more AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION pgtrickle.cdc_capture();
INSERT INTO t VALUES (40, 1, 1, 1);
SELECT * FROM all_fresh('capture');
SELECT pgtrickle.cdc_capture();

-- a trigger that somebody disabled or dropped is noticed, and comes back
DO $$
DECLARE
	g name;
BEGIN
	SELECT tgname INTO g FROM pg_trigger
	 WHERE tgrelid = 't'::regclass AND tgname LIKE 'pg\_trickle\_cdc\_ins%';
	EXECUTE format('ALTER TABLE t DISABLE TRIGGER %I', g);
	INSERT INTO t VALUES (50, 1, 1, 1);
END $$;
SELECT exact FROM fresh('st');
SELECT exact FROM fresh('st2');
INSERT INTO t VALUES (51, 1, 1, 1);
SELECT * FROM fresh('st');
DO $$
DECLARE
	g name;
BEGIN
	SELECT tgname INTO g FROM pg_trigger
	 WHERE tgrelid = 't'::regclass AND tgname LIKE 'pg\_trickle\_cdc\_upd%';
	EXECUTE format('DROP TRIGGER %I ON t', g);
	UPDATE t SET used = 1000, late = 1000 WHERE id = 7;
END $$;
SELECT exact FROM fresh('st');
SELECT exact FROM fresh('st2');
UPDATE t SET used = 1001 WHERE id = 7;
SELECT * FROM fresh('st');

-- renamed, moved to another schema: still the same source and the same buffer
DROP TRIGGER bump ON t;
DROP TRIGGER before_ ON t;
SELECT source_stable_name AS before FROM pgtrickle.pgt_change_tracking WHERE source = 't'::regclass \gset
ALTER TABLE t RENAME TO t_renamed;
CREATE SCHEMA capture2;
ALTER TABLE t_renamed SET SCHEMA capture2;
ALTER TABLE capture2.t_renamed RENAME COLUMN used TO used_renamed;
INSERT INTO capture2.t_renamed VALUES (60, 1, 1, 1);
SELECT * FROM fresh('st');
SELECT * FROM fresh('st2');
SELECT source_stable_name = :'before' AS kept FROM pgtrickle.pgt_change_tracking WHERE source = 'capture2.t_renamed'::regclass;

-- the last stream table takes capture with it
SELECT pgtrickle.drop_stream_table('st2');
SELECT waiting('capture2.t_renamed') IS NOT NULL AS still_captured;
SELECT pgtrickle.drop_stream_table('st');
SELECT waiting('capture2.t_renamed') IS NULL AS not_captured;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'capture2.t_renamed'::regclass AND tgname LIKE 'pg\_trickle\_cdc\_%';

-- a gap again in the transaction that has repaired one
CREATE TABLE capture.again (id int);
INSERT INTO capture.again VALUES (1);
SELECT made('capture.again_st', 'SELECT id FROM capture.again');
CREATE PROCEDURE capture.gap(relid regclass, statement text) LANGUAGE plpgsql AS $$
DECLARE
	g name;
BEGIN
	EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', relid);
	EXECUTE statement;
	FOR g IN SELECT tgname FROM pg_trigger WHERE tgrelid = relid AND tgname LIKE 'pg\_trickle\_%'
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relid, g);
	END LOOP;
END $$;
BEGIN;
CALL capture.gap('capture.again', 'INSERT INTO capture.again VALUES (2)');
SELECT * FROM fresh('capture.again_st');
CALL capture.gap('capture.again', 'INSERT INTO capture.again VALUES (3)');
SELECT * FROM fresh('capture.again_st');
CALL capture.gap('capture.again_st', 'DELETE FROM capture.again_st');
SELECT * FROM fresh('capture.again_st');
CALL capture.gap('capture.again_st', 'DELETE FROM capture.again_st');
SELECT * FROM fresh('capture.again_st');
COMMIT;
SELECT action, exact FROM fresh('capture.again_st');
SELECT pgtrickle.drop_stream_table('capture.again_st');
DROP TABLE capture.again;
