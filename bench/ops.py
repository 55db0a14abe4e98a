"""Many stream tables: what they cost while nothing happens, and whether each is
kept within its schedule while much does."""

import os
import subprocess
import tempfile
import time

from measure import number, percentile

SOURCES = 50
COMMITS = 500           # a second
SCHEDULE_MS = 1000


def workers(db):
    return [row[0] for row in db.rows(
        "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_trickle%'")]


def cpu_seconds(pids):
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def private_mb(pids):
    """Memory that would come back if they ended: not the shared buffers."""
    kb = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as smaps:
            kb += sum(int(line.split()[1]) for line in smaps if line.startswith("Private_"))
    return kb / 1024


def create(db, tables):
    for i in range(SOURCES):
        db.run(f"CREATE TABLE ops_{i} (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL)")
        db.run(f"INSERT INTO ops_{i} SELECT i, i % 10, 0 FROM generate_series(1, 1000) AS i")
    queries = ("SELECT grp, count(*) AS c, sum(val) AS s FROM {0} GROUP BY grp",
               "SELECT id, val FROM {0} WHERE grp = {1}",
               "SELECT grp, max(val) AS top FROM {0} GROUP BY grp",
               "SELECT a.id, a.val, b.c FROM {0} a JOIN ops_names b USING (grp) WHERE a.id % 20 = {1}")
    db.run("CREATE TABLE ops_names AS SELECT i AS grp, i::text AS c FROM generate_series(0, 9) AS i")
    for i in range(tables):
        query = queries[i // SOURCES % len(queries)].format(f"ops_{i % SOURCES}", i // SOURCES % 10)
        db.run("SELECT pgtrickle.create_stream_table(%s, %s, schedule => %s,"
               " refresh_mode => 'DIFFERENTIAL')", f"ops_st_{i}", query, f"{SCHEDULE_MS}ms")
    db.run("VACUUM ANALYZE")


def change_all(db):
    for i in range(SOURCES):
        db.run(f"UPDATE ops_{i} SET val = val + 1")


def wait_fresh(db, tables, since):
    deadline = time.time() + 120
    while db.value("SELECT count(*) FROM pgtrickle.pgt_stream_tables"
                   " WHERE pgt_name LIKE 'ops_st_%%' AND data_timestamp > %s", since) < tables:
        if time.time() > deadline:
            raise SystemExit("ops.py: not all stream tables follow within 2 minutes")
        time.sleep(0.2)


def load(seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set s random(0, {SOURCES - 1})\n\\set i random(1, 1000)\n"
                     "UPDATE ops_:s SET val = val + 1 WHERE id = :i;\n")
        script.flush()
        done = subprocess.run(
            ["pgbench", "-n", "-c", "4", "-j", "1", "-R", str(COMMITS), "-T", str(seconds),
             "-f", script.name, "bench"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"ops.py: pgbench failed: {done.stdout}")
    return next(float(line.split()[2]) for line in done.stdout.splitlines()
                if line.startswith("tps ="))


# How old what a stream table showed had become when the next refresh replaced it,
# counted from the first change that it did not show, of which there is one each
# SOURCES / COMMITS seconds: from its snapshot, so this is an upper bound.
AGES = """
    SELECT age * 1000 FROM (
        SELECT extract(epoch FROM end_time - lag(data_timestamp) OVER (PARTITION BY pgt_id
            ORDER BY refresh_id))::float8 AS age, start_time
        FROM pgtrickle.pgt_refresh_history) AS h
    WHERE age IS NOT NULL AND start_time > %s"""


def bench_load(db, report, tables, quick):
    load(2 if quick else 10)            # plans, and the first batch after the pause
    start = db.value("SELECT clock_timestamp()")
    seconds = 5 if quick else 30
    pids = workers(db)
    cpu = cpu_seconds(pids)
    tps = load(seconds)
    try:
        used = f"{100 * (cpu_seconds(pids) - cpu) / seconds:.0f} % of a processor"
    except FileNotFoundError:
        used = "workers came and went"
    ages = [row[0] for row in db.rows(AGES, start)]
    late = sum(age > SCHEDULE_MS for age in ages)
    what = f"{tables} stream tables '{SCHEDULE_MS}ms' over {SOURCES} sources, {COMMITS} commits/s"
    report.add(f"{what}: 99 % of refreshes before what was shown is older than",
               percentile(ages, 0.99), " ms", SCHEDULE_MS, SCHEDULE_MS,
               f"half {number(percentile(ages, 0.5))}, oldest {number(max(ages))} ms, {late} of"
               f" {len(ages)} later than the schedule; {number(tps)} commits/s; {used},"
               f" {number(private_mb(workers(db)))} MB")


def bench_idle(db, report, tables, quick):
    time.sleep(2 if quick else 130)     # what was not used for a minute is let go
    pids = workers(db)
    cpu, at = cpu_seconds(pids), time.time()
    time.sleep(5 if quick else 65)      # with one look at everything, as each minute
    share = 100 * (cpu_seconds(pids) - cpu) / (time.time() - at)
    report.add(f"{tables} stream tables, idle: share of a processor", share, " %", 1, 0.2,
               f"{len(pids)} processes, over {time.time() - at:.0f} s")
    mb = private_mb(pids)
    report.add(f"{tables} stream tables, idle: private memory of all workers", mb, " MB", 100, 50,
               f"{number(1024 * mb / tables)} kB for each")


def bench_ops(db, report, quick, ivm):
    tables = 100 if quick else 1000
    create(db, tables)
    scheduler(db, "on")
    start = db.value("SELECT clock_timestamp()")
    change_all(db)
    wait_fresh(db, tables, start)
    bench_load(db, report, tables, quick)
    bench_idle(db, report, tables, quick)
    scheduler(db, "off")
    for i in range(0, tables, tables // 20):
        db.check(f"ops_st_{i}")


def scheduler(db, state):
    db.run(f"ALTER SYSTEM SET pg_trickle.enabled = {state}")
    db.run("SELECT pg_reload_conf()")
