"""A failing case made small, and written as SQL."""
import copy
import re
import time

from changes import render
from datatypes import quote
from runner import Failure, lit


def script(case, failure, head):
    """The case as SQL; /*n*/ names the session of a statement."""
    out = ['-- ' + line for line in head]
    out.append('-- Failure: %s: %s' % (failure.kind, failure))
    out.append('CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS pg_trickle;')
    out.append('CREATE SCHEMA o; SET search_path = o, public;')
    for op in case.setup + [None] + case.ops:
        if op is None:
            for st in case.sts:
                out.append("SELECT pgtrickle.create_stream_table(%s, %s, '1d', '%s', %s);"
                           % (lit(quote(st.name)), lit(st.query.render()), st.mode,
                              'true' if st.initialize else 'false'))
            continue
        s = '/*%d*/ ' % op['s'] if op['s'] else ''
        if op['t'] == 'ref':
            st = case.sts[op['st']]
            begin = {'rr': 'BEGIN ISOLATION LEVEL REPEATABLE READ; ',
                     'rollback': 'BEGIN; '}.get(op['how'], '')
            end = {'rr': ' COMMIT;', 'rollback': ' ROLLBACK;'}.get(op['how'], '')
            out.append('%sSET pg_trickle.debug_apply = %s; SET pg_trickle.debug_plan = %s; %s'
                       'SELECT pgtrickle.refresh_stream_table(%s);%s'
                       % (s, op['apply'], op['plan'], begin, lit(quote(st.name)), end))
            cols = ', '.join('c%d' % (i + 1) for i in range(len(st.query.targets())))
            out.append('%s\tTABLE %s; -- must equal: SELECT %s FROM (%s) q;'
                       % (s, quote(st.name), cols, st.query.render()))
        elif op['t'] == 'recreate':
            st = case.sts[op['st']]
            out.append("SELECT pgtrickle.drop_stream_table(%s); SELECT "
                       "pgtrickle.create_stream_table(%s, %s, '1d', '%s', %s);"
                       % (lit(quote(st.name)), lit(quote(st.name)), lit(st.query.render()),
                          st.mode, 'true' if st.initialize else 'false'))
        elif op['t'] == 'verify':
            out.append('SELECT * FROM pgtrickle.verify_stream_table(%s);'
                       % lit(quote(case.sts[op['st']].name)))
        elif op['t'] == 'copy':
            out.append('%s%s;' % (s, op['q']))
            out += op['rows'] + ['\\.']
        else:
            out.append('%s%s;' % (s, render(op)))
    return '\n'.join(out) + '\n'


class Shrinker:
    """Leaves parts of a failing case out as long as it fails in the same way."""

    def __init__(self, runner, case, failure, seconds):
        self.runner = runner
        self.case = case
        self.failure = failure
        self.until = time.time() + seconds
        self.tries = 0

    def fails(self, case):
        self.tries += 1
        try:
            self.runner.run(case)
        except Failure as f:
            if f.kind == self.failure.kind and gist(f) == gist(self.failure):
                self.failure = f
                return True
        return False

    def attempt(self, change):
        """Applies change to a copy; keeps it if the case still fails."""
        if time.time() > self.until:
            return False
        new = copy.deepcopy(self.case)
        if change(new) is False:
            return False
        if self.fails(new):
            self.case = new
            return True
        return False

    def run(self):
        if not self.attempt(lambda c: None):
            return None           # does not repeat
        self.cut()
        if self.failure.st:
            self.only_failing()
        self.lists(lambda c: c.ops)
        self.lists(lambda c: c.setup)
        self.queries()
        self.lists(lambda c: c.setup)
        for which in ('ops', 'setup'):
            for i in range(len(getattr(self.case, which))):
                if 'rows' in getattr(self.case, which)[i]:
                    self.lists(lambda c: getattr(c, which)[i]['rows'], keep=1)
        self.lists(lambda c: c.ops)
        self.sessions()
        return self.case

    def cut(self):
        at = self.failure.at
        if at is not None:
            self.attempt(lambda c: c.ops.__setitem__(slice(at + 1, None), []))

    def only_failing(self):
        name = self.failure.st.name
        keep = [i for i, s in enumerate(self.case.sts) if s.name == name][0]

        def change(c):
            c.sts = [c.sts[keep]]
            c.ops = [o for o in c.ops if 'st' not in o or o['st'] == keep]
            for o in c.ops:
                if 'st' in o:
                    o['st'] = 0
        self.attempt(change)

    def lists(self, get, keep=0):
        size = max(1, len(get(self.case)) // 2)
        while True:
            i = 0
            while i < len(get(self.case)) and time.time() < self.until:
                if len(get(self.case)) - size < keep:
                    break
                if not self.attempt(lambda c: get(c).__delitem__(slice(i, i + size))):
                    i += size
            if size == 1:
                break
            size = max(1, size // 2)

    def queries(self):
        """Smaller queries: parts of them, or pieces left out or replaced."""
        for n in range(len(self.case.sts)):
            query = lambda c: c.sts[n].query
            while time.time() < self.until and any(
                    self.attempt(lambda c: query(c).take_root(*root))
                    for root in query(self.case).roots()):
                pass
            i = 0
            while i < len(query(self.case).reductions()) and time.time() < self.until:
                r = query(self.case).reductions()[-1 - i]
                if not self.attempt(lambda c: query(c).reduce(*r)):
                    i += 1

    def sessions(self):
        def one(c):
            for o in c.ops:
                o['s'] = 0
        self.attempt(one)
        for i in range(len(self.case.ops)):
            if self.case.ops[i].get('how') in ('rr', 'separate'):
                self.attempt(lambda c: c.ops[i].__setitem__('how', 'plain'))


def gist(failure):
    """What two failures of one cause have in common."""
    text = re.sub(r'"[^"]*"|[0-9]+', '', str(failure))
    return text[:50] if failure.kind.startswith('error') else ''
