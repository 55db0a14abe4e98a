"""Aggregates, GROUP BY, GROUPING SETS and HAVING."""
from datatypes import TYPES, weighted
from expressions import canonical
from pieces import Target

# Columns of these types have the same image for equal values; so have their expressions.
PLAIN = ('int', 'small', 'bigint', 'text', 'bool', 'date', 'tstz', 'enum', 'uuid', 'bytea')


def exactly(typ):
    """How a value that may be any of several equal ones is compared."""
    return 'text' if TYPES[typ].exact and typ != 'num2' else 'eq'


class Aggregates:
    # -- those with invertible state, and min and max -----------------------

    def aggregate(self, scope):
        """(text, result type, cmp)."""
        rnd = self.rnd
        what = weighted(rnd, [('star', 3), ('count', 2), ('sum', 5), ('avg', 3), ('min', 3),
                              ('max', 3)])
        flt = ''
        if rnd.random() < 0.22:
            flt = ' FILTER (WHERE %s)' % self.pred(scope, 1)
            self.use('aggregate FILTER')
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
                self.use('min and max of citext')
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
            if cmp == 'float':
                self.use('sum of floats')
        return '%s(%s)%s' % (what, arg, flt), res, cmp

    def agg_target(self, scope):
        """An aggregate or an expression over aggregates."""
        rnd = self.rnd
        e, t, cmp = self.aggregate(scope)
        if rnd.random() < 0.7 or cmp == 'float':
            if cmp == 'float' and rnd.random() < 0.2:
                e = "coalesce(%s, '7')" % e
            return Target(e, t, cmp)
        pick = rnd.randint(0, 5)
        if pick == 0:
            return Target('(%s IS NULL)' % e, 'bool', 'text')
        if pick == 1 and t in ('bigint', 'numeric', 'int'):
            e2, t2, c2 = self.aggregate(scope)
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
        """Adds keys to the block; those it chooses to show go to targets."""
        rnd = self.rnd
        b.group = []
        for _ in range(n):
            t = self.pick_type(scope, lambda t: TYPES[t].equal)
            depth = rnd.choice([0, 0, 0, 0, 1])
            e = self.expr(t, scope, depth)
            if '.' not in self.q.expand(e):
                c = self.column(scope, lambda x: TYPES[x].equal)
                if not c:
                    continue
                e, t = c
            if self.q.expand(e) in [self.q.expand(x) for x in b.group]:
                continue
            b.group.append(e)
            if rnd.random() < 0.8:
                cmp = 'text' if TYPES[t].exact else 'eq'
                shown = e
                if t in ('int', 'bigint') and rnd.random() < 0.12:
                    shown = '(%s + 1)' % e
                b.targets.append(Target(shown, t, cmp))

    # -- the others ---------------------------------------------------------

    def other_aggregate(self, scope, top):
        """(text, result type, cmp) of an aggregate without such a rule."""
        rnd = self.rnd
        e = lambda t: self.expr(t, scope, rnd.choice([0, 0, 0, 1]))
        int_type = self.pick_type(scope, lambda t: t in ('int', 'bigint', 'small'))
        num_type = self.pick_type(scope, lambda t: t in ('int', 'bigint', 'nume', 'num2'))
        what = weighted(rnd, [
            ('bool', 3), ('bit', 2), ('var', 3), ('distinct', 5), ('string', 3), ('array', 3),
            ('json', 1.5), ('disc', 2), ('cont', 1), ('mode', 1), ('rank', 1.5), ('user', 1),
            ('regr', 1 if top else 0), ('floatvar', 0.6 if top else 0),
            ('range', 0.5 if top else 0)])
        if what == 'bool':
            self.use('bool_and')
            return '%s(%s)' % (rnd.choice(['bool_and', 'bool_or', 'every']),
                               self.pred(scope, 1)), 'bool', 'text'
        if what == 'bit':
            self.use('bit aggregates')
            return '%s(%s)' % (rnd.choice(['bit_and', 'bit_or', 'bit_xor']), e('int')), \
                'int', 'text'
        if what == 'var':
            self.use('variance')
            f = rnd.choice(['variance', 'var_pop', 'var_samp', 'stddev', 'stddev_pop',
                            'stddev_samp'])
            return '%s(%s)' % (f, e(num_type)), 'numeric', 'text'
        if what == 'floatvar':
            self.use('variance of floats')
            return '%s(%s)' % (rnd.choice(['var_pop', 'stddev']), "CASE WHEN abs(%s) < 'Infinity' "
                               "THEN %s END" % ((e('float'),) * 2)), 'float', 'float'
        if what == 'distinct':
            self.use('DISTINCT aggregate')
            f = weighted(rnd, [('count', 5), ('sum', 3), ('avg', 2), ('array', 1), ('string', 1)])
            if f == 'count':
                return 'count(DISTINCT %s)' % e(self.pick_type(
                    scope, lambda t: TYPES[t].equal)), 'bigint', 'text'
            if f == 'array':
                x = e('int')
                return 'array_agg(DISTINCT %s ORDER BY %s)' % (x, x), 'arr', 'text'
            if f == 'string':
                x = '%s COLLATE "C"' % e('text')
                return "string_agg(DISTINCT %s, ',' ORDER BY %s)" % (x, x), 'text', 'text'
            return '%s(DISTINCT %s)' % (f, e(int_type)), \
                'numeric' if f == 'avg' else TYPES[int_type].sums, 'text'
        if what == 'string':
            self.use('ordered aggregate')
            return "string_agg(%s, ',' ORDER BY %s)" % (e('text'), self.argument_order(scope)), \
                'text', 'text'
        if what == 'array':
            self.use('ordered aggregate')
            t = 'int'
            if top and rnd.random() < 0.5:
                t = self.pick_type(scope, lambda t: t != 'arr')
            return 'array_agg(%s ORDER BY %s)' % (e(t), self.argument_order(scope)), \
                'arr' if t == 'int' else 'text', 'text'
        if what == 'json':
            t = self.pick_type(scope, lambda t: t in ('int', 'text', 'nume', 'bool', 'jsonb'))
            self.use('ordered aggregate', 'JSON aggregate')
            f = rnd.choice(['jsonb_agg(%s ORDER BY %s)'] * 2 +
                           ['jsonb_object_agg(coalesce(%s::text, $n$-$n$), 1 ORDER BY %s)'] +
                           (['json_agg(%s ORDER BY %s)', 'json_object_agg(coalesce(%s::text, '
                             '$n$-$n$), 1 ORDER BY %s)'] if top else []))
            return f % (e(t), self.argument_order(scope)), 'jsonb', 'text'
        if what == 'disc':
            self.use('ordered-set aggregate')
            t = self.pick_type(scope, lambda t: TYPES[t].minmax and t != 'ci')
            return 'percentile_disc(%s) WITHIN GROUP (ORDER BY %s)' % (
                rnd.choice(['0', '0.25', '0.5', '1']), e(t)), t, exactly(t)
        if what == 'cont':
            self.use('ordered-set aggregate')
            return 'percentile_cont(%s) WITHIN GROUP (ORDER BY %s::float8)' % (
                rnd.choice(['0', '0.25', '0.5', '1']), e(int_type)), 'float', 'text'
        if what == 'mode':
            # Of several most frequent values PostgreSQL takes the first of the order.
            self.use('ordered-set aggregate')
            t = self.pick_type(scope, lambda t: TYPES[t].minmax and t in PLAIN)
            return 'mode() WITHIN GROUP (ORDER BY %s)' % e(t), t, 'text'
        if what == 'rank':
            self.use('hypothetical-set aggregate')
            t = self.pick_type(scope, lambda t: t in PLAIN and TYPES[t].minmax)
            f = rnd.choice(['rank', 'dense_rank', 'percent_rank', 'cume_dist'])
            return '%s(%s) WITHIN GROUP (ORDER BY %s)' % (f, TYPES[t].lit(rnd), e(t)), \
                'bigint' if f in ('rank', 'dense_rank') else 'float', 'text'
        if what == 'user':
            self.use('user-defined aggregate')
            return 'usum(%s)' % e('int'), 'int', 'text'
        if what == 'range':
            self.use('range_agg')
            return 'range_agg(%s)' % e('range'), 'text', 'text'
        self.use('regression aggregates')
        return '%s(%s::float8, %s::float8)' % (
            rnd.choice(['regr_count', 'regr_slope', 'regr_sxy', 'corr', 'covar_pop',
                        'regr_avgx']), e('int'), e('int')), 'float', 'float'

    def argument_order(self, scope):
        return ', '.join(self.total_order(scope))

    def any_aggregate(self, scope, top):
        with self.at('aggregate'):
            if self.rnd.random() < 0.45:
                return self.aggregate(scope)
            e, t, cmp = self.other_aggregate(scope, top)
            if self.rnd.random() < 0.15:
                e += ' FILTER (WHERE %s)' % self.pred(scope, 1)
                self.use('aggregate FILTER')
            return e, t, cmp

    def put(self, b, e, typ, cmp, top):
        """Adds a target; below another operator only if its image is determined."""
        if not top and cmp == 'float':
            e, typ = '(%s IS NULL)' % e, 'bool'
        elif not top and cmp == 'eq':
            e = canonical(e, typ)
            if e is None:
                return
        b.targets.append(Target(e, typ, cmp if top else 'text'))

    def put_aggregate(self, b, scope, top):
        n = len(b.targets)
        for _ in range(3):
            self.put(b, *self.any_aggregate(scope, top), top)
            if len(b.targets) > n:
                return
        b.targets.append(Target('count(*)', 'bigint', 'text'))

    # -- grouped blocks -----------------------------------------------------

    def simple_keys(self, b, scope, n, top):
        """Groups by n columns or expressions and shows most of them."""
        rnd = self.rnd
        b.group = []
        plain = []                # columns that stand for themselves: a scope
        for _ in range(n):
            c = self.column(scope, lambda t: TYPES[t].equal and (
                top or canonical('', t) is not None))
            if not c or c[0] in b.group:
                continue
            e, t = c
            a, col = [(a, x) for a, x, _ in self.cols(scope, lambda t: True)
                      if self.ref(a, x) == e][0]
            if t == 'int' and rnd.random() < 0.15:
                e = '(%s %% 2)' % e
            elif TYPES[t].exact and t in PLAIN:
                plain.append((a, [(col, t)]))
            if e in b.group:
                continue
            b.group.append(e)
            if rnd.random() < 0.85:
                self.put(b, e, t, exactly(t), top)
        return plain

    def having(self, b, scope, plain):
        rnd = self.rnd
        self.use('HAVING')
        kind = weighted(rnd, [('count', 5), ('sum', 2), ('any', 2), ('key', 1 if plain else 0),
                              ('sublink', 5 if self.sublinks > 0 else 0)])
        c = self.column(scope, lambda t: t in ('int', 'bigint', 'nume'))
        if kind == 'sum' and c:
            return 'sum(%s) %s %d' % (c[0], rnd.choice(['>', '<', '>=', '<>']),
                                      rnd.randint(0, 6))
        if kind == 'any':
            with self.at('aggregate'):
                return '(bool_or(%s) %s)' % (self.pred(scope, 0), rnd.choice(
                    ['', 'OR count(*) > 2', 'IS NOT TRUE']))
        if kind == 'key':
            return self.pred(plain, 0)
        if kind == 'sublink':
            with self.at('HAVING'):
                if plain and rnd.random() < 0.6:
                    return self.sublink(plain)
                link = self.scalar_sublink('bigint', plain)
                if link:
                    return 'count(*) %s %s' % (rnd.choice(['<', '<=', '>', '=']), link)
        return 'count(*) %s %d' % (rnd.choice(['>', '>', '<', '>=', '=']), rnd.randint(1, 3))

    def grouped(self, b, scope, top):
        """GROUP BY of any kind; returns a scope of the keys that are columns."""
        rnd = self.rnd
        if rnd.random() < 0.25:
            return self.grouping_sets(b, scope, top)
        keyed = [(a, cs) for a, cs in scope if a in self.keys]
        if keyed and rnd.random() < 0.15:
            return self.primary_key(b, *rnd.choice(keyed), top)
        n = weighted(rnd, [(0, 1.5), (1, 6), (2, 4), (3, 1)])
        with self.without_sublinks():
            plain = self.simple_keys(b, scope, n, top)
        if not b.group:
            self.use('scalar aggregate')
        return plain

    def primary_key(self, b, a, cols, top):
        """Groups by a primary key and shows columns that depend on it."""
        self.use('dependent columns')
        b.group = [self.ref(a, c) for c in self.keys[a]]
        for c, t in cols:
            if self.rnd.random() < 0.5:
                cmp = exactly(t) if c in self.keys[a] else 'text'
                self.put(b, self.ref(a, c), t, cmp, top)
        return [(a, cols)]

    def grouping_sets(self, b, scope, top):
        rnd = self.rnd
        keys = []
        for _ in range(weighted(rnd, [(1, 2), (2, 6), (3, 2)])):
            c = self.column(scope, lambda t: TYPES[t].equal and (
                top or canonical('', t) is not None))
            if c and c not in keys:
                keys.append(c)
        b.group = [e for e, _ in keys]
        if not keys:
            return []
        self.use('GROUPING SETS')
        all_ = ', '.join(b.group)
        forms = ['ROLLUP (%s)' % all_, 'CUBE (%s)' % all_]
        if len(keys) > 1:
            k = b.group
            forms += ['GROUPING SETS ((%s), (%s))' % (k[0], ', '.join(k[1:])),
                      'GROUPING SETS ((%s), (%s), ())' % (all_, k[-1]),
                      '%s, ROLLUP (%s)' % (k[0], ', '.join(k[1:])),
                      'GROUPING SETS ((%s), ())' % all_]
        b.sets = rnd.choice(forms)
        for e, t in keys:
            self.put(b, e, t, exactly(t), top)
        if rnd.random() < 0.7:
            b.targets.append(Target('GROUPING(%s)' % all_, 'int', 'text'))
        return []

    def aggregated(self, b, scope, top):
        """Makes a grouped block of a block with FROM and WHERE."""
        rnd = self.rnd
        plain = self.grouped(b, scope, top)
        for _ in range(rnd.choice([1, 1, 2, 2, 3]) if b.targets else rnd.randint(1, 3)):
            self.put_aggregate(b, scope, top)
        if rnd.random() < 0.3:
            b.having.append(self.having(b, scope, plain))
        if plain and self.sublinks > 0 and rnd.random() < 0.25:
            with self.at('select list'):
                e = self.scalar_sublink(rnd.choice(['bigint', 'int']), plain)
            if e:
                b.targets.append(Target(e, 'bigint', 'text'))
