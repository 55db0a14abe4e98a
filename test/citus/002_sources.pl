# Stream tables over every kind of table that Citus has: what cannot be captured
# is polled; and a source that is distributed, or brought back, while stream
# tables read it, never makes them wrong.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use CitusTest;

# Nothing that a worker node computes may go into a stream table.
my @nodes = citus_cluster(conf => "pg_trickle.enabled = off\ncitus.shard_replication_factor = 1\n");
my ($node, @workers) = @nodes;

$_->append_conf('postgresql.conf', "timezone = 'Asia/Tokyo'\ndatestyle = 'German'\nextra_float_digits = -5\n")
  foreach @workers;
$_->reload foreach @workers;

sub run
{
	return $node->safe_psql('postgres', $_[0]);
}

sub fails
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql);

	return $rc == 0 ? 'succeeded' : $err;
}

my %filled = (
	ref => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 30) i',
	dist => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 200) i',
	single => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 40) i',
	managed => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 50) i',
	parted => 'SELECT i, i % 20, i * 10 FROM generate_series(1, 60) i',
	'tenant.own' => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 20) i',
	plain => 'SELECT i, i % 5, i * 10 FROM generate_series(1, 100) i');

run(q{
	CREATE TABLE ref (id int PRIMARY KEY, k int, v int);
	SELECT create_reference_table('ref');
	CREATE TABLE dist (id int PRIMARY KEY, k int, v int);
	SELECT create_distributed_table('dist', 'id');
	CREATE TABLE single (id int PRIMARY KEY, k int, v int);
	SELECT create_distributed_table('single', NULL, colocate_with => 'none');
	CREATE TABLE managed (id int PRIMARY KEY, k int, v int);
	SELECT citus_add_local_table_to_metadata('managed');
	CREATE TABLE parted (id int, k int, v int) PARTITION BY RANGE (k);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
	SELECT create_distributed_table('parted', 'id');
	CREATE TABLE plain (id int PRIMARY KEY, k int, v int);
	SET citus.enable_schema_based_sharding = on;
	CREATE SCHEMA tenant;
	CREATE TABLE tenant.own (id int PRIMARY KEY, k int, v int);
});
run("INSERT INTO $_ $filled{$_}") foreach sort keys %filled;

# ---- each kind alone, and with a table whose changes are captured
my (%single, %joined);
foreach my $table (sort keys %filled)
{
	my $name = $table =~ s/.*\.//r;

	$single{$table} = [ "s_$name", 'k, n, s', "SELECT k, count(*) AS n, sum(v) AS s FROM $table GROUP BY k" ];
	$joined{$table} = [ "j_$name", 'id, v, w', "SELECT p.id, p.v, t.v AS w FROM plain p LEFT JOIN $table t ON t.k = p.k" ]
	  if $table ne 'plain';
}
run("SELECT pgtrickle.create_stream_table('$_->[0]', \$\$$_->[2]\$\$, refresh_mode => 'DIFFERENTIAL')")
  foreach values %single, values %joined;

sub all_follow
{
	my ($what, $action) = @_;
	my @found = map { $_->[0] . ' ' . verified($node, @$_) } sort { $a->[0] cmp $b->[0] } values %single, values %joined;

	is(join("\n", grep { !/ $action$/ } @found), '', $what);
}
all_follow('all kinds of tables are sources', 'FULL: first refresh');

my %placement = (ref => 'reference', dist => 'distributed', single => 'distributed', parted => 'distributed',
	'tenant.own' => 'distributed', managed => 'local');
is(state($node, $single{$_}[0]), "$_ polled $placement{$_}", "$_ is polled") foreach sort keys %placement;
is(state($node, 's_plain'), 'plain captured local', 'a plain table is captured');
is(state($node, 'j_dist'), 'dist polled distributed, plain captured local', 'side by side');
is(run("SELECT string_agg(source || ' ' || source_placement || ' ' || coalesce(frontier_per_node::text, 'none'), ', ') FROM pgtrickle.pgt_change_tracking"),
	'plain local none', 'nothing is said to be captured that is not');

# every way to write, from the coordinator
foreach my $table (sort keys %filled)
{
	run("INSERT INTO $table VALUES (1001, 3, 7), (1002, 4, 8)");
	run("UPDATE $table SET v = v + 1 WHERE id % 7 = 0");
	run("DELETE FROM $table WHERE id = 5");
	run("COPY $table FROM PROGRAM 'printf \"1003\\\\t2\\\\t9\\\\n\"'");
}
all_follow('written on the coordinator', 'DIFFERENTIAL');

# from a worker
foreach my $table (sort keys %placement)
{
	$workers[0]->safe_psql('postgres',
		"INSERT INTO $table VALUES (2001, 1, 1); UPDATE $table SET v = 0 WHERE id = 6; DELETE FROM $table WHERE id = 7");
}
all_follow('written on a worker', '(DIFFERENTIAL|NONE)');

run("BEGIN; TRUNCATE dist; INSERT INTO dist VALUES (1, 1, 1); COMMIT; TRUNCATE ref; TRUNCATE managed");
all_follow('truncated', '(DIFFERENTIAL|NONE)');
run("INSERT INTO $_ $filled{$_} ON CONFLICT DO NOTHING") foreach qw(dist ref managed);
run("BEGIN; INSERT INTO dist VALUES (3000, 1, 1); ROLLBACK; INSERT INTO dist VALUES (3001, 2, 2)");
run("SELECT citus_move_shard_placement(shardid, n1.nodename, n1.nodeport, n2.nodename, n2.nodeport, 'block_writes')
	FROM pg_dist_shard JOIN pg_dist_placement p USING (shardid) JOIN pg_dist_node n1 USING (groupid), pg_dist_node n2
	WHERE logicalrelid = 'dist'::regclass AND n2.groupid NOT IN (0, p.groupid) ORDER BY shardid LIMIT 1");
all_follow('a shard was moved', '(DIFFERENTIAL|NONE)');

# in the transaction that writes
is(run(q{
		BEGIN;
		INSERT INTO dist VALUES (4000, 99, 5);
		SELECT pgtrickle.refresh_stream_table('s_dist');
		SELECT k, n, s FROM s_dist WHERE k = 99;
		ROLLBACK;
		SELECT count(*) FROM s_dist WHERE k = 99}) =~ s/^\n//r,
	"99|1|5\n0", 'a refresh sees what its transaction has written');
all_follow('and it is undone with it', '(DIFFERENTIAL|NONE)');

# ---- nothing is computed by the workers, whose settings are others
run(q{
	CREATE TABLE times (id int, at timestamptz, f float8, d date);
	SELECT create_distributed_table('times', 'id');
	INSERT INTO times SELECT i, '2024-01-01 22:30:00+00'::timestamptz + i * interval '1 minute', i / 3.0, '2024-02-03' FROM generate_series(1, 100) i;
	SET timezone = 'America/New_York';
	SET citus.enable_binary_protocol = off;
	SELECT pgtrickle.create_stream_table('s_times', 'SELECT date_trunc(''day'', at) AS day, d::text AS d, count(*) AS n, max(f::text) AS f FROM times GROUP BY 1, 2', refresh_mode => 'FULL');
});
is(run("SET timezone = 'UTC'; SELECT day, d, n, f FROM s_times ORDER BY day"),
	"2024-01-01 00:00:00+00|2024-02-03|89|9.666666666666666\n2024-01-02 00:00:00+00|2024-02-03|11|33.333333333333336",
	'the settings are ours');
like(fails("SELECT pgtrickle.create_stream_table('bad', 'SELECT id, clock_timestamp() - at AS age FROM times')"),
	qr/cannot compute stream table "bad" over source "times".*is a distributed table of Citus.*clock_timestamp\(\), which is volatile/s,
	'what only the workers could compute is refused');

run(q{
	CREATE TYPE pair AS (d date, f float8);
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	CREATE TABLE typed (id int, p pair, m mood[], d date);
	SELECT create_distributed_table('typed', 'id');
	INSERT INTO typed VALUES (1, ('2024-02-03', 0.3333333333333333), '{ok,sad}', '2024-02-03');
	SELECT pgtrickle.create_stream_table('s_typed', 'SELECT id, m, d FROM typed');
});
is(run("SELECT id, m, d FROM s_typed"), '1|{ok,sad}|2024-02-03', 'values come as they are');
like(fails("SELECT pgtrickle.create_stream_table('bad', 'SELECT id, p FROM typed')"),
	qr/cannot compute stream table "bad" over source "typed".*has column "p", which moves between nodes as text/s,
	'or not at all');

# shapes that Citus itself cannot plan
run(q{SELECT pgtrickle.create_stream_table('s_sets', 'SELECT k, count(*) AS n FROM dist GROUP BY ROLLUP (k)', refresh_mode => 'DIFFERENTIAL')});
like(fails('SELECT k, count(*) AS n FROM dist GROUP BY ROLLUP (k)'), qr/ERROR/, 'Citus has no grouping sets');
is(run("SELECT sum(n) FILTER (WHERE k IS NULL) = 2 * sum(n) FILTER (WHERE k IS NULL) - sum(n) FILTER (WHERE k IS NOT NULL) FROM s_sets"),
	't', 'a stream table has');

# ---- a source moves
my $moved = [ 's_moved', 'k, n', 'SELECT k, count(*) AS n FROM moved GROUP BY k' ];
my $beside = [ 'j_moved', 'id, v', 'SELECT m.id, p.v FROM moved m JOIN plain p USING (id)' ];
my $next = 1000;

run('CREATE TABLE moved (id int PRIMARY KEY, k int); INSERT INTO moved SELECT i, i % 5 FROM generate_series(1, 50) i');
run("SELECT pgtrickle.create_stream_table('$_->[0]', \$\$$_->[2]\$\$, refresh_mode => 'DIFFERENTIAL')")
  foreach $moved, $beside;
my $stable_name = run("SELECT source_stable_name FROM pgtrickle.pgt_change_tracking WHERE source = 'moved'::regclass");

# Bring the source to another place, write, and look twice.
sub moves
{
	my ($sql, $as, $reason) = @_;

	run($sql);
	run("INSERT INTO moved VALUES ($next, 1); DELETE FROM moved WHERE id = " . ($next - 990));
	$next++;
	is(run("SELECT staleness > '0' FROM pgtrickle.pgt_status() WHERE name = 'public.$_->[0]'"), 't',
		"$as: $_->[0] does not pass for fresh")
	  foreach $moved, $beside;
	like(verified($node, @$moved), qr/^REINITIALIZE: $reason$/, "$as: the stream table begins anew");
	like(verified($node, @$beside), qr/^REINITIALIZE: /, "$as: so does the other one");
	run("INSERT INTO moved VALUES ($next, 2); UPDATE moved SET k = k + 1 WHERE id = 20");
	$next++;
	is(verified($node, @$_), 'DIFFERENTIAL', "$as: $_->[0] goes on") foreach $moved, $beside;
	is(state($node, 's_moved'), "moved $as", "$as: it is known");
}

like(fails("SELECT create_distributed_table('moved', 'id')"), qr/because it has triggers/,
	'Citus refuses tables that have triggers');
run("SET citus.enable_unsafe_triggers = on; SELECT create_distributed_table('moved', 'id', colocate_with => 'none')");
moves('SELECT 1', 'polled distributed', 'source "moved" has become a distributed table of Citus');
moves("SELECT alter_distributed_table('moved', shard_count => 2)", 'polled distributed',
	'source "moved" has become a distributed table of Citus');
moves("SELECT undistribute_table('moved')", 'captured local', 'changes of source "moved" were not captured');
is(run("SELECT source_stable_name FROM pgtrickle.pgt_change_tracking WHERE source = 'moved'::regclass"), $stable_name,
	'its stable name is the same');
moves("SELECT citus_add_local_table_to_metadata('moved')", 'polled local',
	'source "moved" has become a local table that Citus manages');
moves("SELECT undistribute_table('moved')", 'captured local', 'changes of source "moved" were not captured');

my $drop = run("SELECT string_agg(format('DROP TRIGGER %I ON moved', tgname), '; ') FROM pg_trigger WHERE tgrelid = 'moved'::regclass");
moves("BEGIN; $drop; SELECT create_reference_table('moved'); COMMIT", 'polled reference',
	'source "moved" has become a reference table of Citus');
moves("SELECT undistribute_table('moved')", 'captured local', 'changes of source "moved" were not captured');

# away and back before anybody looks
$drop = run("SELECT string_agg(format('DROP TRIGGER %I ON moved', tgname), '; ') FROM pg_trigger WHERE tgrelid = 'moved'::regclass");
moves("BEGIN; $drop; SELECT create_distributed_table('moved', 'id'); COMMIT;"
	  . " INSERT INTO moved VALUES (5000, 1); SELECT undistribute_table('moved')",
	'captured local', 'changes of source "moved" were not captured');

# made local by a key to a reference table, as it happens to anybody
run('CREATE TABLE parent (k int PRIMARY KEY); INSERT INTO parent SELECT generate_series(0, 10)');
run("SELECT create_reference_table('parent')");
moves("ALTER TABLE moved ADD FOREIGN KEY (k) REFERENCES parent", 'polled local',
	'source "moved" has become a local table that Citus manages');

# ---- stream tables go, and leave nothing behind
run("SELECT pgtrickle.drop_stream_table('$_->[0]')") foreach $moved, $beside;
is(run("SELECT count(*) FROM pg_trigger WHERE tgname ~ '^pg_trickle_cdc_.*$stable_name'"), '0', 'no trigger is left');
is(run("SELECT count(*) FROM pg_class WHERE relname ~ '$stable_name'"), '0', 'no buffer is left');
is(run("SELECT start_metadata_sync_to_all_nodes()"), 't', 'Citus has not lost track of anything');

# ---- a stream table is a local table
run("SELECT pgtrickle.create_stream_table('st', 'SELECT k, count(*) AS n FROM plain GROUP BY k')");
like(fails("SELECT create_distributed_table('st', 'k')"), qr/because it has triggers/, 'it cannot be distributed');
like(fails("SET citus.enable_unsafe_triggers = on; SELECT create_distributed_table('st', 'k')"),
	qr/cannot change stream table/, 'nor when triggers are allowed');
run("DROP TRIGGER pg_trickle_guard ON st; DROP TRIGGER pg_trickle_guard_row ON st; SELECT create_distributed_table('st', 'k')");
like(fails("SELECT pgtrickle.refresh_stream_table('st')"),
	qr/cannot refresh stream table "st" because Citus manages it.*distributed table of Citus/s,
	'without its guard it can, and is not refreshed any more');
run("DROP TABLE st");
is(run("SELECT count(*) FROM pg_class WHERE relname ~ '^st(_|\$)'"), '0', 'it can be dropped');

# in a schema whose tables are sharded
is(run("SELECT pgtrickle.create_stream_table('tenant.st', 'SELECT k, count(*) AS n FROM tenant.own GROUP BY k'); SELECT placement, is_managed FROM pgtrickle.placement('tenant.st')") =~ s/^\n//r,
	'local|f', 'it is local in the schema of a tenant, too');
is(run("SELECT string_agg(DISTINCT st_placement, ',') FROM pgtrickle.pgt_stream_tables"), 'local', 'all are recorded as local');
all_follow('the others are right to the end', '(DIFFERENTIAL|NONE)');

$_->stop foreach reverse @nodes;
done_testing();
