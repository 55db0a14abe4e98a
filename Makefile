# pg_trickle: PGXS build.  "make check" runs every test; see ./check.sh.

EXTENSION = pg_trickle
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_trickle.control)
MODULE_big = pg_trickle
OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c))
SQL_PARTS = $(sort $(wildcard sql/[0-9]*.sql))
SQL_PARTS_0_31_0 = $(filter-out sql/05_% sql/30_cluster.sql,$(SQL_PARTS))
DATA_built = sql/pg_trickle--$(EXTVERSION).sql sql/pg_trickle--0.31.0.sql \
	sql/pg_trickle--0.31.0--0.32.0.sql sql/pg_trickle--0.32.0--0.31.0.sql

PG_CPPFLAGS = -I$(CURDIR)/src
# Empty for a compiler newer than ours, which may warn of more.
WERROR ?= -Werror
PG_CFLAGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-clobbered -MMD -MP

# The HTTP endpoint needs libmicrohttpd; "make WITH_HTTP=no" leaves it out.
ifneq ($(WITH_HTTP),no)
WITH_HTTP := $(shell pkg-config --exists 'libmicrohttpd >= 0.9.71' 2>/dev/null && echo yes)
endif
ifeq ($(WITH_HTTP),yes)
PG_CPPFLAGS += -DPGT_WITH_HTTP $(shell pkg-config --cflags libmicrohttpd)
SHLIB_LINK += $(shell pkg-config --libs libmicrohttpd)
else ifeq ($(filter clean,$(MAKECMDGOALS)),)
$(info pg_trickle: building without the HTTP endpoint, for want of libmicrohttpd 0.9.71 and pkg-config)
endif

EXTRA_CLEAN = $(DATA_built) $(OBJS:.o=.d) $(OBJS:.o=.bc)

# For a server that has pg_trickle installed and preloaded, and whose scheduler
# is off; "make check-regress" needs no such server.
REGRESS = setup $(filter-out setup final,$(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))) final
REGRESS_OPTS = --inputdir=test --outputdir=build/installcheck --encoding=UTF8
REGRESS_PREP = build/installcheck

PG_CONFIG ?= pg_config
# Bitcode would only serve inlining by JIT, which refreshes turn off.
override with_llvm = no
PGXS := $(shell $(PG_CONFIG) --pgxs)
# PGXS has a target named check, which only says that it is not supported.
ifneq ($(MAKECMDGOALS),check)
include $(PGXS)
endif

# Others' code: our warnings are not theirs, and its names stay inside.
src/import/%.o: override CFLAGS += -w -fvisibility=hidden

-include $(OBJS:.o=.d)

build/installcheck:
	mkdir -p $@

# See sql/README.md.  An update replays the parts but the tables and the event
# trigger; lines that end in "-- since 0.32.0" are no part of 0.31.0.
SQL_MADE_ONCE = sql/00_tables.sql sql/15_event_trigger.sql
SQL_HEADER = printf '%s\n' '\echo Use "CREATE EXTENSION pg_trickle" to load this file. \quit'
SQL_UPDATE_HEADER = printf '%s\n' '\echo Use "ALTER EXTENSION pg_trickle UPDATE" to load this file. \quit'
SQL_LATER = -- since 0\.32\.0$$
SQL_REPLAY = sed 's/^CREATE \(FUNCTION\|VIEW\) /CREATE OR REPLACE \1 /'

sql/pg_trickle--$(EXTVERSION).sql: $(SQL_PARTS) Makefile
	($(SQL_HEADER); cat $(SQL_PARTS)) > $@

sql/pg_trickle--0.31.0.sql: $(SQL_PARTS_0_31_0) Makefile
	($(SQL_HEADER); sed '/$(SQL_LATER)/d' $(SQL_PARTS_0_31_0)) > $@

sql/pg_trickle--0.31.0--0.32.0.sql: $(SQL_PARTS) $(wildcard sql/updates/0.31.0--0.32.0.*) Makefile
	($(SQL_UPDATE_HEADER); cat sql/updates/0.31.0--0.32.0.before.sql; \
	$(SQL_REPLAY) $(filter-out $(SQL_MADE_ONCE),$(SQL_PARTS)); \
	cat sql/updates/0.31.0--0.32.0.after.sql) > $@

sql/pg_trickle--0.32.0--0.31.0.sql: $(SQL_PARTS_0_31_0) sql/updates/0.32.0--0.31.0.sql Makefile
	($(SQL_UPDATE_HEADER); cat sql/updates/0.32.0--0.31.0.sql; \
	sed '/$(SQL_LATER)/d' $(filter-out $(SQL_MADE_ONCE),$(SQL_PARTS_0_31_0)) | $(SQL_REPLAY)) > $@

# ---- the archive for PGXN, of what is committed -------------------------------

dist:
	git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ -o $(EXTENSION)-$(EXTVERSION).zip HEAD
	git archive --format=tar.gz --prefix=$(EXTENSION)-$(EXTVERSION)/ -o $(EXTENSION)-$(EXTVERSION).tar.gz HEAD

# ---- tests; see test/README.md ---------------------------------------------
#
# Each target builds what is new, stages it beside a copy of the server under
# build/, and leaves its outputs there.  Nothing is installed.

SUITE = $(MAKE) -s with_llvm=no PG_CONFIG='$(PG_CONFIG)' all && PG_CONFIG='$(PG_CONFIG)' tools/suite.sh

.PHONY: bench check check-regress check-iso check-tap check-citus check-corpus check-random check-mutation check-one \
	check-sqlsmith check-fuzz check-asan check-valgrind check-faults dist lint

ifeq ($(MAKECMDGOALS),check)
check:
	./check.sh
endif

check-regress:
	$(SUITE) regress

check-iso:
	$(SUITE) iso

check-tap:
	$(SUITE) tap

# A cluster of three servers, where Citus is installed; and a build without it.
check-citus:
	$(SUITE) citus leaf

# make check-random [N=seconds] [SEED=number]
check-random:
	SEED='$(SEED)' && export SEED && $(SUITE) random=$(N)

check-mutation:
	$(SUITE) mutation

# make check-sqlsmith [N=queries] [SEED=number]; needs Debian's sqlsmith
check-sqlsmith:
	$(SUITE) sqlsmith=$(or $(N),1000)$(if $(SEED),:$(SEED))

# make check-corpus SOURCE=directory [T=name,...]; of a source tree of PostgreSQL
check-corpus:
	@test -n '$(SOURCE)' || { echo 'usage: make check-corpus SOURCE=directory'; exit 2; }
	$(SUITE) corpus='$(SOURCE)'$(if $(T),:$(T))

# Crashes, cancels, full disks, promotions and storms, as often as takes an hour.
FAULTS = 002_crash,003_restart,004_promotion,005_cancel,010_storm,013_dag,017_pool,021_unlogged,042_disk_full
check-faults:
	PGT_CRASH_ROUNDS=200 PGT_DISK_ROUNDS=100 PGT_STORM=10000 PGT_TAP_SECONDS=3600 && \
		export PGT_CRASH_ROUNDS PGT_DISK_ROUNDS PGT_STORM PGT_TAP_SECONDS && $(SUITE) tap=$(FAULTS)

# Through every folder of src/, in half an hour of one processor.
VALGRIND_TESTS = api_create,api_alter,api_drop,api_refresh,api_explain,api_status,api_monitor,api_placement,api_subscribe,dag,capture,source_types,source_partition,op_join,op_group,op_window,op_recursive,op_errors,cost,rights,truncate

# make check-asan [T=name,...], check-valgrind [T=name,...]: of test/sql
check-asan:
	PG_CONFIG='$(PG_CONFIG)' tools/suite.sh asan$(if $(T),=$(T))

check-valgrind:
	$(SUITE) valgrind=$(or $(T),$(VALGRIND_TESTS))

# make check-fuzz [SECONDS=n] [SEED=number]: the parsers of texts, without a server
check-fuzz:
	mkdir -p build
	gcc -O1 -g -fwrapv -fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-D_GNU_SOURCE -Isrc -I'$(shell $(PG_CONFIG) --includedir-server)' -o build/fuzz-parsers \
		test/fuzz/parsers.c src/scheduler/schedule.c $(wildcard src/import/*.c)
	build/fuzz-parsers $(or $(SECONDS),60) $(SEED)

# What can be said of the files alone.
lint:
	tools/lint.sh

# Ratios, measured side by side in one run; never a test.
bench:
	PG_CONFIG='$(PG_CONFIG)' bench/run.sh

# make check-one T=name: one test of test/sql, test/specs, test/t or test/citus
check-one:
	@test -n '$(T)' || { echo 'usage: make check-one T=name'; exit 2; }
	@part=; \
	if [ -e 'test/sql/$(T).sql' ]; then part='regress=$(T)'; fi; \
	if [ -e 'test/specs/$(T).spec' ]; then part="$$part iso=$(T)"; fi; \
	if [ -e 'test/t/$(T).pl' ]; then part="$$part tap=$(T)"; fi; \
	if [ -e 'test/citus/$(T).pl' ]; then part="$$part citus=$(T)"; fi; \
	test -n "$$part" || { echo 'no test is named $(T)'; exit 2; }; \
	$(SUITE) $$part
