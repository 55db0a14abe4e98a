# What must hold of the sources themselves: the version lives in the control
# file, names of objects are made in one place, documents and code agree on what
# there is, and no position in the log of a server is compared with one of another.
use strict;
use warnings;

use File::Find;
use FindBin;
use Test::More;

my $top = "$FindBin::RealBin/../..";

sub content
{
	my ($file) = @_;

	open(my $fh, '<', $file) or die "$file: $!";
	local $/;
	return scalar <$fh>;
}

# Lines of the C files that match, but for files whose path matches the second.
sub found
{
	my ($pattern, $but) = @_;
	my @found;

	find({ no_chdir => 1, wanted => sub {
		my $file = $_;
		my $n = 0;

		return unless $file =~ /\.[ch]$/;
		return if defined $but && $file =~ $but;
		foreach (split /\n/, content($file))
		{
			$n++;
			push @found, "$file:$n: $_" if /$pattern/;
		}
	} }, "$top/src");
	return join "\n", @found;
}

my ($version) = content("$top/pg_trickle.control") =~ /^default_version *= *'(\d+\.\d+\.\d+)'/m;
ok($version, 'the control file has the version');
my @meta = content("$top/META.json") =~ /^\t(?:\t\t)?"version": "(.*)"/mg;
is("@meta", "$version $version", 'META.json agrees');
my ($newest) = content("$top/CHANGELOG.md") =~ /^## (\S+)/m;
is($newest, $version, 'so does the changelog');
ok(-e "$top/sql/pg_trickle--$version.sql", 'and the script that was built');
foreach my $update (glob "$top/sql/pg_trickle--*--*.sql")
{
	my ($to) = $update =~ /--([^-]*)\.sql$/;
	ok(-e "$top/sql/pg_trickle--$to.sql", "an update to $to, which can also be installed");
}
is(found(qr/"\Q$version\E"/), '', 'no C file knows it');

is(found(qr/"(changes_|pg_trickle_cdc_)/, qr/capture\/stable_name\.c$/), '',
	'names of what belongs to a source are made in one place');

# Documents: what is there is described, and what is described is there.
my @settings = sort grep { !/debug_/ } content("$top/src/guc.c") =~ /\.name = "(pg_trickle\.\w+)"/g;
my @described = content("$top/doc/settings.md") =~ /^## (pg_trickle\.\w+)$/mg;
is(join(' ', sort @described), "@settings", 'doc/settings.md has the settings, each once');
cmp_ok(scalar @settings, '<=', 20, 'and they are not many');
my $reference = content("$top/doc/sql-reference.md");
my %functions = map { $_ => 1 } map { content($_) =~ /^CREATE FUNCTION pgtrickle\.(\w+)/mg } glob "$top/sql/[0-9]*.sql";
is(join(' ', grep { $reference !~ /\b$_\b/ } sort keys %functions), '', 'doc/sql-reference.md has every function');

# They mean something on one server and timeline only.  Consumption goes by
# snapshots, so nothing but cluster/ has any.
is(found(qr/\bXLogRecPtr\b|\bpg_lsn\b|\bPG_LSN|GetXLog|GetFlushRecPtr|pg_current_wal/, qr/src\/cluster\//), '',
	'no positions in the log');

done_testing();
