-- Sales by region: what a report asks again and again, kept instead.
\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS pg_trickle;

CREATE TABLE regions (region_id int PRIMARY KEY, region text NOT NULL);
CREATE TABLE shops (shop_id int PRIMARY KEY, region_id int NOT NULL REFERENCES regions);
CREATE TABLE sales (
	sale_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	shop_id int NOT NULL REFERENCES shops,
	amount numeric(10, 2) NOT NULL,
	returned boolean NOT NULL DEFAULT false);
-- A refresh looks up the sales of a shop that moves to another region here.
CREATE INDEX ON sales (shop_id);
CREATE INDEX ON shops (region_id);

INSERT INTO regions VALUES (1, 'north'), (2, 'south'), (3, 'islands');
INSERT INTO shops SELECT i, 1 + i % 2 FROM generate_series(1, 20) AS i;
INSERT INTO sales (shop_id, amount)
	SELECT 1 + i % 20, i % 97 + 0.50 FROM generate_series(1, 10000) AS i;

-- LEFT JOIN: a region without a sale is a row, too.
SELECT pgtrickle.create_stream_table('region_sales', $$
	SELECT r.region, count(s.sale_id) AS sales, sum(s.amount) AS amount,
		round(avg(s.amount), 2) AS average
	FROM regions r
		LEFT JOIN shops h USING (region_id)
		LEFT JOIN sales s ON s.shop_id = h.shop_id AND NOT s.returned
	GROUP BY r.region $$, schedule => '1s', refresh_mode => 'DIFFERENTIAL');

-- A stream table over a stream table follows it.
SELECT pgtrickle.create_stream_table('region_share', $$
	SELECT region, amount, round(100 * amount / (SELECT sum(amount) FROM region_sales), 1) AS percent
	FROM region_sales $$, refresh_mode => 'DIFFERENTIAL');

SELECT region, amount, percent FROM region_share ORDER BY region;

\echo 'the first sales of the islands, a return, and a shop that moves'
INSERT INTO shops VALUES (21, 3);
INSERT INTO sales (shop_id, amount) VALUES (21, 1200), (21, 88.40);
UPDATE sales SET returned = true WHERE sale_id = 17;
UPDATE shops SET region_id = 3 WHERE shop_id = 20;

SELECT pgtrickle.refresh_stream_table('region_sales');
SELECT pgtrickle.refresh_stream_table('region_share');

SELECT region, sales, amount, average FROM region_sales ORDER BY region;
SELECT region, amount, percent FROM region_share ORDER BY region;

\echo 'what the refreshes did'
SELECT action, rows_inserted, rows_updated, rows_deleted
FROM pgtrickle.get_refresh_history('region_sales', 1);

\ir verify.sql
