"""Column types of random tables, with domains so small that values meet."""
import re

# dom: literals of the domain.  exact: equal values have equal images.
# cls: values of one class can be compared with each other.


class Type:
    def __init__(self, name, ddl, dom, cls, exact=True, sums=None, avgs=None,
                 minmax=True, equal=True, weight=4, cast=None, needs=None):
        self.name = name
        self.ddl = ddl
        self.dom = dom
        self.cls = cls
        self.exact = exact
        self.sums = sums          # name of the type of sum(), or None
        self.avgs = avgs
        self.minmax = minmax
        self.equal = equal        # has a default btree or hash class
        self.weight = weight
        self.cast_name = cast
        self.needs = needs        # statement that makes what the type consists of

    def lit(self, rnd):
        v = rnd.choice(self.dom)
        return v if self.name == 'bool' else "%s::%s" % (v, self.cast())

    def cast(self):
        return self.cast_name or self.ddl.split('(')[0]


# Too long for an index entry, hardly compressible, and alike to the last letter.
LONG = ''.join('%08x' % (i * 2654435761 % 2 ** 32) for i in range(1, 500))


TYPES = {t.name: t for t in [
    Type('int', 'integer', ['0', '1', '2', '3', '(-1)'], 'num',
         sums='bigint', avgs='numeric', weight=12),
    Type('small', 'smallint', ['0', '1', '2', '(-3)'], 'num',
         sums='bigint', avgs='numeric', weight=2),
    Type('bigint', 'bigint', ['1', '2', '3', '5000000000', '(-4)'], 'num',
         sums='numeric', avgs='numeric', weight=6),
    Type('bigx', 'bigint', ["'-9223372036854775808'", "'9223372036854775807'", '0', '7'],
         'num', sums='numeric', avgs='numeric', weight=2),
    Type('num2', 'numeric(8,2)', ['1.00', '2.50', '(-1.25)', '0', '10.10', "'NaN'"], 'num',
         sums='numeric', avgs='numeric', weight=5),
    Type('numeric', 'numeric', ['1', '1.0', '1.00', '2.5', '2.500', '(-1.0)', '0.1', '1.00000001',
                                "'NaN'", "'Infinity'", "'-Infinity'"],
         'num', exact=False, sums='numeric', avgs='numeric', weight=6),
    Type('nume', 'numeric', ['1', '1.0', '1.00', '2.5', '2.500', '(-1.0)', '0.1', '0.00',
                              '1.00000001', '10000.5'],
         'num', exact=False, sums='numeric', avgs='numeric', weight=8),
    Type('float', 'float8', ["'0'", "'-0'", "'0.5'", "'1.25'", "'-2'", "'NaN'",
                             "'Infinity'", "'0.1'"],
         'num', exact=False, sums='float', avgs='float', weight=6),
    Type('real', 'real', ["'0'", "'-0'", "'0.5'", "'1.25'", "'NaN'"],
         'num', exact=False, sums='real', avgs='float', weight=2),
    Type('text', 'text', ["'a'", "'b'", "'A'", "''", "'x y'"], 'text', weight=8),
    Type('varchar', 'varchar(6)', ["'a'", "'b'", "'zz'"], 'text', weight=2),
    Type('char', 'char(3)', ["'a'", "'b'", "'abc'"], 'char', weight=1, cast='char(3)'),
    Type('long', 'text', ["'%sa'" % LONG, "'%sb'" % LONG, "'a'", "'%s'" % ('ab' * 1500)], 'text',
         weight=0.15),
    Type('ci', 'text COLLATE ci', ["'a'", "'A'", "'b'", "'ab'", "'aB'"], 'ci', exact=False,
         weight=1.5, cast='text',
         needs="CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', "
         "deterministic = false)"),
    Type('dom', 'dint', ['0', '1', '2', '7'], 'num', sums='bigint', avgs='numeric', weight=1,
         needs='CREATE DOMAIN dint AS integer CHECK (VALUE < 1000)'),
    Type('enum', 'mood', ["'sad'", "'ok'", "'happy'"], 'enum', weight=1,
         needs="CREATE TYPE mood AS ENUM ('happy', 'sad', 'ok')"),
    Type('citext', 'citext', ["'a'", "'A'", "'b'", "'B'", "'c'"], 'citext',
         exact=False, weight=3),
    Type('jsonb', 'jsonb', ["'{\"a\":1}'", "'{\"a\":1.0}'", "'[1,2]'", "'null'", "'\"x\"'"],
         'jsonb', exact=False, minmax=False, weight=3),
    Type('json', 'json', ["'{\"a\":1}'", "'{\"a\": 1}'", "'[1]'"], 'json',
         exact=False, minmax=False, equal=False, weight=1),
    Type('comp', 'pair', ["'(1,a)'::pair", "'(1,)'::pair", "'(,)'::pair", "'(2,b)'::pair"],
         'comp', minmax=False, weight=1,
         needs='CREATE TYPE pair AS (x integer, y text)'),
    Type('range', 'int4range', ["'[1,3)'", "'[1,2]'", "'empty'", "'(,5)'"], 'range', minmax=False,
         weight=1),
    Type('tstz', 'timestamptz', ["'2024-01-01 00:00+00'", "'2024-01-01 00:00-05'",
                                 "'2024-03-31 02:30+00'", "'infinity'"], 'tstz', weight=3),
    Type('interval', 'interval', ["'1 mon'", "'30 days'", "'1 day'", "'24:00'",
                                  "'-1 day'", "'02:30'"],
         'interval', exact=False, sums='interval', avgs='interval', weight=3),
    Type('money', 'money', ["'1.00'", "'2.50'", "'-1.00'", "'10.00'"], 'money',
         sums='money', weight=3),
    Type('bool', 'boolean', ['true', 'false'], 'bool', minmax=False, weight=3),
    Type('date', 'date', ["'2024-01-01'", "'2024-02-29'", "'2024-12-31'"], 'date', weight=3),
    Type('arr', 'integer[]', ["'{}'", "'{1,2}'", "'{1,NULL}'", "'{2}'"], 'arr', weight=1),
    Type('uuid', 'uuid', ["'00000000-0000-0000-0000-000000000001'",
                          "'00000000-0000-0000-0000-000000000002'"], 'uuid',
         minmax=False, weight=1),
    Type('bytea', 'bytea', ["'\\x00'", "'\\x01ff'", "''"], 'bytea', minmax=False, weight=1),
]}

# Makes one image of equal values, where a type allows that.
CANON = {'numeric': 'trim_scale(%s)', 'nume': 'trim_scale(%s)', 'num2': 'trim_scale(%s)',
         'float': "(%s + '0'::float8)", 'real': "(%s + '0'::real)",
         'citext': 'lower(%s)::citext', 'ci': 'lower(%s)', 'interval': 'justify_interval(%s)'}


def weighted(rnd, pairs):
    total = sum(w for _, w in pairs)
    x = rnd.random() * total
    for v, w in pairs:
        x -= w
        if x < 0:
            return v
    return pairs[-1][0]


def quote(name):
    return name if re.fullmatch(r'[a-z_][a-z0-9_]*', name) and name != 'select' else '"%s"' % name
