# kill -9 of all processes, or of any one, which the others do not survive, at
# random moments under load.  After each restart every stream table is brought up
# to date and compared with its query: what was committed is there once, what was
# not is not there.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use StreamTest;

my $rounds = $ENV{PGT_CRASH_ROUNDS} // 20;
my $clients = 4;

seed();
my $node = stream_node('main', conf => "checkpoint_timeout = 30s\nmax_wal_size = 64MB\nrestart_after_crash = on\n");
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE customer (id int PRIMARY KEY, region int, name text);
	CREATE TABLE orders (id bigserial PRIMARY KEY, customer int, amount numeric(12,2), note text);
	CREATE TABLE log (x int, y text);
	CREATE TABLE ledger (client int, seq bigserial);
	INSERT INTO customer SELECT i, i % 7, 'c' || i FROM generate_series(1, 50) i;
	INSERT INTO orders (customer, amount) SELECT i % 60, i FROM generate_series(1, 500) i;
	INSERT INTO log SELECT i % 3, 'y' || i % 5 FROM generate_series(1, 100) i;
});

my @tables = (
	[ 'st_region', 'region, n, s, m',
		'SELECT c.region, count(*) AS n, sum(o.amount) AS s, max(o.amount) AS m FROM orders o JOIN customer c ON c.id = o.customer GROUP BY c.region',
		'0s' ],
	[ 'st_pairs', 'id, name, amount',
		'SELECT o.id, c.name, o.amount FROM orders o JOIN customer c ON c.id = o.customer WHERE o.amount > 20',
		'200ms' ],
	[ 'st_log', 'x, y', 'SELECT x, y FROM log', '0s' ],
	[ 'st_distinct', 'x, region',
		'SELECT DISTINCT l.x, c.region FROM log l JOIN customer c ON c.region = l.x', '1s' ],
	[ 'st_manual', 'x, n', 'SELECT x, count(*) AS n FROM log GROUP BY x', '1h' ],
	[ 'st_ledger', 'n', 'SELECT count(*) AS n FROM ledger', '100ms' ]);
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '$_->[3]', 'DIFFERENTIAL')")
  foreach @tables;

# The load: short and long transactions, savepoints, refreshes by hand, and
# now and then TRUNCATE.
my $dir = PostgreSQL::Test::Utils::tempdir;
sub script
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name", $text);
	return "$dir/$name";
}
my @scripts = (
	script('orders', q{
\set c random(1, 60)
\set o random(1, 2000)
BEGIN;
INSERT INTO orders (customer, amount) VALUES (:c, :o % 100);
UPDATE orders SET amount = amount + 1 WHERE id = :o;
INSERT INTO ledger (client) VALUES (:client_id);
COMMIT;
}) . '@10',
	script('bulk', q{
\set c random(1, 60)
INSERT INTO orders (customer, amount) SELECT (:c + i) % 60, i FROM generate_series(1, 200) i;
DELETE FROM orders WHERE id IN (SELECT id FROM orders ORDER BY id LIMIT 150);
}) . '@2',
	# enough for buffers to be trimmed
	script('flood', q{
UPDATE orders SET amount = amount % 97 + 1, note = repeat('x', 200);
}) . '@1',
	script('customer', q{
\set c random(1, 60)
\set r random(0, 8)
BEGIN;
INSERT INTO customer VALUES (:c, :r, 'n' || :r) ON CONFLICT (id) DO UPDATE SET region = excluded.region;
SAVEPOINT a;
DELETE FROM customer WHERE id = (:c * 7) % 60;
ROLLBACK TO SAVEPOINT a;
SAVEPOINT b;
DELETE FROM customer WHERE id = (:c * 13) % 60;
RELEASE SAVEPOINT b;
COMMIT;
}) . '@4',
	script('log', q{
\set x random(0, 5)
INSERT INTO log VALUES (:x, 'y' || :x), (:x, NULL);
DELETE FROM log WHERE ctid = (SELECT ctid FROM log WHERE x = :x LIMIT 1);
}) . '@4',
	script('truncate', q{
BEGIN;
TRUNCATE log;
INSERT INTO log SELECT i, 't' FROM generate_series(1, 5) i;
COMMIT;
}) . '@1',
	script('refresh', q{
BEGIN;
INSERT INTO log VALUES (1, 'own');
SELECT pgtrickle.refresh_stream_table('st_manual');
INSERT INTO log VALUES (2, 'own');
COMMIT;
}) . '@1');

# Gone, or dead and not yet collected by its parent?
sub is_dead
{
	my ($pid) = @_;

	return 1 unless kill 0, $pid;
	open(my $fh, '<', "/proc/$pid/stat") or return 0;
	my $line = <$fh>;
	close $fh;
	return !defined $line || $line =~ /^\d+ \(.*\) [ZX]/;
}

# Kill the server with all its processes, as a power failure would, and wait
# until they are gone.  What started a moment ago ends by itself.
sub crash
{
	my $pidfile = $node->data_dir . '/postmaster.pid';
	my ($postmaster) = slurp_file($pidfile) =~ /^(\d+)/;
	my @pids = ($postmaster,
		split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity'));

	kill 9, @pids;
	$node->kill9;
	foreach my $attempt (1 .. 100)
	{
		last unless grep { !is_dead($_) } @pids;
		usleep(10_000);
	}

	# Where nobody collects dead processes, their files seem to be in use.
	unlink $pidfile, $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return;
}

# Kill one process: the postmaster ends all others, makes shared memory afresh,
# recovers, and goes on.  Returns which kind it was.
sub crash_one
{
	my ($pid, $kind);
	my @line = split /\n/, $node->safe_psql('postgres',
		'SELECT pid, backend_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()');
	my $log = -s $node->logfile;

	do
	{
		($pid, $kind) = split /\|/, splice(@line, int(rand(@line)), 1);
	} until kill(9, $pid) || !@line;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return $kind;
}

foreach my $round (1 .. $rounds)
{
	my ($out, $err) = ('', '');
	my @command = (
		$node->installed_command('pgbench'), '-n', '-c', $clients, '-j', 1, '-T', 60,
		'--max-tries=0', '-h', $node->host, '-p', $node->port,
		(map { ('-f', $_) } @scripts), 'postgres');
	my $load = IPC::Run::start(\@command, '<', \undef, '>', \$out, '2>', \$err);
	my $wait = 0.05 + rand(0.9);
	my $deadline = Time::HiRes::time() + $wait;

	# Hurry writes to the disk now and then, so that recovery starts anywhere.
	$node->psql('postgres', 'CHECKPOINT') if rand() < 0.3;
	while (Time::HiRes::time() < $deadline)
	{
		usleep(10_000);
	}

	my $killed = 'all';
	if ($round % 3 == 0)
	{
		$killed = crash_one();
	}
	else
	{
		crash();
	}
	eval { $load->finish; };
	my @errors = grep { /ERROR:/ } split /\n/, $err;
	is(join("\n", @errors), '', "round $round: the load met no error");
	$node->start if $killed eq 'all';

	my @wrong = grep { !refreshed_same($node, $_->[0], $_->[1], $_->[2]) } @tables;
	is(join(' ', map { $_->[0] } @wrong), '',
		sprintf('round %d, killed after %.3f s, %s: every stream table equals its query', $round, $wait, $killed));
	if (@wrong)
	{
		diag($node->safe_psql('postgres',
				"SELECT pgt_name, s.*, frontier FROM pgtrickle.pgt_stream_tables, pgtrickle.verify_stream_table(pgt_name::text) s"));
		last;
	}
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM pgtrickle.pgt_stream_tables, pgtrickle.verify_stream_table(pgt_name::text) v WHERE v.missing + v.surplus <> 0"),
		'0', "round $round: verify_stream_table() agrees");
}

# The load did something, and differential refreshes did the work.
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM ledger'), '>', 20 * $rounds,
	'the load was real');
is($node->safe_psql('postgres',
		"SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE status = 'FAILED' AND error_sqlstate NOT IN ('40P01', '57P01')"),
	'0', 'no refresh failed');
is($node->safe_psql('postgres',
		"SELECT count(*) > 0 FROM pg_class WHERE relnamespace = 'pgtrickle_changes'::regnamespace AND relfilenode <> oid"),
	't', 'buffers were trimmed on the way');

$node->stop;
done_testing();
