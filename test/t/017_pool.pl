# Refresh workers: what takes long is refreshed beside the rest, by no more
# processes than are allowed, and nothing is lost when one of them goes.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', conf => "pg_trickle.max_refresh_workers = 2\n");
$node->start;

# A refresh that calls slowly('a', ...) goes on while hold('a') is in force.
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE f (k int, v int);
	CREATE FUNCTION slowly(name text, v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		WHILE NOT pg_try_advisory_xact_lock_shared(7, ascii(name)) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		RETURN v;
	END $$;
});
my @slow = qw(a b c d);
$node->safe_psql('postgres', "CREATE TABLE s_$_ (v int)") foreach @slow;
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('slow_$_', 'SELECT slowly(''$_'', v) AS v FROM s_$_', '0s', 'DIFFERENTIAL')")
  foreach @slow;
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('fast', 'SELECT k, sum(v) AS s FROM f GROUP BY k', '0s', 'DIFFERENTIAL')");
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('over', 'SELECT v FROM slow_a', '0s', 'DIFFERENTIAL')");

my $refreshing = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_trickle%' AND state = 'active' AND query LIKE 'refreshing%slow_%'";
my $pool = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_trickle refresh worker'";

my $holder = $node->background_psql('postgres');
sub hold { $holder->query_safe("SELECT pg_advisory_lock(7, ascii('$_'))") foreach @_; return; }
sub let_go { $holder->query_safe("SELECT pg_advisory_unlock(7, ascii('$_'))") foreach @_; return; }

sub same
{
	my ($st, $what) = @_;
	ok(becomes_same($node, "slow_$st", 'v', "SELECT v FROM s_$st"), "slow_$st $what");
}

my $n = 0;
sub fast_follows
{
	my ($what) = @_;
	$n++;
	$node->safe_psql('postgres', "INSERT INTO f VALUES ($n % 3, $n)");
	ok(becomes_same($node, 'fast', 'k, s', 'SELECT k, sum(v) AS s FROM f GROUP BY k'), "fast goes on $what");
}

fast_follows('when nothing is slow');

# ---- what was not changed for long is not late
$node->safe_psql('postgres', 'SELECT pg_sleep(0.5)');
fast_follows('after a pause');
is($node->safe_psql('postgres', $pool), '0', 'in the worker of the database');

# ---- one that turns out to take long is moved
hold('a');
$node->safe_psql('postgres', "INSERT INTO s_a VALUES (1)");
ok($node->poll_query_until('postgres', $refreshing, '1'), 'a slow refresh is under way');
fast_follows('beside it');
cmp_ok($node->safe_psql('postgres', $pool), '>=', 1, 'by a refresh worker');
$node->safe_psql('postgres', "INSERT INTO s_a VALUES (2)");
fast_follows('when more has come for the slow one');
let_go('a');
same('a', 'has both');
ok(becomes_same($node, 'over', 'v', 'SELECT v FROM s_a'), 'so has the one that reads it');

# ---- several at once, as many as are allowed, and the others wait for their turn
hold(@slow);
$node->safe_psql('postgres', "INSERT INTO s_$_ VALUES (3)") foreach @slow;
ok($node->poll_query_until('postgres', $pool, '2'), 'there are as many refresh workers as allowed');
fast_follows('while they are all busy');
is($node->safe_psql('postgres', $pool), '2', 'and no more');
fast_follows('and again');
# The waiting ones are refreshed when one of the others is done.
let_go(@slow);
same($_, 'had its turn') foreach @slow;

# ---- another database has its share
$node->safe_psql('postgres', "CREATE DATABASE other");
$node->safe_psql('other', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE s (v int);
	CREATE TABLE f (v int);
	CREATE FUNCTION slowly(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		PERFORM pg_sleep(0.3);
		RETURN v;
	END $$;
	SELECT pgtrickle.create_stream_table('st', 'SELECT slowly(v) AS v FROM s', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('fast', 'SELECT v FROM f', '0s', 'DIFFERENTIAL');
	INSERT INTO s VALUES (1);
});
ok(becomes_same($node, 'st', 'v', 'SELECT v FROM s', 'other'), 'one that idles leaves for another database');

# ---- lost in the middle
hold('a');
$node->safe_psql('postgres', "INSERT INTO s_a VALUES (4)");
ok($node->poll_query_until('postgres', "$refreshing AND backend_type = 'pg_trickle refresh worker'", '1'), 'a slow one again');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_trickle refresh worker' AND state = 'active'");
fast_follows('when its process was terminated');
let_go('a');
same('a', 'is refreshed by another');

hold('b');
$node->safe_psql('postgres', "INSERT INTO s_b VALUES (5)");
ok($node->poll_query_until('postgres', "$refreshing AND backend_type = 'pg_trickle refresh worker'", '1'), 'and again');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_trickle worker' AND datname = 'postgres'");
let_go('b');
fast_follows('when the worker of the database was terminated');
same('b', 'is refreshed');

# ---- dropped, and the whole database, while a refresh worker is at it
hold('c');
$node->safe_psql('postgres', "INSERT INTO s_c VALUES (6)");
ok($node->poll_query_until('postgres', "$refreshing AND backend_type = 'pg_trickle refresh worker'", '1'), 'and again');
my $dropper = $node->background_psql('postgres');
$dropper->query_until(qr/start/, "\\echo start\nSELECT pgtrickle.drop_stream_table('slow_c');\n");
fast_follows('while somebody waits to drop it');
let_go('c');
$dropper->quit;
is($node->safe_psql('postgres', "SELECT to_regclass('slow_c') IS NULL"), 't', 'it is dropped');
fast_follows('when it is dropped');
$node->safe_psql('other', "INSERT INTO s SELECT i FROM generate_series(1, 100) i");
$node->safe_psql('postgres', "DROP DATABASE other");
fast_follows('when a database was dropped');

# ---- none at all
settings($node, 'pg_trickle.max_refresh_workers' => 0);
$node->safe_psql('postgres', "INSERT INTO s_$_ VALUES (7)") foreach qw(a b d);
same($_, 'is refreshed without refresh workers') foreach qw(a b d);
fast_follows('without them');
$holder->quit;

# ---- too few processes
$node->append_conf('postgresql.conf', "max_worker_processes = 3\n");
settings($node, 'pg_trickle.max_refresh_workers' => 4);
$node->restart;
ok($node->poll_query_until('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_trickle worker'", '1'),
	'the worker is there');
like(slurp_file($node->logfile), qr/LOG:  max_worker_processes is too small for all workers of pg_trickle/,
	'the log says that there are too few processes');
$node->safe_psql('postgres', "INSERT INTO s_$_ VALUES (8)") foreach qw(a b d);
same($_, 'is refreshed all the same') foreach qw(a b d);
fast_follows('with too few processes');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11|not closed|leak/, 'the server log shows no crash and no leak');

$node->stop;
done_testing();
