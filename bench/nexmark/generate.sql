-- Fill the tables of schema.sql: psql -v scale=1 -f generate.sql
--
-- scale 1 is 500,000 events: of each 50, one is a person, three are auctions
-- and 46 are bids.  One event happens every 10 ms, so no two have the same time
-- and every order by time is total.  Every value is a hash of its event's
-- number, so the same scale gives the same rows everywhere.

CREATE SCHEMA nexmark;

-- A number from 0 to n - 1 for the column number "stream" of the event.
CREATE FUNCTION nexmark.pick(event bigint, stream bigint, n bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(event, stream) & 1073741823) % n;

-- The first events happen just before midnight.
CREATE FUNCTION nexmark.time_of(event bigint) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN timestamp '2015-07-15 23:59:30' + event * interval '10 milliseconds';

CREATE FUNCTION nexmark.event_at(date_time timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(extract(epoch FROM date_time - timestamp '2015-07-15 23:59:30') * 100)::bigint;

-- From 100 to 100 million; low prices are the most frequent.
CREATE FUNCTION nexmark.price(event bigint, stream bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(100 * power(10::float8, nexmark.pick(event, stream, 6000) / 1000.0::float8))::bigint;

CREATE FUNCTION nexmark.extra(event bigint, stream bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(md5(hashint8extended(event, stream)::text), 8 + nexmark.pick(event, stream, 24)::int);

-- The city decides on the state.
CREATE FUNCTION nexmark.city(n bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{Phoenix,Los Angeles,San Francisco,Boise,Portland,Bend,Redmond,Seattle,Kent,
	Cheyenne}'::text[])[1 + n];

CREATE FUNCTION nexmark.state(n bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{AZ,CA,CA,ID,OR,OR,WA,WA,WA,WY}'::text[])[1 + n];

CREATE FUNCTION nexmark.persons(first bigint, last bigint) RETURNS SETOF person
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT 1000 + e / 50, name, lower(replace(name, ' ', '.')) || '@example.com',
		lpad(nexmark.pick(e, 1, 100000000)::text, 8, '0')
			|| lpad(nexmark.pick(e, 2, 100000000)::text, 8, '0'),
		nexmark.city(nexmark.pick(e, 3, 10)), nexmark.state(nexmark.pick(e, 3, 10)),
		nexmark.time_of(e), nexmark.extra(e, 4)
	FROM (SELECT e, ('{Ada,Bela,Cora,Dirk,Emil,Fritz,Gerd,Hanna,Ivo,Jana}'::text[])
				[1 + nexmark.pick(e, 5, 10)]
			|| ' ' || ('{Adler,Bauer,Cohn,Dietz,Ebert,Franke,Graf,Huber}'::text[])
				[1 + nexmark.pick(e, 6, 8)]
		  FROM generate_series(first, last) AS e
		  WHERE e % 50 = 0
		  OFFSET 0) AS p (e, name);
END;

-- Three of four auctions are those of a few hot sellers; the others' sellers
-- are among the last 1000 persons.
CREATE FUNCTION nexmark.auctions(first bigint, last bigint) RETURNS SETOF auction
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT 1000 + e / 50 * 3 + e % 50 - 1, 'item ' || nexmark.extra(e, 11),
		'a thing called ' || nexmark.extra(e, 12), price, price + nexmark.price(e, 14),
		nexmark.time_of(e),
		nexmark.time_of(e) + (1 + nexmark.pick(e, 15, 30000)) * interval '1 millisecond',
		1000 + CASE WHEN nexmark.pick(e, 16, 4) > 0 THEN person / 100 * 100
			ELSE person - nexmark.pick(e, 17, least(person + 1, 1000)) END,
		10 + nexmark.pick(e, 18, 5), nexmark.extra(e, 19)
	FROM (SELECT e, e / 50, nexmark.price(e, 13)
		  FROM generate_series(first, last) AS e
		  WHERE e % 50 BETWEEN 1 AND 3
		  OFFSET 0) AS a (e, person, price);
END;

-- Half of the bids are on a hot auction, the others on one of the last 100;
-- three of four come from a hot bidder, the others from the last 1000 persons.
CREATE FUNCTION nexmark.bids(first bigint, last bigint) RETURNS SETOF bid
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT 1000 + CASE WHEN nexmark.pick(e, 21, 2) = 0 THEN auction / 100 * 100
			ELSE auction - nexmark.pick(e, 22, least(auction + 1, 100)) END,
		1000 + CASE WHEN nexmark.pick(e, 23, 4) > 0 THEN least(person, person / 100 * 100 + 1)
			ELSE person - nexmark.pick(e, 24, least(person + 1, 1000)) END,
		nexmark.price(e, 25),
		CASE WHEN channel < 4 THEN ('{Google,Facebook,Baidu,Apple}'::text[])[1 + channel]
			ELSE 'channel-' || nexmark.pick(e, 27, 10000) END,
		'https://shop.example/' || nexmark.extra(e, 28) || '/' || nexmark.pick(e, 29, 100)
			|| '/' || nexmark.pick(e, 30, 10) || '/item.htm?query=1'
			|| CASE WHEN channel < 4 THEN '' ELSE '&channel_id=' || nexmark.pick(e, 27, 10000) END,
		nexmark.time_of(e), nexmark.extra(e, 31)
	FROM (SELECT e, e / 50, e / 50 * 3 + 2, nexmark.pick(e, 26, 8)
		  FROM generate_series(first, last) AS e
		  WHERE e % 50 > 3
		  OFFSET 0) AS b (e, person, auction, channel);
END;

CREATE TABLE nexmark.progress AS
SELECT greatest(500000 * :scale, 1000)::bigint AS events, 0 AS round;

INSERT INTO person SELECT p.* FROM nexmark.progress, nexmark.persons(0, events - 1) AS p;
INSERT INTO auction SELECT a.* FROM nexmark.progress, nexmark.auctions(0, events - 1) AS a;
INSERT INTO bid SELECT b.* FROM nexmark.progress, nexmark.bids(0, events - 1) AS b;
INSERT INTO side_input SELECT n, 'value ' || n FROM generate_series(0, 9999) AS n;
