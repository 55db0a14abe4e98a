# Stream tables over stream tables, with the scheduler: chains, a fan-out of a
# hundred, diamonds, suspended and failing members, and a storm of writers,
# refreshes and definition changes over all of them.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $sessions = 4;
my $statements = $ENV{PGT_STORM} // 400;

seed();
my $node = stream_node('main', conf => "deadlock_timeout = 50ms\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	CREATE TABLE u (k int, f int);
	INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 200) i;
	INSERT INTO u SELECT i, i FROM generate_series(0, 9) i;

	-- names of the stream tables that differ from their query, as it is now
	CREATE FUNCTION different() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		s record;
		cols text;
		differs boolean;
		result text := '';
	BEGIN
		FOR s IN SELECT pgt_relid, definition FROM pgtrickle.pgt_stream_tables ORDER BY pgt_id LOOP
			SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO cols
			  FROM pg_attribute WHERE attrelid = s.definition AND attnum > 0;
			EXECUTE format('SELECT EXISTS ((SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM %3$s)'
				' UNION ALL (SELECT %1$s FROM %3$s EXCEPT ALL SELECT %1$s FROM %2$s))',
				cols, s.definition, s.pgt_relid) INTO differs;
			IF differs THEN
				result := result || ' ' || s.pgt_relid::text;
			END IF;
		END LOOP;
		RETURN result;
	END $$;
});

sub create
{
	my ($name, $query, $schedule) = @_;

	$node->safe_psql('postgres',
		"SELECT pgtrickle.create_stream_table('$name', \$\$$query\$\$, '" . ($schedule // '0s') . "', 'DIFFERENTIAL')");
}

sub become_right
{
	my ($what) = @_;

	ok($node->poll_query_until('postgres', 'SELECT different()', ''), $what);
}

# ---- a chain of ten follows one commit
create('c1', 'SELECT id, k, v FROM t');
create("c$_", 'SELECT id, k, v + 1 AS v FROM c' . ($_ - 1)) foreach 2 .. 10;
create('top', 'SELECT k, count(*) AS n, sum(v) AS s FROM c10 GROUP BY k');
my $top = 'SELECT k, count(*) AS n, sum(v + 9) AS s FROM t GROUP BY k';
$node->safe_psql('postgres', 'UPDATE t SET v = v * 2 WHERE k = 3');
ok(becomes_same($node, 'top', 'k, n, s', $top), 'a chain follows an update');
$node->safe_psql('postgres', 'DELETE FROM t WHERE k = 4; INSERT INTO t VALUES (1000, 4, 1)');
ok(becomes_same($node, 'top', 'k, n, s', $top), 'a chain follows a delete and an insert');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgtrickle.pgt_refresh_history
	WHERE action <> 'DIFFERENTIAL' AND reason <> 'first refresh'}),
	'0', 'nothing was recomputed');

# ---- nothing is refreshed for a change that does not reach it
my $before = $node->safe_psql('postgres', q{SELECT total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'c5'});
create('idle', 'SELECT k, f FROM u');
$node->safe_psql('postgres', 'UPDATE u SET f = f + 1');
ok(becomes_same($node, 'idle', 'k, f', 'SELECT k, f FROM u'), 'a table beside the chain changed');
is($node->safe_psql('postgres', q{SELECT total_refreshes FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'c5'}),
	$before, 'and the chain was left alone');

# ---- a hundred over one
$node->safe_psql('postgres', q{
	DO $$ BEGIN FOR i IN 0 .. 99 LOOP
		PERFORM pgtrickle.create_stream_table('f' || i,
			format('SELECT id, v FROM c1 WHERE id %% 100 = %s', i), '0s', 'DIFFERENTIAL');
	END LOOP; END $$
});
$node->safe_psql('postgres', 'UPDATE t SET v = v + 1; DELETE FROM t WHERE id % 7 = 0');
ok($node->poll_query_until('postgres', q{
	SELECT (SELECT count(*) FROM t) = sum((xpath('//n/text()', query_to_xml('SELECT count(*) AS n FROM f' || i, true, true, '')))[1]::text::int)
	  FROM generate_series(0, 99) i}), 'a hundred stream tables over one follow it');
become_right('and all of them are right');

# ---- diamonds
create('b', 'SELECT k, sum(v) AS s FROM t GROUP BY k');
create('c', 'SELECT k, count(*) AS n FROM t GROUP BY k', '1s');
create('d', 'SELECT b.k, b.s, c.n, u.f FROM b JOIN c USING (k) JOIN u USING (k)', '1h');
create('e', 'SELECT t.id, t.v, b.s FROM t JOIN b USING (k)', '1h');
create('above', 'SELECT n, count(*) AS m FROM d GROUP BY n');
# the shortest schedule counts for all, so that their sums always agree
my $whole = 'SELECT sum(s) = (SELECT sum(v) FROM t) FROM d';
foreach my $i (1 .. 5)
{
	$node->safe_psql('postgres', 'UPDATE t SET k = (k + 1) % 10, v = v + 1 WHERE id % 5 = 0');
	ok($node->poll_query_until('postgres', 'SELECT (SELECT sum(v) FROM e) = (SELECT sum(v) FROM t)'),
		'a diamond follows its fastest member');
	is($node->safe_psql('postgres', $whole), 't', 'and is whole');
}
become_right('with all above and beside');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT data_timestamp) FROM pgtrickle.pgt_stream_tables
	WHERE pgt_name IN ('b', 'd', 'e')}), '1', 'its members have one snapshot');

# ---- one of them is suspended: who reads it waits, the others go on
$node->safe_psql('postgres', q{SELECT pgtrickle.alter_stream_table('c', status => 'SUSPENDED')});
$node->safe_psql('postgres', 'INSERT INTO t VALUES (2000, 1, 5)');
ok(becomes_same($node, 'b', 'k, s', 'SELECT k, sum(v) FROM t GROUP BY k'), 'a sibling of a suspended member goes on');
ok(becomes_same($node, 'e', 'id, v, s', 'SELECT id, v, sum(v) OVER (PARTITION BY k) FROM t'), 'and so does what reads the sibling');
is($node->safe_psql('postgres', $whole), 'f', 'what reads the suspended one waits');
is($node->safe_psql('postgres', 'SELECT (SELECT sum(n) FROM d) = (SELECT sum(n) FROM c)'), 't', 'unmixed');
$node->safe_psql('postgres', q{SELECT pgtrickle.resume_stream_table('c')});
become_right('resumed, all are right again');

# ---- one of them fails: it is named, suspended, and leaves the others in peace
settings($node, 'pg_trickle.max_consecutive_errors' => 2);
create('bad', 'SELECT b.k, 100 / c.n AS q, t.id FROM b JOIN c USING (k) JOIN t USING (k) WHERE t.v / (t.id - 3000) > -1');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (3000, 2, 7)');
ok($node->poll_query_until('postgres', q{SELECT status FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'bad'}, 'SUSPENDED'),
	'the member that fails is suspended');
is($node->safe_psql('postgres', q{SELECT DISTINCT pgt_name, error_message FROM pgtrickle.refresh_history
	WHERE status = 'FAILED'}),
	'bad|division by zero', 'and no other');
ok(becomes_same($node, 'd', 'k, s, n, f', 'SELECT k, sum(v), count(*), min(f) FROM t JOIN u USING (k) GROUP BY k'),
	'the rest of its group goes on');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id = 3000');
$node->safe_psql('postgres', q{SELECT pgtrickle.resume_stream_table('bad')});
become_right('mended, it is right again');

# ---- a restart
$node->safe_psql('postgres', 'UPDATE t SET v = v - 1');
$node->stop('immediate');
$node->start;
become_right('all are right after a crash');
$node->safe_psql('postgres', 'UPDATE t SET v = v - 1 WHERE k = 1');
become_right('and after a change');

# ---- a storm
settings($node, 'pg_trickle.max_consecutive_errors' => 0);
my @benign = (
	qr/deadlock detected/,
	qr/could not serialize access/,
	qr/canceling statement due to lock timeout/,
	qr/savepoint "s" does not exist/,
	qr/because other stream tables read it/,
	# one that reads it was created while we looked
	qr/because other objects depend on it/,
	qr/duplicate key value violates unique constraint "t_pkey"/,
	# somebody dropped or suspended it meanwhile
	qr/does not exist/,
	qr/is not a stream table/,
	qr/without stream table/);

sub pick { return $_[ int(rand(@_)) ]; }

sub statement
{
	my ($me) = @_;
	my $n = int(rand(10000)) + 10000 * $me;
	my ($x, $y, $z) = map { $_ . $me } qw(x y z);
	my $other = int(rand($sessions)) + 1;
	my $st = pick('c1', 'c5', 'c10', 'b', 'c', 'd', 'e', 'above', 'top', map { $_ . $other } qw(x y z));
	my $over = pick('b', 'c', 'd', 'e', 'c2', "x$other", "y$other");

	return pick(
		("INSERT INTO t VALUES ($n, $n % 10, $n % 100)") x 4,
		("UPDATE t SET v = v + 1, k = (k + 1) % 10 WHERE id % 20 = $n % 20") x 4,
		("DELETE FROM t WHERE id % 50 = $n % 50") x 2,
		"UPDATE u SET f = f + 1 WHERE k = $n % 10",
		"BEGIN; INSERT INTO t VALUES ($n, 1, 1); SAVEPOINT s; SELECT pgtrickle.refresh_stream_table('$st'); ROLLBACK TO SAVEPOINT s; SELECT pgtrickle.refresh_stream_table('d'); UPDATE t SET v = 7 WHERE id = $n; SELECT pgtrickle.refresh_stream_table('$st'); COMMIT",
		"BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM t WHERE id % 97 = $n % 97; SELECT pgtrickle.refresh_stream_table('$st'); COMMIT",
		("SELECT pgtrickle.refresh_stream_table('$st')") x 2,
		"SELECT missing, surplus FROM pgtrickle.verify_stream_table('$st') WHERE missing + surplus <> 0",
		"SELECT pgtrickle.create_stream_table_if_not_exists('$x', 'SELECT k, count(*) AS n FROM $over JOIN t USING (k) GROUP BY k', '0s')",
		"SELECT pgtrickle.create_stream_table_if_not_exists('$y', 'SELECT k, count(*) AS n FROM $over GROUP BY k', '50ms')",
		"SELECT pgtrickle.create_stream_table_if_not_exists('$z', 'SELECT $x.k, $y.n FROM $x JOIN $y USING (k)', '0s')",
		"SELECT pgtrickle.drop_stream_table('" . pick($x, $y, $z, "x$other") . "'" . pick(', true', '') . ")",
		"SELECT pgtrickle.alter_stream_table('c', query => 'SELECT k, count(*) AS n FROM t WHERE v > " . pick(-1000, 5) . " GROUP BY k')",
		"SELECT pgtrickle.alter_stream_table('$st', status => '" . pick('SUSPENDED', 'ACTIVE', 'ACTIVE') . "')");
}

my @runs;
my $dir = PostgreSQL::Test::Utils::tempdir;
foreach my $me (1 .. $sessions)
{
	my $file = "$dir/dag_$me.sql";

	append_to_file($file, "SET lock_timeout = '5s'; SET client_min_messages = error;\n");
	append_to_file($file, statement($me) . ";\n") foreach 1 .. $statements;
	my @command = ($node->installed_command('psql'), '-XAtq', '-f', $file, $node->connstr('postgres'));
	# Into files: a session whose pipe nobody empties would stand still.
	push @runs, IPC::Run::start(\@command, '<', \undef, '>', "$dir/out_$me", '2>', "$dir/err_$me");
}
$_->finish foreach @runs;
foreach my $me (1 .. $sessions)
{
	my @errors;
	foreach my $line (grep { /ERROR:|FATAL:|PANIC:|server closed/ } split /\n/, slurp_file("$dir/err_$me"))
	{
		next if $line =~ /current transaction is aborted/;
		push @errors, $line unless grep { $line =~ $_ } @benign;
	}
	is(join("\n", @errors), '', "session $me met no error but such as say: try again");
	unlike(slurp_file("$dir/out_$me"), qr/^\d+\|\d+$/m, "session $me saw no wrong stream table");
}
$node->safe_psql('postgres', q{SELECT pgtrickle.resume_stream_table(pgt_relid::text) FROM pgtrickle.pgt_stream_tables
	WHERE status <> 'ACTIVE'});
become_right('all are right after the storm');
is($node->safe_psql('postgres', q{SELECT string_agg(pgt_name || ': ' || missing || ' ' || surplus, ', ')
	FROM pgtrickle.pgt_stream_tables, pgtrickle.verify_stream_table(pgt_relid::text)
	WHERE missing + surplus <> 0}), '', 'and verify_stream_table() says so');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgtrickle.pgt_change_tracking t
	WHERE NOT EXISTS (SELECT 1 FROM pgtrickle.pgt_dependencies d WHERE d.source = t.source AND d.captured)}),
	'0', 'nothing is captured in vain');

$node->stop;
done_testing();
