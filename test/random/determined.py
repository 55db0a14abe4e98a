"""Tests the generator: a query's result must be a function of its tables as multisets.

The query runs again over copies of the tables whose rows stand in another
order, with other kinds of plans.  A difference is a mistake of the generator.
"""
import random

import psycopg2

from datatypes import quote

PLANS = ['enable_hashagg', 'enable_sort', 'enable_hashjoin', 'enable_mergejoin',
         'enable_nestloop', 'enable_indexscan', 'enable_material', 'enable_memoize']


class Determined:
    """Checks queries of a case; runner is used for its session 0 and its comparison."""

    def __init__(self, runner, case):
        self.runner = runner
        self.case = case
        self.checked = 0

    def check(self, r):
        """A text that says how the results differ, or None."""
        run = self.runner
        st = r['st']
        sql = lambda q: run.sql(0, q)
        plans = random.sample(PLANS, 3)
        try:
            sql('DROP SCHEMA IF EXISTS shuffled CASCADE; CREATE SCHEMA shuffled; '
                'DROP TABLE IF EXISTS pg_temp.other')
            for t in self.case.tables:
                for name in [quote(t.name)] + t.leaves + t.heirs:
                    sql('CREATE TABLE shuffled.%s AS SELECT * FROM %s%s.%s ORDER BY random()'
                        % (name, 'ONLY ' if t.heirs else '', run.schema, name))
                for heir in t.heirs:
                    for parent in t.parents[heir]:
                        sql('ALTER TABLE shuffled.%s INHERIT shuffled.%s' % (heir, parent))
                if t.pk:
                    sql('ALTER TABLE shuffled.%s ADD PRIMARY KEY (%s)'
                        % (quote(t.name), ', '.join(quote(c) for c in t.pk)))
            sql('SET search_path = shuffled, %s, public; ANALYZE' % run.schema
                if random.random() < 0.1 else
                'SET search_path = shuffled, %s, public' % run.schema)
            for op in self.case.setup:
                if op['t'] == 'sql' and op['q'].startswith('CREATE VIEW '):
                    sql(op['q'].replace('CREATE VIEW ', 'CREATE VIEW shuffled.', 1))
            sql(' '.join('SET %s = off;' % p for p in plans))
            sql('CREATE TEMP TABLE other AS ' + st.query.render())
        except psycopg2.Error as e:
            if (e.pgcode or '').startswith(('22', '42P01', '55P03', '57014')):
                return None
            raise
        finally:
            sql(' '.join('RESET %s;' % p for p in plans))
            run.defaults(run.conns[0])
        self.checked += 1
        compare = run.compare_sql(st, False, 'pg_temp.other')
        if sql(compare).fetchone()[0] and not run.tolerable(0, st, 'pg_temp.other'):
            return 'the result depends on the order of rows or the plan'
        return None
