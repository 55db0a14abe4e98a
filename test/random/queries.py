"""Random queries, composed of the operators that have delta rules, and of others."""
from datatypes import TYPES, quote, weighted


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
        if TYPES[typ].equal:
            generic.append(lambda: 'CASE %s WHEN %s THEN %s ELSE %s END'
                           % (sub(), TYPES[typ].lit(rnd), sub(), sub()))
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
                              ('distinct', 3), ('pk', 3.5), ('odd', 1.6)])
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
            if rnd.random() < 0.3:
                # The sums with the most state: numerics of any scale.
                t = self.pick_type(scope, lambda t: t in ('nume', 'numeric')) \
                    if self.cols(scope, lambda t: t in ('nume', 'numeric')) else t
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
        for _ in range(weighted(rnd, [(0, 5), (1, 6), (2, 2)])):
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
