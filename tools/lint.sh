#!/bin/bash
# What can be said of the files alone; prints what is against the rules.
#
#   usage: tools/lint.sh            exit status 0 if nothing is
#
# With cppcheck installed and PGT_CPPCHECK=1 it is asked too, which takes minutes.
set -u
cd "$(dirname "$0")/.." || exit 2

say() { # say WHAT, with the findings on standard input
	local found
	found=$(cat)
	[ -n "$found" ] || return 0
	echo "$1:"
	printf '%s\n' "$found" | head -n 20 | cut -c 1-160 | sed 's/^/    /'
}

# Not those that a build makes, nor the code of others.
files=$(find . \( -path ./.git -o -path ./build -o -path ./src/import -o -path './debian/postgresql-*' \
	-o -path ./debian/.debhelper \) -prune \
	-o -type f \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.p[lmy]' -o -name '*.md' \
	-o -name '*.spec' -o -name '*.json' -o -name Makefile -o -name Dockerfile -o -path './debian/*' \) \
	! -name 'pg_trickle--*.sql' -print | LC_ALL=C sort)
[ -n "$files" ] || { echo "lint.sh: no files" >&2; exit 2; }
code=$(printf '%s\n' "$files" | grep '\.[ch]$')

checks() {
	grep -nE '[[:blank:]]+$' $files | say "blanks at the end of a line"
	for f in $files; do
		[ -z "$(tail -c 1 "$f")" ] || echo "$f"
	done | say "no newline at the end"
	find test -name '*_[0-9].out' | say "a second expected output"
	# The words are in two parts, so that they do not find themselves.
	grep -nwE 'TO''DO|FIX''ME|XX''X' $files | say "left for later"
	grep -nE '(^|[^A-Za-z0-9_./-])/(home|root|work|Users)/[a-z]' $files | say "a path of one machine"
	grep -nE 'PG_VERSION''_NUM|PG_MAJOR''VERSION' $code | grep -v '^\./src/compat\.h:' |
		say "a test of PostgreSQL's version outside of src/compat.h"
	for f in $code; do
		[ "$(sed -n '3s/^ \* //p' "$f")" = "${f##*/}" ] || echo "$f"
	done | say "a head that does not name its file"

	for f in test/expected/*.out; do
		[ -e "test/sql/$(basename "$f" .out).sql" ] || echo "$f"
	done | say "an expected output without its test"
	for f in test/sql/*.sql; do
		[ -e "test/expected/$(basename "$f" .sql).out" ] || echo "$f"
	done | say "a test without its expected output"
	for d in src/*/; do
		[ -e "$d/README.md" ] || echo "$d"
	done | say "a folder without README.md"

	# An error that has no code is an internal one to whoever catches it.
	awk '
		FNR == 1 { text = "" }
		/ereport\((ERROR|FATAL)/ { text = ""; at = FILENAME ":" FNR; open = 1 }
		open {
			text = text $0
			if (/\);[[:blank:]]*$/) {
				if (text !~ /errcode/) print at
				open = 0
			}
		}' $code | say "an error without errcode"

	python3 test/metadata.py 2>&1 | say "metadata"

	if [ -n "${PGT_CPPCHECK:-}" ] && command -v cppcheck > /dev/null; then
		cppcheck --quiet --inline-suppr --std=c99 --enable=warning,portability --error-exitcode=0 \
			--suppress=missingInclude --suppress=unknownMacro -j 2 \
			-D'foreach(c,l)=for(c=0;c;)' -D'PG_TRY()=if(1)' -D'PG_CATCH()=else' -D'PG_FINALLY()=' \
			-D'PG_END_TRY()=' -D'PG_FUNCTION_INFO_V1(f)=' -D'INT64CONST(x)=(x##L)' \
			-DPG_VERSION_NUM=150000 -Isrc src 2>&1 | say cppcheck
	fi
}

found=$(checks)
[ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
