# The scheduler keeps stream tables within their schedules, and keeps out of
# the way where it is told to.
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

sub workers
{
	my ($db) = @_;
	return "SELECT count(*) FROM pg_stat_activity"
	  . " WHERE backend_type LIKE 'pg_trickle%' AND datname = '$db'";
}

sub refreshes
{
	my ($st) = @_;
	return $node->safe_psql('postgres',
		"SELECT total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_name = '$st'");
}

# ---- the extension is made in a running server, and its worker comes
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 100) i;
});
ok($node->poll_query_until('postgres', workers('postgres'), '1'),
	'a database with the extension gets one worker');

my $agg = 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k';
my $filter = 'SELECT id, v FROM t WHERE v % 2 = 0';
my $join = 'SELECT a.id, b.id AS other FROM t a JOIN t b ON a.v = b.id + 1';
my @tables = (
	[ 'st_now', 'k, n, s', $agg, '0s', 'DIFFERENTIAL' ],
	[ 'st_ms', 'id, v', $filter, '200ms', 'DIFFERENTIAL' ],
	[ 'st_s', 'id, other', $join, '1s', 'DIFFERENTIAL' ],
	[ 'st_full', 'k, n, s', $agg, '1s', 'FULL' ],
	[ 'st_default', 'k, n, s', $agg, 'calculated', 'AUTO' ]);

sub create
{
	my ($st) = @_;
	$node->safe_psql('postgres',
		"SELECT pgtrickle.create_stream_table('$st->[0]', \$\$$st->[2]\$\$, '$st->[3]', '$st->[4]')");
}

sub all_become_same
{
	my ($what) = @_;
	ok(becomes_same($node, $_->[0], $_->[1], $_->[2]), "$_->[0] $what") foreach @tables;
}

create($_) foreach @tables;
$node->safe_psql('postgres', q{
	INSERT INTO t SELECT i, i % 7, i FROM generate_series(101, 200) i;
	UPDATE t SET v = v + 1 WHERE id % 3 = 0;
	DELETE FROM t WHERE id % 11 = 0;
});
all_become_same('follows a change');

# Changes that arrive while the worker is busy or asleep, one by one.
foreach my $i (1 .. 20)
{
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1000 + $i, $i, $i)");
}
all_become_same('follows a stream of changes');

$node->safe_psql('postgres', "CREATE TABLE u (x int)");
create([ 'st_other', 'x', 'SELECT x FROM u', '0s', 'DIFFERENTIAL' ]);
$node->safe_psql('postgres', "INSERT INTO u VALUES (1), (1), (2)");
ok(becomes_same($node, 'st_other', 'x', 'SELECT x FROM u'), 'a later stream table is served');

# ---- a writer that is open during refreshes
my $writer = $node->background_psql('postgres');
$writer->query_safe("BEGIN");
$writer->query_safe("UPDATE t SET v = v + 100 WHERE id <= 10");
$node->safe_psql('postgres', "DELETE FROM t WHERE id BETWEEN 20 AND 30");
all_become_same('goes on beside an open writer');
$writer->query_safe("COMMIT");
$writer->quit;
all_become_same('has the late commit');

# ---- a prepared transaction, committed by somebody else
$node->safe_psql('postgres',
	"BEGIN; INSERT INTO t VALUES (5000, 50, 5000); PREPARE TRANSACTION 'p'");
$node->safe_psql('postgres', "INSERT INTO t VALUES (5001, 51, 5001)");
all_become_same('goes on beside a prepared transaction');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
all_become_same('has the prepared transaction');
is($node->safe_psql('postgres', "SELECT n FROM st_now WHERE k = 50"), '1',
	'the prepared row is there once');

# ---- TRUNCATE
$node->safe_psql('postgres', "BEGIN; TRUNCATE t; INSERT INTO t VALUES (1, 1, 1), (2, 2, 2); COMMIT");
all_become_same('follows TRUNCATE');

# ---- enabled = off: captured, not refreshed; manual refresh works
settings($node, 'pg_trickle.enabled' => 'off');
my $quiet = 0;
foreach my $i (1 .. 60)
{
	my $before = refreshes('st_now');
	$node->safe_psql('postgres', "INSERT INTO t VALUES (6000 + $i, 3, $i)");
	$node->safe_psql('postgres', "SELECT pg_sleep(1)");
	$quiet = (refreshes('st_now') == $before);
	last if $quiet;
}
ok($quiet, 'no refresh is started while pg_trickle.enabled is off');
is($node->safe_psql('postgres', oracle('st_now', 'k, n, s', $agg)), 'f',
	'and the stream table stays behind');
ok(refreshed_same($node, 'st_now', 'k, n, s', $agg), 'a manual refresh works meanwhile');
$node->safe_psql('postgres', "INSERT INTO t VALUES (7000, 3, 1)");
settings($node, 'pg_trickle.enabled' => 'on');
all_become_same('catches up when pg_trickle.enabled is on again');

# ---- errors: retried less and less often, suspended, resumed
settings($node, 'pg_trickle.max_consecutive_errors' => 3);
my $div = 'SELECT id, 1000 / v AS r FROM t WHERE id < 100';
create([ 'st_div', 'id, r', $div, '0s', 'DIFFERENTIAL' ]);
$node->safe_psql('postgres', "INSERT INTO t VALUES (9, 9, 0)");
ok($node->poll_query_until('postgres',
		"SELECT status FROM pgtrickle.pgt_status() WHERE name LIKE '%st_div'", 'SUSPENDED'),
	'suspended after too many errors');
is($node->safe_psql('postgres',
		"SELECT consecutive_errors FROM pgtrickle.pgt_status() WHERE name LIKE '%st_div'"),
	'3', 'after as many as the setting says');
is($node->safe_psql('postgres',
		"SELECT count(*), count(DISTINCT error_message), min(error_message) FROM pgtrickle.get_refresh_history('st_div') WHERE status = 'FAILED'"),
	'3|1|division by zero', 'each failure is in the history');
is($node->safe_psql('postgres', q{
		SELECT bool_and(gap > interval '0' AND (before IS NULL OR gap > before))
		FROM (SELECT gap, lag(gap) OVER (ORDER BY start_time) AS before
			  FROM (SELECT start_time, start_time - lag(start_time) OVER (ORDER BY start_time) AS gap
					FROM pgtrickle.get_refresh_history('st_div') WHERE status = 'FAILED') g
			  WHERE gap IS NOT NULL) b}),
	't', 'each retry waited longer than the one before');
$node->safe_psql('postgres', "INSERT INTO t VALUES (10, 9, 10)");
all_become_same('is served while another one fails');
is($node->safe_psql('postgres', "SELECT count(*) FROM st_div WHERE id = 10"), '0',
	'a suspended stream table is left alone');
my ($rc, $out, $err) = $node->psql('postgres', "SELECT pgtrickle.refresh_stream_table('st_div')");
isnt($rc, 0, 'a manual refresh of it fails as well');
like($err, qr/division by zero|suspended/, 'and says why');
$node->safe_psql('postgres', "UPDATE t SET v = 5 WHERE id = 9; SELECT pgtrickle.resume_stream_table('st_div')");
ok(becomes_same($node, 'st_div', 'id, r', $div), 'resumed, it catches up');
is($node->safe_psql('postgres',
		"SELECT status, consecutive_errors FROM pgtrickle.pgt_status() WHERE name LIKE '%st_div'"),
	'ACTIVE|0', 'and its errors are forgotten');

# An error that goes away by itself.
settings($node, 'pg_trickle.max_consecutive_errors' => 100);
$node->safe_psql('postgres', "INSERT INTO t VALUES (11, 9, 0)");
ok($node->poll_query_until('postgres',
		"SELECT status FROM pgtrickle.pgt_status() WHERE name LIKE '%st_div'", 'ERROR'),
	'a failed refresh shows');
$node->safe_psql('postgres', "DELETE FROM t WHERE id = 11");
ok(becomes_same($node, 'st_div', 'id, r', $div), 'and the next one that works clears it');
ok($node->poll_query_until('postgres',
		"SELECT status, consecutive_errors FROM pgtrickle.pgt_status() WHERE name LIKE '%st_div'", 'ACTIVE|0'),
	'in the status as well');

# A source that is locked away does not keep the others waiting for ever.
my $locker = $node->background_psql('postgres');
$locker->query_safe("BEGIN");
$locker->query_safe("LOCK TABLE u IN ACCESS EXCLUSIVE MODE");
$node->safe_psql('postgres', "INSERT INTO t VALUES (12, 2, 12)");
$locker->query_safe("COMMIT");
$locker->quit;
all_become_same('goes on after a source was locked');

# ---- dropped stream tables and sources do no harm
$node->safe_psql('postgres', "SELECT pgtrickle.drop_stream_table('st_div')");
$node->safe_psql('postgres', "DROP TABLE u CASCADE");
$node->safe_psql('postgres', "INSERT INTO t VALUES (13, 3, 13)");
all_become_same('goes on after another one lost its source');

# ---- databases come and go
$node->safe_psql('postgres', "CREATE DATABASE db2");
$node->safe_psql('db2', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (a int);
	SELECT pgtrickle.create_stream_table('st', 'SELECT a, count(*) AS n FROM t GROUP BY a', '0s');
	INSERT INTO t VALUES (1), (1), (2);
});
ok(becomes_same($node, 'st', 'a, n', 'SELECT a, count(*) AS n FROM t GROUP BY a', 'db2'),
	'a new database is served');
ok($node->poll_query_until('postgres', workers('db2'), '1'), 'by one worker');
$node->safe_psql('db2', "DROP EXTENSION pg_trickle CASCADE");
is($node->safe_psql('db2', "INSERT INTO t VALUES (3); SELECT count(*) FROM t"), '4',
	'without the extension the source is an ordinary table');
ok($node->poll_query_until('postgres', workers('db2'), '0'), 'DROP EXTENSION sends the worker home');
$node->safe_psql('db2', q{
	DROP TABLE IF EXISTS st;
	CREATE EXTENSION pg_trickle;
	SELECT pgtrickle.create_stream_table('st', 'SELECT a, count(*) AS n FROM t GROUP BY a', '0s');
	INSERT INTO t VALUES (1);
});
ok(becomes_same($node, 'st', 'a, n', 'SELECT a, count(*) AS n FROM t GROUP BY a', 'db2'),
	'made again, it is served again');
$node->safe_psql('db2', q{
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 (k int, v int);
	CREATE TABLE child (a int);
	INSERT INTO p2 VALUES (2, 2);
	INSERT INTO child VALUES (5), (6);
	SELECT pgtrickle.create_stream_table('st_p', 'SELECT k, v FROM p', '0s');
	SELECT pgtrickle.create_stream_table('st_c', 'SELECT a FROM t', '0s');
	INSERT INTO p VALUES (1, 1);
});
ok(becomes_same($node, 'st_p', 'k, v', 'SELECT k, v FROM p', 'db2'), 'a partitioned table is followed');
# until it is known that nothing has to be recomputed
sleep(3);
$node->safe_psql('db2', q{
	ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
	ALTER TABLE child INHERIT t;
});
$node->reload;
ok(becomes_same($node, 'st_p', 'k, v', 'SELECT k, v FROM p', 'db2'), 'and so are rows that come with a partition');
ok(becomes_same($node, 'st_c', 'a', 'SELECT a FROM t', 'db2'), 'and with a child');
$node->safe_psql('postgres', "DROP DATABASE db2 WITH (FORCE)");
$node->safe_psql('postgres', "CREATE DATABASE db3 TEMPLATE template0");
$node->safe_psql('postgres', "INSERT INTO t VALUES (14, 4, 14)");
all_become_same('goes on after a database was dropped');
is($node->safe_psql('postgres', workers('db3')), '0', 'a database without the extension has no worker');

# ---- the history does not grow without bound, and processes that are
# terminated come back (a new worker looks after the history at once)
$node->safe_psql('postgres', q{
	UPDATE pgtrickle.pgt_refresh_history
	SET start_time = start_time - interval '30 days', end_time = end_time - interval '30 days'
	WHERE pgt_id = (SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_now')});
my $old = "SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE end_time < now() - interval '2 days'";
cmp_ok($node->safe_psql('postgres', $old), '>', 20, 'there is old history');
settings($node, 'pg_trickle.history_retention' => "'1d'");
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'pg_trickle%'");
$node->safe_psql('postgres', "INSERT INTO t VALUES (30000, 4, 1)");
all_become_same('is served after the processes were terminated');
ok($node->poll_query_until('postgres', $old, '0'), 'history beyond the retention goes');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pgtrickle.pgt_refresh_history"), '>', 0,
	'newer history stays');
ok($node->poll_query_until('postgres', workers('postgres'), '1'), 'and there is one worker again');

$node->stop;
done_testing();
