#!/usr/bin/python3
"""Turn apt's package indexes into COPY text.

usage: index.py LIST DIRECTORY

What enters: LIST has a line FILENAME|RELEASE|... for each index of the machine.
What leaves, in DIRECTORY: packages, dependencies (the largest suite), sections,
maintainers; next_packages, next_dependencies (what the packages that differ in
the newer suites are there) and next_gone (names that are not there any more).
"""

import collections
import functools
import os
import re
import subprocess
import sys

APT_HELPER = "/usr/lib/apt/apt-helper"
KINDS = ("Pre-Depends", "Depends", "Recommends")
ALTERNATIVE = re.compile(r"^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9]+)?\s*(?:\(\s*([<>=]+\s*[^)\s]+)\s*\))?")
WORDS = re.compile(r"(\d+)")


def paragraphs(filename):
    """The fields of each package in an index, compressed in whatever way."""
    cat = subprocess.Popen([APT_HELPER, "cat-file", filename],
                           stdout=subprocess.PIPE, encoding="utf-8")
    fields, last = {}, None
    for line in cat.stdout:
        line = line.rstrip("\n")
        if not line:
            if fields:
                yield fields
            fields, last = {}, None
        elif line[0] in " \t":
            if last in KINDS:
                fields[last] += line
        else:
            last, _, value = line.partition(":")
            fields[last] = value.strip()
    if fields:
        yield fields
    if cat.wait() != 0:
        sys.exit(f"index.py: cannot read {filename}")


def character_order(c):
    """In a version, ~ comes before the end, and letters before the rest."""
    return -1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256


def compare_part(a, b):
    """Runs of non-digits and of digits are compared in turns."""
    a, b = WORDS.split(a), WORDS.split(b)
    for i in range(max(len(a), len(b))):
        x = a[i] if i < len(a) else ""
        y = b[i] if i < len(b) else ""
        if i % 2:
            order = int(x or 0) - int(y or 0)
        else:
            # the end of a run counts as 0, above ~ and below everything else
            x = [character_order(c) for c in x] + [0]
            y = [character_order(c) for c in y] + [0]
            order = (x > y) - (x < y)
        if order:
            return order
    return 0


def compare_versions(a, b):
    def split(version):
        epoch, colon, rest = version.partition(":")
        if not colon:
            epoch, rest = "0", version
        upstream, _, revision = rest.rpartition("-")
        return (epoch, upstream, revision) if upstream else (epoch, rest, "")
    for x, y in zip(split(a), split(b)):
        order = compare_part(x, y)
        if order:
            return order
    return 0


version_key = functools.cmp_to_key(compare_versions)


class Package:
    __slots__ = ("name", "version", "source", "source_version", "section", "maintainer",
                 "size", "installed_size", "suite", "edges")

    def __init__(self, fields, suite):
        self.name = fields["Package"]
        self.version = fields["Version"]
        source, _, version = fields.get("Source", self.name).partition(" ")
        self.source = source
        self.source_version = version.strip("()") or self.version
        self.section = fields.get("Section", "unknown")
        self.maintainer = fields.get("Maintainer", "unknown")
        self.size = int(fields["Size"])
        self.installed_size = int(fields.get("Installed-Size", 0))
        self.suite = suite
        self.edges = list(self.explode(fields))

    def explode(self, fields):
        """An edge for each alternative of each relation."""
        for kind in KINDS:
            for term, relation in enumerate(fields.get(kind, "").split(","), 1):
                for number, text in enumerate(relation.split("|"), 1):
                    match = ALTERNATIVE.match(text.strip())
                    if match:
                        yield (kind.lower(), term, number, match.group(1), match.group(2) or "")


def newest(packages):
    """By name; an index may hold several versions."""
    best = {}
    for p in packages:
        old = best.get(p.name)
        if old is None or compare_versions(p.version, old.version) > 0:
            best[p.name] = p
    return best


def difference(base, newer):
    """What apt would offer if the newer suites counted too.

    A package whose source has a newer version there, but which is not built
    from that any more, is gone.
    """
    after = {name: p for name, p in newer.items()
             if name not in base or compare_versions(p.version, base[name].version) > 0}
    released, built = {}, collections.defaultdict(set)
    for p in newer.values():
        old = released.get(p.source)
        if old is None or compare_versions(p.source_version, old) > 0:
            released[p.source] = p.source_version
    for p in newer.values():
        built[p.source].add(p.name)
    gone = [name for name, p in base.items()
            if p.source in released and name not in built[p.source]
            and compare_versions(released[p.source], p.source_version) > 0]
    return after, gone


def halves(base):
    """Without a second suite: two lots of sources, one to come and one to go."""
    sources = sorted({p.source for p in base.values()})
    coming, going = set(sources[7::40]), set(sources[27::40])
    after = {name: p for name, p in base.items() if p.source in coming}
    gone = [name for name, p in base.items() if p.source in going]
    for name in after:
        del base[name]
    return after, gone


def escape(value):
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


class Output:
    def __init__(self, directory):
        self.directory = directory
        self.numbers = {"sections": {}, "maintainers": {}}

    def number(self, table, value):
        known = self.numbers[table]
        return known.setdefault(value, len(known) + 1)

    def write(self, name, rows):
        count = 0
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as out:
            for row in rows:
                out.write("\t".join(map(escape, row)) + "\n")
                count += 1
        return count

    def write_packages(self, prefix, packages):
        npackages = self.write(prefix + "packages", (
            (p.name, p.version, p.source, self.number("sections", p.section),
             self.number("maintainers", p.maintainer), p.size, p.installed_size, p.suite)
            for p in packages))
        nedges = self.write(prefix + "dependencies", (
            (p.name,) + edge for p in packages for edge in p.edges))
        return npackages, nedges

    def write_names(self):
        self.write("sections", ((n, s) for s, n in self.numbers["sections"].items()))
        self.write("maintainers", (
            (n, m.partition(" <")[0].strip('"'), m.partition("<")[2].rstrip(">"))
            for m, n in self.numbers["maintainers"].items()))


def main(listing, directory):
    suites = collections.defaultdict(list)
    with open(listing, encoding="utf-8") as lines:
        for line in lines:
            filename, suite = line.rstrip("\n").split("|")[:2]
            suites[suite].extend(Package(f, suite) for f in paragraphs(filename))
    for suite, packages in suites.items():
        print(f"  {suite}: {len(packages)} packages")
    largest = max(suites, key=lambda suite: len(suites[suite]))
    base = newest(suites[largest])
    newer = newest(p for s, packages in suites.items() if s != largest for p in packages)
    if newer:
        after, gone = difference(base, newer)
        print(f"the changes: from {largest} to what {', '.join(s for s in suites if s != largest)} make of it")
    else:
        after, gone = halves(base)
        print(f"apt knows no other suite than {largest} here: the changes are packages of it "
              "that come and go, without updates")

    out = Output(directory)
    npackages, nedges = out.write_packages("", base.values())
    print(f"  {npackages} packages and {nedges} dependency edges to load")
    updated = sum(name in base for name in after)
    out.write_packages("next_", after.values())
    out.write("next_gone", ((name,) for name in gone))
    out.write_names()
    print(f"  {updated} packages to update, {len(after) - updated} to come, {len(gone)} to go")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
