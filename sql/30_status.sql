-- Functions and views that answer one question each about how the stream tables
-- are.  They show what the views of the part before this one show to the caller.

CREATE FUNCTION pgtrickle.pgt_pending_changes(
	relation regclass,
	source regclass,
	OUT pending_rows bigint,
	OUT buffer_bytes bigint)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_pending_changes';
COMMENT ON FUNCTION pgtrickle.pgt_pending_changes(regclass, regclass) IS
	'changes of a source that wait for a stream table, and the size of the buffer they wait in; NULL if not captured, or if the caller may not know';

CREATE FUNCTION pgtrickle.pgt_full_reason(relation regclass)
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_full_reason';
COMMENT ON FUNCTION pgtrickle.pgt_full_reason(regclass) IS
	'why the query of a stream table is always recomputed; NULL if it is maintained by delta';

CREATE FUNCTION pgtrickle.reset_stats(name text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_reset_stats';
COMMENT ON FUNCTION pgtrickle.reset_stats(text) IS
	'set the counters of a stream table, or of all that the caller owns, to zero';

CREATE FUNCTION pgtrickle.pgt_progress(
	OUT pid integer,
	OUT datid oid,
	OUT relid oid,
	OUT phase text,
	OUT members_total integer,
	OUT members_done integer,
	OUT changes_read bigint,
	OUT rows_written bigint,
	OUT started_at timestamptz,
	OUT phase_started_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_progress';
COMMENT ON FUNCTION pgtrickle.pgt_progress() IS
	'the refreshes that run now, of all databases';

CREATE VIEW pgtrickle.refresh_progress
WITH (security_barrier) AS
SELECT p.pid,
	p.datid,
	d.datname,
	p.relid,
	n.nspname AS pgt_schema,
	c.relname AS pgt_name,
	p.phase,
	p.members_total,
	p.members_done,
	p.changes_read,
	p.rows_written,
	p.started_at,
	p.phase_started_at
  FROM pgtrickle.pgt_progress() p
  LEFT JOIN pg_database d ON d.oid = p.datid
  LEFT JOIN pg_class c ON d.datname = current_database() AND c.oid = p.relid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW pgtrickle.refresh_progress IS
	'the refreshes that run now; those of other databases for pg_monitor';
COMMENT ON COLUMN pgtrickle.refresh_progress.pid IS 'process that refreshes';
COMMENT ON COLUMN pgtrickle.refresh_progress.datid IS 'its database';
COMMENT ON COLUMN pgtrickle.refresh_progress.datname IS 'name of the database';
COMMENT ON COLUMN pgtrickle.refresh_progress.relid IS 'the stream table at work';
COMMENT ON COLUMN pgtrickle.refresh_progress.pgt_schema IS 'its schema; NULL in another database';
COMMENT ON COLUMN pgtrickle.refresh_progress.pgt_name IS 'its name; NULL in another database';
COMMENT ON COLUMN pgtrickle.refresh_progress.phase IS 'waiting for another refresh, preparing, reading changes, polling sources, applying changes, recomputing or recording';
COMMENT ON COLUMN pgtrickle.refresh_progress.members_total IS 'stream tables that are refreshed together';
COMMENT ON COLUMN pgtrickle.refresh_progress.members_done IS 'of them, those that are done';
COMMENT ON COLUMN pgtrickle.refresh_progress.changes_read IS 'captured changes that were read for this stream table';
COMMENT ON COLUMN pgtrickle.refresh_progress.rows_written IS 'rows of it that were inserted, updated or deleted so far';
COMMENT ON COLUMN pgtrickle.refresh_progress.started_at IS 'when the refresh began';
COMMENT ON COLUMN pgtrickle.refresh_progress.phase_started_at IS 'when the phase began';

-- Tables are read with the rights of the owner of the view, and stream tables
-- are filtered by those of the caller.
CREATE VIEW pgtrickle.pgt_cdc_status
WITH (security_barrier) AS
SELECT n.nspname AS pgt_schema,
	c.relname AS pgt_name,
	d.source AS source_relid,
	sc.relname AS source_name,
	sn.nspname AS source_schema,
	CASE
		WHEN t.capture_mode IN ('statement', 'row') THEN 'TRIGGER'
		WHEN t.capture_mode = 'apply' THEN 'APPLY'
		WHEN d.source_type IN ('FOREIGN TABLE', 'MATERIALIZED VIEW') THEN 'POLL'
		ELSE 'NONE'
	END AS cdc_mode,
	NULL::name AS slot_name,
	NULL::pg_lsn AS decoder_confirmed_lsn,
	NULL::timestamptz AS transition_started_at,
	d.source_type,
	t.capture_mode,
	d.columns_used,
	t.tracked_since,
	d.pgt_id,
	c.oid::regclass AS pgt_relid
	, d.source_stable_name -- since 0.32.0
  FROM pgtrickle.pgt_dependencies d
  JOIN pgtrickle.pgt_stream_tables s ON s.pgt_id = d.pgt_id
  JOIN pg_class c ON c.oid = s.pgt_relid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_class sc ON sc.oid = d.source
  LEFT JOIN pg_namespace sn ON sn.oid = sc.relnamespace
  LEFT JOIN pgtrickle.pgt_change_tracking t ON d.captured AND t.source = d.source
 WHERE pgtrickle.pgt_may_see(c.oid);
COMMENT ON VIEW pgtrickle.pgt_cdc_status IS
	'each source of each stream table: how its changes become known';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.pgt_schema IS 'schema of the stream table';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.pgt_name IS 'name of the stream table';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.source_relid IS 'the source';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.source_name IS 'name of the source; NULL if it was dropped';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.source_schema IS 'schema of the source';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.cdc_mode IS 'TRIGGER: captured by triggers; APPLY: a stream table, captured by its refreshes; POLL: read whole by each refresh; NONE: not known, so each refresh recomputes';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.slot_name IS 'replication slot, of which there is none: NULL';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.decoder_confirmed_lsn IS 'position in it: NULL';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.transition_started_at IS 'when a change of cdc_mode began, which takes no time: NULL';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.source_type IS 'what kind of relation the source is';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.capture_mode IS 'statement: triggers with transition tables; row: triggers for each row; apply: by refreshes';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.columns_used IS 'columns that the stream table uses';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.source_stable_name IS 'what everything that belongs to the source is named by'; -- since 0.32.0
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.tracked_since IS 'when the source was first captured';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.pgt_id IS 'number of the stream table in the catalog of pg_trickle';
COMMENT ON COLUMN pgtrickle.pgt_cdc_status.pgt_relid IS 'the stream table';

CREATE FUNCTION pgtrickle.change_buffer_sizes()
RETURNS TABLE (
	stream_table text,
	source_table text,
	source_oid bigint,
	cdc_mode text,
	pending_rows bigint,
	buffer_bytes bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT format('%I.%I', d.pgt_schema, d.pgt_name),
		format('%I.%I', d.source_schema, d.source_name),
		d.source_relid::oid::bigint,
		d.cdc_mode,
		p.pending_rows,
		p.buffer_bytes
	  FROM pgtrickle.pgt_cdc_status d,
		LATERAL pgtrickle.pgt_pending_changes(d.pgt_relid, d.source_relid) p
	 WHERE d.source_name IS NOT NULL
	 ORDER BY 1, 2;
END;
COMMENT ON FUNCTION pgtrickle.change_buffer_sizes() IS
	'changes that wait for each stream table, by source; of buffers above 8 MB the number is an estimate';

-- Buffers are read once for each source, not once for each that reads it.
CREATE FUNCTION pgtrickle.pgt_pending_by_source()
RETURNS TABLE (
	source_table text,
	stream_table text,
	pending_rows bigint,
	buffer_bytes bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT d.source_table, d.stream_table, p.pending_rows, p.buffer_bytes
	  FROM (SELECT DISTINCT ON (c.source_relid)
				format('%I.%I', c.source_schema, c.source_name) AS source_table,
				format('%I.%I', c.pgt_schema, c.pgt_name) AS stream_table,
				c.source_relid,
				c.pgt_relid
			  FROM pgtrickle.pgt_cdc_status c
			  JOIN pgtrickle.pg_stat_stream_tables s ON s.pgt_id = c.pgt_id
			 WHERE c.cdc_mode IN ('TRIGGER', 'APPLY') AND c.source_name IS NOT NULL
			 ORDER BY c.source_relid, s.data_timestamp NULLS FIRST, c.pgt_id) d,
		LATERAL pgtrickle.pgt_pending_changes(d.pgt_relid, d.source_relid) p
	 ORDER BY p.pending_rows DESC NULLS LAST, p.buffer_bytes DESC NULLS LAST, 1;
END;
COMMENT ON FUNCTION pgtrickle.pgt_pending_by_source() IS
	'changes that wait, by source, for the stream table that is furthest behind, the most first';

CREATE FUNCTION pgtrickle.list_sources(name text)
RETURNS TABLE (
	source_table text,
	source_oid bigint,
	source_type text,
	cdc_mode text,
	columns_used text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT format('%I.%I', d.source_schema, d.source_name),
		d.source_relid::oid::bigint,
		d.source_type,
		d.cdc_mode,
		array_to_string(d.columns_used, ', ')
	  FROM pgtrickle.pgt_cdc_status d
	 WHERE d.pgt_relid = (SELECT pgtrickle.pgt_stream_table_relid(list_sources.name))
	 ORDER BY 1
	 LIMIT CASE WHEN pgtrickle.pgt_stream_table_relid(list_sources.name) IS NULL THEN 0 END;
END;
COMMENT ON FUNCTION pgtrickle.list_sources(text) IS
	'the tables that a stream table reads, and how their changes become known';

CREATE FUNCTION pgtrickle.get_staleness(name text)
RETURNS double precision
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT extract(epoch FROM i.staleness)::double precision
	  FROM pgtrickle.stream_tables_info i
	 WHERE i.pgt_relid = (SELECT pgtrickle.pgt_stream_table_relid(get_staleness.name));
END;
COMMENT ON FUNCTION pgtrickle.get_staleness(text) IS
	'staleness of a stream table in seconds; NULL if it was never filled';

CREATE FUNCTION pgtrickle.explain_refresh_mode(name text)
RETURNS TABLE (
	configured_mode text,
	effective_mode text,
	downgrade_reason text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT i.refresh_mode,
		CASE WHEN i.refresh_mode = 'FULL' OR r.reason IS NOT NULL THEN 'FULL' ELSE 'DIFFERENTIAL' END,
		coalesce(r.reason,
			CASE WHEN i.refresh_mode = 'AUTO' AND i.last_refresh_action = 'FULL' AND i.last_refresh_reason <> 'first refresh'
				THEN 'the last refresh was FULL: ' || i.last_refresh_reason END)
	  FROM pgtrickle.stream_tables_info i,
		LATERAL (SELECT CASE WHEN i.refresh_mode <> 'FULL' THEN pgtrickle.pgt_full_reason(i.pgt_relid) END AS reason) r
	 WHERE i.pgt_relid = (SELECT pgtrickle.pgt_stream_table_relid(explain_refresh_mode.name));
END;
COMMENT ON FUNCTION pgtrickle.explain_refresh_mode(text) IS
	'how a stream table is refreshed, and why not differentially';

CREATE FUNCTION pgtrickle.refresh_timeline(max_rows integer DEFAULT 50)
RETURNS TABLE (
	start_time timestamptz,
	stream_table text,
	action text,
	status text,
	rows_inserted bigint,
	rows_deleted bigint,
	duration_ms double precision,
	error_message text,
	rows_updated bigint,
	reason text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT h.start_time,
		format('%I.%I', h.pgt_schema, h.pgt_name),
		h.action,
		h.status,
		h.rows_inserted,
		h.rows_deleted,
		h.duration_ms,
		h.error_message,
		h.rows_updated,
		h.reason
	  FROM pgtrickle.refresh_history h
	 ORDER BY h.start_time DESC, h.refresh_id DESC
	 LIMIT refresh_timeline.max_rows;
END;
COMMENT ON FUNCTION pgtrickle.refresh_timeline(integer) IS
	'the latest refreshes of all stream tables, newest first';

-- One row for each question, so that a monitor can tell them apart.
CREATE FUNCTION pgtrickle.health_check()
RETURNS TABLE (
	check_name text,
	severity text,
	detail text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	WITH i AS MATERIALIZED (
		SELECT format('%I.%I', pgt_schema, pgt_name) AS name, freshness, needs_reinit, consecutive_errors, defining_query
		  FROM pgtrickle.stream_tables_info),
	b AS MATERIALIZED (
		SELECT stream_table, source_table, pending_rows FROM pgtrickle.pgt_pending_by_source()),
	checks (n, check_name, bad, severity, problem, fine) AS (
		SELECT 1, 'scheduler_running',
			ARRAY(SELECT 'none serves this database' WHERE NOT pgtrickle.pgt_scheduler_running()),
			'ERROR', 'worker of this database', 'a worker serves this database'
		UNION ALL SELECT 2, 'enabled',
			ARRAY(SELECT 'off' WHERE current_setting('pg_trickle.enabled', true) = 'off'),
			'WARN', 'pg_trickle.enabled', 'pg_trickle.enabled is on'
		UNION ALL SELECT 3, 'suspended_tables', ARRAY(SELECT i.name FROM i WHERE i.freshness = 'suspended' ORDER BY 1),
			'ERROR', 'suspended', 'no stream table is suspended'
		UNION ALL SELECT 4, 'error_tables', ARRAY(SELECT i.name FROM i WHERE i.consecutive_errors > 0 OR i.freshness = 'failing' ORDER BY 1),
			'ERROR', 'the last refresh failed', 'no stream table has errors'
		UNION ALL SELECT 5, 'lost_queries', ARRAY(SELECT i.name FROM i WHERE i.defining_query IS NULL ORDER BY 1),
			'ERROR', 'the query was dropped with a source', 'every stream table has its query'
		UNION ALL SELECT 6, 'stale_tables', ARRAY(SELECT i.name FROM i WHERE i.freshness = 'stale' ORDER BY 1),
			'WARN', 'staler than twice the schedule', 'no stream table is far behind its schedule'
		UNION ALL SELECT 7, 'empty_tables', ARRAY(SELECT i.name FROM i WHERE i.freshness = 'empty' ORDER BY 1),
			'WARN', 'never filled', 'every stream table was filled'
		UNION ALL SELECT 8, 'needs_reinit', ARRAY(SELECT i.name FROM i WHERE i.needs_reinit ORDER BY 1),
			'WARN', 'to be recomputed by the next refresh', 'no stream table has to be recomputed'
		UNION ALL SELECT 9, 'buffer_growth', ARRAY(SELECT format('%s for %s: %s', b.source_table, b.stream_table, b.pending_rows)
				FROM b WHERE b.pending_rows > 1000000 ORDER BY b.pending_rows DESC),
			'WARN', 'more than a million changes wait', 'no more than a million changes wait for any stream table'
		UNION ALL SELECT 10, 'event_trigger', ARRAY(SELECT name 'pg_trickle_table_altered'
				WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger e
					WHERE e.evtfoid = 'pgtrickle.table_altered()'::regprocedure AND e.evtenabled = 'A')),
			'WARN', 'not enabled always, so that ALTER TABLE may go unnoticed', 'ALTER TABLE is noticed')
	SELECT c.check_name,
		CASE WHEN cardinality(c.bad) = 0 THEN 'OK' ELSE c.severity END,
		CASE
			WHEN cardinality(c.bad) = 0 THEN c.fine
			ELSE format('%s: %s%s', c.problem, array_to_string(c.bad[1:10], ', '),
				CASE WHEN cardinality(c.bad) > 10 THEN format(' and %s more', cardinality(c.bad) - 10) ELSE '' END)
		END
	  FROM checks c
	 ORDER BY c.n;
END;
COMMENT ON FUNCTION pgtrickle.health_check() IS
	'what may need attention, one row for each check; severity is OK, WARN or ERROR';

CREATE VIEW pgtrickle.quick_health
WITH (security_barrier) AS
SELECT q.total_stream_tables,
	q.error_tables,
	q.stale_tables,
	q.scheduler_running,
	CASE
		WHEN q.total_stream_tables = 0 THEN 'EMPTY'
		WHEN q.suspended_tables > 0 THEN 'CRITICAL'
		WHEN q.error_tables > 0 OR q.stale_tables > 0 OR NOT q.scheduler_running THEN 'WARNING'
		ELSE 'OK'
	END AS status
  FROM (SELECT count(*) AS total_stream_tables,
			count(*) FILTER (WHERE i.consecutive_errors > 0 OR i.freshness = 'failing') AS error_tables,
			count(*) FILTER (WHERE i.freshness = 'stale') AS stale_tables,
			count(*) FILTER (WHERE i.freshness = 'suspended') AS suspended_tables,
			pgtrickle.pgt_scheduler_running() AS scheduler_running
		  FROM pgtrickle.stream_tables_info i) q;
COMMENT ON VIEW pgtrickle.quick_health IS
	'one row: is all well with the stream tables that the caller may see';
COMMENT ON COLUMN pgtrickle.quick_health.total_stream_tables IS 'stream tables';
COMMENT ON COLUMN pgtrickle.quick_health.error_tables IS 'of them, those whose last refresh failed';
COMMENT ON COLUMN pgtrickle.quick_health.stale_tables IS 'of them, those staler than twice the schedule';
COMMENT ON COLUMN pgtrickle.quick_health.scheduler_running IS 'whether a worker serves this database';
COMMENT ON COLUMN pgtrickle.quick_health.status IS 'OK; WARNING: errors, staleness or no scheduler; CRITICAL: something is suspended; EMPTY: there is none';


CREATE FUNCTION pgtrickle.dependency_tree(
	OUT tree_line text,
	OUT node text,
	OUT node_type text,
	OUT depth integer,
	OUT status text,
	OUT refresh_mode text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_dependency_tree';
COMMENT ON FUNCTION pgtrickle.dependency_tree() IS
	'the stream tables that nobody reads, and below each what it reads';

CREATE FUNCTION pgtrickle.dag(format text DEFAULT 'mermaid')
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_dag';
COMMENT ON FUNCTION pgtrickle.dag(text) IS
	'the graph of sources and stream tables; format is dot, mermaid or svg';

CREATE FUNCTION pgtrickle.status_page()
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_status_page';
COMMENT ON FUNCTION pgtrickle.status_page() IS
	'how the stream tables are, as one HTML page that needs nothing else';

CREATE FUNCTION pgtrickle.subscribe(
	name text,
	channel text DEFAULT 'pg_trickle_refresh')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_subscribe';
COMMENT ON FUNCTION pgtrickle.subscribe(text, text) IS
	'have NOTIFY tell on a channel when a stream table has changed, or on pg_trickle_alert what somebody should look at';

CREATE FUNCTION pgtrickle.unsubscribe(
	name text,
	channel text DEFAULT 'pg_trickle_refresh')
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_unsubscribe';
COMMENT ON FUNCTION pgtrickle.unsubscribe(text, text) IS
	'undo subscribe(); false if there was nothing to undo';

CREATE VIEW pgtrickle.subscriptions
WITH (security_barrier) AS
SELECT n.nspname AS pgt_schema,
	c.relname AS pgt_name,
	u.channel,
	u.subscribed_at
  FROM pgtrickle.pgt_subscriptions u
  JOIN pgtrickle.pgt_stream_tables s ON s.pgt_id = u.pgt_id
  JOIN pg_class c ON c.oid = s.pgt_relid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE pgtrickle.pgt_may_see(c.oid);
COMMENT ON VIEW pgtrickle.subscriptions IS
	'on which channels NOTIFY tells of stream tables';
COMMENT ON COLUMN pgtrickle.subscriptions.pgt_schema IS 'schema of the stream table';
COMMENT ON COLUMN pgtrickle.subscriptions.pgt_name IS 'name of the stream table';
COMMENT ON COLUMN pgtrickle.subscriptions.channel IS 'the channel to LISTEN on';
COMMENT ON COLUMN pgtrickle.subscriptions.subscribed_at IS 'since when';

CREATE FUNCTION pgtrickle.list_subscriptions()
RETURNS TABLE (
	stream_table text,
	channel text,
	subscribed_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT format('%I.%I', u.pgt_schema, u.pgt_name), u.channel, u.subscribed_at
	  FROM pgtrickle.subscriptions u
	 ORDER BY 1, 2;
END;
COMMENT ON FUNCTION pgtrickle.list_subscriptions() IS
	'on which channels NOTIFY tells of stream tables';

GRANT SELECT ON
	pgtrickle.subscriptions,
	pgtrickle.refresh_progress,
	pgtrickle.pgt_cdc_status,
	pgtrickle.quick_health
	TO PUBLIC;
GRANT SELECT ON pgtrickle.pgt_subscriptions TO pg_monitor;
