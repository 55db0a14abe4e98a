#!/bin/bash
# Build pg_trickle and run every test on throw-away servers.
#
#   usage: ./check.sh [MAJOR ...]        (default: 15 17 18)
#
# Needs Debian 12, as root or with sudo: installs the Debian packages that are
# missing, and nothing else into the system.  PostgreSQL 17 and 18 live in
# chroots under $PGT_CHROOTS (default /var/cache/pg_trickle), made by
# tools/pg-chroot.sh on the first run; Prometheus, for the tests of monitoring/, is
# unpacked there by tools/prometheus.sh.
#
#   PGT_RANDOM_SECONDS    for the random oracle on 15 (default 180)
#   PGT_SKIP_MUTATION=1   leave the mutation test out
#
# The last line is "N passed, N failed"; the exit status is 0 if none failed.
set -u
cd "$(dirname "$0")" || exit 2

majors=${*:-15 17 18}
results=$(mktemp "${TMPDIR:-/tmp}/pgt_results.XXXXXX") || exit 2
background=
cleanup() {
	[ -z "$background" ] || kill "$background" 2>/dev/null
	rm -f "$results" "$results".*
}
trap cleanup EXIT
trap 'exit 130' INT TERM

finish() {
	local passed failed
	passed=$(grep -c '^ok ' "$results")
	failed=$(grep -c '^FAIL ' "$results")
	echo
	if grep -q '^FAIL ' "$results"; then
		echo "failed:"
		sed -n 's/^FAIL /  /p' "$results"
	fi
	if grep -q '^skip ' "$results"; then
		echo "skipped: $(grep -c '^skip ' "$results")"
		sed -n 's/^skip /  /p' "$results"
	fi
	[ $((passed + failed)) -gt 0 ] || { failed=1; echo "nothing was run"; }
	printf 'took %d min %02d s\n' $((SECONDS / 60)) $((SECONDS % 60))
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

title() {
	printf '\n== %s (%d min %02d s)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

# ---- what the tests need
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
	sudo=sudo
else
	sudo=none
fi

packages="postgresql-15 postgresql-server-dev-15 gcc make libc6-dev perl libipc-run-perl pgbouncer python3 python3-psycopg2 pkgconf libmicrohttpd-dev"
case " $majors " in
	*' 17 '* | *' 18 '*) packages="$packages debootstrap" ;;
esac
missing=
for p in $packages; do
	dpkg-query -W -f '${Status}\n' "$p" 2> /dev/null | grep -q '^install ok installed$' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	title "installing$missing"
	if [ "$sudo" = none ]; then
		echo "check.sh: these packages are missing, and installing them needs root or sudo without a password:$missing" >&2
		echo "FAIL packages" >> "$results"
		finish
	fi
	if ! $sudo apt-get -q update > "$results.apt" 2>&1 ||
		! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing >> "$results.apt" 2>&1; then
		tail -n 20 "$results.apt" >&2
		echo "FAIL packages" >> "$results"
		finish
	fi
fi

# ---- programs that monitoring/ is tested with; without them that test is skipped
$([ "$sudo" = none ] || echo "$sudo") env PGT_CHROOTS="${PGT_CHROOTS:-}" tools/prometheus.sh > "$results.prometheus" 2>&1 ||
	cat "$results.prometheus" >&2
PGT_PROMETHEUS=$(tail -n 1 "$results.prometheus")
export PGT_PROMETHEUS

# ---- chroots come in the background while 15 is tested
want_chroot() {
	case " $majors " in *" $1 "*) return 0 ;; esac
	return 1
}
make_chroots() {
	local m
	for m in 17 18; do
		want_chroot $m || continue
		nice $sudo env PGT_CHROOTS="${PGT_CHROOTS:-}" ${http_proxy:+"http_proxy=$http_proxy"} tools/pg-chroot.sh $m > "$results.chroot$m" 2>&1 ||
			echo failed >> "$results.chroot$m"
		touch "$results.chroot$m.done"
	done
}
if want_chroot 17 || want_chroot 18; then
	if [ "$sudo" = none ]; then
		for m in 17 18; do
			want_chroot $m || continue
			echo "skip pg$m: a chroot needs root or sudo without a password" >> "$results"
		done
	else
		make_chroots &
		background=$!
	fi
fi

# ---- 15: everything
if want_chroot 15; then
	PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	export PG_CONFIG
	title "The files alone"
	tools/suite.sh -l tree -r "$results" lint
	title "PostgreSQL 15: SQL, by operator and by function, through both apply paths and with bulk plans"
	tools/suite.sh -l pg15 -r "$results" regress
	title "PostgreSQL 15: races"
	tools/suite.sh -l pg15 -r "$results" iso
	title "PostgreSQL 15: crash, restart, standby, cancel"
	tools/suite.sh -l pg15 -r "$results" tap
	title "PostgreSQL 15: a Citus cluster, and a build that knows nothing of it"
	tools/suite.sh -l pg15 -r "$results" citus leaf
	title "PostgreSQL 15: random oracle"
	tools/suite.sh -l pg15 -r "$results" "random=${PGT_RANDOM_SECONDS:-180}"
	if [ -z "${PGT_SKIP_MUTATION:-}" ]; then
		title "PostgreSQL 15: each deliberately broken rule is caught"
		tools/suite.sh -l pg15 -r "$results" mutation
	else
		echo "skip pg15/mutation: PGT_SKIP_MUTATION is set" >> "$results"
	fi
fi

# ---- 17 and 18: the same suites in the chroots
in_chroot() {
	local major=$1 root dir rc
	shift
	while [ ! -e "$results.chroot$major.done" ]; do
		sleep 1
	done
	root=$(tail -n 1 "$results.chroot$major")
	if [ ! -e "$root/.complete" ]; then
		cat "$results.chroot$major"
		echo "skip pg$major: no chroot could be made" >> "$results"
		return
	fi
	dir=$($sudo mktemp -d "$root/tmp/pgt.XXXXXX") || return
	tar -cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.d' --exclude='*.bc' \
		--exclude='*.so' . | $sudo tar -C "$dir" --no-same-owner -xf -
	if [ -x "$PGT_PROMETHEUS/promtool" ]; then
		$sudo mkdir -p "$root/opt/prometheus"
		$sudo ln -f "$PGT_PROMETHEUS"/prom* "$root/opt/prometheus" 2> /dev/null ||
			$sudo cp -f "$PGT_PROMETHEUS"/prom* "$root/opt/prometheus"
	fi
	: > "$results.pg$major"
	$sudo cp "$results.pg$major" "$dir/.results"
	$sudo chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" PGT_PROMETHEUS=/opt/prometheus \
		bash "${dir#"$root"}/tools/suite.sh" -l "pg$major" -r "${dir#"$root"}/.results" "$@"
	$sudo cat "$dir/.results" >> "$results"
	rm -rf "build/pg$major"
	mkdir -p "build/pg$major"
	$sudo tar -C "$dir/build" -cf - . 2> /dev/null | tar -C "build/pg$major" --no-same-owner -xf - 2> /dev/null
	$sudo rm -rf "$dir"
}
# Beside each other: much of the time is waiting.
if [ "$sudo" != none ]; then
	chroots=
	for m in 17 18; do
		want_chroot $m || continue
		title "PostgreSQL $m: SQL, races, crash and restart, a short random oracle"
		in_chroot $m regress iso tap citus random=60 &
		chroots="$chroots $!"
	done
	[ -z "$chroots" ] || wait $chroots
fi

finish
