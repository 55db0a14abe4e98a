-- Stable names: what they are, that they stay, and that everything is named by
-- them.
\set VERBOSITY terse
CREATE SCHEMA stable_name;
SET search_path = stable_name, public;

-- the hash
SELECT input, pgtrickle.stable_hash(input) AS hash, pgtrickle.stable_hash(input) = expected AS right
  FROM (VALUES ('', 'cbf29ce484222325'), ('a', 'af63dc4c8601ec8c'), ('foobar', '85944171f73967e8'),
	('public.orders', 'c74da4a21f58f903'), ('public.order_items', 'ea2cb8d8c34c1fa9'),
	('myschema.orders', '88b8d533805c31df'), ('16384/public.orders', '07a8b57747b22e08')) v (input, expected);
-- of bytes, not of characters or signed ones
SELECT pgtrickle.stable_hash(E'\u00e9\u00ff') = pgtrickle.stable_hash(convert_from('\xc3a9c3bf', 'UTF8')) AS same,
	pgtrickle.stable_hash(E'\u00e9') AS accent, length(pgtrickle.stable_hash(repeat('x', 100000))) AS digits;

-- A source has the name of when it was first tracked, wherever it goes.
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT made('st', 'SELECT id, v FROM t');
SELECT made('st_sum', 'SELECT sum(v) AS s FROM t');
CREATE TABLE names AS
SELECT t.source::oid AS source, t.source_stable_name AS name FROM pgtrickle.pgt_change_tracking t
 WHERE t.source = 't'::regclass;
SELECT name = pgtrickle.stable_hash(d.oid || '/stable_name.t') AS as_specified
  FROM names, pg_database d WHERE d.datname = current_database();
CREATE SCHEMA stable_name2;
ALTER TABLE t RENAME TO t2;
ALTER TABLE t2 SET SCHEMA stable_name2;
INSERT INTO stable_name2.t2 VALUES (3, 3);
SELECT * FROM fresh('st');
ALTER SCHEMA stable_name2 RENAME TO stable_name3;
ALTER TABLE stable_name3.t2 DISABLE TRIGGER ALL;
ALTER TABLE stable_name3.t2 ENABLE TRIGGER ALL;
UPDATE stable_name3.t2 SET v = v + 1;
-- repaired, with the name that it has
SELECT * FROM fresh('st');
SELECT * FROM fresh('st_sum');
SELECT made('st_late', 'SELECT id FROM stable_name3.t2');
DELETE FROM stable_name3.t2 WHERE id = 1;
SELECT * FROM fresh('st_late');
SELECT count(*) AS rows, bool_and(t.source_stable_name = n.name) AS unchanged,
	bool_and(d.source_stable_name = n.name AND s.frontier #> ARRAY['sources', n.name] IS NOT NULL) AS everywhere
  FROM names n
  JOIN pgtrickle.pgt_change_tracking t ON t.source = n.source
  JOIN pgtrickle.pgt_dependencies d ON d.source = n.source
  JOIN pgtrickle.pgt_stream_tables s USING (pgt_id);
SELECT to_regclass('pgtrickle_changes.changes_' || name) IS NOT NULL AS buffer,
	(SELECT count(*) >= 4 FROM pg_trigger WHERE tgrelid = source AND tgname LIKE '%\_' || name) AS triggers
  FROM names;

-- Another table with that name: no second source of it.
CREATE TABLE t (id int PRIMARY KEY, v int);
SELECT pgtrickle.create_stream_table('never', 'SELECT id FROM t');
-- until the first one is not tracked any more
SELECT pgtrickle.drop_stream_table(n) FROM unnest(ARRAY['st', 'st_sum', 'st_late']) n;
SELECT made('st', 'SELECT id FROM t');
SELECT t.source FROM pgtrickle.pgt_change_tracking t, names n WHERE source_stable_name = n.name;

-- Two tables that always had the same.
CREATE SCHEMA "stable.b";
CREATE SCHEMA stable;
CREATE TABLE "stable.b".c (x int);
CREATE TABLE stable."b.c" (x int);
SELECT made('st_pair', 'SELECT x FROM "stable.b".c');
SELECT pgtrickle.create_stream_table('never', 'SELECT x FROM stable."b.c"');
SELECT pgtrickle.create_stream_table('never', 'SELECT p.x FROM stable."b.c" p JOIN "stable.b".c q USING (x)');
INSERT INTO "stable.b".c VALUES (1);
SELECT * FROM fresh('st_pair');
ALTER TABLE stable."b.c" RENAME TO "b.d";
SELECT made('st_second', 'SELECT x FROM stable."b.d"');
ALTER TABLE stable."b.d" RENAME TO "b.c";
INSERT INTO stable."b.c" VALUES (1), (2);
SELECT * FROM fresh('st_second');
SELECT * FROM fresh('st_pair');
-- and two by force
CREATE TABLE one (x int);
CREATE TABLE two (x int);
SET pg_trickle.debug_stable_name = 'foobar';
SELECT made('st_one', 'SELECT x FROM one');
SELECT pgtrickle.create_stream_table('never', 'SELECT x FROM two');
RESET pg_trickle.debug_stable_name;
SELECT source_stable_name FROM pgtrickle.pgt_change_tracking WHERE source = 'one'::regclass;
SELECT made('st_two', 'SELECT x FROM two');
INSERT INTO one VALUES (1);
INSERT INTO two VALUES (2);
SELECT * FROM fresh('st_one');
SELECT * FROM fresh('st_two');
CREATE ROLE regress_pgt_names;
SET ROLE regress_pgt_names;
SET pg_trickle.debug_stable_name = 'foobar';
RESET ROLE;
DROP ROLE regress_pgt_names;

-- Every kind of object: none is named by an oid.
CREATE TABLE parted (k int, v int) PARTITION BY LIST (k);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parent (k int, v text);
CREATE TABLE child (w int) INHERITS (parent);
CREATE MATERIALIZED VIEW polled AS SELECT 1 AS k, 'x'::text AS name;
SELECT made('st_parted', 'SELECT k, sum(v) AS s FROM parted GROUP BY k');
SELECT made('st_parent', 'SELECT k, v FROM parent');
SELECT made('st_polled', 'SELECT p.k, m.name FROM parted p JOIN polled m USING (k)');
SELECT made('st_auxiliary', 'SELECT n, count(*) AS c FROM (SELECT k, count(*) AS n FROM parted GROUP BY k) g GROUP BY n');
SELECT made('st_above', 'SELECT s, count(*) AS c FROM st_parted GROUP BY s');
SELECT pgtrickle.create_stream_table('st_full', 'SELECT v FROM t LIMIT 1', refresh_mode => 'FULL');
SELECT pgtrickle.alter_stream_table('st_parent', query => 'SELECT k FROM parent');
INSERT INTO parted VALUES (1, 1);
INSERT INTO child VALUES (1, 'a', 2);
SELECT * FROM all_fresh('stable_name');
SELECT * FROM named_by_oid();
SELECT count(*) > 20 AS many FROM named_objects();
