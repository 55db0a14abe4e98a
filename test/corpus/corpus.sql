-- corpus.try(query): make a stream table of a query, change the tables that it reads,
-- refresh, compare; and leave nothing behind.  What it found, as one JSON object:
--
--	refused		PostgreSQL makes no view of it, and why
--	relations	number of relations of users that it reads
--	mode		DIFFERENTIAL or FULL, as each refresh would be; why, if FULL
--	differences	after which step it differed from the query: first, less, more
--	step, sqlstate, error	what failed
CREATE SCHEMA corpus;
GRANT ALL ON SCHEMA corpus TO public;

-- Relations of users below a view, views and partitions among them.
CREATE FUNCTION corpus.sources(of regclass) RETURNS SETOF regclass
LANGUAGE sql SET search_path = pg_catalog AS $$
	WITH RECURSIVE
	below (reader, relation) AS (
		SELECT w.ev_class, d.refobjid
		  FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
		 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
		   AND d.refobjid <> w.ev_class
		UNION ALL
		SELECT inhparent, inhrelid FROM pg_inherits),
	found (relation) AS (
		SELECT relation FROM below WHERE reader = of
		UNION
		SELECT b.relation FROM found f JOIN below b ON b.reader = f.relation)
	SELECT relation::regclass FROM found WHERE relation >= 16384 ORDER BY 1
$$;

-- Run statements; those that fail change nothing.
CREATE FUNCTION corpus.attempt(VARIADIC statements text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN others THEN
			NULL;
		END;
	END LOOP;
END $$;

-- Take some rows away, and keep them.
CREATE FUNCTION corpus.less(relation regclass) RETURNS void
LANGUAGE sql AS $$
	SELECT corpus.attempt(
		format('CREATE TEMP TABLE corpus_kept_%s AS SELECT * FROM ONLY %s LIMIT 0', relation::oid, relation),
		format('WITH gone AS (DELETE FROM ONLY %2$s WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM ONLY %2$s WHERE random() < 0.3 LIMIT 100)) RETURNING *)
			INSERT INTO corpus_kept_%1$s SELECT * FROM gone', relation::oid, relation))
$$;

-- Bring them back, some twice; give some rows values of others, or none.
CREATE FUNCTION corpus.more(relation regclass) RETURNS void
LANGUAGE sql AS $$
	SELECT corpus.attempt(
		format('INSERT INTO %2$s OVERRIDING SYSTEM VALUE SELECT * FROM corpus_kept_%1$s', relation::oid, relation),
		format('INSERT INTO %2$s OVERRIDING SYSTEM VALUE SELECT * FROM corpus_kept_%1$s LIMIT 3', relation::oid, relation));
	SELECT corpus.attempt(
		format('UPDATE ONLY %1$s SET %2$I = (SELECT %2$I FROM ONLY %1$s ORDER BY random() LIMIT 1)
			WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY %1$s WHERE random() < 0.2 LIMIT 50))', relation, attname),
		format('UPDATE ONLY %1$s SET %2$I = NULL
			WHERE ctid = ANY (ARRAY(SELECT ctid FROM ONLY %1$s WHERE random() < 0.05 LIMIT 20))', relation, attname))
	  FROM (SELECT attname FROM pg_attribute
			 WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY random() LIMIT 3) a
$$;

-- A query whose columns have names of their own; NULL if it has no row to count them by.
CREATE FUNCTION corpus.renamed(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	EXECUTE format('SELECT count(*) FROM (SELECT json_object_keys(row_to_json(q))
		FROM (SELECT * FROM (%s) q LIMIT 1) q) k', query) INTO n;
	RETURN CASE WHEN n > 0 THEN format('SELECT * FROM (%s) AS q (%s)', query,
		(SELECT string_agg('c' || c, ', ') FROM generate_series(1, n) c)) END;
END $$;

CREATE FUNCTION corpus.compare(step text, found jsonb) RETURNS jsonb
LANGUAGE sql AS $$
	SELECT CASE WHEN missing + surplus = 0 THEN found
		ELSE jsonb_set(found, '{differences}', coalesce(found -> 'differences', '[]') || to_jsonb(step)) END
	  FROM pgtrickle.verify_stream_table('corpus.st')
$$;

CREATE FUNCTION corpus.try(query text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
	found jsonb;
	sources regclass[];
	step text;
	message text;
	state text;
BEGIN
	BEGIN
		EXECUTE 'CREATE TEMP VIEW corpus_view AS ' || query;
		sources := ARRAY(SELECT corpus.sources('pg_temp.corpus_view'));
		RAISE EXCEPTION USING ERRCODE = 'TRY00';
	EXCEPTION
		WHEN SQLSTATE 'TRY00' THEN
			found := jsonb_build_object('relations', cardinality(sources));
		WHEN duplicate_column THEN
			BEGIN
				message := corpus.renamed(query);
			EXCEPTION WHEN others THEN
				message := NULL;
			END;
			RETURN CASE WHEN message IS NULL THEN jsonb_build_object('refused', SQLERRM)
				ELSE corpus.try(message) END;
		WHEN others THEN
			RETURN jsonb_build_object('refused', SQLERRM);
	END;
	IF sources = '{}' THEN
		RETURN found;
	END IF;

	BEGIN
		step := 'create';
		PERFORM pgtrickle.create_stream_table('corpus.st', query, '1d', 'AUTO');
		SELECT found || jsonb_build_object('mode', effective_mode, 'why', downgrade_reason)
		  INTO found FROM pgtrickle.explain_refresh_mode('corpus.st');
		step := 'first';
		found := corpus.compare(step, found);
		step := 'less';
		PERFORM corpus.less(s) FROM unnest(sources) s;
		PERFORM pgtrickle.refresh_stream_table('corpus.st');
		found := corpus.compare(step, found);
		step := 'more';
		PERFORM corpus.more(s) FROM unnest(sources) s;
		PERFORM pgtrickle.refresh_stream_table('corpus.st');
		found := corpus.compare(step, found);
		RAISE EXCEPTION USING ERRCODE = 'TRY00';
	EXCEPTION
		WHEN SQLSTATE 'TRY00' THEN
			RETURN found;
		WHEN others THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
			RETURN found || jsonb_build_object('step', step, 'error', message, 'sqlstate', state);
	END;
END $$;
