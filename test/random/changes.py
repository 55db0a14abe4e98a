"""Random statements that change the rows of tables."""
from datatypes import TYPES, quote, weighted


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
        if r < 0.42 and not t.leaves and not t.heirs:
            return ('ctid = (SELECT min(ctid) FROM %s WHERE %s = %s)'
                    % (quote(t.name), name, rnd.choice(c.dom)))
        if r < 0.55:
            return '%s IN (%s, %s)' % (name, rnd.choice(c.dom), rnd.choice(c.dom))
        if t.pk and r < 0.8:
            k = t.col(t.pk[0])
            return '%s = %s' % (quote(k.name), rnd.choice(k.dom))
        return '%s = %s' % (name, rnd.choice(c.dom))

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
        if (t.pk or t.unique) and target not in t.heirs and rnd.random() < 0.6:
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
        parts = t.leaves + t.heirs
        target = rnd.choice(parts) if parts and rnd.random() < 0.35 else name
        sql = lambda q: [{'t': 'sql', 's': s, 'q': q}]
        what = weighted(rnd, [('insert', 30), ('delete', 19), ('update', 30), ('noop', 3),
                              ('copy', 4), ('merge', 4 if t.pk else 1), ('reinsert', 4),
                              ('both', 4), ('key', 4), ('from', 4), ('using', 2),
                              ('select', 4), ('do', 2), ('truncate', 3 if truncate else 0),
                              ('twice', 2), ('all', 1), ('churn', 0.5),
                              ('respell', 6)])
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
        if what == 'respell':
            # Equal values get one spelling: 1.00 becomes 1.0, A becomes a.
            cs = [c for c in t.own() if TYPES[c.typ].equal and not TYPES[c.typ].exact]
            if cs:
                c = rnd.choice(cs)
                v = rnd.choice(c.dom)
                return sql('UPDATE %s SET %s = %s WHERE %s = %s'
                           % (target, quote(c.name), v, quote(c.name), v))
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
            v = v[1:v.rindex("'")]
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
