"""Ten minutes of 2,000 row changes a second: what grows meanwhile."""

import os
import statistics
import subprocess
import tempfile
import time

from measure import number
from ops import private_mb, scheduler, workers

ORDERS = 20000
ROWS = 10               # of a transaction
COMMITS = 200           # a second
SETTLED = 3             # minutes after which nothing may grow

TABLES = (
    ("soak_totals", "0s", "SELECT customer, count(*) AS n, sum(amount) AS s FROM soak_orders GROUP BY customer"),
    ("soak_named", "1s", "SELECT o.id, c.name, o.amount FROM soak_orders o JOIN soak_customers c"
     " ON c.id = o.customer WHERE o.amount > 500"),
    ("soak_top", "1s", "SELECT customer, max(amount) AS top FROM soak_orders GROUP BY customer"),
    ("soak_values", "1s", "SELECT DISTINCT amount / 10 AS tens FROM soak_orders"),
    ("soak_ranks", "5s", "SELECT id, customer, rank() OVER (PARTITION BY customer ORDER BY amount) AS r"
     " FROM soak_orders WHERE customer < 50"),
    ("soak_bag", "5s", "SELECT customer, amount % 7 AS m FROM soak_orders"),
    ("soak_regions", "1s", "SELECT c.region, sum(t.s) AS s FROM soak_totals t JOIN soak_customers c"
     " ON c.id = t.customer GROUP BY c.region"),
    ("soak_rare", "1m", "SELECT o.customer, o.amount FROM soak_orders o WHERE NOT EXISTS"
     " (SELECT FROM soak_customers c WHERE c.id = o.customer AND c.region = 3)"),
)

# Each changes ROWS rows and leaves as many as there were.  Blocks of the same
# ids keep two writers from waiting for each other crosswise.
SCRIPTS = (f"""
\\set b random(0, {ORDERS // ROWS - 1}) * {ROWS}
UPDATE soak_orders SET amount = (amount + 37 * id) % 1000 WHERE id BETWEEN :b AND :b + {ROWS - 1};
""", f"""
\\set b random(0, {ORDERS // ROWS - 1}) * {ROWS}
BEGIN;
DELETE FROM soak_orders WHERE id BETWEEN :b AND :b + {ROWS // 2 - 1};
INSERT INTO soak_orders SELECT i, (i * 13 + :b) % 1000, i % 1000
    FROM generate_series(:b, :b + {ROWS // 2 - 1}) AS i ON CONFLICT DO NOTHING;
COMMIT;
""")

CHANGED = ("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables"
           " WHERE relname IN ('soak_orders', 'soak_customers')")

# Files of what we write, in MB.  The history fills up to its bound meanwhile,
# and shows by itself whether it is kept there.
SIZES = """
    SELECT coalesce(sum(pg_total_relation_size(oid)) FILTER (
               WHERE relnamespace = 'pgtrickle_changes'::regnamespace), 0)::float8 / 1048576,
           coalesce(sum(pg_total_relation_size(oid)) FILTER (
               WHERE relnamespace <> 'pgtrickle_changes'::regnamespace
                 AND relname <> 'pgt_refresh_history'), 0)::float8 / 1048576,
           coalesce(sum(pg_total_relation_size(oid)) FILTER (
               WHERE relname = 'pgt_refresh_history'), 0)::float8 / 1048576
      FROM pg_class
     WHERE relkind IN ('r', 'm')
       AND (relname LIKE 'soak_%%' AND relname NOT IN ('soak_orders', 'soak_customers')
            OR relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pgtrickle%%'
                                OR nspname = 'pg_catalog'))"""


def create(db):
    db.run("CREATE TABLE soak_customers (id int PRIMARY KEY, region int NOT NULL, name text NOT NULL)")
    db.run("INSERT INTO soak_customers SELECT i, i % 5, 'customer ' || i FROM generate_series(0, 999) AS i")
    db.run("CREATE TABLE soak_orders (id int PRIMARY KEY, customer int NOT NULL, amount int NOT NULL)"
           " WITH (fillfactor = 70)")
    db.run(f"INSERT INTO soak_orders SELECT i, i * 13 % 1000, i % 1000 FROM generate_series(0, {ORDERS - 1}) AS i")
    for name, schedule, query in TABLES:
        db.run("SELECT pgtrickle.create_stream_table(%s, %s, schedule => %s,"
               " refresh_mode => 'DIFFERENTIAL')", name, query, schedule)
    db.run("VACUUM ANALYZE")


def writers(db):
    return [row[0] for row in db.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'")]


def memory(pids):
    """Of those that did not end just now."""
    total = 0
    for pid in pids:
        try:
            total += private_mb([pid])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def start_load(directory, seconds):
    command = ["pgbench", "-n", "-c", "4", "-j", "1", "-R", str(COMMITS), "-T", str(seconds)]
    for i, text in enumerate(SCRIPTS):
        path = os.path.join(directory, f"{i}.sql")
        with open(path, "w", encoding="ascii") as script:
            script.write(text)
        command += ["-f", path]
    return subprocess.Popen(command + ["bench"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, encoding="utf-8")


def watch(db, load, pause):
    """Until the load ends: (time since its start, sizes of SIZES, memory of our
    processes, of the writers)."""
    samples, start = [], time.time()
    while load.poll() is None:
        time.sleep(pause)
        if load.poll() is None:
            samples.append((time.time() - start, *db.rows(SIZES)[0],
                            memory(workers(db)), memory(writers(db))))
    return samples


def bench_soak(db, report, quick, _ivm):
    seconds = 30 if quick else 600
    minute = seconds / 10
    db.run("ALTER SYSTEM SET autovacuum = on")
    db.run("ALTER SYSTEM SET autovacuum_naptime = '10s'")
    create(db)
    scheduler(db, "on")
    with tempfile.TemporaryDirectory() as directory:
        time.sleep(2)                   # statistics of tables come late
        before = db.value(CHANGED)
        load = start_load(directory, seconds)
        samples = watch(db, load, 0.5 if quick else 5)
        output = load.communicate()[0]
    if load.returncode or "ERROR" in output:
        raise SystemExit(f"soak.py: pgbench failed: {output}")
    time.sleep(2)
    rate = (db.value(CHANGED) - before) / seconds

    def mean(column, begin, end):
        return statistics.mean(s[column] for s in samples if begin * minute <= s[0] <= end * minute)

    def most(column, begin, end):
        return max(s[column] for s in samples if begin * minute <= s[0] <= end * minute)

    def growth(column):
        """What the last two minutes have over the fourth and the fifth, in percent."""
        return 100 * (mean(column, 8, 10) / mean(column, SETTLED, SETTLED + 2) - 1)

    what = f"{number(rate)} row changes/s for {number(seconds / 60)} minutes, {len(TABLES)} stream tables"
    report.add(f"{what}: largest size of all change buffers", most(1, 0, 10), " MB", 64, 16,
               f"after minute {SETTLED} {number(most(1, SETTLED, 10))}, mean of the last two minutes {number(mean(1, 8, 10))}")
    report.add(f"{what}: growth after minute {SETTLED} of stream tables, their state and catalogs",
               growth(2), " %", 5, 0,
               f"minutes {SETTLED} to {SETTLED + 2} {number(mean(2, SETTLED, SETTLED + 2))},"
               f" last two {number(mean(2, 8, 10))} MB; history {number(mean(3, SETTLED, SETTLED + 2))}"
               f" to {number(mean(3, 8, 10))} MB")
    report.add(f"{what}: growth after minute {SETTLED} of the private memory of our processes",
               growth(4), " %", 5, 0,
               f"minutes {SETTLED} to {SETTLED + 2} {number(mean(4, SETTLED, SETTLED + 2))},"
               f" last two {number(mean(4, 8, 10))} MB")
    report.add(f"{what}: the same of the writers", growth(5), " %", 5, 0,
               f"{number(mean(5, SETTLED, SETTLED + 2))} to {number(mean(5, 8, 10))} MB of 4")
    failed = db.value("SELECT count(*) FROM pgtrickle.pgt_refresh_history WHERE status = 'FAILED'")
    if failed:
        raise SystemExit(f"soak.py: {failed} refreshes failed")
    scheduler(db, "off")
    db.run("ALTER SYSTEM SET autovacuum = off")
    db.run("SELECT pg_reload_conf()")
    for name, _, _ in TABLES:
        db.check(name)
