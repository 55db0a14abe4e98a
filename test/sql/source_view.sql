-- Views as sources are their queries; their tables are captured.
\set VERBOSITY terse
CREATE SCHEMA source_view;
SET search_path = source_view, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int);
CREATE TABLE names (g int PRIMARY KEY, name text);
INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 12) i;
INSERT INTO names VALUES (0, 'zero'), (1, 'one'), (2, 'two');
CREATE VIEW simple AS SELECT id, g, v * 2 AS v2 FROM t WHERE v > 2;
CREATE VIEW on_view AS SELECT id, v2 + 1 AS v3, g FROM simple WHERE g > 0;
CREATE VIEW joined AS SELECT t.id, names.name, t.v FROM t JOIN names USING (g);
CREATE VIEW summed AS SELECT g, sum(v) AS s, count(*) AS n FROM t GROUP BY g;
CREATE VIEW walled WITH (security_barrier) AS SELECT id, v FROM t WHERE g <> 1;
CREATE VIEW invoker WITH (security_invoker) AS SELECT id, v FROM t WHERE g <> 1;

SELECT made('of_simple', 'SELECT * FROM simple');
SELECT made('of_view', 'SELECT v3, g FROM on_view');
SELECT made('of_joined', 'SELECT name, sum(v) AS s FROM joined GROUP BY name');
SELECT made('view_twice', 'SELECT x.id, y.id AS yid FROM simple x JOIN on_view y ON x.v2 = y.v3 + 1');
SELECT made('of_summed', 'SELECT g, s, n FROM summed', 'AUTO');
SELECT made('of_walled', 'SELECT id, v FROM walled WHERE v < 10');
SELECT made('of_invoker', 'SELECT id, v FROM invoker');
SELECT made('with_cte', 'WITH x AS (SELECT id, g FROM t WHERE v > 3) SELECT x.id, names.name FROM x JOIN names USING (g)', 'AUTO');

-- the tables are tracked, not the views
SELECT s.pgt_name, d.source::text, d.source_type, d.captured
  FROM pgtrickle.pgt_dependencies d JOIN pgtrickle.pgt_stream_tables s USING (pgt_id)
 WHERE s.pgt_schema = 'source_view' ORDER BY 1, 2;

INSERT INTO t VALUES (20, 1, 7), (21, 2, 1);
UPDATE t SET v = v + 1 WHERE id % 4 = 0;
DELETE FROM t WHERE id = 5;
UPDATE names SET name = upper(name) WHERE g = 1;
SELECT stream_tables, exact FROM all_fresh('source_view');
UPDATE t SET g = (g + 1) % 3;
DELETE FROM names WHERE g = 0;
SELECT stream_tables, exact FROM all_fresh('source_view');
-- through an updatable view
UPDATE simple SET g = 2 WHERE id = 6;
INSERT INTO on_view (id, g) VALUES (30, 1);
DELETE FROM walled WHERE id = 7;
SELECT stream_tables, exact FROM all_fresh('source_view');

-- replaced, the view means something else: the stream table follows
CREATE OR REPLACE VIEW simple AS SELECT id, g, v * 3 AS v2 FROM t WHERE v > 1;
SELECT exact FROM fresh('of_simple');
SELECT exact FROM fresh('of_view');
UPDATE t SET v = v + 1;
SELECT stream_tables, exact FROM all_fresh('source_view');
-- and may come to read another table
CREATE TABLE t2 (id int PRIMARY KEY, g int, v int);
INSERT INTO t2 VALUES (1, 1, 100), (2, 2, 200);
CREATE OR REPLACE VIEW simple AS SELECT id, g, v AS v2 FROM t2;
SELECT exact FROM fresh('of_simple');
INSERT INTO t2 VALUES (3, 1, 300);
UPDATE t2 SET v = v + 1 WHERE id = 1;
SELECT exact FROM fresh('of_simple');
SELECT id, g, v2 FROM of_simple ORDER BY id;
SELECT stream_tables, exact FROM all_fresh('source_view');

-- a view in use cannot go, nor the column it needs
DROP VIEW joined;
ALTER TABLE t DROP COLUMN v;
