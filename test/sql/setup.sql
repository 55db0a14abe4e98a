-- What every other test uses: the extension and the oracle.
CREATE EXTENSION pg_trickle;

-- A query is asked under the settings of refreshes, whatever the session has.

-- Does the stream table hold exactly the rows of its query, as a multiset, and
-- show exactly the columns of its query?  Types without an equality operator are
-- compared by their text.
CREATE FUNCTION equals_query(st regclass) RETURNS boolean
LANGUAGE plpgsql SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET quote_all_identifiers = off SET array_nulls = on AS $$
DECLARE
	def regclass;
	of_query text;
	of_table text;
	compared text;
	differs boolean;
BEGIN
	SELECT definition INTO STRICT def
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st;
	SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
		string_agg(quote_ident(attname) || CASE WHEN atttypid::regtype::text IN ('json', 'xml', 'point', 'box')
			THEN '::text' ELSE '' END, ', ' ORDER BY attnum)
	  INTO of_query, compared
	  FROM pg_attribute WHERE attrelid = def AND attnum > 0 AND NOT attisdropped;
	SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO of_table
	  FROM pg_attribute
	 WHERE attrelid = st AND attnum > 0 AND NOT attisdropped
	   AND attname NOT LIKE '\_\_pgt\_%';
	IF of_query IS DISTINCT FROM of_table THEN
		RAISE EXCEPTION 'columns (%) instead of (%)', of_table, of_query;
	END IF;
	EXECUTE format('SELECT EXISTS ((SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s)
		UNION ALL (SELECT %1$s FROM %3$s EXCEPT ALL SELECT %1$s FROM %2$s))',
		compared, def, st) INTO differs;
	RETURN NOT differs;
END $$;

-- The same, but by what the rows look like: 1.0 is not 1.00.
CREATE FUNCTION looks_like_query(st regclass) RETURNS boolean
LANGUAGE plpgsql SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET IntervalStyle = 'postgres'
SET extra_float_digits = 1 SET bytea_output = 'hex' SET quote_all_identifiers = off SET array_nulls = on AS $$
DECLARE
	def regclass;
	cols text;
	differs boolean;
BEGIN
	SELECT definition INTO STRICT def
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st;
	SELECT string_agg(format('%I::text', attname), ', ' ORDER BY attnum) INTO cols
	  FROM pg_attribute WHERE attrelid = def AND attnum > 0 AND NOT attisdropped;
	EXECUTE format('SELECT EXISTS ((SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s)
		UNION ALL (SELECT %1$s FROM %3$s EXCEPT ALL SELECT %1$s FROM %2$s))',
		cols, def, st) INTO differs;
	RETURN NOT differs;
END $$;

-- Create a stream table and say whether it starts out right.
CREATE FUNCTION made(name text, query text, mode text DEFAULT 'DIFFERENTIAL')
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pgtrickle.create_stream_table(name => name, query => query, refresh_mode => mode);
	RETURN equals_query(name::regclass);
END $$;

-- Refresh a stream table and say what kind of refresh ran, and whether the
-- table equals its query by the oracle above and by verify_stream_table().
CREATE FUNCTION fresh(st regclass, OUT action text, OUT exact boolean)
LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
	after bigint;
BEGIN
	SELECT total_refreshes INTO STRICT before
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st;
	PERFORM pgtrickle.refresh_stream_table(st::text);
	SELECT total_refreshes, last_refresh_action INTO after, action
	  FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = st;
	IF after = before THEN
		action := 'NO_DATA';
	END IF;
	exact := equals_query(st)
		AND (SELECT missing = 0 AND surplus = 0 FROM pgtrickle.verify_stream_table(st::text));
	IF NOT exact THEN
		RAISE WARNING '% differs from its query', st;
	END IF;
END $$;

-- Refresh every stream table of a schema; one row only if all is well.
CREATE FUNCTION all_fresh(schema_name text, OUT stream_tables bigint, OUT actions text, OUT exact boolean)
LANGUAGE sql AS $$
	SELECT count(*), string_agg(DISTINCT f.action, ', ' ORDER BY f.action), bool_and(f.exact)
	  FROM (SELECT pgt_relid FROM pgtrickle.pgt_stream_tables
			 WHERE pgt_schema = schema_name ORDER BY pgt_id) s,
		   LATERAL fresh(s.pgt_relid) f
$$;

-- Rows that wait in the change buffer of a source.
CREATE FUNCTION waiting(source regclass) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	name text;
	n bigint;
BEGIN
	SELECT source_stable_name INTO name
	  FROM pgtrickle.pgt_change_tracking c WHERE c.source = waiting.source;
	IF name IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT count(*) FROM pgtrickle_changes.%I', 'changes_' || name) INTO n;
	RETURN n;
END $$;

SELECT pgtrickle.version() = (SELECT extversion FROM pg_extension WHERE extname = 'pg_trickle') AS same_version;

-- What is in our schemas, and the triggers that call into them.
CREATE FUNCTION named_objects() RETURNS TABLE (name text) LANGUAGE sql STABLE AS $$
	WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname IN ('pgtrickle', 'pgtrickle_defs', 'pgtrickle_changes'))
	SELECT relname::text FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours)
	UNION ALL
	SELECT proname FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours)
	UNION ALL
	SELECT typname FROM pg_type WHERE typnamespace IN (SELECT oid FROM ours)
	UNION ALL
	SELECT conname FROM pg_constraint WHERE connamespace IN (SELECT oid FROM ours)
	UNION ALL
	SELECT tgname FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid WHERE p.pronamespace IN (SELECT oid FROM ours)
$$;

-- Those whose names hold what may be an oid.  The view def_16400 would be taken for
-- one; no run makes so many stream tables.
CREATE FUNCTION named_by_oid() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT DISTINCT o.name FROM named_objects() o
	  CROSS JOIN LATERAL regexp_matches(o.name, '[0-9]+', 'g') AS m (digits)
	 WHERE length(m.digits[1]) BETWEEN 5 AND 10 AND m.digits[1]::bigint >= 16384
	   AND o.name !~ '_[0-9a-f]{16}$'
$$;
