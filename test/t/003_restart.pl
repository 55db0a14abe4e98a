# Orderly and immediate restarts: what was captured before is consumed after,
# whatever was open, pending or prepared at that moment.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main');
$node->start;

my $agg = 'SELECT k, count(*) AS n, sum(v) AS s, min(v) AS m FROM t GROUP BY k';
my $bag = 'SELECT k FROM t WHERE v > 3';

$node->safe_psql('postgres', qq{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int, k int, v int);
	INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 30) i;
	SELECT pgtrickle.create_stream_table('st_auto', '$agg', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('st_manual', '$bag', '1h', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('st_suspended', '$agg', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.alter_stream_table('st_suspended', status => 'SUSPENDED');
});

sub frontier
{
	return $node->safe_psql('postgres',
		"SELECT frontier FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_manual'");
}

foreach my $mode ('fast', 'immediate', 'smart', 'immediate')
{
	# Consumed, pending and prepared changes, and one that is never committed.
	$node->safe_psql('postgres', "UPDATE t SET v = v + 1 WHERE k = 1;"
		  . "SELECT pgtrickle.refresh_stream_table('st_manual');"
		  . "INSERT INTO t SELECT 0, i % 4, i FROM generate_series(1, 10) i;"
		  . "DELETE FROM t WHERE v = 7");
	$node->safe_psql('postgres',
		"BEGIN; INSERT INTO t VALUES (0, 9, 9), (0, 9, 9); PREPARE TRANSACTION 'p'");
	my $open;
	if ($mode ne 'smart')
	{
		$open = $node->background_psql('postgres');
		$open->query_safe("BEGIN");
		$open->query_safe("INSERT INTO t VALUES (0, 0, 1000000)");
	}
	my $frontier = frontier();
	$node->stop($mode);
	if ($open)
	{
		# The session is gone, and psql with it.
		eval { $open->quit; };
	}
	$node->start;

	is(frontier(), $frontier, "$mode: the frontier is where it was");
	ok(refreshed_same($node, 'st_manual', 'k', $bag), "$mode: pending changes are consumed");
	ok(becomes_same($node, 'st_auto', 'k, n, s, m', $agg), "$mode: the scheduler is back");
	$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
	ok(becomes_same($node, 'st_auto', 'k, n, s, m', $agg), "$mode: a prepared transaction is consumed");
	ok(refreshed_same($node, 'st_manual', 'k', $bag), "$mode: by each stream table");
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1, 2, 3)");
	ok(becomes_same($node, 'st_auto', 'k, n, s, m', $agg), "$mode: changes are captured as before");
	is($node->safe_psql('postgres',
			"SELECT status FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_suspended'"),
		'SUSPENDED', "$mode: a suspended stream table stays so");
}

is($node->safe_psql('postgres', oracle('st_suspended', 'k, n, s, m', $agg)), 'f',
	'a suspended stream table was not refreshed');
$node->safe_psql('postgres', "SELECT pgtrickle.resume_stream_table('st_suspended')");
ok(becomes_same($node, 'st_suspended', 'k, n, s, m', $agg),
	'resumed after several restarts it has every change');
is($node->safe_psql('postgres',
		"SELECT string_agg(DISTINCT action, ' ') FROM pgtrickle.pgt_refresh_history WHERE refresh_id > (SELECT min(refresh_id) + 2 FROM pgtrickle.pgt_refresh_history)"),
	'DIFFERENTIAL', 'no restart made a stream table be computed anew');

# A refresh in the middle of a transaction that wrote before and after it: what
# tells one part from the other must survive recovery.
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st_auto', schedule => '1h')");
foreach my $mode ('immediate', 'fast')
{
	$node->safe_psql('postgres', "BEGIN; INSERT INTO t VALUES (0, 7, 70);"
		  . "SELECT pgtrickle.refresh_stream_table('st_manual');"
		  . "INSERT INTO t VALUES (0, 8, 80), (0, 8, 81); DELETE FROM t WHERE v = 70;"
		  . "SELECT pgtrickle.refresh_stream_table('st_auto'); UPDATE t SET v = v + 1 WHERE k = 8; COMMIT");
	$node->stop($mode);
	$node->start;
	ok(refreshed_same($node, 'st_manual', 'k', $bag), "$mode: write, refresh, write, restart, refresh");
	ok(refreshed_same($node, 'st_auto', 'k, n, s, m', $agg), "$mode: and another stream table");
}

# Transaction ids go on after a crash, never back: what a lost transaction had
# is not mistaken for a later one's.
foreach my $i (1 .. 3)
{
	my $open = $node->background_psql('postgres');
	$open->query_safe("BEGIN");
	$open->query_safe("INSERT INTO t VALUES (0, 5, 5)");
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('st_manual')");
	$node->stop('immediate');
	eval { $open->quit; };
	$node->start;
	$node->safe_psql('postgres', "INSERT INTO t VALUES (0, 6, 6), (0, 6, 6)");
	ok(refreshed_same($node, 'st_manual', 'k', $bag), "crash $i with an open writer, then a new one");
}

$node->stop;
done_testing();
