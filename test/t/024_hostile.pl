# The scheduler is the superuser, and so is who restores a dump: neither lends his
# rights to what an ordinary role has put into a stream table.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = stream_node('main');
$node->start;
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	CREATE EXTENSION pg_trickle;
	CREATE TABLE crown (what text);
	INSERT INTO crown VALUES ('gold');
	CREATE TABLE honest (id int PRIMARY KEY);
	SELECT pgtrickle.create_stream_table('st_honest', 'SELECT id FROM honest', '0s');
	GRANT CREATE ON SCHEMA public TO mallory;
});
sub as_mallory
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, "SET SESSION AUTHORIZATION mallory; $sql");
}

as_mallory('postgres', q{
	CREATE TABLE loot (who text DEFAULT current_user, place text, got text);
	GRANT INSERT ON loot TO PUBLIC;
	CREATE TABLE mine (id int PRIMARY KEY, k int);
	INSERT INTO mine VALUES (1, 1);
	CREATE FUNCTION grab(place text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
	DECLARE
		command text;
	BEGIN
		INSERT INTO public.loot (place) VALUES (place);
		IF session_user = 'mallory' THEN	-- she is by herself
			RETURN;
		END IF;
		FOREACH command IN ARRAY ARRAY['RESET ROLE', 'SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'ALTER ROLE mallory SUPERUSER',
			'UPDATE public.crown SET what = ''stolen''', 'INSERT INTO public.loot (place, got) SELECT ''crown'', what FROM public.crown',
			'CREATE TEMP TABLE left_behind ()', 'DISCARD ALL', 'SELECT pg_terminate_backend(pg_backend_pid())',
			'COPY public.crown TO PROGRAM ''cat > /dev/null''', 'SELECT pg_reload_conf()', 'LOAD ''pg_trickle''',
			'SELECT set_config(''search_path'', ''mallory'', false), set_config(''pg_trickle.debug_apply'', ''sql'', false)']
		LOOP
			BEGIN
				EXECUTE command;
				IF command ~ 'ROLE|AUTH|crown|COPY|reload|terminate' THEN
					INSERT INTO public.loot (place, got) VALUES (place, command);
				END IF;
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
	END $$;
	CREATE FUNCTION grab_int(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.grab(''query''); RETURN $1; END';
	CREATE FUNCTION grab_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.grab(tg_name); RETURN new; END';
	SELECT pgtrickle.create_stream_table('st_delta', 'SELECT id, public.grab_int(k) AS k FROM public.mine', '0s', 'DIFFERENTIAL');
	SELECT pgtrickle.create_stream_table('st_full', 'SELECT id, public.grab_int(k) AS k FROM public.mine', '0s', 'FULL');
	SELECT pgtrickle.create_stream_table('st_empty', 'SELECT id, public.grab_int(k) AS k FROM public.mine', '0s', initialize => false);
	SELECT pgtrickle.create_stream_table('st_triggers', 'SELECT id, k FROM public.mine', '0s');
	CREATE TRIGGER a_trigger AFTER INSERT ON st_triggers FOR EACH ROW EXECUTE FUNCTION grab_trigger();
	SELECT pgtrickle.create_stream_table('st_index', 'SELECT id, k FROM public.mine', '0s');
	CREATE INDEX ON st_index (public.grab_int(k));
	ALTER TABLE st_index ADD CHECK (public.grab_int(id) > 0);
	SELECT pgtrickle.create_stream_table('st_deferred', 'SELECT id, k FROM public.mine', '0s');
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON st_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION grab_trigger();
	SELECT pgtrickle.create_stream_table('st_slow', 'SELECT id FROM public.mine WHERE pg_sleep(0) IS NOT NULL', '0s')
});

# Nothing of hers that ran is anything but hers, and what is honest is served.
sub nothing_gained
{
	my ($db, $what) = @_;

	is($node->safe_psql($db, "SELECT string_agg(DISTINCT who || ': ' || coalesce(got, ''), ', ') FROM loot WHERE who <> 'mallory' OR got IS NOT NULL"),
		'', "$what: nothing ran as anybody else, nor got anything");
	is($node->safe_psql($db, "SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 'f', "$what: she is no superuser");
	is($node->safe_psql($db, 'SELECT what FROM crown'), 'gold', "$what: the crown is there");
	$node->safe_psql($db, 'INSERT INTO honest SELECT coalesce(max(id), 0) + 1 FROM honest');
	ok(becomes_same($node, 'st_honest', 'id', 'SELECT id FROM honest', $db), "$what: others are served");
	return;
}

as_mallory('postgres', 'INSERT INTO mine SELECT i, i FROM generate_series(2, 20) i');
ok($node->poll_query_until('postgres', "SELECT count(*) = 20 FROM $_"), "$_ is refreshed")
  foreach qw(st_delta st_full st_empty st_triggers st_index);
ok($node->poll_query_until('postgres', "SELECT status IN ('ERROR', 'SUSPENDED') FROM pgtrickle.pgt_stream_tables WHERE pgt_name = 'st_deferred'"),
	'a deferred trigger is refused');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM loot'), '>', 20, 'her code did run');
nothing_gained('postgres', 'scheduler');

# ---- restored by the superuser, and then scheduled
my $dir = PostgreSQL::Test::Utils::tempdir;
as_mallory('postgres', 'DROP TABLE st_index');
$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", $node->connstr('other') ], 'restored by the superuser');
# it would be noticed within a minute
$node->safe_psql('other', "SELECT pgtrickle.resume_stream_table('st_honest')");
as_mallory('other', 'INSERT INTO mine SELECT i, i FROM generate_series(21, 40) i');
ok($node->poll_query_until('other', "SELECT count(*) = 40 FROM $_"), "$_ is refreshed after the restore")
  foreach qw(st_delta st_full st_empty st_triggers);
nothing_gained('other', 'restored');

# ---- given to the superuser
$node->safe_psql('postgres', 'REASSIGN OWNED BY mallory TO CURRENT_USER; ALTER TABLE loot OWNER TO mallory; GRANT INSERT ON mine TO mallory');
as_mallory('postgres', 'INSERT INTO mine SELECT i, i FROM generate_series(21, 40) i');
ok($node->poll_query_until('postgres', "SELECT last_error_message ~ 'belongs to another role' FROM pgtrickle.stream_tables_info WHERE pgt_name = 'st_delta'"),
	'what was given to the superuser is not run as him');
nothing_gained('postgres', 'reassigned');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_trickle worker' AND datname = 'postgres'"),
	'1', 'the worker is alive');
$node->stop;
done_testing();
