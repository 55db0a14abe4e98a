# Sourced by demo.sh and bench/run.sh: a private PostgreSQL with this tree's
# pg_trickle, in a scratch directory.
#
# What enters: the tree, and PG_CONFIG (default: that of Debian's PostgreSQL
# 15).  What leaves: $scratch, $bindir, $data, and PGHOST, PGPORT, PGUSER.
#
# Nothing is installed into the system's PostgreSQL: its bin/ is copied, its
# lib/ and share/ are linked into $scratch/stage at the same relative places,
# where the programs look for them, and pg_trickle goes beside those links.  A
# server that already runs on this machine thus never meets our library.

say() { printf '%s\n' "$*"; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Run a step whose output matters only if it fails.
quietly() {
	local log=$scratch/step.log
	if ! "$@" > "$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "failed: $*"
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo > /dev/null; then
		sudo "$@"
	else
		die "needs root or sudo for: $*"
	fi
}

# A server refuses to run as root.
as_server() {
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u postgres -- env -u XDG_RUNTIME_DIR HOME="$scratch" "$@"
	else
		"$@"
	fi
}

# need_packages NAME ...: install the Debian packages that are missing
need_packages() {
	local p missing=
	command -v dpkg-query > /dev/null || die "this is no Debian: install $* by hand, and set PG_CONFIG"
	for p; do
		dpkg-query -W -f '${Status}\n' "$p" 2> /dev/null |
			grep -q '^install ok installed$' || missing="$missing $p"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	as_root apt-get -q update || die "apt-get update failed"
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-install-recommends install $missing ||
		die "cannot install$missing"
}

server_packages() {
	local packages="gcc make libc6-dev python3 python3-psycopg2"
	if [ -z "${PG_CONFIG:-}" ]; then
		packages="postgresql-15 postgresql-server-dev-15 $packages"
		PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	fi
	# shellcheck disable=SC2086
	need_packages $packages
	command -v "$PG_CONFIG" > /dev/null || die "no pg_config at $PG_CONFIG"
	export PG_CONFIG
}

# Build a copy of the tree, so that the objects in it stay as they are.
stage_server() {
	local stage=$scratch/stage pkglibdir sharedir
	if [ "$(id -u)" -eq 0 ]; then
		id postgres > /dev/null 2>&1 || die "running as root needs a user named postgres"
	fi
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)
	bindir=$stage$("$PG_CONFIG" --bindir)
	mkdir -p "$scratch/src" "$bindir" "$stage$pkglibdir" "$stage$sharedir"
	tar -C "$tree" -cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.d' \
		--exclude='*.bc' --exclude='*.so' . | tar -C "$scratch/src" --no-same-owner -xf -
	cp -p "$("$PG_CONFIG" --bindir)"/* "$bindir"
	cp -rs "$pkglibdir/." "$stage$pkglibdir"
	cp -rs "$sharedir/." "$stage$sharedir"
	rm -f "$stage$pkglibdir"/pg_trickle* "$stage$sharedir"/extension/pg_trickle*
	quietly make -s -C "$scratch/src" -j"$(nproc)" with_llvm=no all
	quietly make -s -C "$scratch/src" with_llvm=no install DESTDIR="$stage"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres: "$scratch"
	fi
	chmod 700 "$scratch"
}

# start_server [SETTING ...]
start_server() {
	local setting
	data=$scratch/data
	quietly as_server "$bindir/initdb" -D "$data" -A trust -U postgres -E UTF8 --no-locale --no-sync
	# The port only names the socket, but somebody may want to open it to TCP.
	PGPORT=$(/usr/bin/python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
	PGHOST=$scratch
	PGUSER=postgres
	export PGPORT PGHOST PGUSER
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$scratch'"
		echo "port = $PGPORT"
		echo "shared_preload_libraries = 'pg_trickle'"
		echo "jit = off"
		[ -w /dev/shm ] || echo "dynamic_shared_memory_type = mmap"
		for setting; do
			echo "$setting"
		done
	} >> "$data/postgresql.conf"
	if ! as_server "$bindir/pg_ctl" -D "$data" -l "$scratch/server.log" -w -t 60 start \
		> "$scratch/step.log" 2>&1; then
		cat "$scratch/step.log" >&2
		[ ! -e "$scratch/server.log" ] || tail -n 20 "$scratch/server.log" >&2
		die "the server does not start"
	fi
}

stop_server() {
	[ -n "${data:-}" ] && [ -e "$data/postmaster.pid" ] || return 0
	as_server "$bindir/pg_ctl" -D "$data" -m immediate -w stop > /dev/null
}
