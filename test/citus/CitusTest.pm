# A Citus cluster for tests: a coordinator and workers, reached by their sockets.
package CitusTest;

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StreamTest;

our @EXPORT = qw(citus_cluster citus_node connect_nodes citus_conf state verified);

# What a node needs besides StreamTest's settings.  Without node_conninfo Citus
# would turn on SSL, which a socket does not have.
sub citus_conf
{
	my ($preload) = @_;

	return <<CONF;
shared_preload_libraries = '$preload'
citus.node_conninfo = 'sslmode=prefer'
citus.shard_count = 4
citus.enable_statistics_collection = off
citus.max_cached_conns_per_worker = 1
wal_level = logical
CONF
}

# A started node.  preload => which libraries, in which order; conf => more text
# for postgresql.conf; extension => 0 leaves CREATE EXTENSION citus to the test.
sub citus_node
{
	my ($name, %opt) = @_;
	my $node = stream_node($name, preload => 0,
		conf => citus_conf($opt{preload} // 'citus, pg_trickle') . ($opt{conf} // ''));

	# Nodes find themselves by this name, too.
	$node->append_conf('postgresql.conf', "citus.local_hostname = '" . $node->host . "'\n");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus') if $opt{extension} // 1;
	return $node;
}

# Make the first node the coordinator of the others.
sub connect_nodes
{
	my ($coordinator, @workers) = @_;
	my $address = sub { "'" . $_[0]->host . "', " . $_[0]->port };

	$coordinator->safe_psql('postgres',
		"SELECT citus_set_coordinator_host(" . $address->($coordinator) . ")");
	$coordinator->safe_psql('postgres', "SELECT citus_add_node(" . $address->($_) . ")")
	  foreach @workers;
	return;
}

# Coordinator and two workers, with both extensions.
sub citus_cluster
{
	my (%opt) = @_;
	my @nodes = map { citus_node($_, %opt) } qw(coordinator worker1 worker2);

	connect_nodes(@nodes);
	$nodes[0]->safe_psql('postgres', 'CREATE EXTENSION pg_trickle');
	return @nodes;
}

# Refresh by hand, and say what ran, as "ACTION: reason", after the stream table
# was found equal to its query by verify_stream_table() and by the oracle; else
# what differs.
sub verified
{
	my ($node, $st, $columns, $query) = @_;

	# One session for all of it: each one has to connect to the workers first.
	my ($nothing, $what, $found, $same) = split /\n/, $node->safe_psql('postgres',
		"SELECT pgtrickle.refresh_stream_table('$st');"
		  . " SELECT coalesce(last_refresh_action, 'NONE') || coalesce(': ' || last_refresh_reason, '')"
		  . " FROM pgtrickle.stream_tables_info WHERE pgt_relid = '$st'::regclass;"
		  . " SELECT missing, surplus FROM pgtrickle.verify_stream_table('$st');"
		  . oracle($st, $columns, $query));

	return "verify: $found" if $found ne '0|0';
	return 'the oracle differs' if $same ne 't';
	return $what;
}

# What is recorded of a stream table's sources.
sub state
{
	my ($node, $st) = @_;

	return $node->safe_psql('postgres',
		"SELECT string_agg(format('%s %s %s', source, CASE WHEN captured THEN 'captured' ELSE 'polled' END, source_placement), ', ' ORDER BY source::text)"
		  . " FROM pgtrickle.pgt_dependencies JOIN pgtrickle.pgt_stream_tables USING (pgt_id) WHERE pgt_relid = '$st'::regclass");
}

1;
