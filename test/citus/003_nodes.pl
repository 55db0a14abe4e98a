# Both extensions side by side: libraries in both orders, CREATE EXTENSION in
# both orders; worker nodes, which get the extension as well, keep still; and
# local tables are none the worse for Citus.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use CitusTest;
use StreamTest;

my @query = ('st', 'k, n', 'SELECT k, count(*) AS n FROM t GROUP BY k');

sub create
{
	my ($node, $db) = @_;

	$node->safe_psql($db // 'postgres', qq{
		CREATE TABLE t (id int PRIMARY KEY, k int);
		INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 100) i;
		SELECT pgtrickle.create_stream_table('$query[0]', '$query[2]', '0s');
	});
	return;
}

# ---- libraries in the other order: Citus wants to be the first
my $node = citus_node('order', extension => 0);
$node->stop;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_trickle, citus'\n");
is($node->start(fail_ok => 1), 0, 'Citus does not start as the second library');
like(slurp_file($node->logfile), qr/Citus has to be loaded first/, 'and says so');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'citus, pg_trickle'\n");
$node->start;

# ---- extensions in both orders, in databases of one server
foreach my $order ([ 'citus', 'pg_trickle' ], [ 'pg_trickle', 'citus' ])
{
	my $db = "first_$order->[0]";

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION $_") foreach @$order;
	create($node, $db);
	$node->safe_psql($db, 'INSERT INTO t VALUES (1000, 7); DELETE FROM t WHERE id = 1');
	ok(becomes_same($node, @query, $db), "$order->[0] first: the scheduler follows");
}

# A stream table that was there before Citus is.
$node->safe_psql('postgres', 'CREATE DATABASE late');
$node->safe_psql('late', 'CREATE EXTENSION pg_trickle');
create($node, 'late');
$node->safe_psql('late', 'CREATE EXTENSION citus; INSERT INTO t VALUES (1000, 7)');
ok(becomes_same($node, @query, 'late'), 'a stream table from before Citus goes on');
$node->safe_psql('late', 'UPDATE t SET k = k + 1');
ok(becomes_same($node, @query, 'late'), 'and on');
$node->safe_psql('late', 'DROP EXTENSION citus; UPDATE t SET k = k + 1');
ok(becomes_same($node, @query, 'late'), 'and after Citus is gone');
is($node->safe_psql('late', "SELECT DISTINCT action FROM pgtrickle.refresh_history WHERE reason IS DISTINCT FROM 'first refresh'"),
	'DIFFERENTIAL', 'by differences');
$node->safe_psql('late', 'DROP EXTENSION pg_trickle CASCADE');
$node->stop;

# ---- a cluster
my ($coordinator, @workers) = citus_cluster();

is($_->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trickle'"), '1',
	$_->name . ' has the extension')
  foreach @workers;
create($coordinator);
$coordinator->safe_psql('postgres', 'INSERT INTO t SELECT i, i % 7 FROM generate_series(200, 300) i');
ok(becomes_same($coordinator, @query), 'the coordinator keeps a local table fresh');

# What the scheduler has to make anew it makes with Citus loaded, too.
$coordinator->safe_psql('postgres',
	"SELECT format('DROP TRIGGER %I ON t', tgname) FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname ~ 'upd' \\gexec\n"
	  . 'UPDATE t SET k = k + 1; DELETE FROM t WHERE id = 50');
ok(becomes_same($coordinator, @query), 'and repairs what is missing');

# A source in shards is polled by the scheduler.
my @dist = ('s_dist', 'k, n', 'SELECT k, count(*) AS n FROM dist GROUP BY k');
$coordinator->safe_psql('postgres', qq{
	CREATE TABLE dist (id int, k int);
	SELECT create_distributed_table('dist', 'id');
	SELECT pgtrickle.create_stream_table('$dist[0]', '$dist[2]', '0s');
	INSERT INTO dist SELECT i, i % 7 FROM generate_series(200, 300) i;
});
ok(becomes_same($coordinator, @dist), 'and polls a distributed one');
$workers[0]->safe_psql('postgres', 'UPDATE dist SET k = k + 1 WHERE id > 250');
ok(becomes_same($coordinator, @dist), 'which is written on a worker');

# One that the scheduler knows as captured is distributed.
$coordinator->safe_psql('postgres', q{
	BEGIN;
	DO $$ DECLARE t text; BEGIN
		FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass LOOP
			EXECUTE format('DROP TRIGGER %I ON t', t);
		END LOOP;
	END $$;
	SELECT create_distributed_table('t', 'id');
	COMMIT;
	INSERT INTO t SELECT i, i % 7 FROM generate_series(500, 600) i;
});
is($coordinator->safe_psql('postgres', "SELECT staleness > '0' FROM pgtrickle.pgt_status() WHERE name = 'public.st'"), 't',
	'a source that was distributed makes its reader stale');
$coordinator->reload;			# the scheduler looks at once, not within a minute
ok(becomes_same($coordinator, @query), 'until the scheduler has found out');

# ---- workers keep still
foreach my $worker (@workers)
{
	my ($rc, $out, $err) = $worker->psql('postgres', "SELECT pgtrickle.create_stream_table('x', 'SELECT 1 AS a')");

	like($err, qr/cannot create a stream table on a worker node of Citus/, $worker->name . ' has no stream tables');
	ok($worker->poll_query_until('postgres',
			"SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE backend_type = 'pg_trickle worker')"),
		$worker->name . ' has no scheduler at work');
	is($worker->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'pgtrickle_changes'::regnamespace OR relname ~ '^aux_'"),
		'0', $worker->name . ' has no tables of ours');
	unlike(slurp_file($worker->logfile), qr/ERROR.*pgtrickle|terminated by signal|PANIC/, $worker->name . ' has a clean log');
}

# A worker that is lost: what reads shards fails with the reason, all else goes on.
$coordinator->safe_psql('postgres', q{
	CREATE TABLE l (id int, k int);
	SELECT pgtrickle.create_stream_table('s_l', 'SELECT k, count(*) AS n FROM l GROUP BY k', '0s');
});
$workers[1]->stop;
$coordinator->safe_psql('postgres', 'INSERT INTO l SELECT i, i % 3 FROM generate_series(1, 30) i');
ok(becomes_same($coordinator, 's_l', 'k, n', 'SELECT k, count(*) AS n FROM l GROUP BY k'), 'local tables do not miss a worker');
$coordinator->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('s_l2', 'SELECT k FROM l', '0s')");
ok(1, 'nor does the creation of a stream table');
ok($coordinator->poll_query_until('postgres',
		"SELECT status <> 'ACTIVE' FROM pgtrickle.pgt_status() WHERE name = 'public.s_dist'"),
	'what reads the shards there shows that it cannot');
$workers[1]->start;
$coordinator->safe_psql('postgres', "SELECT pgtrickle.resume_stream_table('s_dist'); INSERT INTO dist VALUES (1, 1)");
ok(becomes_same($coordinator, @dist), 'and is right when the worker is back');

# ---- both go
$coordinator->safe_psql('postgres', 'DROP EXTENSION pg_trickle CASCADE');
is($workers[0]->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trickle'"), '0',
	'DROP EXTENSION reaches the workers');
$coordinator->safe_psql('postgres', 'INSERT INTO dist VALUES (2, 1); INSERT INTO l VALUES (1, 1)');
$_->stop foreach @workers, $coordinator;
done_testing();
