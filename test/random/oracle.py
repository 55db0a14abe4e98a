#!/usr/bin/env python3
"""Random oracle: after every refresh a stream table equals its query.

A case is a schema with two to five tables, some stream tables over them and a
list of operations: changes in several interleaved sessions, refreshes, checks.
It is made completely before it runs, from "<seed>/<case number>" alone, so it
can be run again and shrunk by leaving parts out.

A step is one refresh and one comparison.  The driver is sequential and the
comparison follows the refresh in a snapshot in which nothing that the refresh
did not see is visible; hence every difference is a wrong answer.

Comparison: as multisets.  By text image where the query determines the image;
by the type's own "=" where SQL lets any of several equal values stand for a
group (numeric, float, citext, jsonb, interval: keys, min, max);
sums of floats with a relative tolerance of 1e-9.
"""
import argparse
import copy
import io
import math
import os
import random
import re
import sys
import time

import psycopg2
import psycopg2.extensions

# ---------------------------------------------------------------------------
# Types.  dom: literals of the domain.  exact: equal values have equal images.
# cls: values of one class can be compared with each other.
# ---------------------------------------------------------------------------


class Type:
    def __init__(self, name, ddl, dom, cls, exact=True, sums=None, avgs=None,
                 minmax=True, equal=True, weight=4, cast=None, needs=None):
        self.name = name
        self.ddl = ddl
        self.dom = dom
        self.cls = cls
        self.exact = exact
        self.sums = sums          # name of the type of sum(), or None
        self.avgs = avgs
        self.minmax = minmax
        self.equal = equal        # has a default btree or hash class
        self.weight = weight
        self.cast_name = cast
        self.needs = needs        # statement that makes what the type consists of

    def lit(self, rnd):
        v = rnd.choice(self.dom)
        return v if self.name == 'bool' else "%s::%s" % (v, self.cast())

    def cast(self):
        return self.cast_name or self.ddl.split('(')[0]


# Too long for an index entry, hardly compressible, and alike to the last letter.
LONG = ''.join('%08x' % (i * 2654435761 % 2 ** 32) for i in range(1, 500))


TYPES = {t.name: t for t in [
    Type('int', 'integer', ['0', '1', '2', '3', '(-1)'], 'num',
         sums='bigint', avgs='numeric', weight=12),
    Type('small', 'smallint', ['0', '1', '2', '(-3)'], 'num',
         sums='bigint', avgs='numeric', weight=2),
    Type('bigint', 'bigint', ['1', '2', '3', '5000000000', '(-4)'], 'num',
         sums='numeric', avgs='numeric', weight=6),
    Type('bigx', 'bigint', ["'-9223372036854775808'", "'9223372036854775807'", '0', '7'],
         'num', sums='numeric', avgs='numeric', weight=2),
    Type('num2', 'numeric(8,2)', ['1.00', '2.50', '(-1.25)', '0', '10.10', "'NaN'"], 'num',
         sums='numeric', avgs='numeric', weight=5),
    Type('numeric', 'numeric', ['1', '1.0', '1.00', '2.5', '2.500', '(-1.0)', '0.1', '1.00000001',
                                "'NaN'", "'Infinity'", "'-Infinity'"],
         'num', exact=False, sums='numeric', avgs='numeric', weight=6),
    Type('nume', 'numeric', ['1', '1.0', '1.00', '2.5', '2.500', '(-1.0)', '0.1', '0.00',
                              '1.00000001', '10000.5'],
         'num', exact=False, sums='numeric', avgs='numeric', weight=5),
    Type('float', 'float8', ["'0'", "'-0'", "'0.5'", "'1.25'", "'-2'", "'NaN'",
                             "'Infinity'", "'0.1'"],
         'num', exact=False, sums='float', avgs='float', weight=6),
    Type('real', 'real', ["'0'", "'-0'", "'0.5'", "'1.25'", "'NaN'"],
         'num', exact=False, sums='real', avgs='float', weight=2),
    Type('text', 'text', ["'a'", "'b'", "'A'", "''", "'x y'"], 'text', weight=8),
    Type('varchar', 'varchar(6)', ["'a'", "'b'", "'zz'"], 'text', weight=2),
    Type('char', 'char(3)', ["'a'", "'b'", "'abc'"], 'char', weight=1, cast='char(3)'),
    Type('long', 'text', ["'%sa'" % LONG, "'%sb'" % LONG, "'a'", "'%s'" % ('ab' * 1500)], 'text',
         weight=0.15),
    Type('ci', 'text COLLATE ci', ["'a'", "'A'", "'b'", "'ab'", "'aB'"], 'ci', exact=False,
         weight=1.5, cast='text',
         needs="CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', "
         "deterministic = false)"),
    Type('dom', 'dint', ['0', '1', '2', '7'], 'num', sums='bigint', avgs='numeric', weight=1,
         needs='CREATE DOMAIN dint AS integer CHECK (VALUE < 1000)'),
    Type('enum', 'mood', ["'sad'", "'ok'", "'happy'"], 'enum', weight=1,
         needs="CREATE TYPE mood AS ENUM ('happy', 'sad', 'ok')"),
    Type('citext', 'citext', ["'a'", "'A'", "'b'", "'B'", "'c'"], 'citext',
         exact=False, weight=3),
    Type('jsonb', 'jsonb', ["'{\"a\":1}'", "'{\"a\":1.0}'", "'[1,2]'", "'null'", "'\"x\"'"],
         'jsonb', exact=False, minmax=False, weight=3),
    Type('json', 'json', ["'{\"a\":1}'", "'{\"a\": 1}'", "'[1]'"], 'json',
         exact=False, minmax=False, equal=False, weight=1),
    Type('tstz', 'timestamptz', ["'2024-01-01 00:00+00'", "'2024-01-01 00:00-05'",
                                 "'2024-03-31 02:30+00'", "'infinity'"], 'tstz', weight=3),
    Type('interval', 'interval', ["'1 mon'", "'30 days'", "'1 day'", "'24:00'",
                                  "'-1 day'", "'02:30'"],
         'interval', exact=False, sums='interval', avgs='interval', weight=3),
    Type('money', 'money', ["'1.00'", "'2.50'", "'-1.00'", "'10.00'"], 'money',
         sums='money', weight=3),
    Type('bool', 'boolean', ['true', 'false'], 'bool', minmax=False, weight=3),
    Type('date', 'date', ["'2024-01-01'", "'2024-02-29'", "'2024-12-31'"], 'date', weight=3),
    Type('arr', 'integer[]', ["'{}'", "'{1,2}'", "'{1,NULL}'", "'{2}'"], 'arr', weight=1),
    Type('uuid', 'uuid', ["'00000000-0000-0000-0000-000000000001'",
                          "'00000000-0000-0000-0000-000000000002'"], 'uuid',
         minmax=False, weight=1),
    Type('bytea', 'bytea', ["'\\x00'", "'\\x01ff'", "''"], 'bytea', minmax=False, weight=1),
]}

ARITH = {'int', 'bigint', 'num2', 'numeric', 'nume', 'float', 'real', 'small'}
# Result type of arithmetic on two values of the type.
WIDER = {'num2': 'nume', 'small': 'small'}


def weighted(rnd, pairs):
    total = sum(w for _, w in pairs)
    x = rnd.random() * total
    for v, w in pairs:
        x -= w
        if x < 0:
            return v
    return pairs[-1][0]


# ---------------------------------------------------------------------------
# Tables
# ---------------------------------------------------------------------------


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
        self.ddl = []

    def col(self, name):
        return next(c for c in self.cols if c.name == name)

    def own(self):
        return [c for c in self.cols if not c.generated]


def quote(name):
    return name if re.fullmatch(r'[a-z_][a-z0-9_]*', name) and name != 'select' else '"%s"' % name


class TableMaker:
    """Makes the tables of a case."""

    def __init__(self, rnd, citext):
        self.rnd = rnd
        self.types = [(t.name, t.weight) for t in TYPES.values()
                      if citext or t.name != 'citext']

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


# ---------------------------------------------------------------------------
# Queries
# ---------------------------------------------------------------------------


class Target:
    """One output column.  cmp: 'text', 'eq' or 'float'."""

    def __init__(self, sql, typ, cmp):
        self.sql = sql
        self.typ = typ
        self.cmp = cmp


class Branch:
    def __init__(self):
        self.targets = []
        self.source = ''
        self.where = []
        self.group = None         # list of texts, [] for a scalar aggregate
        self.distinct = ''
        self.having = ''
        self.tail = ''

    def render(self):
        names = ['%s AS c%d' % (t.sql, i + 1) for i, t in enumerate(self.targets)]
        q = 'SELECT %s%s FROM %s' % (self.distinct, ', '.join(names), self.source)
        if self.where:
            q += ' WHERE ' + ' AND '.join(self.where)
        if self.group:
            q += ' GROUP BY ' + ', '.join(self.group)
        return q + self.having + self.tail


class Query:
    def __init__(self):
        self.branches = []
        self.glue = ' UNION ALL '
        self.must_diff = True     # built from operators with delta rules only
        self.may_raise = False
        self.kind = ''

    def render(self):
        if len(self.branches) == 1:
            return self.branches[0].render()
        return self.glue.join('(%s)' % b.render() if b.tail else b.render()
                              for b in self.branches)

    def targets(self):
        return self.branches[0].targets


class QueryMaker:
    """Composes queries over tables and views."""

    def __init__(self, rnd, tables, views):
        self.rnd = rnd
        self.tables = tables
        self.views = views        # (name, [(column, type)], must_diff)
        self.n = 0

    # -- expressions --------------------------------------------------------

    def cols(self, scope, pred):
        return [(a, c, t) for a, cs in scope for c, t in cs if pred(t)]

    def ref(self, a, c):
        return '%s.%s' % (a, quote(c))

    def expr(self, typ, scope, depth=2):
        rnd = self.rnd
        cands = self.cols(scope, lambda t: t == typ)
        if depth <= 0 or rnd.random() < 0.45:
            if cands and rnd.random() < 0.92:
                a, c, _ = rnd.choice(cands)
                return self.ref(a, c)
            return TYPES[typ].lit(rnd)
        sub = lambda t=typ: self.expr(t, scope, depth - 1)
        generic = [lambda: 'coalesce(%s, %s)' % (sub(), sub()),
                   lambda: 'CASE WHEN %s THEN %s ELSE %s END'
                   % (self.pred(scope, depth - 1), sub(), sub()),
                   lambda: 'CASE WHEN %s THEN %s END' % (self.pred(scope, depth - 1), sub())]
        if TYPES[typ].equal and typ not in ('arr',):
            generic.append(lambda: 'nullif(%s, %s)' % (sub(), sub()))
        if TYPES[typ].minmax:
            generic.append(lambda: 'greatest(%s, %s)' % (sub(), sub()))
            generic.append(lambda: 'least(%s, %s)' % (sub(), sub()))
        special = []
        if typ in ('int', 'bigint', 'nume', 'numeric', 'float'):
            special = [lambda: '(%s + %s)' % (sub(), sub()),
                       lambda: '(%s - %s)' % (sub(), sub()),
                       lambda: '(%s * %s)' % (sub(), rnd.choice(['2', '3', '(-1)'])),
                       lambda: '(- %s)' % sub(),
                       lambda: 'abs(%s)' % sub()]
        if typ == 'int':
            special += [lambda: 'fi(%s)' % sub(), lambda: 'length(%s)' % sub('text'),
                        lambda: '(%s %% 2)' % sub(),
                        lambda: '(%s / 2)' % sub()]
        if typ == 'bigint':
            special += [lambda: '%s::bigint' % sub('int')]
        if typ == 'nume':
            special += [lambda: '%s::numeric' % sub('int'),
                        lambda: '(%s + %s)' % (sub('num2'), sub()),
                        lambda: 'round(%s, 1)' % sub()]
        if typ == 'text':
            special = [lambda: '(%s || %s)' % (sub(), sub()),
                       lambda: 'upper(%s)' % sub(), lambda: 'lower(%s)' % sub(),
                       lambda: '%s::text' % sub('int'), lambda: 'substr(%s, 1, 1)' % sub(),
                       lambda: "(%s ->> 'a')" % sub('jsonb')]
        if typ == 'interval':
            special = [lambda: '(%s + %s)' % (sub(), sub()), lambda: '(%s * 2)' % sub()]
        if typ == 'money':
            special = [lambda: '(%s + %s)' % (sub(), sub()), lambda: '(%s * 2)' % sub()]
        if typ == 'date':
            special = [lambda: '(%s + 1)' % sub()]
        if typ == 'bool':
            return '(%s)' % self.pred(scope, depth - 1)
        if typ in ('json', 'char', 'varchar', 'small', 'real', 'num2', 'bigx', 'dom'):
            generic = generic[:2] if typ == 'json' else generic
            special = []
            if typ in ('char', 'varchar', 'small', 'num2', 'real', 'dom'):
                return 'coalesce(%s, %s)' % (sub(), sub())
        return rnd.choice(generic + special + special)()

    def pred(self, scope, depth=2):
        rnd = self.rnd
        kind = weighted(rnd, [('cmp', 10), ('lit', 8), ('null', 3), ('in', 3), ('dist', 2),
                              ('bool', 2), ('between', 1), ('any', 1), ('like', 1), ('json', 1),
                              ('and', 3 if depth > 0 else 0), ('or', 3 if depth > 0 else 0),
                              ('not', 2 if depth > 0 else 0),
                              ('truth', 1 if depth > 0 else 0)])
        sub = lambda: self.pred(scope, depth - 1)
        if kind in ('and', 'or'):
            return '(%s %s %s)' % (sub(), kind.upper(), sub())
        if kind == 'not':
            return '(NOT %s)' % sub()
        if kind == 'truth':
            return '((%s) IS %s)' % (sub(), rnd.choice(['TRUE', 'NOT TRUE', 'FALSE',
                                                        'NOT FALSE', 'UNKNOWN']))
        cands = self.cols(scope, lambda t: TYPES[t].equal)
        if not cands:
            return 'true'
        a, c, t = rnd.choice(cands)
        r = self.ref(a, c)
        typ = TYPES[t]
        op = rnd.choice(['=', '=', '<>', '<', '>', '<=', '>='])
        if kind == 'cmp':
            return '%s %s %s' % (r, op, self.expr(t, scope, min(depth, 1)))
        if kind == 'null':
            return '%s IS %sNULL' % (r, rnd.choice(['', 'NOT ']))
        if kind == 'in':
            vals = [rnd.choice(typ.dom) for _ in range(rnd.randint(1, 3))]
            vals = [v if t == 'bool' else '%s::%s' % (v, typ.cast()) for v in vals]
            if rnd.random() < 0.3:
                vals.append('NULL')
            return '%s %sIN (%s)' % (r, rnd.choice(['', 'NOT ']), ', '.join(vals))
        if kind == 'dist':
            return '%s IS %sDISTINCT FROM %s' % (r, rnd.choice(['', 'NOT ']),
                                                 self.expr(t, scope, 1))
        if kind == 'between' and typ.minmax:
            return '%s BETWEEN %s AND %s' % (r, typ.lit(rnd), typ.lit(rnd))
        if kind == 'any' and t in ('int', 'text'):
            return '%s = ANY (%s)' % (r, "'{0,1,NULL}'::int[]" if t == 'int'
                                      else "'{a,b}'::text[]")
        if kind == 'bool':
            b = self.cols(scope, lambda t: t == 'bool')
            if b:
                return self.ref(*rnd.choice(b)[:2])
        if kind == 'like':
            b = self.cols(scope, lambda t: t == 'text')
            if b:
                return "%s LIKE 'a%%'" % self.ref(*rnd.choice(b)[:2])
        if kind == 'json':
            b = self.cols(scope, lambda t: t == 'jsonb')
            if b:
                return "%s @> '{\"a\":1}'" % self.ref(*rnd.choice(b)[:2])
        return '%s %s %s' % (r, op, typ.lit(rnd))

    # -- FROM ---------------------------------------------------------------

    def alias(self):
        self.n += 1
        return 'q%d' % self.n

    def item(self, q, depth):
        """One entry of FROM: (text, alias, columns)."""
        rnd = self.rnd
        a = self.alias()
        what = weighted(rnd, [('table', 14), ('view', 3 if self.views else 0),
                              ('sub', 3 if depth > 0 else 0),
                              ('union', 0.7 if depth > 0 else 0),
                              ('nested', 0.25 if depth > 0 else 0)])
        if what == 'view':
            name, cols, must = rnd.choice(self.views)
            if not must:
                q.must_diff = False
            return '%s %s' % (name, a), a, cols
        if what == 'table':
            t = rnd.choice(self.tables)
            name = quote(t.name)
            if t.leaves and rnd.random() < 0.12:
                name = rnd.choice(t.leaves)
            return '%s %s' % (name, a), a, [(c.name, c.typ) for c in t.cols]
        if what == 'nested':
            q.must_diff = False
            inner, scope = self.from_clause(q, 1, depth - 1)[:2]
            c = rnd.choice(self.cols(scope, lambda t: TYPES[t].equal and TYPES[t].exact)
                           or [(None, None, None)])
            if c[0]:
                return ('(SELECT %s AS s1, count(*) AS s2 FROM %s GROUP BY 1) %s'
                        % (self.ref(c[0], c[1]), inner, a), a,
                        [('s1', c[2]), ('s2', 'bigint')])
        n = 2 if what == 'union' else 1
        types = None
        texts = []
        for _ in range(n):
            src, scope, where = self.from_clause(q, weighted(rnd, [(1, 6), (2, 3)]), depth - 1)
            if types is None:
                have = sorted({t for _, cs in scope for _, t in cs})
                types = [rnd.choice(have) for _ in range(rnd.randint(1, 4))]
                if 'int' not in types:
                    types.append('int')
            exprs = ['%s AS s%d' % (self.typed(t, scope, 1 if n == 1 else 0), i + 1)
                     for i, t in enumerate(types)]
            if rnd.random() < 0.6:
                where = where + [self.pred(scope, 1)]
            texts.append('SELECT %s FROM %s%s' % (', '.join(exprs), src,
                                                  ' WHERE ' + ' AND '.join(where)
                                                  if where else ''))
        return ('(%s) %s' % (' UNION ALL '.join(texts), a), a,
                [('s%d' % (i + 1), t) for i, t in enumerate(types)])

    def typed(self, typ, scope, depth):
        """An expression of exactly the type's name, typmod aside."""
        e = self.expr(typ, scope, depth)
        return e if typ != 'bool' else '(%s)' % e

    def join_cond(self, left, right):
        """Equality of a column of left and one of right, same class."""
        rnd = self.rnd
        pairs = [(a, b) for a in self.cols(left, lambda t: TYPES[t].equal)
                 for b in self.cols([right], lambda t: TYPES[t].equal)
                 if TYPES[a[2]].cls == TYPES[b[2]].cls]
        good = [p for p in pairs if p[0][1] in ('k', 'g') and p[1][1] in ('k', 'g')]
        if not pairs:
            return None
        a, b = rnd.choice(good if good and rnd.random() < 0.7 else pairs)
        return '%s = %s' % (self.ref(a[0], a[1]), self.ref(b[0], b[1]))

    def from_clause(self, q, n, depth):
        """(text, scope, conjuncts for WHERE)."""
        rnd = self.rnd
        text, a, cols = self.item(q, depth)
        scope = [(a, cols)]       # what JOIN may refer to
        apart = []                # what stands behind a comma
        commas = ''
        where = []
        loose = 0
        for i in range(1, n):
            text2, a2, cols2 = self.item(q, depth)
            new = (a2, cols2)
            cond = self.join_cond(scope, new)
            how = weighted(rnd, [('on', 8), ('comma', 4), ('using', 3), ('natural', 1.2),
                                 ('cross', 0.7), ('non', 1.2)])
            if how in ('cross', 'non', 'natural') and (loose or n > 3):
                how = 'on'
            if how in ('using', 'natural'):
                # The joined names must be unique on the left and comparable.
                common = [c for c, t in cols2 if TYPES[t].equal
                          and sum(x == c for _, cs in scope for x, _ in cs) == 1
                          and all(TYPES[t2].cls == TYPES[t].cls
                                  for _, cs in scope for x, t2 in cs if x == c)]
                every = [c for c, _ in cols2 if any(x == c for _, cs in scope for x, _ in cs)]
                if not common or (how == 'natural' and sorted(every) != sorted(common)):
                    how = 'on'
            if how == 'comma':
                cond = self.join_cond(scope + apart, new)
            if how in ('on', 'comma') and cond is None:
                how = 'cross'
            if how in ('cross', 'non'):
                loose += 1
            if how == 'comma':
                commas += ', ' + text2
                where.append(cond)
                apart.append(new)
                continue
            if how == 'on':
                if rnd.random() < 0.2:
                    cond += ' AND ' + self.pred(scope + [new], 1)
                text = '%s JOIN %s ON %s' % (text, text2, cond)
            elif how == 'non':
                text = '%s JOIN %s ON %s' % (text, text2, self.pred(scope + [new], 1))
            elif how == 'using':
                cs = rnd.sample(common, rnd.randint(1, len(common)))
                text = '%s JOIN %s USING (%s)' % (text, text2, ', '.join(quote(c) for c in cs))
            elif how == 'natural':
                text = '%s NATURAL JOIN %s' % (text, text2)
            else:
                text = '%s CROSS JOIN %s' % (text, text2)
            scope.append(new)
            if rnd.random() < 0.15:
                text = '(%s)' % text
        if commas and rnd.random() < 0.5:
            return commas[2:] + ', ' + text, scope + apart, where
        return text + commas, scope + apart, where

    # -- whole queries ------------------------------------------------------

    def make(self):
        rnd = self.rnd
        q = Query()
        kind = weighted(rnd, [('spj', 7), ('union', 3), ('agg', 9), ('scalar', 2.5),
                              ('distinct', 3), ('pk', 2), ('odd', 1.6)])
        q.kind = kind
        getattr(self, 'make_' + kind)(q)
        if kind in ('spj', 'agg', 'distinct') and rnd.random() < 0.06:
            self.order(q, kind)
        return q

    def order(self, q, kind):
        """An ORDER BY, which a table has no use for."""
        b = q.branches[0]
        cands = [i for i, t in enumerate(b.targets) if TYPES[t.typ].equal]
        if kind == 'agg' and self.rnd.random() < 0.5:
            b.tail = ' ORDER BY count(*) DESC'
        elif cands:
            b.tail = ' ORDER BY %d' % (self.rnd.choice(cands) + 1)

    def arity(self):
        return weighted(self.rnd, [(1, 9), (2, 9), (3, 4), (4, 1.2), (5, 0.6)])

    def branch(self, q, n=None, depth=2):
        b = Branch()
        b.source, scope, b.where = self.from_clause(q, n or self.arity(), depth)
        if self.rnd.random() < 0.5:
            b.where.append(self.pred(scope, 2))
        return b, scope

    def pick_type(self, scope, ok=lambda t: True):
        have = [t for _, cs in scope for _, t in cs if ok(t)]
        return self.rnd.choice(have) if have else 'int'

    def make_spj(self, q):
        rnd = self.rnd
        b, scope = self.branch(q)
        for _ in range(rnd.randint(1, 5)):
            t = self.pick_type(scope)
            b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1, 2])), t, 'text'))
        if rnd.random() < 0.04:
            b.targets.append(Target(rnd.choice(["'lit'", 'NULL::integer', '7']), 'text', 'text'))
        if rnd.random() < 0.06:
            ints = self.cols(scope, lambda t: t == 'int')
            if len(ints) > 1:
                l, r = rnd.sample(ints, 2)
                b.targets.append(Target('(10 / (%s - %s))' % (self.ref(*l[:2]), self.ref(*r[:2])),
                                        'int', 'text'))
                b.where.append('%s <> %s' % (self.ref(*l[:2]), self.ref(*r[:2])))
                q.may_raise = True
        q.branches.append(b)

    def make_union(self, q):
        rnd = self.rnd
        types = None
        for _ in range(rnd.randint(2, 3)):
            b, scope = self.branch(q, weighted(rnd, [(1, 6), (2, 3), (3, 1)]))
            if types is None:
                types = [self.pick_type(scope) for _ in range(rnd.randint(1, 4))]
            for t in types:
                b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1])), t, 'text'))
            q.branches.append(b)

    def aggregate(self, q, scope):
        """(text, result type, cmp)."""
        rnd = self.rnd
        what = weighted(rnd, [('star', 3), ('count', 2), ('sum', 5), ('avg', 3), ('min', 3),
                              ('max', 3)])
        flt = ''
        if rnd.random() < 0.22:
            flt = ' FILTER (WHERE %s)' % self.pred(scope, 1)
        if what in ('sum', 'avg'):
            ok = (lambda t: TYPES[t].sums) if what == 'sum' else (lambda t: TYPES[t].avgs)
            t = self.pick_type(scope, ok)
            res = TYPES[t].sums if what == 'sum' else TYPES[t].avgs
        elif what in ('min', 'max'):
            t = self.pick_type(scope, lambda t: TYPES[t].minmax)
            if t == 'citext':
                q.must_diff = False
            res = t
        elif what == 'count':
            t = self.pick_type(scope)
            res = 'bigint'
        else:
            return 'count(*)' + flt, 'bigint', 'text'
        arg = self.expr(t, scope, rnd.choice([0, 0, 0, 1, 2]))
        cmp = 'text' if TYPES[res].exact else 'eq'
        if what in ('sum', 'avg'):
            cmp = 'float' if res in ('float', 'real') else 'text'
        return '%s(%s)%s' % (what, arg, flt), res, cmp

    def agg_target(self, q, scope):
        """An aggregate or an expression over aggregates."""
        rnd = self.rnd
        e, t, cmp = self.aggregate(q, scope)
        if rnd.random() < 0.7 or cmp == 'float':
            if cmp == 'float' and rnd.random() < 0.2:
                e = "coalesce(%s, '7')" % e
            return Target(e, t, cmp)
        pick = rnd.randint(0, 5)
        if pick == 0:
            return Target('(%s IS NULL)' % e, 'bool', 'text')
        if pick == 1 and t in ('bigint', 'numeric', 'int'):
            e2, t2, c2 = self.aggregate(q, scope)
            if t2 in ('bigint', 'numeric', 'int'):
                return Target('(%s + %s)::numeric' % (e, e2), 'numeric', 'eq')
        if pick == 2 and t in ('bigint', 'int'):
            return Target('%s::numeric / nullif(count(*), 0)' % e, 'numeric', 'eq')
        if pick == 3:
            return Target("CASE WHEN count(*) > 2 THEN %s END" % e, t, cmp)
        if pick == 4:
            return Target('coalesce(%s, %s)' % (e, TYPES[t].lit(rnd)), t, cmp)
        if pick == 5 and t in ('bigint', 'int', 'nume', 'numeric'):
            return Target('(%s * 2 + 1)' % e, t, 'eq')
        return Target(e, t, cmp)

    def group_keys(self, b, scope, n):
        """Adds keys to the branch; those it chooses to show go to targets."""
        rnd = self.rnd
        b.group = []
        for _ in range(n):
            t = self.pick_type(scope, lambda t: TYPES[t].equal)
            depth = rnd.choice([0, 0, 0, 0, 1])
            e = self.expr(t, scope, depth)
            if '.' not in e:
                c = self.cols(scope, lambda x: TYPES[x].equal)
                if not c:
                    continue
                a, col, t = rnd.choice(c)
                e = self.ref(a, col)
            if e in b.group:
                continue
            b.group.append(e)
            if rnd.random() < 0.8:
                cmp = 'text' if TYPES[t].exact else 'eq'
                shown = e
                if t in ('int', 'bigint') and rnd.random() < 0.12:
                    shown = '(%s + 1)' % e
                b.targets.append(Target(shown, t, cmp))

    def make_agg(self, q):
        rnd = self.rnd
        b, scope = self.branch(q)
        self.group_keys(b, scope, weighted(rnd, [(1, 6), (2, 4), (3, 1)]))
        if not b.group:
            b.group = None if not b.targets else b.group
            return self.make_scalar(q)
        for _ in range(rnd.choice([0, 1, 1, 2, 2, 3, 4]) if b.targets else rnd.randint(1, 3)):
            b.targets.append(self.agg_target(q, scope))
        rnd.shuffle(b.targets)
        q.branches.append(b)

    def make_scalar(self, q):
        b, scope = self.branch(q)
        b.group = []
        for _ in range(self.rnd.randint(1, 4)):
            b.targets.append(self.agg_target(q, scope))
        q.branches.append(b)

    def make_distinct(self, q):
        rnd = self.rnd
        b, scope = self.branch(q)
        b.distinct = 'DISTINCT '
        for _ in range(rnd.randint(1, 3)):
            t = self.pick_type(scope, lambda t: TYPES[t].equal)
            b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1])), t,
                                    'text' if TYPES[t].exact else 'eq'))
        q.branches.append(b)

    def make_pk(self, q):
        """GROUP BY a primary key, showing columns that depend on it."""
        rnd = self.rnd
        keyed = [t for t in self.tables if t.pk]
        if not keyed:
            return self.make_agg(q)
        t = rnd.choice(keyed)
        a = self.alias()
        b = Branch()
        b.source = '%s %s' % (quote(t.name), a)
        scope = [(a, [(c.name, c.typ) for c in t.cols])]
        own = list(scope)
        for _ in range(weighted(rnd, [(0, 2), (1, 6), (2, 2)])):
            text2, a2, cols2 = self.item(q, 1)
            new = (a2, cols2)
            cond = self.join_cond(scope, new) or 'true'
            b.source += ' JOIN %s ON %s' % (text2, cond)
            scope.append(new)
        if rnd.random() < 0.4:
            b.where.append(self.pred(scope, 1))
        b.group = [self.ref(a, c) for c in t.pk]
        for c in t.cols:
            if c.name in t.pk:
                if rnd.random() < 0.7:
                    b.targets.append(Target(self.ref(a, c.name), c.typ,
                                            'text' if TYPES[c.typ].exact else 'eq'))
            elif rnd.random() < 0.6:
                e = self.ref(a, c.name)
                b.targets.append(Target(e, c.typ, 'text'))
        for _ in range(rnd.randint(1, 3)):
            b.targets.append(self.agg_target(q, scope))
        q.branches.append(b)

    def make_odd(self, q):
        """Constructs without a delta rule: the refresh must be FULL and right."""
        rnd = self.rnd
        q.must_diff = False
        kind = rnd.randint(0, 14)
        if kind > 11:
            b, scope = self.branch(q, 1, 0)
            a, cols = scope[0]
            b.targets.append(Target(self.expr('int', scope, 1), 'int', 'text'))
            if kind == 12:
                b.targets.append(Target(rnd.choice(['%s.tableoid::text', '%s IS NOT NULL',
                                                    '%s::text']) % a, 'text', 'text'))
            elif kind == 13:
                b.source += rnd.choice([', generate_series(1, 2) f', ', (VALUES (1), (2)) f (x)',
                                        ', LATERAL (SELECT %s.k LIMIT 1) f' % a])
            else:
                b.source = b.source.replace(' ' + a, ' b' + a)
                b.source = '(WITH %s AS (SELECT * FROM %s) SELECT * FROM %s) %s' % (
                    'w', b.source, 'w', a)
            q.branches.append(b)
        elif kind == 0:
            self.make_agg(q)
            b = q.branches[0]
            if b.group:
                b.having = ' HAVING count(*) > 1'
        elif kind in (1, 2):
            b = Branch()
            t1, t2 = rnd.choice(self.tables), rnd.choice(self.tables)
            s1 = ('l', [(c.name, c.typ) for c in t1.cols])
            s2 = ('r', [(c.name, c.typ) for c in t2.cols])
            cond = self.join_cond([s1], s2) or 'true'
            b.source = '%s l %s JOIN %s r ON %s' % (quote(t1.name),
                                                    rnd.choice(['LEFT', 'RIGHT', 'LEFT']),
                                                    quote(t2.name), cond)
            for _ in range(3):
                t = self.pick_type([s1, s2])
                b.targets.append(Target(self.expr(t, [s1, s2], 1), t, 'text'))
            q.branches.append(b)
        elif kind in (3, 4, 5):
            self.make_spj(q)
            t = rnd.choice(self.tables)
            b = q.branches[0]
            b.where.append(['EXISTS (SELECT 1 FROM %s z WHERE z.k IS NOT NULL)',
                            '(SELECT count(*) FROM %s) > 3',
                            '1 IN (SELECT length(z.k::text) FROM %s z)'][kind - 3]
                           % quote(t.name))
        elif kind == 6:
            self.make_distinct(q)
            b = q.branches[0]
            b.tail = ' ORDER BY ' + ', '.join(str(i + 1) for i in range(len(b.targets)))
            b.tail += ' LIMIT 3'
        elif kind in (7, 8):
            glue = [' UNION ', ' EXCEPT ', ' INTERSECT '][rnd.randint(0, 2)]
            for _ in range(2):
                b, scope = self.branch(q, 1)
                b.targets.append(Target(self.expr('int', scope, 1), 'int', 'text'))
                q.branches.append(b)
            q.glue = glue
        elif kind == 9:
            b, scope = self.branch(q, 1, 0)
            a, c, t = rnd.choice(self.cols(scope, lambda t: TYPES[t].equal and TYPES[t].exact)
                                 or [(scope[0][0], 'g', 'int')])
            r = self.ref(a, c)
            b.targets = [Target(r, t, 'text'),
                         Target('count(*) OVER (PARTITION BY %s)' % r, 'bigint', 'text')]
            q.branches.append(b)
        elif kind == 10:
            self.make_agg(q)
            b = q.branches[0]
            b.targets.append(Target('bool_or(true)', 'bool', 'text'))
        else:
            b, scope = self.branch(q, 1, 0)
            cands = self.cols(scope, lambda t: TYPES[t].equal and TYPES[t].exact)
            a, c, t = rnd.choice(cands or [(scope[0][0], 'g', 'int')])
            b.targets = [Target('count(DISTINCT %s)' % self.ref(a, c), 'bigint', 'text'),
                         Target("string_agg(%s::text, ',' ORDER BY %s::text COLLATE \"C\")"
                                % (self.ref(a, c), self.ref(a, c)), 'text', 'text')]
            b.group = []
            q.branches.append(b)


def make_views(rnd, qm):
    """(ddl, (name, columns, must_diff)) of up to two views."""
    out = []
    for i in range(rnd.choice([0, 0, 1, 1, 2])):
        q = Query()
        n = weighted(rnd, [(1, 5), (2, 4)])
        src, scope, where = qm.from_clause(q, n, 1)
        types = [qm.pick_type(scope) for _ in range(rnd.randint(2, 4))] + ['int']
        exprs = ['%s AS v%d' % (qm.typed(t, scope, rnd.choice([0, 0, 1])), j)
                 for j, t in enumerate(types)]
        if rnd.random() < 0.5:
            where = where + [qm.pred(scope, 1)]
        name = 'v%d' % (i + 1)
        ddl = 'CREATE VIEW %s AS SELECT %s FROM %s' % (name, ', '.join(exprs), src)
        if where:
            ddl += ' WHERE ' + ' AND '.join(where)
        cols = [('v%d' % j, t) for j, t in enumerate(types)]
        out.append((ddl, (name, cols, q.must_diff)))
        qm.views.append(out[-1][1])
    return out


# ---------------------------------------------------------------------------
# Changes
# ---------------------------------------------------------------------------


class ChangeMaker:
    """Makes data-changing statements."""

    def __init__(self, rnd, tables):
        self.rnd = rnd
        self.tables = tables

    def collist(self, t):
        return '(%s)' % ', '.join(quote(c.name) for c in t.own())

    def row(self, t):
        return [c.value(self.rnd) for c in t.own()]

    def rowtext(self, t):
        return '(%s)' % ', '.join(self.row(t))

    def where(self, t):
        rnd = self.rnd
        cands = [c for c in t.cols if TYPES[c.typ].equal]
        c = rnd.choice(cands)
        name = quote(c.name)
        r = rnd.random()
        if r < 0.12 and not c.notnull:
            return '%s IS NULL' % name
        if r < 0.17:
            return 'true'
        if r < 0.3 and TYPES[c.typ].minmax:
            return '%s %s %s' % (name, rnd.choice(['<', '>']), rnd.choice(c.dom))
        if r < 0.42 and not t.leaves:
            return ('ctid = (SELECT min(ctid) FROM %s WHERE %s = %s)'
                    % (quote(t.name), name, rnd.choice(c.dom)))
        if r < 0.55:
            return '%s IN (%s, %s)' % (name, rnd.choice(c.dom), rnd.choice(c.dom))
        if t.pk and r < 0.8:
            k = t.col(t.pk[0])
            return '%s = %s' % (quote(k.name), rnd.choice(k.dom))
        return '%s = %s' % (name, rnd.choice(c.dom))

    def settable(self, t):
        return [c for c in t.own()]

    def assign(self, t, prefix=''):
        rnd = self.rnd
        cands = [c for c in t.own() if c.name not in t.pk + t.unique] or t.own()
        if rnd.random() < 0.12:
            cands = t.own()
        cs = rnd.sample(cands, min(len(cands), weighted(rnd, [(1, 6), (2, 3), (3, 1)])))
        out = []
        for c in cs:
            v = c.value(rnd)
            if rnd.random() < 0.12:
                v = prefix + quote(c.name)
            elif c.typ in ('int', 'bigint', 'nume') and rnd.random() < 0.25:
                v = '(%s%s + 1)' % (prefix, quote(c.name))
                if c.typ == 'int' and rnd.random() < 0.5:
                    v = '(%s%s %% 5 + 1)' % (prefix, quote(c.name))
            out.append('%s = %s' % (quote(c.name), v))
        return ', '.join(out)

    def insert(self, s, t, target=None):
        rnd = self.rnd
        n = weighted(rnd, [(1, 6), (2, 3), (3, 2), (5, 1)])
        tail = ''
        if (t.pk or t.unique) and rnd.random() < 0.6:
            tail = ' ON CONFLICT DO NOTHING'
            if t.pk and rnd.random() < 0.5:
                n = 1 if rnd.random() < 0.7 else n
                tail = (' ON CONFLICT (%s) DO UPDATE SET %s'
                        % (', '.join(quote(x) for x in t.pk),
                           self.assign(t, '%s.' % (target or quote(t.name)))))
        return {'t': 'rows', 's': s,
                'head': 'INSERT INTO %s %s VALUES ' % (target or quote(t.name), self.collist(t)),
                'rows': [self.rowtext(t) for _ in range(n)], 'tail': tail}

    def statement(self, s, truncate):
        """List of operations of one change in session s."""
        rnd = self.rnd
        t = rnd.choice(self.tables)
        name = quote(t.name)
        target = rnd.choice(t.leaves) if t.leaves and rnd.random() < 0.35 else name
        sql = lambda q: [{'t': 'sql', 's': s, 'q': q}]
        what = weighted(rnd, [('insert', 30), ('delete', 19), ('update', 30), ('noop', 3),
                              ('copy', 4), ('merge', 4 if t.pk else 1), ('reinsert', 4),
                              ('both', 4), ('key', 4), ('from', 4), ('using', 2),
                              ('select', 4), ('do', 2), ('truncate', 3 if truncate else 0),
                              ('twice', 2), ('all', 1), ('churn', 0.5)])
        if what == 'insert':
            return [self.insert(s, t, target)]
        if what == 'delete':
            return sql('DELETE FROM %s WHERE %s' % (target, self.where(t)))
        if what == 'update':
            return sql('UPDATE %s SET %s WHERE %s' % (target, self.assign(t), self.where(t)))
        if what == 'noop':
            c = quote(rnd.choice(t.own()).name)
            return sql('UPDATE %s SET %s = %s WHERE %s' % (target, c, c, self.where(t)))
        if what == 'copy':
            rows = []
            for _ in range(rnd.randint(1, 5)):
                rows.append('\t'.join(self.copy_value(v) for v in self.row(t)))
            return [{'t': 'copy', 's': s, 'q': 'COPY %s %s FROM STDIN' % (target, self.collist(t)),
                     'rows': rows}]
        if what == 'merge':
            return sql(self.merge(t, name))
        if what == 'reinsert':
            tmp = ', '.join(quote(c.name) for c in t.own())
            if rnd.random() < 0.5:
                return sql('WITH d AS (DELETE FROM %s WHERE %s RETURNING %s) '
                           'INSERT INTO %s (%s) SELECT * FROM d'
                           % (name, self.where(t), tmp, name, tmp)
                           if not (t.pk or t.unique) else
                           'DELETE FROM %s WHERE %s' % (name, self.where(t))) \
                    + [self.insert(s, t)]
            return sql('DELETE FROM %s WHERE %s' % (name, self.where(t))) + [self.insert(s, t)]
        if what == 'both':
            u = rnd.choice(self.tables)
            return [self.insert(s, t), self.insert(s, u)] if rnd.random() < 0.5 else \
                sql('WITH d AS (DELETE FROM %s WHERE %s RETURNING 1) UPDATE %s SET %s WHERE %s'
                    % (name, self.where(t), quote(u.name), self.assign(u), self.where(u))
                    if u is not t else 'DELETE FROM %s WHERE %s' % (name, self.where(t)))
        if what == 'key':
            c = t.col(rnd.choice(['k', 'g']))
            if c.typ in ('int', 'bigint', 'nume'):
                e = rnd.choice(['%s + 1', '%s * 2', '11 - %s', '%s - 1']) % c.name
                return sql('UPDATE %s SET %s = %s WHERE %s' % (name, c.name, e, self.where(t)))
            return sql('UPDATE %s SET %s = %s WHERE %s'
                       % (name, c.name, c.value(rnd), self.where(t)))
        if what == 'from':
            u = rnd.choice(self.tables)
            if t.col('g').typ == u.col('g').typ:
                return sql('UPDATE %s SET %s FROM %s o WHERE %s.g = o.g AND o.g = %s'
                           % (name, self.assign(t, name + '.'), quote(u.name), name,
                              rnd.choice(u.col('g').dom)))
            return sql('UPDATE %s SET %s WHERE %s' % (name, self.assign(t), self.where(t)))
        if what == 'using':
            u = rnd.choice(self.tables)
            if t.col('k').typ == u.col('k').typ:
                return sql('DELETE FROM %s USING %s o WHERE %s.k = o.k AND o.k = %s'
                           % (name, quote(u.name), name, rnd.choice(u.col('k').dom)))
            return sql('DELETE FROM %s WHERE %s' % (name, self.where(t)))
        if what == 'select':
            cs = ', '.join(quote(c.name) for c in t.own())
            return sql('INSERT INTO %s (%s) SELECT %s FROM %s ORDER BY %s::text LIMIT 3%s'
                       % (name, cs, cs, name, quote(t.cols[0].name),
                          ' ON CONFLICT DO NOTHING' if t.pk or t.unique else ''))
        if what == 'do':
            ins = self.insert(s, t)
            fail = rnd.random() < 0.6
            return sql('DO $x$ BEGIN UPDATE %s SET %s WHERE %s; BEGIN %s; %s EXCEPTION WHEN '
                       'others THEN NULL; END; END $x$'
                       % (name, self.assign(t), self.where(t), render(ins),
                          "RAISE EXCEPTION 'x';" if fail else ''))
        if what == 'truncate':
            q = 'TRUNCATE %s' % (target if rnd.random() < 0.5 else name)
            if getattr(t, 'referenced', False):
                q = 'TRUNCATE %s CASCADE' % name
            op = {'t': 'sql', 's': s, 'q': q, 'short': True}
            return [op] + ([self.insert(s, t)] if rnd.random() < 0.6 else [])
        if what == 'churn':
            # Many commands of one transaction, and a buffer of several blocks.
            return sql('DO $x$ BEGIN FOR i IN 1..%d LOOP UPDATE %s SET %s; UPDATE %s SET %s; '
                       'END LOOP; END $x$' % (rnd.randint(5, 40), name, self.assign(t), name,
                                              self.assign(t)))
        if what == 'twice':
            w = self.where(t)
            return sql('UPDATE %s SET %s WHERE %s' % (name, self.assign(t), w)) \
                + sql('UPDATE %s SET %s WHERE %s' % (name, self.assign(t), w))
        return sql('UPDATE %s SET %s' % (target, self.assign(t)))

    def copy_value(self, v):
        if v == 'NULL':
            return '\\N'
        v = v.strip('()')
        if v.startswith("'"):
            v = v[1:-1]
        return v.replace('\\', '\\\\')

    def merge(self, t, name):
        rnd = self.rnd
        on = ' AND '.join('m.%s = s.%s' % (quote(c), quote(c)) for c in (t.pk or ['k', 'g']))
        cols = ', '.join(quote(c.name) for c in t.own())
        rows = []
        for _ in range(rnd.randint(1, 3)):
            vals = [('NULL::%s' if v == 'NULL' else v + '::%s') % TYPES[c.typ].ddl
                    for c, v in zip(t.own(), self.row(t))]
            rows.append('(%s)' % ', '.join(vals))
        up = [c for c in t.own() if c.name not in t.pk] or t.own()
        c = quote(rnd.choice(up).name)
        first = rnd.choice(['WHEN MATCHED AND s.g = m.g THEN DELETE ', 'WHEN MATCHED AND '
                            's.g <> m.g THEN DO NOTHING ', ''])
        return ('MERGE INTO %s m USING (VALUES %s) s (%s) ON %s %sWHEN MATCHED THEN UPDATE SET '
                '%s = s.%s WHEN NOT MATCHED THEN INSERT (%s) VALUES (%s)'
                % (name, ', '.join(rows), cols, on, first, c, c, cols,
                   ', '.join('s.' + quote(c.name) for c in t.own())))


def render(op):
    if op['t'] == 'rows':
        return op['head'] + ', '.join(op['rows']) + op['tail']
    return op['q']


# ---------------------------------------------------------------------------
# Cases
# ---------------------------------------------------------------------------


class StreamTable:
    def __init__(self, name, query, mode, initialize):
        self.name = name
        self.query = query
        self.mode = mode
        self.initialize = initialize


class Case:
    def __init__(self):
        self.setup = []           # operations before the stream tables are made
        self.sts = []
        self.ops = []
        self.truncates = False
        self.redefines = False    # partitions come and go


MAX_SESSION = 4


class CaseMaker:
    def __init__(self, key, steps, citext):
        self.rnd = random.Random(key)
        self.steps = steps
        self.citext = citext

    def make(self):
        rnd = self.rnd
        case = Case()
        odd = rnd.random() < 0.06
        tables = TableMaker(rnd, self.citext).make(weighted(rnd, [(2, 5), (3, 4), (4, 2), (5, 1)]),
                                                   odd)
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
        qm = QueryMaker(rnd, tables, [])
        for ddl, _ in make_views(rnd, qm):
            case.setup.append({'t': 'sql', 's': 0, 'q': ddl})
        for i in range(rnd.randint(2, 5)):
            q = qm.make()
            mode = 'DIFFERENTIAL' if q.must_diff else 'AUTO'
            if rnd.random() < 0.03:
                mode = 'FULL'
            if q.may_raise and mode == 'DIFFERENTIAL':
                mode = 'AUTO'
            name = ('st%d' if not odd else 'St %d') % (i + 1)
            case.sts.append(StreamTable(name, q, mode, rnd.random() < 0.9))
        case.truncates = rnd.random() < 0.3
        case.redefines = rnd.random() < 0.15
        self.make_ops(case, tables)
        return case

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
                    if not case.truncates and rnd.random() < 0.12:
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
                tx[s]['locked'] |= set(which)
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
                              ('partition', 4 if t.bounds else 0)])
        if what == 'recreate':
            case.ops.append({'t': 'recreate', 's': 0, 'st': rnd.randrange(len(case.sts))})
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
        else:
            full = '(FULL) ' if what == 'full' else ''
            q = 'VACUUM %s%s' % (full, name if rnd.random() < 0.4
                                 else quote(rnd.choice(case.sts).name))
        case.ops.append({'t': 'sql', 's': s, 'q': q, 'ddl': True})


# ---------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------


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
            'type json has no equality operator to group by')


class Runner:
    def __init__(self, schema='o'):
        self.schema = schema
        self.conns = {}
        self.stats = {'steps': 0, 'counted': 0, 'stcases': 0, 'stcounted': 0, 'skipped': 0,
                      'invalid': 0, 'changes': 0, 'rejected': 0, 'auto_diff': 0, 'auto_full': 0,
                      'heavy': 0, 'refused': 0, 'slow': 0}
        self.kinds = {}
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
                           "WHERE nspname = '%s'" % self.schema)
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
        self.prepared = set()
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
                    self.verify(case.sts[op['st']])
            else:
                self.change(op)
        self.at = len(case.ops)
        for i in live:
            self.history(case, case.sts[i], live[i])
        for r in live.values():
            self.stats['stcases'] += 1
            k = self.kinds.setdefault(r['st'].query.kind, [0, 0])
            k[0] += 1
            if r['rows'] and len(r['sums']) > 1:
                self.stats['stcounted'] += 1
                self.stats['counted'] += r['steps']
                k[1] += 1
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
                raise Failure('setup', '%s: %s' % (render(op), one_line(e)))
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
            if e.pgcode and e.pgcode.startswith('22') and self.raises(0, q):
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

    def compare_sql(self, st, count):
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
                % (keys, cols, pc, quote(st.name), cols, st.query.render(), keys))

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
            if st.query.may_raise and self.raises(s, st.query.render()):
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
            if e.pgcode.startswith('22') and self.raises(s, st.query.render()):
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
        if least < (0 if st.query.branches[0].group == [] else 1):
            raise Failure('count', '__pgt_count %s in %s' % (least, st.name), st=st, at=self.at)
        # Many small steps find more than a few large ones.
        if rows > 1500 or time.time() - began > 0.15:
            r['off'] = True
        if how == 'rr':
            self.sql(s, 'COMMIT')
        elif how == 'rollback':
            self.sql(s, 'ROLLBACK')

    def tolerable(self, s, st):
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
             % (', '.join(aggs), cols, quote(st.name), cols, st.query.render(),
                ' GROUP BY ' + ', '.join(keys) if keys else ''))
        for row in self.sql(s, q).fetchall():
            for a, b in zip(row[::2], row[1::2]):
                if not near(a or [], b or []):
                    return False
        return True

    def verify(self, st):
        try:
            row = self.sql(0, 'SELECT * FROM pgtrickle.verify_stream_table(%s)'
                           % lit(quote(st.name))).fetchone()
        except psycopg2.Error as e:
            if e.pgcode in ('55P03', '57014'):
                self.stats['skipped' if e.pgcode == '55P03' else 'slow'] += 1
                return
            raise Failure('error:' + str(e.pgcode), 'verify: ' + one_line(e), st=st, at=self.at)
        if row[:2] != (0, 0):
            # Right after a refresh of its own, nothing may be missing.
            self.sql(0, 'SELECT pgtrickle.refresh_stream_table(%s)' % lit(quote(st.name)))
            row = self.sql(0, 'SELECT * FROM pgtrickle.verify_stream_table(%s)'
                           % lit(quote(st.name))).fetchone()
            if row[:2] != (0, 0) and not any(t.cmp == 'float' for t in st.query.targets()):
                raise Failure('verify', 'verify_stream_table(%s) says %s' % (st.name, row),
                              st=st, at=self.at)

    def history(self, case, st, r):
        cur = self.sql(0, 'SELECT action, count(*), min(reason), min(status) FROM '
                       'pgtrickle.pgt_refresh_history WHERE pgt_id = %d AND refresh_id > %d '
                       'GROUP BY action' % (r['pgt_id'], r['first']))
        actions = {a: (n, why, status) for a, n, why, status in cur.fetchall()}
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


# ---------------------------------------------------------------------------
# Scripts and shrinking
# ---------------------------------------------------------------------------


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
        for n in range(len(self.case.sts)):
            q = lambda c: c.sts[n].query

            def drop_target(i):
                def change(c):
                    if len(q(c).targets()) < 2:
                        return False
                    for b in q(c).branches:
                        del b.targets[i]
                return change
            for i in reversed(range(len(q(self.case).targets()))):
                self.attempt(drop_target(i))
            for i in reversed(range(len(q(self.case).branches))):
                self.attempt(lambda c: q(c).branches.__delitem__(i)
                             if len(q(c).branches) > 1 else False)
            for b in range(len(q(self.case).branches)):
                for i in reversed(range(len(q(self.case).branches[b].where))):
                    self.attempt(lambda c: q(c).branches[b].where.__delitem__(i))
                for i in reversed(range(len(q(self.case).branches[b].group or []))):
                    self.attempt(lambda c: q(c).branches[b].group.__delitem__(i))

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


# ---------------------------------------------------------------------------


def main():
    ap = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    ap.add_argument('--steps', type=int, default=20000)
    ap.add_argument('--minutes', type=float, default=0, help='stop after so many minutes')
    ap.add_argument('--seed', default=None)
    ap.add_argument('--case', type=int, default=None, help='run this case of the seed only')
    ap.add_argument('--case-steps', type=int, default=90, help='steps of one case')
    ap.add_argument('--failures', type=int, default=1, help='stop after so many failures')
    ap.add_argument('--shrink', type=float, default=60, help='seconds to shrink a failure')
    ap.add_argument('--min-counted', type=float, default=0.6,
                    help='least share of steps that must count')
    ap.add_argument('--build', default=os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                    '..', '..', 'build'))
    ap.add_argument('--quiet', action='store_true')
    args = ap.parse_args()
    seed = args.seed or str(random.SystemRandom().randrange(10 ** 9))
    print('random oracle: seed %s' % seed, flush=True)
    runner = Runner()
    start = last = time.time()
    no = args.case if args.case is not None else 0
    failures = 0
    while True:
        if args.case is not None and no > args.case:
            break
        if runner.stats['steps'] >= args.steps:
            break
        if args.minutes and time.time() - start > args.minutes * 60:
            break
        case = CaseMaker('%s/%d' % (seed, no), args.case_steps, runner.citext).make()
        try:
            runner.run(case)
        except Failure as f:
            failures += 1
            report(runner, args, seed, no, case, f, failures)
            if failures >= args.failures:
                break
        no += 1
        runner.cases += 1
        if runner.cases % 100 == 0:
            runner.vacuum()
        if time.time() - last > 20 and not args.quiet:
            last = time.time()
            print('  %d steps, %d cases, %.0f steps/s' % (
                runner.stats['steps'], no, runner.stats['steps'] / (last - start)), flush=True)
    seconds = time.time() - start
    st = runner.stats
    share = st['counted'] / max(1, st['steps'])
    print('random oracle: seed %s: %d steps in %.0f s (%.0f/s), %d cases, %d stream tables; '
          '%.0f %% of the steps count (the query had rows and its result changed); '
          '%d changes, %d rejected; %d refreshes skipped for locks; %d queries invalid, %d heavy; '
          'AUTO: %d differential, %d full; %d refused, %d slow; %d failures'
          % (seed, st['steps'], seconds, st['steps'] / max(seconds, 0.001), runner.cases,
             st['stcases'], 100 * share, st['changes'], st['rejected'], st['skipped'],
             st['invalid'], st['heavy'], st['auto_diff'], st['auto_full'], st['refused'], st['slow'], failures))
    print('  counted by kind: ' + ', '.join('%s %d/%d' % (k, v[1], v[0])
                                            for k, v in sorted(runner.kinds.items())))
    if failures:
        return 1
    if st['slow'] > 2 + st['steps'] / 500:
        print('random oracle: too many refreshes were cancelled for taking seconds')
        return 1
    if args.case is None and st['steps'] > 2000 and share < args.min_counted:
        print('random oracle: too few steps count')
        return 1
    return 0


def report(runner, args, seed, no, case, failure, n):
    head = ['random oracle, seed %s, case %d (run.sh --seed %s --case %d)' % (seed, no, seed, no)]
    print('FAILURE seed %s case %d: %s: %s' % (seed, no, failure.kind, failure), flush=True)
    if failure.st:
        print('  %s: %s' % (failure.st.mode, failure.st.query.render()))
    small = case
    if args.shrink > 0:
        shrinker = Shrinker(runner, case, failure, args.shrink)
        kept = copy.deepcopy((runner.stats, runner.kinds))
        result = shrinker.run()
        runner.stats, runner.kinds = kept
        if result is None:
            print('  it does not repeat')
            head.append('did not repeat when run again')
        else:
            small, failure = result, shrinker.failure
    os.makedirs(args.build, exist_ok=True)
    suffix = '' if n == 1 else '-%d' % n
    path = os.path.join(args.build, 'random-failure-%s%s.sql' % (seed, suffix))
    text = script(small, failure, head)
    with open(path, 'w') as f:
        f.write(text)
    print(text)
    print('  written to %s' % os.path.normpath(path), flush=True)


if __name__ == '__main__':
    sys.exit(main())
