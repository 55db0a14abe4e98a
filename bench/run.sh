#!/bin/bash
# Measure pg_trickle on a throw-away server and print a table.
set -eu -o pipefail

usage() {
	cat <<'EOF'
usage: bench/run.sh [--quick] [--only NAME,...] [--markdown]
       bench/run.sh tpch|nexmark [OPTION ...]

  --quick      a few repetitions of everything: to see that it runs
  --only       of: bulk, oltp, one, percent, keyed, latency, chain, ops, calls, scrape,
               or soak, which runs only if named: ten minutes
  --markdown   print the table as it stands in bench/README.md

tpch and nexmark measure the queries of that folder.  Their options:

  --scale N        of the data (default 1)
  --queries N,...  only these
  --rounds N       of each kind of change (default 5)
  --share N        of the rows that the large change touches (default 0.01)
  --mode MODE      AUTO (default), or DIFFERENTIAL where that is accepted
  --no-growth      leave out the same at twice the scale
  --markdown       print tables as they stand in bench/README.md

Uses the PostgreSQL of PG_CONFIG (default: Debian's 15).  pg_ivm is measured
beside pg_trickle where that PostgreSQL has it.  Writes nothing into the tree.
EOF
}
for argument; do
	case $argument in -h | --help) usage; exit 0 ;; esac
done

suite=bench/bench.py
case ${1:-} in
	tpch | nexmark) suite=bench/$1/$1.py; shift ;;
esac

tree=$(cd "$(dirname "$0")/.." && pwd)
cd /
. "$tree/demo/server.sh"

server_packages
[ "$suite" != bench/bench.py ] || need_packages pkgconf libmicrohttpd-dev
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pg_trickle_bench.XXXXXX")
cleanup() {
	local status=$?
	trap - EXIT
	set +e
	if [ $status -ne 0 ] && [ -e "$scratch/server.log" ]; then
		grep -E 'ERROR|FATAL|PANIC|terminated by signal' "$scratch/server.log" | tail -n 20 >&2
	fi
	stop_server || echo "run.sh: the server in $scratch could not be stopped" >&2
	rm -rf "$scratch"
	exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

stage_server
# No checkpoint, no vacuum and no second process of a query inside a measurement.
start_server "shared_buffers = 1GB" "work_mem = 64MB" "maintenance_work_mem = 512MB" \
	"autovacuum = off" "max_wal_size = 16GB" "checkpoint_timeout = 1h" \
	"max_parallel_workers_per_gather = 0" "max_parallel_maintenance_workers = 0" \
	"pg_trickle.enabled = off"
as_server "$bindir/createdb" bench
as_server env PATH="$bindir:$PATH" /usr/bin/python3 "$scratch/src/$suite" "$@"
