#!/usr/bin/python3
"""Load the package index, create stream tables, change it, watch, verify.

What enters: the directory that index.py filled, and a server (PGHOST, PGPORT,
PGUSER) with an empty database named demo.  What leaves: text, and exit status 0
only if every stream table equals its query.
"""

import argparse
import os
import queue
import statistics
import sys
import threading
import time

import psycopg2

STREAM_TABLES = {
    "size_by_section": """
        SELECT p.section_id, count(*) AS packages,
            sum(p.installed_size) AS installed_kb, max(p.installed_size) AS largest_kb
        FROM packages p
        GROUP BY p.section_id""",
    "most_depended_on": """
        SELECT p.name, count(*) AS edges,
            count(*) FILTER (WHERE d.kind = 'recommends') AS recommended
        FROM dependencies d JOIN packages p ON p.name = d.target
        GROUP BY p.name""",
    "packages_per_maintainer": """
        SELECT m.maintainer, s.section, count(*) AS packages,
            sum(p.installed_size) AS installed_kb
        FROM packages p
            JOIN maintainers m USING (maintainer_id)
            JOIN sections s USING (section_id)
        GROUP BY m.maintainer, s.section""",
}

ANSWERS = {
    "size_by_section": """
        SELECT section, packages || ' packages', round(installed_kb / 1024) || ' MB'
        FROM size_by_section JOIN sections USING (section_id)
        ORDER BY installed_kb DESC LIMIT 3""",
    "most_depended_on": """
        SELECT name, edges || ' edges', recommended || ' of them recommend it'
        FROM most_depended_on ORDER BY edges DESC LIMIT 3""",
    "packages_per_maintainer": """
        SELECT maintainer, section, packages || ' packages'
        FROM packages_per_maintainer ORDER BY packages DESC LIMIT 3""",
}

PACKAGES_PER_BATCH = 25
TICK_SECONDS = 2.0


def connect():
    connection = psycopg2.connect(dbname="demo")
    connection.autocommit = True
    return connection


def rows(connection, sql, *args):
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return cursor.fetchall()


def execute(connection, sql, *args):
    with connection.cursor() as cursor:
        cursor.execute(sql, args or None)


def timed(function, *args):
    start = time.perf_counter()
    function(*args)
    return (time.perf_counter() - start) * 1000


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def milliseconds(value):
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def load(connection, directory):
    with open(os.path.join(os.path.dirname(__file__), "schema.sql"), encoding="utf-8") as schema:
        execute(connection, schema.read())

    def copy(filename, table, columns=""):
        with open(os.path.join(directory, filename), encoding="utf-8") as data, \
                connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table}{columns} FROM STDIN", data)

    package = "(name, version, source, section_id, maintainer_id, size, installed_size, suite)"
    edge = "(package, kind, term, alternative, target, version)"
    copy("sections", "sections")
    copy("maintainers", "maintainers")
    copy("packages", "packages", package)
    copy("dependencies", "dependencies", edge)
    copy("next_packages", "changes.packages", package)
    copy("next_dependencies", "changes.dependencies", edge)
    copy("next_gone", "changes.gone")
    execute(connection, """
        INSERT INTO changes.batches
        SELECT (row_number() OVER (ORDER BY source, name) - 1) / %s, name
        FROM (SELECT name, source FROM changes.packages
            UNION ALL SELECT name, source FROM packages JOIN changes.gone USING (name)) AS a""",
            PACKAGES_PER_BATCH)
    execute(connection, """
        INSERT INTO changes.packages
        SELECT 0, p.* FROM packages p JOIN changes.batches USING (name);
        INSERT INTO changes.dependencies
        SELECT 0, d.* FROM dependencies d JOIN changes.batches b ON b.name = d.package;
        CREATE INDEX ON dependencies (target);
        CREATE INDEX ON packages (maintainer_id);
        CREATE INDEX ON packages (section_id);
        CREATE INDEX ON changes.packages (name);
        CREATE INDEX ON changes.dependencies (package);
        CREATE INDEX ON changes.batches (batch);""")
    execute(connection, "VACUUM ANALYZE")


class Writer(threading.Thread):
    """Takes the index from one state to the other and back, a batch a transaction."""

    def __init__(self, rate, committed):
        super().__init__(daemon=True)
        self.rate = rate
        self.committed = committed      # queue of (xid, time just before COMMIT)
        self.stopping = threading.Event()
        self.counts = [0, 0, 0]         # inserts, updates, deletes
        self.commits = 0
        self.error = None

    def run(self):
        try:
            self.work()
        except Exception as error:
            self.error = error
        self.committed.put(None)

    def work(self):
        connection = connect()
        connection.autocommit = False
        nbatches = rows(connection, "SELECT max(batch) + 1 FROM changes.batches")[0][0]
        connection.commit()
        state = 0
        due = time.perf_counter()
        while True:
            state = 1 - state
            for batch in range(nbatches):
                if self.stopping.wait(max(0, due - time.perf_counter())):
                    connection.close()
                    return
                due = max(due + 1 / self.rate, time.perf_counter())
                [(inserts, updates, deletes, xid)] = rows(
                    connection,
                    "SELECT a.*, pg_current_xact_id()::text FROM changes.apply(%s, %s) AS a",
                    batch, state)
                commit_time = time.perf_counter()
                connection.commit()
                self.counts = [a + b for a, b in zip(self.counts, (inserts, updates, deletes))]
                self.commits += 1
                if inserts + updates + deletes:
                    self.committed.put((xid, commit_time))


class Watcher(threading.Thread):
    """Measures from each COMMIT until every stream table that it concerns shows it."""

    PATIENCE = 30

    def __init__(self, committed):
        super().__init__(daemon=True)
        self.committed = committed
        self.delays = []
        self.error = None

    def run(self):
        try:
            self.work()
        except Exception as error:
            self.error = error

    def work(self):
        connection = connect()
        while True:
            item = self.committed.get()
            if item is None:
                return
            xid, commit_time = item
            while rows(connection, "SELECT changes.is_pending(%s::text::xid8)", xid)[0][0]:
                if time.perf_counter() - commit_time > self.PATIENCE:
                    raise RuntimeError(
                        f"a change is not in the stream tables {self.PATIENCE} s after its commit")
                time.sleep(0.001)
            self.delays.append((time.perf_counter() - commit_time) * 1000)


class History:
    """The refreshes of a stream table since this was made."""

    def __init__(self, connection, name):
        self.connection = connection
        self.name = name
        self.last = max((row[0] for row in self.read(0)), default=0)
        self.durations = []             # ms
        self.actions = {}               # what ran, and why: how often
        self.errors = []

    def read(self, after):
        return rows(self.connection, """
            SELECT refresh_id, action, status, duration_ms, reason, error_message
            FROM pgtrickle.get_refresh_history(%s, 100000) WHERE refresh_id > %s
            ORDER BY refresh_id""", self.name, after)

    def new(self):
        """Durations of the refreshes since the last call."""
        durations = []
        for self.last, action, status, duration, reason, error in self.read(self.last):
            if status != "COMPLETED":
                self.errors.append(error)
                continue
            durations.append(float(duration))
            key = f"{action} ({reason})" if reason else action
            self.actions[key] = self.actions.get(key, 0) + 1
        self.durations.extend(durations)
        return durations


def watch(connection, seconds, rate):
    """Print a line each tick while the writer works."""
    names = list(STREAM_TABLES)
    histories = {name: History(connection, name) for name in names}
    matview_ms = {name: [] for name in names}
    committed = queue.Queue()
    writer, watcher = Writer(rate, committed), Watcher(committed)

    def header():
        print(f"{'':>5} {'':>9} {'':>8} | {'commit to visible':^19} | "
              + " | ".join(f"{name:^23}" for name in names))
        print(f"{'s':>5} {'changes':>9} {'per s':>8} | {'median':>9} {'worst':>9} | "
              + " | ".join(f"{'refresh':>11} {'matview':>11}" for _ in names) + "   (ms)")

    start = last_time = time.perf_counter()
    last_changes = seen = tick = 0
    shown = {name: None for name in names}
    writer.start()
    watcher.start()
    while time.perf_counter() - start < seconds and not (writer.error or watcher.error):
        if tick % 15 == 0:
            header()
        name = names[tick % len(names)]
        tick += 1
        time.sleep(max(0, start + tick * TICK_SECONDS - time.perf_counter()))
        matview_ms[name].append(
            timed(execute, connection, f"REFRESH MATERIALIZED VIEW matview.{name}"))
        now, changes = time.perf_counter(), sum(writer.counts)
        delays = watcher.delays[seen:]
        seen += len(delays)
        for n in names:
            durations = histories[n].new()
            if durations:
                shown[n] = statistics.mean(durations)
        cells = " | ".join(
            f"{milliseconds(shown[n]):>11} "
            f"{milliseconds(matview_ms[n][-1] if matview_ms[n] else None):>11}"
            for n in names)
        print(f"{now - start:5.0f} {changes:9d} {(changes - last_changes) / (now - last_time):8.0f}"
              f" | {milliseconds(statistics.median(delays) if delays else None):>9}"
              f" {milliseconds(max(delays) if delays else None):>9} | {cells}", flush=True)
        last_time, last_changes = now, changes
    writer.stopping.set()
    writer.join()
    elapsed = time.perf_counter() - start
    watcher.join()
    for n in names:
        histories[n].new()
    for error in (writer.error, watcher.error):
        if error:
            print(f"demo.py: {error}", file=sys.stderr)
    return writer, watcher, histories, matview_ms, elapsed


def summary(connection, writer, watcher, histories, matview_ms, elapsed):
    """Print it; true if all is well."""
    inserts, updates, deletes = writer.counts
    print(f"\n{sum(writer.counts)} changed rows ({inserts} inserts, {updates} updates, "
          f"{deletes} deletes) in {writer.commits} transactions and {elapsed:.0f} s")
    if watcher.delays:
        print("commit to visible in every stream table: "
              f"median {milliseconds(statistics.median(watcher.delays))} ms, "
              f"99 % within {milliseconds(percentile(watcher.delays, 0.99))} ms, "
              f"worst {milliseconds(max(watcher.delays))} ms")
    good = not (writer.error or watcher.error)
    print(f"\n{'stream table':<24} {'rows':>7} {'refreshes':>9} {'refresh ms':>11} "
          f"{'matview ms':>11} {'ratio':>6}  verify")
    for name in STREAM_TABLES:
        [(nrows,)] = rows(connection, f"SELECT count(*) FROM {name}")
        [(missing, surplus)] = rows(
            connection, "SELECT * FROM pgtrickle.verify_stream_table(%s)", name)
        durations, full = histories[name].durations, matview_ms[name]
        refresh = statistics.mean(durations) if durations else None
        matview = statistics.mean(full) if full else None
        ratio = f"{matview / refresh:.0f}x" if refresh and matview else "-"
        exact = missing == 0 and surplus == 0
        good = good and exact
        print(f"{name:<24} {nrows:>7} {len(durations):>9} {milliseconds(refresh):>11} "
              f"{milliseconds(matview):>11} {ratio:>6}  "
              + ("equal to its query" if exact else f"WRONG: {missing} rows missing, {surplus} surplus"))
    for name, history in histories.items():
        for action, count in history.actions.items():
            if not action.startswith("DIFFERENTIAL"):
                print(f"{name}: {count} of its refreshes were {action}")
        for error in history.errors:
            good = False
            print(f"{name}: a refresh failed: {error}")
    for name, sql in ANSWERS.items():
        print(f"\n{name}")
        for row in rows(connection, sql):
            print("  " + ", ".join(map(str, row)))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", required=True)
    parser.add_argument("--seconds", type=int, default=45)
    parser.add_argument("--schedule", default="0s")
    parser.add_argument("--rate", type=int, default=20)
    args = parser.parse_args()

    connection = connect()
    print("loading the index", flush=True)
    print(f"  done in {timed(load, connection, args.input) / 1000:.1f} s")
    execute(connection, "CREATE EXTENSION pg_trickle")
    execute(connection, "CREATE SCHEMA matview")
    print(f"creating the stream tables, schedule {args.schedule}")
    for name, query in STREAM_TABLES.items():
        took = timed(execute, connection,
                     "SELECT pgtrickle.create_stream_table(%s, %s, schedule => %s,"
                     " refresh_mode => 'DIFFERENTIAL')", name, query, args.schedule)
        execute(connection, f"CREATE MATERIALIZED VIEW matview.{name} AS {query}")
        print(f"  {name}: {took:.0f} ms")
    print("\napplying the changes, forth and back; refresh is the mean of the stream table's "
          "refreshes,\nmatview a REFRESH MATERIALIZED VIEW of the same query at the same time\n",
          flush=True)
    good = summary(connection, *watch(connection, args.seconds, args.rate))
    print("\nevery stream table equals its query" if good
          else "\nSOMETHING IS WRONG: see above", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except psycopg2.Error as error:
        sys.exit(f"demo.py: {error}")
