"""Random scalar expressions and predicates over a scope.

A scope is a list of (alias, [(column, type)]).
"""
from contextlib import contextmanager

from datatypes import CANON, TYPES, quote, weighted


# A function of the clock that goes through its values by the millisecond, and back.
TICK = '(extract(epoch FROM now()) * 1000)::bigint %% %d'

# By type, what wanders through the domain.
WANDERING = {
    'int': '(%s - 1)' % TICK % 5, 'small': '(%s - 1)' % TICK % 5, 'bigint': '(%s)' % TICK % 5,
    'nume': '((%s)::numeric / 2)' % TICK % 6, 'num2': '((%s)::numeric / 2)' % TICK % 6,
    'numeric': '((%s)::numeric / 2)' % TICK % 6,
    'date': "(date '2024-01-01' + (%s)::integer)" % TICK % 400,
    'tstz': "(timestamptz '2023-12-31 20:00+00' + (%s) * interval '1 hour')" % TICK % 2200,
}


class Expressions:
    def cols(self, scope, pred):
        return [(a, c, t) for a, cs in scope for c, t in cs if pred(t)]

    def ref(self, a, c):
        return '%s.%s' % (a, quote(c))

    def alias(self):
        self.n += 1
        return 'q%d' % self.n

    def pick_type(self, scope, ok=lambda t: True):
        have = [t for _, cs in scope for _, t in cs if ok(t)]
        return self.rnd.choice(have) if have else 'int'

    def column(self, scope, ok):
        """A reference to a column and its type, or None."""
        have = self.cols(scope, ok)
        if not have:
            return None
        a, c, t = self.rnd.choice(have)
        return self.ref(a, c), t

    @contextmanager
    def at(self, place):
        """Sublinks made meanwhile stand in this place."""
        self.places.append(place)
        try:
            yield
        finally:
            self.places.pop()

    @contextmanager
    def without_sublinks(self):
        kept, self.sublinks = self.sublinks, 0
        try:
            yield
        finally:
            self.sublinks = kept

    def expr(self, typ, scope, depth=2):
        rnd = self.rnd
        if self.sublinks > 0 and depth > 0 and rnd.random() < 0.2:
            link = self.scalar_sublink(typ, scope)
            if link:
                return link
        cands = self.cols(scope, lambda t: t == typ)
        if depth <= 0 or rnd.random() < 0.45:
            if cands and rnd.random() < 0.92:
                a, c, _ = rnd.choice(cands)
                return self.ref(a, c)
            return TYPES[typ].lit(rnd)
        subs = []

        def sub(t=typ):
            e = self.expr(t, scope, depth - 1)
            if t == typ:
                subs.append(e)
            return e

        def cond():
            with self.at('CASE'):
                return self.pred(scope, depth - 1)
        generic = [lambda: 'coalesce(%s, %s)' % (sub(), sub()),
                   lambda: 'CASE WHEN %s THEN %s ELSE %s END' % (cond(), sub(), sub()),
                   lambda: 'CASE WHEN %s THEN %s END' % (cond(), sub())]
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
                generic = generic[:1]
        return self.q.choice(rnd.choice(generic + special + special)(), subs)

    def typed(self, typ, scope, depth):
        """An expression of exactly the type's name, typmod aside."""
        e = self.expr(typ, scope, depth)
        return e if typ != 'bool' else '(%s)' % e

    def pred(self, scope, depth=2):
        rnd = self.rnd
        kind = weighted(rnd, [('cmp', 10), ('lit', 8), ('null', 3), ('in', 3), ('dist', 2),
                              ('bool', 2), ('between', 1), ('any', 1), ('like', 1), ('json', 1),
                              ('and', 3 if depth > 0 else 0), ('or', 3 if depth > 0 else 0),
                              ('not', 2 if depth > 0 else 0),
                              ('truth', 1 if depth > 0 else 0),
                              ('clock', 4 if 'clock' in self.q.constructs else 1.5),
                              ('sublink', 14 if self.sublinks > 0 else 0)])
        if kind == 'sublink':
            return self.sublink(scope)
        if kind == 'clock':
            return self.clock(scope)

        def sub(place):
            with self.at(place):
                return self.pred(scope, depth - 1)
        if kind in ('and', 'or'):
            l, r = sub('OR' if kind == 'or' else ''), sub('OR' if kind == 'or' else '')
            return self.q.choice('(%s %s %s)' % (l, kind.upper(), r), [l, r])
        if kind == 'not':
            p = sub('NOT')
            return self.q.choice('(NOT %s)' % p, [p])
        if kind == 'truth':
            p = sub('NOT')
            return self.q.choice('((%s) IS %s)' % (p, rnd.choice(
                ['TRUE', 'NOT TRUE', 'FALSE', 'NOT FALSE', 'UNKNOWN'])), [p])
        cands = self.cols(scope, lambda t: TYPES[t].equal)
        if not cands:
            return 'true'
        a, c, t = rnd.choice(cands)
        r = self.ref(a, c)
        typ = TYPES[t]
        op = rnd.choice(['=', '=', '<>', '<', '>', '<=', '>='])
        if kind == 'cmp':
            other = self.expr(t, scope, min(depth, 1))
            return '%s %s %s' % (r, op, other if other != r else typ.lit(rnd))
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

    def clock(self, scope):
        """A comparison with a function of the clock."""
        rnd = self.rnd
        have = self.cols(scope, lambda t: t in WANDERING)
        if not have:
            return 'true'
        self.use('clock')
        a, c, t = rnd.choice(have)
        e = self.ref(a, c)
        if rnd.random() < 0.15:
            e = 'coalesce(%s, %s)' % (e, TYPES[t].lit(rnd))
        if rnd.random() < 0.2:
            return '%s %sBETWEEN %s AND %s' % (e, rnd.choice(['', 'NOT ']), WANDERING[t],
                                               rnd.choice([TYPES[t].lit(rnd), WANDERING[t]]))
        sides = [e, WANDERING[t]]
        rnd.shuffle(sides)
        return (' %s ' % rnd.choice(['=', '<>', '<', '>', '<=', '>='])).join(sides)

    # -- order --------------------------------------------------------------

    def by_image(self, e, typ):
        """Terms that order by the image of a value, not only by its value."""
        if typ in ('citext', 'ci', 'jsonb', 'json'):
            return ['%s::text COLLATE "C"' % e]
        send = {'numeric': 'numeric_send', 'nume': 'numeric_send', 'float': 'float8send',
                'real': 'float4send', 'interval': 'interval_send'}.get(typ)
        return [e, '%s(%s)' % (send, e)] if send else [e]

    def direction(self):
        return self.rnd.choice(['', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])

    def any_order(self, scope, n=1):
        """Terms by which rows may tie."""
        out = []
        for _ in range(n):
            c = self.column(scope, lambda t: TYPES[t].equal)
            if c and c[0] not in out:
                out.append(c[0])
        return [e + self.direction() for e in out]

    def total_order(self, scope):
        """Terms by which only rows tie that are alike in every column."""
        rnd = self.rnd
        out = self.any_order(scope, rnd.choice([0, 1, 1]))
        for a, cs in scope:
            key = self.keys.get(a)
            for c, t in cs:
                if key is None or c in key:
                    out += [e + self.direction() for e in self.by_image(self.ref(a, c), t)]
        return out


def canonical(e, typ):
    """An expression that is the same for equal values, or None."""
    if TYPES[typ].exact and typ not in CANON:
        return e
    return CANON[typ] % e if typ in CANON else None
