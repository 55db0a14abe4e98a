-- What layout 0.32.0 has and 0.31.0 has not: sources have stable names, and
-- one function captures the changes of all of them.

ALTER TABLE pgtrickle.pgt_stream_tables
	ADD COLUMN st_placement text NOT NULL DEFAULT 'local'
		CHECK (st_placement IN ('local', 'reference', 'distributed'));

ALTER TABLE pgtrickle.pgt_dependencies
	ADD COLUMN source_stable_name text,
	ADD COLUMN source_placement text NOT NULL DEFAULT 'local'
		CHECK (source_placement IN ('local', 'reference', 'distributed'));

ALTER TABLE pgtrickle.pgt_change_tracking
	ADD COLUMN source_stable_name text,
	ADD COLUMN source_placement text NOT NULL DEFAULT 'local'
		CHECK (source_placement IN ('local', 'reference', 'distributed')),
	ADD COLUMN frontier_per_node jsonb;
CREATE UNIQUE INDEX pgt_change_tracking_stable_name
	ON pgtrickle.pgt_change_tracking (source_stable_name);
COMMENT ON COLUMN pgtrickle.pgt_change_tracking.source_stable_name IS
	'what all that belongs to the source is named by; NULL: it is named by the oid';

CREATE FUNCTION pgtrickle.stable_hash(input text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pgt_stable_hash';
COMMENT ON FUNCTION pgtrickle.stable_hash(text) IS
	'FNV-1a-64 of a text, as 16 hexadecimal digits';

CREATE FUNCTION pgtrickle.cdc_capture()
RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pgt_cdc_capture';
COMMENT ON FUNCTION pgtrickle.cdc_capture() IS
	'trigger: write the changes of a source to its change buffer';
