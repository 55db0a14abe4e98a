
-- A source that is captured by statement triggers is changed past them when it is
-- given a parent.  ALTER TABLE does that, in any session; no trigger of the table
-- fires for it.
CREATE EVENT TRIGGER pg_trickle_cdc_inheritance ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE')
	EXECUTE FUNCTION pgtrickle.cdc_inheritance();
ALTER EVENT TRIGGER pg_trickle_cdc_inheritance ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pg_trickle_cdc_inheritance IS
	'notices that a source becomes a child or partition of another table';
