# The HTTP endpoint of a standby: it answers, as of what was replayed, writes
# nothing, and is the same process after promotion, when the launcher watches it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use StreamTest;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $http = HTTP::Tiny->new(timeout => 20);

sub get
{
	my ($path) = @_;
	my $answer = $http->get("http://127.0.0.1:$port$path");
	return "$answer->{status}\n$answer->{content}";
}

# Answers may be a second old.
sub becomes_like
{
	my ($path, $pattern, $name) = @_;
	my $until = time() + 60;
	my $answer;
	while (time() < $until)
	{
		$answer = get($path);
		last if $answer =~ $pattern;
		sleep(0.2);
	}
	return like($answer, $pattern, $name);
}

sub endpoint_pid
{
	my ($node) = @_;
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint'})
	  or die 'no endpoint';
	return $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint'});
}

my $primary = stream_node('primary', allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE DATABASE other;
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 3) i;
	SELECT pgtrickle.create_stream_table('totals', 'SELECT count(*) AS n, sum(v) AS v FROM t', '0s');
	SELECT pgtrickle.create_stream_table('later', 'SELECT id FROM t', '1d');});
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# What no session of a standby can have must not stop it.
$ENV{PGOPTIONS} = '-c default_transaction_isolation=read\\ committed';
$standby->append_conf('postgresql.conf', <<CONF);
pg_trickle.metrics_port = $port
default_transaction_isolation = serializable
CONF
$standby->start;
my $started = time();
while (get('/healthz') =~ /^599/ && time() < $started + 60)
{
	last if slurp_file($standby->logfile) =~ /built without its HTTP endpoint/;
	sleep(0.1);
}
plan skip_all => 'pg_trickle was built without its HTTP endpoint'
  if slurp_file($standby->logfile) =~ /built without its HTTP endpoint/;

# ---- on the standby

is(get('/healthz'), "200\nok\n", 'health');
my $metrics = get('/metrics');
like($metrics, qr/^200\n/, 'metrics');
like($metrics, qr/^pg_trickle_database_up\{db_name="postgres"\} 1$/m, 'of a database that can be read');
like($metrics, qr/^pg_trickle_in_recovery\{db_name="postgres"\} 1$/m, 'which is recovering');
like($metrics, qr/^pg_trickle_scheduler_up\{db_name="postgres"\} 0$/m, 'and has no scheduler');
like($metrics, qr/^pg_trickle_staleness_seconds\{[^}]*name="later"\} 0$/m, 'nothing waits');
unlike($metrics, qr/db_name="other"/, 'none of a database without the extension');
like(get('/'), qr/^200\n.*href="\/\?db=postgres"/ms, 'the index');
like(get('/?db=postgres'), qr/^200\n.*totals/ms, 'the page');
is($standby->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pg_trickle launcher', 'pg_trickle worker')}),
	'0', 'nothing else runs');

$primary->safe_psql('postgres', 'INSERT INTO t VALUES (4, 4)');
$primary->poll_query_until('postgres', 'SELECT n = 4 FROM totals') or die 'no refresh';
$primary->wait_for_catchup($standby);
becomes_like('/metrics', qr/^pg_trickle_staleness_seconds\{[^}]*name="later"\} 0*[1-9.]/m,
	'a change that was replayed waits');

$primary->safe_psql('postgres', 'CREATE DATABASE gone');
$primary->safe_psql('gone', 'CREATE EXTENSION pg_trickle');
$primary->wait_for_catchup($standby);
becomes_like('/metrics', qr/^pg_trickle_database_up\{db_name="gone"\} 1$/m, 'a new database is found');
$primary->safe_psql('postgres', 'DROP DATABASE gone');
$primary->wait_for_catchup($standby);
becomes_like('/metrics', qr/^200\n(?!.*db_name="gone")/s, 'and dropped, though it is read');

my $pid = endpoint_pid($standby);
$standby->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$standby->poll_query_until('postgres',
	"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint' AND pid <> $pid)");
becomes_like('/healthz', qr/ok/, 'an endpoint that was ended is replaced');

$standby->append_conf('postgresql.conf', 'pg_trickle.metrics_port = 0');
$standby->reload;
ok($standby->poll_query_until('postgres',
		q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint')}),
	'none with port 0');
$port = PostgreSQL::Test::Cluster::get_free_port();
$standby->append_conf('postgresql.conf', "pg_trickle.metrics_port = $port");
$standby->reload;
becomes_like('/healthz', qr/ok/, 'another port on reload');

# ---- promotion

$pid = endpoint_pid($standby);
$standby->promote;
becomes_like('/metrics', qr/^pg_trickle_scheduler_up\{db_name="postgres"\} 1$/m, 'promoted, it has a scheduler');
like(get('/metrics'), qr/^pg_trickle_in_recovery\{db_name="postgres"\} 0$/m, 'and is no standby');
is(endpoint_pid($standby), $pid, 'by the same process');
$standby->safe_psql('postgres', 'INSERT INTO t VALUES (5, 5)');
becomes_like('/metrics', qr/^pg_trickle_rows_changed_total\{[^}]*name="totals"\} [1-9]/m, 'refreshes count');
like(get('/?db=postgres'), qr/^200\n.*totals/ms, 'the page is drawn');
$standby->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
my $ended = time();
isnt(endpoint_pid($standby), $pid, 'an endpoint that was ended is replaced by the launcher');
cmp_ok(time() - $ended, '<', 20, 'which is told of it');
becomes_like('/healthz', qr/ok/, 'and answers');

$standby->stop;
$primary->stop;
unlike(slurp_file($standby->logfile), qr/PANIC|TRAP|ERROR|terminated by signal/, 'no error');
done_testing();
