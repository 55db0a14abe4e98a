# Layout 0.31.0, where everything that belongs to a source is named by its oid,
# the update from it, and the way back.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main', conf => "pg_trickle.enabled = off\n");
my $old = '0.31.0';
my $new = '0.32.0';
$node->start;

# ---- an update gives the same as an installation

# All there is to know of the members of the extension.  Columns are numbered
# without dropped ones: a layout that went back and forth has some.
my $catalogue = q{
	WITH member AS (
		SELECT d.classid, d.objid, i.type, i.identity
		  FROM pg_depend d, pg_extension e,
			pg_identify_object(d.classid, d.objid, 0) i
		 WHERE e.extname = 'pg_trickle' AND d.refobjid = e.oid
		   AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
	SELECT concat_ws(' | ', type, identity, obj_description(objid, classid::regclass::name)) AS line FROM member
	UNION ALL
	SELECT concat_ws(' | ', 'initial rights', m.identity, p.objsubid, p.privtype, p.initprivs)
	  FROM member m JOIN pg_init_privs p ON p.objoid = m.objid AND p.classoid = m.classid
	UNION ALL
	SELECT concat_ws(' | ', 'schema', nspname, pg_get_userbyid(nspowner), nspacl)
	  FROM pg_namespace WHERE nspname ~ '^pgtrickle'
	UNION ALL
	SELECT concat_ws(' | ', 'function', m.identity, pg_get_functiondef(m.objid), proacl, pg_get_userbyid(proowner))
	  FROM member m JOIN pg_proc ON pg_proc.oid = m.objid
	UNION ALL
	SELECT concat_ws(' | ', 'relation', m.identity, relkind, relpersistence, pg_get_userbyid(relowner), relacl, reloptions,
		CASE relkind WHEN 'v' THEN pg_get_viewdef(m.objid) END)
	  FROM member m JOIN pg_class c ON c.oid = m.objid
	UNION ALL
	SELECT concat_ws(' | ', 'column', m.identity, row_number() OVER (PARTITION BY m.objid ORDER BY attnum), attname,
		format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl, attcollation::regcollation, attstorage,
		pg_get_expr(adbin, adrelid), col_description(m.objid, attnum))
	  FROM member m
	  JOIN pg_attribute ON attrelid = m.objid AND attnum > 0 AND NOT attisdropped
	  LEFT JOIN pg_attrdef ON adrelid = m.objid AND adnum = attnum
	UNION ALL
	SELECT concat_ws(' | ', 'index', m.identity, pg_get_indexdef(indexrelid), indisprimary)
	  FROM member m JOIN pg_index ON indrelid = m.objid
	UNION ALL
	SELECT concat_ws(' | ', 'constraint', m.identity, conname, pg_get_constraintdef(k.oid))
	  FROM member m JOIN pg_constraint k ON conrelid = m.objid
	UNION ALL
	SELECT concat_ws(' | ', 'event trigger', m.identity, evtevent, evtenabled, evttags, evtfoid::regproc)
	  FROM member m JOIN pg_event_trigger ON pg_event_trigger.oid = m.objid
	UNION ALL
	SELECT concat_ws(' | ', 'dumped', r::text, extcondition[n])
	  FROM pg_extension, unnest(extconfig::regclass[]) WITH ORDINALITY u (r, n) WHERE extname = 'pg_trickle'
	UNION ALL
	SELECT concat_ws(' | ', 'version', pgtrickle.version())
	ORDER BY 1};

sub catalogue_after
{
	my ($name, @versions) = @_;
	my $first = shift @versions;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, join ';', "CREATE EXTENSION pg_trickle VERSION '$first'",
		map { "ALTER EXTENSION pg_trickle UPDATE TO '$_'" } @versions);
	return $node->safe_psql($name, $catalogue);
}

my $fresh_new = catalogue_after('fresh_new', $new);
my $fresh_old = catalogue_after('fresh_old', $old);
like($fresh_new, qr/column \| pgtrickle\.pgt_change_tracking \| \d+ \| source_stable_name/, 'the new layout has stable names');
unlike($fresh_old, qr/stable|placement|frontier_per_node|cdc_capture/, 'the old one has not');
is(catalogue_after('up', $old, $new), $fresh_new, 'updated as installed');
is(catalogue_after('down', $new, $old), $fresh_old, 'taken back as installed');
is(catalogue_after('up_down_up', $old, $new, $old, $new), $fresh_new, 'updated again as installed');
is(catalogue_after('down_up_down', $new, $old, $new, $old), $fresh_old, 'taken back again as installed');

# ---- everything works under the old layout, across the update, and back

my @tables = (
	[ 'st_agg', 'k, n, s', 'SELECT k, count(*) AS n, sum(v) AS s FROM t GROUP BY k' ],
	[ 'st_plain', 'id', 'SELECT id FROM t WHERE v > 10' ],
	[ 'st_parted', 'k, s', 'SELECT k, sum(v) AS s FROM p GROUP BY k' ],
	[ 'st_child', 'k', 'SELECT k FROM parent' ],
	[ 'st_pair', 'x', 'SELECT x FROM "a.b".c UNION ALL SELECT x FROM a."b.c"' ],
	[ 'st_above', 'n', 'SELECT sum(n) AS n FROM st_agg' ],
	[ 'st_polled', 'id, name', 'SELECT t.id, m.name FROM t JOIN m USING (k)' ]);

my $change = q{
	INSERT INTO t SELECT max(id) + 1, 1, 100 FROM t;
	UPDATE t SET v = v + 1 WHERE id % 3 = 0;
	UPDATE p SET k = 3 - k WHERE k < 3 AND v % 2 = 0;
	INSERT INTO parent VALUES (7);
	INSERT INTO child VALUES (8, 1);
	INSERT INTO "a.b".c VALUES (5);
	DELETE FROM a."b.c" WHERE ctid = (SELECT min(ctid) FROM a."b.c");
};

sub all_right
{
	my ($db, $what) = @_;

	foreach my $st (@tables)
	{
		ok(refreshed_same($node, @$st, $db), "$what: $st->[0] is right");
	}
	is($node->safe_psql($db, q{SELECT string_agg(DISTINCT last_refresh_action, ' ') FROM pgtrickle.pgt_stream_tables}),
		'DIFFERENTIAL', "$what: by the delta");
	return;
}

# What is made for sources, with the key of each replaced by a word.
my $objects = q{
	SELECT o.name, count(*) FROM (
		SELECT regexp_replace(relname, '^(changes)_[0-9]{1,10}$', '\1_OID') AS name
		  FROM pg_class WHERE relnamespace = 'pgtrickle_changes'::regnamespace AND relkind = 'r'
		UNION ALL
		SELECT conname FROM pg_constraint WHERE connamespace = 'pgtrickle_changes'::regnamespace AND conname ~ '[0-9]'
		UNION ALL
		SELECT regexp_replace(proname, '_[0-9]{1,10}$', '_OID') FROM pg_proc WHERE pronamespace = 'pgtrickle_changes'::regnamespace
		UNION ALL
		SELECT regexp_replace(tgname, '_[0-9]{1,10}$', '_OID') || CASE WHEN tgenabled IN ('A', 'R') THEN '' ELSE ' disabled' END
		  FROM pg_trigger WHERE tgname ~ 'cdc') x,
		LATERAL (SELECT regexp_replace(x.name, '_[0-9a-f]{16}$', '_STABLE') AS name) o
	GROUP BY 1 ORDER BY 1};

$node->safe_psql('postgres', 'CREATE DATABASE used');
$node->safe_psql('used', qq{
	CREATE EXTENSION pg_trickle VERSION '$old';
	CREATE TABLE t (id int PRIMARY KEY, k int, v int);
	INSERT INTO t SELECT i, i % 4, i FROM generate_series(1, 40) i;
	CREATE TABLE p (k int, v int) PARTITION BY LIST (k);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 PARTITION OF p DEFAULT;
	INSERT INTO p SELECT i % 3, i FROM generate_series(1, 20) i;
	CREATE TABLE parent (k int);
	CREATE TABLE child (v int) INHERITS (parent);
	CREATE SCHEMA "a.b"; CREATE SCHEMA a;
	CREATE TABLE "a.b".c (x int); CREATE TABLE a."b.c" (x int);
	INSERT INTO a."b.c" SELECT 1 FROM generate_series(1, 20);
	CREATE MATERIALIZED VIEW m AS SELECT 1 AS k, 'one'::text AS name;
});
$node->safe_psql('used', "SELECT pgtrickle.create_stream_table('$_->[0]', '$_->[2]', '1h', 'DIFFERENTIAL')") foreach @tables;
$node->safe_psql('used', $change);
all_right('used', 'the old layout');
my $by_oid = $node->safe_psql('used', $objects);
(my $by_name = $by_oid) =~ s/_OID/_STABLE/g;
$by_name =~ s/^pg_trickle_cdc_fn.*\n//m;
like($by_oid, qr/^changes_OID\|7\n(pg_trickle_cdc_(del|fn|ins|row|trunc|upd)_OID\|\d+(\n|$)){6}$/, 'everything is named by oids');
like($by_oid, qr/_fn_OID\|6/, 'each source but the stream table has a function');
is($node->safe_psql('used', q{SELECT string_agg(DISTINCT regexp_replace(k, '[0-9]+', 'OID'), ' ')
	FROM pgtrickle.pgt_stream_tables, jsonb_object_keys(frontier->'sources') k}), 'OID', 'frontiers, too');

# Some has been consumed by some, and more waits.
$node->safe_psql('used', "$change SELECT pgtrickle.refresh_stream_table('st_agg'); $change");
$node->safe_psql('used', "ALTER EXTENSION pg_trickle UPDATE TO '$new'");
is($node->safe_psql('used', $objects), $by_name, 'after the update everything is named by stable names');
is($node->safe_psql('used', q{SELECT count(*), count(DISTINCT t.source_stable_name),
		count(*) FILTER (WHERE t.source_stable_name = pgtrickle.stable_hash(d.oid || '/' || n.nspname || '.' || c.relname)),
		count(*) FILTER (WHERE t.source_stable_name = pgtrickle.stable_hash(d.oid || '/pgtrickle_changes.changes_' || c.oid)),
		bool_and(EXISTS (SELECT FROM pgtrickle.pgt_dependencies x WHERE x.source = t.source AND x.source_stable_name = t.source_stable_name)
			AND NOT EXISTS (SELECT FROM pgtrickle.pgt_dependencies x WHERE x.source = t.source AND x.source_stable_name IS DISTINCT FROM t.source_stable_name))
	FROM pgtrickle.pgt_change_tracking t JOIN pg_class c ON c.oid = t.source JOIN pg_namespace n ON n.oid = c.relnamespace,
		pg_database d WHERE d.datname = current_database()}), '7|7|6|1|t',
	'the names are those of a new installation, but for one of two that would be the same');
is($node->safe_psql('used', q{SELECT bool_and(EXISTS (SELECT FROM pgtrickle.pgt_change_tracking t WHERE t.source_stable_name = k))
	FROM pgtrickle.pgt_stream_tables, jsonb_object_keys(frontier->'sources') k}), 't', 'frontiers know them');
all_right('used', 'after the update');
$node->safe_psql('used', $change);
all_right('used', 'with a further change');
is($node->safe_psql('used', q{SELECT count(*) FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
	WHERE e.extname = 'pg_trickle' AND (SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = d.objid) = 'pgtrickle_changes'}),
	'0', 'no buffer belongs to the extension');

$node->safe_psql('used', "$change ALTER EXTENSION pg_trickle UPDATE TO '$old'; $change");
is($node->safe_psql('used', $objects), $by_oid, 'taken back, everything is named by oids');
is($node->safe_psql('used', q{SELECT count(*) FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
	WHERE e.extname = 'pg_trickle' AND d.objid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'pgtrickle_changes'::regnamespace)}),
	'0', 'the functions of sources belong to no extension');
all_right('used', 'taken back');

# ---- what was not captured is not forgotten by renaming
$node->safe_psql('used', q{ALTER TABLE t DISABLE TRIGGER ALL; DELETE FROM t WHERE id = 1; ALTER TABLE t ENABLE TRIGGER ALL;
	ALTER EXTENSION pg_trickle UPDATE});
foreach my $st (@tables)
{
	ok(refreshed_same($node, @$st, 'used'), "a gap before the update: $st->[0] is right");
}
is($node->safe_psql('used', q{SELECT string_agg(pgt_name, ' ' ORDER BY pgt_name) FROM pgtrickle.pgt_stream_tables WHERE last_refresh_action = 'REINITIALIZE'}),
	'st_agg st_plain st_polled', 'each that reads the table was computed anew');

# ---- under load, and with the scheduler running
settings($node, 'pg_trickle.enabled' => 'on', deadlock_timeout => "'50ms'");
$node->safe_psql('used', "SELECT pgtrickle.alter_stream_table('$_->[0]', schedule => '0s')") foreach @tables;
my $script = PostgreSQL::Test::Utils::tempdir . '/load.sql';
append_to_file($script, <<'LOAD');
\set id random(1, 40)
BEGIN;
UPDATE t SET v = v + 1, k = :id % 4 WHERE id = :id;
INSERT INTO p VALUES (:id % 3, :id);
DELETE FROM p WHERE v = :id + 1;
INSERT INTO child VALUES (:id, 1);
END;
SELECT pgtrickle.refresh_stream_table('st_plain');
LOAD
my ($out, $err) = ('', '');
my $load = IPC::Run::start([ $node->installed_command('pgbench'), '-n', '-c', 3, '-j', 1, '-t', 150, '--max-tries=0',
		'-h', $node->host, '-p', $node->port, '-f', $script, 'used' ], '<', \undef, '>', \$out, '2>', \$err);
my $updates = 0;
foreach my $to ($old, $new, $old, $new)
{
	foreach my $attempt (1 .. 50)
	{
		my ($rc, undef, $error) = $node->psql('used', "ALTER EXTENSION pg_trickle UPDATE TO '$to'");
		last if $rc == 0 && ++$updates;
		next if $error =~ /deadlock detected/;
		diag($error);
		last;
	}
}
is($updates, 4, 'updated four times under load');
$load->finish;
is(join("\n", grep { /ERROR:/ } split /\n/, $err), '', 'the load met no error but deadlocks');
foreach my $st (@tables)
{
	ok(becomes_same($node, @$st, 'used'), "after the load: the scheduler brings $st->[0] up to date");
}
is($node->safe_psql('used', q{SELECT count(*) FROM pgtrickle.pgt_stream_tables WHERE status <> 'ACTIVE'}), '0', 'nothing was suspended');
is($node->safe_psql('used', q{SELECT sum(missing + surplus) FROM pgtrickle.pgt_stream_tables, pgtrickle.verify_stream_table(pgt_name::text)}),
	'0', 'verify_stream_table() agrees');
settings($node, 'pg_trickle.enabled' => 'off');

# ---- rows without a stable name: a dump of the old layout is restored into the new one
$node->safe_psql('used', "ALTER EXTENSION pg_trickle UPDATE TO '$old'");
my $dir = PostgreSQL::Test::Utils::tempdir;
$node->command_ok([ 'pg_dump', '-f', "$dir/old.sql", $node->connstr('used') ], 'dump of the old layout');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->safe_psql('restored', "CREATE TABLE burn$_ ()") foreach 1 .. 3;
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/old.sql", $node->connstr('restored') ], 'restored into the new one');
is($node->safe_psql('restored', 'SELECT pgtrickle.version(), count(*), count(source_stable_name) FROM pgtrickle.pgt_change_tracking'),
	"$new|7|0", 'no source has a stable name');
$node->safe_psql('restored', $change);
foreach my $st (@tables)
{
	ok(refreshed_same($node, @$st, 'restored'), "restored: $st->[0] is right");
}
$node->safe_psql('restored', $change);
all_right('restored', 'from then on');
$node->safe_psql('restored', q{CREATE TABLE later (x int); SELECT pgtrickle.create_stream_table('st_later', 'SELECT x FROM later', '1h', 'DIFFERENTIAL')});
is($node->safe_psql('restored', "SELECT count(*), count(source_stable_name) FROM pgtrickle.pgt_change_tracking"), '8|1', 'a new source gets one');

# A name that got lost: found out, and nothing is counted twice.
$node->safe_psql('restored', q{
	CREATE TABLE lost AS SELECT 'changes_' || source_stable_name AS buffer FROM pgtrickle.pgt_change_tracking WHERE source = 'later'::regclass;
	INSERT INTO later VALUES (1);
	UPDATE pgtrickle.pgt_change_tracking SET source_stable_name = NULL WHERE source = 'later'::regclass;
	UPDATE pgtrickle.pgt_dependencies SET source_stable_name = NULL WHERE source = 'later'::regclass;
	INSERT INTO later VALUES (2);
});
foreach my $action ('REINITIALIZE', 'DIFFERENTIAL')
{
	ok(refreshed_same($node, 'st_later', 'x', 'SELECT x FROM later', 'restored'), "without its name the source is right, by $action");
	is($node->safe_psql('restored', "SELECT last_refresh_action FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_later'"), $action, 'and says so');
	$node->safe_psql('restored', 'INSERT INTO later VALUES (3)');
}

# ---- nothing is left in the end
foreach my $db ('used', 'restored')
{
	my $names = $node->safe_psql($db, q{SELECT string_agg(quote_literal(pgt_name), ',') FROM pgtrickle.pgt_stream_tables});
	$node->safe_psql($db, "SELECT pgtrickle.drop_stream_table(n, true) FROM unnest(ARRAY[$names]) n WHERE to_regclass(n) IS NOT NULL");
	is($node->safe_psql($db, 'SELECT count(*) FROM pgtrickle.pgt_change_tracking'), '0', "$db: all dropped");
}
is($node->safe_psql('used', $objects), '', 'without trace');

$node->stop;
done_testing();
