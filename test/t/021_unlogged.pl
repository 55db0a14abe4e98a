# Unlogged sources and stream tables lose their rows at the end of recovery: after a
# crash, a promotion, and recovery to a point in time.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', has_archiving => 1, allows_streaming => 1,
	conf => "pg_trickle.enabled = off\n");
$node->start;

my @tables = (
	[ 'st_agg', 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	[ 'st_bag', 'k', 'SELECT k FROM t' ],
	[ 'st_kept', 'k, n, id', 'SELECT x.k, x.n, t.id FROM (SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY n, k LIMIT 2) x JOIN t USING (k)' ],
	[ 'st_above', 'k, n', 'SELECT k, n FROM st_agg WHERE k > 0' ],
	[ 'st_of_unlogged', 'k, n', 'SELECT k, count(*) AS n FROM u GROUP BY k' ],
	[ 'st_logged', 'k, v', 'SELECT k, v FROM t WHERE v > 5' ]);

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	CREATE UNLOGGED TABLE u (k int);
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i;
	INSERT INTO u SELECT i % 3 FROM generate_series(1, 10) i;
});
foreach my $st (@tables)
{
	$node->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('$st->[0]', '$st->[2]', '1h');"
		  . ($st->[0] eq 'st_logged' ? '' : "ALTER TABLE $st->[0] SET UNLOGGED"));
}
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname ~ '^aux_' AND relpersistence = 'u'"),
	'0', 'auxiliary tables are logged');
$node->safe_psql('postgres', q{
	DO $$ DECLARE aux regclass; BEGIN
		FOR aux IN SELECT oid FROM pg_class WHERE relname ~ '^aux_' AND relkind = 'r' LOOP
			EXECUTE format('ALTER TABLE %s SET UNLOGGED', aux);
		END LOOP;
	END $$});

sub all_right
{
	my ($server, $what) = @_;

	foreach my $st (@tables)
	{
		ok(refreshed_same($server, @$st), "$what: $st->[0]");
	}
	return;
}

sub emptied
{
	my ($server, $what) = @_;

	is($server->safe_psql('postgres', 'SELECT (SELECT count(*) FROM st_agg) + (SELECT count(*) FROM st_bag) + (SELECT count(*) FROM u)'),
		'0', "$what: unlogged tables are empty");
	is($server->safe_psql('postgres', "SELECT bool_and(staleness > '0') FROM pgtrickle.pgt_status() WHERE name ~ 'agg|bag|kept|above'"),
		't', "$what: and do not claim to be fresh");
	all_right($server, $what);
	is($server->safe_psql('postgres',
			"SELECT string_agg(DISTINCT last_refresh_action || ': ' || last_refresh_reason, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name IN ('st_agg', 'st_bag')"),
		'REINITIALIZE: it is unlogged, and a crash may have emptied it', "$what: and why they were computed anew");
	$server->safe_psql('postgres', 'UPDATE t SET v = v + 1, k = k % 3 WHERE id > 20; INSERT INTO u VALUES (1)');
	all_right($server, "$what, next");
	is($server->safe_psql('postgres',
			"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables WHERE pgt_name IN ('st_agg', 'st_bag', 'st_kept', 'st_logged')"),
		'DIFFERENTIAL', "$what: then by differences");
	return;
}

all_right($node, 'unlogged');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname ~ '^aux_' AND relkind = 'r' AND relpersistence = 'u'"),
	'0', 'auxiliary tables that were made unlogged are made anew');

# ---- a backup for later; its end is a point in time, with changes around it
$node->backup('base');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (100, 1, 100)');
all_right($node, 'before the point');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (101, 2, 100)');
my $point = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id = 100; INSERT INTO t VALUES (102, 3, 100)');
all_right($node, 'after the point');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');

# ---- a standby that is promoted
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (103, 3, 100)');
$node->wait_for_catchup($standby);

# ---- the crash
$node->stop('immediate');
$node->start;
emptied($node, 'crash');

$standby->promote;
emptied($standby, 'promotion');
$standby->stop;

# ---- recovery to the point in time
my $past = PostgreSQL::Test::Cluster->new('past');
$past->init_from_backup($node, 'base', standby => 0, has_restoring => 1);
$past->append_conf('postgresql.conf', "recovery_target_lsn = '$point'\nrecovery_target_action = promote\n");
$past->start;
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($past->safe_psql('postgres', "SELECT string_agg(id::text, ' ') FROM t WHERE id >= 100"), '100 101', 'the past is back');
emptied($past, 'point in time');
$past->stop;

# ---- a source that is unlogged for a while
$node->safe_psql('postgres', q{
	SELECT pgtrickle.alter_stream_table('st_logged', refresh_mode => 'DIFFERENTIAL');
	ALTER TABLE t SET UNLOGGED;
	INSERT INTO t VALUES (200, 1, 200)});
my ($rc, $out, $err) = $node->psql('postgres', "SELECT pgtrickle.refresh_stream_table('st_logged')");
like($err, qr/cannot refresh stream table "st_logged" differentially.*source "t" is an unlogged table/s,
	'a delta of an unlogged table is refused, with the reason');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'ALTER TABLE t SET LOGGED; INSERT INTO t VALUES (201, 1, 200)');
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '1', 'and has lost its rows');
all_right($node, 'logged again');

# ---- the same with no refresh in between
$node->safe_psql('postgres', 'INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i');
all_right($node, 'filled again');
$node->safe_psql('postgres', 'ALTER TABLE t SET UNLOGGED; INSERT INTO t VALUES (300, 1, 300)');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'ALTER TABLE t SET LOGGED; INSERT INTO t VALUES (301, 1, 300)');
all_right($node, 'logged again without anybody having looked');

# ---- and with nobody having written to it, nor to a partition; stream tables, too
$node->safe_psql('postgres', q{
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 PARTITION OF p DEFAULT;
	INSERT INTO p SELECT i % 3, i FROM generate_series(1, 20) i;
	SELECT pgtrickle.create_stream_table('st_parts', 'SELECT k, count(*) AS n FROM p GROUP BY k', '1h', 'DIFFERENTIAL');
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i});
push @tables, [ 'st_parts', 'k, n', 'SELECT k, count(*) AS n FROM p GROUP BY k' ];
all_right($node, 'filled once more');
$node->safe_psql('postgres', 'ALTER TABLE t SET UNLOGGED; ALTER TABLE p2 SET UNLOGGED');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM p), (SELECT count(*) FROM st_agg)'),
	'0|7|0', 'a crash has emptied them');
$node->safe_psql('postgres', 'ALTER TABLE t SET LOGGED; ALTER TABLE p2 SET LOGGED; ALTER TABLE st_agg SET LOGGED; ALTER TABLE st_kept SET LOGGED');
is($node->safe_psql('postgres', "SELECT bool_and(staleness > '0') FROM pgtrickle.pgt_status() WHERE name ~ 'agg|kept|logged|parts'"),
	't', 'logged again unwritten: nobody claims to be fresh');
all_right($node, 'logged again unwritten');

$node->safe_psql('postgres', 'INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i; ALTER TABLE st_agg SET UNLOGGED');
all_right($node, 'filled for the last time');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'ALTER TABLE st_agg SET LOGGED; UPDATE t SET v = 0 WHERE k = 1');
is($node->safe_psql('postgres', 'SELECT count(*) FROM st_agg'), '0', 'a stream table alone was emptied');
all_right($node, 'a stream table is logged again');

# ---- an auxiliary table alone
my $aux = $node->safe_psql('postgres', "SELECT 'pgtrickle_defs.aux_' || pgt_id || '_1' FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_kept'");
$node->safe_psql('postgres', "ALTER TABLE $aux SET UNLOGGED");
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "ALTER TABLE $aux SET LOGGED; UPDATE t SET k = 7 WHERE id = 2");
is($node->safe_psql('postgres', "SELECT count(*) FROM $aux"), '0', 'an auxiliary table alone was emptied');
all_right($node, 'an auxiliary table is logged again');

$node->stop;
done_testing();
