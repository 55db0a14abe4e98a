# Where tables are, by the functions that say so, for every kind of table that
# Citus has; and in the session that creates and drops Citus.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use CitusTest;

my @nodes = citus_cluster();
my ($node, @workers) = @nodes;

$node->safe_psql('postgres', q{
	CREATE TABLE plain (id int PRIMARY KEY);
	CREATE TABLE parted (id int, k int) PARTITION BY RANGE (k);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
	CREATE VIEW seen AS SELECT * FROM plain;
	CREATE TABLE ref (id int PRIMARY KEY);
	SELECT create_reference_table('ref');
	CREATE TABLE dist (a int, "Key" int);
	SELECT create_distributed_table('dist', 'Key');
	CREATE TABLE appended (id int);
	SELECT create_distributed_table('appended', 'id', 'append');
	CREATE TABLE single (id int);
	SELECT create_distributed_table('single', NULL, colocate_with => 'none');
	CREATE TABLE managed (id int PRIMARY KEY);
	SELECT citus_add_local_table_to_metadata('managed');
	CREATE TABLE by_key (id int REFERENCES ref);
	CREATE TABLE dist_parted (id int, k int) PARTITION BY RANGE (k);
	CREATE TABLE dist_parted_1 PARTITION OF dist_parted FOR VALUES FROM (0) TO (10);
	SELECT create_distributed_table('dist_parted', 'id');
	CREATE TABLE dist_parted_2 PARTITION OF dist_parted FOR VALUES FROM (10) TO (20);
	SET citus.enable_schema_based_sharding = on;
	CREATE SCHEMA tenant;
	CREATE TABLE tenant.own (id int);
});

my %expected = (
	'plain' => 'local||f',
	'parted' => 'local||f',
	'parted_1' => 'local||f',
	'seen' => 'local||f',
	'pg_class' => 'local||f',
	'ref' => 'reference||t',
	'dist' => 'distributed|Key|t',
	'appended' => 'distributed|id|t',
	'single' => 'distributed||t',
	'managed' => 'local||t',
	'by_key' => 'local||t',
	'dist_parted' => 'distributed|id|t',
	'dist_parted_1' => 'distributed|id|t',
	'dist_parted_2' => 'distributed|id|t',
	'tenant.own' => 'distributed||t');

is($node->safe_psql('postgres', "SELECT * FROM pgtrickle.placement('$_')"), $expected{$_}, "placement of $_")
  foreach sort keys %expected;
is($workers[0]->safe_psql('postgres', "SELECT * FROM pgtrickle.placement('$_')"), $expected{$_},
	"placement of $_, asked of a worker")
  foreach qw(ref dist single managed dist_parted_2);

is($node->safe_psql('postgres', 'SELECT pgtrickle.is_citus_loaded()'), 't', 'Citus is there');

# ---- nodes
my $addresses = join("\n", map { "$_|" . $nodes[$_]->host . '|' . $nodes[$_]->port . '|' . ($_ ? 't' : 'f') } 0 .. 2);
is($node->safe_psql('postgres', 'SELECT group_id, host, port, has_shards FROM pgtrickle.worker_nodes()'),
	$addresses, 'the nodes, coordinator first');
is($workers[1]->safe_psql('postgres', 'SELECT group_id, host, port, has_shards FROM pgtrickle.worker_nodes()'),
	$addresses, 'a worker knows the same');

# ---- shards
sub shards
{
	my ($table) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(*), count(DISTINCT shard_id), string_agg(DISTINCT group_id::text, ',') FROM pgtrickle.shard_placements('$table')");
}
is(shards('dist'), '4|4|1,2', 'shards of a distributed table');
is(shards('ref'), '3|1|0,1,2', 'a reference table is everywhere');
is(shards('managed'), '1|1|0', 'a local table that Citus manages is on the coordinator');
is(shards('plain'), '0|0|', 'a local table has none');
like(shards('single'), qr/^1\|1\|[12]$/, 'a table in one shard');
is(shards('dist_parted'), '4|4|1,2', 'shards of a partitioned table');
is($node->safe_psql('postgres', "SELECT bool_and(shard = 'dist_' || shard_id) FROM pgtrickle.shard_placements('dist')"),
	't', 'shards have the names that they have on the nodes');
my ($shard, $group) = split /\|/, $node->safe_psql('postgres',
	"SELECT shard, group_id FROM pgtrickle.shard_placements('dist') LIMIT 1");
is($nodes[$group]->safe_psql('postgres',
		"SET citus.override_table_visibility = off; SELECT count(*) FROM pg_class WHERE relname = '$shard'"),
	'1', 'and are where they are said to be');

# ---- anybody may ask
$node->safe_psql('postgres', 'CREATE ROLE nobody');
is($node->safe_psql('postgres', q{
		SET ROLE nobody;
		SELECT placement, (SELECT count(*) FROM pgtrickle.worker_nodes()), (SELECT count(*) FROM pgtrickle.shard_placements('public.dist'))
		FROM pgtrickle.placement('public.dist')}),
	'distributed|3|4', 'without any right');

# ---- Citus comes and goes within a session, and within a transaction
$node->safe_psql('postgres', 'CREATE DATABASE other');
is($node->safe_psql('other', q{
		CREATE EXTENSION pg_trickle;
		CREATE TABLE t (id int);
		SELECT pgtrickle.is_citus_loaded(), placement, (SELECT count(*) FROM pgtrickle.worker_nodes()) FROM pgtrickle.placement('t');
		CREATE EXTENSION citus;
		SELECT pgtrickle.is_citus_loaded(), placement, is_managed FROM pgtrickle.placement('t');
		DROP EXTENSION citus;
		SELECT pgtrickle.is_citus_loaded(), placement, is_managed FROM pgtrickle.placement('t');
		BEGIN;
		CREATE EXTENSION citus;
		SELECT pgtrickle.is_citus_loaded();
		ROLLBACK;
		SELECT pgtrickle.is_citus_loaded();
		SET citus.shard_count = 7;
		SELECT pgtrickle.is_citus_loaded(), (SELECT count(*) FROM pgtrickle.shard_placements('t'))}),
	"f|local|0\nt|local|f\nf|local|f\nt\nf\nf|0", 'Citus is seen to come and go');

# ---- without its library the tables of Citus are nobody's
$workers[0]->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_trickle'\n");
$workers[0]->restart;
is($workers[0]->safe_psql('postgres', q{
		SET citus.shard_count = 7;
		SELECT pgtrickle.is_citus_loaded(), placement, (SELECT count(*) FROM pgtrickle.worker_nodes()) FROM pgtrickle.placement('dist')}),
	'f|local|0', 'a server that does not load Citus has none');

$_->stop foreach reverse @nodes;
done_testing();
