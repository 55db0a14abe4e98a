-- Nobody writes a source or refreshes from here on: writers that are open are
-- waited for, and find the new names when they come again.

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE FUNCTION pgtrickle.pgt_lock_sources()
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'pgt_lock_sources';

CREATE FUNCTION pgtrickle.pgt_rename_source(source oid, stable_name text)
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'pgt_rename_source';

SELECT pgtrickle.pgt_lock_sources();

