# What the tests of bench/tpch and bench/nexmark share: every query of a folder
# becomes a stream table, which must equal its query after each round of changes.
package QuerySuite;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;
use StreamTest;
use Test::More;

our @EXPORT = qw(suite_load suite_queries suite_create suite_round suite_done);

my %contents;    # of each stream table after the last round
my %changed;     # in how many rounds they were others than before

# Run scripts of the folder with psql's variables.
sub suite_load
{
	my ($node, $folder, $variables, @scripts) = @_;

	$node->safe_psql(
		'postgres',
		join("\n", map { "\\i $FindBin::RealBin/../../bench/$folder/$_" } @scripts),
		extra_params => [ map { ('-v', "$_=$variables->{$_}") } sort keys %$variables ]);
	return;
}

# The queries of the folder by name: q01 for 01.sql; with the parameters of
# tiny.tsv instead of their own, if there is one.
sub suite_queries
{
	my ($folder) = @_;
	my $dir = "$FindBin::RealBin/../../bench/$folder";
	my %query;

	foreach my $file (glob "$dir/queries/*.sql")
	{
		my ($number) = $file =~ m{([^/]+)\.sql$};
		$query{"q$number"} = slurp_file($file);
	}
	return \%query unless -e "$dir/tiny.tsv";
	foreach my $line (split /\n/, slurp_file("$dir/tiny.tsv"))
	{
		my ($number, $from, $to) = split /\t/, $line;
		my $found = $query{"q$number"} =~ s/\Q$from\E/$to/g;
		die "tiny.tsv: $from is not once in $number.sql" unless $found && $found == 1;
	}
	return \%query;
}

# Create a stream table for each query, DIFFERENTIAL where that is accepted and
# AUTO where it is refused.  Returns a reference to {name => mode}.
sub suite_create
{
	my ($node, $query) = @_;
	my %mode;

	foreach my $name (sort keys %$query)
	{
		my $create = "SELECT pgtrickle.create_stream_table('$name', \$q\$$query->{$name}\$q\$";
		my $stderr;
		if ($node->psql('postgres', "\\set VERBOSITY verbose\n$create, '1h', 'DIFFERENTIAL')",
				stderr => \$stderr, on_error_stop => 1) == 0)
		{
			$mode{$name} = 'DIFFERENTIAL';
			next;
		}
		like($stderr, qr/ERROR:\s+0A000: .*DETAIL: /s, "$name is refused with a reason");
		$node->safe_psql('postgres', "$create, '1h', 'AUTO')");
		$mode{$name} = 'AUTO';
	}
	foreach my $name (sort keys %$query)
	{
		is_exact($node, $name, $query->{$name}, 'as created');
		$contents{$name} = contents($node, $query->{$name});
		$changed{$name} = 0;
	}
	return \%mode;
}

sub contents
{
	my ($node, $query) = @_;

	return $node->safe_psql('postgres', "SELECT q::text FROM ($query) AS q ORDER BY 1");
}

sub is_exact
{
	my ($node, $name, $query, $when) = @_;
	my $columns = $node->safe_psql('postgres',
		"SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
		  . " WHERE attrelid = '$name'::regclass AND attnum > 0 AND NOT attisdropped"
		  . " AND attname NOT LIKE '\\_\\_pgt\\_%'");

	is($node->safe_psql('postgres',
			"SELECT missing, surplus FROM pgtrickle.verify_stream_table('$name')"),
		'0|0', "$name is exact $when");
	is($node->safe_psql('postgres', oracle($name, $columns, $query)),
		't', "$name equals its query $when");
	return;
}

# Make changes, refresh, compare.
sub suite_round
{
	my ($node, $query, $mode, $when, @changes) = @_;

	$node->safe_psql('postgres', $_) foreach @changes;
	foreach my $name (sort keys %$query)
	{
		$node->safe_psql('postgres', "SELECT pgtrickle.refresh_stream_table('$name')");
		is_exact($node, $name, $query->{$name}, $when);
		is($node->safe_psql('postgres', "SELECT action FROM pgtrickle.get_refresh_history('$name', 1)"),
			'DIFFERENTIAL', "$name was not recomputed $when")
		  if $mode->{$name} eq 'DIFFERENTIAL';
		cmp_ok($node->safe_psql('postgres',
				"SELECT count(*) FROM ($query->{$name}) AS q WHERE NOT q IS NULL"),
			'>', 0, "$name has rows $when");
		my $now = contents($node, $query->{$name});
		$changed{$name}++ if $now ne $contents{$name};
		$contents{$name} = $now;
	}
	return;
}

# Every query must have been put to the test, and those that are known to be
# differential must still be.
sub suite_done
{
	my ($mode, @differential) = @_;
	my @found = grep { $mode->{$_} eq 'DIFFERENTIAL' } sort keys %$mode;
	my %expected = map { $_ => 1 } @differential;

	cmp_ok($changed{$_}, '>', 0, "the result of $_ changed") foreach sort keys %$mode;
	is($mode->{$_}, 'DIFFERENTIAL', "$_ is differential") foreach @differential;
	diag(scalar(@found) . ' of ' . scalar(keys %$mode) . " queries are differential");
	diag("not yet among those that must be: $_") foreach grep { !$expected{$_} } @found;
	return;
}

1;
