"""Random queries.

The core generator composes the operators whose deltas need nothing but
inclusion-exclusion and invertible aggregates.  The other one composes all of
SQL, as far as the result is a function of the tables as multisets.
"""
from aggregates import Aggregates, exactly
from core import Core
from ctes import Ctes
from datatypes import TYPES, weighted
from expressions import Expressions
from joins import Joins
from pieces import Block, Query, Target
from setops import SetOps
from sublinks import Sublinks
from windows import Windows

# What the core generator makes.
CORE_CONSTRUCTS = {
    'partition', 'inheritance', 'view', 'subquery', 'inner join', 'inner join USING',
    'inner join without equality', 'cross join', 'UNION ALL', 'GROUP BY', 'scalar aggregate',
    'dependent columns', 'aggregate FILTER', 'sum of floats', 'DISTINCT', 'ORDER BY', 'clock',
}

# A query of these constructs alone is created in mode DIFFERENTIAL, must not be
# refused, and must never be recomputed.
DIFFERENTIAL_CONSTRUCTS = {
    *CORE_CONSTRUCTS, 'WITH RECURSIVE', 'WITH RECURSIVE UNION ALL', 'whole row',
}

# The others: AUTO recomputes them, or finds a rule after all.
OTHER_CONSTRUCTS = {
    # joins
    'left join', 'full join', 'outer join USING', 'outer join without equality',
    'outer join with a condition on one side', 'outer join of a join', 'nested outer join',
    'outer join to LATERAL',
    # FROM
    'LATERAL', 'function in FROM', 'ROWS FROM', 'WITH ORDINALITY', 'VALUES',
    'function in the select list', 'CTE', 'CTE used twice', 'nested CTE', 'CTE MATERIALIZED',
    'SEARCH', 'CYCLE',
    # sublinks: what, and where
    'EXISTS', 'NOT EXISTS', 'IN subquery', 'NOT IN subquery', 'row IN', 'ANY subquery',
    'ALL subquery', 'scalar subquery', 'scalar subquery by key', 'correlated subquery',
    'uncorrelated subquery', 'nested sublink', 'sublink in OR', 'sublink in NOT',
    'sublink in CASE', 'sublink in ON', 'sublink in HAVING', 'sublink in select list',
    'sublink in aggregate',
    # aggregates
    'HAVING', 'GROUPING SETS', 'bool_and', 'bit aggregates', 'variance', 'variance of floats',
    'DISTINCT aggregate', 'ordered aggregate', 'JSON aggregate', 'ordered-set aggregate',
    'hypothetical-set aggregate', 'user-defined aggregate', 'range_agg',
    'regression aggregates', 'min and max of citext',
    # windows
    'window function', 'several windows', 'window frame', 'window without PARTITION BY',
    'window over aggregate', 'rows of each window numbered',
    # sets, order
    'UNION', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL', 'nested set operations',
    'set operation of several types', 'DISTINCT ON', 'LIMIT', 'OFFSET', 'WITH TIES',
    # what stands below another operator
    'aggregate below', 'distinct below', 'window below', 'limit below',
    'set operation below', 'recursion below',
}


class QueryMaker(Core, Expressions, Joins, Sublinks, Aggregates, Windows, SetOps, Ctes):
    """Composes queries over tables and views."""

    def __init__(self, rnd, tables, views, need=()):
        self.rnd = rnd
        self.need = set(need)     # constructs of which a query of all of SQL has one
        self.tables = tables
        self.views = views        # (name, [(column, type)], constructs)
        self.n = self.m = 0
        self.keys = {}            # alias -> columns that identify its rows
        self.rows = set()         # aliases of tables
        self.begin()

    def begin(self):
        self.q = Query()
        self.places = []          # where the expression being made stands
        self.sublinks = 0         # that may still be made
        self.room = 0             # entries of FROM that may still be made
        self.ctes = []            # visible: (name, columns, aliases)
        return self.q

    def use(self, *names):
        for name in names:
            if name not in DIFFERENTIAL_CONSTRUCTS and name not in OTHER_CONSTRUCTS:
                raise KeyError(name)
            self.q.constructs.add(name)

    def columns(self, piece):
        return [('s%d' % (i + 1), t.typ) for i, t in enumerate(piece.targets)]

    def make_any(self):
        """A query of all of SQL; some of them such that all must have rules."""
        rnd = self.rnd
        wanted = DIFFERENTIAL_CONSTRUCTS - CORE_CONSTRUCTS
        all_rules = rnd.random() < (0.5 if self.need else 0.12)
        for _ in range(60):
            q = self.attempt()
            if self.need and not q.constructs & self.need:
                continue
            if not all_rules or (q.constructs <= DIFFERENTIAL_CONSTRUCTS
                                 and q.constructs & wanted):
                break
        return q

    def attempt(self):
        rnd = self.rnd
        q = self.begin()
        q.core = False
        self.room = weighted(rnd, [(2, 3), (3, 4), (4, 3), (6, 1)])
        self.sublinks = weighted(rnd, [(0, 5), (1, 4), (2, 2), (3, 1)])
        q.root, _ = self.block(weighted(rnd, [(0, 3), (1, 6), (2, 4), (3, 2), (4, 1)]), True)
        if isinstance(q.root, Block) and not q.root.tail and not q.root.distinct \
                and q.root.targets[0].typ != 'json' and rnd.random() < 0.03:
            q.root.tail = ' ORDER BY 1'
            self.use('ORDER BY')
        return q

    SHAPES = [('spj', 8), ('agg', 6), ('distinct', 1.5), ('on', 1.5), ('window', 3),
              ('groupwindow', 1), ('topn', 0.8), ('setop', 3), ('limit', 2),
              ('recursive', 1.2), ('odd', 0.25)]
    BELOW = {'agg': 'aggregate below', 'distinct': 'distinct below', 'on': 'distinct below',
             'window': 'window below', 'groupwindow': 'window below', 'topn': 'window below',
             'setop': 'set operation below', 'limit': 'limit below',
             'recursive': 'recursion below'}

    def block(self, depth, top=False):
        """A query or subquery of any shape: (Block or Compound, columns)."""
        if depth > 0 and self.room > 1 and self.rnd.random() < 0.12:
            with self.with_ctes(depth) as texts:
                piece = self.shape(depth, top)
                piece.ctes = texts + piece.ctes
        else:
            piece = self.shape(depth, top)
        return piece, self.columns(piece)

    def shape(self, depth, top):
        rnd = self.rnd
        kind = weighted(rnd, self.SHAPES)
        if top:
            self.q.kind = 'any-' + kind
        elif kind in self.BELOW:
            self.use(self.BELOW[kind])
        if kind == 'setop':
            return self.make_setop(depth, top)
        if kind == 'recursive':
            piece = self.make_recursive(depth, top)
            if piece:
                return piece
            kind = 'spj'
        b = Block()
        if kind == 'topn':
            return self.make_topn(b, depth, top)
        n = weighted(rnd, [(1, 5), (2, 7), (3, 3 if self.room > 2 else 0),
                           (4, 1 if self.room > 3 else 0)])
        b.source, scope, b.where = self.sources(n, depth)
        if self.sublinks > 0 and rnd.random() < 0.4:
            b.where.append(self.sublink_anywhere(scope))
        if rnd.random() < 0.25:
            b.where.append(self.pred(scope, rnd.choice([0, 1, 2])))
        if kind == 'agg':
            self.use('GROUP BY')
            self.aggregated(b, scope, top)
        elif kind == 'distinct':
            self.use('DISTINCT')
            b.distinct = 'DISTINCT '
            for _ in range(rnd.randint(1, 3)):
                t = self.pick_type(scope, lambda t: TYPES[t].equal and t != 'num2'
                                   and (top or TYPES[t].exact))
                b.targets.append(Target(self.typed(t, scope, rnd.choice([0, 0, 1])), t,
                                        exactly(t)))
        elif kind == 'on':
            self.make_distinct_on(b, scope, top)
        elif kind == 'window':
            self.windowed(b, scope, top)
        elif kind == 'groupwindow':
            self.windowed_groups(b, scope, top)
        elif kind == 'limit':
            self.make_limit(b, scope, top)
        else:
            self.plain_targets(b, scope)
            if top:
                self.quotient(b, scope, 0.06)
            if self.sublinks > 0 and rnd.random() < 0.3:
                with self.at('select list'):
                    b.targets.append(Target('(%s)' % self.sublink_anywhere(scope), 'bool',
                                            'text'))
            if rnd.random() < 0.05:
                call = self.call(scope)
                if call:
                    self.use('function in the select list')
                    b.targets.append(Target(call[0], call[1], 'text'))
            if kind == 'odd' or rnd.random() < 0.05:
                self.whole_row(b, scope)
        return b

    def whole_row(self, b, scope):
        """The row of a table; an outer join may have put NULL in its place."""
        rows = [(a, cols) for a, cols in scope if a in self.rows]
        if not rows:
            return
        a, cols = self.rnd.choice(rows)
        self.use('whole row')
        forms = ['(%s IS NOT NULL)::text', '(%s IS NULL)::text']
        # The text of a timestamp depends on the session, that of others on catalogs.
        if not {t for _, t in cols} & {'tstz', 'comp', 'enum'}:
            forms += ['%s::text', 'ROW(%s)::text']
        b.targets.append(Target(self.rnd.choice(forms) % a, 'text', 'text'))

    def make_topn(self, b, depth, top):
        """The first rows of each window."""
        rnd = self.rnd
        self.use('rows of each window numbered', 'window below')
        inner = Block()
        inner.source, scope, inner.where = self.sources(rnd.choice([1, 1, 2]), depth - 1)
        part = self.window(scope, rnd.random() < 0.85)
        f, order = rnd.choice([('row_number()', self.total_order(scope)),
                               ('rank()', self.any_order(scope, 1) or self.total_order(scope))])
        self.use('window function')
        self.plain_targets(inner, scope)
        inner.targets.append(Target(self.over(f, part, order), 'bigint', 'text'))
        a = self.alias()
        cols = self.columns(inner)
        b.source = '(%s) %s' % (self.q.mark(inner), a)
        b.where = ['%s.%s <= %d' % (a, cols[-1][0], rnd.randint(1, 3))]
        self.plain_targets(b, [(a, cols)])
        return b


def make_views(rnd, qm, core):
    """(ddl, (name, columns, constructs)) of up to two views."""
    out = []
    for i in range(rnd.choice([0, 0, 1, 1, 2])):
        q = qm.begin()
        name = 'v%d' % (i + 1)
        if core or rnd.random() < 0.4:
            n = weighted(rnd, [(1, 5), (2, 4)])
            src, scope, where = qm.from_clause(n, 1)
            types = [qm.pick_type(scope) for _ in range(rnd.randint(2, 4))] + ['int']
            exprs = ['%s AS v%d' % (qm.typed(t, scope, rnd.choice([0, 0, 1])), j)
                     for j, t in enumerate(types)]
            if rnd.random() < 0.5:
                where = where + [qm.pred(scope, 1)]
            text = 'SELECT %s FROM %s' % (', '.join(exprs), src)
            if where:
                text += ' WHERE ' + ' AND '.join(where)
            cols = [('v%d' % j, t) for j, t in enumerate(types)]
        else:
            qm.room = 2
            qm.sublinks = weighted(rnd, [(0, 2), (1, 1)])
            piece, cols = qm.block(1)
            text = piece.text('s')
        ddl = 'CREATE VIEW %s AS %s' % (name, q.expand(text))
        out.append((ddl, (name, cols, q.constructs)))
        qm.views.append(out[-1][1])
    return out
