# The scheduler and stream tables whose query uses the time: they are right as
# time goes by, though nothing is written and so nothing wakes anybody.
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
	CREATE TABLE t (id int PRIMARY KEY, k int, ends timestamptz);
	CREATE INDEX ON t (ends);
	CREATE TABLE u (k int PRIMARY KEY, name text);
	INSERT INTO u SELECT i, 'u' || i FROM generate_series(0, 2) i;
	INSERT INTO t SELECT i, i % 3, '2100-01-01' FROM generate_series(1, 10) i;
});

my $alive = 'SELECT id FROM t WHERE ends > now()';
my $dead = 'SELECT k, count(*) AS n FROM t JOIN u USING (k) WHERE ends <= now() GROUP BY k';
my @tables = (
	[ 'st_now', 'id', $alive, '0s', 'DIFFERENTIAL' ],
	[ 'st_ms', 'id', $alive, '100ms', 'DIFFERENTIAL' ],
	[ 'st_s', 'k, n', $dead, '1s', 'DIFFERENTIAL' ],
	[ 'st_full', 'id', $alive, '1s', 'FULL' ]);

sub create
{
	my ($st) = @_;
	$node->safe_psql('postgres',
		"SELECT pgtrickle.create_stream_table('$st->[0]', \$\$$st->[2]\$\$, '$st->[3]', '$st->[4]')");
}

# Once the rows with that number are past, everybody must come to see it.
sub all_pass
{
	my ($id, $what) = @_;

	ok($node->poll_query_until('postgres', "SELECT bool_and(ends < now()) FROM t WHERE id = $id"),
		"$what: its time has come");
	ok(becomes_same($node, $_->[0], $_->[1], $_->[2]), "$what: $_->[0]") foreach @tables;
	ok($node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM above WHERE id = $id)"),
		"$what: a stream table above");
}

create($_) foreach @tables;
$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('above', 'SELECT id, name FROM st_now JOIN t USING (id) JOIN u USING (k)', '0s', 'DIFFERENTIAL')");

# ---- a row goes by itself
$node->safe_psql('postgres', "INSERT INTO t VALUES (100, 1, now() + '1 second')");
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM st_now WHERE id = 100)"), 'a row comes at once');
all_pass(100, 'one second');

# ---- waiting is no busy loop: the looks at the clock are few, and leave nothing
my $recorded = "SELECT total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_now'";
my $commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'";
$node->safe_psql('postgres', "INSERT INTO t VALUES (101, 1, now() + '5 seconds')");
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM st_ms WHERE id = 101)"), 'a row comes that will go');
my $refreshes = $node->safe_psql('postgres', $recorded);
my $before = $node->safe_psql('postgres', $commits);
$node->safe_psql('postgres', "SELECT pg_sleep(3)");
cmp_ok($node->safe_psql('postgres', $commits) - $before, '<', 150, 'few transactions while nothing happens');
is($node->safe_psql('postgres', $recorded), $refreshes, 'and none of them is recorded');
all_pass(101, 'five seconds');
is($node->safe_psql('postgres',
		"SELECT string_agg(DISTINCT action, ' ') FROM pgtrickle.get_refresh_history('st_now', 1000) WHERE rows_deleted > 0"),
	'DIFFERENTIAL', 'what time changes goes by delta');

# ---- a new server knows which ones they are
$node->safe_psql('postgres', "INSERT INTO t VALUES (102, 2, now() + '3 seconds')");
$node->restart;
all_pass(102, 'after a restart');

# ---- the definition may stop to use the time, and start again
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st_ms', query => 'SELECT id FROM t')");
ok(becomes_same($node, 'st_ms', 'id', 'SELECT id FROM t'), 'a query without the time');
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st_ms', query => '$alive')");
$node->safe_psql('postgres', "INSERT INTO t VALUES (103, 0, now() + '1 second')");
all_pass(103, 'altered');

$node->stop;
done_testing();
