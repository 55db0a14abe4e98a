-- TRUNCATE of a source leaves a marker; the refresh starts over, and says so.
\set VERBOSITY terse
CREATE SCHEMA truncate;
SET search_path = truncate, public;

CREATE TABLE a (id int PRIMARY KEY, k int);
CREATE TABLE b (k int PRIMARY KEY, v text);
INSERT INTO a SELECT i, i % 3 FROM generate_series(1, 10) i;
INSERT INTO b SELECT i, 'v' || i FROM generate_series(0, 2) i;
SELECT made('scan', 'SELECT * FROM a');
SELECT made('joined', 'SELECT a.id, b.v FROM a JOIN b USING (k)');
SELECT made('grouped', 'SELECT k, count(*) AS n FROM a GROUP BY k');
SELECT made('total', 'SELECT count(*) AS n, sum(id) AS s FROM a');
SELECT made('distinct_', 'SELECT DISTINCT k FROM a');
SELECT made('self', 'SELECT x.id, y.id AS yid FROM a x JOIN a y USING (k)');

-- alone
TRUNCATE a;
SELECT stream_tables, exact FROM all_fresh('truncate');
SELECT count(*) FROM scan;
SELECT n, s FROM total;
SELECT action, reason IS NOT NULL AS says_why FROM pgtrickle.get_refresh_history('scan', 1);
SELECT * FROM all_fresh('truncate');
-- then changes again by difference
INSERT INTO a VALUES (1, 1), (2, 2);
SELECT * FROM all_fresh('truncate');

-- with rows before and after it in one transaction
BEGIN;
INSERT INTO a VALUES (3, 0);
DELETE FROM a WHERE id = 1;
TRUNCATE a;
INSERT INTO a VALUES (4, 1), (5, 2);
UPDATE a SET k = 0 WHERE id = 5;
COMMIT;
SELECT stream_tables, exact FROM all_fresh('truncate');
SELECT * FROM scan ORDER BY id;
-- twice
BEGIN;
TRUNCATE a;
INSERT INTO a VALUES (6, 1);
TRUNCATE a;
INSERT INTO a VALUES (7, 1), (4, 2);
COMMIT;
INSERT INTO a VALUES (8, 1);
SELECT stream_tables, exact FROM all_fresh('truncate');
SELECT * FROM scan ORDER BY id;
-- rolled back
BEGIN;
TRUNCATE a;
ROLLBACK;
BEGIN;
SAVEPOINT s;
TRUNCATE a;
ROLLBACK TO s;
INSERT INTO a VALUES (9, 2);
COMMIT;
SELECT * FROM fresh('scan');
SELECT * FROM fresh('joined');
-- both sources, one after the other, RESTART IDENTITY, CASCADE
TRUNCATE a, b;
INSERT INTO b VALUES (1, 'one');
SELECT stream_tables, exact FROM all_fresh('truncate');
INSERT INTO a VALUES (1, 1);
SELECT * FROM all_fresh('truncate');
SELECT id, v FROM joined;
CREATE TABLE child (id int PRIMARY KEY, b int REFERENCES b);
INSERT INTO child VALUES (1, 1);
SELECT made('of_child', 'SELECT * FROM child');
TRUNCATE b RESTART IDENTITY CASCADE;
SELECT stream_tables, exact FROM all_fresh('truncate');
SELECT count(*) FROM of_child;
-- an empty table
TRUNCATE b CASCADE;
SELECT stream_tables, exact FROM all_fresh('truncate');
-- refreshed before and after it within one transaction
INSERT INTO b VALUES (1, 'one');
BEGIN;
INSERT INTO a VALUES (50, 1);
SELECT exact FROM fresh('joined');
TRUNCATE a;
SELECT exact FROM fresh('joined');
INSERT INTO a VALUES (51, 1);
SELECT exact FROM fresh('joined');
COMMIT;
SELECT exact FROM fresh('joined');
SELECT id, v FROM joined;
-- two consumers: the one that is late sees it too
INSERT INTO a VALUES (60, 1);
SELECT exact FROM fresh('scan');
TRUNCATE a;
SELECT exact FROM fresh('scan');
INSERT INTO a VALUES (61, 1);
SELECT exact FROM fresh('scan');
SELECT stream_tables, exact FROM all_fresh('truncate');
