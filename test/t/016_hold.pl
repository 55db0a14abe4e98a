# What keeps the scheduler from refreshing: gates and pauses, under which
# changes wait and are not lost, and fuses with their two ways out.  And
# schedules that name times.
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
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int);
	CREATE TABLE u (k int, f int);
	INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 100) i;
	INSERT INTO u SELECT i, i FROM generate_series(0, 4) i;
});

my %query = (
	of_t => 'SELECT k, count(*) AS n FROM t GROUP BY k',
	of_u => 'SELECT k, f FROM u',
	over => 'SELECT k, n FROM of_t',
	joined => 'SELECT of_t.n, u.f FROM of_t JOIN u ON of_t.k = u.k');
my %columns = (of_t => 'k, n', of_u => 'k, f', over => 'k, n', joined => 'n, f');
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('$_', '$query{$_}', '0s', 'DIFFERENTIAL')")
  foreach qw(of_t of_u over joined);

sub follows
{
	my ($st, $what) = @_;
	ok(becomes_same($node, $st, $columns{$st}, $query{$st}), "$st $what");
}

sub is_behind
{
	my ($st, $what) = @_;
	is($node->safe_psql('postgres', oracle($st, $columns{$st}, $query{$st})), 'f', "$st $what");
}

sub reason
{
	my ($st) = @_;
	return $node->safe_psql('postgres', "SELECT pgtrickle.hold_reason('$st')");
}

# A source that was changed after the others is seen when they would have been.
sub wait_for_another
{
	my ($i) = @_;
	$node->safe_psql('postgres', "INSERT INTO u VALUES ($i, $i)");
	follows('of_u', 'goes on');
}

# ---- gates
$node->safe_psql('postgres', "SELECT pgtrickle.gate_source('t')");
$node->safe_psql('postgres', "INSERT INTO t SELECT i, i % 5 FROM generate_series(101, 200) i");
wait_for_another(10);
is_behind('of_t', 'waits while its source is gated');
is(reason('of_t'), 'source "t" is gated', 'and the status says why');
is(reason('of_u'), '', 'while others are not held');
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_trickle worker'");
wait_for_another(11);
is_behind('of_t', 'waits after a new start of the worker');
ok(refreshed_same($node, 'of_t', 'k, n', $query{of_t}), 'a refresh by hand is done');
$node->safe_psql('postgres', "INSERT INTO t SELECT i, i % 5 FROM generate_series(201, 300) i");
$node->safe_psql('postgres', "SELECT pgtrickle.ungate_source('t')");
follows($_, 'catches up when the gate is opened') foreach qw(of_t over joined);

# A load of two commits, which a refresh that was under way when the gate was
# committed must not see in part.
my $partly = 0;
foreach my $i (1 .. 8)
{
	$node->safe_psql('postgres', "UPDATE t SET k = (k + 1) % 5 WHERE id <= 50");
	$node->safe_psql('postgres', "SELECT pgtrickle.gate_source('t')");
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1000 + 2 * $i, 100)");
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1001 + 2 * $i, 100)");
	$partly += $node->safe_psql('postgres', "SELECT coalesce((SELECT n FROM of_t WHERE k = 100), 0) % 2");
	$node->safe_psql('postgres', "SELECT pgtrickle.ungate_source('t')");
}
is($partly, 0, 'no load is seen in part');
follows('of_t', 'has all loads');

# A refresh that finds the gate when it has begun to change the table.
$query{pairs} = 'SELECT t.id, u.f FROM t JOIN u ON t.k = u.k';
$columns{pairs} = 'id, f';
$node->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('pairs', '$query{pairs}', '0s', 'DIFFERENTIAL')");
my $shown = $node->safe_psql('postgres', "SELECT count(*) FROM pairs");
$node->safe_psql('postgres', $node->safe_psql('postgres',
		"SELECT 'DROP INDEX ' || indexrelid::regclass FROM pg_index WHERE indrelid = 'pairs'::regclass"));
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; LOCK TABLE t");
$node->safe_psql('postgres', "INSERT INTO u VALUES (1, 100)");
$node->poll_query_until('postgres', q{
	SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
	 WHERE backend_type = 'pg_trickle refresh worker' AND NOT granted AND relation = 't'::regclass});
$node->safe_psql('postgres', "SELECT pgtrickle.gate_source('u')");
$session->query_safe("COMMIT");
$session->quit;
$node->poll_query_until('postgres', q{
	SELECT count(*) = 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
	 WHERE backend_type LIKE 'pg_trickle%' AND relation = 'u'::regclass});
is($node->safe_psql('postgres', "SELECT count(*) FROM pairs"), $shown,
	'a gate takes back what a refresh has begun');
$node->safe_psql('postgres', "SELECT pgtrickle.ungate_source('u')");
follows('pairs', 'is as its query after that');

# ---- all
$node->safe_psql('postgres', "SELECT pgtrickle.pause_all()");
$node->safe_psql('postgres', "INSERT INTO t VALUES (5000, 1); INSERT INTO u VALUES (12, 12)");
$node->safe_psql('postgres', "CREATE DATABASE other");
$node->safe_psql('other', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (a int);
	SELECT pgtrickle.create_stream_table('st', 'SELECT a FROM t', '0s');
	INSERT INTO t VALUES (1);
});
ok(becomes_same($node, 'st', 'a', 'SELECT a FROM t', 'other'), 'another database is not paused');
is_behind($_, 'is paused') foreach qw(of_t of_u);
is(reason('of_u'), 'all stream tables are paused', 'and says so');
$node->restart;
$node->safe_psql('other', "INSERT INTO t VALUES (2)");
ok(becomes_same($node, 'st', 'a', 'SELECT a FROM t', 'other'), 'nor is it after a restart');
is_behind($_, 'is still paused') foreach qw(of_t of_u);
$node->safe_psql('postgres', "SELECT pgtrickle.resume_all()");
follows($_, 'is resumed') foreach qw(of_t of_u over joined);

# ---- fuses
foreach my $action ('apply', 'reinitialize')
{
	$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('of_t', fuse_ceiling => 50)");
	$node->safe_psql('postgres', "UPDATE t SET k = k + 1 WHERE id <= 10");
	follows('of_t', 'follows changes below its ceiling');
	$node->safe_psql('postgres', "UPDATE t SET k = k + 1 WHERE id <= 50");
	ok($node->poll_query_until('postgres',
			"SELECT status FROM pgtrickle.pgt_status() WHERE name LIKE '%of_t'", 'SUSPENDED'),
		'more changes than that suspend it');
	is(reason('of_t'), 'its fuse has blown: more than 50 changes waited', 'and the status says why');
	is($node->safe_psql('postgres', "SELECT consecutive_errors FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'of_t'"),
		'1', 'at the first attempt');
	is_behind('of_t', 'is as it was');
	$node->safe_psql('postgres', "SELECT pgtrickle.resume_stream_table('of_t')");
	ok($node->poll_query_until('postgres', "SELECT pgtrickle.hold_reason('of_t') LIKE 'its fuse%'"),
		'resumed, it blows again');
	$node->safe_psql('postgres', "SELECT pgtrickle.reset_fuse('of_t', '$action')");
	is($node->safe_psql('postgres', oracle('of_t', 'k, n', $query{of_t})), 't', "$action brings it up to date");
	is($node->safe_psql('postgres',
			"SELECT last_refresh_action, status, fuse_ceiling FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'of_t'"),
		($action eq 'apply' ? 'DIFFERENTIAL' : 'FULL') . '|ACTIVE|50', 'and the fuse is there again');
	$node->safe_psql('postgres', "UPDATE t SET k = k + 1 WHERE id <= 10");
	follows($_, 'goes on') foreach qw(of_t over joined);
}
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('of_t', fuse_ceiling => -1)");
$node->safe_psql('postgres', "UPDATE t SET k = k + 1 WHERE id <= 100");
follows('of_t', 'follows without a fuse');

# ---- times
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('of_u', schedule => '*/2 * * * * *')");
$node->safe_psql('postgres', "INSERT INTO u SELECT 20, i FROM generate_series(1, 3) i");
follows('of_u', 'follows at the times of cron');
is($node->safe_psql('postgres', q{
		SELECT bool_and(extract(second FROM start_time)::numeric % 2 < 1) FROM (
			SELECT start_time FROM pgtrickle.get_refresh_history('of_u', 1)) h}), 't', 'and at no other');
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('of_u', schedule => '0 0 1 1 *')");
$node->safe_psql('postgres', "INSERT INTO u VALUES (30, 30)");
$node->safe_psql('postgres', "INSERT INTO t VALUES (6000, 1)");
follows('of_t', 'goes on meanwhile');
is_behind('of_u', 'waits for its time');

$node->stop;
done_testing();
