"""What the benchmarks share: a connection that measures, and a table of results.

Variants that are compared run in random order within each repetition; a ratio
is taken within a repetition, and the median of the ratios is printed.
"""

import os
import random
import statistics
import sys
import time

import psycopg2

median = statistics.median


class Database:
    def __init__(self, dbname="bench", **settings):
        self.connection = psycopg2.connect(dbname=dbname)
        self.connection.autocommit = True
        for name, value in settings.items():
            self.run(f"SET {name} = {value}")

    def run(self, sql, *args):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args or None)

    def rows(self, sql, *args):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args or None)
            return cursor.fetchall()

    def value(self, sql, *args):
        return self.rows(sql, *args)[0][0]

    def timed(self, sql):
        start = time.perf_counter()
        self.run(sql)
        return (time.perf_counter() - start) * 1000

    def cpu_ms(self):
        """Time that the backend has been on a processor."""
        with open(f"/proc/{self.connection.info.backend_pid}/schedstat", encoding="ascii") as stat:
            return int(stat.read().split()[0]) / 1e6

    def timed_both(self, sql):
        """Elapsed and processor time; other load hardly disturbs the latter."""
        cpu = self.cpu_ms()
        elapsed = self.timed(sql)
        return elapsed, self.cpu_ms() - cpu

    def stream_table(self, name, query, mode="DIFFERENTIAL"):
        self.run("SELECT pgtrickle.create_stream_table(%s, %s, schedule => '0s',"
                 " refresh_mode => %s)", name, query, mode)

    def refresh(self, name):
        self.run("SELECT pgtrickle.refresh_stream_table(%s)", name)

    def difference(self, name):
        """Rows missing and surplus."""
        return self.rows("SELECT * FROM pgtrickle.verify_stream_table(%s)", name)[0]

    def check(self, name):
        """A fast wrong answer is no result."""
        found = self.difference(name)
        if found != (0, 0):
            sys.exit(f"{os.path.basename(sys.argv[0])}: {name} differs from its query: {found}")


class Report:
    """The lines of the table."""

    def __init__(self, markdown):
        self.lines = []
        self.markdown = markdown

    def add(self, what, value, unit, must, aim, facts, higher=False):
        """must and aim are bounds of value, from below if higher."""
        def within(bound):
            return value >= bound if higher else value <= bound
        sign = "≥" if higher else "≤"
        verdict = "aim" if within(aim) else "met" if within(must) else "MISSED"
        line = (what, number(value) + unit, f"{sign} {must}{unit}", f"{aim}{unit}", verdict, facts)
        self.lines.append(line)
        print("  " + "; ".join(line), flush=True)

    def print(self):
        print_table(("what", "measured", "must", "aim", "", "beside it"), self.lines, self.markdown)


def print_table(head, lines, markdown):
    if markdown:
        print("\n| " + " | ".join(head) + " |")
        print("|" + "---|" * len(head))
        for line in lines:
            print("| " + " | ".join(line) + " |")
        return
    widths = [max(len(line[i]) for line in lines + [head]) for i in range(len(head))]
    print()
    for line in [head] + lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def number(x):
    if isinstance(x, int):
        return str(x)
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}" if x >= 1 else f"{x:.3f}"


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def interleave(repetitions, variants, measure):
    """measure(variant, repetition) in random order; a list for each variant."""
    found = {v: [] for v in variants}
    for repetition in range(repetitions):
        for v in random.sample(list(variants), len(variants)):
            found[v].append(measure(v, repetition))
    return found


def ratio(above, below):
    return median(a / b for a, b in zip(above, below))


def elapsed(pairs):
    return [pair[0] for pair in pairs]


def cpu(pairs):
    return [pair[1] for pair in pairs]
