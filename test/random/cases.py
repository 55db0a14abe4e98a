"""A case: tables, stream tables, and a list of operations in several sessions."""
import random
import re

from changes import ChangeMaker
from datatypes import TYPES, quote, weighted
from queries import DIFFERENTIAL_CONSTRUCTS, QueryMaker, make_views
from tables import Polled, TableMaker

class StreamTable:
    def __init__(self, name, query, mode, initialize):
        self.name = name
        self.query = query
        self.mode = mode
        self.initialize = initialize
        self.tied = set()         # stream tables that share locks with it, itself too
        self.is_read = False      # by another one


class Case:
    def __init__(self):
        self.tables = []
        self.setup = []           # operations before the stream tables are made
        self.sts = []
        self.ops = []
        self.polled = []
        self.truncates = False
        self.redefines = False    # partitions come and go


MAX_SESSION = 4


def reads_any(text, names):
    """Does one of the names stand in the text as that of a relation?"""
    return any(re.search(r'[ (]%s[ )]' % re.escape(n), text + ' ') for n in names)


class CaseMaker:
    def __init__(self, key, steps, citext, core=0.5, need=(), polled=0.15, heirs=0.1,
                 net_first=0.1):
        self.rnd = random.Random(key)
        # what has to do with polled sources, so that the other cases stay as they are
        self.polled_rnd = random.Random(key + '/polled')
        self.polled = polled      # share of the cases that have any
        # likewise; the share of the cases that net their joins first
        self.net_first_rnd = random.Random(key + '/net first')
        self.net_first = net_first
        self.steps = steps
        self.citext = citext
        self.need = need
        self.heirs = heirs
        self.core = core          # share of the cases that have queries of the core only

    def make(self):
        rnd = self.rnd
        case = Case()
        core = rnd.random() < self.core
        odd = rnd.random() < 0.06
        tables = TableMaker(rnd, self.citext, self.heirs).make(
            weighted(rnd, [(2, 5), (3, 4), (4, 2), (5, 1)]), odd)
        case.tables = tables
        needs = {TYPES[c.typ].needs for t in tables for c in t.cols} - {None}
        for q in sorted(needs) + [q for t in tables for q in t.ddl]:
            case.setup.append({'t': 'sql', 's': 0, 'q': q})
        self.changes = ChangeMaker(rnd, tables)
        for t in tables:
            if rnd.random() < 0.88:
                case.setup.append({'t': 'rows', 's': 0,
                                   'head': 'INSERT INTO %s %s VALUES '
                                   % (quote(t.name), self.changes.collist(t)),
                                   'rows': [self.changes.rowtext(t)
                                            for _ in range(rnd.randint(2, 9))],
                                   'tail': ' ON CONFLICT DO NOTHING'})
        case.setup.append({'t': 'sql', 's': 0,
                           'q': 'CREATE FUNCTION fi(integer) RETURNS integer IMMUTABLE LANGUAGE '
                           "sql AS 'SELECT $1 * 2 + 1'"})
        if not core:
            case.setup.append({'t': 'sql', 's': 0, 'q': 'CREATE AGGREGATE usum(integer) '
                               '(sfunc = int4pl, stype = integer, initcond = 0)'})
        qm = QueryMaker(rnd, self.make_polled(case, tables), [], self.need)
        views = make_views(rnd, qm, core)
        for ddl, _ in views:
            case.setup.append({'t': 'sql', 's': 0, 'q': ddl})
        captured = self.captured(case, views)
        stacked = rnd.random() < 0.25
        for i in range(rnd.randint(2, 5)):
            q = qm.make_core() if core else qm.make_any()
            while stacked and q.may_raise:
                q = qm.make_core() if core else qm.make_any()
            mode = 'DIFFERENTIAL' if q.constructs <= DIFFERENTIAL_CONSTRUCTS else 'AUTO'
            if rnd.random() < 0.03:
                mode = 'FULL'
            if mode == 'DIFFERENTIAL' and case.polled and not reads_any(q.render(), captured):
                mode = 'AUTO'
            name = ('st%d' if not odd else 'St %d') % (i + 1)
            case.sts.append(StreamTable(name, q, mode, rnd.random() < 0.9))
            self.tie(case.sts, i)
            captured.add(quote(name))
            if stacked and rnd.random() < 0.8:
                qm.views.append((quote(name), [('c%d' % (j + 1), t.typ)
                                               for j, t in enumerate(q.targets())], ()))
        case.truncates = rnd.random() < 0.3
        case.redefines = rnd.random() < 0.15
        self.make_ops(case, tables)
        self.add_net_first(case)
        return case

    def add_net_first(self, case):
        """From some point on, refresh as after a data error on rows that never were."""
        rnd = self.net_first_rnd
        if rnd.random() < self.net_first:
            case.ops.insert(rnd.randint(0, len(case.ops) // 2), {
                't': 'sql', 's': 0,
                'q': 'UPDATE pgtrickle.pgt_stream_tables SET frontier = frontier || '
                '\'{"net_first": true}\''})

    def make_polled(self, case, tables):
        """The tables as queries see them: some are materialized views of them."""
        rnd = self.polled_rnd
        if rnd.random() >= self.polled:
            return tables
        seen = list(tables)
        for i in rnd.sample(range(len(tables)), rnd.randint(1, len(tables) - 1)):
            polled = Polled(tables[i])
            case.polled.append(polled)
            seen[i] = polled.table
            for q in polled.ddl():
                case.setup.append({'t': 'sql', 's': 0, 'q': q})
        return seen

    def captured(self, case, views):
        """Names of what has a captured table in it, among tables and views."""
        polled = {p.base.name for p in case.polled}
        names = {quote(t.name) for t in case.tables if t.name not in polled}
        names |= {leaf for t in case.tables if t.name not in polled for leaf in t.leaves}
        for ddl, (name, _, _) in views:
            if reads_any(ddl, names):
                names.add(name)
        return names

    def tie(self, sts, i):
        """Find out which stream tables the i-th one reads."""
        text = sts[i].query.render()
        tied = {i}
        for j in range(i):
            if re.search(r'[ (]%s ' % re.escape(quote(sts[j].name)), text):
                sts[j].is_read = True
                tied |= sts[j].tied
        for k in tied:
            sts[k].tied = tied

    def make_ops(self, case, tables):
        rnd = self.rnd
        ops = case.ops
        nsess = weighted(rnd, [(1, 4), (2, 4), (3, 1), (4, 1)])
        tx = {}                   # session -> state of its open transaction
        prepared = []
        gid = 0
        steps = 0
        sessions = list(range(1, nsess + 1))
        if rnd.random() < 0.08:
            ops.append({'t': 'sql', 's': rnd.choice(sessions),
                        'q': 'SET session_replication_role = replica'})
        if rnd.random() < 0.2:
            ops.append({'t': 'sql', 's': rnd.choice(sessions),
                        'q': "SET timezone = 'America/New_York'"})

        def end(s, how):
            ops.append({'t': 'sql', 's': s, 'q': how, 'tx': True})
            tx.pop(s, None)

        while steps < self.steps:
            batch = weighted(rnd, [(0, 6), (1, 26), (2, 18), (3, 12), (5, 12), (8, 8), (20, 4)])
            n = 0
            while n < batch:
                n += 1
                s = rnd.choice(sessions)
                if prepared and rnd.random() < 0.3:
                    free = [x for x in sessions if x not in tx]
                    if free:
                        ops.append({'t': 'sql', 's': rnd.choice(free), 'tx': True,
                                    'q': '%s PREPARED \'%s\'' % (
                                        rnd.choice(['COMMIT', 'COMMIT', 'ROLLBACK']),
                                        prepared.pop(rnd.randrange(len(prepared))))})
                if s not in tx and rnd.random() < 0.3:
                    iso = ''
                    if not case.truncates and not case.polled and rnd.random() < 0.12:
                        iso = rnd.choice([' ISOLATION LEVEL REPEATABLE READ',
                                          ' ISOLATION LEVEL SERIALIZABLE'])
                    ops.append({'t': 'sql', 's': s, 'q': 'BEGIN' + iso, 'tx': True})
                    tx[s] = {'sp': 0, 'locked': set(), 'n': 0}
                if s in tx and rnd.random() < 0.2:
                    st = tx[s]
                    if st['sp'] and rnd.random() < 0.6:
                        ops.append({'t': 'sql', 's': s, 'tx': True, 'q': '%s SAVEPOINT s%d' % (
                            rnd.choice(['ROLLBACK TO', 'ROLLBACK TO', 'RELEASE']), st['sp'])})
                        if ops[-1]['q'].startswith('RELEASE'):
                            st['sp'] -= 1
                    else:
                        st['sp'] += 1
                        ops.append({'t': 'sql', 's': s, 'q': 'SAVEPOINT s%d' % st['sp'],
                                    'tx': True})
                new = self.changes.statement(s, case.truncates)
                if case.polled and self.polled_rnd.random() < 0.2:
                    # who refreshes it must see the change that it is to show
                    new.append({'t': 'sql', 's': s, 'short': True,
                                'q': self.polled_rnd.choice(case.polled)
                                .refresh(self.polled_rnd)})
                ops += new
                short = any(o.get('short') for o in new)
                if s in tx:
                    tx[s]['n'] += 1
                    if short or rnd.random() < 0.28:
                        how = weighted(rnd, [('COMMIT', 10), ('ROLLBACK', 3), ('PREPARE', 1.5)])
                        if how == 'PREPARE' and not short:
                            gid += 1
                            how = "PREPARE TRANSACTION 'oracle_%d'" % gid
                            prepared.append('oracle_%d' % gid)
                        elif how == 'PREPARE':
                            how = 'COMMIT'
                        end(s, how)
            if case.redefines and not tx and not prepared and rnd.random() < 0.12:
                self.redefine(case, tables, rnd.choice(sessions))
            # A refresh point.
            held = set()
            for s, st in tx.items():
                held |= st['locked']
            free = [i for i in range(len(case.sts)) if i not in held]
            where = weighted(rnd, [('control', 10), ('idle', 3), ('intx', 4 if tx else 0)])
            if where == 'intx':
                s = rnd.choice(sorted(tx))
                which = [i for i in range(len(case.sts)) if i in tx[s]['locked'] or i in free]
            else:
                idle = [x for x in sessions if x not in tx]
                s = rnd.choice(idle) if where == 'idle' and idle else 0
                which = free
            if not which:
                for s in sorted(tx):
                    if tx[s]['locked']:
                        end(s, rnd.choice(['COMMIT', 'ROLLBACK']))
                continue
            if rnd.random() < 0.35:
                which = rnd.sample(which, rnd.randint(1, len(which)))
            how = 'intx' if where == 'intx' else weighted(
                rnd, [('plain', 10), ('rr', 4), ('separate', 3), ('rollback', 1.2),
                      ('do', 0.7)])
            if how == 'intx':
                for i in which:
                    tx[s]['locked'] |= case.sts[i].tied
            for i in which:
                ops.append({'t': 'ref', 's': s, 'st': i, 'how': how,
                            'apply': rnd.choice(['c', 'c', 'sql']),
                            'plan': rnd.choice(['tiny', 'tiny', 'bulk', 'auto'])})
                steps += 1
            if rnd.random() < 0.02 and not tx:
                ops.append({'t': 'verify', 's': 0, 'st': rnd.randrange(len(case.sts))})
        for s in sorted(tx):
            end(s, rnd.choice(['COMMIT', 'COMMIT', 'ROLLBACK']))
        for g in prepared:
            ops.append({'t': 'sql', 's': 1, 'q': "COMMIT PREPARED '%s'" % g, 'tx': True})
        for i in range(len(case.sts)):
            ops.append({'t': 'ref', 's': 0, 'st': i, 'how': 'plain', 'apply': 'c', 'plan': 'tiny'})
            if rnd.random() < 0.3:
                ops.append({'t': 'verify', 's': 0, 'st': i})


    def redefine(self, case, tables, s):
        """Statements about tables rather than rows, while nobody is in a transaction."""
        rnd = self.rnd
        t = rnd.choice(tables)
        name = quote(t.name)
        what = weighted(rnd, [('column', 1), ('full', 2), ('vacuum', 1), ('recreate', 2),
                              ('partition', 4 if t.bounds else 0),
                              ('heir', 4 if len(t.heirs) > (1 if t.pk else 0) else 0)])
        if what == 'recreate':
            st = rnd.randrange(len(case.sts))
            if not case.sts[st].is_read:
                case.ops.append({'t': 'recreate', 's': 0, 'st': st})
            return
        if what == 'column':
            self.added = getattr(self, 'added', 0) + 1
            q = 'ALTER TABLE %s ADD COLUMN later%d integer DEFAULT 5' % (name, self.added)
        elif what == 'partition':
            leaf = rnd.choice(sorted(t.bounds))
            detached = getattr(t, 'detached', None)
            if detached:
                q = 'ALTER TABLE %s ATTACH PARTITION %s %s' % (name, detached,
                                                               t.bounds[detached])
                t.detached = None
            else:
                q = 'ALTER TABLE %s DETACH PARTITION %s' % (name, leaf)
                t.detached = leaf
        elif what == 'heir':
            # One stays, and nobody inherits from the last: what has a key keeps none.
            heir = t.heirs[-1] if t.pk else rnd.choice(t.heirs)
            apart = t.__dict__.setdefault('apart', set())
            how = 'INHERIT' if heir in apart else 'NO INHERIT'
            apart ^= {heir}
            q = 'ALTER TABLE %s %s' % (heir, ', '.join('%s %s' % (how, p)
                                                       for p in t.parents[heir]))
        else:
            full = '(FULL) ' if what == 'full' else ''
            q = 'VACUUM %s%s' % (full, name if rnd.random() < 0.4
                                 else quote(rnd.choice(case.sts).name))
        case.ops.append({'t': 'sql', 's': s, 'q': q, 'ddl': True})
