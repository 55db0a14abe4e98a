#!/usr/bin/perl
# Start a Citus cluster to try things on, say how to reach it, and stop it when
# standard input ends.  See README.md for how to run it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use CitusTest;

my @nodes = citus_cluster();

print STDERR $_->name . ": psql '" . $_->connstr('postgres') . "'\n" foreach @nodes;
print STDERR "press Ctrl-D to stop\n";
while (defined(my $line = <STDIN>)) { }
$_->stop foreach reverse @nodes;
ok(1, 'the cluster ran');
done_testing();
