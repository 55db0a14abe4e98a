-- The package index as tables, and the changes that will be applied to it.

CREATE TABLE sections (
	section_id integer PRIMARY KEY,
	section text NOT NULL
);
CREATE TABLE maintainers (
	maintainer_id integer PRIMARY KEY,
	maintainer text NOT NULL,
	address text NOT NULL
);
CREATE TABLE packages (
	name text PRIMARY KEY,
	version text NOT NULL,
	source text NOT NULL,
	section_id integer NOT NULL REFERENCES sections,
	maintainer_id integer NOT NULL REFERENCES maintainers,
	size bigint NOT NULL,			-- bytes of the archive
	installed_size bigint NOT NULL,	-- kB
	suite text NOT NULL
);
-- "a | b (>= 1)" as the third relation of kind depends is two rows of term 3
CREATE TABLE dependencies (
	package text NOT NULL,
	kind text NOT NULL,
	term integer NOT NULL,
	alternative integer NOT NULL,
	target text NOT NULL,
	version text NOT NULL,
	PRIMARY KEY (package, kind, term, alternative)
);

-- State 0 of the packages that differ is that of the largest suite, state 1
-- that of the newer ones.
CREATE SCHEMA changes;
CREATE TABLE changes.packages (state integer NOT NULL DEFAULT 1, LIKE packages);
CREATE TABLE changes.dependencies (state integer NOT NULL DEFAULT 1, LIKE dependencies);
CREATE TABLE changes.gone (name text NOT NULL);
CREATE TABLE changes.batches (batch integer NOT NULL, name text NOT NULL);

-- Take the packages of a batch to a state, touching only rows that differ.
CREATE FUNCTION changes.apply(a_batch integer, a_state integer,
	OUT inserts bigint, OUT updates bigint, OUT deletes bigint)
LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	DELETE FROM dependencies d USING changes.batches b
	WHERE b.batch = a_batch AND d.package = b.name
		AND NOT EXISTS (
			SELECT FROM changes.dependencies s
			WHERE s.state = a_state AND (s.package, s.kind, s.term, s.alternative)
				= (d.package, d.kind, d.term, d.alternative));
	GET DIAGNOSTICS deletes = ROW_COUNT;
	DELETE FROM packages p USING changes.batches b
	WHERE b.batch = a_batch AND p.name = b.name
		AND NOT EXISTS (
			SELECT FROM changes.packages s WHERE s.state = a_state AND s.name = p.name);
	GET DIAGNOSTICS n = ROW_COUNT;
	deletes := deletes + n;

	UPDATE packages p SET version = s.version, source = s.source, section_id = s.section_id,
		maintainer_id = s.maintainer_id, size = s.size, installed_size = s.installed_size,
		suite = s.suite
	FROM changes.packages s JOIN changes.batches b USING (name)
	WHERE b.batch = a_batch AND s.state = a_state AND p.name = s.name
		AND (p.version, p.suite) IS DISTINCT FROM (s.version, s.suite);
	GET DIAGNOSTICS updates = ROW_COUNT;
	UPDATE dependencies d SET target = s.target, version = s.version
	FROM changes.dependencies s JOIN changes.batches b ON b.name = s.package
	WHERE b.batch = a_batch AND s.state = a_state
		AND (d.package, d.kind, d.term, d.alternative)
			= (s.package, s.kind, s.term, s.alternative)
		AND (d.target, d.version) IS DISTINCT FROM (s.target, s.version);
	GET DIAGNOSTICS n = ROW_COUNT;
	updates := updates + n;

	INSERT INTO packages
	SELECT s.name, s.version, s.source, s.section_id, s.maintainer_id, s.size,
		s.installed_size, s.suite
	FROM changes.packages s JOIN changes.batches b USING (name)
	WHERE b.batch = a_batch AND s.state = a_state
		AND NOT EXISTS (SELECT FROM packages p WHERE p.name = s.name);
	GET DIAGNOSTICS inserts = ROW_COUNT;
	INSERT INTO dependencies
	SELECT s.package, s.kind, s.term, s.alternative, s.target, s.version
	FROM changes.dependencies s JOIN changes.batches b ON b.name = s.package
	WHERE b.batch = a_batch AND s.state = a_state
		AND NOT EXISTS (
			SELECT FROM dependencies d
			WHERE (d.package, d.kind, d.term, d.alternative)
				= (s.package, s.kind, s.term, s.alternative));
	GET DIAGNOSTICS n = ROW_COUNT;
	inserts := inserts + n;
END $$;

-- Does some stream table still lack the changes of a transaction?  It does if
-- they are in a change buffer and its frontier does not see them.
CREATE FUNCTION changes.is_pending(a_xid xid8) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	source text;
	found boolean;
BEGIN
	FOR source IN
		SELECT DISTINCT s.key
		FROM pgtrickle.pgt_stream_tables t,
			jsonb_each(t.frontier -> 'sources') AS s (key, value)
		WHERE NOT pg_visible_in_snapshot(a_xid, (s.value ->> 'snapshot')::pg_snapshot)
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM pgtrickle_changes.%I WHERE xid = $1)',
			'changes_' || source)
		INTO found USING a_xid;
		IF found THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
