
-- A source that is captured by statement triggers is changed past them when it is
-- given a parent, and an unlogged one is emptied by a crash.  ALTER TABLE does the
-- one and hides the other, in any session, and fires no trigger of the table.
CREATE EVENT TRIGGER pg_trickle_table_altered ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE')
	EXECUTE FUNCTION pgtrickle.table_altered();
ALTER EVENT TRIGGER pg_trickle_table_altered ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER pg_trickle_table_altered IS
	'notices that a source is given a parent, or that a table is made logged';
