# What is in monitoring/ against the real programs: Prometheus scrapes the
# endpoint, promtool finds nothing to complain of, the alert rules do what their
# tests say, every query of the dashboard has a result, and postgres_exporter
# exports the same names as we do.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use StreamTest;

my $tree = "$FindBin::RealBin/../..";
my %program;
my $cache = ($ENV{PGT_CHROOTS} || '/var/cache/pg_trickle') . '/prometheus/usr/bin';
for my $name ('prometheus', 'promtool', 'prometheus-postgres-exporter')
{
	($program{$name}) = grep { -x } map { "$_/$name" }
	  grep { $_ } $ENV{PGT_PROMETHEUS}, $cache, split(/:/, $ENV{PATH});
	plan skip_all => "there is no $name; tools/prometheus.sh fetches it" unless $program{$name};
}

my %port = map { $_ => PostgreSQL::Test::Cluster::get_free_port() } qw(endpoint prometheus exporter);
my $node = stream_node('main', conf => <<CONF);
pg_trickle.metrics_port = $port{endpoint}
pg_trickle.max_consecutive_errors = 2
CONF
$node->start;
$node->poll_query_until('postgres',
	"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint')"
	  . " OR pg_read_file('" . $node->logfile . "') ~ 'built without its HTTP endpoint'")
  or die 'no endpoint';
plan skip_all => 'pg_trickle was built without its HTTP endpoint'
  if slurp_file($node->logfile) =~ /built without its HTTP endpoint/;

my $http = HTTP::Tiny->new(timeout => 20);

sub fetch
{
	my ($which, $path) = @_;
	return $http->get("http://127.0.0.1:$port{$which}$path");
}

# Try for a while, until it is true.
sub until_true
{
	my ($what) = @_;
	my $until = time() + 90;
	while (time() < $until)
	{
		my $result = $what->();
		return $result if $result;
		sleep(0.2);
	}
	return;
}

sub query
{
	my ($expression) = @_;
	my $answer = $http->post_form("http://127.0.0.1:$port{prometheus}/api/v1/query",
		{ query => $expression });
	my $json = eval { decode_json($answer->{content}) } // { error => $answer->{content} };
	return ($json->{status} // '') eq 'success' ? $json->{data}{result} : $json->{error};
}

sub run_quietly
{
	my ($name, $input, @command) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err);
	ok($ok, $name) or diag($out, $err);
	return $out . $err;
}

# ---- stream tables in every state

for my $database ('postgres', 'other')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, q{
		CREATE EXTENSION pg_trickle;
		CREATE TABLE t (id int PRIMARY KEY, v int);
		INSERT INTO t SELECT i, i FROM generate_series(1, 3) i;
		SELECT pgtrickle.create_stream_table('totals', 'SELECT count(*) AS n, sum(v) AS v FROM t', '0s');
		SELECT pgtrickle.create_stream_table('recomputed', 'SELECT id FROM t LIMIT 2', '1s', 'FULL');
		SELECT pgtrickle.create_stream_table('stale', 'SELECT v FROM t', '1d');
		CREATE TABLE texts (id int PRIMARY KEY, s text);
		SELECT pgtrickle.create_stream_table('failing', 'SELECT id, s::int AS s FROM texts', '0s');
		INSERT INTO texts VALUES (1, 'no number');});
}
$node->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM pgtrickle.pgt_status() WHERE status = 'SUSPENDED'})
  or die 'nothing was suspended';

# ---- promtool

my $metrics = fetch('endpoint', '/metrics')->{content};
is(run_quietly('promtool check metrics accepts what the endpoint serves', $metrics,
		$program{promtool}, 'check', 'metrics'), '', 'and has no advice');
is(run_quietly('and what metrics() returns',
		$node->safe_psql('postgres', "SELECT pgtrickle.metrics('prometheus')") . "\n",
		$program{promtool}, 'check', 'metrics'), '', 'without advice as well');
chdir("$tree/monitoring/prometheus") or die;
run_quietly('alerts.yml is valid', '', $program{promtool}, 'check', 'rules', 'alerts.yml');
like(run_quietly('each alert does what its test says', '', $program{promtool}, 'test', 'rules', 'alerts_test.yml'),
	qr/SUCCESS/, 'promtool test rules');
run_quietly('the example of a configuration is valid', '', $program{promtool}, 'check', 'config', 'prometheus.yml');

# Every alert has a test.
my $rules = slurp_file('alerts.yml');
my $tests = slurp_file('alerts_test.yml');
for my $alert ($rules =~ /alert: (\w+)/g)
{
	like($tests, qr/alertname: $alert\n\s+exp_alerts:\n/, "a test has $alert fire");
	like($tests, qr/alertname: $alert\n\s+exp_alerts: \[\]/, "and one has it not");
}

# ---- Prometheus

my $work = PostgreSQL::Test::Utils::tempdir();
append_to_file("$work/prometheus.yml", <<CONF);
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - $tree/monitoring/prometheus/alerts.yml
scrape_configs:
  - job_name: pg_trickle
    static_configs:
      - targets: ['127.0.0.1:$port{endpoint}']
CONF
my %log = map { $_ => "$work/$_.log" } qw(prometheus exporter);
my %running;
$running{prometheus} = IPC::Run::start(
	[ $program{prometheus}, "--config.file=$work/prometheus.yml", "--storage.tsdb.path=$work/data",
		"--web.listen-address=127.0.0.1:$port{prometheus}", '--log.level=warn' ],
	'<', \undef, '>', $log{prometheus}, '2>&1');

END
{
	my $status = $?;
	$_->kill_kill(grace => 5) foreach grep { $_ } values %running;
	$? = $status;
}

my $target = until_true(
	sub {
		my $answer = fetch('prometheus', '/api/v1/targets');
		return unless $answer->{success};
		my ($active) = @{ decode_json($answer->{content})->{data}{activeTargets} };
		return $active && $active->{health} eq 'up' && $active;
	});
ok($target, 'Prometheus scrapes the endpoint') or diag(slurp_file($log{prometheus}));
is($target->{lastError}, '', 'without an error');

my ($before) = @{ query('pg_trickle_rows_changed_total{db_name="other",name="totals"}') };
$node->safe_psql('other', 'INSERT INTO t VALUES (4, 4)');
$node->safe_psql('postgres', 'INSERT INTO t VALUES (4, 4)');
ok(until_true(
		sub {
			my ($now) = @{ query('pg_trickle_rows_changed_total{db_name="other",name="totals"}') };
			return $before && $now && $now->{value}[1] > $before->{value}[1];
		}),
	'it sees a refresh, in whatever database');
is_deeply([ sort map { $_->{metric}{db_name} } @{ query('pg_trickle_scheduler_up == 1') } ],
	[ 'other', 'postgres' ], 'and all databases');
ok(until_true(sub { @{ query('ALERTS{alertname="PgTrickleSuspended",alertstate="firing",name="failing",db_name="other"}') } }),
	'an alert fires');

# ---- the dashboard

my %exported = $metrics =~ /^# TYPE (\S+) (\S+)$/mg;
my $json = decode_json(slurp_file("$tree/monitoring/grafana/pg_trickle.json"));
my @asked;
for my $panel (@{ $json->{panels} })
{
	for my $target (@{ $panel->{targets} })
	{
		my $expression = $target->{expr};
		push @asked, $expression =~ /(pg_trickle\w+)/g;
		$expression =~ s/\$__rate_interval/1m/g;
		$expression =~ s/"\$\w+"/".*"/g;
		unlike($expression, qr/\$/, "$panel->{title}: the variables are known");
		my $result = until_true(sub { my $r = query($expression); ref $r && @$r ? $r : undef });
		ok($result, "$panel->{title}: $target->{legendFormat} has a result")
		  or diag($expression, "\n", explain(query($expression)));
	}
}
push @asked, map { $_->{definition} =~ /(pg_trickle\w+)/g } grep { $_->{definition} } @{ $json->{templating}{list} };
push @asked, map { /\b(pg_trickle_\w+)/g } $rules =~ /^ +expr: (.*)$/mg;
is_deeply([ grep { !$exported{$_} } @asked ], [], 'dashboard and alerts ask for nothing but what is exported');

# ---- postgres_exporter

$node->safe_psql('postgres', 'CREATE ROLE exporter LOGIN; GRANT pg_monitor TO exporter');
{
	local $ENV{DATA_SOURCE_NAME} =
	  "user=exporter host=" . $node->host . " port=" . $node->port . " dbname=postgres sslmode=disable";
	$running{exporter} = IPC::Run::start(
		[ $program{'prometheus-postgres-exporter'},
			"--extend.query-path=$tree/monitoring/postgres_exporter/queries.yml",
			'--disable-default-metrics', '--disable-settings-metrics',
			"--web.listen-address=127.0.0.1:$port{exporter}" ],
		'<', \undef, '>', $log{exporter}, '2>&1');
}
my $theirs = until_true(
	sub {
		my $answer = fetch('exporter', '/metrics');
		return $answer->{success} && $answer->{content} =~ /^pg_trickle_active/m && $answer->{content};
	});
ok($theirs, 'postgres_exporter serves the queries') or diag(slurp_file($log{exporter}));
my %theirs = $theirs =~ /^# TYPE (pg_trickle\S+) (\S+)$/mg;
is_deeply({ map { $_ => $exported{$_} } keys %theirs }, \%theirs, 'under the names and types of the endpoint');
my @missing = grep { !$theirs{$_} } sort keys %exported;
is_deeply(\@missing,
	[ map { "pg_trickle_$_" } qw(database_up enabled frontier_holdback_lsn_bytes frontier_holdback_seconds info) ],
	'all but those of the endpoint itself, of a setting, and of what is always zero');
for my $metric ('refreshes_total', 'consecutive_errors', 'suspended', 'target_staleness_seconds')
{
	my $line = qr/^pg_trickle_$metric\{(?=[^}]*name="failing")(?=[^}]*db_name="postgres")[^}]*\} (\S+)$/m;
	my ($ours) = fetch('endpoint', '/metrics')->{content} =~ $line;
	my ($value) = $theirs =~ $line;
	is($value, $ours, "with the same value: $metric");
}
unlike($theirs, qr/^pg_exporter_user_queries_load_error\S* 1|^pg_exporter_last_scrape_error 1/m, 'without an error');

$node->stop;
done_testing();
