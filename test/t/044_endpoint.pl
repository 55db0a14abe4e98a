# The HTTP endpoint: what it serves, to whom, and that no client can disturb it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use StreamTest;

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $node = stream_node('main', conf => "pg_trickle.metrics_port = $port\n");

# A connection, and what came back by the time that it was closed.
sub dial
{
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
		Timeout => 10);
	return $socket;
}

sub finish
{
	my ($socket, $seconds) = @_;
	my $out = '';
	my $until = time() + ($seconds // 30);

	while ((my $left = $until - time()) > 0)
	{
		my $ready = '';
		vec($ready, fileno($socket), 1) = 1;
		next unless select($ready, undef, undef, $left);
		my $n = sysread($socket, my $piece, 65536);
		return $out unless $n;
		$out .= $piece;
	}
	return "not closed: $out";
}

sub talk
{
	my ($text, $seconds) = @_;
	my $socket = dial() or return 'refused';
	local $SIG{PIPE} = 'IGNORE';
	syswrite($socket, $text);
	return finish($socket, $seconds);
}

sub get
{
	my ($path, %header) = @_;
	$header{Host} //= "localhost:$port";
	return talk("GET $path HTTP/1.1\r\n" . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n");
}

sub status
{
	my ($answer) = @_;
	return $answer =~ m{^HTTP/1\.[01] (\d+)} ? $1 : "none: " . substr($answer, 0, 100);
}

sub endpoint_pid
{
	return $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint'});
}

$node->start;
# The launcher starts it, or says why not.
$node->poll_query_until('postgres',
	"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint')"
	  . " OR pg_read_file('" . $node->logfile . "') ~ 'built without its HTTP endpoint'")
  or die 'no endpoint';
plan skip_all => 'pg_trickle was built without its HTTP endpoint'
  if slurp_file($node->logfile) =~ /built without its HTTP endpoint/;

# ---- what is served

my $hostile = "it's \"<b>\\";
for my $database ('postgres', 'other')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, qq{
		CREATE EXTENSION pg_trickle;
		CREATE TABLE t (id int PRIMARY KEY, v int);
		INSERT INTO t SELECT i, i FROM generate_series(1, 3) i;
		SELECT pgtrickle.create_stream_table('st_$database', 'SELECT v, count(*) FROM t GROUP BY v', '1s')});
}
$node->safe_psql('postgres', 'CREATE DATABASE without');
(my $quoted = $hostile) =~ s/"/""/g;
$node->safe_psql('postgres', qq{CREATE DATABASE "$quoted"});
$node->safe_psql($hostile, 'CREATE EXTENSION pg_trickle');

# What is served is UTF-8, whatever the encoding of a database.
$node->safe_psql('postgres', "CREATE DATABASE $_ ENCODING '$_' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
  foreach 'latin1', 'sql_ascii';
for my $database ('latin1', 'sql_ascii')
{
	$node->safe_psql($database, q{
		SET client_encoding = 'SQL_ASCII';
		CREATE EXTENSION pg_trickle;
		CREATE TABLE t (id int PRIMARY KEY);
		DO $$ BEGIN PERFORM pgtrickle.create_stream_table(format('%I', E'caf\xe9'), 'SELECT id FROM t'); END $$;});
}

my $metrics = get('/metrics');
is(status($metrics), 200, 'metrics are served');
like($metrics, qr/^pg_trickle_active\{db_name="latin1",schema="public",name="caf\xc3\xa9"\} 1$/m, 'LATIN1 as UTF-8');
like($metrics, qr/^pg_trickle_active\{db_name="sql_ascii",schema="public",name="caf\?"\} 1$/m, 'what has no encoding as ASCII');
like($metrics, qr/^Content-Type: text\/plain; version=0\.0\.4; charset=utf-8\r$/m, 'in the older format');
unlike($metrics, qr/^# EOF/m, 'without what only the newer one has');
for my $database ('postgres', 'other')
{
	like($metrics, qr/^pg_trickle_refreshes_total\{db_name="$database",schema="public",name="st_$database"\} \d+$/m,
		"those of database $database");
	like($metrics, qr/^pg_trickle_database_up\{db_name="$database"\} 1$/m, "which is up");
}
unlike($metrics, qr/db_name="(without|template\d)"/, 'none of a database without the extension');
like($metrics, qr/^pg_trickle_database_up\{db_name="it's \\"<b>\\\\"\} 1$/m, 'a hostile name is escaped');
is(() = $metrics =~ /^# TYPE pg_trickle_refreshes_total /mg, 1, 'a family has one head');

my $open = get('/metrics', Accept => 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5');
like($open, qr/^Content-Type: application\/openmetrics-text; version=1\.0\.0; charset=utf-8\r$/m,
	'OpenMetrics for who takes it');
like($open, qr/\n# EOF\n\z/, 'to its end');

my $health = get('/healthz');
is(status($health), 200, 'health');
like($health, qr/\r\n\r\nok\n\z/, 'is ok');
for my $header ("X-Content-Type-Options: nosniff", "Content-Security-Policy: default-src 'none';",
	'Cache-Control: no-store', 'X-Frame-Options: DENY', 'Connection: close')
{
	like($health, qr/^\Q$header\E/m, "header $header");
}

my $index = get('/');
is(status($index), 200, 'an index');
like($index, qr/href="\/\?db=other"/, 'of databases');
unlike($index, qr/<b>/, 'in which a name is a name');
my $page = get('/?db=other');
is(status($page), 200, 'the page of a database');
like($page, qr/st_other/, 'shows its stream tables');
unlike($page, qr/st_postgres/, 'and no others');
is(status(get('/?db=it%27s%20%22%3Cb%3E%5C')), 200, 'a name may be anything');
is(status(get('/?db=without')), 404, 'no page of a database without the extension');
is(status(get('/?db=missing')), 404, 'nor of none');
is(status(get('/?db=' . 'x' x 300)), 404, 'nor of a name that is too long');
is(status(get('/nothing')), 404, 'nothing else is served');

# An error quotes data: the owner and pg_monitor may see that, not whoever
# has a connection.
$node->safe_psql('postgres', q{
	CREATE TABLE secrets (id int PRIMARY KEY, s text);
	INSERT INTO secrets VALUES (1, '1');
	SELECT pgtrickle.create_stream_table('failing', 'SELECT id, s::int AS s FROM secrets', '0s');
	INSERT INTO secrets VALUES (2, 'a secret');});
$node->poll_query_until('postgres',
	q{SELECT last_error ~ 'a secret' FROM pgtrickle.pgt_status() WHERE name = 'public.failing'})
  or die 'it does not fail';
sleep(1.1);    # answers are as much as a second old
$page = get('/?db=postgres');
like($page, qr/failing/, 'the page shows a failing stream table');
unlike($page, qr/a secret/, 'but not the data that its error quotes');
$metrics = get('/metrics');
like($metrics, qr/^pg_trickle_refresh_failures_total\{[^}]*name="failing"\} [1-9]/m, 'metrics count its failures');
unlike($metrics, qr/a secret/, 'and have no data');

# ---- who may ask for what

is(status(talk("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")), 200, 'HEAD');
like(talk("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), qr/\r\n\r\n\z/, 'has no body');
for my $method (qw(POST PUT DELETE OPTIONS TRACE CONNECT BREW))
{
	my $answer = talk("$method /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
	is(status($answer), 405, "not $method");
}
is(status(get('/healthz', Host => 'rebound.example')), 403, 'not under another name');
is(status(get('/healthz', Host => 'localhost.example')), 403, 'nor under one that begins like ours');
is(status(get('/healthz', Host => '127.0.0.1')), 200, 'but under our address');
my $outside = IO::Socket::INET->new(PeerAddr => '127.0.0.2', PeerPort => $port, Timeout => 2);
ok(!$outside, 'no other address is listened on');

# ---- clients that mean no good

my $pid = endpoint_pid();
is(status(get('/healthz')), 200, 'before');
isnt(status(get('/' . 'a' x 100_000)), 200, 'a long line');
isnt(status(talk("GET /healthz HTTP/1.1\r\nHost: localhost\r\n" . ("X-Header: " . 'x' x 1000 . "\r\n") x 200 . "\r\n")),
	200, 'long headers');
unlike(talk(join('', map { chr(int(rand(256))) } 1 .. 5000) . "\r\n\r\n"), qr/200 OK/, 'garbage');
unlike(talk("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'x' x 500), qr/200 OK/, 'TLS');
unlike(talk("\0" x 3000), qr/200 OK/, 'zeros');
unlike(talk("GET /health\0z HTTP/1.1\r\nHost: localhost\r\n\r\n"), qr/200 OK/, 'a zero in the path');
isnt(status(talk("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n")), 200, 'a path out');
isnt(status(talk("GET / HTTP/9.9\r\nHost: localhost\r\n\r\n")), 500, 'a version that does not exist');
unlike(talk("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n" . 'x' x 100_000),
	qr/ 200 /, 'a large body');
unlike(talk("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"),
	qr/ 200 /, 'an impossible chunk');
is(() = talk("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" x 5) =~ /^ok$/mg, 1,
	'one answer for each connection');

# Whoever trickles is cut off, and holds nobody up meanwhile.
my $start = time();
my $slow = dial();
syswrite($slow, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
my $alive = 1;
{
	local $SIG{PIPE} = 'IGNORE';
	while ($alive && time() - $start < 15)
	{
		sleep(0.3);
		$alive = 0 unless syswrite($slow, "X: y\r\n");
		my $ready = '';
		vec($ready, fileno($slow), 1) = 1;
		$alive = 0 if select($ready, undef, undef, 0);
		is(status(get('/healthz')), 200, 'served meanwhile') if !$alive;
	}
}
ok(!$alive && time() - $start < 10, 'slowloris is cut off within seconds');

# As many connections as one process may hold open, none of which says anything.
my @crowd = grep { defined } map { dial() } 1 .. 200;
cmp_ok(scalar @crowd, '>=', 100, 'a crowd');
is(status(get('/healthz')), 200, 'a request gets through');
is(status(get('/metrics')), 200, 'and another one');
close($_) foreach @crowd;

# Those who ask and do not listen.
@crowd = grep { defined } map { dial() } 1 .. 20;
syswrite($_, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") foreach @crowd;
close($_) foreach splice(@crowd, 0, 10);
is(status(get('/metrics')), 200, 'clients that go or do not read');
is(scalar(grep { status(finish($_)) eq '200' } @crowd), 10, 'and those that wait are served');
is(endpoint_pid(), $pid, 'by the same process all the time');

# However many ask, a database is read once a second by one process.
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_trickle reader'}),
	'<=', 4, 'few readers');

# ---- life

$node->safe_psql('postgres', 'CREATE DATABASE short');
$node->safe_psql('short', 'CREATE EXTENSION pg_trickle');
sleep(1.1);
like(get('/metrics'), qr/db_name="short"/, 'a new database is found');
$node->safe_psql('postgres', 'DROP DATABASE short');
pass('a reader does not keep a database from being dropped');
sleep(1.1);
unlike(get('/metrics'), qr/db_name="short"/, 'and it is gone');

my $reader = $node->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_trickle reader' AND datname = 'other'});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($_)") foreach split /\n/, $reader;
sleep(1.1);
like(get('/metrics'), qr/^pg_trickle_database_up\{db_name="other"\} 1$/m, 'a reader that was ended is replaced');

$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres',
	"SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint'");
isnt(endpoint_pid(), $pid, 'so is the endpoint');

# Counters go on over all that.
my ($before) = get('/metrics') =~ /^pg_trickle_rows_changed_total\{[^}]*name="st_other"\} (\d+)$/m;
$node->safe_psql('other', 'INSERT INTO t VALUES (10, 10)');
$node->poll_query_until('other', q{SELECT EXISTS (SELECT FROM st_other WHERE v = 10)});
sleep(1.1);
my ($after) = get('/metrics') =~ /^pg_trickle_rows_changed_total\{[^}]*name="st_other"\} (\d+)$/m;
is($after, $before + 1, 'a refresh counts');

# The port is a setting like others.
my $old = $port;
$port = PostgreSQL::Test::Cluster::get_free_port();
my $log = -s $node->logfile;
settings($node, 'pg_trickle.metrics_port' => $port);
$node->wait_for_log(qr/serves metrics at http:\/\/127\.0\.0\.1:$port/, $log);
is(status(get('/healthz')), 200, 'another port on reload');
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $old, Timeout => 2), 'and not the old one');
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $old, Listen => 1,
	ReuseAddr => 1) or die "cannot take port $old: $!";
$log = -s $node->logfile;
settings($node, 'pg_trickle.metrics_port' => $old);
$node->wait_for_log(qr/cannot serve metrics at 127\.0\.0\.1, port $old: Address already in use/, $log);
pass('a port that is taken is told of');
settings($node, 'pg_trickle.metrics_port' => 0);
ok($node->poll_query_until('postgres',
		q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_trickle endpoint')}),
	'none with port 0');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
