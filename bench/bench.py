#!/usr/bin/python3
"""Side-by-side measurements; see README.md for what each of them is.

What enters: a server (PGHOST, PGPORT, PGUSER) with a database named bench, and
pgbench in PATH.  What leaves: a table on standard output.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from measure import (Database, Report, cpu, elapsed, interleave, median, number, percentile,
                     ratio)
from ops import bench_ops, scheduler
from scrape import bench_scrape
from soak import bench_soak


def has_ivm(db):
    return db.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_ivm'") == 1


# Writers: a million rows, all columns captured.

WIDE = """
    CREATE TABLE {0} (id bigserial PRIMARY KEY, grp int NOT NULL, val int NOT NULL,
        num numeric NOT NULL, txt text NOT NULL);
    INSERT INTO {0} (grp, val, num, txt)
    SELECT i % 10000, i % 1000, (i % 100000) / 100.0, md5(i::text) || i % 10000
    FROM generate_series(1, {1}) AS i;"""


def writer_tables(db, ivm):
    """A table for each way of capture; returns their names."""
    tables = ["bare", "captured"] + (["ivm"] if ivm else [])
    if db.value("SELECT to_regclass('bare') IS NULL"):
        for table in tables:
            db.run(WIDE.format(table, 1_000_000))
            db.run(f"VACUUM (ANALYZE, FREEZE) {table}")
        db.stream_table("captured_st", "SELECT id, grp, val, num, txt FROM captured")
        if ivm:
            db.run("SELECT pgivm.create_immv('ivm_grp',"
                   " 'SELECT grp, sum(val) AS s, count(*) AS c FROM ivm GROUP BY grp')")
    return tables


def bench_bulk(db, report, quick, ivm):
    tables = writer_tables(db, ivm)
    with tempfile.NamedTemporaryFile("w", suffix=".copy") as file:
        for i in range(100_000):
            file.write(f"{i % 10000}\t{i % 1000}\t{i / 100:.2f}\t{i:036d}\n")
        file.flush()
        statements = {
            "10k INSERT": (1.35, """INSERT INTO {table} (grp, val, num, txt)
                SELECT i % 10000, i, i / 100.0, md5(i::text) || i % 10000
                FROM generate_series(1, 10000) AS i"""),
            "10k UPDATE": (1.4, "UPDATE {table} SET val = val + 1"
                           " WHERE id BETWEEN {low} AND {low} + 9999"),
            "COPY 100k": (1.4, "COPY {table} (grp, val, num, txt) FROM '" + file.name + "'"),
        }
        for name, (must, sql) in statements.items():
            def measure(table, repetition):
                low = 1 + 10000 * (repetition % 90)
                return db.timed_both(sql.format(table=table, low=low))
            compared = [t for t in tables if t != "ivm"]
            interleave(1, compared, measure)
            ms = interleave(3 if quick else 25, compared, measure)
            bare, captured = ms["bare"], ms["captured"]
            facts = (f"{number(median(elapsed(bare)))} → {number(median(elapsed(captured)))} ms, "
                     f"processor time {number(ratio(cpu(captured), cpu(bare)))}×")
            if ivm:
                slow = interleave(1 if quick else 3, ["bare", "ivm"], measure)
                facts += f"; pg_ivm {number(ratio(elapsed(slow['ivm']), elapsed(slow['bare'])))}×"
            report.add(f"{name}, with capture ÷ without", ratio(elapsed(captured), elapsed(bare)),
                       "×", must, 1.2, facts)
    db.refresh("captured_st")
    db.check("captured_st")


PGBENCH = {
    "insert": """\\set g random(0, 9999)
        INSERT INTO {table} (grp, val, num, txt)
        VALUES (:g, :g, :g / 100.0, 'a text of thirty-six bytes or so here');""",
    "update": """\\set i random(1, 900000)
        UPDATE {table} SET val = val + 1 WHERE id = :i;""",
}


def pgbench(script, seconds, clients=2, synchronous="on"):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(re.sub(r"\n +", "\n", script) + "\n")
        file.flush()
        done = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", str(clients),
             "-T", str(seconds), "-f", file.name, "bench"],
            env=dict(os.environ, PGOPTIONS=f"-c synchronous_commit={synchronous}"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    match = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode or not match:
        sys.exit(f"bench.py: pgbench failed: {done.stderr}")
    return float(match.group(1))


def bench_oltp(db, report, quick, ivm):
    tables = writer_tables(db, ivm)
    for kind, script in PGBENCH.items():
        for synchronous in ("on", "off"):
            def measure(table, repetition):
                return pgbench(script.format(table=table), 1 if quick else 3,
                               synchronous=synchronous)
            compared = [t for t in tables if t != "ivm"]
            tps = interleave(2 if quick else 9, compared, measure)
            facts = (f"{number(median(tps['bare']))} → {number(median(tps['captured']))} tps,"
                     f" best runs {max(tps['captured']) / max(tps['bare']):.2f}×")
            if ivm:
                slow = interleave(1, ["bare", "ivm"], measure)
                facts += f"; pg_ivm {number(ratio(slow['ivm'], slow['bare']))}×"
            report.add(f"pgbench 1-row {kind}, 2 clients, synchronous_commit {synchronous}: "
                       "tps with capture ÷ without",
                       ratio(tps["captured"], tps["bare"]), "×", 0.85, 0.95, facts, higher=True)
            db.refresh("captured_st")
    db.check("captured_st")


# One refresh inside the server: change, commit, then refresh and its commit,
# which waits for no flush.
REFRESH_LOOP = """
    CREATE OR REPLACE PROCEDURE refresh_loop(st text, change text, n int)
    LANGUAGE plpgsql AS $$
    DECLARE
        t0 timestamptz;
        t1 timestamptz;
    BEGIN
        FOR i IN 1 .. n LOOP
            IF change <> '' THEN
                EXECUTE change USING i;
                COMMIT;
            END IF;
            t0 := clock_timestamp();
            PERFORM pgtrickle.refresh_stream_table(st);
            COMMIT;
            t1 := clock_timestamp();
            INSERT INTO timings VALUES (st, extract(epoch FROM t1 - t0) * 1000);
            COMMIT;
        END LOOP;
    END $$;
    CREATE TABLE IF NOT EXISTS timings (what text, ms float8);"""


def refresh_loop(db, st, change, n):
    db.run("CALL refresh_loop(%s, %s, 5)", st, change)
    db.run("TRUNCATE timings")
    db.run("CALL refresh_loop(%s, %s, %s)", st, change, n)
    return [row[0] for row in db.rows("SELECT ms FROM timings")]


def bench_one(db, report, quick, ivm):
    db.run(REFRESH_LOOP)
    db.run("""
        CREATE TABLE one_sales (id int PRIMARY KEY, customer int NOT NULL, product int NOT NULL,
            amount int NOT NULL);
        INSERT INTO one_sales
        SELECT i, i % 50000, i % 1000, i % 500 FROM generate_series(1, 1000000) AS i;
        CREATE INDEX ON one_sales (customer);
        CREATE INDEX ON one_sales (product);
        CREATE TABLE one_customers (customer int PRIMARY KEY, region int NOT NULL);
        INSERT INTO one_customers SELECT i, i % 100 FROM generate_series(0, 49999) AS i;
        CREATE TABLE one_products (product int PRIMARY KEY, category int NOT NULL);
        INSERT INTO one_products SELECT i, i % 50 FROM generate_series(0, 999) AS i;""")
    db.run("VACUUM (ANALYZE, FREEZE)")
    grouped = "SELECT customer, count(*) AS c, sum(amount) AS s FROM one_sales GROUP BY customer"
    joined = """SELECT c.region, p.category, count(*) AS n, sum(s.amount) AS amount
        FROM one_sales s JOIN one_customers c USING (customer) JOIN one_products p USING (product)
        GROUP BY c.region, p.category"""
    change = "UPDATE one_sales SET amount = amount + 1 WHERE id = 1 + ($1 * 7919) % 1000000"
    n = 50 if quick else 1000
    for name, query, must, aim, what in (
            ("one_grouped", grouped, 0.5, 0.1, "group-by over 1M rows"),
            ("one_joined", joined, 1, 0.3, "3-table join + group-by")):
        db.stream_table(name, query)
        db.run(f"VACUUM ANALYZE {name}")
        ms = refresh_loop(db, name, change, n)
        facts = f"99 % within {number(percentile(ms, 0.99))} ms; query alone {number(db.timed(query))} ms"
        if ivm:
            db.run(f"SELECT pgivm.create_immv('{name}_ivm', $q${query}$q$)")
            with_ivm = [db.timed(change.replace("$1", str(i))) for i in range(100)]
            db.run(f"DROP TABLE {name}_ivm")
            without = [db.timed(change.replace("$1", str(i))) for i in range(100)]
            facts += f"; pg_ivm adds {number(median(with_ivm) - median(without))} ms to the UPDATE"
        report.add(f"refresh after 1 changed row, {what}", median(ms), " ms", must, aim, facts)
        db.check(name)
    db.refresh("one_grouped")
    us = [x * 1000 for x in refresh_loop(db, "one_grouped", "", n)]
    report.add("refresh with no change", median(us), " µs", 50, 10,
               f"99 % within {number(percentile(us, 0.99))} µs")


def bench_percent(db, report, quick, ivm):
    rows = 100_000
    db.run(f"""
        CREATE TABLE pct (id int PRIMARY KEY, grp int NOT NULL, ref int NOT NULL, val int NOT NULL,
            txt text NOT NULL);
        INSERT INTO pct SELECT i, i % 1000, i % 10000, i, md5(i::text)
        FROM generate_series(1, {rows}) AS i;
        CREATE INDEX ON pct (grp);
        CREATE INDEX ON pct (ref);
        CREATE TABLE pct_ref (ref int PRIMARY KEY, region int NOT NULL, name text NOT NULL);
        INSERT INTO pct_ref SELECT i, i % 100, md5(i::text) FROM generate_series(0, 9999) AS i;
        DELETE FROM pct WHERE id % 400 = 399;""")
    db.run("VACUUM (ANALYZE, FREEZE)")
    queries = {
        "scan": (15, "SELECT id, grp, val, txt FROM pct"),
        "filter": (15, "SELECT id, grp, val, txt FROM pct WHERE val % 2 = 0"),
        "aggregate": (5, "SELECT grp, count(*) AS c, sum(val) AS s FROM pct GROUP BY grp"),
        "join": (15, "SELECT p.id, p.val, r.ref, r.name FROM pct p JOIN pct_ref r USING (ref)"),
        "join+aggregate": (5, """SELECT r.region, count(*) AS c, sum(p.val) AS s
            FROM pct p JOIN pct_ref r USING (ref) GROUP BY r.region"""),
    }
    changes = """
        UPDATE pct SET val = val + 1 WHERE id % 200 = {0};
        DELETE FROM pct WHERE id % 400 = {1};
        INSERT INTO pct SELECT i, i % 1000, i % 10000, i, md5(i::text)
            FROM generate_series(1, {2}) AS i WHERE i % 400 = {3};"""
    repetitions = 3 if quick else 21
    found = {}
    for name, (must, query) in queries.items():
        st, mv = "pct_" + name.replace("+", "_"), "pctmv_" + name.replace("+", "_")
        db.stream_table(st, query)
        db.run(f"CREATE MATERIALIZED VIEW {mv} AS {query}")
        db.run(f"VACUUM ANALYZE {st}")
        found[name] = (st, mv, [], [])
    gone = 399
    for repetition in range(-1, repetitions):
        # a half updated, a quarter deleted, and the quarter deleted last inserted again
        going = (repetition + 1) % 399
        db.run(changes.format(repetition % 200, going, rows, gone))
        gone = going
        for name, (st, mv, st_ms, mv_ms) in found.items():
            steps = [(st_ms, f"SELECT pgtrickle.refresh_stream_table('{st}')"),
                     (mv_ms, f"REFRESH MATERIALIZED VIEW {mv}")]
            random.shuffle(steps)
            for times, sql in steps:
                ms = db.timed_both(sql)
                if repetition >= 0:
                    times.append(ms)
    for name, (must, query) in queries.items():
        st, mv, st_ms, mv_ms = found[name]
        db.check(st)
        facts = (f"{number(median(elapsed(st_ms)))} against {number(median(elapsed(mv_ms)))} ms, "
                 f"processor time {number(ratio(cpu(mv_ms), cpu(st_ms)))}×")
        if ivm:
            facts += ivm_percent(db, query, repetitions)
        report.add(f"1 % of 100k rows changed, {name}: REFRESH MATERIALIZED VIEW ÷ refresh",
                   ratio(elapsed(mv_ms), elapsed(st_ms)), "×", must, 60, facts, higher=True)


def ivm_percent(db, query, repetitions):
    """What pg_ivm adds to a 1 % update of the same table."""
    def update(i):
        return db.timed(f"UPDATE pct SET val = val + 1 WHERE id % 100 = {i % 100}")
    without = [update(i) for i in range(repetitions)]
    db.run(f"SELECT pgivm.create_immv('pct_ivm', $q${query}$q$)")
    with_ivm = [update(i) for i in range(repetitions)]
    db.run("DROP TABLE pct_ivm")
    return f"; pg_ivm adds {number(max(0, median(with_ivm) - median(without)))} ms to its writer"


def bench_keyed(db, report, quick, ivm):
    """The same change by three ways: C, the SQL path, and a MERGE with a saved plan."""
    db.run("""
        CREATE TABLE keyed (id int PRIMARY KEY, k int NOT NULL, v int NOT NULL);
        INSERT INTO keyed SELECT i, i, i % 1000 FROM generate_series(1, 1000000) AS i;
        CREATE INDEX ON keyed (k);""")
    query = "SELECT k, sum(v) AS s, count(*) AS c FROM keyed GROUP BY k"
    db.stream_table("keyed_c", query)
    db.stream_table("keyed_sql", query)
    db.run(f"CREATE TABLE keyed_merge WITH (fillfactor = 90) AS {query}")
    db.run("""
        ALTER TABLE keyed_merge ADD PRIMARY KEY (k);
        CREATE TABLE keyed_delta (w int NOT NULL, k int NOT NULL, v int NOT NULL);
        CREATE PROCEDURE merge_delta() LANGUAGE plpgsql AS $$
        BEGIN
            MERGE INTO keyed_merge t
            USING (SELECT k, sum(w * v) AS s, sum(w) AS c FROM keyed_delta GROUP BY k) d ON t.k = d.k
            WHEN MATCHED AND t.c + d.c = 0 THEN DELETE
            WHEN MATCHED THEN UPDATE SET s = t.s + d.s, c = t.c + d.c
            WHEN NOT MATCHED THEN INSERT VALUES (d.k, d.s, d.c);
        END $$;""")
    db.run("VACUUM (ANALYZE, FREEZE)")
    for n in (100, 10_000, 100_000):
        step = 1_000_000 // n

        def change(repetition):
            low = repetition % step
            db.run("TRUNCATE keyed_delta")
            db.run(f"INSERT INTO keyed_delta SELECT -1, k, v FROM keyed WHERE id % {step} = {low}"
                   if n > 100 else
                   f"INSERT INTO keyed_delta SELECT -1, k, v FROM keyed WHERE id = ANY"
                   f" (ARRAY(SELECT i FROM generate_series({low + 1}, 1000000, {step}) AS i))")
            db.run("UPDATE keyed SET v = v + 1 WHERE id IN (SELECT k FROM keyed_delta)")
            db.run("INSERT INTO keyed_delta SELECT 1, k, v + 1 FROM keyed_delta")
            db.run("ANALYZE keyed_delta")
        ways = {
            "c": ("SET pg_trickle.debug_apply = c", "SELECT pgtrickle.refresh_stream_table('keyed_c')"),
            "sql": ("SET pg_trickle.debug_apply = sql",
                    "SELECT pgtrickle.refresh_stream_table('keyed_sql')"),
            "merge": ("SELECT 1", "CALL merge_delta()"),
        }
        found = {way: [] for way in ways}
        repetitions = 2 if quick else 15 if n < 100_000 else 9
        for repetition in range(-1, repetitions):
            change(repetition + 1)
            for way in random.sample(list(ways), len(ways)):
                prepare, sql = ways[way]
                db.run(prepare)
                ms = db.timed_both(sql)
                if repetition >= 0:
                    found[way].append(ms)
        ms = {way: elapsed(pairs) for way, pairs in found.items()}
        facts = (f"C {number(median(ms['c']))} ms, SQL path {number(median(ms['sql']))} ms, "
                 f"MERGE {number(median(ms['merge']))} ms, processor time "
                 f"{number(ratio(cpu(found['merge']), cpu(found['c'])))}×")
        report.add(f"keyed delta of {n} rows into 1M: cached MERGE ÷ refresh through C",
                   ratio(ms["merge"], ms["c"]), "×", 1.3, 2, facts, higher=True)
    db.run("RESET pg_trickle.debug_apply")
    db.check("keyed_c")
    db.check("keyed_sql")
    if db.value("SELECT count(*) FROM (TABLE keyed_merge EXCEPT ALL SELECT k, s, c FROM keyed_c) AS d"):
        sys.exit("bench.py: the MERGE that was measured is wrong")


# One backend commits and then looks until the stream table shows it, so that
# one clock is read.
LATENCY_LOOP = """
    CREATE PROCEDURE {name}_loop(n int) LANGUAGE plpgsql AS $$
    DECLARE
        t0 timestamptz;
        t1 timestamptz;
        seen int;
        first int := (SELECT max(val) + 1 FROM {name});
    BEGIN
        FOR i IN first .. first + n - 1 LOOP
            PERFORM pg_sleep(random() * 0.0186);
            UPDATE {name} SET val = i WHERE id = 1 + i % 10000;
            t0 := clock_timestamp();
            COMMIT;
            LOOP
                SELECT {look} INTO seen;
                EXIT WHEN seen = i;
                IF clock_timestamp() > t0 + interval '10 s' THEN
                    RAISE EXCEPTION 'commit % is not in the stream table after 10 s', i;
                END IF;
            END LOOP;
            t1 := clock_timestamp();
            INSERT INTO timings VALUES ('{name}', extract(epoch FROM t1 - t0) * 1000);
            COMMIT;
        END LOOP;
    END $$;
    CREATE TABLE IF NOT EXISTS timings (what text, ms float8);"""


def latencies(writer, name, n):
    """Milliseconds from each of n commits to the moment it is seen."""
    writer.run(f"CALL {name}_loop(20)")
    writer.run("TRUNCATE timings")
    writer.run(f"CALL {name}_loop(%s)", n)
    return [row[0] for row in writer.rows("SELECT ms FROM timings")]


def bench_chain(db, report, quick, ivm):
    db.run("""
        CREATE TABLE chain (id int PRIMARY KEY, val int NOT NULL);
        INSERT INTO chain SELECT i, 0 FROM generate_series(1, 10000) AS i;""")
    db.run("VACUUM (ANALYZE, FREEZE)")
    db.run(LATENCY_LOOP.format(name="chain", look="val FROM chain_10 WHERE id = 1 + i % 10000"))
    for i in range(1, 11):
        db.stream_table(f"chain_{i}", f"SELECT id, val FROM chain{f'_{i - 1}' if i > 1 else ''}")
        db.run(f"CREATE INDEX IF NOT EXISTS chain_{i}_id ON chain_{i} (id)")
    scheduler(db, "on")
    ms = latencies(Database(), "chain", 50 if quick else 1000)
    scheduler(db, "off")
    report.add("commit to visible at '0s', through a chain of 10 stream tables: half within",
               median(ms), " ms", 20, 5, f"best {number(min(ms))} ms")
    report.add("commit to visible at '0s', through a chain of 10 stream tables: 99 % within",
               percentile(ms, 0.99), " ms", 20, 5, f"worst of {len(ms)}: {number(max(ms))} ms")
    for i in range(1, 11):
        db.check(f"chain_{i}")


def bench_latency(db, report, quick, ivm):
    db.run("""
        CREATE TABLE latency (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL);
        INSERT INTO latency SELECT i, (i - 1) % 100, 0 FROM generate_series(1, 10000) AS i;
        CREATE INDEX ON latency (grp, val);
        CREATE TABLE latency_load (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL);
        INSERT INTO latency_load SELECT i, i % 100, 0 FROM generate_series(1, 10000) AS i;""")
    db.run("VACUUM (ANALYZE, FREEZE)")
    db.run(LATENCY_LOOP.format(name="latency", look="top FROM latency_st WHERE grp = i % 100"))
    db.stream_table("latency_st", "SELECT grp, max(val) AS top, count(*) AS c FROM latency GROUP BY grp")
    db.stream_table("latency_load_st", "SELECT grp, sum(val) AS s FROM latency_load GROUP BY grp")
    writer = Database()
    scheduler(db, "on")
    n = 50 if quick else 1000
    for load in ("idle server", "one busy writer of another stream table beside it"):
        client = None
        if load != "idle server":
            script = tempfile.NamedTemporaryFile("w", suffix=".sql")
            script.write("\\set i random(1, 10000)\n"
                         "UPDATE latency_load SET val = val + 1 WHERE id = :i;\n\\sleep 1 ms\n")
            script.flush()
            client = subprocess.Popen(
                ["pgbench", "-n", "-M", "prepared", "-c", "1", "-T", "600", "-f", script.name, "bench"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ms = latencies(writer, "latency", n)
        finally:
            if client:
                client.terminate()
                client.wait()
        report.add(f"commit to visible at '0s', {load}: half within", median(ms), " ms", 5, 2,
                   f"best {number(min(ms))} ms")
        report.add(f"commit to visible at '0s', {load}: 99 % within", percentile(ms, 0.99),
                   " ms", 20, 5, f"worst of {len(ms)}: {number(max(ms))} ms")
    scheduler(db, "off")
    db.check("latency_st")
    db.check("latency_load_st")


def bench_calls(db, report, quick, ivm):
    """What every creation and refresh asks, where there is no Citus."""
    config = os.environ["PG_CONFIG"]
    include = subprocess.run([config, "--includedir-server"], check=True, capture_output=True,
                             text=True).stdout.strip()
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as directory:
        library = os.path.join(directory, "calls.so")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-I", include, "-o", library,
                        os.path.join(here, "calls.c")], check=True)
        db.run("CREATE FUNCTION time_calls(text, text, bigint) RETURNS double precision"
               f" LANGUAGE c AS '{library}'")
        ns = [db.value("SELECT time_calls('$libdir/pg_trickle', 'pgt_is_citus_loaded', 1000000)")
              for _ in range(3 if quick else 15)]
    db.run("DROP FUNCTION time_calls")
    report.add("is_citus_loaded() without Citus, a million calls in C", median(ns) / 1000, " µs",
               1, 0.25, f"{number(min(ns))} to {number(max(ns))} ns a call")


BENCHES = {
    "bulk": bench_bulk,
    "oltp": bench_oltp,
    "one": bench_one,
    "percent": bench_percent,
    "keyed": bench_keyed,
    "latency": bench_latency,
    "chain": bench_chain,
    "ops": bench_ops,
    "calls": bench_calls,
    "scrape": bench_scrape,
    "soak": bench_soak,
}
NOT_UNASKED = {"soak"}      # takes longer than all others


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(b for b in BENCHES if b not in NOT_UNASKED))
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args()
    chosen = args.only.split(",")
    if not set(chosen) <= set(BENCHES):
        sys.exit(f"bench.py: --only takes some of {', '.join(BENCHES)}")

    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    random.seed(seed)
    db = Database(synchronous_commit="off")
    db.run("CREATE EXTENSION pg_trickle")
    ivm = has_ivm(db)
    if ivm:
        db.run("CREATE EXTENSION pg_ivm")
    beside = "pg_ivm " + db.value("SELECT extversion FROM pg_extension WHERE extname = 'pg_ivm'") \
        if ivm else "no pg_ivm here"
    print(f"PostgreSQL {db.value('SHOW server_version')}, {os.cpu_count()} processors, {beside}, "
          f"load average {os.getloadavg()[0]:.1f}, order of variants from SEED={seed}", flush=True)
    report = Report(args.markdown)
    for name in chosen:
        print(f"{name}", flush=True)
        BENCHES[name](db, report, args.quick, ivm)
    report.print()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
