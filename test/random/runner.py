"""Runs cases against a server, and compares."""
import io
import math
import os
import sys
import time

import psycopg2
import psycopg2.extensions

from cases import MAX_SESSION
from changes import render
from datatypes import quote
from determined import Determined


class Failure(Exception):
    def __init__(self, kind, text, st=None, at=None):
        super().__init__(text)
        self.kind = kind
        self.st = st
        self.at = at


# What a change may raise without anybody being at fault: constraint, range
# and cardinality violations, lock waits cut short, lost serialization,
# transaction commands that an earlier error has made void.
TOLERATED = ('22', '23', '21000', '25', '3B', '55P03', '40', '42704', '42710')
IN_ERROR = psycopg2.extensions.TRANSACTION_STATUS_INERROR
IDLE = psycopg2.extensions.TRANSACTION_STATUS_IDLE


# Why a query of operators with delta rules may yet be refused.
REFUSALS = ('a group key has a type that cannot be hashed', 'multiply to too many branches',
            'type json has no equality operator to group by',
            'a group key of a composite type is recomputed',
            'it uses now() in its ', 'it computes with now() for each row')


class Runner:
    def __init__(self, schema='o', test_generator=False):
        self.schema = schema
        self.test_generator = test_generator
        self.conns = {}
        self.stats = {'steps': 0, 'counted': 0, 'stcases': 0, 'stcounted': 0, 'skipped': 0,
                      'invalid': 0, 'changes': 0, 'rejected': 0, 'auto_diff': 0, 'auto_full': 0,
                      'heavy': 0, 'refused': 0, 'slow': 0}
        self.kinds = {}           # kind of query -> stream tables, those that count
        self.constructs = {}      # the same of each construct
        self.connect_all()
        cur = self.conns[0].cursor()
        cur.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'")
        self.citext = cur.fetchone()[0] > 0
        if self.citext:
            cur.execute('CREATE EXTENSION IF NOT EXISTS citext SCHEMA public')
        cur.execute('CREATE EXTENSION IF NOT EXISTS pg_trickle')
        self.cases = 0

    def connect_all(self):
        for c in self.conns.values():
            try:
                c.close()
            except psycopg2.Error:
                pass
        self.conns = {}
        for s in range(MAX_SESSION + 1):
            self.conns[s] = self.connect()

    def connect(self):
        for attempt in range(60):
            try:
                c = psycopg2.connect('')
                break
            except psycopg2.OperationalError:
                if attempt == 59:
                    raise
                time.sleep(0.5)
        c.autocommit = True
        self.defaults(c)
        return c

    def defaults(self, c):
        c.cursor().execute("SET search_path = %s, public; SET lock_timeout = '2ms';"
                           "SET statement_timeout = '3s'; SET client_min_messages = error;"
                           "SET deadlock_timeout = '10s'" % self.schema)

    def sql(self, s, q):
        cur = self.conns[s].cursor()
        cur.execute(q)
        return cur

    # -- life of a case -----------------------------------------------------

    def clean(self):
        try:
            for s, c in self.conns.items():
                cur = c.cursor()
                if c.info.transaction_status != IDLE:
                    cur.execute('ROLLBACK')
                cur.execute('DISCARD PLANS; DEALLOCATE ALL; RESET ALL')
                self.defaults(c)
            cur = self.sql(0, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'oracle%%' "
                           'AND database = current_database()')
            for (gid,) in cur.fetchall():
                self.sql(0, "ROLLBACK PREPARED '%s'" % gid)
            self.sql(0, "SET lock_timeout = '20s'")
            cur = self.sql(0, 'SELECT quote_ident(nspname) || \'.\' || quote_ident(relname) '
                           'FROM pgtrickle.pgt_stream_tables p JOIN pg_class c '
                           'ON c.oid = p.pgt_relid JOIN pg_namespace n ON n.oid = relnamespace '
                           "WHERE nspname = '%s' ORDER BY pgt_id DESC" % self.schema)
            for (name,) in cur.fetchall():
                self.sql(0, "SELECT pgtrickle.drop_stream_table('%s')" % name)
            self.sql(0, 'DROP SCHEMA IF EXISTS %s CASCADE' % self.schema)
            cur = self.sql(0, 'SELECT (SELECT count(*) FROM pgtrickle.pgt_change_tracking), '
                           "(SELECT count(*) FROM pg_class WHERE relnamespace = "
                           "'pgtrickle_changes'::regnamespace)")
            left = cur.fetchone()
            self.sql(0, "SET lock_timeout = '2ms'")
        except psycopg2.Error as e:
            raise Failure('error:' + str(e.pgcode), 'cleaning up: ' + one_line(e))
        if left != (0, 0):
            self.sql(0, 'DROP EXTENSION pg_trickle CASCADE; CREATE EXTENSION pg_trickle')
            raise Failure('leftover', 'after dropping every stream table %d tracked sources and '
                          '%d buffers are left' % left)

    def run(self, case, log=None):
        """Runs a case; raises Failure."""
        self.log = log
        self.case = case
        try:
            return self.run_inner(case)
        except psycopg2.Error as e:
            lost = any(c.closed for c in self.conns.values())
            if lost or isinstance(e, (psycopg2.OperationalError, psycopg2.InterfaceError)) \
                    and e.pgcode in (None, '57P01', '57P02', '57P03'):
                self.connect_all()
                raise Failure('crash', one_line(e), at=self.at)
            raise Failure('error:' + str(e.pgcode), one_line(e), at=self.at)

    def run_inner(self, case):
        self.at = None
        self.determined = Determined(self, case) if self.test_generator else None
        try:
            self.clean()
        except Failure as f:
            # What an earlier case left behind is reported with that case.
            if f.kind == 'crash':
                raise
        self.sql(0, 'CREATE SCHEMA %s' % self.schema)
        for op in case.setup:
            self.change(op, setup=True)
        live = {}
        for i, st in enumerate(case.sts):
            r = self.create(st)
            if r:
                live[i] = r
        self.at = 0
        for n, op in enumerate(case.ops):
            self.at = n
            if op['t'] == 'ref':
                if op['st'] in live:
                    self.refresh(op, live)
            elif op['t'] == 'recreate':
                if op['st'] in live:
                    self.recreate(op['st'], live)
            elif op['t'] == 'verify':
                if op['st'] in live and not live[op['st']]['raised'] \
                        and not live[op['st']]['off']:
                    self.verify(case.sts[op['st']], live)
            else:
                self.change(op)
        self.at = len(case.ops)
        for i in live:
            self.history(case, case.sts[i], live[i])
        for r in live.values():
            self.stats['stcases'] += 1
            counts = bool(r['rows'] and len(r['sums']) > 1)
            if counts:
                self.stats['stcounted'] += 1
                self.stats['counted'] += r['steps']
            query = r['st'].query
            for k in [self.kinds.setdefault(query.kind, [0, 0, 0])] \
                    + [self.constructs.setdefault(c, [0, 0, 0]) for c in query.constructs]:
                k[0] += 1
                k[1] += counts
                k[2] += r['differential']
        for c in self.conns.values():
            if c.info.transaction_status != IDLE:
                c.cursor().execute('ROLLBACK')
        self.clean()

    # -- operations ---------------------------------------------------------

    def change(self, op, setup=False):
        s = op['s']
        c = self.conns[s]
        self.stats['changes'] += 1
        try:
            cur = c.cursor()
            if op['t'] == 'copy':
                cur.copy_expert(op['q'], io.StringIO('\n'.join(op['rows']) + '\n'))
            else:
                cur.execute(render(op))
        except psycopg2.Error as e:
            code = e.pgcode or ''
            if c.closed or not code:
                raise
            self.stats['rejected'] += 1
            if os.environ.get('ORACLE_TRACE'):
                print('-- rejected', code, render(op)[:200], one_line(e), file=sys.stderr)
            if setup:
                if op['t'] == 'rows':
                    return
                raise Failure('setup:' + code, '%s: %s' % (render(op), one_line(e)))
            prepare = op['q'].startswith('PREPARE TR') if op['t'] == 'sql' else False
            if op.get('ddl') and code.startswith(('42', '55', '0A')):
                return            # a table or partition that an earlier error left out
            moved = 'would appear in a different partition' in str(e)
            if not code.startswith(TOLERATED) and not (code == '0A000' and (prepare or moved)):
                raise Failure('change:' + code, 'session %d: %s: %s' % (s, render(op),
                                                                        one_line(e)),
                              at=self.at)
            if c.info.transaction_status == IN_ERROR:
                c.cursor().execute('ROLLBACK')

    def create(self, st):
        q = st.query.render()
        try:
            self.sql(0, 'SELECT * FROM (%s) q LIMIT 0' % q)
            cur = self.sql(0, 'EXPLAIN (FORMAT JSON) ' + q)
            plan = cur.fetchone()[0][0]['Plan']
            if plan['Plan Rows'] > 1e9 or plan['Total Cost'] > 1e9:
                self.stats['heavy'] += 1
                return None
        except psycopg2.Error as e:
            if self.conns[0].closed:
                raise
            self.stats['invalid'] += 1
            if os.environ.get('ORACLE_TRACE'):
                print('-- invalid', q, one_line(e), file=sys.stderr)
            return None
        n = None
        began = time.time()
        try:
            n = self.sql(0, "SELECT count(*) FROM (%s) q" % q).fetchone()[0]
        except psycopg2.Error:
            if self.conns[0].closed:
                raise
        if n is None or n > 600 or time.time() - began > 0.04:
            self.stats['heavy'] += 1
            return None
        name = quote(st.name)
        try:
            self.sql(0, "SELECT pgtrickle.create_stream_table(%s, %s, '1d', '%s', %s)"
                     % (lit(name), lit(q), st.mode, 'true' if st.initialize else 'false'))
        except psycopg2.Error as e:
            if self.conns[0].closed:
                raise
            at_times = st.query.may_raise and 'clock' in st.query.constructs
            if e.pgcode and e.pgcode.startswith('22') and (at_times or self.raises(0, q)):
                self.stats['invalid'] += 1
                return None
            # Only a limit that the detail of the error names may be refused.
            why = next((w for w in REFUSALS if w in str(e).lower()), None)
            if e.pgcode != '0A000' or st.mode != 'DIFFERENTIAL' or why is None:
                raise Failure('create:' + str(e.pgcode), '%s: %s' % (q, one_line(e)), st=st)
            self.stats['refused'] += 1
            st.mode = 'AUTO'
            return self.create(st)
        cur = self.sql(0, "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass "
                       "AND attnum > 0 AND NOT attisdropped AND attname = '__pgt_count'"
                       % lit(name))
        count = cur.fetchone() is not None
        pgt_id = self.sql(0, 'SELECT pgt_id FROM pgtrickle.pgt_stream_tables WHERE pgt_relid = '
                          '%s::regclass' % lit(name)).fetchone()[0]
        r = {'st': st, 'count': count, 'pgt_id': pgt_id, 'rows': 0, 'sums': set(), 'steps': 0,
             'cmp': self.compare_sql(st, count), 'ready': set(), 'raised': False,
             'off': False}
        r['first'] = self.sql(0, 'SELECT coalesce(max(refresh_id), 0) FROM '
                              'pgtrickle.pgt_refresh_history WHERE pgt_id = %s'
                              % pgt_id).fetchone()[0]
        r['initialized'] = st.initialize
        return r

    def recreate(self, i, live):
        old = live.pop(i)
        self.sql(0, "SET lock_timeout = '5s'")
        self.sql(0, 'SELECT pgtrickle.drop_stream_table(%s)' % lit(quote(old['st'].name)))
        new = self.create(old['st'])
        self.sql(0, "SET lock_timeout = '2ms'")
        if new:
            for k in ('rows', 'sums', 'steps', 'ready'):
                new[k] = old[k]
            live[i] = new

    def raises(self, s, q):
        try:
            self.sql(s, "SELECT md5(string_agg(q::text, '')) FROM (%s) q" % q)
            return False
        except psycopg2.Error as e:
            if self.conns[s].closed:
                raise
            if self.conns[s].info.transaction_status == IN_ERROR:
                self.sql(s, 'ROLLBACK')
            return True

    def compare_sql(self, st, count, table=None):
        ts = st.query.targets()
        cols = []
        for i, t in enumerate(ts):
            cols.append('c%d::text COLLATE "C" AS k%d' % (i + 1, i + 1) if t.cmp == 'text'
                        else 'c%d AS k%d' % (i + 1, i + 1))
        keys = ', '.join('k%d' % (i + 1) for i in range(len(ts)))
        cols = ', '.join(cols)
        pc = '__pgt_count' if count else '1'
        return ('SELECT count(*) FILTER (WHERE s <> 0), coalesce(sum(n), 0), bit_xor(h), '
                'coalesce(min(pc), 1) FROM (SELECT sum(w) AS s, count(*) FILTER (WHERE w < 0) '
                'AS n, min(pc) AS pc, hashtextextended(ROW(%s)::text, count(*) FILTER '
                '(WHERE w < 0)) AS h FROM (SELECT %s, 1 AS w, %s AS pc FROM %s UNION ALL '
                'SELECT %s, -1, NULL FROM (%s) q) u GROUP BY %s) d'
                % (keys, cols, pc, table or quote(st.name), cols, st.query.render(), keys))

    def refresh(self, op, live):
        r = live[op['st']]
        st = r['st']
        s = op['s']
        c = self.conns[s]
        if r['off']:
            return
        how = op['how']
        if how == 'intx' and c.info.transaction_status == IDLE:
            how = 'plain'
        if how != 'intx' and c.info.transaction_status != IDLE:
            return
        # one now() for the refresh, the comparison, and whether the query raises
        tied = [live[i]['st'] for i in st.tied if i in live]
        at_once = how != 'intx' and self.raises_at_times(st, live)
        if at_once or how in ('separate', 'do') and 'clock' in st.query.constructs:
            how = 'plain'
        name = lit(quote(st.name))
        sets = 'SET pg_trickle.debug_apply = %s; SET pg_trickle.debug_plan = %s; ' % (
            op['apply'], op['plan'])
        if how == 'intx':
            sets = sets.replace('SET', 'SET LOCAL')
        began = time.time()
        refresh = sets + "SELECT pgtrickle.refresh_stream_table(%s); " % name
        compare = 'EXECUTE cmp_%d' % op['st']
        try:
            if s not in r['ready']:
                self.sql(s, 'PREPARE cmp_%d AS %s' % (op['st'], r['cmp']))
                r['ready'].add(s)
            if at_once:
                self.sql(s, 'BEGIN')
            if any(t.query.may_raise and self.raises(s, t.query.render())
                   for t in (tied if at_once else [st])):
                self.stats['skipped'] += 1
                r['raised'] = True
                return
            r['raised'] = False
            if how in ('rr', 'rollback'):
                iso = 'BEGIN ISOLATION LEVEL REPEATABLE READ; ' if how == 'rr' else 'BEGIN; '
                row = self.sql(s, iso + refresh + compare).fetchone()
            elif how == 'separate':
                self.sql(s, refresh)
                row = self.sql(s, compare).fetchone()
            elif how == 'do':
                self.sql(s, refresh.replace('SELECT', 'DO $x$ BEGIN PERFORM')
                         + 'EXCEPTION WHEN division_by_zero THEN RAISE; END $x$')
                row = self.sql(s, compare).fetchone()
            else:
                row = self.sql(s, refresh + compare).fetchone()
            if at_once:
                self.sql(s, 'COMMIT')
        except psycopg2.Error as e:
            if c.closed or not e.pgcode:
                raise
            if c.info.transaction_status == IN_ERROR:
                self.sql(s, 'ROLLBACK')
            if e.pgcode in ('55P03', '40001'):
                self.stats['skipped'] += 1
                return
            if e.pgcode == '57014':
                self.stats['slow'] += 1
                r['off'] = True
                return
            if e.pgcode.startswith('22') and any(self.raises(s, t.query.render())
                                                 for t in tied):
                self.stats['skipped'] += 1
                r['off'] = True
                return
            raise Failure('error:' + e.pgcode, one_line(e), st=st, at=self.at)
        diff, rows, h, least = row
        self.stats['steps'] += 1
        r['steps'] += 1
        if rows:
            r['rows'] = max(r['rows'], rows)
        r['sums'].add((h, rows))
        if diff and not self.tolerable(s, st):
            raise Failure('diff', '%d differing rows in %s after a refresh (%s) in session %d'
                          % (diff, st.name, how, s), st=st, at=self.at)
        # The one row of an aggregate without GROUP BY may stand for no rows.
        if least < (0 if st.query.is_scalar() or not st.query.core else 1):
            raise Failure('count', '__pgt_count %s in %s' % (least, st.name), st=st, at=self.at)
        # Many small steps find more than a few large ones.
        if rows > 1500 or time.time() - began > 0.15:
            r['off'] = True
        if how == 'rr':
            self.sql(s, 'COMMIT')
        elif how == 'rollback':
            self.sql(s, 'ROLLBACK')
        if self.determined and how == 'plain' and s == 0 and 'clock' not in st.query.constructs:
            why = self.determined.check(r)
            if why:
                raise Failure('undetermined', why, st=st, at=self.at)

    def tolerable(self, s, st, table=None):
        """Are the differences within the tolerance for float sums?"""
        ts = st.query.targets()
        floats = [i for i, t in enumerate(ts) if t.cmp == 'float']
        if not floats:
            return False
        cols, keys, aggs, differ = [], [], [], []
        for i, t in enumerate(ts):
            n = i + 1
            cols.append('c%d::text COLLATE "C" AS k%d' % (n, n) if t.cmp == 'text'
                        else 'c%d AS k%d' % (n, n))
            if i in floats:
                for w in ('1', '-1'):
                    aggs.append("array_agg(k%d::float8 ORDER BY k%d) FILTER (WHERE w = %s)"
                                % (n, n, w))
            else:
                keys.append('k%d' % n)
        cols = ', '.join(cols)
        q = ('SELECT %s FROM (SELECT %s, 1 AS w FROM %s UNION ALL SELECT %s, -1 FROM (%s) q) u%s'
             % (', '.join(aggs), cols, table or quote(st.name), cols, st.query.render(),
                ' GROUP BY ' + ', '.join(keys) if keys else ''))
        for row in self.sql(s, q).fetchall():
            for a, b in zip(row[::2], row[1::2]):
                if not near(a or [], b or []):
                    return False
        return True

    def raises_at_times(self, st, live):
        """Does it depend on the instant whether a refresh of its group fails?"""
        return any(q.may_raise and 'clock' in q.constructs
                   for q in (live[i]['st'].query for i in st.tied if i in live))

    def verify(self, st, live):
        try:
            row = self.sql(0, 'SELECT * FROM pgtrickle.verify_stream_table(%s)'
                           % lit(quote(st.name))).fetchone()
        except psycopg2.Error as e:
            if e.pgcode in ('55P03', '57014'):
                self.stats['skipped' if e.pgcode == '55P03' else 'slow'] += 1
                return
            if e.pgcode and e.pgcode.startswith('22') and self.raises_at_times(st, live):
                self.stats['skipped'] += 1
                return
            if e.pgcode == '55000' and not self.is_populated(st):
                return            # nothing to compare: each refresh so far was skipped
            raise Failure('error:' + str(e.pgcode), 'verify: ' + one_line(e), st=st, at=self.at)
        if not self.is_populated(st):
            raise Failure('verify', 'verify_stream_table(%s) says %s of a table never filled'
                          % (st.name, row), st=st, at=self.at)
        if row[:2] != (0, 0):
            # Right after a refresh of its own, nothing may be missing.
            self.sql(0, 'SELECT pgtrickle.refresh_stream_table(%s)' % lit(quote(st.name)))
            row = self.sql(0, 'SELECT * FROM pgtrickle.verify_stream_table(%s)'
                           % lit(quote(st.name))).fetchone()
            if row[:2] != (0, 0) and not any(t.cmp == 'float' for t in st.query.targets()):
                raise Failure('verify', 'verify_stream_table(%s) says %s' % (st.name, row),
                              st=st, at=self.at)

    def is_populated(self, st):
        return self.sql(0, 'SELECT is_populated FROM pgtrickle.pgt_stream_tables WHERE pgt_relid '
                        '= %s::regclass' % lit(quote(st.name))).fetchone()[0]

    def history(self, case, st, r):
        cur = self.sql(0, 'SELECT action, count(*), min(reason), min(status) FROM '
                       'pgtrickle.pgt_refresh_history WHERE pgt_id = %d AND refresh_id > %d '
                       'GROUP BY action' % (r['pgt_id'], r['first']))
        actions = {a: (n, why, status) for a, n, why, status in cur.fetchall()}
        r['differential'] = 'DIFFERENTIAL' in actions
        if st.mode == 'AUTO':
            self.stats['auto_full' if 'FULL' in actions else 'auto_diff'] += 1
        if st.mode != 'DIFFERENTIAL':
            return
        wrong = {a: v for a, v in actions.items() if a != 'DIFFERENTIAL'}
        if case.truncates or case.redefines or not r['initialized']:
            wrong.pop('REINITIALIZE', None)
        if not r['initialized'] and wrong.get('FULL', (0,))[0] == 1:
            wrong.pop('FULL')
        if wrong:
            raise Failure('history', '%s is DIFFERENTIAL but ran %s' % (st.name, wrong), st=st,
                          at=self.at)

    def vacuum(self):
        self.sql(0, "SET lock_timeout = '20s'")
        for rel in ('pg_class', 'pg_attribute', 'pg_depend', 'pg_type', 'pg_index',
                    'pg_constraint', 'pg_trigger', 'pg_rewrite', 'pg_attrdef', 'pg_shdepend',
                    'pg_description', 'pg_statistic', 'pg_inherits', 'pg_partitioned_table',
                    'pgtrickle.pgt_stream_tables', 'pgtrickle.pgt_dependencies',
                    'pgtrickle.pgt_change_tracking', 'pgtrickle.pgt_refresh_history'):
            self.sql(0, 'VACUUM ' + rel)
        self.defaults(self.conns[0])


def near(a, b):
    if len(a) != len(b):
        return False
    for x, y in zip(a, b):
        if x is None or y is None:
            if x is not y:
                return False
        elif math.isnan(x) or math.isnan(y) or math.isinf(x) or math.isinf(y):
            if str(x) != str(y):
                return False
        elif abs(x - y) > 1e-9 * max(1.0, abs(x), abs(y)):
            return False
    return True


def lit(text):
    return "'%s'" % text.replace("'", "''") if '\\' not in text \
        else "E'%s'" % text.replace('\\', '\\\\').replace("'", "''")


def one_line(e):
    text = '%s: %s' % (e.pgcode, ' '.join(str(e).split()))
    return text[:600]
