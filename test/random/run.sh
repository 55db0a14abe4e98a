#!/bin/sh
# Random oracle.  Uses the server that PGHOST names, or a throw-away one.
#
#	run.sh [--steps N] [--seed S] [--minutes M] [--case C] [--failures F] ...
#
# PG_CONFIG chooses the PostgreSQL whose pg_trickle is tested.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../server.sh"
python=$(server_python)
if [ -n "${PGHOST:-}" ]; then
	exec "$python" "$here/oracle.py" "$@"
fi
server_start random 'synchronous_commit = off' 'full_page_writes = off' \
	'max_prepared_transactions = 20' 'max_connections = 30' 'shared_buffers = 64MB'
status=0
"$python" "$here/oracle.py" "$@" || status=$?
if server_crashed; then
	status=1
fi
exit $status
