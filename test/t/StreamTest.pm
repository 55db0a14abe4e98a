# What the TAP tests share: a server with pg_trickle, and the oracle.
package StreamTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(stream_node oracle refreshed_same becomes_same
  settings wait_blocked seed);

# A node ready to start.  preload => 0 leaves the scheduler out; conf => text
# for postgresql.conf; node => one that was made already; anything else goes to
# init().
sub stream_node
{
	my ($name, %opt) = @_;
	my $preload = delete $opt{preload} // 1;
	my $conf = delete $opt{conf} // '';
	my $node = delete $opt{node} // PostgreSQL::Test::Cluster->new($name);

	$node->init(%opt);
	$node->append_conf('postgresql.conf', <<CONF);
log_statement = none
max_connections = 40
max_prepared_transactions = 10
max_worker_processes = 16
autovacuum_naptime = 1s
CONF
	# Where it may not be written, the default kind of memory does not work.
	$node->append_conf('postgresql.conf', "dynamic_shared_memory_type = mmap\n")
	  unless -w '/dev/shm';
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'pg_trickle'\n")
	  if $preload;
	$node->append_conf('postgresql.conf', $conf);
	return $node;
}

# SQL that says whether a stream table's columns equal its query, as multisets.
sub oracle
{
	my ($st, $columns, $query) = @_;

	return "SELECT NOT EXISTS ((SELECT $columns FROM $st EXCEPT ALL ($query))"
	  . " UNION ALL (($query) EXCEPT ALL SELECT $columns FROM $st))";
}

# Refresh, and compare in the same transaction.  The comparison is only
# meaningful while nobody writes.
sub refreshed_same
{
	my ($node, $st, $columns, $query, $db) = @_;

	return $node->safe_psql($db // 'postgres',
		"BEGIN; DO \$\$ BEGIN PERFORM pgtrickle.refresh_stream_table('$st'); END \$\$;"
		  . oracle($st, $columns, $query)
		  . '; COMMIT;') eq 't';
}

# The scheduler brings them together.
sub becomes_same
{
	my ($node, $st, $columns, $query, $db) = @_;

	return $node->poll_query_until($db // 'postgres',
		oracle($st, $columns, $query));
}

# Change settings of a running server.
sub settings
{
	my ($node, %set) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET $_ = $set{$_}")
	  foreach sort keys %set;
	$node->reload;
	return;
}

# Wait until the session waits for a lock of the type.
sub wait_blocked
{
	my ($node, $pid, $locktype) = @_;

	return $node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT 1 FROM pg_locks WHERE pid = $pid"
		  . " AND NOT granted AND locktype = '$locktype')");
}

# Seed the random numbers, and print how to repeat them.
sub seed
{
	my $seed = $ENV{PGT_SEED} // int(rand(2**31));

	srand($seed);
	Test::More::diag("seed $seed: repeat with PGT_SEED=$seed");
	return $seed;
}

1;
