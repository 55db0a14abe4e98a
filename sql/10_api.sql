-- Functions that users call, and those that our triggers call.
--
-- PUBLIC may execute all of them: each checks in C what its caller may do.
-- Creating needs what CREATE TABLE and CREATE TRIGGER would need, everything
-- else the ownership of the stream table.  The trigger functions do nothing
-- when they are not called by a trigger of ours, and a restored dump must be
-- able to attach them as the owner of the table.

CREATE FUNCTION pgtrickle.create_stream_table(
	name text,
	query text,
	schedule text DEFAULT 'calculated',
	refresh_mode text DEFAULT 'AUTO',
	initialize boolean DEFAULT true)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_create_stream_table';
COMMENT ON FUNCTION pgtrickle.create_stream_table(text, text, text, text, boolean) IS
	'create a table that is kept equal to a query';

CREATE FUNCTION pgtrickle.create_stream_table_if_not_exists(
	name text,
	query text,
	schedule text DEFAULT 'calculated',
	refresh_mode text DEFAULT 'AUTO',
	initialize boolean DEFAULT true)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_create_stream_table_if_not_exists';
COMMENT ON FUNCTION pgtrickle.create_stream_table_if_not_exists(text, text, text, text, boolean) IS
	'create a stream table unless there is one of that name';

CREATE FUNCTION pgtrickle.create_or_replace_stream_table(
	name text,
	query text,
	schedule text DEFAULT 'calculated',
	refresh_mode text DEFAULT 'AUTO',
	initialize boolean DEFAULT true)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_create_or_replace_stream_table';
COMMENT ON FUNCTION pgtrickle.create_or_replace_stream_table(text, text, text, text, boolean) IS
	'create a stream table, or change the one of that name to be as given; does nothing if it already is';

CREATE FUNCTION pgtrickle.alter_stream_table(
	name text,
	query text DEFAULT NULL,
	schedule text DEFAULT NULL,
	refresh_mode text DEFAULT NULL,
	status text DEFAULT NULL,
	fuse_ceiling bigint DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_alter_stream_table';
COMMENT ON FUNCTION pgtrickle.alter_stream_table(text, text, text, text, text, bigint) IS
	'change the query, schedule, refresh mode, status or fuse of a stream table; NULL keeps what is, a negative fuse_ceiling takes the fuse away';

CREATE FUNCTION pgtrickle.drop_stream_table(
	name text,
	cascade boolean DEFAULT false)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_drop_stream_table';
COMMENT ON FUNCTION pgtrickle.drop_stream_table(text, boolean) IS
	'drop a stream table; with cascade, what depends on it too';

CREATE FUNCTION pgtrickle.refresh_stream_table(name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_refresh_stream_table';
COMMENT ON FUNCTION pgtrickle.refresh_stream_table(text) IS
	'bring a stream table up to date now, in this transaction';

CREATE FUNCTION pgtrickle.resume_stream_table(name text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_resume_stream_table';
COMMENT ON FUNCTION pgtrickle.resume_stream_table(text) IS
	'let the scheduler refresh a suspended stream table again, and forget its errors';

CREATE FUNCTION pgtrickle.verify_stream_table(
	name text,
	OUT missing bigint,
	OUT surplus bigint)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_verify_stream_table';
COMMENT ON FUNCTION pgtrickle.verify_stream_table(text) IS
	'compare a stream table with its query at one snapshot, after refreshing it if changes wait: rows that are missing from it, and rows too many';

CREATE FUNCTION pgtrickle.explain_stream_table(
	name text,
	format text DEFAULT 'text')
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_explain_stream_table';
COMMENT ON FUNCTION pgtrickle.explain_stream_table(text, text) IS
	'how a stream table is maintained and why so; format is text, json, dot or mermaid';

CREATE FUNCTION pgtrickle.explain_delta(
	name text,
	OUT stage integer,
	OUT step text,
	OUT sql text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_explain_delta';
COMMENT ON FUNCTION pgtrickle.explain_delta(text) IS
	'the statements of a refresh for which every source of a stream table has changed';

CREATE FUNCTION pgtrickle.validate_query(
	query text,
	OUT item text,
	OUT stage integer,
	OUT construct text,
	OUT rule text,
	OUT key text,
	OUT reads text,
	OUT note text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_validate_query';
COMMENT ON FUNCTION pgtrickle.validate_query(text) IS
	'how a stream table of that query would be maintained, without creating anything: a verdict, then a row for each construct, for the identity of rows, each source, and each piece of advice';

CREATE FUNCTION pgtrickle.parse_duration_seconds(input text)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_parse_duration_seconds';
COMMENT ON FUNCTION pgtrickle.parse_duration_seconds(text) IS
	'whole seconds of a schedule such as 1h30m';

CREATE FUNCTION pgtrickle.version()
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_version';
COMMENT ON FUNCTION pgtrickle.version() IS
	'version of pg_trickle that is installed in this database';

CREATE FUNCTION pgtrickle.table_altered()
RETURNS event_trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_table_altered';
COMMENT ON FUNCTION pgtrickle.table_altered() IS
	'event trigger: notice that a source is given a parent, or that a table is made logged';

CREATE FUNCTION pgtrickle.pgt_may_see(relation regclass)
RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_may_see';
COMMENT ON FUNCTION pgtrickle.pgt_may_see(regclass) IS
	'whether the caller may know of a stream table, or of a source: he has any privilege on it, or is in pg_monitor, who also knows of what is gone';

CREATE FUNCTION pgtrickle.guard()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_guard';
COMMENT ON FUNCTION pgtrickle.guard() IS
	'trigger: refuse changes of a stream table by hand';

CREATE FUNCTION pgtrickle.scale_unit(value numeric)
RETURNS numeric
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_scale_unit';
COMMENT ON FUNCTION pgtrickle.scale_unit(numeric) IS
	'a power of 10^12 that counts the decimal places of a number; used by the maintenance of sums';

CREATE FUNCTION pgtrickle.named_row("row" record, names text[])
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_named_row';
COMMENT ON FUNCTION pgtrickle.named_row(record, text[]) IS
	'the row, whose columns have these names; used where a query takes a row of a subquery as a value';

CREATE FUNCTION pgtrickle.typed_row("row" anyelement)
RETURNS anyelement
LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_typed_row';
COMMENT ON FUNCTION pgtrickle.typed_row(anyelement) IS
	'the row as it is; used where a query takes a row of a table as a value';
