"""Queries of the core: select, project, join, UNION ALL, GROUP BY, DISTINCT."""
from datatypes import TYPES, quote, weighted
from pieces import Block, Compound, Target


class Core:
    def make_core(self):
        rnd = self.rnd
        q = self.begin()
        kind = weighted(rnd, [('spj', 7), ('union', 3), ('agg', 9), ('scalar', 2.5),
                              ('distinct', 3), ('pk', 3.5)])
        q.kind = kind
        q.root = getattr(self, 'make_' + kind)()
        if kind in ('spj', 'agg', 'distinct') and rnd.random() < 0.06:
            self.order(q, kind)
        return q

    def order(self, q, kind):
        """An ORDER BY, which a table has no use for."""
        self.use('ORDER BY')
        b = q.root
        cands = [i for i, t in enumerate(b.targets) if TYPES[t.typ].equal]
        if kind == 'agg' and self.rnd.random() < 0.5:
            b.tail = ' ORDER BY count(*) DESC'
        elif cands:
            b.tail = ' ORDER BY %d' % (self.rnd.choice(cands) + 1)

    def arity(self):
        return weighted(self.rnd, [(1, 9), (2, 9), (3, 4), (4, 1.2), (5, 0.6)])

    def branch(self, n=None, depth=2):
        b = Block()
        b.source, scope, b.where = self.from_clause(n or self.arity(), depth)
        if self.rnd.random() < 0.5:
            b.where.append(self.pred(scope, 2))
        return b, scope

    def make_spj(self):
        rnd = self.rnd
        b, scope = self.branch()
        for _ in range(rnd.randint(1, 5)):
            t = self.pick_type(scope)
            b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1, 2])), t, 'text'))
        if rnd.random() < 0.04:
            b.targets.append(Target(rnd.choice(["'lit'", 'NULL::integer', '7']), 'text', 'text'))
        self.quotient(b, scope, 0.06)
        return b

    def quotient(self, b, scope, share):
        """A division that fails for some combination of values, maybe of several rows.

        Only of rows that are in the result: it would depend on the plan whether a
        condition is asked of a row that another condition drops.
        """
        rnd = self.rnd
        ints = self.cols(scope, lambda t: t == 'int')
        if rnd.random() >= share or len(ints) < 2:
            return
        terms = [(rnd.choice([1, 13, 29]), self.ref(*c[:2]))
                 for c in rnd.sample(ints, min(len(ints), rnd.choice([2, 2, 3])))]
        divisor = ' + '.join('%d * %s' % t for t in terms)
        divisor += ' - (%d)' % sum(t[0] * int(rnd.choice(TYPES['int'].dom).strip('()'))
                                   for t in terms)
        quotient = '(50 / (%s))' % divisor
        if rnd.random() < 0.3:
            b.where.append('%s <> 0' % divisor)
        if b.group is not None:
            what, typ = rnd.choice([('sum', 'bigint'), ('min', 'int')])
            b.targets.append(Target('%s(%s)' % (what, quotient), typ, 'text'))
        else:
            b.targets.append(Target(quotient, 'int', 'text'))
        self.q.may_raise = True

    def make_union(self):
        rnd = self.rnd
        types = None
        self.use('UNION ALL')
        c = Compound(' UNION ALL ')
        for _ in range(rnd.randint(2, 3)):
            b, scope = self.branch(weighted(rnd, [(1, 6), (2, 3), (3, 1)]))
            if types is None:
                types = [self.pick_type(scope) for _ in range(rnd.randint(1, 4))]
            for t in types:
                b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1])), t, 'text'))
            c.arms.append(b)
        return c

    def make_agg(self):
        rnd = self.rnd
        self.use('GROUP BY')
        b, scope = self.branch()
        self.group_keys(b, scope, weighted(rnd, [(1, 6), (2, 4), (3, 1)]))
        if not b.group:
            return self.make_scalar()
        for _ in range(rnd.choice([0, 1, 1, 2, 2, 3, 4]) if b.targets else rnd.randint(1, 3)):
            b.targets.append(self.agg_target(scope))
        self.quotient(b, scope, 0.04)
        rnd.shuffle(b.targets)
        return b

    def make_scalar(self):
        self.use('scalar aggregate')
        b, scope = self.branch()
        b.group = []
        for _ in range(self.rnd.randint(1, 4)):
            b.targets.append(self.agg_target(scope))
        return b

    def make_distinct(self):
        rnd = self.rnd
        b, scope = self.branch()
        self.use('DISTINCT')
        b.distinct = 'DISTINCT '
        for _ in range(rnd.randint(1, 3)):
            t = self.pick_type(scope, lambda t: TYPES[t].equal)
            b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1])), t,
                                    'text' if TYPES[t].exact else 'eq'))
        return b

    def make_pk(self):
        """GROUP BY a primary key, showing columns that depend on it."""
        rnd = self.rnd
        keyed = [t for t in self.tables if t.key()]
        if not keyed:
            return self.make_agg()
        self.use('GROUP BY', 'dependent columns', 'inner join')
        t = rnd.choice(keyed)
        a = self.alias()
        b = Block()
        b.source = '%s %s' % (quote(t.name), a)
        scope = [(a, [(c.name, c.typ) for c in t.cols])]
        for _ in range(weighted(rnd, [(0, 5), (1, 6), (2, 2)])):
            text2, a2, cols2 = self.item(1)
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
            b.targets.append(self.agg_target(scope))
        return b
