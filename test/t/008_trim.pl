# Change buffers give back what every consumer has consumed, and nothing that
# one of them, or an open writer, still needs.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main');
$node->start;

my $agg = 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k';
my $bag = 'SELECT k, v % 7 AS r FROM t WHERE v % 2 = 0';

$node->safe_psql('postgres', qq{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int, pad text);
	INSERT INTO t SELECT i, i % 10, i FROM generate_series(1, 2000) i;
	SELECT pgtrickle.create_stream_table('fast', '$agg', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('slow', '$bag', '1h', 'DIFFERENTIAL');
});

sub pages
{
	return "SELECT coalesce(sum(pg_relation_size(oid)), 0) / 8192 FROM pg_class"
	  . " WHERE relnamespace = 'pgtrickle_changes'::regnamespace AND relkind = 'r'";
}

# A full update leaves two rows of the buffer for each row of the table.
sub load
{
	my ($times) = @_;
	foreach my $i (1 .. $times)
	{
		$node->safe_psql('postgres', "UPDATE t SET v = v + $i, k = (k + $i) % 12");
	}
	return;
}

# ---- the slow consumer holds everything back
load(15);
ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'the fast consumer is up to date');
cmp_ok($node->safe_psql('postgres', pages()), '>', 128, 'the buffer has grown');
is($node->safe_psql('postgres', oracle('slow', 'k, r', $bag)), 'f', 'the slow consumer is behind');
ok(refreshed_same($node, 'slow', 'k, r', $bag), 'and misses nothing');

# ---- nobody needs anything: the space is given back
ok($node->poll_query_until('postgres', 'SELECT (' . pages() . ') < 128'),
	'the buffer shrinks when all have consumed it');
load(1);
ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'the fast consumer is right after trimming');
ok(refreshed_same($node, 'slow', 'k, r', $bag), 'so is the slow one');

# ---- the slow one needs the last part only: that is moved, and stays whole
foreach my $round (1 .. 4)
{
	load(10);
	ok(becomes_same($node, 'fast', 'k, n, s', $agg), "round $round: the fast consumer is up to date");

	# The open writer keeps the buffer from being emptied at once.
	my $last = $node->background_psql('postgres');
	$last->query_safe("BEGIN");
	$last->query_safe("DELETE FROM t WHERE id % 97 = $round");
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
	cmp_ok($node->safe_psql('postgres', pages()), '>', 128, "round $round: the buffer has grown");
	$last->query_safe("INSERT INTO t SELECT 10000 * $round + i, i % 5, i FROM generate_series(1, 50) i");
	$last->query_safe("COMMIT");
	$last->quit;
	ok($node->poll_query_until('postgres', 'SELECT (' . pages() . ') BETWEEN 1 AND 128'),
		"round $round: consumed changes go while newer ones are still needed");
	is($node->safe_psql('postgres', oracle('slow', 'k, r', $bag)), 'f',
		"round $round: which the slow consumer has not had yet");
	ok(refreshed_same($node, 'slow', 'k, r', $bag), "round $round: and does not miss");
	ok(becomes_same($node, 'fast', 'k, n, s', $agg), "round $round: nor does the fast one");
}

# ---- an open writer, older than what is trimmed
my $writer = $node->background_psql('postgres');
$writer->query_safe("BEGIN");
$writer->query_safe("INSERT INTO t SELECT 100000 + i, i % 3, i FROM generate_series(1, 100) i");
$node->safe_psql('postgres', "UPDATE t SET v = v + 1; SELECT pgtrickle.refresh_stream_table('slow')");
load(10);
$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'the fast consumer goes on beside an open writer');
$writer->query_safe("DELETE FROM t WHERE id = 100007");
$writer->query_safe("COMMIT");
$writer->quit;
$node->safe_psql('postgres', "UPDATE t SET v = v + 1 WHERE id % 2 = 0");
ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'and has its changes after its commit');
ok(refreshed_same($node, 'slow', 'k, r', $bag), 'as the slow consumer has');

# ---- there is no moment without an open writer
{
	my $file = PostgreSQL::Test::Utils::tempdir . '/overlapping.sql';
	append_to_file($file, "\\set k random(0, 9)\n\\set ms random(25, 45)\nBEGIN;\n"
		  . "UPDATE t SET v = v + 1 WHERE id % 80 = 10 * :client_id + :k;\n\\sleep :ms ms\nCOMMIT;\n");
	my $filenodes = "SELECT string_agg(relfilenode::text, ' ' ORDER BY oid) FROM pg_class"
	  . " WHERE relnamespace = 'pgtrickle_changes'::regnamespace AND relkind = 'r'";
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
	$node->poll_query_until('postgres', 'SELECT (' . pages() . ') < 128') or die 'the buffer does not shrink';
	my $before = $node->safe_psql('postgres', $filenodes);
	my $writers = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-c', 6, '-T', 180, '-f', $file,
			'-h', $node->host, '-p', $node->port, 'postgres' ], '<', \undef, '>', '/dev/null', '2>&1');
	$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('slow', schedule => '1s')");
	ok($node->poll_query_until('postgres', "SELECT ($filenodes) <> '$before'"),
		'the buffer is trimmed while transactions of several writers overlap');
	$writers->signal('INT');
	eval { $writers->finish; };
	$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('slow', schedule => '1h')");
	ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'and the fast consumer is right');
	ok(refreshed_same($node, 'slow', 'k, r', $bag), 'as the slow one is');
}

# ---- one that is refreshed hundreds of times while another one waits
{
	my $file = PostgreSQL::Test::Utils::tempdir . '/steady.sql';
	append_to_file($file, "\\set k random(0, 19)\nUPDATE t SET v = v + 1 WHERE id % 20 = :k;\n");
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
	$node->poll_query_until('postgres', 'SELECT (' . pages() . ') < 128') or die 'the buffer does not shrink';
	my $writer = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-t', 700, '-f', $file,
			'-h', $node->host, '-p', $node->port, 'postgres' ], '<', \undef, '>', '/dev/null', '2>&1');
	$node->poll_query_until('postgres', 'SELECT (' . pages() . ') > 800') or die 'the buffer does not grow';
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
	$writer->finish;
	ok($node->poll_query_until('postgres', 'SELECT (' . pages() . ') < 800'),
		'what both have consumed goes');
	ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'and the fast consumer is right');
	ok(refreshed_same($node, 'slow', 'k, r', $bag), 'as the slow one is');
}

# ---- the worker never gets to the end of what it has to refresh
{
	my $file = PostgreSQL::Test::Utils::tempdir . '/busy.sql';
	my $unions = sub { join(' UNION ALL ', map { "SELECT v FROM busy$_ WHERE linger(v)" } @_) };
	my $buffer = "SELECT pg_relation_size('pgtrickle_changes.changes_' || source_stable_name) / 8192"
	  . " FROM pgtrickle.pgt_change_tracking WHERE source = 'last'::regclass";

	append_to_file($file, "UPDATE busy1 SET v = v + 1;\nUPDATE busy7 SET v = v + 1;\n");
	settings($node, 'pg_trickle.max_refresh_workers' => 0);
	$node->safe_psql('postgres', "CREATE FUNCTION linger(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS"
		  . ' $$ BEGIN PERFORM pg_sleep(0.1); RETURN true; END $$');
	$node->safe_psql('postgres', "CREATE TABLE busy$_ AS SELECT 1 AS v") foreach 1 .. 12;
	$node->safe_psql('postgres', "SELECT pgtrickle.create_stream_table('busy_" . join('_', @$_) . "', '"
		  . $unions->(@$_) . "', '0s', 'DIFFERENTIAL')") foreach [ 1 .. 6 ], [ 7 .. 12 ];
	$node->safe_psql('postgres', q{
		CREATE TABLE last AS SELECT i FROM generate_series(1, 3000) i;
		SELECT pgtrickle.create_stream_table('last_st', 'SELECT i FROM last', '0s', 'DIFFERENTIAL');
	});
	my $writer = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-R', 20, '-T', 180, '-f', $file,
			'-h', $node->host, '-p', $node->port, 'postgres' ], '<', \undef, '>', '/dev/null', '2>&1');
	cmp_ok($node->safe_psql('postgres', join ';', 'BEGIN', (map { "UPDATE last SET i = i + $_" } 1 .. 5), $buffer, 'COMMIT'),
		'>', 128, 'a buffer has grown beside those of a busy worker');
	ok($node->poll_query_until('postgres', "SELECT ($buffer) < 128"), 'and has its turn to be trimmed');
	$writer->signal('INT');
	eval { $writer->finish; };
	$node->safe_psql('postgres', "SELECT pgtrickle.drop_stream_table(pgt_name) FROM pgtrickle.pgt_stream_tables"
		  . " WHERE pgt_name NOT IN ('fast', 'slow')");
	settings($node, 'pg_trickle.max_refresh_workers' => 'DEFAULT');
}

# ---- a suspended consumer is not forgotten
$node->safe_psql('postgres', "SELECT pgtrickle.alter_stream_table('slow', status => 'SUSPENDED')");
load(10);
ok(becomes_same($node, 'fast', 'k, n, s', $agg), 'the fast consumer goes on beside a suspended one');
$node->safe_psql('postgres', "SELECT pgtrickle.resume_stream_table('slow')");
ok(refreshed_same($node, 'slow', 'k, r', $bag), 'resumed, it has every change');

# ---- without a scheduler, manual refreshes keep the buffer small
$node->safe_psql('postgres', "SELECT pgtrickle.drop_stream_table('fast')");
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
load(10);
foreach my $i (1 .. 5)
{
	$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('slow')");
	load(2);
}
ok(refreshed_same($node, 'slow', 'k, r', $bag), 'right without the scheduler');
cmp_ok($node->safe_psql('postgres', pages()), '<', 512, 'the buffer does not grow without bound either');

$node->stop;
done_testing();
