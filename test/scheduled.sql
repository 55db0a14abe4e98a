-- What the processes of the scheduler and of the endpoint do, for those who look
-- into their memory: no expected output, an error if the stream tables do not
-- follow.  The server may be thirty times as slow as others.
\set ON_ERROR_STOP on
CREATE EXTENSION pg_trickle;
CREATE TABLE customer (id int PRIMARY KEY, region int, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int, amount numeric, at timestamptz);
INSERT INTO customer SELECT i, i % 3, 'c' || i FROM generate_series(1, 20) i;
INSERT INTO orders SELECT i, i % 20, i, now() FROM generate_series(1, 200) i;

CREATE FUNCTION follow(st text, columns text, query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    equal boolean;
BEGIN
    FOR i IN 1 .. 1200 LOOP
        EXECUTE format('SELECT NOT EXISTS ((SELECT %3$s FROM %1$I EXCEPT ALL (%2$s))
                        UNION ALL ((%2$s) EXCEPT ALL SELECT %3$s FROM %1$I))', st, query, columns)
           INTO equal;
        IF equal THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.25);
    END LOOP;
    RAISE EXCEPTION '% does not follow', st;
END $$;

SELECT pgtrickle.create_stream_table('by_region', 'SELECT c.region, count(*) AS n, sum(o.amount) AS s FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region', '0s');
SELECT pgtrickle.create_stream_table('above', 'SELECT region, n FROM by_region WHERE n > 1', 'calculated');
SELECT pgtrickle.create_stream_table('latest', 'SELECT id FROM orders WHERE at > now() - interval ''1 day''', '1s');
SELECT pgtrickle.create_stream_table('recomputed', 'SELECT id FROM orders ORDER BY id LIMIT 5', '1s', 'FULL');
SELECT pgtrickle.create_stream_table('at_times', 'SELECT DISTINCT customer FROM orders', '* * * * *');
SELECT pgtrickle.create_stream_table('failing', 'SELECT id, (1 / (amount - 201))::int AS x FROM orders', '1s');
SELECT pgtrickle.subscribe('by_region', 'changed');

SELECT follow('by_region', 'region, n, s', 'SELECT c.region, count(*), sum(o.amount) FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region');
INSERT INTO orders SELECT i, i % 20, i, now() FROM generate_series(201, 300) i;
UPDATE customer SET region = region + 1 WHERE id < 5;
DELETE FROM orders WHERE id % 7 = 0;
BEGIN;
UPDATE orders SET amount = amount + 1 WHERE id < 50;
PREPARE TRANSACTION 'p';
COMMIT PREPARED 'p';
SELECT follow('by_region', 'region, n, s', 'SELECT c.region, count(*), sum(o.amount) FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region');
SELECT follow('above', 'region, n', 'SELECT region, n FROM by_region WHERE n > 1');
SELECT follow('latest', 'id', 'SELECT id FROM orders');
SELECT follow('recomputed', 'id', 'SELECT id FROM orders ORDER BY id LIMIT 5');
SELECT follow('at_times', 'customer', 'SELECT DISTINCT customer FROM orders');

SELECT pgtrickle.pause_all();
TRUNCATE orders;
SELECT pgtrickle.resume_all();
SELECT follow('by_region', 'region, n, s', 'SELECT c.region, count(*), sum(o.amount) FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region');
ALTER TABLE customer ADD COLUMN extra int;
SELECT pgtrickle.alter_stream_table('latest', schedule => '0s');
SELECT count(*) > 0 FROM pgtrickle.pgt_status();
SELECT length(pgtrickle.status_page()) > 0, length(pgtrickle.metrics()) > 0, length(pgtrickle.dag('svg')) > 0;
SELECT pgtrickle.drop_stream_table('above');
INSERT INTO orders SELECT i, i % 20, i, now() FROM generate_series(1, 50) i;
SELECT follow('latest', 'id', 'SELECT id FROM orders');
