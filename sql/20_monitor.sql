-- What the state of the stream tables is, for people and for monitoring.
--
-- The catalog is readable by pg_monitor.  Everybody else reads the views, which
-- run with the rights of their owner and show the stream tables on which the
-- caller has any privilege.  Error messages may quote data of the sources, so
-- they are for the owner of a stream table and for pg_monitor only.

CREATE FUNCTION pgtrickle.pgt_has_pending(relation regclass)
RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_has_pending';
COMMENT ON FUNCTION pgtrickle.pgt_has_pending(regclass) IS
	'whether the next refresh of a stream table might do anything; NULL if the caller may not know';

CREATE FUNCTION pgtrickle.pgt_stream_table_relid(name text)
RETURNS regclass
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_stream_table_relid';
COMMENT ON FUNCTION pgtrickle.pgt_stream_table_relid(text) IS
	'the relation of a stream table, by name';

CREATE FUNCTION pgtrickle.pgt_schedule_interval(schedule text)
RETURNS interval
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_schedule_interval';
COMMENT ON FUNCTION pgtrickle.pgt_schedule_interval(text) IS
	'the staleness that a schedule allows; NULL if it names times instead';

CREATE FUNCTION pgtrickle.pgt_next_refresh(relation regclass)
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_next_refresh';
COMMENT ON FUNCTION pgtrickle.pgt_next_refresh(regclass) IS
	'what the next refresh of a stream table waits for, or what it will be; NULL if the caller may not know';

CREATE FUNCTION pgtrickle.pgt_counters(
	relation regclass,
	OUT differential bigint,
	OUT "full" bigint,
	OUT reinitialize bigint,
	OUT nothing bigint,
	OUT failed bigint,
	OUT changes bigint,
	OUT rows_inserted bigint,
	OUT rows_updated bigint,
	OUT rows_deleted bigint,
	OUT duration_ms double precision,
	OUT stats_reset timestamptz)
RETURNS record
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_counters';
COMMENT ON FUNCTION pgtrickle.pgt_counters(regclass) IS
	'what shared memory counts of the refreshes of a stream table; NULL without preloading, or if the caller may not know';

CREATE FUNCTION pgtrickle.pgt_scheduler_running()
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pgt_scheduler_running';
COMMENT ON FUNCTION pgtrickle.pgt_scheduler_running() IS
	'whether a worker of the scheduler serves this database';

-- A reason may quote a data error, as an error message does, behind a colon.
CREATE FUNCTION pgtrickle.pgt_reason_without_data(reason text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN strpos(reason, 'data error') > 0 THEN split_part(reason, ':', 1) ELSE reason END;
END;
COMMENT ON FUNCTION pgtrickle.pgt_reason_without_data(text) IS
	'the reason of a refresh without the text of an error of data';

CREATE VIEW pgtrickle.stream_tables_info
WITH (security_barrier) AS
SELECT s.pgt_id,
	s.pgt_relid,
	coalesce(n.nspname, s.pgt_schema) AS pgt_schema,
	coalesce(c.relname, s.pgt_name) AS pgt_name,
	pg_get_userbyid(c.relowner) AS owner,
	pg_get_viewdef(s.definition::oid) AS defining_query,
	coalesce(s.schedule, 'calculated') AS schedule,
	l.effective_schedule,
	s.refresh_mode,
	s.status,
	s.is_populated,
	s.needs_reinit,
	s.reinit_reason,
	s.data_timestamp,
	l.staleness,
	s.last_refresh_at,
	s.last_refresh_action,
	CASE
		WHEN pg_has_role(c.relowner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
			THEN s.last_refresh_reason
		ELSE pgtrickle.pgt_reason_without_data(s.last_refresh_reason)
	END AS last_refresh_reason,
	s.consecutive_errors,
	CASE
		WHEN pg_has_role(c.relowner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
			THEN s.last_error_message
	END AS last_error_message,
	(SELECT array_agg(d.source ORDER BY d.source::oid)
	   FROM pgtrickle.pgt_dependencies d
	  WHERE d.pgt_id = s.pgt_id) AS sources,
	s.created_at,
	l.target_staleness,
	CASE
		WHEN s.status = 'SUSPENDED' THEN 'suspended'
		WHEN s.status = 'ERROR' THEN 'failing'
		WHEN NOT s.is_populated THEN 'empty'
		WHEN l.staleness <= greatest(coalesce(l.target_staleness, '0'), '1 s'::interval) THEN 'fresh'
		WHEN l.staleness <= coalesce(l.target_staleness, '0') + greatest(coalesce(l.target_staleness, '0'), '5 s'::interval) THEN 'late'
		ELSE 'stale'
	END AS freshness,
	pgtrickle.pgt_next_refresh(s.pgt_relid) AS next_refresh,
	CASE
		WHEN s.status <> 'ACTIVE' OR l.staleness <= '0' OR NOT pgtrickle.pgt_scheduler_running() THEN NULL
		ELSE greatest(pgtrickle.schedule_next(l.effective_schedule, coalesce(s.data_timestamp, s.created_at)), clock_timestamp())
	END AS next_refresh_at
	, s.st_placement -- since 0.32.0
  FROM pgtrickle.pgt_stream_tables s
  LEFT JOIN pg_class c ON c.oid = s.pgt_relid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
	SELECT CASE
			WHEN NOT s.is_populated THEN NULL
			WHEN pgtrickle.pgt_has_pending(s.pgt_relid)
				THEN greatest(clock_timestamp() - s.data_timestamp, '0'::interval)
			ELSE '0'::interval
		END AS staleness,
		e.effective_schedule,
		pgtrickle.pgt_schedule_interval(e.effective_schedule) AS target_staleness
	  FROM (SELECT pgtrickle.schedule_in_force(s.pgt_relid) AS effective_schedule OFFSET 0) e) l ON true
 WHERE pgtrickle.pgt_may_see(c.oid);
COMMENT ON VIEW pgtrickle.stream_tables_info IS
	'stream tables: definition and state';
COMMENT ON COLUMN pgtrickle.stream_tables_info.pgt_id IS 'number of the stream table in the catalog of pg_trickle';
COMMENT ON COLUMN pgtrickle.stream_tables_info.pgt_relid IS 'the stream table';
COMMENT ON COLUMN pgtrickle.stream_tables_info.pgt_schema IS 'schema of the stream table';
COMMENT ON COLUMN pgtrickle.stream_tables_info.pgt_name IS 'name of the stream table';
COMMENT ON COLUMN pgtrickle.stream_tables_info.owner IS 'role as which it is refreshed';
COMMENT ON COLUMN pgtrickle.stream_tables_info.defining_query IS 'the query it is kept equal to; NULL if dropped together with a source';
COMMENT ON COLUMN pgtrickle.stream_tables_info.schedule IS 'greatest staleness wanted, as given';
COMMENT ON COLUMN pgtrickle.stream_tables_info.effective_schedule IS 'the schedule in force: as given, or what calculated comes to';
COMMENT ON COLUMN pgtrickle.stream_tables_info.refresh_mode IS 'AUTO, FULL or DIFFERENTIAL';
COMMENT ON COLUMN pgtrickle.stream_tables_info.status IS 'ACTIVE; ERROR: failed, will be retried; SUSPENDED: until resume_stream_table()';
COMMENT ON COLUMN pgtrickle.stream_tables_info.is_populated IS 'whether it was ever filled';
COMMENT ON COLUMN pgtrickle.stream_tables_info.needs_reinit IS 'whether the next refresh has to recompute it';
COMMENT ON COLUMN pgtrickle.stream_tables_info.reinit_reason IS 'why the next refresh has to recompute it';
COMMENT ON COLUMN pgtrickle.stream_tables_info.data_timestamp IS 'time of the snapshot that its rows show';
COMMENT ON COLUMN pgtrickle.stream_tables_info.staleness IS 'zero if no change waits and the query does not use the time, else age of data_timestamp; NULL if never filled';
COMMENT ON COLUMN pgtrickle.stream_tables_info.last_refresh_at IS 'end of the last refresh that did something';
COMMENT ON COLUMN pgtrickle.stream_tables_info.last_refresh_action IS 'what that refresh did: DIFFERENTIAL, FULL or REINITIALIZE';
COMMENT ON COLUMN pgtrickle.stream_tables_info.last_refresh_reason IS 'why it did not run differentially; data that it quotes is for the owner and pg_monitor';
COMMENT ON COLUMN pgtrickle.stream_tables_info.consecutive_errors IS 'failed refreshes since the last one that worked';
COMMENT ON COLUMN pgtrickle.stream_tables_info.last_error_message IS 'the last of these errors; for the owner and pg_monitor';
COMMENT ON COLUMN pgtrickle.stream_tables_info.sources IS 'tables it reads';
COMMENT ON COLUMN pgtrickle.stream_tables_info.st_placement IS 'where its rows are: local, reference or distributed'; -- since 0.32.0
COMMENT ON COLUMN pgtrickle.stream_tables_info.created_at IS 'when it was created';
COMMENT ON COLUMN pgtrickle.stream_tables_info.target_staleness IS 'the staleness that the schedule allows';
COMMENT ON COLUMN pgtrickle.stream_tables_info.freshness IS 'fresh: within the target, or a second; late: up to twice the target, or 5 seconds beyond it; stale: more; empty, failing or suspended';
COMMENT ON COLUMN pgtrickle.stream_tables_info.next_refresh IS 'what the next refresh waits for, or what it will be';
COMMENT ON COLUMN pgtrickle.stream_tables_info.next_refresh_at IS 'when the schedule wants it; NULL if that depends on something else';

CREATE VIEW pgtrickle.pg_stat_stream_tables
WITH (security_barrier) AS
SELECT s.pgt_id,
	s.pgt_relid,
	coalesce(n.nspname, s.pgt_schema) AS pgt_schema,
	coalesce(c.relname, s.pgt_name) AS pgt_name,
	s.status,
	s.refresh_mode,
	s.is_populated,
	coalesce(k.differential + k."full" + k.reinitialize + k.failed, s.total_refreshes + s.failed_refreshes) AS total_refreshes,
	coalesce(k.differential + k."full" + k.reinitialize, s.total_refreshes) AS successful_refreshes,
	coalesce(k.failed, s.failed_refreshes) AS failed_refreshes,
	coalesce(k."full" + k.reinitialize, s.full_refreshes) AS full_refreshes,
	coalesce(k.rows_inserted, s.total_rows_inserted) AS total_rows_inserted,
	coalesce(k.rows_updated, s.total_rows_updated) AS total_rows_updated,
	coalesce(k.rows_deleted, s.total_rows_deleted) AS total_rows_deleted,
	coalesce(k.duration_ms, s.total_duration_ms) AS total_duration_ms,
	coalesce(k.duration_ms / nullif(k.differential + k."full" + k.reinitialize, 0),
		CASE WHEN k.duration_ms IS NULL THEN s.total_duration_ms / nullif(s.total_refreshes, 0) END) AS avg_duration_ms,
	s.last_refresh_at,
	s.last_refresh_action,
	s.data_timestamp,
	s.consecutive_errors,
	k.reinitialize AS reinitializations,
	k.nothing AS empty_refreshes,
	k.changes AS total_changes_consumed,
	CASE WHEN k.differential IS NULL THEN s.created_at ELSE greatest(k.stats_reset, s.created_at) END AS stats_reset
  FROM pgtrickle.pgt_stream_tables s
  LEFT JOIN pg_class c ON c.oid = s.pgt_relid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL pgtrickle.pgt_counters(s.pgt_relid) k ON true
 WHERE pgtrickle.pgt_may_see(c.oid);
COMMENT ON VIEW pgtrickle.pg_stat_stream_tables IS
	'stream tables: counters of refreshes since stats_reset, which only ever grow';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.pgt_id IS 'number of the stream table in the catalog of pg_trickle';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.pgt_relid IS 'the stream table';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.pgt_schema IS 'schema of the stream table';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.pgt_name IS 'name of the stream table';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.status IS 'ACTIVE, ERROR or SUSPENDED';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.refresh_mode IS 'AUTO, FULL or DIFFERENTIAL';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.is_populated IS 'whether it was ever filled';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_refreshes IS 'refreshes that did something, or failed';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.successful_refreshes IS 'refreshes that did something';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.failed_refreshes IS 'refreshes of the scheduler that failed';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.full_refreshes IS 'successful ones that recomputed the whole query';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_rows_inserted IS 'rows that refreshes inserted';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_rows_updated IS 'rows that refreshes updated';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_rows_deleted IS 'rows that refreshes deleted';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_duration_ms IS 'time spent in successful refreshes';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.avg_duration_ms IS 'the same, per refresh';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.last_refresh_at IS 'end of the last successful refresh';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.last_refresh_action IS 'what it did: DIFFERENTIAL, FULL or REINITIALIZE';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.data_timestamp IS 'time of the snapshot that its rows show';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.consecutive_errors IS 'failed refreshes since the last one that worked';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.reinitializations IS 'of full_refreshes, those for which the contents had been lost track of; NULL without preloading';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.empty_refreshes IS 'refreshes that found nothing to do, not counted in total_refreshes; NULL without preloading';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.total_changes_consumed IS 'captured changes that refreshes read; NULL without preloading';
COMMENT ON COLUMN pgtrickle.pg_stat_stream_tables.stats_reset IS 'since when these are counted: the start of the server, reset_stats() or the creation; without preloading the creation';

CREATE VIEW pgtrickle.refresh_history
WITH (security_barrier) AS
SELECT h.refresh_id,
	s.pgt_relid,
	coalesce(n.nspname, s.pgt_schema) AS pgt_schema,
	coalesce(c.relname, s.pgt_name) AS pgt_name,
	h.data_timestamp,
	h.start_time,
	h.end_time,
	h.action,
	CASE
		WHEN pg_has_role(c.relowner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
			THEN h.reason
		ELSE pgtrickle.pgt_reason_without_data(h.reason)
	END AS reason,
	h.status,
	h.changes_consumed,
	h.rows_inserted,
	h.rows_updated,
	h.rows_deleted,
	extract(epoch FROM h.end_time - h.start_time)::double precision * 1000 AS duration_ms,
	CASE
		WHEN pg_has_role(c.relowner, 'USAGE') OR pg_has_role('pg_monitor', 'USAGE')
			THEN h.error_message
	END AS error_message,
	h.error_sqlstate
  FROM pgtrickle.pgt_refresh_history h
  JOIN pgtrickle.pgt_stream_tables s ON s.pgt_id = h.pgt_id
  LEFT JOIN pg_class c ON c.oid = s.pgt_relid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE pgtrickle.pgt_may_see(c.oid);
COMMENT ON VIEW pgtrickle.refresh_history IS
	'refreshes that did something, or failed, within pg_trickle.history_retention';
COMMENT ON COLUMN pgtrickle.refresh_history.refresh_id IS 'number of the refresh';
COMMENT ON COLUMN pgtrickle.refresh_history.pgt_relid IS 'the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.pgt_schema IS 'schema of the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.pgt_name IS 'name of the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.data_timestamp IS 'time of the snapshot that it showed afterwards';
COMMENT ON COLUMN pgtrickle.refresh_history.start_time IS 'when the refresh began';
COMMENT ON COLUMN pgtrickle.refresh_history.end_time IS 'when the refresh ended, before its commit';
COMMENT ON COLUMN pgtrickle.refresh_history.action IS 'DIFFERENTIAL, FULL or REINITIALIZE';
COMMENT ON COLUMN pgtrickle.refresh_history.reason IS 'why it did not run differentially; data that it quotes is for the owner and pg_monitor';
COMMENT ON COLUMN pgtrickle.refresh_history.status IS 'COMPLETED or FAILED';
COMMENT ON COLUMN pgtrickle.refresh_history.changes_consumed IS 'captured changes that it read';
COMMENT ON COLUMN pgtrickle.refresh_history.rows_inserted IS 'rows it inserted into the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.rows_updated IS 'rows it updated in the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.rows_deleted IS 'rows it deleted from the stream table';
COMMENT ON COLUMN pgtrickle.refresh_history.duration_ms IS 'from start_time to end_time';
COMMENT ON COLUMN pgtrickle.refresh_history.error_message IS 'why it failed; for the owner and pg_monitor';
COMMENT ON COLUMN pgtrickle.refresh_history.error_sqlstate IS 'code of that error';

-- The bodies below are stored parsed, so no search_path can change what they
-- call.

CREATE FUNCTION pgtrickle.pgt_status()
RETURNS TABLE (
	name text,
	status text,
	refresh_mode text,
	is_populated boolean,
	consecutive_errors integer,
	schedule text,
	data_timestamp timestamptz,
	staleness interval,
	scc_id integer,
	freshness text,
	last_refresh_at timestamptz,
	last_action text,
	last_reason text,
	next_refresh text,
	next_refresh_at timestamptz,
	last_error text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	SELECT format('%I.%I', i.pgt_schema, i.pgt_name),
		i.status,
		i.refresh_mode,
		i.is_populated,
		i.consecutive_errors,
		i.schedule,
		i.data_timestamp,
		i.staleness,
		NULL::integer,
		i.freshness,
		i.last_refresh_at,
		i.last_refresh_action,
		i.last_refresh_reason,
		i.next_refresh,
		i.next_refresh_at,
		i.last_error_message
	  FROM pgtrickle.stream_tables_info i
	 ORDER BY i.pgt_schema, i.pgt_name;
END;
COMMENT ON FUNCTION pgtrickle.pgt_status() IS
	'state of each stream table, one row each: how stale, as of when, what ran last and why, what comes next, the last error; scc_id is for circular dependencies, of which there are none';

-- LIMIT is evaluated before any row is read, so that a name which is wrong is
-- refused even where there is no history at all.
CREATE FUNCTION pgtrickle.get_refresh_history(
	name text,
	max_rows integer DEFAULT 20)
RETURNS TABLE (
	refresh_id bigint,
	data_timestamp timestamptz,
	start_time timestamptz,
	end_time timestamptz,
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
	SELECT h.refresh_id,
		h.data_timestamp,
		h.start_time,
		h.end_time,
		h.action,
		h.status,
		h.rows_inserted,
		h.rows_deleted,
		h.duration_ms,
		h.error_message,
		h.rows_updated,
		h.reason
	  FROM pgtrickle.refresh_history h
	 WHERE h.pgt_relid = (SELECT pgtrickle.pgt_stream_table_relid(name))
	 ORDER BY h.refresh_id DESC
	 LIMIT CASE WHEN pgtrickle.pgt_stream_table_relid(name) IS NULL THEN 0 ELSE max_rows END;
END;
COMMENT ON FUNCTION pgtrickle.get_refresh_history(text, integer) IS
	'the latest refreshes of a stream table, newest first';

GRANT SELECT ON
	pgtrickle.stream_tables_info,
	pgtrickle.pg_stat_stream_tables,
	pgtrickle.refresh_history
	TO PUBLIC;
GRANT SELECT ON
	pgtrickle.pgt_stream_tables,
	pgtrickle.pgt_dependencies,
	pgtrickle.pgt_change_tracking,
	pgtrickle.pgt_refresh_history
	TO pg_monitor;
