#!/bin/sh
# Random queries of sqlsmith, on a throw-away server.
#
#	run.sh [--queries N] [--seed S]
#
# PG_CONFIG chooses the PostgreSQL whose pg_trickle is tested.  Needs Debian's
# sqlsmith.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../server.sh"
python=$(server_python)
server_start sqlsmith
PGDATABASE=smith
for database in smith vocabulary; do
	"$bin/createdb" "$database"
	"$bin/psql" -Xq -d "$database" -v ON_ERROR_STOP=1 -f "$here/schema.sql"
done
"$bin/psql" -Xq -d smith -c 'CREATE EXTENSION pg_trickle'
"$bin/psql" -Xq -d vocabulary -v ON_ERROR_STOP=1 -f "$here/vocabulary.sql"
status=0
"$python" "$here/smith.py" "$@" || status=$?
if server_crashed; then
	status=1
fi
exit $status
