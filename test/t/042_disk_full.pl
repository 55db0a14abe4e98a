# A disk that is full: statements fail, and then everything is as it was.
#
# A limit on the size of a file, put on the running server, stands for the disk:
# what would be longer cannot be written.  It falls upon whatever comes first, the
# table that is written, its change buffer, the stream table or an index, at
# another place in each round.  Nobody may lose a change by that, or apply one
# twice: when there is room again, refreshes go on, and all is equal.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

plan skip_all => 'prlimit is not installed' if system('prlimit --version > /dev/null 2>&1') != 0;

my $rounds = $ENV{PGT_DISK_ROUNDS} // 5;
# No checkpoint, no vacuum: they would meet the limit at a moment of their own.
# Segments of the log stay below it: a log that cannot be written ends the server.
my $node = stream_node('main', extra => [ '--wal-segsize', '1' ], conf => "autovacuum = off\ncheckpoint_timeout = 1h\nmax_wal_size = 10GB\n"
	  . "pg_trickle.enabled = off\nlog_min_messages = panic\n");
$node->start;
seed();

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, v int, filler text);
	CREATE TABLE u (k int PRIMARY KEY, name text);
	INSERT INTO u SELECT i, 'u' || i FROM generate_series(0, 99) i;
	INSERT INTO t SELECT i, i % 100, i, repeat('x', 50) FROM generate_series(1, 20000) i;
});
my @tables = (
	[ 'st_rows', 'id, name, v, filler', 'SELECT id, name, v, filler FROM t JOIN u USING (k)' ],
	[ 'st_groups', 'v, n, s', 'SELECT v / 2 AS v, count(*) AS n, sum(k) AS s FROM t GROUP BY 1' ]);
foreach my $st (@tables)
{
	$node->safe_psql('postgres',
		"SELECT pgtrickle.create_stream_table('$st->[0]', '$st->[2]', '1h', 'DIFFERENTIAL')");
}

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

# Of the server and of the sessions that it starts from now on; undef lifts it.
sub limit_files
{
	my ($bytes) = @_;

	system('prlimit', '--pid', $postmaster, '--fsize=' . ($bytes // 'unlimited') . ':unlimited') == 0
	  or die 'prlimit failed';
	return;
}

my $next = 20001;
my @statements = (
	sub { my $n = $next; $next += 3000; "INSERT INTO t SELECT i, i % 100, i, repeat('y', 50) FROM generate_series($n, $n + 2999) i" },
	sub { 'UPDATE t SET v = v + 1 WHERE k < ' . int(rand(60)) },
	sub { 'DELETE FROM t WHERE k = ' . int(rand(100)) });

# Room for some more pages of the longest of some relations.
sub leave_room
{
	my ($relations) = @_;
	my $longest = $node->safe_psql('postgres',
		"SELECT max(pg_relation_size(oid)) FROM pg_class WHERE $relations");

	limit_files(($longest > 2**20 ? $longest : 2**20) + 8192 * int(rand(100)));
	return;
}

my %failed = (statement => 0, refresh => 0);

sub run_with_little_room
{
	my ($what, $sql, $round) = @_;
	my $err = '';

	return if $node->psql('postgres', $sql, stderr => \$err) == 0;
	$failed{$what}++;
	like($err, qr/could not (extend|write)/, "round $round: a $what fails for lack of room");
	return;
}

# More rounds, if chance has spared one of the two until then.
foreach my $round (1 .. 4 * $rounds)
{
	last if $round > $rounds && $failed{statement} > 0 && $failed{refresh} > 0;
	foreach my $n (1 .. 8)
	{
		my $st = $tables[ rand @tables ]->[0];

		leave_room("relname = 't' OR relnamespace = 'pgtrickle_changes'::regnamespace");
		run_with_little_room('statement', $statements[ rand @statements ]->(), $round);
		leave_room("relname = '$st'");
		run_with_little_room('refresh', "SELECT pgtrickle.refresh_stream_table('$st')", $round);
	}
	limit_files(undef);
	ok(refreshed_same($node, @$_), "round $round: $_->[0]") foreach @tables;
}
cmp_ok($failed{$_}, '>', 0, "$_ failed $failed{$_} times") foreach sort keys %failed;
is($node->safe_psql('postgres', 'SELECT sum(missing + surplus) FROM pgtrickle.pgt_status(), pgtrickle.verify_stream_table(name)'),
	0, 'all equal their queries');

$node->stop;
done_testing();
