# Sources that are fed by logical replication: the apply worker fires no
# statement triggers, so their changes are captured row by row.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $publisher = stream_node('publisher', preload => 0, allows_streaming => 'logical');
$publisher->start;
my $subscriber = stream_node('subscriber', allows_streaming => 'logical');
$subscriber->start;

my $schema = q{
	CREATE TABLE a (id int PRIMARY KEY, k int, v text);
	CREATE TABLE b (k int, f int);
	ALTER TABLE b REPLICA IDENTITY FULL;
	CREATE TABLE late (id int PRIMARY KEY, v int);
	CREATE TABLE p (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
	CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
};
$publisher->safe_psql('postgres', $schema . q{
	INSERT INTO a SELECT i, i % 3, 'v' || i FROM generate_series(1, 20) i;
	INSERT INTO b VALUES (0, 1), (1, 10), (1, 10);
	INSERT INTO late SELECT i, i FROM generate_series(1, 10) i;
	INSERT INTO p SELECT i, i % 2 FROM generate_series(1, 10) i;
	CREATE PUBLICATION pub FOR TABLE a, b, p;
	CREATE PUBLICATION pub_late FOR TABLE late;
});
$subscriber->safe_psql('postgres', $schema . 'CREATE EXTENSION pg_trickle;');
my $connstr = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub CONNECTION '$connstr' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');

my @tables = (
	[ 'st_auto', 'k, n, s', 'SELECT a.k, count(*) AS n, sum(b.f) AS s FROM a JOIN b ON a.k = b.k GROUP BY a.k', '0s' ],
	[ 'st_manual', 'k, f', 'SELECT k, f FROM b', '1h' ],
	[ 'st_rows', 'id, v', 'SELECT id, v FROM a WHERE k < 2', '1h' ],
	[ 'st_parts', 'k, n', 'SELECT k, count(*) AS n FROM p GROUP BY k', '0s' ],
	[ 'st_late', 'n, s', 'SELECT count(*) AS n, sum(v) AS s FROM late', '1h' ]);
$subscriber->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '$_->[3]', 'DIFFERENTIAL')")
  foreach @tables;

sub all_same
{
	my ($what) = @_;

	$publisher->wait_for_catchup('sub');
	foreach my $st (@tables)
	{
		my ($name, $columns, $query, $schedule) = @$st;
		ok( $schedule eq '0s'
			? becomes_same($subscriber, $name, $columns, $query)
			: refreshed_same($subscriber, $name, $columns, $query),
			"$name: $what");
	}
	# The subscriber has what the publisher has, so that equal is not empty.
	foreach my $table ('a', 'b', 'p')
	{
		my $digest = "SELECT count(*), md5(string_agg($table\::text, ' ' ORDER BY $table\::text)) FROM $table";
		is($subscriber->safe_psql('postgres', $digest), $publisher->safe_psql('postgres', $digest),
			"$table is replicated: $what");
	}
}

all_same('after the initial copy');
$publisher->safe_psql('postgres', "INSERT INTO a SELECT i, i % 4, 'w' || i FROM generate_series(100, 120) i; INSERT INTO b VALUES (2, 5), (3, 7)");
all_same('after INSERT');
$publisher->safe_psql('postgres', "UPDATE a SET k = k + 1, v = v || '!' WHERE id % 2 = 0; UPDATE b SET f = f + 1 WHERE k = 1");
all_same('after UPDATE');
$publisher->safe_psql('postgres', "UPDATE a SET id = id + 1000 WHERE id < 5; DELETE FROM a WHERE k = 1; DELETE FROM b WHERE k = 0");
all_same('after DELETE and a changed key');
$publisher->safe_psql('postgres', "BEGIN; INSERT INTO a VALUES (500, 2, 'x'); SAVEPOINT s; DELETE FROM a; ROLLBACK TO SAVEPOINT s; UPDATE a SET v = 'y' WHERE id = 500; INSERT INTO b VALUES (2, 6); COMMIT");
all_same('after several changes in one transaction');
$publisher->safe_psql('postgres', "INSERT INTO p VALUES (100, 0), (101, 1); UPDATE p SET k = 1 - k WHERE id < 5; DELETE FROM p WHERE id = 6");
all_same('after rows moved between partitions');
$publisher->safe_psql('postgres', "TRUNCATE b; INSERT INTO b VALUES (2, 100)");
all_same('after TRUNCATE');
$publisher->safe_psql('postgres', "TRUNCATE a, p; INSERT INTO a VALUES (1, 2, 'z'); INSERT INTO p VALUES (1, 1)");
all_same('after TRUNCATE of several tables');
# Local writes on the subscriber, by statement.
$subscriber->safe_psql('postgres', "INSERT INTO late VALUES (50, 50); UPDATE late SET v = v + 1");
ok(refreshed_same($subscriber, 'st_late', 'n, s', $tables[4][2]), 'a local source');

# ---- a source is subscribed to after its stream table was made
$subscriber->safe_psql('postgres', "TRUNCATE late");
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub_late CONNECTION '$connstr' PUBLICATION pub_late");
$subscriber->wait_for_subscription_sync($publisher, 'sub_late');
ok(refreshed_same($subscriber, 'st_late', 'n, s', $tables[4][2]), 'subscribed later: the initial copy');
foreach my $change ("INSERT INTO late VALUES (60, 60)", "UPDATE late SET v = v * 2 WHERE id < 5", "DELETE FROM late WHERE id = 7")
{
	$publisher->safe_psql('postgres', $change);
	$publisher->wait_for_catchup('sub_late');
	ok(refreshed_same($subscriber, 'st_late', 'n, s', $tables[4][2]), "subscribed later: $change");
}
is($subscriber->safe_psql('postgres', "SELECT n FROM st_late"), '10', 'and the rows are there');

# ---- subscribed, changed and unsubscribed, all between two refreshes
$_->safe_psql('postgres', 'CREATE TABLE brief (id int PRIMARY KEY, v int); INSERT INTO brief VALUES (1, 1), (2, 2)')
  foreach $publisher, $subscriber;
$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub_brief FOR TABLE brief');
$subscriber->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('st_brief', 'SELECT id, v FROM brief', '1h', 'DIFFERENTIAL')");
foreach my $change ("INSERT INTO brief VALUES (3, 3)", "UPDATE brief SET v = v + 1", "DELETE FROM brief WHERE id = 1")
{
	$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION sub_brief CONNECTION '$connstr' PUBLICATION pub_brief WITH (copy_data = false)");
	$subscriber->wait_for_subscription_sync($publisher, 'sub_brief');
	$publisher->safe_psql('postgres', $change);
	$publisher->wait_for_catchup('sub_brief');
	$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub_brief');
	ok(refreshed_same($subscriber, 'st_brief', 'id, v', 'SELECT id, v FROM brief'), "subscribed for a while: $change");
}
is($subscriber->safe_psql('postgres', "SELECT string_agg(id || ':' || v, ' ' ORDER BY id) FROM st_brief"), '2:3 3:4', 'and the changes are there');

# ---- no longer subscribed
$subscriber->safe_psql('postgres', "DROP SUBSCRIPTION sub_late");
$subscriber->safe_psql('postgres', "INSERT INTO late VALUES (70, 70); DELETE FROM late WHERE id = 60");
ok(refreshed_same($subscriber, 'st_late', 'n, s', $tables[4][2]), 'subscription dropped: local changes count');

$subscriber->stop;
$publisher->stop;
done_testing();
