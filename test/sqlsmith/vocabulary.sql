-- The database that sqlsmith takes its vocabulary from.  It takes polymorphic
-- types for types of values, and then hardly any query is one; here nothing has
-- such arguments any more, but what sqlsmith itself calls.  Functions that are not
-- immutable go, too: what calls one is recomputed, and nothing is learned.
DELETE FROM pg_operator o USING pg_type t
 WHERE t.oid IN (o.oprleft, o.oprright, o.oprresult) AND t.typtype = 'p';
DELETE FROM pg_proc p
 WHERE p.proname !~ '^(format|unnest|version|current_database|pg_(my|is_other)_temp_schema|pg_relation_is_updatable|pg_has_role|has_(table|any_column)_privilege|regtypeout)$'
	AND p.prokind IN ('f', 'a', 'w')
	AND ((p.provolatile <> 'i' AND p.prokind = 'f')
		OR EXISTS (SELECT FROM pg_type t
					WHERE t.oid IN (SELECT p.prorettype UNION ALL SELECT unnest(p.proargtypes))
						AND t.typtype = 'p' AND p.oid NOT IN (SELECT amhandler FROM pg_am)
						AND p.oid NOT IN (SELECT unnest(ARRAY[typinput, typoutput]) FROM pg_type)));
