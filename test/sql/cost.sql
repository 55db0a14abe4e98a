-- Under AUTO, what refreshes have cost decides between applying the changes and
-- computing the query anew.  Costs are not awaited here but put in.
CREATE SCHEMA cost;
SET search_path = cost, public;

CREATE TABLE t (id int PRIMARY KEY, g int, v int);
INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 500) i;

-- Recomputing took so many ms for the source as it is; differential refreshes,
-- of so many changes each, so many ms; since the last of the other kind so many
-- ms went by, and that was long ago or just now.
CREATE FUNCTION learn(st regclass, recompute real,
	small real DEFAULT 0, small_changes real DEFAULT 1,
	large real DEFAULT 0, large_changes real DEFAULT 1,
	since_full real DEFAULT 0, since_delta real DEFAULT 0, long_ago boolean DEFAULT false)
RETURNS void LANGUAGE sql AS $$
	ANALYZE cost.t;
	UPDATE pgtrickle.pgt_stream_tables
	   SET learned_costs = ARRAY[recompute, (SELECT count(*) FROM cost.t), x.at, x.at, since_full, since_delta,
			small, small_changes, large, large_changes]
	  FROM (SELECT CASE WHEN long_ago THEN 0
				ELSE extract(epoch FROM now() - timestamptz '2000-01-01 UTC') END AS at) x
	 WHERE pgt_relid = st
$$;

CREATE FUNCTION reason(st regclass) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(h.reason, '[0-9.]+', 'N', 'g')
	  FROM pgtrickle.refresh_history h WHERE h.pgt_relid = st
	 ORDER BY h.refresh_id DESC LIMIT 1
$$;

SELECT made('chosen', 'SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g', 'AUTO');
SELECT made('fixed', 'SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g', 'DIFFERENTIAL');
SELECT made('whole', 'SELECT g, count(*) AS n, sum(v) AS s FROM t GROUP BY g', 'FULL');

-- nearly all rows changed, and the delta is the dearer way
UPDATE t SET v = v + 1 WHERE id > 5;
SELECT learn('chosen', 50, 5000, 1000), learn('fixed', 50, 5000, 1000), learn('whole', 5000, 1, 1000);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');
-- who asks for one kind gets that
SELECT * FROM fresh('fixed');
SELECT reason('fixed');
SELECT * FROM fresh('whole');
SELECT reason('whole');

-- few changes of the same table
UPDATE t SET v = v + 1 WHERE id = 5;
SELECT learn('chosen', 50, 5000, 1000);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');

-- one change that is dear all the same
UPDATE t SET g = g + 1 WHERE id = 5;
SELECT learn('chosen', 50, 5000, 1);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');

-- too little to gain
UPDATE t SET v = v + 1;
SELECT learn('chosen', 0.1, 9, 1000);
SELECT * FROM fresh('chosen');

-- who was cheaper last time stays, unless he clearly is not
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 1200, 1000);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 1200, 1000, since_delta => 1);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 850, 1000, since_delta => 1);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 600, 1000, since_delta => 1);
SELECT * FROM fresh('chosen');

-- the dearer kind is tried again when its figure is old, at a small cost
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 2000, 1000, since_delta => 20000);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 2000, 1000, since_delta => 5000, long_ago => true);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 5000, 1000, since_delta => 100000, long_ago => true);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 2000, 1000, since_delta => 20000, long_ago => true);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 500, 1000, since_full => 20000);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 500, 1000, since_full => 20000, long_ago => true);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, 5, 1000, since_full => 20000, long_ago => true);
SELECT * FROM fresh('chosen');

-- large windows: first by the number of rows, then by what they took
INSERT INTO t SELECT i, i % 10, i FROM generate_series(501, 6000) i;
SELECT learn('chosen', 1000);
SELECT * FROM fresh('chosen');
INSERT INTO t SELECT i, i % 10, i FROM generate_series(6001, 20000) i;
SELECT learn('chosen', 1000);
SELECT * FROM fresh('chosen');
SELECT reason('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, large => 300, large_changes => 40000);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1;
SELECT learn('chosen', 1000, large => 1000, large_changes => 10000);
SELECT * FROM fresh('chosen');
UPDATE t SET v = v + 1 WHERE id <= 5000;
SELECT learn('chosen', 1000, large => 1000, large_changes => 10000);
SELECT * FROM fresh('chosen');

-- what a refresh teaches: the kind that ran, and no other
DELETE FROM t WHERE id > 500;
SELECT pgtrickle.refresh_stream_table('chosen');
CREATE FUNCTION known(st regclass, OUT recompute boolean, OUT small boolean, OUT large boolean, OUT numbers int)
LANGUAGE sql AS $$
	SELECT learned_costs[1] > 0, learned_costs[7] > 0, learned_costs[9] > 0, cardinality(learned_costs)
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st
$$;
SELECT made('taught', 'SELECT g, v FROM t', 'AUTO');
SELECT * FROM known('taught');
UPDATE t SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('taught');
SELECT * FROM known('taught');
INSERT INTO t SELECT i, i % 10, i FROM generate_series(501, 4000) i;
SELECT * FROM fresh('taught');
SELECT * FROM known('taught');
-- another query has other costs
SELECT pgtrickle.alter_stream_table('taught', query => 'SELECT g, v FROM t WHERE v > 3');
SELECT * FROM known('taught');
-- nonsense counts for nothing
UPDATE pgtrickle.pgt_stream_tables SET learned_costs = '{1,NaN,-1,0,0,0,1000000,1,0,0}' WHERE pgt_relid = 'taught'::regclass;
UPDATE t SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('taught');
UPDATE pgtrickle.pgt_stream_tables SET learned_costs = '{{1,2},{3,4}}' WHERE pgt_relid = 'taught'::regclass;
UPDATE t SET v = v + 1 WHERE id = 1;
SELECT * FROM fresh('taught');
SELECT * FROM known('taught');
SELECT stream_tables, exact FROM all_fresh('cost');

-- where each delta is the whole result, who insists on deltas is told; AUTO
-- takes what is cheaper
SELECT made('undivided', 'SELECT id, rank() OVER (ORDER BY v) AS r FROM t', 'DIFFERENTIAL');
SELECT made('undivided_auto', 'SELECT id, rank() OVER (ORDER BY v) AS r FROM t', 'AUTO');
