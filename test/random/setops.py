"""UNION, INTERSECT, EXCEPT; DISTINCT and DISTINCT ON; LIMIT."""
from aggregates import PLAIN, exactly
from datatypes import TYPES, weighted
from pieces import Block, Compound, Target

# Types of the other arms that a set operation takes to this type.
NARROWER = {'nume': ['int', 'bigint'], 'numeric': ['int', 'nume'], 'bigint': ['int', 'small'],
            'int': ['small'], 'float': ['int', 'real'], 'text': ['varchar']}


class SetOps:
    def compound(self, types, depth, top, level=0):
        """Arms of the types, put together; levels of nesting."""
        rnd = self.rnd
        glue = weighted(rnd, [('UNION ALL', 3), ('UNION', 4), ('INTERSECT', 2),
                              ('INTERSECT ALL', 2), ('EXCEPT', 3), ('EXCEPT ALL', 3)])
        self.use(glue)
        c = Compound(' %s ' % glue)
        for i in range(3 if glue.startswith('UNION') and rnd.random() < 0.2 else 2):
            if level < 2 and self.room > 0 and rnd.random() < 0.25:
                self.use('nested set operations')
                c.arms.append(self.compound(types, depth, top, level + 1))
            else:
                c.arms.append(self.arm(types, depth, i > 0 or level > 0))
        return c

    def arm(self, types, depth, widen):
        rnd = self.rnd
        b = Block()
        if self.room > 0 and rnd.random() < 0.25:
            b.source, scope, b.where = self.sources(2, depth - 1)
        else:
            b.source, a, cols = self.any_item(depth - 1)
            scope = [(a, cols)]
        if rnd.random() < 0.2:
            b.where.append(self.pred(scope, 1))
        for t in types:
            if widen and t in NARROWER and rnd.random() < 0.15:
                self.use('set operation of several types')
                t = rnd.choice(NARROWER[t])
            b.targets.append(Target(self.typed(t, scope, rnd.choice([0, 0, 0, 1])), t, 'text'))
        return b

    def make_setop(self, depth, top):
        rnd = self.rnd
        have = [c.typ for t in self.tables for c in t.cols]
        ok = [t for t in have if TYPES[t].equal and (
            top or (TYPES[t].exact and t != 'num2'))] or ['int']
        types = [rnd.choice(ok) for _ in range(weighted(rnd, [(1, 5), (2, 4), (3, 1)]))]
        if rnd.random() < 0.4:
            types[0] = 'int'
        c = self.compound(types, depth, top)
        if top and not self.keeps_images(c):
            self.compare_equal(c)
        return c

    def keeps_images(self, piece):
        return isinstance(piece, Block) or (
            piece.glue == ' UNION ALL ' and all(self.keeps_images(a) for a in piece.arms))

    def compare_equal(self, piece):
        for a in piece.arms:
            if isinstance(a, Compound):
                self.compare_equal(a)
            else:
                for t in a.targets:
                    t.cmp = exactly(t.typ)
        # A narrower first arm shows the others' type.
        for i, t in enumerate(piece.targets):
            t.cmp = 'eq' if any(x.targets[i].cmp == 'eq' for x in self.leaves(piece)) else t.cmp

    def leaves(self, piece):
        if isinstance(piece, Block):
            return [piece]
        return [x for a in piece.arms for x in self.leaves(a)]

    # -- DISTINCT, LIMIT ----------------------------------------------------

    def make_distinct_on(self, b, scope, top):
        rnd = self.rnd
        self.use('DISTINCT ON')
        keys = []
        for _ in range(weighted(rnd, [(1, 6), (2, 2)])):
            c = self.column(scope, lambda t: TYPES[t].equal)
            if c and c[0] not in keys:
                keys.append(c[0])
        if keys:
            b.distinct = 'DISTINCT ON (%s) ' % ', '.join(keys)
            b.tail = ' ORDER BY ' + ', '.join([k + self.direction() for k in keys]
                                              + self.total_order(scope))
        self.plain_targets(b, scope)

    def plain_targets(self, b, scope, n=None):
        rnd = self.rnd
        for _ in range(n or rnd.randint(1, 4)):
            t = self.pick_type(scope)
            with self.at('select list'):
                e = self.typed(t, scope, rnd.choice([0, 0, 1, 2 if self.sublinks else 1]))
            b.targets.append(Target(e, t, 'text'))

    def make_limit(self, b, scope, top):
        """ORDER BY ... LIMIT, of rows, groups or distinct rows."""
        rnd = self.rnd
        self.use('LIMIT')
        kind = weighted(rnd, [('rows', 5), ('groups', 3), ('distinct', 1)])
        if kind == 'rows':
            self.plain_targets(b, scope)
            order, some = self.total_order(scope), self.any_order(scope, 1)
        else:
            keys = []
            for _ in range(rnd.randint(1, 2)):
                c = self.column(scope, lambda t: TYPES[t].equal and t in PLAIN)
                if c and c not in keys:
                    keys.append(c)
            if not keys:
                return self.plain_targets(b, scope, 1) or self.tail(
                    b, self.total_order(scope), self.any_order(scope, 1))
            b.targets = [Target(e, t, 'text') for e, t in keys]
            order = [e + self.direction() for e, _ in keys]
            if kind == 'distinct':
                b.distinct = 'DISTINCT '
                self.use('DISTINCT')
                some = order[:1]
            else:
                self.use('GROUP BY')
                b.group = [e for e, _ in keys]
                for _ in range(rnd.randint(1, 2)):
                    self.put_aggregate(b, scope, top)
                some = ['count(*) DESC']
                order = some + order if rnd.random() < 0.7 else order
        self.tail(b, order, some)

    def tail(self, b, order, some):
        rnd = self.rnd
        how = weighted(rnd, [('limit', 6), ('offset', 2), ('ties', 3 if some else 0),
                             ('rest', 0.7)])
        n = rnd.choice([1, 2, 3, 3, 4, 5])
        if how == 'limit':
            b.tail = ' ORDER BY %s LIMIT %d' % (', '.join(order), n)
        elif how == 'offset':
            self.use('OFFSET')
            b.tail = ' ORDER BY %s LIMIT %d OFFSET %d' % (', '.join(order), n, rnd.randint(1, 3))
        elif how == 'ties':
            self.use('WITH TIES')
            b.tail = ' ORDER BY %s FETCH FIRST %d ROWS WITH TIES' % (', '.join(some), n)
        else:
            self.use('OFFSET')
            b.tail = ' ORDER BY %s OFFSET %d' % (', '.join(order), rnd.randint(1, 2))
