-- Everything of ours that can be called or read, and by whom besides its owner.
\set VERBOSITY terse

-- functions: none runs with other rights than its caller's, and none leaves the
-- path to him; those written in SQL are stored parsed
SELECT p.proname AS function, pg_get_function_identity_arguments(p.oid) AS arguments,
	CASE WHEN p.proacl IS NULL THEN 'PUBLIC' ELSE
		(SELECT string_agg(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ' ORDER BY 1)
		   FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner) END AS may_execute
  FROM pg_proc p
 WHERE p.pronamespace IN ('pgtrickle'::regnamespace, 'pgtrickle_defs'::regnamespace, 'pgtrickle_changes'::regnamespace)
 ORDER BY 1, 2;
SELECT count(*) FILTER (WHERE prosecdef) AS security_definer,
	count(*) FILTER (WHERE l.lanname = 'sql' AND prosqlbody IS NULL) AS parsed_when_called,
	count(*) FILTER (WHERE l.lanname NOT IN ('c', 'sql')) AS other_languages,
	count(*) FILTER (WHERE proleakproof) AS leakproof
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'pgtrickle'::regnamespace;

-- relations and schemas
SELECT c.oid::regclass AS relation,
	(SELECT string_agg(lower(a.privilege_type) || ' to ' || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', '
					   ORDER BY a.privilege_type, a.grantee)
	   FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) AS granted
  FROM pg_class c
 WHERE c.relnamespace = 'pgtrickle'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f')
 ORDER BY c.relname;
SELECT n.nspname AS schema,
	(SELECT string_agg(lower(a.privilege_type) || ' to ' || CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', '
					   ORDER BY a.privilege_type, a.grantee)
	   FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) AS granted
  FROM pg_namespace n WHERE n.nspname LIKE 'pgtrickle%' ORDER BY 1;
-- views that check rights themselves hide rows before anything else sees them
SELECT count(*) FILTER (WHERE reloptions @> '{security_barrier=true}' OR reloptions @> '{security_invoker=true}') = count(*) AS barriers
  FROM pg_class WHERE relnamespace = 'pgtrickle'::regnamespace AND relkind = 'v';
-- nothing is anybody's but the extension owner's
SELECT count(*) AS foreign_owned FROM (
	SELECT relowner AS owner FROM pg_class WHERE relnamespace IN ('pgtrickle'::regnamespace, 'pgtrickle_changes'::regnamespace)
	UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'pgtrickle'::regnamespace
	UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname LIKE 'pgtrickle%') o
 WHERE owner <> (SELECT extowner FROM pg_extension WHERE extname = 'pg_trickle');
