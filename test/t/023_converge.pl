# Sources that are written at rates of 100 to 10 to 1, by several writers at once, while
# stream tables over several of them are refreshed at random moments, each by itself:
# whatever their frontiers say of each source, each equals its query at each refresh.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{PGT_CONVERGE} // 8;
my $seed = seed();
my $node = stream_node('main', conf => "pg_trickle.enabled = off\nautovacuum_naptime = 5s\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE fast (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int, v int);
	CREATE TABLE slow (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int, v int);
	CREATE TABLE rare (k int PRIMARY KEY, name text);
	CREATE INDEX ON fast (k);
	CREATE INDEX ON slow (k);
	INSERT INTO fast (k, v) SELECT i % 20, i FROM generate_series(1, 400) i;
	INSERT INTO slow (k, v) SELECT i % 20, i FROM generate_series(1, 40) i;
	INSERT INTO rare SELECT i, 'n' || i FROM generate_series(0, 9) i;
});
my @tables = (
	[ 'st_join', 'id, v, name', 'SELECT f.id, s.v, r.name FROM fast f JOIN slow s USING (k) JOIN rare r USING (k)' ],
	[ 'st_agg', 'k, n, m, name', 'SELECT r.k, count(f.id) AS n, sum(s.v) AS m, r.name FROM rare r LEFT JOIN slow s USING (k) LEFT JOIN fast f USING (k) GROUP BY r.k, r.name' ],
	[ 'st_without', 'id', 'SELECT id FROM fast f WHERE NOT EXISTS (SELECT FROM slow s WHERE s.k = f.k AND s.v > f.v)' ],
	[ 'st_all', 'k, src', q{SELECT k, 'f' AS src FROM fast UNION ALL SELECT k, 's' FROM slow UNION ALL SELECT k, 'r' FROM rare} ],
	[ 'st_above', 'name, n', 'SELECT r.name, sum(a.n) AS n FROM st_agg a JOIN rare r USING (k) GROUP BY r.name' ]);
$node->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('$_->[0]', \$\$$_->[2]\$\$, '1h', 'DIFFERENTIAL')")
  foreach @tables;

# ---- writers: each script is a transaction of one or two tables
my $dir = PostgreSQL::Test::Utils::tempdir;
my %scripts = (
	fast => [ 400, q{
\set k random(0, 19)
\set v random(1, 1000)
\set what random(1, 10)
\if :what <= 4
INSERT INTO fast (k, v) VALUES (:k, :v);
\elif :what <= 7
UPDATE fast SET v = :v, k = CASE WHEN :v % 5 = 0 THEN :k ELSE k END WHERE id IN (SELECT id FROM fast WHERE k = :k LIMIT 2 FOR UPDATE SKIP LOCKED);
\else
DELETE FROM fast WHERE id IN (SELECT id FROM fast WHERE k = :k LIMIT 1 FOR UPDATE SKIP LOCKED);
\endif
} ],
	slow => [ 40, q{
\set k random(0, 19)
\set v random(1, 1000)
BEGIN;
INSERT INTO slow (k, v) VALUES (:k, :v);
DELETE FROM slow WHERE id IN (SELECT id FROM slow WHERE k = :v % 20 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
INSERT INTO fast (k, v) VALUES (:k, :v);
\sleep 20 ms
COMMIT;
} ],
	rare => [ 4, q{
\set k random(0, 9)
BEGIN;
UPDATE rare SET name = 'n' || (:k * 7 % 10) WHERE k = :k;
\sleep 200 ms
END;
} ]);
my @writers;
foreach my $name (sort keys %scripts)
{
	my ($rate, $script) = @{ $scripts{$name} };

	append_to_file("$dir/$name.sql", $script);
	push @writers, IPC::Run::start(
		[ 'pgbench', '-n', '-T', $seconds, '-c', 2, '-R', $rate, "--random-seed=$seed", '-f', "$dir/$name.sql", $node->connstr('postgres') ],
		'>', "$dir/$name.out", '2>', "$dir/$name.err");
}

# ---- refreshes at random moments; verify compares at the snapshot of the refresh
my $end = time() + $seconds;
my ($checks, $wrong) = (0, 0);
while (time() < $end)
{
	my $st = $tables[ int(rand(@tables)) ];

	if (rand() < 0.4)
	{
		$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('$st->[0]')");
	}
	else
	{
		my $difference = $node->safe_psql('postgres', "SELECT missing + surplus FROM pgtrickle.verify_stream_table('$st->[0]')");

		$checks++;
		$wrong++, diag("$st->[0] differs in $difference rows") if $difference ne '0';
	}
	sleep(rand(0.1));
}
foreach my $writer (@writers)
{
	ok($writer->finish, 'a writer ended well');
}
cmp_ok($checks, '>', $seconds, "it was looked at $checks times while others wrote");
is($wrong, 0, 'and each stream table equalled its query each time');
foreach my $st (@tables)
{
	ok(refreshed_same($node, @$st), "$st->[0] is right in the end");
}
is($node->safe_psql('postgres',
		"SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE action <> 'DIFFERENTIAL' AND reason <> 'first refresh'"),
	'0', 'by differences all along');

# ---- what a frontier says is said for each source, by its stable name
is($node->safe_psql('postgres', q{
		SELECT bool_and((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(s.frontier -> 'sources') k)
						= (SELECT array_agg(d.source_stable_name ORDER BY d.source_stable_name) FROM pgtrickle.pgt_dependencies d WHERE d.pgt_id = s.pgt_id))
		  FROM pgtrickle.pgt_stream_tables s}),
	't', 'frontiers are keyed by stable names');
$node->stop;
done_testing();
