-- Changes of the data of generate.sql, as procedures:
--
--	CALL tpch.rf1(n)		n new orders with their lines come
--	CALL tpch.rf2(n)		n old orders with their lines go
--	CALL tpch.update_mix(share)	rows of all eight tables are updated
--	CALL tpch.batch(share)	all three: that share of every table's rows changes
--
-- The same calls on the same data change the same rows.

CREATE TABLE tpch.progress AS
SELECT orders::bigint AS inserted, 0::bigint AS deleted, customers, 0 AS round
FROM tpch.size;

CREATE PROCEDURE tpch.rf1(n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
BEGIN
	UPDATE tpch.progress SET inserted = inserted + n RETURNING inserted - n + 1 INTO first;
	INSERT INTO orders SELECT * FROM tpch.new_orders(first, first + n - 1);
	INSERT INTO lineitem SELECT * FROM tpch.lines(first, first + n - 1);
END $$;

-- Orders come out of the middle of the table: the step is a prime that does
-- not divide the number of orders, so none is met twice.
CREATE PROCEDURE tpch.rf2(n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	keys bigint[];
BEGIN
	UPDATE tpch.progress SET deleted = deleted + n;
	SELECT array_agg(tpch.order_key(1 + (deleted - i) * 7919 % orders)) INTO keys
	FROM tpch.size, tpch.progress, generate_series(1, n) AS i;
	DELETE FROM lineitem WHERE l_orderkey = ANY (keys);
	DELETE FROM orders WHERE o_orderkey = ANY (keys);
END $$;

-- Does the row number "key" belong to a share of all rows?
CREATE FUNCTION tpch.chosen(key bigint, stream bigint, share numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN tpch.pick(key, stream, 100000) < share * 100000;

-- Of orders and lineitem half the share is updated, as RF1 and RF2 change the
-- rest in tpch.batch(); customers come and go too.  New values have the domains
-- of the old ones.
CREATE PROCEDURE tpch.update_mix(share numeric)
LANGUAGE plpgsql AS $$
DECLARE
	now bigint;				-- gives each call values and rows of its own
BEGIN
	UPDATE tpch.progress SET round = round + 1 RETURNING 1000 * round INTO now;

	UPDATE region SET r_comment = tpch.sentence(r_regionkey, now)
	WHERE r_regionkey = tpch.pick(now, 1, 5);

	UPDATE nation SET n_comment = tpch.sentence(n_nationkey, now)
	WHERE n_nationkey = tpch.pick(now, 2, 25);

	-- A tenth begins or ends to be complained about, a tenth moves.
	UPDATE supplier SET s_acctbal = tpch.balance(s_suppkey, now + 1),
		s_comment = CASE WHEN tpch.pick(s_suppkey, now + 2, 10) > 0 THEN s_comment
			WHEN s_comment LIKE '%Customer%Complaints%' THEN tpch.sentence(s_suppkey, now)
			ELSE 'slow Customer ' || tpch.noun(s_suppkey, now) || ' Complaints' END,
		s_nationkey = CASE WHEN tpch.pick(s_suppkey, now + 3, 10) > 0 THEN s_nationkey
			ELSE tpch.pick(s_suppkey, now + 4, 25) END
	WHERE tpch.chosen(s_suppkey, now + 5, share)
		OR s_suppkey = 1 + tpch.pick(now, 5, (SELECT suppliers FROM tpch.size));

	-- A quarter each: price only, name, brand and container, type and size.
	UPDATE part SET p_retailprice = p_retailprice + tpch.pick(p_partkey, now + 6, 100) / 100.0,
		p_name = CASE WHEN tpch.pick(p_partkey, now + 7, 4) = 1
			THEN tpch.part_name(p_partkey, now + 8) ELSE p_name END,
		p_brand = CASE WHEN tpch.pick(p_partkey, now + 7, 4) = 2
			THEN left(p_brand, 7) || 1 + tpch.pick(p_partkey, now + 8, 5) ELSE p_brand END,
		p_container = CASE WHEN tpch.pick(p_partkey, now + 7, 4) = 2
			THEN tpch.container(p_partkey, now + 9) ELSE p_container END,
		p_type = CASE WHEN tpch.pick(p_partkey, now + 7, 4) = 3
			THEN tpch.part_type(p_partkey, now + 8) ELSE p_type END,
		p_size = CASE WHEN tpch.pick(p_partkey, now + 7, 4) = 3
			THEN 1 + tpch.pick(p_partkey, now + 11, 50) ELSE p_size END
	WHERE tpch.chosen(p_partkey, now + 12, share);

	UPDATE partsupp SET ps_supplycost = 1 + tpch.pick(ps_partkey, now + 13, 99901) / 100.0,
		ps_availqty = 1 + tpch.pick(ps_partkey, now + 14, 9999)
	WHERE tpch.chosen(1000000 * ps_suppkey::bigint + ps_partkey, now + 15, share);

	-- A quarter changes the segment, a quarter moves.
	UPDATE customer SET c_acctbal = tpch.balance(c_custkey, now + 16),
		c_mktsegment = CASE WHEN tpch.pick(c_custkey, now + 17, 4) = 0
			THEN tpch.segment(c_custkey, now + 18) ELSE c_mktsegment END,
		c_nationkey = CASE WHEN tpch.pick(c_custkey, now + 17, 4) = 1
			THEN tpch.pick(c_custkey, now + 19, 25) ELSE c_nationkey END,
		c_phone = CASE WHEN tpch.pick(c_custkey, now + 17, 4) = 1
			THEN tpch.phone(tpch.pick(c_custkey, now + 19, 25), c_custkey, now + 20) ELSE c_phone END
	WHERE tpch.chosen(c_custkey, now + 23, share / 2);
	DELETE FROM customer
	WHERE c_custkey % 3 = 0 AND tpch.chosen(c_custkey, now + 24, 0.75 * share)
		AND NOT EXISTS (SELECT FROM orders WHERE o_custkey = c_custkey);
	UPDATE tpch.progress AS p
	SET customers = p.customers + greatest(1, round(share / 4 * s.customers)) FROM tpch.size AS s;
	INSERT INTO customer
	SELECT c.* FROM tpch.size AS s, tpch.progress AS p,
		tpch.new_customers(p.customers - greatest(1, round(share / 4 * s.customers))::int + 1,
			p.customers) AS c;

	-- A quarter has its comment changed, a quarter its date.
	UPDATE orders SET o_orderstatus = ('{O,F,P}'::text[])[1 + tpch.pick(o_orderkey, now + 25, 3)],
		o_orderpriority = tpch.priority(o_orderkey, now + 26),
		o_comment = CASE WHEN tpch.pick(o_orderkey, now + 27, 4) = 0
			THEN tpch.sentence(o_orderkey, now + 30) ELSE o_comment END,
		o_orderdate = CASE WHEN tpch.pick(o_orderkey, now + 27, 4) = 1
			THEN o_orderdate - 1 - tpch.pick(o_orderkey, now + 36, 30) ELSE o_orderdate END
	WHERE tpch.chosen(o_orderkey, now + 37, share / 2);

	-- Price follows quantity; dates move together, and with them what depends
	-- on them; a tenth gets another supplier.
	UPDATE lineitem SET l_quantity = quantity,
		l_extendedprice = quantity * tpch.retail_price(l_partkey),
		l_discount = tpch.pick(line, now + 38, 11) / 100.0,
		l_shipdate = l_shipdate + days, l_receiptdate = l_receiptdate + days,
		l_linestatus = CASE WHEN l_shipdate + days > date '1995-06-17' THEN 'O' ELSE 'F' END,
		l_returnflag = CASE WHEN l_receiptdate + days > date '1995-06-17' THEN 'N'
			WHEN tpch.pick(line, now + 39, 2) = 0 THEN 'R' ELSE 'A' END,
		l_shipmode = CASE WHEN tpch.pick(line, now + 40, 4) = 0 THEN 'MAIL' ELSE l_shipmode END,
		l_suppkey = CASE WHEN tpch.pick(line, now + 41, 10) > 0 THEN l_suppkey
			ELSE tpch.supplier_of(l_partkey, tpch.pick(line, now + 42, 4), suppliers) END
	FROM (SELECT l_orderkey, l_linenumber, 8 * l_orderkey + l_linenumber,
			1 + tpch.pick(8 * l_orderkey + l_linenumber, now + 43, 50),
			tpch.pick(8 * l_orderkey + l_linenumber, now + 44, 21) - 10, suppliers
		  FROM lineitem, tpch.size
		  WHERE tpch.chosen(8 * l_orderkey + l_linenumber, now + 45, share / 2)
		 ) AS new (orderkey, linenumber, line, quantity, days, suppliers)
	WHERE l_orderkey = orderkey AND l_linenumber = linenumber;
END $$;

CREATE PROCEDURE tpch.batch(share numeric)
LANGUAGE plpgsql AS $$
DECLARE
	quarter bigint := (SELECT ceil(share / 4 * orders) FROM tpch.size);
BEGIN
	CALL tpch.rf1(quarter);
	CALL tpch.rf2(quarter);
	CALL tpch.update_mix(share);
END $$;
