# Refreshes and creations that are cancelled, time out or lose their session
# in the middle leave nothing behind, and lose nothing.
#
# The middle is a function in the query that waits for an advisory lock as
# soon as it meets the value 13.
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

my $query = 'SELECT k, count(*) AS n, sum(slow(v)) AS s FROM t GROUP BY k';
my $columns = 'k, n, s';

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE FUNCTION slow(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		IF v = 13 THEN
			PERFORM pg_catalog.pg_advisory_xact_lock_shared(1);
		END IF;
		RETURN v;
	END $$;
	CREATE TABLE t (id int, k int, v int);
	INSERT INTO t SELECT i, i % 3, 100 + i FROM generate_series(1, 30) i;
});
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('st', '$query', '1h', 'DIFFERENTIAL')");

my $gate = $node->background_psql('postgres');
sub shut { $gate->query_safe("SELECT pg_advisory_lock(1)"); }
sub open_gate { $gate->query_safe("SELECT pg_advisory_unlock(1)"); }

# What is there besides the tables: nothing may be left of a failed creation.
my $inventory = q{
	SELECT (SELECT count(*) FROM pgtrickle.pgt_stream_tables) || ' ' ||
		   (SELECT count(*) FROM pgtrickle.pgt_dependencies) || ' ' ||
		   (SELECT count(*) FROM pgtrickle.pgt_change_tracking) || ' ' ||
		   (SELECT count(*) FROM pg_class WHERE relnamespace IN ('pgtrickle_changes'::regnamespace, 'pgtrickle_defs'::regnamespace)) || ' ' ||
		   (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_trickle%') || ' ' ||
		   (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)};
my $state = "SELECT frontier, data_timestamp, total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st'";

# Run a statement that gets stuck, stop it, and see that it held on to nothing.
sub stopped
{
	my ($what, $sql, $stop, $error) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe("SELECT pg_backend_pid()");

	$session->query_safe("SET statement_timeout = '500ms'") if $stop eq 'timeout';
	# Started, not waited for.
	$session->query_until(qr/started/, "\\echo started\n$sql;\n");
	if ($stop ne 'timeout')
	{
		ok(wait_blocked($node, $pid, 'advisory'), "$what: it is in the middle");
		$node->safe_psql('postgres', "SELECT $stop($pid)");
	}
	if ($stop eq 'pg_terminate_backend')
	{
		ok($node->poll_query_until('postgres',
				"SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $pid)"),
			"$what: the session is gone");
		eval { $session->quit; };
	}
	else
	{
		$session->query("SELECT 1");
		like($session->{stderr}, $error, "$what: the error says so");
		$session->{stderr} = '';
	}
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'"), '0',
		"$what: no lock is left");
	if ($stop ne 'pg_terminate_backend')
	{
		# The same session goes on, with what it has cached.
		open_gate();
		is($session->query("BEGIN; DO \$\$ BEGIN PERFORM pgtrickle.refresh_stream_table('st'); END \$\$;"
				  . oracle('st', $columns, $query) . "; COMMIT;"), 't',
			"$what: the next refresh in the same session is right");
		shut();
		$session->quit;
	}
	return;
}

my @stops = (
	[ 'cancel', 'pg_cancel_backend', qr/canceling statement due to user request/ ],
	[ 'timeout', 'timeout', qr/canceling statement due to statement timeout/ ],
	[ 'termination', 'pg_terminate_backend', qr// ]);

# ---- refresh
foreach my $stop (@stops)
{
	my ($what, $how, $error) = @$stop;

	shut();
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1, 1, 13), (2, 7, 14); DELETE FROM t WHERE k = 2 AND v < 110");
	my $before = $node->safe_psql('postgres', $state);
	my $content = $node->safe_psql('postgres', "SELECT $columns FROM st ORDER BY k");

	if ($how eq 'pg_terminate_backend')
	{
		stopped("refresh, $what", "SELECT pgtrickle.refresh_stream_table('st')", $how, $error);
		is($node->safe_psql('postgres', $state), $before, "refresh, $what: the state is as before");
		is($node->safe_psql('postgres', "SELECT $columns FROM st ORDER BY k"), $content,
			"refresh, $what: so is the content");
	}
	else
	{
		stopped("refresh, $what", "SELECT pgtrickle.refresh_stream_table('st')", $how, $error);
	}
	open_gate();
	ok(refreshed_same($node, 'st', $columns, $query), "refresh, $what: the next refresh is right");
	is($node->safe_psql('postgres', "SELECT missing + surplus FROM pgtrickle.verify_stream_table('st')"),
		'0', "refresh, $what: verify_stream_table() agrees");
}

# ---- a savepoint catches it, and the transaction goes on
shut();
$node->safe_psql('postgres', "INSERT INTO t VALUES (3, 8, 13)");
my $caught = $node->background_psql('postgres', on_error_stop => 0);
my $caught_pid = $caught->query_safe("SELECT pg_backend_pid()");
$caught->query_safe("BEGIN; INSERT INTO t VALUES (4, 8, 15)");
$caught->query_until(qr/started/,
	"\\echo started\nSAVEPOINT a; SELECT pgtrickle.refresh_stream_table('st');\n");
ok(wait_blocked($node, $caught_pid, 'advisory'), 'savepoint: the refresh is in the middle');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($caught_pid)");
$caught->query("ROLLBACK TO SAVEPOINT a");
like($caught->{stderr}, qr/canceling statement/, 'savepoint: the refresh was cancelled');
$caught->{stderr} = '';
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_locks WHERE pid = $caught_pid AND locktype = 'object'"),
	'savepoint: the refresh lock is free');
open_gate();
is($caught->query("SELECT pgtrickle.refresh_stream_table('st');" . oracle('st', $columns, $query)),
	"\nt", 'savepoint: the second try in the same transaction is right');
$caught->query_safe("INSERT INTO t VALUES (5, 8, 16)");
$caught->query_safe("COMMIT");
$caught->quit;
ok(refreshed_same($node, 'st', $columns, $query), 'savepoint: and so is the next refresh');

# ---- create, over a source that is tracked already and over a new one
$node->safe_psql('postgres', "CREATE TABLE t2 AS SELECT 1 AS id, k, 13 AS v FROM t");
my $before = $node->safe_psql('postgres', $inventory);
foreach my $source ('t', 't2')
{
	foreach my $stop (@stops)
	{
		my ($what, $how, $error) = @$stop;

		shut();
		stopped("create over $source, $what",
			"SELECT pgtrickle.create_stream_table('made', 'SELECT k, slow(v) AS v FROM $source', '1h', 'DIFFERENTIAL')",
			$how, $error);
		is($node->safe_psql('postgres', $inventory), $before,
			"create over $source, $what: nothing is left");
		open_gate();
	}
	$node->safe_psql('postgres', "INSERT INTO $source VALUES (9, 9, 13)");
	ok(refreshed_same($node, 'st', $columns, $query), "create over $source: other stream tables are right");
	$node->safe_psql('postgres',
		"SELECT pgtrickle.create_stream_table('made', 'SELECT k, slow(v) AS v FROM $source', '1h', 'DIFFERENTIAL')");
	$node->safe_psql('postgres', "DELETE FROM $source WHERE k = 9");
	ok(refreshed_same($node, 'made', 'k, v', "SELECT k, slow(v) AS v FROM $source"),
		"create over $source: the next attempt works");
	$node->safe_psql('postgres', "SELECT pgtrickle.drop_stream_table('made')");
	is($node->safe_psql('postgres', $inventory), $before, "create over $source: dropped, nothing is left");
}

# ---- a full refresh
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'FULL')");
shut();
$node->safe_psql('postgres', "UPDATE t SET v = 13 WHERE k = 0");
stopped('full refresh, cancel', "SELECT pgtrickle.refresh_stream_table('st')",
	'pg_cancel_backend', qr/canceling statement due to user request/);
open_gate();
ok(refreshed_same($node, 'st', $columns, $query), 'full refresh: the next one is right');

# ---- a writer that is cancelled: its changes are gone, others' are not
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st', refresh_mode => 'DIFFERENTIAL')");
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN");
$holder->query_safe("UPDATE t SET v = v + 1 WHERE id = 30");
my ($rc, $out, $err) = $node->psql('postgres', "SET statement_timeout = '200ms'; UPDATE t SET v = v + 1000");
like($err, qr/statement timeout/, 'a writer was cancelled');
$holder->query_safe("COMMIT");
$holder->quit;
ok(refreshed_same($node, 'st', $columns, $query), 'its changes do not count');

$gate->quit;
$node->stop;
done_testing();
