-- Fill the tables of schema.sql: psql -v scale=1 -f generate.sql
--
-- scale 1 is a tenth of TPC-H's scale factor 1: 150,000 orders with some
-- 600,000 lines.  Domains and distributions are those of the specification,
-- clause 4.2; the same scale gives the same rows everywhere, since every value
-- is a hash of its row's number.  With foreign_keys set, the foreign keys are
-- declared as well.

CREATE SCHEMA tpch;

-- The numbers of rows.  Every part has four different suppliers if their
-- number squared is at least twelve times that of the parts.
CREATE TABLE tpch.size AS
SELECT greatest(1000 * scale, ceil(sqrt(12 * parts)))::int AS suppliers,
	parts,
	greatest(15000 * scale, 60)::int AS customers,
	greatest(150000 * scale, 100)::int AS orders,
	greatest(100 * scale, 2)::int AS clerks
FROM (SELECT :scale::numeric AS scale, greatest(20000 * :scale, 100)::int AS parts) AS s;

-- A number from 0 to n - 1 for the column number "stream" of the row "key".
CREATE FUNCTION tpch.pick(key bigint, stream bigint, n bigint) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(key, stream) & 1073741823) % n)::int;

CREATE FUNCTION tpch.adjective(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{special,pending,regular,express,final,ironic,unusual,bold,even,silent,quick,
	slow,careful,idle,busy,quiet}'::text[])[1 + tpch.pick(key, stream, 16)];

CREATE FUNCTION tpch.noun(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{requests,deposits,packages,accounts,instructions,foxes,ideas,excuses,courts,
	dolphins,patterns,forges,braids,pearls,orbits,gifts}'::text[])[1 + tpch.pick(key, stream, 16)];

CREATE FUNCTION tpch.verb(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{sleep,wake,haggle,nag,use,boost,detect,integrate,maintain,solve,engage,print,
	grow,play,hang,doubt}'::text[])[1 + tpch.pick(key, stream, 16)];

-- 40 to 72 characters of prose; uses up the streams s to s + 5.
CREATE FUNCTION tpch.sentence(key bigint, s bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN tpch.adjective(key, s) || ' ' || tpch.noun(key, s + 1) || ' ' || tpch.verb(key, s + 2)
	|| ' quickly among the ' || tpch.adjective(key, s + 3) || ' ' || tpch.noun(key, s + 4);

CREATE FUNCTION tpch.address(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(md5(hashint8extended(key, stream)::text) || md5(key::text),
	10 + tpch.pick(key, stream, 31));

-- The country code is the number of the nation plus 10.
CREATE FUNCTION tpch.phone(nation int, key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (nation + 10)::text || '-' || (100 + tpch.pick(key, stream, 900))::text
	|| '-' || (100 + tpch.pick(key, stream + 1, 900))::text
	|| '-' || (1000 + tpch.pick(key, stream + 2, 9000))::text;

CREATE FUNCTION tpch.balance(key bigint, stream bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (tpch.pick(key, stream, 1099999) - 99999) / 100.0;

CREATE FUNCTION tpch.segment(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{AUTOMOBILE,BUILDING,FURNITURE,MACHINERY,HOUSEHOLD}'::text[])
	[1 + tpch.pick(key, stream, 5)];

CREATE FUNCTION tpch.priority(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{1-URGENT,2-HIGH,3-MEDIUM,4-NOT SPECIFIED,5-LOW}'::text[])
	[1 + tpch.pick(key, stream, 5)];

-- Five different colours: the multiples 0, 1, 2, 3, 4 of a step that shares no
-- factor with the number of colours, from a start.
CREATE FUNCTION tpch.colour(n int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{almond,antique,aquamarine,azure,beige,bisque,black,blanched,blue,blush,brown,
	burlywood,burnished,chartreuse,chiffon,chocolate,coral,cornflower,cornsilk,cream,cyan,
	dark,deep,dim,dodger,drab,firebrick,floral,forest,frosted,gainsboro,ghost,goldenrod,
	green,grey,honeydew,hot,indian,ivory,khaki,lace,lavender,lawn,lemon,light,lime,linen,
	magenta,maroon,medium,metallic,midnight,mint,misty,moccasin,navajo,navy,olive,orange,
	orchid,pale,papaya,peach,peru,pink,plum,powder,puff,purple,red,rose,rosy,royal,saddle,
	salmon,sandy,seashell,sienna,sky,slate,smoke,snow,spring,steel,tan,thistle,tomato,
	turquoise,violet,wheat,white,yellow}'::text[])[1 + n % 92];

CREATE FUNCTION tpch.part_name(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(tpch.colour(first + i * step), ' ' ORDER BY i)
	FROM (SELECT tpch.pick(key, stream, 92),
				 ('{1,3,5,7,9,11,13,15,17,19,21}'::int[])[1 + tpch.pick(key, stream + 1, 11)]
		  OFFSET 0) AS choice (first, step),
		generate_series(0, 4) AS i;
END;

CREATE FUNCTION tpch.part_type(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{STANDARD,SMALL,MEDIUM,LARGE,ECONOMY,PROMO}'::text[])[1 + tpch.pick(key, stream, 6)]
	|| ' ' || ('{ANODIZED,BURNISHED,PLATED,POLISHED,BRUSHED}'::text[])
		[1 + tpch.pick(key, stream + 1, 5)]
	|| ' ' || ('{TIN,NICKEL,BRASS,STEEL,COPPER}'::text[])[1 + tpch.pick(key, stream + 2, 5)];

CREATE FUNCTION tpch.container(key bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{SM,LG,MED,JUMBO,WRAP}'::text[])[1 + tpch.pick(key, stream, 5)]
	|| ' ' || ('{CASE,BOX,BAG,JAR,PKG,PACK,CAN,DRUM}'::text[])
		[1 + tpch.pick(key, stream + 1, 8)];

CREATE FUNCTION tpch.retail_price(part int) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (90000 + (part / 10) % 20001 + 100 * (part % 1000)) / 100.0;

-- The i-th of the four suppliers of a part, i from 0.
CREATE FUNCTION tpch.supplier_of(part int, i int, suppliers int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (part + i * (suppliers / 4 + (part - 1) / suppliers)) % suppliers + 1;

-- Of every 32 order keys the first 8 are used.
CREATE FUNCTION tpch.order_key(n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (n - 1) / 8 * 32 + (n - 1) % 8 + 1;

-- The order goes out of 2406 days, so that its last line is received in time.
CREATE FUNCTION tpch.order_date(n bigint) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date '1992-01-01' + tpch.pick(n, 301, 2406);

-- The lines of the orders number "first" to "last".
CREATE FUNCTION tpch.lines(first bigint, last bigint) RETURNS SETOF lineitem
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT tpch.order_key(n), part, tpch.supplier_of(part, tpch.pick(line, 401, 4), suppliers),
		number, quantity::numeric(15,2), (quantity * tpch.retail_price(part))::numeric(15,2),
		(tpch.pick(line, 402, 11) / 100.0)::numeric(15,2),
		(tpch.pick(line, 403, 9) / 100.0)::numeric(15,2),
		CASE WHEN received > date '1995-06-17' THEN 'N'
			WHEN tpch.pick(line, 404, 2) = 0 THEN 'R' ELSE 'A' END::char(1),
		CASE WHEN shipped > date '1995-06-17' THEN 'O' ELSE 'F' END::char(1),
		shipped, tpch.order_date(n) + 30 + tpch.pick(line, 405, 61), received,
		('{DELIVER IN PERSON,COLLECT COD,NONE,TAKE BACK RETURN}'::text[])
			[1 + tpch.pick(line, 406, 4)]::char(25),
		('{REG AIR,AIR,RAIL,SHIP,TRUCK,MAIL,FOB}'::text[])
			[1 + tpch.pick(line, 407, 7)]::char(10),
		(tpch.adjective(line, 408) || ' ' || tpch.noun(line, 409) || ' ' || tpch.verb(line, 410)
			|| ' furiously')::varchar(44)
	FROM (SELECT n, number, line, 1 + tpch.pick(line, 411, parts) AS part, suppliers,
			1 + tpch.pick(line, 412, 50) AS quantity, shipped,
			shipped + 1 + tpch.pick(line, 413, 30) AS received
		  FROM (SELECT n, number, 8 * n + number AS line, parts, suppliers,
				tpch.order_date(n) + 1 + tpch.pick(8 * n + number, 414, 121) AS shipped
				FROM tpch.size, generate_series(first, last) AS n,
					generate_series(1, 1 + tpch.pick(n, 302, 7)) AS number
				OFFSET 0) AS l
		  OFFSET 0) AS l;
END;

-- The orders number "first" to "last", as their lines make them.  Customers
-- whose number is a multiple of 3 order nothing.
CREATE FUNCTION tpch.new_orders(first bigint, last bigint) RETURNS SETOF orders
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT tpch.order_key(n), (customer / 2 * 3 + customer % 2 + 1),
		CASE WHEN open = lines THEN 'O' WHEN open = 0 THEN 'F' ELSE 'P' END::char(1),
		price::numeric(15,2), tpch.order_date(n), tpch.priority(n, 303)::char(15),
		('Clerk#' || lpad((1 + tpch.pick(n, 304, clerks))::text, 9, '0'))::char(15), 0,
		tpch.sentence(n, 310)::varchar(79)
	FROM (SELECT n, tpch.pick(n, 305, customers - customers / 3) AS customer, clerks
		  FROM tpch.size, generate_series(first, last) AS n OFFSET 0) AS o
		JOIN (SELECT l_orderkey, count(*) AS lines,
				count(*) FILTER (WHERE l_linestatus = 'O') AS open,
				sum(l_extendedprice * (1 + l_tax) * (1 - l_discount)) AS price
			  FROM tpch.lines(first, last)
			  GROUP BY l_orderkey) AS l ON l_orderkey = tpch.order_key(n);
END;

INSERT INTO region
SELECT ordinality - 1, name, tpch.sentence(ordinality, 1)
FROM unnest('{AFRICA,AMERICA,ASIA,EUROPE,MIDDLE EAST}'::text[]) WITH ORDINALITY AS r (name);

INSERT INTO nation
SELECT ordinality - 1, name, region, tpch.sentence(ordinality, 11)
FROM unnest('{ALGERIA,ARGENTINA,BRAZIL,CANADA,EGYPT,ETHIOPIA,FRANCE,GERMANY,INDIA,INDONESIA,
		IRAN,IRAQ,JAPAN,JORDAN,KENYA,MOROCCO,MOZAMBIQUE,PERU,CHINA,ROMANIA,SAUDI ARABIA,VIETNAM,
		RUSSIA,UNITED KINGDOM,UNITED STATES}'::text[],
		'{0,1,1,1,4,0,3,3,2,2,4,4,2,4,0,0,0,1,2,3,4,2,3,3,1}'::int[])
	WITH ORDINALITY AS n (name, region);

-- Five of 10,000 suppliers are complained about, and five recommended; at
-- least two each.
INSERT INTO supplier
SELECT n, 'Supplier#' || lpad(n::text, 9, '0'), tpch.address(n, 101), nation,
	tpch.phone(nation, n, 102), tpch.balance(n, 105),
	CASE WHEN n % least(2000, suppliers / 3) = 5 THEN 'slow Customer ' || tpch.noun(n, 106) || ' Complaints'
		WHEN n % least(2000, suppliers / 3) = 6 THEN 'bold Customer ' || tpch.noun(n, 106) || ' Recommends'
		ELSE left(tpch.sentence(n, 106), 100) END
FROM (SELECT n, tpch.pick(n, 100, 25) AS nation, suppliers
	  FROM tpch.size, generate_series(1, suppliers) AS n OFFSET 0) AS s;

INSERT INTO part
SELECT n, tpch.part_name(n, 201), 'Manufacturer#' || maker, 'Brand#' || maker || 1 + tpch.pick(n, 203, 5),
	tpch.part_type(n, 204), 1 + tpch.pick(n, 207, 50), tpch.container(n, 208),
	tpch.retail_price(n), tpch.adjective(n, 210) || ' ' || tpch.noun(n, 211)
FROM (SELECT n, 1 + tpch.pick(n, 200, 5) AS maker
	  FROM tpch.size, generate_series(1, parts) AS n OFFSET 0) AS p;

INSERT INTO partsupp
SELECT part, tpch.supplier_of(part, i, suppliers), 1 + tpch.pick(4 * part + i, 221, 9999),
	1 + tpch.pick(4 * part + i, 222, 99901) / 100.0,
	left(tpch.sentence(4 * part + i, 223) || ', ' || tpch.sentence(4 * part + i, 230), 198)
FROM tpch.size, generate_series(1, parts) AS part, generate_series(0, 3) AS i;

CREATE FUNCTION tpch.new_customers(first int, last int) RETURNS SETOF customer
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT n, ('Customer#' || lpad(n::text, 9, '0'))::varchar(25),
		tpch.address(n, 251)::varchar(40), nation, tpch.phone(nation, n, 252)::char(15),
		tpch.balance(n, 255)::numeric(15,2), tpch.segment(n, 256)::char(10),
		left(tpch.sentence(n, 257) || ', ' || tpch.sentence(n, 270), 116)::varchar(117)
	FROM (SELECT n, tpch.pick(n, 250, 25) AS nation
		  FROM generate_series(first, last) AS n OFFSET 0) AS c;
END;

INSERT INTO customer SELECT c.* FROM tpch.size, tpch.new_customers(1, customers) AS c;

INSERT INTO lineitem SELECT l.* FROM tpch.size, tpch.lines(1, orders) AS l;

INSERT INTO orders SELECT o.* FROM tpch.size, tpch.new_orders(1, orders) AS o;

\if :{?foreign_keys}
ALTER TABLE nation ADD FOREIGN KEY (n_regionkey) REFERENCES region;
ALTER TABLE supplier ADD FOREIGN KEY (s_nationkey) REFERENCES nation;
ALTER TABLE customer ADD FOREIGN KEY (c_nationkey) REFERENCES nation;
ALTER TABLE partsupp ADD FOREIGN KEY (ps_partkey) REFERENCES part;
ALTER TABLE partsupp ADD FOREIGN KEY (ps_suppkey) REFERENCES supplier;
ALTER TABLE orders ADD FOREIGN KEY (o_custkey) REFERENCES customer;
ALTER TABLE lineitem ADD FOREIGN KEY (l_orderkey) REFERENCES orders;
ALTER TABLE lineitem ADD FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp;
\endif
