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
