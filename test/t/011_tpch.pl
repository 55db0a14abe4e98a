# The 22 queries of TPC-H equal their stream tables while all eight tables change.
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
my @differential = map { sprintf 'q%02d', $_ } (1, 5 .. 9, 12, 14, 19);

my $node = stream_node('main', conf => "pg_trickle.enabled = off\n");
$node->start;
suite_load($node, 'tpch', { scale => 0.01, foreign_keys => 1 },
	'schema.sql', 'generate.sql', 'refresh.sql');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_trickle; ANALYZE');

my $query = suite_queries('tpch');
is(scalar(keys %$query), 22, 'there are 22 queries');
my $mode = suite_create($node, $query);

suite_round($node, $query, $mode, "after batch $_",
	'CALL tpch.rf1(15)', 'CALL tpch.rf2(15)', 'CALL tpch.update_mix(0.1)')
  foreach 1 .. 3;
suite_round($node, $query, $mode, 'after ten orders', 'CALL tpch.rf1(10)', 'CALL tpch.rf2(10)');
suite_done($mode, @differential);

done_testing();
