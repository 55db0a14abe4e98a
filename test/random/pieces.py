"""A query as a tree whose nodes can be left out one by one.

Nodes refer to each other by marks in their texts, so that the generator works
with plain strings; Query.expand() puts the texts of the nodes in their place.
"""
import re

MARK = re.compile('\x01(\\d+)\x02')


class Target:
    """One output column.  cmp: 'text', 'eq' or 'float'."""

    def __init__(self, sql, typ, cmp, name=None):
        self.sql = sql
        self.typ = typ
        self.cmp = cmp
        self.name = name


class Choice:
    """An expression, and what may stand in its place in a smaller query."""

    def __init__(self, now, others):
        self.now = now
        self.others = others

    def text(self, prefix):
        return self.now

    def reductions(self):
        return [('take', i) for i in range(len(self.others))]

    def take(self, i):
        self.now = self.others[i]
        self.others = []


class Join:
    def __init__(self, how, left, right, conds):
        self.how = how
        self.left = left
        self.right = right
        self.conds = conds        # conjuncts of ON, or None

    def text(self, prefix):
        if self.right is None:
            return self.left
        on = '' if self.conds is None else ' ON ' + ' AND '.join(self.conds)
        return '%s %s %s%s' % (self.left, self.how, self.right, on)

    def reductions(self):
        if self.right is None:
            return []
        out = [('only', 'left'), ('only', 'right')]
        if len(self.conds or []) > 1:
            out += [('drop', i) for i in range(len(self.conds))]
        return out

    def only(self, side):
        self.left, self.right = getattr(self, side), None

    def drop(self, i):
        del self.conds[i]


def names(targets, prefix):
    return [t.sql + ' AS ' + (prefix + str(i + 1) if prefix == 'c' else t.name or
                              '%s%d' % (prefix, i + 1)) for i, t in enumerate(targets)]


def drop_target(targets, i):
    for n, t in enumerate(targets):
        t.name = t.name or 's%d' % (n + 1)
    del targets[i]


class Block:
    """SELECT ... FROM ..."""

    def __init__(self):
        self.ctes = []
        self.recursive = False
        self.targets = []
        self.source = ''
        self.where = []
        self.group = None         # list of texts, [] for a scalar aggregate
        self.sets = None          # what stands behind GROUP BY in place of the list
        self.having = []
        self.windows = []
        self.distinct = ''
        self.tail = ''            # ORDER BY, LIMIT

    def text(self, prefix):
        q = with_clause(self) + 'SELECT %s%s' % (self.distinct,
                                                 ', '.join(names(self.targets, prefix)))
        if self.source:
            q += ' FROM ' + self.source
        if self.where:
            q += ' WHERE ' + ' AND '.join(self.where)
        if self.sets or self.group:
            q += ' GROUP BY ' + (self.sets or ', '.join(self.group))
        if self.having:
            q += ' HAVING ' + ' AND '.join(self.having)
        if self.windows:
            q += ' WINDOW ' + ', '.join(self.windows)
        return q + self.tail

    def closed(self):
        return bool(self.tail or self.ctes)

    def reductions(self):
        out = [('drop', 'where', i) for i in range(len(self.where))]
        out += [('drop', 'having', i) for i in range(len(self.having))]
        out += [('drop', 'group', i) for i in range(len(self.group or []))] if not self.sets else []
        out += [('drop', 'ctes', i) for i in range(len(self.ctes))]
        out += [('drop', 'targets', i) for i in range(len(self.targets))
                if len(self.targets) > 1]
        if self.distinct:
            out.append(('clear', 'distinct'))
        if self.tail and ' ON ' not in self.distinct:
            out.append(('clear', 'tail'))
        return out

    def drop(self, what, i):
        if what == 'targets':
            drop_target(self.targets, i)
        else:
            del getattr(self, what)[i]

    def clear(self, name):
        setattr(self, name, '')

    def rename(self):
        for t in self.targets:
            t.name = None


class Compound:
    """Arms put together by one set operator."""

    def __init__(self, glue):
        self.ctes = []
        self.recursive = False
        self.glue = glue
        self.arms = []
        self.tail = ''

    @property
    def targets(self):
        return self.arms[0].targets

    def text(self, prefix):
        arms = ['(%s)' % a.text(prefix) if a.closed() or isinstance(a, Compound)
                else a.text(prefix) for a in self.arms]
        return with_clause(self) + self.glue.join(arms) + self.tail

    def closed(self):
        return True

    def reductions(self):
        out = [('arm', i) for i in range(len(self.arms)) if len(self.arms) > 1]
        out += [('drop_column', i) for i in range(len(self.targets)) if len(self.targets) > 1]
        for n, arm in enumerate(self.arms):
            out += [('within', n, r) for r in arm.reductions()
                    if r[:2] != ('drop', 'targets') and r[0] != 'drop_column']
        return out + [('drop', 'ctes', i) for i in range(len(self.ctes))]

    def arm(self, i):
        del self.arms[i]

    def within(self, n, r):
        getattr(self.arms[n], r[0])(*r[1:])

    def drop(self, what, i):
        del getattr(self, what)[i]

    def drop_column(self, i):
        for a in self.arms:
            if isinstance(a, Compound):
                a.drop_column(i)
            else:
                drop_target(a.targets, i)

    def rename(self):
        for a in self.arms:
            a.rename()


def with_clause(piece):
    if not piece.ctes:
        return ''
    return 'WITH %s%s ' % ('RECURSIVE ' if piece.recursive else '', ', '.join(piece.ctes))


class Query:
    def __init__(self):
        self.pieces = []
        self.root = None          # a Block or a Compound
        self.constructs = set()
        self.may_raise = False
        self.kind = ''
        self.core = True          # has nothing but the operators of the first generator

    def mark(self, piece):
        self.pieces.append(piece)
        return '\x01%d\x02' % (len(self.pieces) - 1)

    def choice(self, now, others):
        others = [o for o in others if o != now]
        return self.mark(Choice(now, others)) if others else now

    def expand(self, text):
        while '\x01' in text:
            text = MARK.sub(lambda m: self.pieces[int(m.group(1))].text('s'), text)
        return text

    def render(self):
        return self.expand(self.root.text('c'))

    def targets(self):
        return self.root.targets

    def is_scalar(self):
        return isinstance(self.root, Block) and self.root.group == [] and not self.root.sets

    # -- shrinking ----------------------------------------------------------

    def reachable(self):
        """Numbers of the pieces that the query consists of; the root has none."""
        seen = []
        todo = [self.root.text('c')]
        while todo:
            for m in MARK.finditer(todo.pop()):
                n = int(m.group(1))
                if n not in seen:
                    seen.append(n)
                    todo.append(self.pieces[n].text('s'))
        return seen

    def roots(self):
        """What the query can be replaced by, the smallest first."""
        own = [('piece', n) for n in self.reachable()
               if isinstance(self.pieces[n], (Block, Compound))]
        own.sort(key=lambda x: len(self.expand(self.pieces[x[1]].text('s'))))
        if isinstance(self.root, Compound):
            own += [('arm', n) for n in range(len(self.root.arms))]
        return own

    def take_root(self, what, n):
        self.root = self.pieces[n] if what == 'piece' else self.root.arms[n]
        self.root.rename()

    def reductions(self):
        out = [(None, r) for r in self.root.reductions()]
        for n in self.reachable():
            out += [(n, r) for r in self.pieces[n].reductions()]
        return out

    def reduce(self, n, r):
        piece = self.root if n is None else self.pieces[n]
        getattr(piece, r[0])(*r[1:])
