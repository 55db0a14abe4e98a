# Sources that nobody announces changes of: the scheduler polls them at the
# interval of the schedule, no matter how many commits there are; a source that
# fails stops nobody else; what was polled survives a crash, and a dump.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main');
$node->start;
my ($host, $port) = ($node->host, $node->port);

# The far side is a database of the same server.
$node->safe_psql('postgres', 'CREATE DATABASE far');
$node->safe_psql('far', q{
	CREATE TABLE r (k int, name text);
	INSERT INTO r VALUES (1, 'one'), (2, 'two'), (2, 'two'), (NULL, 'none');
});
$node->safe_psql('postgres', qq{
	CREATE EXTENSION pg_trickle;
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'far');
	CREATE USER MAPPING FOR CURRENT_USER SERVER far;
	CREATE FOREIGN TABLE f (k int, name text) SERVER far OPTIONS (table_name 'r');
	CREATE TABLE t (id int PRIMARY KEY, k int);
	INSERT INTO t SELECT i, i % 4 FROM generate_series(1, 40) i;
	CREATE TABLE base (k int, name text);
	INSERT INTO base VALUES (0, 'zero'), (1, 'one'), (1, 'one');
	CREATE MATERIALIZED VIEW m AS SELECT k, name FROM base;
});

my @tables = (
	[ 'st_foreign', 'id, name', 'SELECT t.id, f.name FROM t LEFT JOIN f USING (k)' ],
	[ 'st_matview', 'name, n', 'SELECT m.name, count(*) AS n FROM t JOIN m USING (k) GROUP BY m.name' ],
	[ 'st_both', 'id, a, b', 'SELECT t.id, m.name AS a, f.name AS b FROM t JOIN m USING (k) FULL JOIN f USING (k)' ]);

$node->safe_psql('postgres',
	"SELECT pgtrickle.create_stream_table('$_->[0]', \$\$$_->[2]\$\$, '0s', 'DIFFERENTIAL')")
  foreach @tables;

sub all_become_same
{
	my ($what) = @_;
	ok(becomes_same($node, @$_), "$_->[0] $what") foreach @tables;
}

# ---- nothing is announced, and all is seen
$node->safe_psql('far', "INSERT INTO r VALUES (3, 'three'); DELETE FROM r WHERE ctid = (SELECT min(ctid) FROM r WHERE k = 2)");
all_become_same('follows the foreign table');
$node->safe_psql('postgres', "UPDATE base SET name = 'ein' WHERE k = 1; REFRESH MATERIALIZED VIEW m");
all_become_same('follows the materialized view');
$node->safe_psql('postgres', "DELETE FROM t WHERE k = 2; INSERT INTO t VALUES (100, 3)");
all_become_same('follows the table');

# ---- '0s' is no busy loop, also under commits
$node->safe_psql('postgres', "INSERT INTO t VALUES (1000 + $_, $_ % 4)") foreach 1 .. 60;
$node->safe_psql('far', "INSERT INTO r VALUES ($_, 'more')") foreach 1 .. 3;
all_become_same('follows many commits');
is($node->safe_psql('postgres', q{
		SELECT count(*) > 3 AND bool_and(gap >= interval '500 milliseconds')
		FROM (SELECT start_time - lag(start_time) OVER (PARTITION BY pgt_name ORDER BY start_time) AS gap
			  FROM pgtrickle.refresh_history WHERE action = 'DIFFERENTIAL') g
		WHERE gap IS NOT NULL}),
	't', 'no refresh of one of them follows the last one at once');
is($node->safe_psql('postgres',
		"SELECT DISTINCT action, reason FROM pgtrickle.refresh_history WHERE action <> 'DIFFERENTIAL'"),
	'FULL|first refresh', 'and none was recomputed');

# A poll that finds nothing leaves no row, but is known to have been.
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM pgtrickle.refresh_history');
my $now = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
ok($node->poll_query_until('postgres',
		"SELECT bool_and(data_timestamp > '$now') FROM pgtrickle.pgt_stream_tables"),
	'they are known to be of a later time');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgtrickle.refresh_history'), $rows,
	'though nothing was done');

# ---- the far side fails
$node->safe_psql('far', 'ALTER TABLE r RENAME TO gone');
ok($node->poll_query_until('postgres',
		"SELECT bool_and(status = 'ERROR') FROM pgtrickle.pgt_status() WHERE name ~ 'foreign|both'"),
	'a source that cannot be polled shows');
like($node->safe_psql('postgres',
		"SELECT last_error_message FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_foreign'"),
	qr/relation "public.r" does not exist/, 'with the reason');
$node->safe_psql('postgres', "UPDATE base SET name = 'eins' WHERE k = 1; REFRESH MATERIALIZED VIEW m");
ok(becomes_same($node, @{ $tables[1] }), 'while another one goes on');
$node->safe_psql('far', "ALTER TABLE gone RENAME TO r; INSERT INTO r VALUES (2, 'back')");
all_become_same('is right when it is back');
ok($node->poll_query_until('postgres', "SELECT bool_and(status = 'ACTIVE') FROM pgtrickle.pgt_status()"),
	'and all of them are well');

# ---- a crash
settings($node, 'pg_trickle.enabled' => 'off');
$node->safe_psql('far', "UPDATE r SET name = 'after' WHERE k = 3");
$node->safe_psql('postgres', "UPDATE base SET name = 'nach' WHERE k = 0; REFRESH MATERIALIZED VIEW m; DELETE FROM t WHERE id < 10");
$node->stop('immediate');
$node->start;
ok(refreshed_same($node, @$_), "$_->[0] is right after a crash") foreach @tables;
is($node->safe_psql('postgres', 'SELECT DISTINCT last_refresh_action FROM pgtrickle.stream_tables_info'),
	'DIFFERENTIAL', 'by differences');

# ---- a dump: the copies come along, and the first refresh begins anew
my $dir = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/dump", $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr('copy'), "$dir/dump" ], 'restored');
$node->safe_psql('far', "DELETE FROM r WHERE k = 1");
$node->safe_psql('copy', "INSERT INTO t VALUES (5000, 1); UPDATE base SET k = 3; REFRESH MATERIALIZED VIEW m");
ok(refreshed_same($node, @$_, 'copy'), "$_->[0] is right after it was restored") foreach @tables;
is($node->safe_psql('copy', 'SELECT DISTINCT last_refresh_action FROM pgtrickle.stream_tables_info'),
	'REINITIALIZE', 'computed anew');
$node->safe_psql('far', "INSERT INTO r VALUES (3, 'last')");
$node->safe_psql('copy', "DELETE FROM base WHERE ctid = (SELECT min(ctid) FROM base); REFRESH MATERIALIZED VIEW m");
ok(refreshed_same($node, @$_, 'copy'), "$_->[0] is right after the next one") foreach @tables;
is($node->safe_psql('copy', 'SELECT DISTINCT last_refresh_action FROM pgtrickle.stream_tables_info'),
	'DIFFERENTIAL', 'by differences');
is($node->safe_psql('copy', 'SELECT sum(missing + surplus) FROM unnest(ARRAY[' . join(', ', map { "'$_->[0]'" } @tables) . ']) n, pgtrickle.verify_stream_table(n)'),
	'0', 'verify_stream_table() agrees');
$node->safe_psql('copy', "SELECT pgtrickle.drop_stream_table('$_->[0]')") foreach @tables;
is($node->safe_psql('copy', "SELECT count(*) FROM pg_class WHERE relnamespace IN ('pgtrickle_changes'::regnamespace, 'pgtrickle_defs'::regnamespace)"),
	'0', 'nothing is left of them');

# ---- the original is none the worse
ok(refreshed_same($node, @$_), "$_->[0] of the original is right") foreach @tables;
is($node->safe_psql('postgres', 'SELECT DISTINCT last_refresh_action FROM pgtrickle.stream_tables_info'),
	'DIFFERENTIAL', 'and was not computed anew');

$node->stop;
done_testing();
