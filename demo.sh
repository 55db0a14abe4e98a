#!/bin/bash
# Show pg_trickle on real input: the index of Debian's packages.
set -eu -o pipefail

usage() {
	cat <<'EOF'
usage: ./demo.sh [--keep] [--seconds N] [--schedule S] [--rate N]

Builds pg_trickle, starts a private PostgreSQL in a scratch directory, loads
the package index that apt keeps on this machine, creates three stream tables
over it, and applies the differences between two of its suites while the
scheduler keeps the stream tables fresh.  At the end every stream table is
compared with its query.

  --keep         leave the server up and say how to connect
  --seconds N    how long to apply changes (default 45)
  --schedule S   schedule of the stream tables (default 0s: as soon as a
                 change commits)
  --rate N       transactions per second, at most (default 20)
  --help         this text

Needs Debian 12 and root or sudo, for missing packages only: postgresql-15,
postgresql-server-dev-15, gcc, make, python3, python3-psycopg2.  With PG_CONFIG
set, that PostgreSQL is used instead.  Nothing is installed beyond packages,
and without --keep nothing is left behind.  Exit status: 0 if every stream
table equals its query, else 1.
EOF
}

keep=
seconds=45
schedule=0s
rate=20
while [ $# -gt 0 ]; do
	case $1 in
		--keep) keep=yes ;;
		--seconds | --schedule | --rate)
			[ $# -ge 2 ] || { echo "demo.sh: $1 needs a value" >&2; exit 2; }
			declare "${1#--}=$2"
			shift
			;;
		-h | --help) usage; exit 0 ;;
		*) usage >&2; exit 2 ;;
	esac
	shift
done
for n in "$seconds" "$rate"; do
	[[ $n =~ ^[1-9][0-9]{0,4}$ ]] || { echo "demo.sh: \"$n\" is no positive number" >&2; exit 2; }
done

tree=$(cd "$(dirname "$0")" && pwd)
cd /
. "$tree/demo/server.sh"

server_packages
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pg_trickle_demo.XXXXXX")
cleanup() {
	local status=$?
	trap - EXIT
	set +e
	if [ $status -ne 0 ] && [ -e "$scratch/server.log" ] &&
		grep -E 'ERROR|FATAL|PANIC|terminated by signal' "$scratch/server.log" > "$scratch/complaints"; then
		echo "what the server complained about:" >&2
		tail -n 20 "$scratch/complaints" >&2
	fi
	if [ -n "$keep" ] && [ -n "${data:-}" ] && [ -e "$data/postmaster.pid" ]; then
		how_to_connect
	else
		stop_server || echo "demo.sh: the server in $scratch could not be stopped" >&2
		rm -rf "$scratch"
	fi
	exit $status
}
how_to_connect() {
	local run=
	[ "$(id -u)" -ne 0 ] || run="runuser -u postgres -- "
	cat <<EOF

The server stays up.  Connect:
  $bindir/psql -h $scratch -p $PGPORT -U postgres demo
Try:
  SELECT * FROM pgtrickle.pgt_status();
  SELECT * FROM most_depended_on ORDER BY edges DESC LIMIT 10;
  UPDATE packages SET installed_size = installed_size + 1 WHERE name = 'bash';
Its log: $scratch/server.log
Stop and remove it:
  cd / && $run$bindir/pg_ctl -D $data -m fast stop && rm -rf $scratch
EOF
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

indexes() {
	apt-get indextargets --format '$(FILENAME)|$(RELEASE)|$(ORIGIN)|$(ARCHITECTURE)' \
		'Created-By: Packages' |
		awk -F'|' -v arch="$(dpkg --print-architecture)" '$3 == "Debian" && $4 == arch'
}
if [ -z "$(indexes)" ]; then
	say "apt has no package index here: fetching it"
	as_root apt-get -q update || die "apt-get update failed"
	[ -n "$(indexes)" ] || die "apt has no index of Debian's packages, even after apt-get update"
fi

say "building pg_trickle against $("$PG_CONFIG" --version)"
stage_server
indexes > "$scratch/indexes"
say "starting a private server in $scratch"
start_server "shared_buffers = 256MB" "max_wal_size = 4GB" "checkpoint_timeout = 30min" \
	"work_mem = 32MB"
as_server "$bindir/createdb" demo

mkdir "$scratch/input"
/usr/bin/python3 "$tree/demo/index.py" "$scratch/indexes" "$scratch/input"
[ "$(id -u)" -ne 0 ] || chown -R postgres: "$scratch/input" "$scratch/indexes"
as_server /usr/bin/python3 "$scratch/src/demo/demo.py" --input "$scratch/input" \
	--seconds "$seconds" --schedule "$schedule" --rate "$rate"
