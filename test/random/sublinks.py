"""Subqueries in expressions: EXISTS, IN, ANY, ALL, scalar ones, correlated and not."""
from aggregates import exactly
from datatypes import TYPES, quote, weighted
from pieces import Block, Compound, Target


class Sublinks:
    def inside(self, scope, depth, correlate):
        """FROM and WHERE of a subquery: (text, scope of its own, conjuncts)."""
        rnd = self.rnd
        if rnd.random() < 0.2 and self.room > 1:
            src, own, where = self.sources(2, depth)
        else:
            src, a, cols = self.any_item(depth)
            own, where = [(a, cols)], []
        linked = False
        if correlate:
            for _ in range(weighted(rnd, [(1, 8), (2, 1)])):
                cond = self.join_cond(scope, rnd.choice(own))
                if cond and cond not in where:
                    where.append(cond)
                    linked = True
            if rnd.random() < 0.15:
                where.append(self.pred(own + scope, 0))
                linked = True
        if rnd.random() < (0.2 if linked else 0.45):
            where.append(self.pred(own, 1))
        self.use('correlated subquery' if linked else 'uncorrelated subquery')
        return src, own, where

    def noted(self, what):
        """Notes the construct and where it stands."""
        self.sublinks -= 1
        self.use(what)
        for place in self.places:
            if place in ('OR', 'NOT', 'CASE', 'ON', 'HAVING', 'select list', 'aggregate'):
                self.use('sublink in ' + place)
        if 'sublink' in self.places:
            self.use('nested sublink')

    def sublink_anywhere(self, scope):
        """A predicate with a subquery: at its top, or further down."""
        rnd = self.rnd
        how = weighted(rnd, [('top', 6), ('OR', 2), ('NOT', 1), ('CASE', 1), ('truth', 0.7)])
        if how == 'top':
            return self.sublink(scope)
        with self.at('NOT' if how == 'truth' else how):
            link = self.sublink(scope)
        other = self.sublink(scope) if self.sublinks > 0 and rnd.random() < 0.4 \
            else self.pred(scope, 0)
        if how == 'OR':
            text = '(%s OR %s)' % rnd.choice([(link, other), (other, link)])
        elif how == 'NOT':
            text = 'NOT (%s %s %s)' % (link, rnd.choice(['AND', 'OR']), other)
        elif how == 'CASE':
            text = 'CASE WHEN %s THEN %s ELSE %s END' % (
                (link, other, rnd.choice(['true', 'false', 'NULL'])) if rnd.random() < 0.6
                else (other, link, self.pred(scope, 0)))
        else:
            text = '(%s) IS %s' % (link, rnd.choice(['UNKNOWN', 'NOT TRUE', 'NOT FALSE',
                                                     'NOT UNKNOWN']))
        return self.q.choice(text, [link, other])

    def sublink(self, scope):
        """A predicate that consists of a subquery."""
        rnd = self.rnd
        kind = weighted(rnd, [('EXISTS', 4), ('NOT EXISTS', 4), ('IN', 4), ('NOT IN', 4),
                              ('row IN', 1.5), ('ANY', 1.5), ('ALL', 1.5), ('scalar', 4)])
        outer = self.cols(scope, lambda t: TYPES[t].equal and t not in ('comp', 'json'))
        if not outer:
            kind = rnd.choice(['EXISTS', 'NOT EXISTS'])
        if kind == 'scalar':
            a, c, t = rnd.choice([x for x in outer if TYPES[x[2]].minmax] or outer)
            link = self.scalar_sublink(t, scope)
            return '%s %s %s' % (self.ref(a, c), rnd.choice(['=', '<>', '<', '>=']), link) \
                if link else 'true'
        self.noted('row IN' if kind == 'row IN' else kind + (
            '' if 'EXISTS' in kind else ' subquery'))
        correlate = rnd.random() < (0.85 if 'EXISTS' in kind else 0.45)
        with self.at('sublink'):
            src, own, where = self.inside(scope, rnd.choice([0, 0, 1]), correlate)
        b = Block()
        b.source, b.where = src, where
        if 'EXISTS' in kind:
            b.targets = [Target(rnd.choice(['1', 'NULL', self.expr('int', own, 0)]), 'int',
                                'text')]
            if rnd.random() < 0.12:
                with self.without_sublinks():
                    self.group_by_one(b, own)
            return '%s (%s)' % (kind, self.q.mark(b))
        if kind == 'row IN':
            pairs = [self.match(scope, own) for _ in range(2)]
            pairs = [p for p in pairs if p]
            if len(pairs) < 2:
                return 'true'
            b.targets = [Target(p[1], p[2], 'text') for p in pairs]
            return '(%s) %sIN (%s)' % (', '.join(p[0] for p in pairs), rnd.choice(['', 'NOT ']),
                                       self.q.mark(b))
        pair = self.match(scope, own)
        if not pair:
            return 'true'
        e, inner, t = pair
        b.targets = [Target(inner, t, exactly(t))]
        how = weighted(rnd, [('plain', 7), ('distinct', 0.7), ('group', 1), ('setop', 1),
                             ('limit', 0.7)])
        piece = b
        if how == 'distinct':
            b.distinct = 'DISTINCT '
            self.use('distinct below')
        elif how == 'group':
            b.group = [inner]
            b.having = ['count(*) %s' % rnd.choice(['> 1', '= 1', '< 3'])]
            self.use('aggregate below', 'HAVING')
        elif how == 'limit':
            b.tail = ' ORDER BY %s LIMIT %d' % (', '.join(self.total_order(own)),
                                                rnd.randint(1, 3))
            self.use('LIMIT', 'limit below')
        elif how == 'setop':
            second = Block()
            with self.at('sublink'), self.without_sublinks():
                second.source, own2, second.where = self.inside(scope, 0, correlate)
            second.targets = [Target(self.expr(t, own2, 0), t, exactly(t))]
            glue = rnd.choice(['UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT'])
            piece = Compound(' %s ' % glue)
            piece.arms = [b, second]
            self.use(glue, 'set operation below')
        op = {'IN': 'IN', 'NOT IN': 'NOT IN'}.get(kind) or '%s %s' % (
            rnd.choice(['=', '<>', '<', '>', '<=', '>=']), kind)
        return '%s %s (%s)' % (e, op, self.q.mark(piece))

    def match(self, scope, own):
        """(expression of scope, comparable one of own, its type)"""
        rnd = self.rnd
        pairs = [(a, b) for a in self.cols(scope, lambda t: TYPES[t].equal and t != 'comp')
                 for b in self.cols(own, lambda t: TYPES[t].equal)
                 if TYPES[a[2]].cls == TYPES[b[2]].cls]
        if not pairs:
            return None
        good = [p for p in pairs if p[0][1] in ('k', 'g') and p[1][1] in ('k', 'g')]
        a, b = rnd.choice(good if good and rnd.random() < 0.5 else pairs)
        return self.ref(*a[:2]), self.ref(*b[:2]), b[2]

    def group_by_one(self, b, own):
        c = self.column(own, lambda t: TYPES[t].equal)
        if c:
            b.group = [c[0]]
            b.targets = [Target('count(*)', 'bigint', 'text')]
            b.having = ['count(*) %s' % self.rnd.choice(['> 1', '= 1', '>= 2'])]
            self.use('aggregate below', 'HAVING')

    def scalar_sublink(self, typ, scope):
        """A subquery of one value, of the given type; None if there is no such."""
        rnd = self.rnd
        t = TYPES[typ]
        kind = weighted(rnd, [('extreme', 4 if t.minmax and t.exact and typ not in
                                          ('citext', 'dom', 'char', 'varchar', 'num2') else 0),
                              ('count', 5 if typ == 'bigint' else 0),
                              ('sum', 4 if typ in ('bigint', 'nume', 'numeric') else 0),
                              ('avg', 2 if typ == 'numeric' else 0),
                              ('key', 2), ('limit', 1.5)])
        if self.places and self.places[-1] == 'sublink' and self.places.count('sublink') > 1:
            return None
        b = Block()
        keyed = [x for x in self.tables if len(x.key()) == 1]
        if kind == 'key' and keyed:
            u = rnd.choice(keyed)
            a = self.alias()
            own = [(a, [(c.name, c.typ) for c in u.cols])]
            key = u.col(u.pk[0])
            outer = self.cols(scope, lambda x: TYPES[x].cls == TYPES[key.typ].cls)
            self.noted('scalar subquery')
            if outer and rnd.random() < 0.8:
                value = self.ref(*rnd.choice(outer)[:2])
                self.use('correlated subquery')
            else:
                value = rnd.choice(key.dom)
                self.use('uncorrelated subquery')
            b.source = '%s %s' % (quote(u.name), a)
            b.where = ['%s = %s' % (self.ref(a, key.name), value)]
            with self.without_sublinks():
                b.targets = [Target(self.expr(typ, own, 0), typ, 'text')]
            self.use('scalar subquery by key')
            return '(%s)' % self.q.mark(b)
        self.noted('scalar subquery')
        with self.at('sublink'):
            b.source, own, b.where = self.inside(scope, rnd.choice([0, 0, 1]),
                                                 rnd.random() < 0.65)
        with self.without_sublinks():
            if kind in ('key', 'limit'):
                b.targets = [Target(self.expr(typ, own, 0), typ, 'text')]
                b.tail = ' ORDER BY %s LIMIT 1' % ', '.join(self.total_order(own))
                self.use('LIMIT', 'limit below')
            else:
                arg = {'count': lambda: rnd.choice(['*', self.expr('int', own, 0)]),
                       'extreme': lambda: self.expr(typ, own, 0),
                       'sum': lambda: self.expr('int' if typ == 'bigint' else 'bigint', own, 0),
                       'avg': lambda: self.expr('int', own, 0)}[kind]()
                f = rnd.choice(['min', 'max']) if kind == 'extreme' else kind
                b.group = []
                b.targets = [Target('%s(%s)' % (f, arg), typ, 'text')]
                self.use('aggregate below')
        return '(%s)' % self.q.mark(b)

    def correlated(self, scope, depth):
        """A block that refers to scope, for LATERAL: (block, columns)."""
        rnd = self.rnd
        with self.at('sublink'):
            src, own, where = self.inside(scope, max(0, min(depth, 1)), rnd.random() < 0.9)
        b = Block()
        b.source, b.where = src, where
        kind = weighted(rnd, [('plain', 2), ('limit', 3), ('scalar', 3), ('agg', 2),
                              ('distinct', 0.7)])
        with self.without_sublinks():
            if kind == 'scalar':
                self.use('aggregate below')
                b.group = []
                for _ in range(rnd.randint(1, 2)):
                    self.put_aggregate(b, own, False)
            elif kind == 'agg':
                self.use('aggregate below')
                self.simple_keys(b, own, 1, False)
                for _ in range(rnd.randint(1, 2)):
                    self.put_aggregate(b, own, False)
            else:
                for _ in range(rnd.randint(1, 3)):
                    t = self.pick_type(own if rnd.random() < 0.85 else scope,
                                       lambda t: TYPES[t].equal and TYPES[t].exact
                                       if kind == 'distinct' else True)
                    b.targets.append(Target(self.typed(t, own + scope, rnd.choice([0, 0, 1])), t,
                                            'text'))
                if kind == 'limit':
                    self.use('LIMIT', 'limit below')
                    b.tail = ' ORDER BY %s LIMIT %d' % (', '.join(self.total_order(own)),
                                                        rnd.randint(1, 2))
                elif kind == 'distinct':
                    if not all(TYPES[t.typ].exact and TYPES[t.typ].equal and t.typ != 'num2'
                               for t in b.targets):
                        b.targets = [Target(self.expr('int', own, 0), 'int', 'text')]
                    b.distinct = 'DISTINCT '
                    self.use('distinct below')
        return b, self.columns(b)
