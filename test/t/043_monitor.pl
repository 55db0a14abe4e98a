# What people on call see of a running server: progress, counters across restarts,
# notifications; and the status page as a browser lays it out.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', extra => [ '--encoding=UTF8', '--no-locale' ], conf => "pg_trickle.max_consecutive_errors = 2\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_trickle;
	CREATE ROLE on_call LOGIN IN ROLE pg_monitor;
	CREATE ROLE stranger LOGIN;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
	SELECT pgtrickle.create_stream_table('st', 'SELECT id, v FROM t', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('div', 'SELECT id, 100 / (v + 1) AS q FROM t', '0s', 'DIFFERENTIAL');
	CREATE DATABASE other;
});

sub stat_of
{
	my ($columns, $st) = @_;
	return $node->safe_psql('postgres',
		"SELECT $columns FROM pgtrickle.pg_stat_stream_tables WHERE pgt_name = '$st'");
}

# ---- what runs now
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN");
$holder->query_safe("SELECT pgtrickle.alter_stream_table('st', schedule => '1h')");
my $waiter = $node->background_psql('postgres');
my $pid = $waiter->query_safe("SELECT pg_backend_pid()");
$waiter->query_until(qr/started/, "\\echo started\nSELECT pgtrickle.refresh_stream_table('st');\n");
ok($node->poll_query_until('postgres',
		"SELECT pgt_schema || '.' || pgt_name || ': ' || phase FROM pgtrickle.refresh_progress WHERE pid = $pid",
		'public.st: waiting for another refresh'), 'a refresh that waits is shown');
is($node->safe_psql('postgres',
		"SELECT count(*) FROM pgtrickle.refresh_progress WHERE pid = $pid", extra_params => [ '-U', 'stranger' ]),
	'0', 'but not to a stranger');
is($node->safe_psql('postgres',
		"SELECT datname, started_at <= now() FROM pgtrickle.refresh_progress WHERE pid = $pid", extra_params => [ '-U', 'on_call' ]),
	'postgres|t', 'and to pg_monitor');
$node->safe_psql('other', "CREATE EXTENSION pg_trickle");
is($node->safe_psql('other',
		"SELECT datname, pgt_name IS NULL, phase FROM pgtrickle.refresh_progress WHERE pid = $pid", extra_params => [ '-U', 'on_call' ]),
	'postgres|t|waiting for another refresh', 'in other databases, too');
is($node->safe_psql('other', "SELECT count(*) FROM pgtrickle.refresh_progress", extra_params => [ '-U', 'stranger' ]),
	'0', 'where nobody else sees it');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) FROM pgtrickle.refresh_progress WHERE pid = $pid", '0'),
	'who is terminated leaves nothing behind');
eval { $waiter->quit };
$holder->query_safe("ROLLBACK");
$holder->quit;

my $slow = $node->background_psql('postgres');
$pid = $slow->query_safe("SELECT pg_backend_pid()");
$node->safe_psql('postgres', "CREATE TABLE big (id int PRIMARY KEY); INSERT INTO big SELECT generate_series(1, 500)");
$slow->query_until(qr/started/,
	"\\echo started\nSELECT pgtrickle.create_stream_table('slow', 'SELECT id FROM big WHERE pg_sleep(0.002) IS NOT NULL', '1h', 'FULL');\n");
ok($node->poll_query_until('postgres',
		"SELECT phase FROM pgtrickle.pgt_progress() WHERE pid = $pid", 'recomputing'),
	'the phase is shown');
$slow->quit;

# ---- counters: of the scheduler, of failures, and after a restart
$node->safe_psql('postgres', "INSERT INTO t VALUES (11, 11)");
ok($node->poll_query_until('postgres', "SELECT total_rows_inserted FROM pgtrickle.pg_stat_stream_tables WHERE pgt_name = 'st'", '11'),
	'what the scheduler did is counted');
$node->safe_psql('postgres', "SELECT pgtrickle.subscribe('div', 'pg_trickle_alert')");
my $listener = $node->background_psql('postgres');
$listener->query_safe("LISTEN pg_trickle_alert");
$listener->query_safe("LISTEN pg_trickle_refresh");
$node->safe_psql('postgres', "INSERT INTO t VALUES (12, -1)");
ok($node->poll_query_until('postgres', "SELECT freshness FROM pgtrickle.pgt_status() WHERE name = 'public.div'", 'suspended'),
	'two failures suspend');
is(stat_of('failed_refreshes', 'div'), '2', 'and are counted');
is($node->safe_psql('postgres', "SELECT last_error, next_refresh ~ 'resume' FROM pgtrickle.pgt_status() WHERE name = 'public.div'", extra_params => [ '-U', 'on_call' ]),
	'division by zero|t', 'pg_monitor reads the error');

# ---- alerts, and refreshes that are told
sub heard
{
	my ($seen) = @_;
	my $out = '';

	foreach my $i (1 .. 100)
	{
		$out .= $listener->query_safe("SELECT pg_sleep(0.05)");
		last if $out =~ $seen;
	}
	return $out;
}
like(heard(qr/suspended/), qr/"pg_trickle_alert" with payload "\{"event": "suspended", "name": "public\.div", "detail": "SQLSTATE 22012"\}"/,
	'a suspension is told');
$node->safe_psql('postgres', "UPDATE t SET v = v + 1 WHERE id = 1");
ok($node->poll_query_until('postgres', "SELECT v FROM st WHERE id = 1", '2'), 'a refresh');
unlike($listener->query_safe("SELECT 1"), qr/pg_trickle_refresh/, 'is not, unless somebody asked');
$node->safe_psql('postgres', "SELECT pgtrickle.subscribe('st')");
my $commits = 60;
$node->safe_psql('postgres', "DO \$\$ BEGIN FOR i IN 1..$commits LOOP INSERT INTO t VALUES (100 + i, 1); COMMIT; PERFORM pg_sleep(0.01); END LOOP; END \$\$");
my ($told, $inserted) = (0, 0);
foreach my $i (1 .. 100)
{
	my $out = $listener->query_safe("SELECT pg_sleep(0.05)");

	while ($out =~ /"pg_trickle_refresh" with payload "\{"name": "public\.st", "inserted": (\d+), "updated": 0, "deleted": 0\}"/g)
	{
		$told++;
		$inserted += $1;
	}
	last if $inserted >= $commits;
}
is($inserted, $commits, 'every row is told, once');
cmp_ok($told, '<', $commits / 2, 'in fewer notifications than commits');
$node->safe_psql('postgres', "TRUNCATE t");
$node->safe_psql('postgres', "SELECT pgtrickle.subscribe('st', 'pg_trickle_alert'); SELECT pgtrickle.refresh_stream_table('st')");
$node->safe_psql('postgres', "BEGIN; TRUNCATE t; SELECT pgtrickle.refresh_stream_table('st'); COMMIT");
like(heard(qr/reinit/), qr/"event": "reinitialised", "name": "public\.st"\}/, 'a reinitialization is told');
$node->safe_psql('postgres', "SELECT pgtrickle.unsubscribe('st'), pgtrickle.unsubscribe('st', 'pg_trickle_alert')");
$listener->quit;

SKIP:
{
	skip 'wait events have no names before PostgreSQL 17', 1 if $node->pg_version < 17;
	ok($node->poll_query_until('postgres',
			"SELECT string_agg(DISTINCT wait_event, ' ' ORDER BY wait_event) FROM pg_stat_activity WHERE backend_type LIKE 'pg\\_trickle%' AND datname IS DISTINCT FROM 'other'",
			'PgTrickleLauncher PgTrickleWorker'), 'what our processes wait for has a name');
}

my $before = stat_of('stats_reset', 'st');
$node->restart;
is(stat_of("total_refreshes, stats_reset > '$before'", 'st'), '0|t', 'a restart begins at zero, and says so');

# ---- the page
my $schema = q{"<b>""s""</b> & 'q'"};
$node->safe_psql('postgres', qq{
	CREATE SCHEMA $schema;
	SET search_path = $schema;
	CREATE TABLE "<script>document.title=1</script>" (id int PRIMARY KEY, v int);
	CREATE TABLE "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW" (id int PRIMARY KEY, v int);
	CREATE TABLE U&"\\6CE8\\6587\\30C6\\30FC\\30D6\\30EB\\6570\\91CF\\4E00\\89A7\\8868\\30C7\\202E\\FDFD" (id int PRIMARY KEY, v int);
	SELECT pgtrickle.create_stream_table('"</title><script>document.title=1</script>"', 'SELECT id FROM "<script>document.title=1</script>"');
	SELECT pgtrickle.create_stream_table('"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"', 'SELECT a.id FROM public.st a JOIN "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW" b USING (id)', '2h');
	SELECT pgtrickle.create_stream_table('long', 'SELECT a.id FROM public.st a JOIN U&"\\6CE8\\6587\\30C6\\30FC\\30D6\\30EB\\6570\\91CF\\4E00\\89A7\\8868\\30C7\\202E\\FDFD" b USING (id) JOIN public.t USING (id)');
	SELECT pgtrickle.create_stream_table('empty', 'SELECT id FROM long', initialize => false, schedule => '1h');
	INSERT INTO public.t SELECT i, i FROM generate_series(1, 100) i;
	SELECT pgtrickle.create_stream_table('s' || i, 'SELECT id FROM public.t WHERE id > ' || i) FROM generate_series(1, 60) i;
});
my $page = $node->safe_psql('postgres', 'SELECT pgtrickle.status_page()', extra_params => [ '-U', 'on_call' ]);
cmp_ok(length($page), '<', 100000, 'the page is small');

$node->safe_psql('postgres', "CREATE DATABASE bytes ENCODING SQL_ASCII TEMPLATE template0");
$node->safe_psql('bytes', q{
	CREATE EXTENSION pg_trickle;
	SET client_encoding = SQL_ASCII;
	DO $$ BEGIN EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY)', 'a' || convert_from('\xe9ff', 'SQL_ASCII')); END $$;
	DO $$ BEGIN PERFORM pgtrickle.create_stream_table('st', format('SELECT id FROM %I', 'a' || convert_from('\xe9ff', 'SQL_ASCII'))); END $$;
});
like($node->safe_psql('bytes', "SELECT pgtrickle.status_page()"), qr/<bdi>public\.(&#34;)?a\?\?/,
	'a name in no encoding is shown as far as it can be');

my ($chromium) = grep { -x } map { "$_/chromium" } split(/:/, $ENV{PATH}), '/usr/bin';
SKIP:
{
	skip 'chromium is not installed', 4 unless $chromium;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my @options = ($chromium, '--headless=new', '--no-sandbox', '--disable-gpu', '--enable-logging=stderr',
		"--user-data-dir=$dir/chromium", '--virtual-time-budget=2000', '--dump-dom');
	local $ENV{HOME} = $dir;

	# As it is: the policy lets its own style be, and nothing was refused.
	append_to_file("$dir/page.html", $page);
	my ($dom, $log) = run_command([ @options, "file://$dir/page.html" ]);
	ok($dom =~ /Stream tables of/ && $log !~ /Refused|Content Security Policy/, 'a browser shows it under its policy')
	  or diag($log);

	# With a ruler, for which the policy has to go.
	my $ruler = slurp_file("$FindBin::RealBin/page_ruler.js");
	$page =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//;
	$page =~ s/<\/body>/<script>$ruler<\/script><\/body>/;
	append_to_file("$dir/ruled.html", $page);
	foreach my $width (1280, 390)
	{
		my ($ruled) = run_command([ @options, "--window-size=$width,900", "file://$dir/ruled.html" ]);
		my ($found) = $ruled =~ /data-found="([^"]*)"/;

		is($found, 'nothing', "at $width pixels nothing overlaps, is cut off, or is too small");
		unlike($ruled, qr/<title>1<\/title>/, 'and no name was run as a script') if $width == 390;
	}
}

$node->stop;
done_testing();
