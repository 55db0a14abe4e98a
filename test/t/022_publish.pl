# Stream tables that are published: what a refresh inserts, updates and deletes
# arrives at a subscriber, for tables with a key and without.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $publisher = stream_node('publisher', allows_streaming => 'logical',
	conf => "pg_trickle.enabled = off\n");
my $subscriber = stream_node('subscriber', preload => 0, allows_streaming => 'logical');
$publisher->start;
$subscriber->start;

my @tables = (
	[ 'st_keyed', 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	[ 'st_rows', 'id, v', 'SELECT id, v FROM t WHERE v > 3' ],
	[ 'st_bag', 'k, v', 'SELECT k, v % 3 AS v FROM t' ]);

$publisher->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int NOT NULL, v int);
	INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 40) i;
});
$publisher->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '1h', 'DIFFERENTIAL')")
  foreach @tables;

# A table that is published with updates must say how rows are recognised; until it
# does, PostgreSQL refuses the refresh, and nothing is lost.
$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub FOR TABLE st_keyed, st_rows, st_bag');
$publisher->safe_psql('postgres', 'UPDATE t SET v = v + 1 WHERE id < 10');
my ($rc, $out, $err) = $publisher->psql('postgres', "SELECT pgtrickle.refresh_stream_table('st_keyed')");
like($err, qr/does not have a replica identity and publishes updates/, 'a published table needs a replica identity');
$publisher->safe_psql('postgres', q{
	ALTER TABLE st_rows ALTER id SET NOT NULL;
	ALTER TABLE st_rows REPLICA IDENTITY USING INDEX st_rows_pgt_key;
	ALTER TABLE st_keyed REPLICA IDENTITY FULL;
	ALTER TABLE st_bag REPLICA IDENTITY FULL});

# The subscriber needs tables of the same columns, no more.
$subscriber->safe_psql('postgres', q{
	CREATE TABLE st_keyed (k int, n bigint, s bigint);
	CREATE TABLE st_rows (id int PRIMARY KEY, v int);
	CREATE TABLE st_bag (k int, v int)});
my %hidden = map { $_ => $publisher->safe_psql('postgres',
		"SELECT string_agg(format(', %I %s', attname, format_type(atttypid, atttypmod)), '') FROM pg_attribute WHERE attrelid = '$_'::regclass AND attname ~ '^__pgt_'") }
  map { $_->[0] } @tables;
foreach my $table (grep { $hidden{$_} ne '' } keys %hidden)
{
	$subscriber->safe_psql('postgres', "ALTER TABLE $table " . join(',', map { "ADD COLUMN $_" } grep { /\S/ } split /, /, $hidden{$table}));
}
my $connstr = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$connstr' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

sub arrives
{
	my ($what) = @_;

	foreach my $st (@tables)
	{
		ok(refreshed_same($publisher, @$st), "$what: $st->[0] is right");
	}
	$publisher->wait_for_catchup('sub');
	foreach my $st (@tables)
	{
		my $all = "SELECT $st->[1] FROM $st->[0] ORDER BY 1, 2";

		is($subscriber->safe_psql('postgres', $all), $publisher->safe_psql('postgres', $all),
			"$what: $st->[0] is the same at the subscriber");
	}
	return;
}

arrives('at first');
$publisher->safe_psql('postgres', 'INSERT INTO t SELECT i, i % 7, i FROM generate_series(41, 60) i');
arrives('inserted');
$publisher->safe_psql('postgres', 'UPDATE t SET v = v + 1, k = (k + 1) % 7 WHERE id % 3 = 0; UPDATE t SET v = NULL WHERE id = 5');
arrives('updated');
$publisher->safe_psql('postgres', 'DELETE FROM t WHERE k IN (1, 2) OR id < 4');
arrives('deleted');
is($publisher->safe_psql('postgres',
		"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables"),
	'DIFFERENTIAL', 'all of it by differences');
$publisher->safe_psql('postgres', 'TRUNCATE t; INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 9) i');
arrives('truncated');
$publisher->safe_psql('postgres', 'TRUNCATE t');
arrives('emptied');
# filled from nothing, where a new heap would be taken if nobody listened
$publisher->safe_psql('postgres', 'INSERT INTO t SELECT i, i % 100, i FROM generate_series(1, 5000) i');
arrives('filled');

$subscriber->stop;
$publisher->stop;
done_testing();
