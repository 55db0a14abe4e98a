"""A folder of queries, each of them a stream table and a materialized view, and
changes of their sources after which both are refreshed.

What enters: a folder with schema.sql, generate.sql, refresh.sql and queries/, a
server as for bench.py, and psql in PATH.  What leaves: tables on standard
output, and exit status 1 if a stream table differed from its query.
"""

import argparse
import glob
import os
import random
import subprocess
import sys
import time

import psycopg2

from measure import Database, Report, median, number, print_table, ratio


class Change:
    """A kind of change, and what was measured after it."""

    def __init__(self, title, sql, bounds):
        self.title = title
        self.sql = sql
        self.bounds = bounds        # what has to be reached: see judge()


class Timings:
    """Of one stream table after one kind of change, in milliseconds."""

    def __init__(self):
        self.refresh = []
        self.matview = []
        self.kinds = []

    def ratio(self):
        return ratio(self.matview, self.refresh)

    def kind(self):
        """What all refreshes did; what most did, and in how many of them."""
        kind = max(set(self.kinds), key=self.kinds.count)
        of_all = f" {self.kinds.count(kind)}/{len(self.kinds)}" if len(set(self.kinds)) > 1 else ""
        return kind + of_all

    def differential(self):
        return set(self.kinds) <= {"DIFFERENTIAL", "no change"}


def arguments(description):
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--queries", help="numbers, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--mode", choices=("AUTO", "DIFFERENTIAL"), default="AUTO")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def read_queries(folder, chosen, tiny):
    """By name: q01 for queries/01.sql."""
    queries = {}
    for path in sorted(glob.glob(f"{folder}/queries/*.sql")):
        with open(path, encoding="utf-8") as file:
            queries[os.path.basename(path)[:-len(".sql")]] = file.read()
    if tiny:
        with open(f"{folder}/tiny.tsv", encoding="utf-8") as file:
            for line in file:
                name, text, replacement = line.rstrip("\n").split("\t")
                if queries[name].count(text) != 1:
                    sys.exit(f"tiny.tsv: {text} is not once in {name}.sql")
                queries[name] = queries[name].replace(text, replacement)
    if chosen:
        wanted = [f"{int(n):02d}" for n in chosen.split(",")]
        missing = set(wanted) - set(queries)
        if missing:
            sys.exit(f"there is no query {', '.join(sorted(missing))}")
        queries = {name: queries[name] for name in wanted}
    return {f"q{name}": text for name, text in queries.items()}


class Loaded:
    """A database with the data, the stream tables and the materialized views."""

    # Each way is measured by itself: who has the one does not run the other beside it.
    WAYS = {
        "refresh": "SELECT pgtrickle.refresh_stream_table('{name}')",
        "matview": "REFRESH MATERIALIZED VIEW {name}_mv",
    }

    def __init__(self, dbname, folder, variables, queries, mode):
        if dbname != "bench":
            subprocess.run(["createdb", dbname], check=True)
        start = time.perf_counter()
        for script in ("schema", "generate", "refresh"):
            settings = [x for name, value in variables.items() for x in ("-v", f"{name}={value}")]
            subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dbname] + settings
                           + ["-f", f"{folder}/{script}.sql"], check=True)
        self.db = Database(dbname, synchronous_commit="off")
        self.db.run("CREATE EXTENSION pg_trickle")
        self.db.run("VACUUM (ANALYZE, FREEZE)")
        self.names = list(queries)
        self.wrong = set()
        self.reasons = {}           # why a stream table was recomputed at last
        self.last = {}              # number of its last refresh
        for name, query in queries.items():
            self.create(name, query, mode)
        self.db.run("VACUUM (ANALYZE)")
        print(f"{dbname}: loaded and created in {time.perf_counter() - start:.0f} s", flush=True)

    def create(self, name, query, mode):
        if not self.db.value(f"SELECT count(*) FROM ({query}) AS q WHERE NOT q IS NULL"):
            sys.exit(f"{name} returns no rows: choose a larger scale")
        try:
            self.db.stream_table(name, query, mode)
        except psycopg2.errors.FeatureNotSupported:
            self.db.stream_table(name, query, "AUTO")
        self.db.run(f"CREATE MATERIALIZED VIEW {name}_mv AS {query}")
        self.last[name] = self.history(name)[0]

    def history(self, name):
        return self.db.rows("SELECT refresh_id, action, reason"
                            " FROM pgtrickle.get_refresh_history(%s, 1)", name)[0]

    def round(self, change, timings):
        """Change, refresh all one way, then the other, and compare; timings by name, or
        None to warm up."""
        self.db.run(change.sql)
        ms = {}
        for way, command in random.sample(list(self.WAYS.items()), len(self.WAYS)):
            for name in random.sample(self.names, len(self.names)):
                ms[way, name] = self.db.timed(command.format(name=name))
        for name in self.names:
            refresh, kind, reason = self.history(name)
            if refresh == self.last[name]:
                kind = "no change"
            elif kind != "DIFFERENTIAL":
                self.reasons[name] = reason
            self.last[name] = refresh
            if timings is not None:
                timings[name].refresh.append(ms["refresh", name])
                timings[name].matview.append(ms["matview", name])
                timings[name].kinds.append(kind)
        for name in self.names:
            found = self.db.difference(name)
            if found != (0, 0):
                self.wrong.add(name)
                print(f"{name} differs from its query after {change.title}: {found}", flush=True)


def run(folder, args, variables, tiny, changes):
    """Measure the changes, and the first of them at twice the scale too."""
    grown = changes[0]
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    random.seed(seed)
    queries = read_queries(folder, args.queries, tiny)
    small = Loaded("bench", folder, dict(variables, scale=args.scale), queries, args.mode)
    large = None if args.no_growth else \
        Loaded("twice", folder, dict(variables, scale=2 * args.scale), queries, args.mode)
    print(f"PostgreSQL {small.db.value('SHOW server_version')}, {os.cpu_count()} processors, "
          f"load average {os.getloadavg()[0]:.1f}, order from SEED={seed}", flush=True)

    found = {change: {name: Timings() for name in queries} for change in changes}
    twice = {name: Timings() for name in queries}
    for change in changes:
        both = [(small, found[change])] + ([(large, twice)] if large and change is grown else [])
        for repetition in range(-1, args.rounds):
            for loaded, timings in random.sample(both, len(both)):
                loaded.round(change, timings if repetition >= 0 else None)
        print(f"{change.title}: measured, and compared after each of {args.rounds + 1} rounds",
              flush=True)

    wrong = small.wrong | (large.wrong if large else set())
    growth = {name: ratio(twice[name].refresh, found[grown][name].refresh)
              for name in queries} if large else {}
    print_queries(queries, changes, found, growth, wrong, args.markdown)
    for name, reason in sorted(small.reasons.items()):
        print(f"{name} was recomputed at last because: {reason}")
    report = Report(args.markdown)
    print()
    for change in changes:
        judge(report, change, found[change])
    if growth:
        report.add(f"{grown.title} at twice the data ÷ at this: slowest query",
                   max(growth.values()), "×", 1.3, 1.05,
                   f"median {number(median(growth.values()))}×")
    report.print()
    if wrong:
        sys.exit(f"differ from their queries: {', '.join(sorted(wrong))}")


def judge(report, change, timings):
    """Hold what was measured after a change against its bounds."""
    ratios = {name: t.ratio() for name, t in timings.items()}
    of_all = f", of {len(timings)}"
    report.add(f"{change.title}: queries refreshed differentially{of_all}",
               sum(t.differential() for t in timings.values()), "", len(timings), len(timings), "",
               higher=True)
    if "faster" in change.bounds:
        # The bound is of 22 queries.
        must, aim = (round(len(timings) * n / 22) for n in change.bounds["faster"])
        slowest = min(ratios, key=ratios.get)
        report.add(f"{change.title}: queries faster than REFRESH MATERIALIZED VIEW{of_all}",
                   sum(x > 1 for x in ratios.values()), "", must, aim,
                   f"least for {slowest}: {number(ratios[slowest])}×", higher=True)
    if "ratio" in change.bounds:
        report.add(f"{change.title}: REFRESH MATERIALIZED VIEW ÷ refresh, median of queries",
                   median(ratios.values()), "×", *change.bounds["ratio"], "", higher=True)
    if "slowest" in change.bounds:
        slowest = max(timings, key=lambda name: median(timings[name].refresh))
        report.add(f"{change.title}: slowest refresh", median(timings[slowest].refresh), " ms",
                   *change.bounds["slowest"], slowest)


def print_queries(queries, changes, found, growth, wrong, markdown):
    """One line for each query."""
    head = ["query", "exact"]
    for change in changes:
        head += [change.title, "refresh ms", "REFRESH MATERIALIZED VIEW ms", "ratio"]
    head += ["growth"] if growth else []
    lines = []
    for name in queries:
        line = [name, "NO" if name in wrong else "yes"]
        for change in changes:
            timings = found[change][name]
            line += [timings.kind(), number(median(timings.refresh)),
                     number(median(timings.matview)), number(timings.ratio()) + "×"]
        line += [number(growth[name]) + "×"] if growth else []
        lines.append(tuple(line))
    print_table(tuple(head), lines, markdown)


def main(settings):
    """settings() reads the command line and returns the arguments of run()."""
    try:
        run(*settings())
    except KeyboardInterrupt:
        sys.exit(130)
