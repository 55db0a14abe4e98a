"""WITH, and WITH RECURSIVE over tables taken as edges."""
from contextlib import contextmanager

from datatypes import quote, weighted
from pieces import Block, Target


class Ctes:
    @contextmanager
    def with_ctes(self, depth):
        """Makes CTEs visible; yields the texts to put before the block."""
        rnd = self.rnd
        kept = list(self.ctes)
        texts = []
        for _ in range(weighted(rnd, [(1, 7), (2, 3)])):
            if texts:
                self.use('nested CTE')
            piece, cols = self.block(depth - 1)
            self.m += 1
            name = 'w%d' % self.m
            how = weighted(rnd, [('', 5), ('MATERIALIZED ', 2), ('NOT MATERIALIZED ', 1)])
            if how:
                self.use('CTE MATERIALIZED')
            texts.append('%s AS %s(%s)' % (name, how, self.q.mark(piece)))
            self.ctes.append((name, cols, []))
        self.use('CTE')
        try:
            yield texts
        finally:
            self.ctes[:] = kept

    def make_recursive(self, depth, top):
        """A block over a recursive CTE, or None if no table serves as edges."""
        rnd = self.rnd
        edges = []
        for t in self.tables:
            types = [t.col('k').typ, t.col('g').typ]
            if all(x in ('int', 'bigint') for x in types):
                edges.append((t, 'bigint'))
            elif types == ['text', 'text']:
                edges.append((t, 'text'))
        if not edges:
            return None
        t, typ = rnd.choice(edges)
        name = quote(t.name)
        self.use('WITH RECURSIVE')
        seed = [(self.alias(), [(c.name, c.typ) for c in t.cols])]
        step = [(self.alias(), [(c.name, c.typ) for c in t.cols])]
        s, e = seed[0][0], step[0][0]
        cast = '::' + typ
        with self.without_sublinks():
            start = self.pred(seed, 0) if rnd.random() < 0.5 else 'true'
            more = ' AND ' + self.pred(step, 0) if rnd.random() < 0.2 else ''
        kind = weighted(rnd, [('reach', 4), ('depth', 4), ('pairs', 2), ('acyclic', 3),
                              ('guarded', 2), ('both', 1.5), ('undirected', 1.5),
                              ('count', 0.7), ('cycle', 1), ('search', 0.8)])
        r = self.alias()
        all_ = ''
        extra = ''
        cols = [('n', typ), ('d', 'int')]
        if kind == 'reach':
            body = ('SELECT %s.k%s FROM %s %s WHERE %s UNION SELECT %s.g%s FROM %s JOIN %s %s '
                    'ON %s.k = %s.n%s' % (s, cast, name, s, start, e, cast, r, name, e, e, r,
                                          more))
            cols = cols[:1]
        elif kind == 'pairs':
            body = ('SELECT %s.k%s, %s.g%s FROM %s %s UNION SELECT %s.n, %s.g%s FROM %s JOIN %s '
                    '%s ON %s.k = %s.d%s' % (s, cast, s, cast, name, s, r, e, cast, r, name, e,
                                             e, r, more))
            cols = [('n', typ), ('d', typ)]
        elif kind == 'guarded':
            all_ = ' ALL'
            body = ('SELECT %s.k%s, ARRAY[%s.k%s] FROM %s %s WHERE %s UNION ALL '
                    'SELECT %s.g%s, %s.d || %s.g%s FROM %s JOIN %s %s ON %s.k = %s.n '
                    'WHERE NOT coalesce(%s.g%s, %s.n) = ANY (%s.d) AND cardinality(%s.d) < 5%s'
                    % (s, cast, s, cast, name, s, start, e, cast, r, e, cast, r, name, e, e, r,
                       e, cast, r, r, r, more))
            cols = cols[:1]
        elif kind in ('both', 'undirected'):
            # A step that reads two tables that change, or one of them in two ways.
            t2, _ = rnd.choice([x for x in edges if x[1] == typ])
            f = self.alias()
            name2 = quote(t2.name)
            if kind == 'both':
                other = '%s %s ON %s.k%s = %s.k%s' % (name2, f, f, cast, e, cast)
                body = ('SELECT %s.k%s, 0 FROM %s %s WHERE %s UNION ALL SELECT %s.g%s, %s.d + 1 '
                        'FROM %s JOIN %s %s ON %s.k = %s.n JOIN %s WHERE %s.d < %d%s'
                        % (s, cast, name, s, start, f, cast, r, r, name, e, e, r, other, r,
                           rnd.randint(2, 3), more))
            else:
                both = ('(SELECT k%s AS x, g%s AS y FROM %s UNION ALL SELECT g%s, k%s FROM %s) %s'
                        % (cast, cast, name, cast, cast, name2, f))
                body = ('SELECT %s.k%s, 0 FROM %s %s WHERE %s UNION ALL SELECT %s.y, %s.d + 1 '
                        'FROM %s JOIN %s ON %s.x = %s.n WHERE %s.d < 2'
                        % (s, cast, name, s, start, f, r, r, both, f, r, r))
        elif kind == 'count':
            body = 'SELECT 1%s, 1 UNION ALL SELECT n, d + 1 FROM %s WHERE d < %d' % (
                cast, r, rnd.randint(2, 4))
        else:
            limit = rnd.randint(2, 3)
            all_ = ' ALL' if kind != 'depth' or rnd.random() < 0.7 else ''
            more += ' AND %s.k < %s.g' % (e, e) if kind == 'acyclic' else ''
            bound = '%s.d < %d' % (r, limit)
            if kind == 'acyclic' and rnd.random() < 0.7:
                bound = 'true'
            body = ('SELECT %s.k%s, 0 FROM %s %s WHERE %s UNION%s SELECT %s.g%s, %s.d + 1 '
                    'FROM %s JOIN %s %s ON %s.k = %s.n WHERE %s%s'
                    % (s, cast, name, s, start, all_, e, cast, r, r, name, e, e, r, bound,
                       more))
            if kind == 'cycle':
                self.use('CYCLE')
                extra = ' CYCLE n SET looped USING way'
                cols.append(('looped', 'bool'))
            elif kind == 'search':
                self.use('SEARCH')
                extra = ' SEARCH %s FIRST BY n SET seen' % rnd.choice(['BREADTH', 'DEPTH'])
        if ' UNION ALL ' in body:
            self.use('WITH RECURSIVE UNION ALL')
        named = ', '.join(c for c, _ in cols if c != 'looped')
        named += ', d' if kind == 'guarded' else ''
        b = Block()
        b.recursive = True
        b.ctes = ['%s (%s) AS (%s)%s' % (r, named, body, extra)]
        a = self.alias()
        scope = [(a, cols)]
        b.source = '%s %s' % (r, a)
        if rnd.random() < 0.3:
            text2, a2, cols2 = self.any_item(0)
            cond = self.join_cond(scope, (a2, cols2))
            if cond:
                b.source += ' %sJOIN %s ON %s' % (rnd.choice(['', 'LEFT ']), text2, cond)
                self.use('left join' if 'LEFT' in b.source else 'inner join')
                scope.append((a2, cols2))
        if rnd.random() < 0.25:
            self.aggregated(b, scope, top)
        else:
            for c, t in cols:
                b.targets.append(Target(self.ref(a, c), t, 'text'))
            self.plain_targets(b, scope, 1)
        return b
