-- When refreshes happen, and what keeps them from happening.
--
-- PUBLIC may execute these functions: each checks in C what its caller may do.

CREATE FUNCTION pgtrickle.schedule_next(
	schedule text,
	shown timestamptz DEFAULT now())
RETURNS timestamptz
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_schedule_next';
COMMENT ON FUNCTION pgtrickle.schedule_next(text, timestamptz) IS
	'when a stream table that shows this time is to be refreshed by the schedule, a duration or a cron expression in UTC';

CREATE FUNCTION pgtrickle.schedule_in_force(relation regclass)
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_schedule_in_force';
COMMENT ON FUNCTION pgtrickle.schedule_in_force(regclass) IS
	'schedule of a stream table, or what it comes to if it is calculated: the tightest of those that read it, or pg_trickle.default_schedule; NULL if the caller may not know';

CREATE FUNCTION pgtrickle.gate_source(source text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_gate_source';
COMMENT ON FUNCTION pgtrickle.gate_source(text) IS
	'keep the scheduler from refreshing the stream tables that read a table, until ungate_source(); changes are captured all the same';

CREATE FUNCTION pgtrickle.ungate_source(source text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_ungate_source';
COMMENT ON FUNCTION pgtrickle.ungate_source(text) IS
	'take back gate_source()';

CREATE FUNCTION pgtrickle.pause_all()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_pause_all';
COMMENT ON FUNCTION pgtrickle.pause_all() IS
	'keep the scheduler from refreshing any stream table of this database, until resume_all(); changes are captured all the same';

CREATE FUNCTION pgtrickle.resume_all()
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_resume_all';
COMMENT ON FUNCTION pgtrickle.resume_all() IS
	'take back pause_all()';

CREATE FUNCTION pgtrickle.reset_fuse(
	name text,
	action text DEFAULT 'apply')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_reset_fuse';
COMMENT ON FUNCTION pgtrickle.reset_fuse(text, text) IS
	'refresh a stream table whose fuse has blown, by the changes that wait (apply) or by computing it anew (reinitialize), and let the scheduler go on';

CREATE FUNCTION pgtrickle.hold_reason(relation regclass)
RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_hold_reason';
COMMENT ON FUNCTION pgtrickle.hold_reason(regclass) IS
	'why the scheduler does not refresh a stream table; NULL if it does, or if the caller may not know';

CREATE VIEW pgtrickle.source_gates
WITH (security_barrier) AS
SELECT CASE WHEN g.source <> 0::regclass THEN g.source END AS source,
	g.gated_at,
	g.gated_by,
	(SELECT array_agg(s.pgt_relid ORDER BY s.pgt_relid::oid)
	   FROM pgtrickle.pgt_stream_tables s
	  WHERE g.source = 0::regclass
		 OR EXISTS (SELECT FROM pgtrickle.pgt_dependencies d
					 WHERE d.pgt_id = s.pgt_id AND d.source = g.source)) AS held
  FROM pgtrickle.pgt_gates g
 WHERE g.source = 0::regclass
	OR pgtrickle.pgt_may_see(g.source);
COMMENT ON VIEW pgtrickle.source_gates IS
	'sources that are gated';
COMMENT ON COLUMN pgtrickle.source_gates.source IS 'the source; NULL: all stream tables are paused';
COMMENT ON COLUMN pgtrickle.source_gates.gated_at IS 'since when';
COMMENT ON COLUMN pgtrickle.source_gates.gated_by IS 'by which role';
COMMENT ON COLUMN pgtrickle.source_gates.held IS 'the stream tables that wait for it, not counting others of their consistency groups';
GRANT SELECT ON pgtrickle.source_gates TO PUBLIC;
GRANT SELECT ON pgtrickle.pgt_gates TO pg_monitor;
