# The examples do what they say, as somebody would run them.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $folder = "$FindBin::RealBin/../../examples";
my $node = stream_node('main');
$node->start;

my %shows = (
	sales_by_region => qr/islands \s*\|\s* 502 \s*\|/x,
	leaderboard => qr/player\ 4711 \s*\|\s* \d{6}/x,
	last_24_hours => qr/\/about\ to\ go .* two\ seconds\ later (?!.*about\ to\ go)/xs);

my @scripts = grep { !m{/verify\.sql$} } glob("$folder/*.sql");
is_deeply([ map { m{([^/]+)\.sql$} } @scripts ], [ sort keys %shows ], 'every example is known here');

foreach my $script (@scripts)
{
	my ($name) = $script =~ m{([^/]+)\.sql$};
	my ($out, $err) = ('', '');

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	my $status = $node->psql($name, undef, stdout => \$out, stderr => \$err,
		extra_params => [ '-A', '-f', $script ]);
	is($status, 0, "$name runs") or diag($err);
	is($err, '', "$name says nothing on stderr");
	like($out, qr/every stream table equals its query$/, "$name: all are equal");
	like($out, $shows{$name}, "$name shows what it is about");
}

done_testing();
