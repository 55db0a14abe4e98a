# Dump and restore, and copies of a database: definitions, contents and capture
# come along; transaction ids mean nothing there, so the first refresh computes
# each stream table anew, and says so.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', conf => "pg_trickle.enabled = off\n");
$node->start;

my @tables = (
	[ 'st_agg', 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	[ 's.st_join', 'id, name', 'SELECT t.id, u.name FROM t JOIN u ON u.k = t.k' ],
	[ '"St odd"', 'k', 'SELECT k FROM p' ],
	[ 'st_full', 'k, r', 'SELECT k, rank() OVER (ORDER BY k) AS r FROM u' ],
	[ 'st_empty', 'id', 'SELECT id FROM t WHERE v < 0' ],
	[ 'st_kept', 'k, n, id', 'SELECT x.k, x.n, t.id FROM (SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY n, k LIMIT 2) x JOIN t USING (k)' ]);

$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE reader;
	CREATE EXTENSION pg_trickle;
	CREATE SCHEMA s;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	CREATE TABLE u (k int, name text);
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2, 3);
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i;
	INSERT INTO u VALUES (0, 'a'), (1, 'b'), (1, 'b'), (2, NULL);
	INSERT INTO p SELECT i % 3 + 1, i FROM generate_series(1, 9) i;
	GRANT CREATE ON SCHEMA public TO owner;
	GRANT SELECT, TRIGGER ON t TO owner;
});
foreach my $st (@tables)
{
	my $role = $st->[0] eq 'st_empty' ? 'SET ROLE owner;' : '';
	$node->safe_psql('postgres',
		"$role SELECT pgtrickle.create_stream_table('$st->[0]', '$st->[2]', '1h')");
}
$node->safe_psql('postgres', q{
	SELECT pgtrickle.alter_stream_table('st_agg', status => 'SUSPENDED');
	SELECT pgtrickle.subscribe('"St odd"', 'somebody'), pgtrickle.subscribe('st_agg', 'pg_trickle_alert');
	SELECT pgtrickle.alter_stream_table('s.st_join', schedule => '5m', refresh_mode => 'DIFFERENTIAL');
	GRANT SELECT ON st_agg TO reader, owner WITH GRANT OPTION;
	GRANT SELECT (id), REFERENCES ON s.st_join TO reader;
	CREATE INDEX by_sum ON st_agg (s DESC, abs(n)) WHERE k > 0;
	COMMENT ON TABLE s.st_join IS 'it''s ours';
	COMMENT ON COLUMN st_agg.n IS 'how many';
	ALTER TABLE st_full SET (autovacuum_enabled = off);
	ALTER TABLE st_full ALTER r SET STATISTICS 5;
	CREATE POLICY mine ON st_empty TO reader USING (id > 0);
	ALTER TABLE st_empty ENABLE ROW LEVEL SECURITY;
	CREATE VIEW over AS SELECT k, n FROM st_agg;
	-- consumed by some, pending for others, and gone from others' view
	INSERT INTO t SELECT i, i % 5, i FROM generate_series(41, 60) i;
	SELECT pgtrickle.refresh_stream_table('s.st_join');
	DELETE FROM t WHERE k = 1;
	UPDATE p SET k = 3 WHERE k = 1;
});

my $definitions = "SELECT pgt_schema, pgt_name, definition, pg_get_viewdef(definition), schedule, refresh_mode, status, is_populated"
  . " FROM pgtrickle.pgt_stream_tables ORDER BY pgt_schema, pgt_name";
my $triggers = "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname";
my $owners = "SELECT relnamespace::regnamespace, relname, relowner::regrole FROM pg_class"
  . " WHERE relkind IN ('r', 'v', 'p') AND relnamespace::regnamespace::text !~ '^pg_|information_schema' ORDER BY 1, 2";
# What hangs on stream tables, definitions and auxiliary tables, and what they hold.
my $things = q{
	SELECT c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type, a.is_grantable
	  FROM pg_class c, LATERAL aclexplode(c.relacl) a WHERE c.relname ~ '^(st_|St|def_|aux_)' ORDER BY 1, 2, 3;
	SELECT attrelid::regclass::text, attname, attacl, attstattarget FROM pg_attribute
	 WHERE attrelid::regclass::text ~ 'st_' AND (attacl IS NOT NULL OR attstattarget > 0) ORDER BY 1, 2;
	SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
	 WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname ~ '^(st_|St|aux_)') ORDER BY 1, 2;
	SELECT objoid::regclass::text, objsubid, description FROM pg_description
	 WHERE classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM pg_class WHERE relname ~ '^(st_|St|aux_)') ORDER BY 1, 2;
	SELECT oid::regclass::text, reloptions, relrowsecurity FROM pg_class WHERE relname ~ '^(st_|St)' ORDER BY 1;
	SELECT polrelid::regclass::text, polname, pg_get_expr(polqual, polrelid) FROM pg_policy ORDER BY 1, 2;
	SELECT source_stable_name, source, capture_mode FROM pgtrickle.pgt_change_tracking ORDER BY 1;
	SELECT pgt_id, source::text, source_type, captured, columns_used, source_stable_name FROM pgtrickle.pgt_dependencies ORDER BY 1, 2;
	SELECT * FROM st_agg ORDER BY 1; SELECT id, name FROM s.st_join ORDER BY 1, 2; SELECT k FROM "St odd" ORDER BY 1; SELECT * FROM st_kept ORDER BY 1, 3;
	SELECT * FROM over ORDER BY 1};
my %before = map { $_ => $node->safe_psql('postgres', $_) } ($definitions, $triggers, $owners, $things);
my $oids = "SELECT string_agg(c.oid::text, ' ') FROM pg_class c WHERE relname ~ '^(st_|St|t\$|u\$|p\$)'";
my %old_oids = map { $_ => 1 } split / /, $node->safe_psql('postgres', $oids);

# A database in which what comes next has other oids than in the first one.
sub other_database
{
	my ($db, $owner) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db" . ($owner ? " OWNER $owner" : ''));
	$node->safe_psql($db, 'DO $$ BEGIN FOR i IN 1..60 LOOP CREATE TABLE burnt (a text PRIMARY KEY); DROP TABLE burnt; END LOOP; END $$');
	return;
}

my $dir = PostgreSQL::Test::Utils::tempdir;

# $restored: have names come along, and oids not?  $reown: does all belong to that
# role now, who restored it?
sub check_copy
{
	my ($db, %how) = @_;

	is($node->safe_psql($db, $definitions), $before{$definitions}, "$db: the definitions came along");
	is($node->safe_psql($db, $triggers), $before{$triggers}, "$db: so did the triggers");
	if ($how{reown})
	{
		is($node->safe_psql($db,
				"SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class WHERE relname ~ '^(st_|St|def_|aux_)'"),
			$how{reown}, "$db: all is his who restored it");
	}
	else
	{
		is($node->safe_psql($db, $owners), $before{$owners}, "$db: and the owners");
		is($node->safe_psql($db, $things), $before{$things},
			"$db: and grants, indexes, comments, options, policies, names of sources and contents");
	}
	is((grep { $old_oids{$_} } split / /, $node->safe_psql($db, $oids)) + 0, 0, "$db: no oid is as it was")
	  if $how{restored};

	is($node->safe_psql($db, "SELECT stream_table, channel FROM pgtrickle.list_subscriptions()"),
		"public.\"St odd\"|somebody\npublic.st_agg|pg_trickle_alert", "$db: and who is told");

	# Changes before the first refresh.
	$node->safe_psql($db, "INSERT INTO t VALUES (1000, 1, 1); DELETE FROM u WHERE k = 0; INSERT INTO p VALUES (2, 0)");
	foreach my $st (@tables)
	{
		ok(refreshed_same($node, @$st, $db), "$db: $st->[0] is right after its first refresh");
	}
	is($node->safe_psql($db,
			"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name <> 'st_full'"),
		'REINITIALIZE', "$db: which computed it anew");

	is($node->safe_psql($db, "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'pgtrickle_changes'::regnamespace AND relkind = 'r'"),
		'postgres', "$db: the change buffers are nobody's");
	is($node->safe_psql($db,
			"SELECT string_agg(DISTINCT last_refresh_reason, '; ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name <> 'st_full'"),
		'it was restored from another cluster or database', "$db: for that reason");

	# And from then on by differences.
	$node->safe_psql($db, "UPDATE t SET v = v - 50 WHERE id > 50; INSERT INTO u VALUES (3, 'd'); UPDATE p SET k = 2 WHERE k = 3; TRUNCATE p1");
	foreach my $st (@tables)
	{
		ok(refreshed_same($node, @$st, $db), "$db: $st->[0] is right after the next one");
		is($node->safe_psql($db, "SELECT missing + surplus FROM pgtrickle.verify_stream_table('$st->[0]')"),
			'0', "$db: verify_stream_table() agrees");
	}
	is($node->safe_psql($db,
			"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name IN ('st_agg', 'st_join')"),
		'DIFFERENTIAL', "$db: which applied the difference");

	# Everything can still be altered and dropped.
	$node->safe_psql($db, "SELECT pgtrickle.create_stream_table('st_new', 'SELECT k, min(v) AS m FROM t GROUP BY k', '1h', 'DIFFERENTIAL')");
	$node->safe_psql($db, "DELETE FROM t WHERE id < 10");
	ok(refreshed_same($node, 'st_new', 'k, m', 'SELECT k, min(v) AS m FROM t GROUP BY k', $db),
		"$db: a new stream table on an old source");
	is($node->safe_psql($db, "SELECT count(*) = count(DISTINCT pgt_id) AND count(*) = 7 FROM pgtrickle.pgt_stream_tables"),
		't', "$db: with an id of its own");
	$node->safe_psql($db, "DROP VIEW over; SELECT pgtrickle.drop_stream_table(n) FROM unnest(ARRAY['st_new', 'st_agg', 's.st_join', '\"St odd\"', 'st_full', 'st_empty', 'st_kept']) n");
	is($node->safe_psql($db,
			"SELECT (SELECT count(*) FROM pgtrickle.pgt_change_tracking) + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)"
			  . " + (SELECT count(*) FROM pg_class WHERE relnamespace IN ('pgtrickle_changes'::regnamespace, 'pgtrickle_defs'::regnamespace))"),
		'0', "$db: and all of them dropped without trace");
	return;
}

# ---- as a script
other_database('script');
$node->command_ok([ 'pg_dump', '-f', "$dir/script.sql", $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/script.sql", $node->connstr('script') ],
	'restored by psql');
check_copy('script', restored => 1);

# ---- as an archive, by several processes
other_database('archive');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/archive", $node->connstr('postgres') ],
	'pg_dump of an archive');
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr('archive'), "$dir/archive" ],
	'restored by pg_restore with two processes');
check_copy('archive', restored => 1);
is($node->safe_psql('postgres',
		q(SELECT count(*) FROM pg_constraint c, pg_extension e
		  WHERE e.extname = 'pg_trickle' AND c.contype = 'f' AND c.conrelid = ANY (e.extconfig))),
	'0', 'and no order among its tables was needed, for there is none');

# ---- in the custom format, by four processes
other_database('custom');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", $node->connstr('postgres') ],
	'pg_dump in the custom format');
$node->command_ok([ 'pg_restore', '-e', '-j4', '-d', $node->connstr('custom'), "$dir/custom" ],
	'restored by pg_restore with four processes');
check_copy('custom', restored => 1);

# ---- by an ordinary role, for whom a superuser has made room
other_database('ordinary', 'owner');
$node->safe_psql('postgres', 'GRANT pg_read_all_data TO owner');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/ordinary", $node->connstr('postgres') . ' user=owner' ],
	'pg_dump by an ordinary role');
$node->safe_psql('ordinary', q{
	CREATE EXTENSION pg_trickle;
	GRANT CREATE, USAGE ON SCHEMA pgtrickle_defs, pgtrickle_changes TO owner;
	GRANT INSERT ON pgtrickle.pgt_stream_tables, pgtrickle.pgt_dependencies, pgtrickle.pgt_change_tracking,
		pgtrickle.pgt_gates, pgtrickle.pgt_subscriptions TO owner;
	GRANT UPDATE ON SEQUENCE pgtrickle.pgt_stream_tables_pgt_id_seq TO owner;
	GRANT CREATE ON SCHEMA public TO owner});
my (undef, $complaints) = run_command([ 'pg_restore', '--no-owner', '-j4', '-d', $node->connstr('ordinary') . ' user=owner', "$dir/ordinary" ]);
is(join(' ', sort $complaints =~ /ERROR:  (.*)/g),
	'must be owner of extension pg_trickle must be owner of schema pgtrickle schema "pgtrickle" already exists',
	'restored by an ordinary role but for what was there');
$node->safe_psql('ordinary', q{
	REVOKE CREATE, USAGE ON SCHEMA pgtrickle_defs, pgtrickle_changes FROM owner;
	REVOKE INSERT ON ALL TABLES IN SCHEMA pgtrickle FROM owner;
	REVOKE pg_read_all_data FROM owner});
isnt($node->psql('ordinary', 'SET ROLE owner; SELECT * FROM ' . $node->safe_psql('ordinary',
			"SELECT 'pgtrickle_changes.changes_' || source_stable_name FROM pgtrickle.pgt_change_tracking WHERE source = 't'::regclass")),
	0, 'he does not read the change buffers');
check_copy('ordinary', restored => 1, reown => 'owner');

# ---- a copy within the server
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
check_copy('copy');

# ---- in another cluster, whose transactions have other ids
$node->safe_psql('postgres', 'CREATE DATABASE later');
$node->safe_psql('later', 'DO $$ BEGIN FOR i IN 1 .. 3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
$node->safe_psql('later', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int, v int);
	INSERT INTO t VALUES (1, 1);
	SELECT pgtrickle.create_stream_table('st', 'SELECT id, v FROM t', '1h', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('st_above', 'SELECT count(*) AS n FROM st', '1h', 'DIFFERENTIAL');
	INSERT INTO t VALUES (2, 2);
	SELECT pgtrickle.refresh_stream_table('st');
	INSERT INTO t VALUES (3, 3);
});
$node->command_ok([ 'pg_dump', '-f', "$dir/later.sql", $node->connstr('later') ], 'pg_dump of waiting changes');
my $other = stream_node('other', conf => "pg_trickle.enabled = off\n");
$other->start;
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/later.sql", $other->connstr('postgres') ],
	'restored into another cluster');
$other->safe_psql('postgres', 'INSERT INTO t VALUES (4, 4)');
foreach my $action ('REINITIALIZE', 'DIFFERENTIAL', 'DIFFERENTIAL')
{
	ok(refreshed_same($other, 'st', 'id, v', 'SELECT id, v FROM t'), "other cluster: st is right by $action");
	ok(refreshed_same($other, 'st_above', 'n', 'SELECT count(*) AS n FROM t'), 'and so is the one above');
	is($other->safe_psql('postgres', 'SELECT string_agg(DISTINCT last_refresh_action, $$ $$) FROM pgtrickle.pgt_stream_tables'), $action, 'as they say');
	is($other->safe_psql('postgres', "SELECT string_agg(DISTINCT last_refresh_reason, ' ') FROM pgtrickle.pgt_stream_tables"),
		$action eq 'REINITIALIZE' ? 'it was restored from another cluster or database' : '', 'and why');
	$other->safe_psql('postgres', 'UPDATE t SET v = v + 1; DELETE FROM t WHERE id = (SELECT min(id) FROM t)');
}
$other->stop;

# ---- the original is none the worse
foreach my $st (@tables)
{
	ok(refreshed_same($node, @$st), "$st->[0] of the original is right");
}
is($node->safe_psql('postgres',
		"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name IN ('st_agg', 'st_join')"),
	'DIFFERENTIAL', 'and was not computed anew');

# ---- restored databases are served like others
settings($node, 'pg_trickle.enabled' => 'on');
$node->safe_psql('postgres', 'CREATE DATABASE served');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/script.sql", $node->connstr('served') ],
	'restored under the eyes of the scheduler');
$node->safe_psql('served', "SELECT pgtrickle.alter_stream_table('st_agg', schedule => '0s', status => 'ACTIVE'); INSERT INTO t VALUES (1000, 1, 1)");
ok(becomes_same($node, @{ $tables[0] }, 'served'), 'the scheduler serves a restored database');


# ---- what an owner makes of a definition, and drops, stops nobody
$node->safe_psql('served', "CREATE VIEW peephole AS SELECT * FROM " . $node->safe_psql('served',
		"SELECT definition FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_full'") . "; DROP TABLE st_full");
$node->safe_psql('served', "SELECT pgtrickle.create_stream_table('st_new', 'SELECT k FROM t', '1h'); SELECT pgtrickle.drop_stream_table('st_new')");
is($node->safe_psql('served', "SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_full'"),
	'0', 'a stream table that was dropped before its first refresh is swept');

$node->stop;
done_testing();
