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
	[ 'st_empty', 'id', 'SELECT id FROM t WHERE v < 0' ]);

$node->safe_psql('postgres', q{
	CREATE ROLE owner;
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
	SELECT pgtrickle.alter_stream_table('s.st_join', schedule => '5m', refresh_mode => 'DIFFERENTIAL');
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
my %before = map { $_ => $node->safe_psql('postgres', $_) } ($definitions, $triggers, $owners);

my $dir = PostgreSQL::Test::Utils::tempdir;

sub check_copy
{
	my ($db) = @_;

	is($node->safe_psql($db, $definitions), $before{$definitions}, "$db: the definitions came along");
	is($node->safe_psql($db, $triggers), $before{$triggers}, "$db: so did the triggers");
	is($node->safe_psql($db, $owners), $before{$owners}, "$db: and the owners");

	# Changes before the first refresh.
	$node->safe_psql($db, "INSERT INTO t VALUES (1000, 1, 1); DELETE FROM u WHERE k = 0; INSERT INTO p VALUES (2, 0)");
	foreach my $st (@tables)
	{
		ok(refreshed_same($node, @$st, $db), "$db: $st->[0] is right after its first refresh");
	}
	is($node->safe_psql($db,
			"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name <> 'st_full'"),
		'REINITIALIZE', "$db: which computed it anew");

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
	is($node->safe_psql($db, "SELECT count(*) = count(DISTINCT pgt_id) AND count(*) = 6 FROM pgtrickle.pgt_stream_tables"),
		't', "$db: with an id of its own");
	$node->safe_psql($db, "SELECT pgtrickle.drop_stream_table(n) FROM unnest(ARRAY['st_new', 'st_agg', 's.st_join', '\"St odd\"', 'st_full', 'st_empty']) n");
	is($node->safe_psql($db,
			"SELECT (SELECT count(*) FROM pgtrickle.pgt_change_tracking) + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)"
			  . " + (SELECT count(*) FROM pg_class WHERE relnamespace IN ('pgtrickle_changes'::regnamespace, 'pgtrickle_defs'::regnamespace))"),
		'0', "$db: and all of them dropped without trace");
	return;
}

# ---- as a script
$node->safe_psql('postgres', 'CREATE DATABASE script');
$node->command_ok([ 'pg_dump', '-f', "$dir/script.sql", $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/script.sql", $node->connstr('script') ],
	'restored by psql');
check_copy('script');

# ---- as an archive, by several processes
$node->safe_psql('postgres', 'CREATE DATABASE archive');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/archive", $node->connstr('postgres') ],
	'pg_dump of an archive');
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr('archive'), "$dir/archive" ],
	'restored by pg_restore with two processes');
check_copy('archive');
is($node->safe_psql('postgres',
		q(SELECT count(*) FROM pg_constraint c, pg_extension e
		  WHERE e.extname = 'pg_trickle' AND c.contype = 'f' AND c.conrelid = ANY (e.extconfig))),
	'0', 'and no order among its tables was needed, for there is none');

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

$node->stop;
done_testing();
