# Writers, refreshes and definition changes of all kinds at once, in several
# sessions, with the scheduler running.  The only errors that may come of it
# are those that say "try again"; and when the storm is over every stream table
# equals its query.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $sessions = 6;
my $statements = $ENV{PGT_STORM} // 1500;

seed();
my $node = stream_node('main', conf => "deadlock_timeout = 50ms\nlog_lock_waits = on\n");
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE a (id int, k int, v int, extra int);
	CREATE TABLE b (k int, f int, note text);
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0, 1);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (2, 3);
	CREATE TABLE p2 (k int, v int);
	INSERT INTO a SELECT i, i % 5, i FROM generate_series(1, 100) i;
	INSERT INTO b SELECT i, i FROM generate_series(0, 4) i;
	INSERT INTO p SELECT i % 4, i FROM generate_series(1, 20) i;
	INSERT INTO p2 VALUES (4, 4);
});

my %query = (
	first => 'SELECT k, count(*) AS n, sum(v) AS s FROM a GROUP BY k',
	second => 'SELECT a.k, count(*) AS n, sum(a.v * b.f) AS s FROM a JOIN b ON a.k = b.k GROUP BY a.k',
	third => 'SELECT p.k, count(*) AS n, sum(p.v + a.v) AS s FROM p JOIN a ON a.id = p.v GROUP BY p.k');
my @fixed = (
	[ 'st_bag', 'k, f', 'SELECT a.k, b.f FROM a JOIN b ON b.k = a.k WHERE a.v % 2 = 0', '0s' ],
	[ 'st_part', 'k, n', 'SELECT k, count(*) AS n FROM p GROUP BY k', '10ms' ],
	[ 'st_full', 'k, f', 'SELECT DISTINCT ON (k) k, f FROM b ORDER BY k, f', '100ms' ]);
$node->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '$_->[3]')")
  foreach @fixed;

# The last one follows from an error before it.
my @benign = (
	qr/deadlock detected/,
	qr/could not serialize access/,
	qr/canceling statement due to lock timeout/,
	qr/savepoint "s" does not exist/);

# A table can have no more than 1600 columns, those that were dropped included.
my $columns_left = 1500;

sub pick { return $_[ int(rand(@_)) ]; }

sub statement
{
	my ($me) = @_;
	my $st = "st_$me";
	my $n = int(rand(1000));
	my $kind = pick(keys %query);

	return pick(
		("INSERT INTO a VALUES ($n, $n % 6, $n)") x 4,
		("UPDATE a SET v = v + 1, k = (k + 1) % 6 WHERE id % 10 = $n % 10") x 3,
		("DELETE FROM a WHERE id = (SELECT min(id) FROM a)") x 2,
		("INSERT INTO b VALUES ($n % 6, $n)", "UPDATE b SET f = f + 1 WHERE k = $n % 6",
			"DELETE FROM b WHERE f > 500"),
		("INSERT INTO p VALUES ($n % 4, $n)", "UPDATE p SET k = (k + 1) % 4 WHERE v = $n % 20 AND k < 4",
			"DELETE FROM p1 WHERE v > 900"),
		"BEGIN; INSERT INTO a VALUES ($n, 1, 1); SAVEPOINT s; DELETE FROM a WHERE k = 2; ROLLBACK TO SAVEPOINT s; INSERT INTO b VALUES (1, $n); COMMIT",
		"BEGIN; INSERT INTO a VALUES ($n, 3, 1); SELECT pgtrickle.refresh_stream_table('st_bag'); INSERT INTO a VALUES ($n, 4, 1); COMMIT",
		"BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO a VALUES ($n, 3, 1); SELECT pgtrickle.refresh_stream_table('st_part'); COMMIT",
		"TRUNCATE " . pick('a', 'b', 'p', 'a, b'),
		"ALTER TABLE a ALTER extra TYPE " . pick('int', 'bigint'),
		"ALTER TABLE b ADD IF NOT EXISTS c_$me int; ALTER TABLE b DROP IF EXISTS c_$me",
		"SELECT attach(), detach()",
		"VACUUM " . pick('', 'FULL ') . pick('a', 'b', 'p'),
		"SELECT pgtrickle.refresh_stream_table('" . pick(map { $_->[0] } @fixed) . "')",
		("SELECT pgtrickle.create_or_replace_stream_table('$st', '$query{$kind}', '" . pick('0s', '50ms', '1h') . "')") x 2,
		"SELECT pgtrickle.drop_stream_table('$st') WHERE to_regclass('$st') IS NOT NULL",
		"SELECT pgtrickle.refresh_stream_table('$st') WHERE to_regclass('$st') IS NOT NULL",
		"SELECT pgtrickle.alter_stream_table('$st', refresh_mode => '" . pick('FULL', 'AUTO', 'DIFFERENTIAL') . "') WHERE to_regclass('$st') IS NOT NULL",
		"SELECT missing, surplus FROM pgtrickle.verify_stream_table('" . pick(map { $_->[0] } @fixed) . "') WHERE missing + surplus <> 0");
}

$node->safe_psql('postgres', q{
	CREATE FUNCTION attach() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (4);
	EXCEPTION WHEN wrong_object_type OR invalid_object_definition THEN
		NULL;
	END $$;
	CREATE FUNCTION detach() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		ALTER TABLE p DETACH PARTITION p2;
	EXCEPTION WHEN undefined_table OR object_not_in_prerequisite_state THEN
		NULL;
	END $$;
});

my (@runs, @out, @err);
foreach my $me (1 .. $sessions)
{
	my $file = PostgreSQL::Test::Utils::tempdir . "/storm_$me.sql";

	append_to_file($file, "SET lock_timeout = '5s';\n");
	foreach my $i (1 .. $statements)
	{
		my $statement = statement($me);
		redo if $statement =~ /^ALTER TABLE b ADD/ && $columns_left-- <= 0;

		# After an error COMMIT ends the transaction as well.
		append_to_file($file, "$statement;\n");
	}
	my @command = ($node->installed_command('psql'), '-XAtq', '-f', $file, $node->connstr('postgres'));
	push @runs, IPC::Run::start(\@command, '<', \undef, '>', \$out[$me], '2>', \$err[$me]);
}
$_->finish foreach @runs;

foreach my $me (1 .. $sessions)
{
	my @errors;
	foreach my $line (grep { /ERROR:|FATAL:|PANIC:|server closed/ } split /\n/, $err[$me])
	{
		next if $line =~ /current transaction is aborted/;
		push @errors, $line unless grep { $line =~ $_ } @benign;
	}
	is(join("\n", @errors), '', "session $me met no error but such as say: try again");
	# verify_stream_table() prints a row only where it finds a difference.
	unlike($out[$me], qr/^\d+\|\d+$/m, "session $me saw no wrong stream table");
}

# ---- after the storm
my $mine = $node->safe_psql('postgres',
	"SELECT string_agg(pgt_name, ' ' ORDER BY pgt_name) FROM pgtrickle.pgt_stream_tables WHERE pgt_name ~ '^st_\\d'");
foreach my $st (@fixed)
{
	ok(becomes_same($node, $st->[0], $st->[1], $st->[2]), "$st->[0] becomes right after the storm");
}
foreach my $st (split / /, $mine)
{
	my $query = $node->safe_psql('postgres',
		"SELECT rtrim(pg_get_viewdef(definition), ';') FROM pgtrickle.pgt_stream_tables WHERE pgt_name = '$st'");
	ok(refreshed_same($node, $st, 'k, n, s', $query), "$st is right after the storm");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE status = 'SUSPENDED'"),
	'0', 'none is suspended');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pgtrickle.pgt_change_tracking t
		WHERE NOT EXISTS (SELECT 1 FROM pgtrickle.pgt_dependencies d WHERE d.source = t.source)}),
	'0', 'no source is tracked in vain');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_class c
		WHERE relnamespace = 'pgtrickle_defs'::regnamespace
		  AND NOT EXISTS (SELECT 1 FROM pgtrickle.pgt_stream_tables s WHERE s.definition = c.oid)}),
	'0', 'no definition is left over');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname LIKE 'pg_trickle_new%'"),
	'0', 'nor a half-made table');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|not closed|leak/,
	'the server log shows no crash and no leak');

$node->stop;
done_testing();
