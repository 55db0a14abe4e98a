"""Many stream tables: what they cost while nothing happens, and whether each is
kept within its schedule while much does."""

import bisect
import glob
import os
import re
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
    """Memory that would come back if they ended.  Of what is shared, such as the
    buffers, /proc calls private what no other process has looked at yet."""
    kb = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
            for line in smaps:
                mapping = re.match(r"[0-9a-f]+-[0-9a-f]+ ...(.) ", line)
                if mapping:
                    private = mapping.group(1) == "p"
                elif private and line.startswith("Private_"):
                    kb += int(line.split()[1])
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


class Load:
    """Single-row commits at random moments.  Each source has a script, so that
    pgbench's log tells when it was changed."""

    def __init__(self, seconds):
        self.directory = tempfile.TemporaryDirectory()
        command = ["pgbench", "-n", "-c", "4", "-j", "1", "-R", str(COMMITS), "-T", str(seconds),
                   "-l", "--log-prefix", f"{self.directory.name}/log"]
        for i in range(SOURCES):
            path = f"{self.directory.name}/{i}.sql"
            with open(path, "w", encoding="ascii") as script:
                script.write("\\set i random(1, 1000)\n"
                             f"UPDATE ops_{i} SET val = val + 1 WHERE id = :i;\n")
            command += ["-f", path]
        self.process = subprocess.Popen(command + ["bench"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, encoding="utf-8")

    def wait(self):
        """Commits a second."""
        output = self.process.communicate()[0]
        if self.process.returncode:
            raise SystemExit(f"ops.py: pgbench failed: {output}")
        return next(float(line.split()[2]) for line in output.splitlines()
                    if line.startswith("tps ="))

    def commits(self):
        """For each source, when its transactions had ended, and when they began."""
        found = [[] for _ in range(SOURCES)]
        for path in glob.glob(f"{self.directory.name}/log.*"):
            with open(path, encoding="ascii") as log:
                for line in log:
                    us, script, s, us_of_s, lag = (int(x) for x in line.split()[2:7])
                    end = s + us_of_s / 1e6
                    found[script].append((end, end - (us - lag) / 1e6))
        return [sorted(times) for times in found]


REFRESHES = """
    SELECT split_part(pgt_name, '_', 3)::int,
           array_agg(ARRAY[extract(epoch FROM h.data_timestamp), extract(epoch FROM h.end_time)]
                     ORDER BY refresh_id)::float8[]
    FROM pgtrickle.pgt_refresh_history h JOIN pgtrickle.pgt_stream_tables USING (pgt_id)
    WHERE pgt_name LIKE 'ops_st_%%' AND start_time > to_timestamp(%s) GROUP BY 1"""


def ages(commits, refreshes, since, now):
    """How old the first change was that a stream table did not show, in ms, when
    it was shown: for each refresh since then, and now.  A change is as old as its
    transaction, unless that began before a snapshot that did not see it."""
    found = []
    for snapshots in refreshes:
        for (snapshot, _), (_, end) in zip(snapshots, snapshots[1:] + [(now, now)]):
            first = bisect.bisect(commits, (snapshot, now))
            began = [began for _, began in commits[first:first + 8]
                     if end < now or began > snapshot]      # the last ones may have been seen
            if began and end >= since:
                found.append((end - max(min(began), snapshot)) * 1000)
    return found


def bench_load(db, report, tables, quick):
    warm, seconds = (3, 5) if quick else (10, 30)       # plans, and what a pause has left
    writers = Load(warm + seconds)
    time.sleep(warm)
    since = time.time()
    pids = workers(db)
    cpu = cpu_seconds(pids)
    time.sleep(seconds)
    try:
        used = f"{100 * (cpu_seconds(pids) - cpu) / (time.time() - since):.0f} % of a processor"
    except FileNotFoundError:
        used = "workers came and went"
    used += f", {number(private_mb(workers(db)))} MB"
    tps = writers.wait()
    time.sleep(3 * SCHEDULE_MS / 1000)                  # whoever is not fresh by now is late
    commits = writers.commits()
    refreshes = [[] for _ in range(SOURCES)]
    for table, snapshots in db.rows(REFRESHES, since - 3 * SCHEDULE_MS / 1000):
        refreshes[table % SOURCES].append(snapshots)
    found = [age for i in range(SOURCES)
             for age in ages(commits[i], refreshes[i], since, time.time())]
    if sum(map(len, refreshes)) < tables:
        raise SystemExit("ops.py: not all stream tables were refreshed")
    late = sum(age > SCHEDULE_MS for age in found)
    what = f"{tables} stream tables '{SCHEDULE_MS}ms' over {SOURCES} sources, {COMMITS} commits/s"
    report.add(f"{what}: 99 % of refreshes show a change within",
               percentile(found, 0.99), " ms", SCHEDULE_MS, SCHEDULE_MS,
               f"half {number(percentile(found, 0.5))} ms; {number(tps)} commits/s; {used}")
    report.add(f"{what}: all within", max(found), " ms", SCHEDULE_MS, SCHEDULE_MS,
               f"{late} of {len(found)} later than the schedule; load average"
               f" {os.getloadavg()[0]:.1f}")


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
