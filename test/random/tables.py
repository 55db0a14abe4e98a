"""Random tables: keyed, keyless, partitioned, with what time leaves behind in them."""
from datatypes import TYPES, quote, weighted


class Col:
    def __init__(self, name, typ, notnull=False, generated=None, dom=None):
        self.name = name
        self.typ = typ
        self.notnull = notnull
        self.generated = generated
        self.dom = dom or TYPES[typ].dom

    def value(self, rnd):
        if not self.notnull and rnd.random() < 0.18:
            return 'NULL'
        return rnd.choice(self.dom)


class Table:
    def __init__(self, name, cols):
        self.name = name
        self.cols = cols
        self.pk = []
        self.unique = []
        self.leaves = []          # names of leaf partitions
        self.bounds = {}          # of those that can be detached
        self.heirs = []           # names of tables that inherit, without the keys
        self.parents = {}         # of each of them
        self.ddl = []

    def col(self, name):
        return next(c for c in self.cols if c.name == name)

    def key(self):
        """Columns that are a key of what the name of the table reads."""
        return [] if self.heirs else self.pk

    def own(self):
        return [c for c in self.cols if not c.generated]


class Polled:
    """A materialized view of a table, which queries read in the table's place."""

    def __init__(self, t):
        self.base = t
        self.concurrently = bool(t.pk) and not t.leaves
        self.table = Table('m' + t.name[1:], t.cols)
        self.name = quote(self.table.name)

    def ddl(self):
        out = ['CREATE MATERIALIZED VIEW %s AS SELECT %s FROM %s'
               % (self.name, ', '.join(quote(c.name) for c in self.table.cols),
                  quote(self.base.name))]
        if self.concurrently:
            out.append('CREATE UNIQUE INDEX ON %s (%s)'
                       % (self.name, ', '.join(quote(x) for x in self.base.pk)))
        return out

    def refresh(self, rnd):
        how = 'CONCURRENTLY ' if self.concurrently and rnd.random() < 0.5 else ''
        return 'REFRESH MATERIALIZED VIEW %s%s' % (how, self.name)


class TableMaker:
    """Makes the tables of a case."""

    def __init__(self, rnd, citext, heirs=0.1):
        self.rnd = rnd
        self.heirs = heirs        # share of the tables that others inherit from
        self.types = [(t.name, t.weight) for t in TYPES.values()
                      if citext or t.name != 'citext']
        if rnd.random() < 0.6:
            # Columns of one type meet each other more often.
            focus = rnd.choice(self.types)[0]
            self.types.append((focus, 60))

    def make(self, n, odd_names):
        rnd = self.rnd
        shared_type = weighted(rnd, self.types)
        tables = []
        for i in range(1, n + 1):
            tables.append(self.table(i, shared_type, odd_names))
        self.foreign_key(tables)
        return tables

    def table(self, i, shared_type, odd_names):
        rnd = self.rnd
        ktype = weighted(rnd, [('int', 10), ('bigint', 2), ('text', 1), ('nume', 1)])
        kind = weighted(rnd, [('key', 30), ('composite', 12), ('none', 40), ('unique', 12),
                              ('wide', 6)])
        keydom = {'int': [str(x) for x in range(12)], 'bigint': [str(x) for x in range(12)],
                  'text': ["'%s'" % x for x in 'abcdefghij'],
                  'nume': ['1', '2.0', '3.00', '4', '5.5', '6', '7', '8.0', '9']}
        k = Col('k', ktype)
        g = Col('g', weighted(rnd, [('int', 8), ('bigint', 1), ('text', 1), ('nume', 1)]))
        if kind in ('key', 'unique', 'wide'):
            k.dom = keydom[ktype]
        cols = [k, g]
        for name in 'abcd'[:rnd.randint(1, 4)]:
            cols.append(Col(name + str(i), weighted(rnd, self.types)))
        if rnd.random() < 0.2:
            cols.append(Col('x', shared_type))
        if odd_names:
            cols.append(Col('select' if rnd.random() < 0.5 else 'Od d', 'int'))
        for c in cols[2:]:
            c.notnull = rnd.random() < 0.15
        if rnd.random() < 0.3:
            cols[2:] = rnd.sample(cols[2:], len(cols) - 2)
            if rnd.random() < 0.5:
                cols[0], cols[-1] = cols[-1], cols[0]
        t = Table('t%d' % i if not odd_names else 'T %d' % i, cols)
        if kind == 'key':
            t.pk = ['k']
        elif kind in ('composite', 'wide'):
            t.pk = ['k', 'g']
        for name in t.pk:
            t.col(name).notnull = True
        if kind == 'unique':
            t.unique = ['k']
        if rnd.random() < 0.1:
            base = next((c for c in cols if c.typ == 'int'), None)
            if base:
                cols.append(Col('gen', 'int', generated='(%s * 2)' % quote(base.name)))
        self.ddl(t)
        return t

    def ddl(self, t):
        rnd = self.rnd
        name = quote(t.name)
        dropped = rnd.random() < 0.12
        defs = []
        for c in t.cols:
            d = '%s %s' % (quote(c.name), TYPES[c.typ].ddl)
            if c.generated:
                d += ' GENERATED ALWAYS AS %s STORED' % c.generated
            if c.notnull:
                d += ' NOT NULL'
            defs.append(d)
        if dropped:
            defs.insert(rnd.randint(0, len(defs)), 'gone text')
        part = None
        gen = any(c.generated for c in t.cols)
        if rnd.random() < 0.22:
            cands = [c for c in t.cols if (c.name in t.pk if t.pk else True)
                     and c.typ in ('int', 'text', 'bigint') and not c.generated]
            if cands and (not t.unique or any(c.name == 'k' for c in cands)):
                part = rnd.choice(cands) if not t.unique else t.col('k')
                if part not in cands:
                    part = None
        key = ', '.join(quote(x) for x in t.pk)
        if t.pk:
            defs.append('PRIMARY KEY (%s)' % key)
        if not part:
            t.ddl.append('CREATE TABLE %s (%s)' % (name, ', '.join(defs)))
            if rnd.random() < self.heirs:
                self.inherit(t, name, [d for d in defs if not d.startswith('PRIMARY KEY')])
        else:
            self.partitions(t, name, defs, part, dropped or gen)
        if dropped:
            t.ddl.append('ALTER TABLE %s DROP COLUMN gone' % name)
        if t.unique:
            t.ddl.append('CREATE UNIQUE INDEX ON %s (k)%s'
                         % (name, ' NULLS NOT DISTINCT' if rnd.random() < 0.3 else ''))
        elif rnd.random() < 0.4:
            c = rnd.choice([c for c in t.cols if TYPES[c.typ].equal and c.typ != 'long'])
            t.ddl.append('CREATE INDEX ON %s (%s)' % (name, quote(c.name)))

    def partitions(self, t, name, defs, part, same_order):
        rnd = self.rnd
        num = part.typ != 'text'
        how = weighted(rnd, [('LIST', 4), ('HASH', 2), ('RANGE', 3 if num else 0)])
        t.ddl.append('CREATE TABLE %s (%s) PARTITION BY %s (%s)'
                     % (name, ', '.join(defs), how, quote(part.name)))
        if how == 'HASH':
            bounds = ['WITH (MODULUS 2, REMAINDER %d)' % i for i in range(2)]
        elif how == 'RANGE':
            bounds = ['FROM (MINVALUE) TO (2)', 'FROM (2) TO (5)', 'DEFAULT']
        else:
            dom = part.dom
            cut = rnd.randint(1, len(dom) - 1)
            bounds = ['IN (%s)' % ', '.join(dom[:cut]), 'DEFAULT']
        for i, b in enumerate(bounds):
            leaf = quote('%s_p%d' % (t.name, i))
            values = b if b == 'DEFAULT' else 'FOR VALUES ' + b
            if not same_order and not t.pk and rnd.random() < 0.4:
                # A partition whose columns stand in another order.
                mixed = rnd.sample(defs, len(defs))
                t.ddl.append('CREATE TABLE %s (%s)' % (leaf, ', '.join(mixed)))
                t.ddl.append('ALTER TABLE %s ATTACH PARTITION %s %s' % (name, leaf, values))
                t.leaves.append(leaf)
                t.bounds[leaf] = values
            elif rnd.random() < 0.15 and how != 'HASH':
                t.ddl.append('CREATE TABLE %s PARTITION OF %s %s PARTITION BY HASH (%s)'
                             % (leaf, name, values, quote(part.name)))
                for j in range(2):
                    sub = quote('%s_p%d_%d' % (t.name, i, j))
                    t.ddl.append('CREATE TABLE %s PARTITION OF %s FOR VALUES WITH '
                                 '(MODULUS 2, REMAINDER %d)' % (sub, leaf, j))
                    t.leaves.append(sub)
            else:
                t.ddl.append('CREATE TABLE %s PARTITION OF %s %s' % (leaf, name, values))
                t.leaves.append(leaf)
                t.bounds[leaf] = values

    def inherit(self, t, name, defs):
        """Children of a table: what is unique in each is not in all of them."""
        rnd = self.rnd
        for i in range(rnd.randint(1, 3)):
            heir = quote('%s_h%d' % (t.name, i))
            parents = [rnd.choice([name] + t.heirs)]
            if t.heirs and rnd.random() < 0.3:
                parents = [name, rnd.choice(t.heirs)]
            if rnd.random() < 0.4:
                # Its columns stand in another order.
                t.ddl.append('CREATE TABLE %s (%s)' % (heir, ', '.join(
                    ['gone_h text'] + rnd.sample(defs, len(defs)))))
                t.ddl.append('ALTER TABLE %s DROP COLUMN gone_h' % heir)
                parents = [name]
                t.ddl.append('ALTER TABLE %s INHERIT %s' % (heir, name))
            else:
                t.ddl.append('CREATE TABLE %s (more%d text DEFAULT \'m\') INHERITS (%s)'
                             % (heir, i, ', '.join(parents)))
            t.heirs.append(heir)
            t.parents[heir] = parents

    def foreign_key(self, tables):
        rnd = self.rnd
        if rnd.random() > 0.12 or len(tables) < 2:
            return
        parents = [t for t in tables if t.pk == ['k']]
        if not parents:
            return
        p = rnd.choice(parents)
        kids = [t for t in tables if t is not p and t.col('g').typ == p.col('k').typ
                and 'g' not in t.pk and not any(c.generated and 'g' in c.generated for c in t.cols)]
        if not kids:
            return
        c = rnd.choice(kids)
        tables[-1].ddl.append('ALTER TABLE %s ADD FOREIGN KEY (g) REFERENCES %s ON DELETE %s '
                     'ON UPDATE CASCADE' % (quote(c.name), quote(p.name),
                                            rnd.choice(['CASCADE', 'SET NULL'])
                                            if not c.col('g').notnull else 'CASCADE'))
        p.referenced = True
