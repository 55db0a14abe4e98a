# Behind PgBouncer in transaction mode each transaction of a client may run in
# another session of the server: nothing that pg_trickle does may live in one.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my ($pgbouncer) = grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/bin';
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $node = stream_node('main');
$node->start;

# ---- a pool of three sessions, reached by a socket only
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($host, $dbport) = ($node->host, $node->port);
append_to_file("$dir/users.txt", "\"" . scalar(getpwuid($<)) . "\" \"\"\n");
append_to_file("$dir/pgbouncer.ini", <<INI);
[databases]
postgres = host=$host port=$dbport dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users.txt
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
ignore_startup_parameters = extra_float_digits,options
pidfile = $dir/pgbouncer.pid
logfile = $dir/pgbouncer.log
INI
my ($out, $err) = ('', '');
my $proxy = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ], '<', \undef, '>', \$out, '2>', \$err);
END { local $?; $proxy->kill_kill if $proxy; }

my @psql = ($node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $dir, '-p', $port, '-d', 'postgres');

sub through
{
	my ($sql) = @_;
	my ($stdout, $stderr) = ('', '');
	my $ok = IPC::Run::run([@psql], '<', \$sql, '>', \$stdout, '2>', \$stderr);
	chomp $stdout;
	return $ok ? $stdout : "FAILED: $stderr";
}
my $up = 0;
foreach (1 .. 100)
{
	$up = through('SELECT 1') eq '1' and last;
	select(undef, undef, undef, 0.1);
}
is($up, 1, 'pgbouncer listens') or diag(slurp_file("$dir/pgbouncer.log"));

# ---- each statement of this session is a transaction of its own
is(through(q{
	CREATE EXTENSION pg_trickle;
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	INSERT INTO t SELECT i, i % 5, i FROM generate_series(1, 100) i;
	SELECT pgtrickle.create_stream_table('st_now', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k', '0s');
	SELECT pgtrickle.create_stream_table('st_manual', 'SELECT id, v FROM t WHERE v % 2 = 0', '1h');
	SELECT pgtrickle.create_stream_table('st_join', 'SELECT a.id, m.v FROM t a JOIN st_manual m USING (id)', '1h');
}) =~ s/\s+//gr, '', 'stream tables are made through it');

my %query = (
	st_now => [ 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	st_manual => [ 'id, v', 'SELECT id, v FROM t WHERE v % 2 = 0' ],
	st_join => [ 'id, v', 'SELECT a.id, a.v FROM t a WHERE v % 2 = 0' ]);

# ---- clients that come and go write and refresh at once
# One of them keeps a session to itself meanwhile, so that there are several.
my (@runs, @err);
sub start_client
{
	my ($name, $sql) = @_;
	my $out = '';
	append_to_file("$dir/$name.sql", $sql);
	push @err, '';
	push @runs, IPC::Run::start([ @psql, '-f', "$dir/$name.sql" ], '<', \undef, '>', \$out, '2>', \$err[-1]);
	return;
}
start_client('slow', "BEGIN; SELECT count(*) FROM st_now; SELECT pg_sleep(2); COMMIT;\n");
foreach my $client (1 .. 4)
{
	my $sql = '';
	foreach my $i (1 .. 40)
	{
		my $n = 1000 * $client + $i;
		$sql .= "INSERT INTO t VALUES ($n, $n % 7, $n);\n";
		$sql .= "UPDATE t SET v = v + 1 WHERE id = $i;\n";
		$sql .= "BEGIN; DELETE FROM t WHERE id = $n - 1; SELECT pgtrickle.refresh_stream_table('st_manual'); COMMIT;\n";
		$sql .= "SELECT pgtrickle.refresh_stream_table('st_join');\n" if $i % 5 == 0;
	}
	start_client("client_$client", $sql);
}
$_->finish foreach @runs;
my $errors = join('', grep { !/deadlock detected/ } map { split /^/ } @err);
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"),
	'>', 1, 'clients share several sessions');
unlike($errors, qr/ERROR|FATAL/, 'and meet no error');
is(through("SELECT pgtrickle.alter_stream_table('st_manual', query => 'SELECT id, v FROM t WHERE v % 2 = 0 AND id > 0');"), '',
	'a query is changed through it');
foreach my $st (qw(st_manual st_join))
{
	is(through("SELECT pgtrickle.refresh_stream_table('$st')"), '', "$st is refreshed");
	is(through(oracle($st, @{ $query{$st} })), 't', 'and is right');
}
ok(becomes_same($node, 'st_now', @{ $query{st_now} }), 'the scheduler follows what came through it');
is(through("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0', 'no lock outlives its transaction');
is($node->safe_psql('postgres', "SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE status <> 'ACTIVE'"), '0',
	'and all are active');

$proxy->kill_kill;
$node->stop;
done_testing();
