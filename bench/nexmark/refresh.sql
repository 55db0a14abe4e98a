-- Changes of the data of generate.sql, as procedures:
--
--	CALL nexmark.append(n)		n further events happen
--	CALL nexmark.correct(share)	a share of the bids, and fewer rows of the other
--					tables, is corrected, withdrawn or doubled
--	CALL nexmark.batch(share)	both, half of the share each
--
-- The same calls on the same data change the same rows.

CREATE PROCEDURE nexmark.append(n bigint)
LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
BEGIN
	UPDATE nexmark.progress SET events = events + n RETURNING events - n INTO first;
	INSERT INTO person SELECT * FROM nexmark.persons(first, first + n - 1);
	INSERT INTO auction SELECT * FROM nexmark.auctions(first, first + n - 1);
	INSERT INTO bid SELECT * FROM nexmark.bids(first, first + n - 1);
END $$;

-- Does something with this number belong to a share of all?
CREATE FUNCTION nexmark.chosen(n bigint, stream bigint, share numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nexmark.pick(n, stream, 100000) < share * 100000;

-- What happens to a bid depends on its time only, so copies stay equal.
CREATE PROCEDURE nexmark.correct(share numeric)
LANGUAGE plpgsql AS $$
DECLARE
	now bigint;				-- gives each call values and rows of its own
BEGIN
	UPDATE nexmark.progress SET round = round + 1 RETURNING 1000 * round INTO now;

	UPDATE bid SET price = nexmark.price(nexmark.event_at(date_time), now)
	WHERE nexmark.chosen(nexmark.event_at(date_time), now + 1, share / 2);
	DELETE FROM bid
	WHERE nexmark.chosen(nexmark.event_at(date_time), now + 2, share / 4);
	INSERT INTO bid SELECT * FROM bid
	WHERE nexmark.chosen(nexmark.event_at(date_time), now + 3, share / 4);

	UPDATE auction SET expires = expires + interval '5 seconds',
		category = 10 + nexmark.pick(id, now + 4, 5), item_name = 'item ' || nexmark.extra(id, now + 4)
	WHERE nexmark.chosen(id, now + 5, share / 2);
	DELETE FROM auction WHERE nexmark.chosen(id, now + 6, share / 4);

	UPDATE person SET name = name || ' II', city = nexmark.city(nexmark.pick(id, now + 7, 10)),
		state = nexmark.state(nexmark.pick(id, now + 7, 10))
	WHERE nexmark.chosen(id, now + 8, share / 2);

	UPDATE side_input SET value = 'value ' || nexmark.extra(key, now)
	WHERE nexmark.chosen(key, now + 9, share / 2);
END $$;

CREATE PROCEDURE nexmark.batch(share numeric)
LANGUAGE plpgsql AS $$
DECLARE
	half bigint := (SELECT ceil(share / 2 * events) FROM nexmark.progress);
BEGIN
	CALL nexmark.append(half);
	CALL nexmark.correct(share / 2);
END $$;
