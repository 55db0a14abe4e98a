"""Every SELECT of PostgreSQL's regression tests, at its place in them, as a definition.

The scripts run as they are, but that each SELECT is tried first (corpus.sql), and that
what they make as temporary is permanent until their end, for a stream table reads no
temporary tables.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

# Of the cluster, not of a database; or about files.
LEFT_OUT = {'tablespace', 'largeobject', 'database', 'stats', 'guc'}
# pg_trickle's own errors, of which there must be none
INTERNAL = ('XX', '58')
TEMPORARY = re.compile(
    r'(?is)(create\s+)(?:local\s+|global\s+)?temp(?:orary)?\s+'
    r'((?:recursive\s+view|table|view)\s+(?:if\s+not\s+exists\s+)?([\w".]+))')


class Script:
    """A psql script, cut into ('sql' | 'other', text)."""

    def __init__(self, text):
        self.text = text
        self.i = 0

    def to(self, mark, start):
        """The place behind the next mark."""
        at = self.text.find(mark, start)
        return len(self.text) if at < 0 else at + len(mark)

    def quoted(self):
        """The place behind what starts here, a string, name or comment; or here."""
        text, i = self.text, self.i
        if text.startswith('--', i):
            return self.to('\n', i) - 1
        if text.startswith('/*', i):
            depth, i = 1, i + 2
            while depth and i < len(text):
                step = {'/*': 1, '*/': -1}.get(text[i:i + 2], 0)
                depth += step
                i += 2 if step else 1
            return i
        dollar = re.match(r'\$(?:[A-Za-z_]\w*)?\$', text[i:i + 70])
        if dollar and not re.match(r'\w', text[i - 1:i]):
            return self.to(dollar.group(), i + len(dollar.group()))
        if text[i] not in '\'"':
            return i
        escapes = text[i] == "'" and re.search(r'(?<!\w)[eE]$', text[max(i - 2, 0):i])
        end = i + 1
        while end < len(text) and text[end] != text[i]:
            end += 2 if escapes and text[end] == '\\' else 1
        return end + 1

    def pieces(self):
        start, depth = 0, 0
        while self.i < len(self.text):
            i = self.i
            self.i = self.quoted()
            if self.i > i:
                continue
            c = self.text[i]
            self.i += 1
            depth += (c in '([') - (c in ')]')
            if c == '\\':
                self.i = self.to('\n', i)
                yield 'other', self.text[start:self.i]
            elif c == ';' and depth <= 0 and not self.within_body(self.text[start:i]):
                statement = self.text[start:i]
                yield 'sql', statement
                if re.match(r'(?is)copy\b.*\bfrom\s+stdin', bare(statement)):
                    start = self.i
                    self.i = self.to('\n', self.to('\n\\.', i))
                    yield 'other', self.text[start:self.i]
            else:
                continue
            start, depth = self.i, 0
        yield 'other', self.text[start:]

    @staticmethod
    def within_body(statement):
        return re.search(r'(?is)^create\b.*\bbegin\s+atomic\b', bare(statement)) and \
            not re.search(r'(?is)\bend\s*$', bare(statement))


def bare(statement):
    statement = re.sub(r'(?s)/\*.*?\*/', ' ', statement)
    return re.sub(r'--[^\n]*', '', statement).strip()


def with_trials(text, results):
    """The script with its trials, and the queries that are tried."""
    out, dropped, queries = [], [], []
    for kind, piece in Script(text).pieces():
        if kind == 'other':
            out.append(piece)
            continue
        temporary = TEMPORARY.match(bare(piece))
        if temporary and not re.search(r'(?is)on\s+commit', piece):
            piece = re.sub(TEMPORARY.pattern, r'\1\2', bare(piece), count=1)
            what = 'VIEW' if 'view' in temporary.group(2).lower().split()[:2] else 'TABLE'
            dropped.append('DROP %s IF EXISTS %s CASCADE;\n' % (what, temporary.group(3)))
        elif re.match(r'(?is)(select|with|values|table|\()', bare(piece)):
            queries.append(piece.strip())
            out.append('\nSELECT %d AS n, corpus.try($corpus$%s\n$corpus$) AS found \\g (format=csv '
                       'tuples_only=on) |cat >> %s\n' % (len(queries), piece.strip(), results))
        out.append(piece + ';')
    return ''.join(out + ['\n'] + dropped), queries


def found_in(results):
    """Number of the query, and what was found."""
    for line in results.read_text(errors='replace').splitlines():
        match = re.match(r'(\d+),"(\{.*\})"$', line)
        if match:
            yield int(match.group(1)), json.loads(match.group(2).replace('""', '"'))


class Audit:
    def __init__(self, source, work, psql):
        self.regress = source / 'src/test/regress'
        self.work = work
        self.psql = psql
        self.counts, self.reasons = Counter(), Counter()
        self.bad = 0
        self.env = dict(
            os.environ, PG_ABS_SRCDIR=str(self.regress), PG_ABS_BUILDDIR=str(work / 'out'),
            PG_LIBDIR=str(work / 'lib'), PG_DLSUFFIX='.so', PGTZ='PST8PDT',
            PGDATESTYLE='Postgres, MDY', PGOPTIONS='-c intervalstyle=postgres_verbose',
            PGDATABASE='regression')

    def tests(self):
        for line in (self.regress / 'parallel_schedule').read_text().splitlines():
            if line.startswith('test:'):
                yield from (t for t in line.split()[1:] if t not in LEFT_OUT)

    def run_file(self, path, output):
        with open(output, 'w') as out:
            subprocess.run([self.psql, '-Xq', '-f', path], env=self.env, stdout=out,
                           stderr=subprocess.STDOUT)

    def run(self, test):
        results = self.work / 'out' / (test + '.csv')
        script = self.work / 'out' / (test + '.sql')
        text, queries = with_trials(
            (self.regress / 'sql' / (test + '.sql')).read_text(errors='replace'), results)
        script.write_text(text)
        results.touch()
        began = time.time()
        self.run_file(script, self.work / 'out' / (test + '.out'))
        n = 0
        for number, found in found_in(results):
            n += 1
            self.note(test, queries[number - 1], found)
        print('%-24s %4d of %4d tried in %.0f s'
              % (test, n, len(queries), time.time() - began), flush=True)

    def note(self, test, query, found):
        if not found.get('relations'):
            self.counts['of no table' if 'relations' in found else 'no view'] += 1
            return
        self.counts['over tables'] += 1
        if 'mode' in found:
            self.counts[found['mode']] += 1
        if found.get('why'):
            self.reasons[re.sub(r'"[^"]*"|\d+', '#', found['why'])] += 1
        internal = found.get('sqlstate', '').startswith(INTERNAL)
        if internal or (found.get('differences') and 'volatile' not in (found.get('why') or '')):
            self.bad += 1
            print('%s: %s\n    %s' % (test, query, json.dumps(found)), flush=True)

    def summary(self):
        print(', '.join('%s: %d' % c for c in self.counts.most_common()))
        for reason, n in self.reasons.most_common(30):
            print('%6d  %s' % (n, reason))
        print('%d to be looked at' % self.bad)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path)
    parser.add_argument('work', type=Path)
    parser.add_argument('--psql', required=True)
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    audit = Audit(options.source, options.work, options.psql)
    subprocess.run([options.psql, '-Xq', '-d', 'postgres', '-c', 'CREATE DATABASE regression'],
                   check=True)
    for statement in ['-c', 'CREATE EXTENSION pg_trickle'], \
            ['-f', str(Path(__file__).parent / 'corpus.sql')]:
        subprocess.run([options.psql, '-Xq', '-v', 'ON_ERROR_STOP=1'] + statement,
                       env=audit.env, check=True)
    only = set(filter(None, options.only.split(',')))
    for test in audit.tests():
        if not only or test in only | {'test_setup'}:
            audit.run(test)
    audit.summary()
    return 1 if audit.bad else 0


if __name__ == '__main__':
    sys.exit(main())
