# Without shared_preload_libraries everything works but the scheduler.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', preload => 0);
$node->start;

my $agg = 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k';

$node->safe_psql('postgres', qq{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int, k int, v int);
	INSERT INTO t SELECT i, i % 3, i FROM generate_series(1, 30) i;
	SELECT pgtrickle.create_stream_table('st', '$agg', '0s', 'DIFFERENTIAL');
});
is($node->safe_psql('postgres', oracle('st', 'k, n, s', $agg)), 't', 'created and filled');

# Writers load the library by the trigger, in sessions that never heard of it.
$node->safe_psql('postgres', "INSERT INTO t VALUES (0, 5, 5), (0, 5, 5)");
$node->safe_psql('postgres', "UPDATE t SET v = v + 1 WHERE k = 1");
$node->safe_psql('postgres', "BEGIN; DELETE FROM t WHERE k = 2; SAVEPOINT a; TRUNCATE t; ROLLBACK TO SAVEPOINT a; COMMIT");
$node->safe_psql('postgres', "BEGIN; INSERT INTO t VALUES (0, 6, 6); PREPARE TRANSACTION 'p'");
is($node->safe_psql('postgres', oracle('st', 'k, n, s', $agg)), 'f', 'behind until it is refreshed');
ok(refreshed_same($node, 'st', 'k, n, s', $agg), 'refreshed by hand');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
ok(refreshed_same($node, 'st', 'k, n, s', $agg), 'a prepared transaction counts');
is($node->safe_psql('postgres', "SELECT n FROM st WHERE k = 6"), '1', 'once');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_trickle%'"),
	'0', 'there is no scheduler');
is($node->safe_psql('postgres', "SELECT missing + surplus FROM pgtrickle.verify_stream_table('st')"), '0',
	'verify_stream_table() works');
is($node->safe_psql('postgres', "SELECT count(*) FROM pgtrickle.get_refresh_history('st')"), '3',
	'the history has the first filling and two refreshes');

is($node->safe_psql('postgres', "SELECT total_refreshes, full_refreshes, empty_refreshes IS NULL FROM pgtrickle.pg_stat_stream_tables"),
	'3|1|t', 'counters are those of the catalog');
is($node->safe_psql('postgres', "SELECT check_name, severity FROM pgtrickle.health_check() WHERE severity <> 'OK'"),
	'scheduler_running|ERROR', 'health_check() misses the scheduler');
like($node->safe_psql('postgres', "SELECT next_refresh FROM pgtrickle.pgt_status()"), qr/refresh_stream_table\(\) is called/,
	'pgt_status() says what has to be done');
like($node->safe_psql('postgres', "SELECT pgtrickle.status_page()"), qr/no scheduler serves/, 'and so does the page');
is($node->safe_psql('postgres', "SELECT count(*) FROM pgtrickle.refresh_progress"), '0', 'progress is not known');
like($node->safe_psql('postgres',
		"LISTEN mine; SELECT pgtrickle.subscribe('st', 'mine'); INSERT INTO t VALUES (0, 77, 1); SELECT pgtrickle.refresh_stream_table('st')"),
	qr/"mine" with payload "\{"name": "public\.st", "inserted": 1, "updated": 0, "deleted": 0\}"/, 'a refresh by hand is told');

# Settings are known once the library is loaded, and may be in the file before.
$node->append_conf('postgresql.conf', "pg_trickle.history_retention = '2d'\n");
$node->reload;
like($node->safe_psql('postgres', "LOAD 'pg_trickle'; SHOW pg_trickle.history_retention"), qr/^2d$/,
	'settings of the file count');

$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st', schedule => '5s')");
$node->safe_psql('postgres', "SELECT pgtrickle.drop_stream_table('st')");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pg_trickle%'"), '0',
	'dropped without trace');
$node->safe_psql('postgres', "DROP EXTENSION pg_trickle; INSERT INTO t VALUES (1, 1, 1)");

# ---- made without the scheduler, served once there is one
$node->safe_psql('postgres', qq{
	CREATE EXTENSION pg_trickle;
	SELECT pgtrickle.create_stream_table('st', '$agg', '0s', 'DIFFERENTIAL');
	DELETE FROM t WHERE k = 1;
});
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_trickle'\n");
$node->restart;
ok(becomes_same($node, 'st', 'k, n, s', $agg), 'after preloading the scheduler takes over');

$node->stop;
done_testing();
