"""Window functions."""
from datatypes import TYPES, weighted
from aggregates import exactly
from pieces import Target

FRAMES = ['ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', 'ROWS BETWEEN 1 PRECEDING AND '
          '1 FOLLOWING', 'ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
          'ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING', 'ROWS BETWEEN UNBOUNDED PRECEDING AND '
          'UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW']
PEERS = ['', '', ' GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW',
         ' GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING', ' RANGE BETWEEN CURRENT ROW AND '
         'UNBOUNDED FOLLOWING', ' GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP']


class Windows:
    def window(self, scope, partition):
        """Text of PARTITION BY."""
        rnd = self.rnd
        keys = []
        for _ in range(weighted(rnd, [(1, 6), (2, 2)]) if partition else 0):
            c = self.column(scope, lambda t: TYPES[t].equal and t != 'long')
            if c and c[0] not in keys:
                keys.append(c[0])
        if not keys:
            self.use('window without PARTITION BY')
        return 'PARTITION BY %s' % ', '.join(keys) if keys else ''

    def over(self, f, part, order, frame=''):
        return '%s OVER (%s)' % (f, ' '.join(x for x in (
            part, 'ORDER BY %s' % ', '.join(order) if order else '', frame.strip()) if x))

    def window_target(self, scope, part, top):
        """(text, type, cmp) of a window function over rows of scope."""
        rnd = self.rnd
        kind = weighted(rnd, [('number', 3), ('ntile', 0.6), ('shift', 3), ('value', 2),
                              ('rank', 4), ('share', 1), ('whole', 3), ('peers', 3),
                              ('rows', 3), ('range', 1), ('string', 0.7)])
        total = self.total_order(scope)
        some = self.any_order(scope, rnd.choice([1, 1, 2])) or total
        if kind in ('number', 'ntile', 'shift', 'value', 'rows', 'string'):
            part, total = self.one_row_order(scope, part, total)
        t = self.pick_type(scope)
        e = lambda t: self.expr(t, scope, rnd.choice([0, 0, 1]))
        self.use('window function')
        if kind == 'number':
            return self.over('row_number()', part, total), 'bigint', 'text'
        if kind == 'ntile':
            return self.over('ntile(%d)' % rnd.randint(2, 3), part, total), 'int', 'text'
        if kind == 'shift':
            args = rnd.choice(['%s', '%s, 2', '%s, 1, %s'])
            args = args % ((e(t), e(t)) if args.count('%s') == 2 else e(t))
            return self.over('%s(%s)' % (rnd.choice(['lag', 'lead']), args), part, total), t, 'text'
        if kind == 'value':
            f = rnd.choice(['first_value(%s)', 'last_value(%s)', 'nth_value(%s, 2)'])
            frame = rnd.choice(['', rnd.choice(FRAMES)])
            if frame:
                self.use('window frame')
            return self.over(f % e(t), part, total, frame), t, 'text'
        if kind == 'rank':
            return self.over(rnd.choice(['rank()', 'dense_rank()']), part, some), 'bigint', 'text'
        if kind == 'share':
            return self.over(rnd.choice(['percent_rank()', 'cume_dist()']), part, some), \
                'float', 'text'
        if kind == 'string':
            return self.over("string_agg(%s, '')" % e('text'), part, total), 'text', 'text'
        f, res, cmp = self.window_aggregate(scope, e)
        if kind == 'whole':
            return self.over(f, part, []), res, cmp
        if kind == 'rows':
            self.use('window frame')
            return self.over(f, part, total, rnd.choice(FRAMES)), res, cmp
        if kind == 'range':
            c = self.column(scope, lambda t: t in ('int', 'bigint', 'nume'))
            if c:
                self.use('window frame')
                return self.over(f, part, [c[0] + rnd.choice(['', ' DESC'])], rnd.choice(
                    ['RANGE BETWEEN 1 PRECEDING AND CURRENT ROW',
                     'RANGE BETWEEN 1 PRECEDING AND 2 FOLLOWING',
                     'RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE TIES'
                     if cmp == 'text' and f.startswith('count(*)') else
                     'RANGE UNBOUNDED PRECEDING'])), res, cmp
        frame = rnd.choice(PEERS)
        if frame:
            self.use('window frame')
        return self.over(f, part, some, frame), res, cmp

    def one_row_order(self, scope, part, total):
        """The window of all functions of a block that tell alike rows apart.

        Rows that are alike in every column stand in any order.  In one window
        that does not matter; in two, their places would pair at random.
        """
        if all(self.keys.get(a) for a, _ in scope):
            return part, total
        if self.row_order is None:
            self.row_order = part, total
        return self.row_order

    def window_aggregate(self, scope, e):
        """(call, type, cmp) of an aggregate that does not depend on order."""
        rnd = self.rnd
        f = weighted(rnd, [('count(*)', 3), ('sum', 4), ('min', 2), ('max', 2), ('avg', 2),
                           ('bool', 1), ('count', 1)])
        if f == 'count(*)':
            call, res, cmp = f, 'bigint', 'text'
        elif f in ('min', 'max'):
            t = self.pick_type(scope, lambda t: TYPES[t].minmax)
            call, res, cmp = '%s(%s)' % (f, e(t)), t, exactly(t)
        elif f == 'bool':
            call, res, cmp = 'bool_or(%s)' % self.pred(scope, 0), 'bool', 'text'
        elif f == 'count':
            call, res, cmp = 'count(%s)' % e(self.pick_type(scope)), 'bigint', 'text'
        else:
            t = self.pick_type(scope, lambda t: t in ('int', 'bigint', 'nume', 'num2', 'small'))
            call = '%s(%s)' % (f, e(t))
            res, cmp = (TYPES[t].sums if f == 'sum' else TYPES[t].avgs), 'text'
        if rnd.random() < 0.15:
            call += ' FILTER (WHERE %s)' % self.pred(scope, 0)
        return call, res, cmp

    def windowed(self, b, scope, top):
        """Window functions over the rows of FROM and WHERE."""
        rnd = self.rnd
        self.row_order = None
        parts = [self.window(scope, rnd.random() < 0.85)
                 for _ in range(weighted(rnd, [(1, 6), (2, 3)]))]
        if len(set(parts)) > 1:
            self.use('several windows')
        if len(parts) == 1 and parts[0] and rnd.random() < 0.15:
            b.windows = ['w AS (%s)' % parts[0]]
            parts = ['w']
        for _ in range(rnd.randint(0, 3)):
            t = self.pick_type(scope)
            b.targets.append(Target(self.expr(t, scope, rnd.choice([0, 0, 1])), t, 'text'))
        with self.without_sublinks():
            for _ in range(weighted(rnd, [(1, 5), (2, 4), (3, 1)])):
                self.put(b, *self.window_target(scope, rnd.choice(parts), top), top)
        if not b.targets:
            b.targets.append(Target('count(*) OVER (%s)' % parts[0], 'bigint', 'text'))

    def windowed_groups(self, b, scope, top):
        """Window functions over groups."""
        rnd = self.rnd
        self.use('window over aggregate')
        with self.without_sublinks():
            b.group = []
            keys = []
            for _ in range(weighted(rnd, [(1, 4), (2, 5)])):
                c = self.column(scope, lambda t: TYPES[t].equal and TYPES[t].exact
                                and t not in ('num2', 'long'))
                if c and c[0] not in b.group:
                    b.group.append(c[0])
                    keys.append(c)
            for e, t in keys:
                b.targets.append(Target(e, t, 'text'))
            c = self.column(scope, lambda t: t in ('int', 'bigint'))
            inner = rnd.choice(['count(*)', 'sum(%s)' % c[0] if c else 'count(*)'])
            b.targets.append(Target(inner, 'numeric' if 'sum' in inner else 'bigint', 'text'))
            total = [inner + self.direction()] + [e for e, _ in keys]
            part = 'PARTITION BY %s' % keys[0][0] if len(keys) > 1 and rnd.random() < 0.75 \
                else ''
            if not part:
                self.use('window without PARTITION BY')
            for _ in range(rnd.randint(1, 2)):
                f = rnd.choice(['rank()', 'dense_rank()', 'row_number()', 'sum(%s)' % inner,
                                'max(%s)' % inner, 'lag(%s)' % inner, 'count(*)'])
                order = total if f in ('row_number()',) or f.startswith('lag') or \
                    rnd.random() < 0.3 else [inner + ' DESC']
                if f.startswith(('sum', 'max', 'count')) and rnd.random() < 0.5:
                    order = []
                b.targets.append(Target(self.over(f, part, order),
                                        'numeric' if f.startswith('sum') else 'bigint', 'text'))
        self.use('window function')
        if rnd.random() < 0.2:
            b.having.append(self.having(b, scope, []))
