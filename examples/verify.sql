-- The end of each example: every stream table equals its query, or this fails.
SELECT name, missing, surplus
FROM pgtrickle.pgt_status(), pgtrickle.verify_stream_table(name)
ORDER BY name;

DO $$
BEGIN
	IF EXISTS (SELECT FROM pgtrickle.pgt_status(), pgtrickle.verify_stream_table(name)
			   WHERE (missing, surplus) <> (0, 0)) THEN
		RAISE 'a stream table does not equal its query';
	END IF;
END $$;
\echo 'every stream table equals its query'
