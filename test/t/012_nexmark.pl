# The queries of Nexmark equal their stream tables while events arrive and are
# corrected.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use QuerySuite;
use StreamTest;

# The queries that must be differential.
my @differential = map { sprintf 'q%02d', $_ } (0 .. 3, 10, 13, 14, 17, 20 .. 22);

my $node = stream_node('main', conf => "pg_trickle.enabled = off\n");
$node->start;
suite_load($node, 'nexmark', { scale => 0.01 }, 'schema.sql', 'generate.sql', 'refresh.sql');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_trickle; ANALYZE');

my $query = suite_queries('nexmark');
is(scalar(keys %$query), 22, 'there are 22 queries');
my $mode = suite_create($node, $query);

suite_round($node, $query, $mode, "after batch $_",
	'CALL nexmark.append(100)', 'CALL nexmark.correct(0.05)')
  foreach 1 .. 3;
suite_round($node, $query, $mode, 'after 50 events', 'CALL nexmark.append(50)');
suite_done($mode, @differential);

done_testing();
