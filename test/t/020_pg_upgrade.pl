# pg_upgrade: into a new cluster, whose system identifier and transaction ids are
# others.  OLD_PG_BINDIR names the programs of an older version, if there are some.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $old_bindir = $ENV{OLD_PG_BINDIR};
my $new_bindir = (run_command([ 'pg_config', '--bindir' ]))[0];
my $conf = "pg_trickle.enabled = off\n";

my $old = $old_bindir ?
  PostgreSQL::Test::Cluster->new('old', install_path => $old_bindir =~ s{/bin$}{}r) : undef;
$old = stream_node('old', conf => $conf, node => $old);
# From 18 on checksums are the default, but the two clusters must agree.
my $new = stream_node('new', conf => $conf,
	$old_bindir && (run_command([ 'initdb', '--help' ]))[0] =~ /no-data-checksums/
	? (extra => ['--no-data-checksums']) : ());
$old->start;

my @tables = (
	[ 'st_agg', 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	[ 's.st_join', 'id, name', 'SELECT t.id, u.name FROM t JOIN u ON u.k = t.k' ],
	[ 'st_parts', 'k', 'SELECT k FROM p' ],
	[ 'st_kept', 'k, n, id', 'SELECT x.k, x.n, t.id FROM (SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY n, k LIMIT 2) x JOIN t USING (k)' ],
	[ 'st_above', 'n, c', 'SELECT n, count(*) AS c FROM st_agg GROUP BY n' ],
	[ 'st_recent', 'id', q{SELECT id FROM t WHERE at > now() - interval '1 hour'} ]);

$old->safe_psql('postgres', q{
	CREATE ROLE owner;
	CREATE EXTENSION pg_trickle;
	CREATE SCHEMA s;
	-- oids that a fresh cluster would not give again
	DO $$ BEGIN FOR i IN 1..60 LOOP CREATE TABLE burnt (a text PRIMARY KEY); DROP TABLE burnt; END LOOP; END $$;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int, at timestamptz DEFAULT now());
	CREATE TABLE u (k int, name text);
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2, 3);
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i;
	INSERT INTO u VALUES (0, 'a'), (1, 'b'), (1, 'b'), (2, NULL);
	INSERT INTO p SELECT i % 3 + 1, i FROM generate_series(1, 9) i;
	GRANT CREATE ON SCHEMA public TO owner;
	GRANT SELECT, TRIGGER ON p TO owner;
});
$old->safe_psql('postgres', ($_->[0] eq 'st_parts' ? 'SET ROLE owner;' : '')
	  . "SELECT pgtrickle.create_stream_table('$_->[0]', \$\$$_->[2]\$\$, '1h', 'DIFFERENTIAL')")
  foreach @tables;
$old->safe_psql('postgres', q{
	GRANT SELECT ON st_agg TO owner;
	CREATE INDEX by_sum ON st_agg (s);
	SELECT pgtrickle.alter_stream_table('s.st_join', schedule => '5m', status => 'SUSPENDED');
	-- waiting when the old cluster stops for good
	UPDATE t SET v = v + 1, k = k + 1 WHERE id < 5;
	DELETE FROM u WHERE k = 0;
	INSERT INTO p VALUES (1, 1);
});
my $state = q{
	SELECT pgt_schema, pgt_name, pgt_relid, definition, schedule, refresh_mode, status, original_query FROM pgtrickle.pgt_stream_tables ORDER BY pgt_id;
	SELECT * FROM pgtrickle.pgt_dependencies ORDER BY 1, 2;
	SELECT source_stable_name, source, capture_mode, partitions FROM pgtrickle.pgt_change_tracking ORDER BY 1;
	SELECT count(*), max(refresh_id) FROM pgtrickle.pgt_refresh_history;
	SELECT relname, relowner::regrole, (SELECT string_agg(a::text, ' ') FROM aclexplode(relacl) a WHERE grantee <> relowner)
	  FROM pg_class WHERE relname ~ '^(st_|def_|aux_|changes_)' ORDER BY 1;
	SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'st_agg'::regclass ORDER BY 1;
	SELECT * FROM st_agg ORDER BY k};
my $before = $old->safe_psql('postgres', $state);
$old->stop;

chdir $PostgreSQL::Test::Utils::tmp_check;
my @upgrade = ('pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
	'-b', $old_bindir // $new_bindir, '-B', $new_bindir,
	'-s', $new->host, '-p', $old->port, '-P', $new->port);
@upgrade = grep { $_ ne '--no-sync' } @upgrade
  if (run_command([ 'pg_upgrade', '--help' ]))[0] !~ /--no-sync/;
command_ok([ @upgrade, '--check' ], 'pg_upgrade --check has nothing against us');
command_ok([@upgrade], 'pg_upgrade');

$new->start;
is($new->safe_psql('postgres', $state), $before, 'everything came along');
foreach my $st (@tables)
{
	ok(refreshed_same($new, @$st), "$st->[0] is right after its first refresh");
}
is($new->safe_psql('postgres',
		"SELECT string_agg(DISTINCT last_refresh_action || ': ' || last_refresh_reason, ' ') FROM pgtrickle.pgt_stream_tables"),
	'REINITIALIZE: it was restored from another cluster or database', 'which computed it anew, for that reason');
$new->safe_psql('postgres',
	"UPDATE t SET v = v - 50, k = 1 WHERE id > 30; INSERT INTO u VALUES (3, 'd'); UPDATE p SET k = 2 WHERE k = 3; DELETE FROM t WHERE id = 1");
foreach my $st (@tables)
{
	ok(refreshed_same($new, @$st), "$st->[0] is right after the next one");
	is($new->safe_psql('postgres', "SELECT missing + surplus FROM pgtrickle.verify_stream_table('$st->[0]')"),
		'0', 'verify_stream_table() agrees');
}
is($new->safe_psql('postgres',
		"SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables"),
	'DIFFERENTIAL', 'which applied the difference');

# The scheduler takes them on.
settings($new, 'pg_trickle.enabled' => 'on');
$new->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('st_agg', schedule => '0s'); INSERT INTO t VALUES (1000, 1, 1)");
ok(becomes_same($new, @{ $tables[0] }), 'the scheduler serves the new cluster');
$new->stop;
done_testing();
