#!/bin/sh
# Random queries of sqlsmith, on a throw-away server.
#
#	run.sh [--queries N] [--seed S]
#
# PG_CONFIG chooses the PostgreSQL whose pg_trickle is tested.  Needs Debian's
# sqlsmith.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
python=python3
"$python" -c 'import psycopg2' 2>/dev/null || python=/usr/bin/python3
bin=$("${PG_CONFIG:-pg_config}" --bindir)
work=$(mktemp -d "${TMPDIR:-/tmp}/pgt-sqlsmith.XXXXXX")
if [ "$(id -u)" = 0 ]; then
	chown postgres "$work"
	as() { (cd "$work" && runuser -u postgres -- "$@"); }
else
	as() { (cd "$work" && "$@"); }
fi
stop() {
	as "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || :
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM
as "$bin/initdb" -D "$work/data" -A trust -U postgres --locale=C.UTF-8 -N >/dev/null
cat >>"$work/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
fsync = off
autovacuum = off
shared_preload_libraries = 'pg_trickle'
pg_trickle.enabled = off
log_min_messages = log
CONF
as "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w -t 30 start >/dev/null || { cat "$work/log" >&2; exit 1; }
PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=smith
export PGHOST PGPORT PGUSER PGDATABASE
for database in smith vocabulary; do
	"$bin/createdb" "$database"
	"$bin/psql" -Xq -d "$database" -v ON_ERROR_STOP=1 -f "$here/schema.sql"
done
"$bin/psql" -Xq -d smith -c 'CREATE EXTENSION pg_trickle'
"$bin/psql" -Xq -d vocabulary -v ON_ERROR_STOP=1 -f "$here/vocabulary.sql"
status=0
"$python" "$here/smith.py" "$@" || status=$?
if grep -E 'PANIC|terminated by signal|TRAP' "$work/log" >&2; then
	status=1
fi
exit $status
