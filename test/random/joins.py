"""FROM clauses: inner joins, and every other way to put relations together."""
from datatypes import TYPES, quote, weighted
from pieces import Join


class Joins:
    """Makes (text, scope, conjuncts for WHERE).

    Lists of columns that a row of an alias is known by are in self.keys, aliases of
    tables in self.rows.
    """

    def table_item(self, a):
        rnd = self.rnd
        t = rnd.choice(self.tables)
        name = quote(t.name)
        if t.leaves and rnd.random() < 0.12:
            name = rnd.choice(t.leaves)
            self.use('partition')
        elif t.heirs and rnd.random() < 0.3:
            name = rnd.choice(t.heirs + ['ONLY ' + name])
            self.use('inheritance')
        if t.key() or t.pk and name.startswith('ONLY '):
            self.keys[a] = t.pk
        self.rows.add(a)
        return '%s %s' % (name, a), a, [(c.name, c.typ) for c in t.cols]

    def view_item(self, a):
        name, cols, constructs = self.rnd.choice(self.views)
        self.use('view', *constructs)
        return '%s %s' % (name, a), a, cols

    # -- inner joins only ---------------------------------------------------

    def item(self, depth):
        """One entry of FROM: (text, alias, columns)."""
        rnd = self.rnd
        a = self.alias()
        what = weighted(rnd, [('table', 14), ('view', 3 if self.views else 0),
                              ('sub', 3 if depth > 0 else 0),
                              ('union', 0.7 if depth > 0 else 0)])
        if what == 'view':
            return self.view_item(a)
        if what == 'table':
            return self.table_item(a)
        self.use('subquery')
        n = 1
        if what == 'union':
            n = 2
            self.use('UNION ALL')
        types = None
        texts = []
        for _ in range(n):
            src, scope, where = self.from_clause(weighted(rnd, [(1, 6), (2, 3)]), depth - 1)
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

    def common(self, scope, cols2):
        """Columns by which USING can join, and whether NATURAL can."""
        common = [c for c, t in cols2 if TYPES[t].equal
                  and sum(x == c for _, cs in scope for x, _ in cs) == 1
                  and all(TYPES[t2].cls == TYPES[t].cls
                          for _, cs in scope for x, t2 in cs if x == c)]
        every = [c for c, _ in cols2 if any(x == c for _, cs in scope for x, _ in cs)]
        return common, sorted(every) == sorted(common)

    def from_clause(self, n, depth):
        rnd = self.rnd
        text, a, cols = self.item(depth)
        scope = [(a, cols)]       # what JOIN may refer to
        apart = []                # what stands behind a comma
        commas = ''
        where = []
        loose = 0
        for i in range(1, n):
            text2, a2, cols2 = self.item(depth)
            new = (a2, cols2)
            cond = self.join_cond(scope, new)
            how = weighted(rnd, [('on', 8), ('comma', 4), ('using', 3), ('natural', 1.2),
                                 ('cross', 0.7), ('non', 1.2)])
            if how in ('cross', 'non', 'natural') and (loose or n > 3):
                how = 'on'
            if how in ('using', 'natural'):
                common, natural = self.common(scope, cols2)
                if not common or (how == 'natural' and not natural):
                    how = 'on'
            if how == 'comma':
                cond = self.join_cond(scope + apart, new)
            if how in ('on', 'comma') and cond is None:
                how = 'cross'
            if how in ('cross', 'non'):
                loose += 1
            self.use({'cross': 'cross join', 'non': 'inner join without equality',
                      'using': 'inner join USING', 'natural': 'inner join USING'
                      }.get(how, 'inner join'))
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

    # -- every join ---------------------------------------------------------

    def any_item(self, depth):
        rnd = self.rnd
        self.room -= 1
        if self.room < 0:
            depth = 0
        what = weighted(rnd, [('table', 14), ('view', 2 if self.views else 0),
                              ('sub', 6 if depth > 0 else 0), ('values', 0.5),
                              ('cte', 14 if self.ctes else 0)])
        a = self.alias()
        if what == 'table':
            return self.table_item(a)
        if what == 'view':
            return self.view_item(a)
        if what == 'values':
            return self.values_item(a)
        if what == 'cte':
            return self.cte_item(a)
        piece, cols = self.block(depth - 1)
        self.use('subquery')
        return '(%s) %s' % (self.q.mark(piece), a), a, cols

    def cte_item(self, a, which=None):
        name, cols, uses = which or self.rnd.choice(self.ctes)
        uses.append(a)
        if len(uses) > 1:
            self.use('CTE used twice')
        return '%s %s' % (name, a), a, cols

    def values_item(self, a):
        rnd = self.rnd
        self.use('VALUES')
        types = [rnd.choice(['int', 'text', 'nume', 'bigint']) for _ in range(rnd.randint(1, 2))]
        rows = []
        for i in range(rnd.randint(1, 4)):
            rows.append('(%s)' % ', '.join(
                'NULL' if i and rnd.random() < 0.15 else TYPES[t].lit(rnd) for t in types))
        cols = [('v%d' % (i + 1), t) for i, t in enumerate(types)]
        return ('(VALUES %s) %s (%s)' % (', '.join(rows), a, ', '.join(c for c, _ in cols)),
                a, cols)

    def conditions(self, scope, new, outer):
        """Conjuncts of ON."""
        rnd = self.rnd
        eq = lambda: self.join_cond(scope, new)
        first = eq()
        kind = weighted(rnd, [('equi', 9), ('multi', 1.5), ('less', 1), ('or', 1.5),
                              ('true', 0.3 if outer else 0)])
        conds = []
        if kind == 'true' or first is None:
            self.use('outer join without equality' if outer else 'cross join')
            return ['true']
        if kind == 'less':
            pairs = [(l, r) for l in self.cols(scope, lambda t: TYPES[t].minmax)
                     for r in self.cols([new], lambda t: TYPES[t].minmax)
                     if TYPES[l[2]].cls == TYPES[r[2]].cls]
            if pairs:
                l, r = rnd.choice(pairs)
                self.use('outer join without equality' if outer
                         else 'inner join without equality')
                return ['%s %s %s' % (self.ref(*l[:2]), rnd.choice(['<', '<=', '>', '<>']),
                                      self.ref(*r[:2]))] \
                    + ([eq()] if rnd.random() < 0.2 else [])
        if kind == 'or':
            self.use('outer join without equality' if outer else 'inner join without equality')
            other = eq() if rnd.random() < 0.6 else self.pred(scope + [new], 0)
            conds.append(self.q.choice('(%s OR %s)' % (first, other), [first, other]))
        else:
            conds.append(first)
        if kind == 'multi':
            second = eq()
            if second != first:
                conds.append(second)
        with self.at('ON'):
            if rnd.random() < 0.12:
                conds.append(self.pred(scope, 1))
                if outer:
                    self.use('outer join with a condition on one side')
            if rnd.random() < 0.12:
                conds.append(self.pred([new], 1))
                if outer:
                    self.use('outer join with a condition on one side')
            if rnd.random() < 0.08:
                conds.append(self.pred(scope + [new], 1))
        return conds

    OUTER = {'left': ('LEFT JOIN', 'left join'), 'right': ('RIGHT JOIN', 'left join'),
             'full': ('FULL JOIN', 'full join')}

    def sources(self, n, depth):
        """A FROM clause of n items; whatever PostgreSQL can join."""
        rnd = self.rnd
        text, a, cols = self.any_item(depth)
        scope = [(a, cols)]
        where = []
        while len(scope) < n:
            how = weighted(rnd, [('inner', 5), ('left', 6), ('right', 2.5), ('full', 2.2),
                                 ('where', 1.5), ('using', 1.5), ('natural', 0.5),
                                 ('lateral', 1.6), ('function', 1.4), ('nested', 1.4)])
            if how in ('lateral', 'function'):
                made = self.lateral(scope, depth) if how == 'lateral' else self.function(scope)
                if made:
                    text2, a2, cols2 = made
                    self.use('LATERAL' if how == 'lateral' else 'function in FROM')
                    outer = rnd.random() < 0.4
                    if outer:
                        self.use('left join', 'outer join to LATERAL')
                    conds = ['true'] if not outer or rnd.random() < 0.7 \
                        else [self.pred([(a2, cols2)], 0)]
                    text = self.q.mark(Join('LEFT JOIN LATERAL' if outer else 'JOIN LATERAL',
                                            text, text2, conds))
                    scope = scope + [(a2, cols2)]
                    continue
                how = 'left'
            if how == 'nested':
                text2, scope2, where2 = self.sources(2, depth - 1)
                if where2:
                    how = 'inner'
                    where += where2
                else:
                    how = rnd.choice(['left', 'left', 'right', 'full', 'inner'])
                text2 = '(%s)' % text2
                if how != 'inner':
                    self.use('nested outer join')
            else:
                text2, a2, cols2 = self.any_item(depth)
                scope2 = [(a2, cols2)]
            if how in ('using', 'natural'):
                common, natural = self.common(scope, scope2[0][1])
                if not common or (how == 'natural' and not natural):
                    how = 'left'
                else:
                    kind = rnd.choice(['', 'LEFT ', 'LEFT ', 'RIGHT ', 'FULL '])
                    self.use('outer join USING' if kind else 'inner join USING',
                             *(['full join'] if kind == 'FULL ' else ['left join'] if kind else []))
                    if how == 'natural':
                        text = self.q.mark(Join('NATURAL %sJOIN' % kind, text, text2, None))
                    else:
                        cs = rnd.sample(common, rnd.randint(1, min(2, len(common))))
                        text = self.q.mark(Join(kind + 'JOIN', text, '%s USING (%s)' % (
                            text2, ', '.join(quote(c) for c in cs)), None))
                    scope = scope + scope2
                    continue
            new = rnd.choice(scope2)
            if how == 'where':
                cond = self.join_cond(scope, new)
                if cond:
                    where.append(cond)
                self.use('inner join' if cond else 'cross join')
                text = self.q.mark(Join('CROSS JOIN', text, text2, None))
            elif how == 'inner':
                self.use('inner join')
                text = self.q.mark(Join('JOIN', text, text2,
                                        self.conditions(scope, new, False)))
            else:
                word, construct = self.OUTER[how]
                self.use(construct)
                if 'JOIN' in self.q.expand(text):
                    self.use('outer join of a join')
                if how == 'full':
                    # PostgreSQL wants an equality there.
                    cond = self.join_cond(scope, new)
                    if cond is None:
                        word, conds = 'LEFT JOIN', ['true']
                    else:
                        conds = [cond]
                        if rnd.random() < 0.25:
                            second = self.join_cond(scope, new)
                            conds += [second] if second != cond else []
                        if rnd.random() < 0.2:
                            conds.append(self.pred(rnd.choice([scope, [new]]), 0))
                            self.use('outer join with a condition on one side')
                else:
                    conds = self.conditions(scope, new, True)
                text = self.q.mark(Join(word, text, text2, conds))
            scope = scope + scope2
        return text, scope, where

    # -- what refers to the left --------------------------------------------

    def lateral(self, scope, depth):
        """A subquery that refers to scope: (text, alias, columns)."""
        piece, cols = self.correlated(scope, depth - 1)
        a = self.alias()
        return '(%s) %s' % (self.q.mark(piece), a), a, cols

    def function(self, scope):
        """A set-returning function of columns of scope."""
        rnd = self.rnd
        a = self.alias()
        calls = []
        for _ in range(2 if rnd.random() < 0.2 else 1):
            call = self.call(scope)
            if call is None:
                return None
            calls.append(call)
        cols = [('f%d' % (i + 1), t) for i, (_, t) in enumerate(calls)]
        text = calls[0][0]
        if len(calls) > 1:
            self.use('ROWS FROM')
            text = 'ROWS FROM (%s)' % ', '.join(c for c, _ in calls)
        if rnd.random() < 0.3:
            self.use('WITH ORDINALITY')
            text += ' WITH ORDINALITY'
            cols.append(('o', 'bigint'))
        return '%s AS %s (%s)' % (text, a, ', '.join(c for c, _ in cols)), a, cols

    def call(self, scope):
        """(call of a set-returning function, type of its rows), or None."""
        rnd = self.rnd
        what = weighted(rnd, [('series', 4), ('unnest', 3), ('array', 2), ('json', 2),
                              ('string', 1)])
        if what == 'array':
            c = self.column(scope, lambda t: t == 'arr')
            if c:
                return 'unnest(%s)' % c[0], 'int'
        if what == 'json':
            c = self.column(scope, lambda t: t == 'jsonb')
            if c:
                return ("jsonb_array_elements(CASE jsonb_typeof(%s) WHEN 'array' THEN %s END)"
                        % (c[0], c[0]), 'jsonb')
        if what == 'string':
            c = self.column(scope, lambda t: t == 'text')
            if c:
                return "string_to_table(%s, ' ')" % c[0], 'text'
        if what == 'unnest':
            c = self.column(scope, lambda t: TYPES[t].equal and t not in ('arr', 'ci', 'comp'))
            if c:
                same = [self.ref(a, x) for a, x, t in self.cols(scope, lambda t: t == c[1])]
                return 'unnest(ARRAY[%s])' % ', '.join(
                    rnd.sample(same, min(len(same), rnd.randint(1, 3)))), c[1]
        c = self.column(scope, lambda t: t in ('int', 'small', 'bigint'))
        if c:
            return 'generate_series(%s, least(%s, 3)::int)' % (rnd.choice(['1', '1', '0']),
                                                               c[0]), 'int'
        return None
