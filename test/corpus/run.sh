#!/bin/sh
# The SELECTs of PostgreSQL's own regression tests as definitions.
#
#	run.sh SOURCE [--only TEST,...]
#
# SOURCE is a source tree of the PostgreSQL that PG_CONFIG names, whose pg_trickle is
# tested; nothing of it is kept.  Needs a C compiler, and in PG_HEADERS where that
# PostgreSQL's headers for servers are, if they are not beside it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../server.sh"
source=$(cd "$1" && pwd)
shift
python=$(server_python)
server_start corpus 'max_prepared_transactions = 10' 'statement_timeout = 60s'
headers=${PG_HEADERS:-$("${PG_CONFIG:-pg_config}" --includedir-server)}
mkdir "$work/lib" "$work/out"
for module in src/test/regress/regress contrib/spi/refint contrib/spi/autoinc; do
	"${CC:-cc}" -O1 -fPIC -shared -w -I"$headers" \
		-o "$work/lib/${module##*/}.so" "$source/$module.c"
done
[ "$(id -u)" != 0 ] || chown -R postgres "$work/lib" "$work/out"
status=0
"$python" "$here/corpus.py" "$source" "$work" --psql "$bin/psql" "$@" || status=$?
if server_crashed; then
	status=1
fi
exit $status
