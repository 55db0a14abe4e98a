#!/bin/sh
# Random oracle.  Uses the server that PGHOST names, or a throw-away one.
#
#	run.sh [--steps N] [--seed S] [--minutes M] [--case C] [--failures F] ...
#
# PG_CONFIG chooses the PostgreSQL whose pg_trickle is tested.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
# Debian's psycopg2 belongs to Debian's python3, which need not come first in PATH.
python=python3
"$python" -c 'import psycopg2' 2>/dev/null || python=/usr/bin/python3
if [ -n "${PGHOST:-}" ]; then
	exec "$python" "$here/oracle.py" "$@"
fi
bin=$("${PG_CONFIG:-pg_config}" --bindir)
work=$(mktemp -d "${TMPDIR:-/tmp}/pgt-random.XXXXXX")
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
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_prepared_transactions = 20
max_connections = 30
shared_buffers = 64MB
shared_preload_libraries = 'pg_trickle'
pg_trickle.enabled = off
log_min_messages = log
CONF
if ! as "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w -t 30 start >/dev/null; then
	cat "$work/log" >&2
	exit 1
fi
PGHOST=$work PGUSER=postgres PGDATABASE=postgres
export PGHOST PGUSER PGDATABASE
status=0
"$python" "$here/oracle.py" "$@" || status=$?
if grep -E 'PANIC|terminated by signal|TRAP' "$work/log" >&2; then
	status=1
fi
exit $status
