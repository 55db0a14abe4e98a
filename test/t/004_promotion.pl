# A standby shows stream tables but never refreshes them; promoted, it goes on
# from where the primary was.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $agg = 'SELECT t.k, u.name, count(*) AS n, sum(t.v) AS s FROM t JOIN u ON t.k = u.k GROUP BY t.k, u.name';
my $bag = 'SELECT k, v % 3 AS r FROM t';
my @tables = (
	[ 'st_auto', 'k, name, n, s', $agg, '0s' ],
	[ 'st_manual', 'k, r', $bag, '1h' ]);

my $primary = stream_node('primary', allows_streaming => 1);
$primary->append_conf('postgresql.conf', "synchronous_commit = on\n");
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	CREATE TABLE u (k int, name text);
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i;
	INSERT INTO u VALUES (0, 'a'), (1, 'b'), (2, 'c');
});
$primary->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '$_->[3]', 'DIFFERENTIAL')")
  foreach @tables;

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', "UPDATE t SET v = v + 10 WHERE k = 1; INSERT INTO u VALUES (3, 'd')");
ok(becomes_same($primary, $tables[0][0], $tables[0][1], $tables[0][2]), 'the primary refreshes');
$primary->wait_for_catchup($standby);

# ---- the standby reads, and refuses the rest
ok(becomes_same($standby, $tables[0][0], $tables[0][1], $tables[0][2]),
	'the standby has what the primary refreshed');
my ($rc, $out, $err) = $standby->psql('postgres', "SELECT pgtrickle.refresh_stream_table('st_manual')");
isnt($rc, 0, 'a refresh on the standby is refused');
like($err, qr/recovery|standby|read-only/, 'with an error that says why');
unlike($err, qr/PANIC|server closed/, 'and nothing worse');
($rc, $out, $err) = $standby->psql('postgres',
	"SELECT pgtrickle.create_stream_table('x', 'SELECT k FROM t')");
isnt($rc, 0, 'so is a new stream table');
like($err, qr/recovery|standby|read-only/, 'for the same reason');
($rc, $out, $err) = $standby->psql('postgres', "SELECT * FROM pgtrickle.verify_stream_table('st_auto')");
isnt($rc, 0, 'so is verify_stream_table(), which would refresh');
like($err, qr/recovery|standby|read-only/, 'for the same reason');
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM pgtrickle.pgt_status()"), 't',
	'pgt_status() works on the standby');
is($standby->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_trickle%' AND datname IS NOT NULL"),
	'0', 'no worker runs on the standby');

# ---- changes at the moment of promotion: consumed by one stream table only,
# prepared, and never committed
$primary->safe_psql('postgres', "INSERT INTO t SELECT i, i % 5, i FROM generate_series(100, 120) i");
ok(becomes_same($primary, $tables[0][0], $tables[0][1], $tables[0][2]), 'the primary refreshes again');
$primary->safe_psql('postgres',
	"BEGIN; INSERT INTO t VALUES (200, 1, 1), (201, 2, 2); PREPARE TRANSACTION 'p'");
my $open = $primary->background_psql('postgres');
$open->query_safe("BEGIN");
$open->query_safe("DELETE FROM t WHERE id < 10");
$primary->safe_psql('postgres', "BEGIN; DELETE FROM t WHERE id = 110;"
	  . "SELECT pgtrickle.refresh_stream_table('st_manual');"
	  . "UPDATE t SET v = v + 1 WHERE id = 111; COMMIT");
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
eval { $open->quit; };
$standby->promote;

foreach my $st (@tables)
{
	ok(refreshed_same($standby, $st->[0], $st->[1], $st->[2]),
		"$st->[0] is right after promotion");
}
$standby->safe_psql('postgres', "INSERT INTO t VALUES (300, 2, 300)");
ok(becomes_same($standby, $tables[0][0], $tables[0][1], $tables[0][2]),
	'the scheduler works after promotion');
$standby->safe_psql('postgres', "COMMIT PREPARED 'p'");
ok(becomes_same($standby, $tables[0][0], $tables[0][1], $tables[0][2]),
	'the prepared transaction came along');
foreach my $st (@tables)
{
	ok(refreshed_same($standby, $st->[0], $st->[1], $st->[2]), "$st->[0] is right at the end");
	is($standby->safe_psql('postgres',
			"SELECT missing + surplus FROM pgtrickle.verify_stream_table('$st->[0]')"), '0',
		"and verify_stream_table() agrees");
}
is($standby->safe_psql('postgres',
		"SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE action = 'REINITIALIZE' OR status = 'FAILED'"),
	'0', 'nothing had to be computed anew');

$standby->stop;
done_testing();
