# The SQL of the documents that a new user types in runs as it stands.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $tree = "$FindBin::RealBin/../..";
my $node = stream_node('main');
$node->start;

# Its SQL blocks, in order, in a database of its own.
sub replay
{
	my ($file, $database) = @_;
	my @blocks = slurp_file("$tree/$file") =~ /^```sql\n(.*?)^```/gms;
	my ($out, $err) = ('', '');

	cmp_ok(scalar @blocks, '>', 0, "$file has SQL");
	my $status = $node->psql($database, join("\n", @blocks), stdout => \$out, stderr => \$err,
		extra_params => [ '-A', '-v', 'ON_ERROR_STOP=1' ]);
	is($status, 0, "$file runs") or diag($err);
	return $out;
}

$node->safe_psql('postgres', 'CREATE DATABASE start');
like(replay('README.md', 'start'), qr/^ada\|2\|20\.00$/m, 'README.md: the result that it shows');

# The demo's tables, with a few packages.
$node->safe_psql('postgres', 'CREATE DATABASE index');
$node->safe_psql('index', 'CREATE EXTENSION pg_trickle;' . slurp_file("$tree/demo/schema.sql") . q{
	INSERT INTO sections VALUES (1, 'libs'), (2, 'games');
	INSERT INTO maintainers VALUES (1, 'Ada', 'ada@example.org');
	INSERT INTO packages SELECT 'p' || i, '1', 'p' || i, 1 + i % 2, 1, i, i * 10000, 'main'
		FROM generate_series(1, 30) i;
	INSERT INTO dependencies SELECT 'p' || i, 'depends', 1, 1, 'p' || i % 7 + 20, ''
		FROM generate_series(1, 30) i;
});
my $out = replay('doc/tutorial.md', 'index');
like($out, qr/^tutorial\|99999999$/m, 'the tutorial: the row that was inserted');
like($out, qr/^0\|0$/m, 'the tutorial: verified');
like($out, qr/^verdict\|.*DIFFERENTIAL/m, 'the tutorial: the verdict');
like($out, qr/^FULL\|/m, 'the tutorial: the query that is recomputed');
is($node->safe_psql('index', 'SELECT count(*) FROM pgtrickle.pgt_status()'), 0, 'the tutorial leaves nothing');

$node->safe_psql('postgres', 'CREATE DATABASE oncall');
$node->safe_psql('oncall', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT pgtrickle.create_stream_table('revenue', 'SELECT v, count(*) AS n FROM t GROUP BY v');
});
like(replay('doc/operations.md', 'oncall'), qr/^scheduler_running\|OK\|/m, 'operations: the health check');

done_testing();
