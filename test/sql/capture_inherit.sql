-- Tables that inherit and are inherited from are captured by row, and what
-- becomes a parent between two refreshes is noticed.
CREATE SCHEMA capture_inherit;
SET search_path = capture_inherit, public;
\set VERBOSITY terse

CREATE TABLE parent (id int, v int);
CREATE TABLE kid (w int) INHERITS (parent);
INSERT INTO parent VALUES (1, 1), (2, 2);
INSERT INTO kid VALUES (11, 1, 1), (12, 2, 2);

-- a child, through its parent and by itself
SELECT made('of_kid', 'SELECT id, v, w FROM kid');
SELECT made('of_kid_group', 'SELECT v, count(*) AS c, sum(w) AS s FROM kid GROUP BY v');
UPDATE parent SET v = v + 1;
SELECT * FROM all_fresh('capture_inherit');
DELETE FROM parent WHERE v = 2;
UPDATE kid SET w = 9;
INSERT INTO kid VALUES (13, 3, 3), (14, 3, 4);
SELECT * FROM all_fresh('capture_inherit');
ALTER TABLE kid NO INHERIT parent;
UPDATE parent SET v = 0;
UPDATE kid SET v = v + 1;
SELECT * FROM all_fresh('capture_inherit');
DELETE FROM kid WHERE id = 13;
SELECT * FROM all_fresh('capture_inherit');

-- a parent
ALTER TABLE kid INHERIT parent;
SELECT made('of_parent', 'SELECT id, v FROM parent', 'AUTO');
UPDATE parent SET v = v + 1;
SELECT * FROM fresh('of_parent');
SELECT pgtrickle.drop_stream_table('of_parent');

-- A table becomes a parent, is written to, and is none any more: what its
-- statements changed of the child's rows must not count.
CREATE TABLE lone (id int, v int);
CREATE TABLE guest (id int, v int);
INSERT INTO lone VALUES (1, 1), (2, 1);
INSERT INTO guest VALUES (7, 7), (8, 1);
SELECT made('of_lone', 'SELECT id, v FROM lone');
SELECT made('of_lone_group', 'SELECT v, count(*) AS c, min(id) AS low FROM lone GROUP BY v');
UPDATE lone SET v = 2 WHERE id = 2;
SELECT * FROM fresh('of_lone');
ALTER TABLE guest INHERIT lone;
UPDATE lone SET v = v + 10;
ALTER TABLE guest NO INHERIT lone;
SELECT * FROM fresh('of_lone');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'of_lone';
SELECT * FROM fresh('of_lone_group');

-- from then on by row, which needs no such care
INSERT INTO lone VALUES (3, 3);
UPDATE lone SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');
ALTER TABLE guest INHERIT lone;
DELETE FROM lone WHERE v > 12;
UPDATE lone SET v = v * 2;
INSERT INTO lone VALUES (4, 4);
ALTER TABLE guest NO INHERIT lone;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');
SELECT id, v FROM of_lone ORDER BY id;

-- ANALYZE forgets that there were children; in between, everything happens again
ANALYZE lone;
UPDATE lone SET v = v + 1;
ALTER TABLE guest INHERIT lone;
UPDATE lone SET v = v + 100;
ALTER TABLE guest NO INHERIT lone;
ANALYZE lone;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');
UPDATE lone SET v = v + 1;
ALTER TABLE guest INHERIT lone;
UPDATE lone SET v = v + 100;
ALTER TABLE guest NO INHERIT lone;
ANALYZE lone;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');
UPDATE lone SET v = 5 WHERE id = 3;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');

-- in one transaction; and a child that stays
BEGIN;
ALTER TABLE guest INHERIT lone;
UPDATE lone SET v = v + 1;
SAVEPOINT a;
DELETE FROM lone;
ROLLBACK TO a;
ALTER TABLE guest NO INHERIT lone;
COMMIT;
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');
TRUNCATE lone;
INSERT INTO lone VALUES (1, 1), (1, 1);
SELECT * FROM fresh('of_lone');
SELECT * FROM fresh('of_lone_group');

-- A table becomes a child, is written to through its parent, whose triggers alone
-- fire for that, and is none any more.
CREATE TABLE ward (id int, v int, x int);
CREATE TABLE keeper (v int);
CREATE TABLE bare ();
CREATE TABLE whole (id int, v int, x int) PARTITION BY LIST (v);
INSERT INTO ward SELECT i, i % 3, i FROM generate_series(1, 9) i;
SELECT made('of_ward', 'SELECT id, v FROM ward');
SELECT made('of_ward_group', 'SELECT v, count(*) AS c, max(id) AS high FROM ward GROUP BY v');
ALTER TABLE ward INHERIT keeper;
UPDATE keeper SET v = v + 10;
ALTER TABLE ward NO INHERIT keeper;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'of_ward';
ALTER TABLE ward INHERIT bare;
DELETE FROM bare WHERE tableoid = 'ward'::regclass AND ctid IN (SELECT ctid FROM ward WHERE id < 4);
ALTER TABLE ward NO INHERIT bare;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
ALTER TABLE whole ATTACH PARTITION ward DEFAULT;
INSERT INTO whole VALUES (20, 20, 20);
ALTER TABLE whole DETACH PARTITION ward;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
BEGIN;
ALTER TABLE whole ATTACH PARTITION ward DEFAULT;
SAVEPOINT a;
UPDATE whole SET v = v + 1;
ROLLBACK TO a;
DELETE FROM whole WHERE id = 5;
ALTER TABLE whole DETACH PARTITION ward;
COMMIT;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
-- what a session has found out lasts no longer than it is true
INSERT INTO ward VALUES (30, 1, 1);
BEGIN;
ALTER TABLE ward INHERIT bare;
DELETE FROM bare WHERE tableoid = 'ward'::regclass AND ctid IN (SELECT ctid FROM ward WHERE id = 30);
ALTER TABLE ward NO INHERIT bare;
COMMIT;
SELECT * FROM fresh('of_ward');
ALTER TABLE ward INHERIT bare;
BEGIN;
SAVEPOINT a;
ALTER TABLE ward NO INHERIT bare;
INSERT INTO ward VALUES (31, 1, 1);
ROLLBACK TO a;
DELETE FROM bare WHERE tableoid = 'ward'::regclass AND ctid IN (SELECT ctid FROM ward WHERE id = 6);
COMMIT;
ALTER TABLE ward NO INHERIT bare;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
-- one marker, however many rows are changed afterwards
SELECT waiting('ward') AS before \gset
ALTER TABLE whole ATTACH PARTITION ward DEFAULT;
UPDATE whole SET v = v + 1;
SELECT waiting('ward') - :before AS markers;
ALTER TABLE whole DETACH PARTITION ward;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
-- other DDL does no harm
ALTER TABLE ward ALTER x SET NOT NULL, ALTER x SET DEFAULT 0, ALTER id SET STATISTICS 10, ADD y int DEFAULT 1;
ALTER TABLE ward RENAME x TO z;
UPDATE ward SET v = v + 1;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');
-- a child that stays is captured by row
ALTER TABLE ward INHERIT keeper;
UPDATE keeper SET v = v + 1;
UPDATE ward SET v = v + 1;
SELECT * FROM fresh('of_ward');
UPDATE keeper SET v = v + 1;
UPDATE ward SET v = v + 1;
SELECT * FROM fresh('of_ward');
SELECT * FROM fresh('of_ward_group');

-- A session that is set to replicate, and does not, fires the triggers that see
-- every row, and is noticed like any other.
CREATE TABLE plain (id int, v int);
SELECT made('of_plain', 'SELECT id, v FROM plain');
SET session_replication_role = replica;
SELECT waiting('plain') AS before \gset
INSERT INTO plain SELECT i, i FROM generate_series(1, 5) i;
UPDATE plain SET v = v + 1 WHERE id < 3;
SELECT waiting('plain') - :before AS rows;
ALTER TABLE plain INHERIT bare;
DELETE FROM bare WHERE tableoid = 'plain'::regclass AND ctid IN (SELECT ctid FROM plain WHERE id = 4);
ALTER TABLE plain NO INHERIT bare;
RESET session_replication_role;
SELECT * FROM fresh('of_plain');
SELECT last_refresh_reason FROM pgtrickle.stream_tables_info WHERE pgt_name = 'of_plain';
SELECT pgtrickle.table_altered();

-- A parent without columns leaves the child's own row of the catalog as it was, and
-- a session that knew the child to be well captured looks again.
CREATE TABLE minor (id int, v int, x int);
INSERT INTO minor SELECT i, i, i FROM generate_series(1, 5) i;
SELECT made('of_minor', 'SELECT id, v FROM minor');
INSERT INTO minor VALUES (6, 6, 6);
SELECT * FROM fresh('of_minor');
ALTER TABLE minor INHERIT bare;
SELECT * FROM fresh('of_minor');
DELETE FROM bare WHERE tableoid = 'minor'::regclass AND ctid IN (SELECT ctid FROM minor WHERE id = 4);
SELECT * FROM fresh('of_minor');
-- taken out by another event trigger before ours has run
CREATE TABLE orphan (id int, v int);
INSERT INTO orphan SELECT i, i FROM generate_series(1, 5) i;
SELECT made('of_orphan', 'SELECT id, v FROM orphan');
CREATE FUNCTION take_out() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = 'capture_inherit.orphan'::regclass) THEN
		UPDATE capture_inherit.keeper SET v = v + 1;
		ALTER TABLE capture_inherit.orphan NO INHERIT capture_inherit.keeper;
	END IF;
END $$;
BEGIN;
CREATE EVENT TRIGGER a_take_out ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION take_out();
ALTER TABLE orphan INHERIT keeper;
DROP EVENT TRIGGER a_take_out;
COMMIT;
SELECT * FROM fresh('of_orphan');
-- where the server does not collect what a command does
CREATE TABLE foundling (LIKE whole);
INSERT INTO foundling SELECT i, i, i FROM generate_series(1, 5) i;
SELECT made('of_foundling', 'SELECT id, v FROM foundling');
CREATE FUNCTION in_and_out() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE capture_inherit.orphan INHERIT capture_inherit.keeper;
	UPDATE capture_inherit.keeper SET v = v + 1;
	ALTER TABLE capture_inherit.orphan NO INHERIT capture_inherit.keeper;
	ALTER TABLE capture_inherit.whole ATTACH PARTITION capture_inherit.foundling DEFAULT;
	UPDATE capture_inherit.whole SET v = v + 1;
	ALTER TABLE capture_inherit.whole DETACH PARTITION capture_inherit.foundling;
	RETURN 1;
END $$;
CREATE MATERIALIZED VIEW called AS SELECT in_and_out() WITH NO DATA;
REFRESH MATERIALIZED VIEW called;
SELECT * FROM fresh('of_orphan');
SELECT * FROM fresh('of_foundling');
