#!/bin/bash
# Build this tree and run parts of its tests on private servers.
#
#   usage: tools/suite.sh [-l LABEL] [-r RESULTS] PART ...
#     build                  only build and stage (each other part does it too)
#     regress[=NAME,...]     test/sql, once for each apply path, and with bulk plans
#     iso[=NAME,...]         test/specs
#     tap[=NAME,...]         test/t
#     random[=SECONDS]       the random oracle
#     mutation               the mutation test of the oracle
#     sqlsmith=N[:SEED]      queries of sqlsmith as definitions
#     corpus=DIRECTORY[:NAME,...]  PostgreSQL's own tests, from its source there
#     citus[=NAME,...]       test/citus, if that PostgreSQL has Citus
#     leaf                   some of test/sql, on a build without src/cluster
#     lint                   tools/lint.sh
#     asan[=NAME,...]        test/sql, built with gcc's sanitizers
#     valgrind[=NAME,...]    test/sql, with the server under valgrind
#
# What enters: PG_CONFIG, whose server is used; SEED for the random oracle.  What leaves: a line for each test on standard output and in
# RESULTS ("ok NAME" or "FAIL NAME", or "skip NAME: why" for what was not run),
# outputs under build/, exit status 0 only if nothing failed.
#
# Nothing is installed into the system: bin/ of the server is copied and its
# lib/ and share/ are linked into build/stage, at the same relative places, so
# that the programs there find everything beside themselves.
set -u
cd "$(dirname "$0")/.." || exit 2

label=
results=
while getopts l:r: opt; do
	case $opt in
		l) label=$OPTARG ;;
		r) results=$OPTARG ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))

PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || {
	echo "suite.sh: no pg_config; set PG_CONFIG" >&2
	exit 2
}
export PG_CONFIG
[ -n "$label" ] || label="pg$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')"

# A server refuses to run as root: work as postgres, on a copy of the tree.
if [ "$(id -u)" -eq 0 ]; then
	id postgres >/dev/null 2>&1 || {
		echo "suite.sh: running as root needs a user named postgres" >&2
		exit 2
	}
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/pgt.XXXXXX") || exit 2
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT TERM
	mkdir "$scratch/src"
	tar -cf - --exclude=./.git --exclude=./build . | tar -C "$scratch/src" -xf - || exit 2
	[ -z "$results" ] || cp "$results" "$scratch/src/.results" 2>/dev/null || : > "$scratch/src/.results"
	chown -R postgres: "$scratch"
	runuser -u postgres -- env -u XDG_RUNTIME_DIR HOME="$scratch" PATH="$PATH" PG_CONFIG="$PG_CONFIG" \
		bash "$scratch/src/tools/suite.sh" -l "$label" ${results:+-r "$scratch/src/.results"} "$@"
	rc=$?
	[ -z "$results" ] || cat "$scratch/src/.results" > "$results"
	rm -rf "$scratch/src/build/stage"
	mkdir -p build && cp -r "$scratch/src/build/." build/ 2>/dev/null
	exit $rc
fi

build=$PWD/build
stage=$build/stage
bindir=$stage$("$PG_CONFIG" --bindir)
pgxs_test=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
failed=0
work=
data=
# What the parts that look into memory change.
tree=$PWD
build_flags=
server_preload=
server_program=$bindir/postgres
reports=
passes='c sql bulk'
patience=900

mkdir -p "$build"
work=$(mktemp -d "${TMPDIR:-/tmp}/pgt.XXXXXX") || exit 2
finish() {
	server_stop
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# result STATUS NAME [TIME]
result() {
	printf '%-5s %s %s\n' "$1" "$label/$2" "${3:-}"
	[ -z "$results" ] || echo "$1 $label/$2" >> "$results"
	[ "$1" != FAIL ] || failed=$((failed + 1))
}

# show TITLE FILE LINES: the part of a file that tells why something failed
show() {
	echo "---- $1"
	head -n "$3" "$2" | sed 's/^/    /'
	[ "$(wc -l < "$2")" -le "$3" ] || echo "    ... the rest is in $2"
	echo "----"
}

show_tail() {
	echo "---- $1"
	tail -n "$3" "$2" | sed 's/^/    /'
	echo "----"
}

build_and_stage() {
	[ ! -e "$work/staged" ] || return 0
	local log=$build/build.log pkglibdir sharedir
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)
	# Objects of another major are of no use here.
	if [ "$(cat "$build/built_for" 2>/dev/null)" != "$label" ] && [ -e "$build/built_for" ]; then
		make -s clean > /dev/null 2>&1
	fi
	mkdir -p "$build"
	echo "$label" > "$build/built_for"
	rm -rf "$stage"
	mkdir -p "$bindir" "$stage$pkglibdir" "$stage$sharedir"
	cp -p "$("$PG_CONFIG" --bindir)"/* "$bindir"
	cp -rs "$pkglibdir/." "$stage$pkglibdir"
	cp -rs "$sharedir/." "$stage$sharedir"
	rm -f "$stage$pkglibdir"/pg_trickle* "$stage$sharedir"/extension/pg_trickle*
	# Other flags need other objects, which must not stay in the tree.
	if [ -n "$build_flags" ]; then
		tree=$work/tree
		mkdir "$tree"
		tar -cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' . | tar -C "$tree" -xf -
	fi
	if make -C "$tree" -s -j2 with_llvm=no COPT="$build_flags" ${build_flags:+WERROR=} all > "$log" 2>&1 &&
		make -C "$tree" -s with_llvm=no COPT="$build_flags" ${build_flags:+WERROR=} install DESTDIR="$stage" >> "$log" 2>&1; then
		result ok build
		touch "$work/staged"
	else
		result FAIL build
		show "build" "$log" 60
		exit 1
	fi
}

# server_start NAME [SETTING ...]: a fresh cluster, sockets only
server_start() {
	local name=$1 setting
	shift
	data=$work/data
	server_log=$build/server-$name.log
	rm -rf "$data" "$server_log"
	"$bindir/initdb" -D "$data" -A trust -U postgres -E UTF8 --no-locale --no-sync \
		> "$build/initdb.log" 2>&1 || { show initdb "$build/initdb.log" 40; return 1; }
	cat >> "$data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$work'
	port = 54321
	shared_preload_libraries = 'pg_trickle'
	fsync = off
	full_page_writes = off
	jit = off
	max_connections = 40
	max_prepared_transactions = 10
	max_worker_processes = 16
	shared_buffers = 64MB
	wal_level = logical
	log_line_prefix = '%m [%p] %q%d '
	CONF
	[ -w /dev/shm ] || echo "dynamic_shared_memory_type = mmap" >> "$data/postgresql.conf"
	for setting; do
		echo "$setting" >> "$data/postgresql.conf"
	done
	if ! LD_PRELOAD=$server_preload "$bindir/pg_ctl" -p "$server_program" -D "$data" -l "$server_log" \
		-w -t 120 start > "$build/pg_ctl.log" 2>&1; then
		show_tail "the server does not start" "$server_log" 30
		return 1
	fi
	export PGHOST=$work PGPORT=54321 PGUSER=postgres
}

server_stop() {
	[ -n "$data" ] && [ -e "$data/postmaster.pid" ] &&
		"$bindir/pg_ctl" -D "$data" -m immediate -w stop > /dev/null 2>&1
	return 0
}

# A crash or a leak is a failure even where no expected output shows it.
server_log_check() {
	local found=$build/server-$1.found
	if grep -n -E 'PANIC|TRAP:|terminated by signal|leak:|not closed' "$server_log" > "$found"; then
		result FAIL "$1/server-log"
		show "server log" "$found" 20
		show_tail "end of $server_log" "$server_log" 15
	else
		rm -f "$found"
	fi
}

setting() {
	"$bindir/psql" -X -q -d postgres -c "ALTER SYSTEM SET $1" -c "SELECT pg_reload_conf()" > /dev/null
}

# regress_report PREFIX LOG: results out of what pg_regress printed
regress_report() {
	local n=0 status name ms
	awk '
		/^not ok [0-9]/ || /^ok [0-9]/ {
			status = $1 == "ok" ? "ok" : "FAIL"
			sub(/^(not )?ok [0-9]+ *[-+] */, "")
			print status, $1, ($2 != "" && $3 == "ms") ? $2 " ms" : ""
			next
		}
		/ \.\.\. / {
			line = $0
			sub(/^test /, "", line)
			name = line; sub(/ *\.\.\. .*/, "", name); sub(/^ */, "", name)
			rest = line; sub(/.* \.\.\. */, "", rest)
			ms = rest; sub(/^[^0-9]*/, "", ms)
			print (rest ~ /^ok/ ? "ok" : "FAIL"), name, ms
		}' "$2" > "$work/report"
	while read -r status name ms; do
		result "$status" "$1/$name" "$ms"
		n=$((n + 1))
	done < "$work/report"
	if [ $n -eq 0 ]; then
		result FAIL "$1"
		show_tail "pg_regress" "$2" 30
	fi
}

names() { # names DIRECTORY SUFFIX LIST
	if [ -n "$3" ]; then
		echo "$3" | tr ',' '\n'
	else
		find "$1" -maxdepth 1 -name "*$2" -printf '%f\n' 2>/dev/null | sed "s/\\$2\$//" | LC_ALL=C sort
	fi
}

run_regress() {
	local list pass out
	list=$(names test/sql .sql "$1" | grep -v -x -e setup -e final)
	build_and_stage
	server_start regress "pg_trickle.enabled = off" || { result FAIL regress; return; }
	for pass in $passes; do
		out=$build/regress-$pass
		rm -rf "$out"
		mkdir -p "$out"
		case $pass in
			bulk) setting "pg_trickle.debug_apply = 'c'"; setting "pg_trickle.debug_plan = 'bulk'" ;;
			*) setting "pg_trickle.debug_apply = '$pass'" ;;
		esac
		timeout $patience "$pgxs_test/regress/pg_regress" --inputdir=test --outputdir="$out" \
			--bindir="$bindir" --host="$work" --port=54321 --user=postgres \
			--encoding=UTF8 --dbname="regress_$pass" \
			setup $list final > "$out/log" 2>&1
		regress_report "regress-$pass" "$out/log"
		[ ! -s "$out/regression.diffs" ] ||
			show "difference from the expected output" "$out/regression.diffs" "${PGT_DIFF_LINES:-250}"
	done
	server_log_check regress
	server_stop
}

run_iso() {
	local list out=$build/iso
	list=$(names test/specs .spec "$1")
	[ -n "$list" ] || return 0
	build_and_stage
	server_start iso "pg_trickle.enabled = off" "autovacuum = off" || { result FAIL iso; return; }
	rm -rf "$out"
	mkdir -p "$out" "$work/iso"
	ln -sfn "$PWD/test/specs" "$work/iso/specs"
	ln -sfn "$PWD/test/specs/expected" "$work/iso/expected"
	timeout 900 "$pgxs_test/isolation/pg_isolation_regress" --inputdir="$work/iso" --outputdir="$out" \
		--bindir="$bindir" --host="$work" --port=54321 --user=postgres \
		--encoding=UTF8 --dbname=isolation_pgt --load-extension=pg_trickle \
		$list > "$out/log" 2>&1
	regress_report iso "$out/log"
	[ ! -s "$out/regression.diffs" ] ||
		show "difference from the expected output" "$out/regression.diffs" "${PGT_DIFF_LINES:-250}"
	server_log_check iso
	server_stop
}

# prove_all KIND DIRECTORY LIST: TAP files
prove_all() {
	local kind=$1 directory=$2 t log start out=$build/$1
	for t in $(names "$directory" .pl "$3"); do
		log=$out/$t.log
		mkdir -p "$out"
		start=$SECONDS
		if PATH="$bindir:$PATH" PG_CONFIG="$bindir/pg_config" TESTDIR="$out" \
			TESTDATADIR="$out/data" TESTLOGDIR="$out/log" \
			PG_REGRESS="$pgxs_test/regress/pg_regress" top_builddir="$build" \
			timeout "${PGT_TAP_SECONDS:-900}" prove -I "$pgxs_test/perl" -I test/t "$directory/$t.pl" > "$log" 2>&1; then
			if grep -q '^Result: NOTESTS$' "$log"; then
				result skip "$kind/$t: $(sed -n 's/.* skipped: //p' "$log")"
			else
				result ok "$kind/$t" "$((SECONDS - start)) s"
			fi
		else
			result FAIL "$kind/$t" "$((SECONDS - start)) s"
			show_tail "$t" "$log" 40
		fi
	done
}

run_tap() {
	build_and_stage
	prove_all tap test/t "$1"
}

run_citus() {
	local list
	list=$(names test/citus .pl "$1" | grep '^[0-9]')
	if [ ! -e "$("$PG_CONFIG" --sharedir)/extension/citus.control" ]; then
		result skip "citus: $(echo "$list" | wc -l) tests, since this PostgreSQL has no Citus"
		return
	fi
	build_and_stage
	prove_all citus test/citus "$(echo "$list" | paste -s -d ,)"
}

# The objects are those of this tree, so that only the library is linked anew.
run_leaf() {
	local tree=$work/leaf
	build_and_stage
	mkdir "$tree"
	tar -cf - --exclude=./build --exclude=./pg_trickle.so . | tar -C "$tree" -xf -
	rm -r "$tree/src/cluster"
	"$tree/tools/suite.sh" -l "$label/leaf" ${results:+-r "$results"} \
		regress=api_create,api_placement || failed=$((failed + 1))
	mkdir -p "$build/leaf"
	cp -r "$tree/build/"* "$build/leaf" 2>/dev/null
	rm -rf "$build/leaf/stage" "$tree"
}

# The oracle starts a server of its own, of the installation that it is given.
run_random() {
	local log=$build/random.log start=$SECONDS minutes
	build_and_stage
	minutes=$(awk -v s="${1:-60}" 'BEGIN { printf "%.2f", s / 60 }')
	if env -u PGHOST PG_CONFIG="$bindir/pg_config" timeout $((${1:-60} + 600)) \
		test/random/run.sh --steps 1000000000 --minutes "$minutes" ${SEED:+--seed "$SEED"} \
		--build "$build" > "$log" 2>&1; then
		result ok random "$((SECONDS - start)) s"
		tail -n 3 "$log" | sed 's/^/      /'
	else
		result FAIL random "$((SECONDS - start)) s"
		show_tail "random oracle" "$log" 60
	fi
}

# It builds and stages by itself, once for each broken rule.
# queries[:seed]
run_sqlsmith() {
	local log=$build/sqlsmith.log queries=${1%%:*} seed=
	case $1 in *:*) seed=${1#*:} ;; esac
	if ! command -v sqlsmith > /dev/null; then
		result skip "sqlsmith: sqlsmith is not installed"
		return
	fi
	build_and_stage
	if env -u PGHOST PG_CONFIG="$bindir/pg_config" test/sqlsmith/run.sh --queries "$queries" \
		${seed:+--seed "$seed"} > "$log" 2>&1; then
		result ok sqlsmith "$(tail -n 1 "$log")"
	else
		result FAIL sqlsmith
		show_tail "sqlsmith" "$log" 60
	fi
}

run_corpus() {
	local log=$build/corpus.log source=${1%%:*} tests=
	case $1 in *:*) tests=${1#*:} ;; esac
	build_and_stage
	if env -u PGHOST PG_HEADERS="$("$PG_CONFIG" --includedir-server)" \
		PG_CONFIG="$bindir/pg_config" test/corpus/run.sh "$source" \
		${tests:+--only "$tests"} > "$log" 2>&1; then
		result ok corpus "$(tail -n 1 "$log")"
	else
		result FAIL corpus
		show_tail "corpus" "$log" 60
	fi
}

run_mutation() {
	local log=$build/mutation.log status name rest n=0
	env -u PGHOST timeout 1800 test/random/mutate.sh > "$log" 2>&1
	sed -n -e 's/^ok - \([^:]*\):\{0,1\} */ok \1 /p' \
		-e 's/^not ok - \([^:]*\):\{0,1\} */FAIL \1 /p' "$log" > "$work/report"
	while read -r status name rest; do
		result "$status" "mutation/$name" "$rest"
		n=$((n + 1))
	done < "$work/report"
	if [ $n -eq 0 ] || ! tail -n 1 "$log" | grep -q '^mutation test: [0-9]* of [0-9]* '; then
		result FAIL mutation
		show_tail "mutation test" "$log" 30
	fi
}

# memory_report NAME: what the tool that watched has written
memory_report() {
	local found=$build/$1.reports
	cat "$reports"/* > "$found" 2> /dev/null
	if [ -s "$found" ]; then
		result FAIL "$1/reports"
		show "reports" "$found" 100
	else
		rm -f "$found"
		result ok "$1/reports"
	fi
}

# free_port: of the loopback interface
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# ask PORT PATH: over HTTP
ask() {
	exec 3<> "/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$2" >&3
	cat <&3
	echo
	exec 3>&-
}

# ask_everything PORT LOG
ask_everything() {
	local path
	for path in /metrics /healthz / '/?db=postgres' /metrics; do
		ask "$1" "$path" >> "$2" 2>&1 || return 1
	done
	[ "$(grep -c '^HTTP/1.1 200' "$2")" -eq 5 ]
}

# The processes that no session is in: scheduler, refresh workers, endpoint.
run_scheduled() {
	local log=$build/scheduled.log port start=$SECONDS
	port=$(free_port)
	server_start scheduled "pg_trickle.metrics_port = $port" || { result FAIL scheduled; return; }
	if timeout "$patience" "$bindir/psql" -X -q -A -t -d postgres -f test/scheduled.sql > "$log" 2>&1 &&
		{ grep -q 'built without its HTTP endpoint' "$server_log" || ask_everything "$port" "$log"; }; then
		result ok scheduled "$((SECONDS - start)) s"
	else
		result FAIL scheduled
		show_tail scheduled "$log" 40
	fi
	server_log_check scheduled
	"$bindir/pg_ctl" -D "$data" -m fast -w -t 120 stop > /dev/null 2>&1
	server_stop
}

run_watched() {
	run_regress "$1"
	run_scheduled
}

# Memory of the server is its own business: what it still has when it ends is no
# leak.  A report of undefined behaviour lets it go on, one of memory ends it.
run_asan() {
	reports=$work/reports
	mkdir "$reports"
	build_flags='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined'
	server_preload=$(gcc -print-file-name=libasan.so)
	patience=5400
	if ! timeout -s KILL 20 env ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$server_preload" \
		"$("$PG_CONFIG" --bindir)/postgres" -V > "$build/asan.log" 2>&1; then
		result FAIL asan
		show "this server does not start with $server_preload" "$build/asan.log" 10
		return
	fi
	ASAN_OPTIONS="detect_leaks=0:abort_on_error=1:strict_string_checks=1:log_path=$reports/asan" \
		UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/ubsan" \
		run_watched "$1"
	memory_report asan
}

# One pass: it takes about thirty times as long as without.
run_valgrind() {
	reports=$work/reports
	mkdir "$reports"
	server_program=$work/postgres
	cat > "$server_program" <<-END
	#!/bin/sh
	exec valgrind -q --trace-children=yes --leak-check=no --error-limit=no --num-callers=30 \
		--suppressions="$PWD/tools/valgrind.supp" --gen-suppressions=all \
		--log-file="$reports/%p" "$bindir/postgres" "\$@"
	END
	chmod 755 "$server_program"
	passes=c
	patience=5400
	run_watched "$1"
	memory_report valgrind
}

run_lint() {
	local log=$build/lint.log
	if tools/lint.sh > "$log" 2>&1; then
		result ok lint
	else
		result FAIL lint
		show lint "$log" 60
	fi
}

part() {
	local name=${1%%=*} arg=
	case $1 in *=*) arg=${1#*=} ;; esac
	case $name in
		build) build_and_stage ;;
		lint) run_lint ;;
		regress) run_regress "$arg" ;;
		iso) run_iso "$arg" ;;
		tap) run_tap "$arg" ;;
		random) run_random "$arg" ;;
		mutation) run_mutation ;;
		sqlsmith) run_sqlsmith "$arg" ;;
		corpus) run_corpus "$arg" ;;
		citus) run_citus "$arg" ;;
		leaf) run_leaf ;;
		asan) run_asan "$arg" ;;
		valgrind) run_valgrind "$arg" ;;
		*) echo "suite.sh: unknown part $1" >&2; exit 2 ;;
	esac
}

for p; do
	part "$p"
done
exit $((failed > 0))
