# A throw-away server for tests that bring their own clients; to be sourced.
#
#	server_start NAME [SETTING...]	starts it, exports PGHOST, PGUSER, PGDATABASE
#	server_python					names a Python that has psycopg2
#	server_crashed					did a backend die?  Shows where
#
# PG_CONFIG chooses the PostgreSQL, which has pg_trickle installed.  The server
# listens on a socket in a scratch directory, and goes with it when the shell ends.

bin=$("${PG_CONFIG:-pg_config}" --bindir)
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

# Debian's psycopg2 belongs to Debian's python3, which need not come first in PATH.
server_python() {
	if python3 -c 'import psycopg2' 2>/dev/null; then echo python3; else echo /usr/bin/python3; fi
}

server_as() {
	if [ "$(id -u)" = 0 ]; then
		(cd "$work" && runuser -u postgres -- "$@")
	else
		(cd "$work" && "$@")
	fi
}

server_stop() {
	server_as "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || :
	rm -rf "$work"
}

server_start() {
	work=$(mktemp -d "${TMPDIR:-/tmp}/pgt-$1.XXXXXX")
	shift
	# The server takes its port from the environment, too.
	PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	export PGHOST PGPORT PGUSER PGDATABASE
	[ "$(id -u)" != 0 ] || chown postgres "$work"
	trap server_stop EXIT
	trap 'exit 130' INT TERM
	server_as "$bin/initdb" -D "$work/data" -A trust -U postgres --locale=C.UTF-8 -N >/dev/null
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$work'" \
		'fsync = off' 'autovacuum = off' "shared_preload_libraries = 'pg_trickle'" \
		'pg_trickle.enabled = off' 'log_min_messages = log' "$@" >>"$work/data/postgresql.conf"
	if ! server_as "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w -t 30 start >/dev/null; then
		cat "$work/log" >&2
		exit 1
	fi
}

server_crashed() {
	grep -E 'PANIC|terminated by signal|TRAP' "$work/log" >&2
}
