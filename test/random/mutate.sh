#!/bin/sh
# Mutation test of the random oracle: each rule, broken on purpose, is noticed.
#
#	mutate.sh			the mutations marked quick in mutations.txt
#	mutate.sh --all		all of them
#	mutate.sh NAME...	these
#
# Builds in a scratch copy of the tree, one object anew for each mutation, and
# runs in a copy of PostgreSQL's own tree, which finds its libraries and its
# share directory relative to its programs.  Nothing is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
config=${PG_CONFIG:-pg_config}
if [ $# = 0 ]; then steps=2500 seeds="1 7"; else steps=6000 seeds="7 8 9 10"; fi
steps=${MUTATION_STEPS:-$steps}
seeds=${MUTATION_SEEDS:-$seeds}
python=python3
"$python" -c 'import psycopg2' 2>/dev/null || python=/usr/bin/python3

work=$(mktemp -d "${TMPDIR:-/tmp}/pgt-mutate.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# PostgreSQL: programs copied, libraries and shared files linked.
bin=$("$config" --bindir)
lib=$("$config" --pkglibdir)
share=$("$config" --sharedir)
mkdir -p "$work/pg$bin" "$work/pg$lib" "$work/pg$share"
cp -pL "$bin"/* "$work/pg$bin/"
cp -rsf "$lib"/. "$work/pg$lib/"
cp -rsf "$share"/. "$work/pg$share/"
pg_config=$work/pg$bin/pg_config

# The extension: sources copied, objects built without the server's bitcode.
mkdir "$work/src"
(cd "$top" && tar cf - --exclude='*.o' --exclude='*.bc' --exclude='*.d' --exclude='*.so' \
	Makefile pg_trickle.control src sql) | (cd "$work/src" && tar xf -)
build() {
	make -s -C "$work/src" -j2 PG_CONFIG="$config" with_llvm=no PG_CFLAGS='-w -MMD -MP' \
		>"$work/make.log" 2>&1 || return 1
	rm -f "$work/pg$lib/pg_trickle.so" "$work/pg$share/extension/pg_trickle"*
	cp "$work/src/pg_trickle.so" "$work/pg$lib/"
	cp "$work/src/pg_trickle.control" "$work/src/sql/pg_trickle--"*.sql \
		"$work/pg$share/extension/"
}
oracle() {
	PGHOST='' PG_CONFIG=$pg_config "$here/run.sh" --quiet --shrink 0 --min-counted 0 \
		--build "$work/build" "$@" >"$work/oracle.log" 2>&1
}

if ! build; then
	cat "$work/make.log"
	echo "mutation test: the tree does not build"
	exit 1
fi
for seed in $seeds; do
	if ! oracle --steps "$steps" --seed "$seed"; then
		grep -m 3 FAILURE "$work/oracle.log" || tail -5 "$work/oracle.log"
		echo "mutation test: the oracle fails on the unchanged tree"
		exit 1
	fi
done

caught=0
missed=0
for name in $("$python" "$here/mutation.py" list "$@"); do
	if ! "$python" "$here/mutation.py" apply "$name" "$work/src" >"$work/apply.log" 2>&1; then
		echo "not ok - $name: $(cat "$work/apply.log")"
		missed=$((missed + 1))
		continue
	fi
	found=
	if ! build; then
		echo "not ok - $name: does not compile: $(grep -m 1 error "$work/make.log")"
	else
		for seed in $seeds; do
			if ! oracle --steps "$steps" --seed "$seed"; then
				found=$(sed -n 's/^FAILURE seed \([^:]*: [a-z]*[^:]*\):.*/\1/p' "$work/oracle.log" | head -1)
				break
			fi
		done
		if [ -n "$found" ]; then
			echo "ok - $name: seed $found"
		else
			echo "not ok - $name: not noticed"
			tail -2 "$work/oracle.log" | sed 's/^/  # /'
		fi
	fi
	if [ -n "$found" ]; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
	"$python" "$here/mutation.py" undo "$name" "$work/src"
done
echo "mutation test: $caught of $((caught + missed)) mutants caught"
[ "$missed" = 0 ] && [ "$caught" -gt 0 ]
