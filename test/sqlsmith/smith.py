"""Random queries of sqlsmith as definitions: no crash, no internal error, no wrong result.

The oracle of test/random is thorough about what it makes; here the analyser meets shapes that
nobody has thought of. What is not said to be DIFFERENTIAL need not be determined by its tables, so
only what is is compared with its query.
"""
import argparse
import collections
import os
import random
import re
import subprocess
import sys
import time

import psycopg2

# The database that vocabulary.sql was run in.
VOCABULARY = 'vocabulary'
WRONG = 'WRONG'

# Nearly every query has something of these, and would be recomputed for that alone.
DETERMINED = (
    (r'\(select (flag) from (\S+) limit 1 offset \d+\)', r'(select bool_and(\1) from \2)'),
    (r'\(select (doc) from (\S+) limit 1 offset \d+\)', r'(select min(\1::text)::jsonb from \2)'),
    (r'\(select (\w+) from (\S+) limit 1 offset \d+\)', r'(select min(\1) from \2)'),
    (r'pg_catalog\.version\(\s*\)', "cast('v' as text)"),
    (r'pg_catalog\.current_database\(\s*\)', "cast('d' as name)"),
    (r'pg_catalog\.pg_my_temp_schema\(\s*\)', 'cast(0 as oid)'),
    (r'\btablesample \w+ \([\d.]+\)', ''),
    (r'\blimit \d+', ''))

# Of each stream table that is accepted, in the transaction that made it.
CHANGES = """
    INSERT INTO a SELECT i, i % 7, 'n' || i % 5, now(), i, i % 3 = 0 FROM generate_series(41, 45) i;
    UPDATE a SET k = NULLIF(k + 1, 7), price = price * 2 WHERE id % 5 = 0;
    DELETE FROM a WHERE id % 11 = 0;
    UPDATE b SET a_id = a_id - 1, doc = doc || '{"new": null}' WHERE id % 4 = 0;
    DELETE FROM b WHERE id > 38;
    INSERT INTO c SELECT * FROM c WHERE x = 1;
    DELETE FROM c WHERE y IS NULL;
    UPDATE p SET part = part + 1 WHERE id % 6 = 0;
"""


def queries(seed, count):
    """Ask sqlsmith for some; it ends each with a semicolon on a line end."""
    out = subprocess.run(
        ['sqlsmith', '--target=host=%s port=%s user=%s dbname=%s' % (
            os.environ['PGHOST'], os.environ.get('PGPORT', '5432'),
            os.environ.get('PGUSER', 'postgres'), VOCABULARY),
         '--exclude-catalog', '--dry-run', '--max-queries=%d' % count, '--seed=%d' % seed],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    for query in re.split(r';\s*\n', out):
        for pattern, replacement in DETERMINED:
            query = re.sub(pattern, replacement, query)
        query = query.strip()
        if re.match(r'(select|with)\b', query, re.I):
            yield query


def connect():
    for _ in range(100):
        try:
            c = psycopg2.connect('')
            break
        except psycopg2.OperationalError:
            time.sleep(0.3)
    else:
        sys.exit('smith.py: the server does not come back')
    c.cursor().execute("SET statement_timeout = '2s'; SET client_min_messages = error")
    c.commit()
    return c


def attempt(cur, query):
    """Returns the verdict on it, or that its stream table is WRONG."""
    cur.execute('SELECT * FROM pgtrickle.validate_query(%s)', (query,))
    cur.execute('SELECT pgtrickle.create_stream_table(%s, %s)', ('smith', query))
    cur.execute(CHANGES)
    cur.execute("SELECT pgtrickle.refresh_stream_table('smith')")
    cur.execute("SELECT pgtrickle.explain_stream_table('smith', %s)",
                (random.choice(['text', 'json', 'dot', 'mermaid']),))
    cur.execute("SELECT rule FROM pgtrickle.validate_query(%s) WHERE item = 'verdict'", (query,))
    verdict = cur.fetchone()[0]
    if verdict == 'DIFFERENTIAL':
        cur.execute("SELECT missing + surplus FROM pgtrickle.verify_stream_table('smith')")
        if cur.fetchone()[0] != 0:
            return WRONG
    return verdict


def main():
    ap = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    ap.add_argument('--queries', type=int, default=1000)
    ap.add_argument('--seed', type=int, default=random.SystemRandom().randrange(10 ** 6))
    args = ap.parse_args()
    print('sqlsmith: seed %d' % args.seed, flush=True)
    random.seed(args.seed)
    connection = connect()
    found = collections.Counter()
    bad = done = batch = 0
    while done < args.queries:
        made = 0
        for query in queries(args.seed + batch, 200):
            made += 1
            done += 1
            try:
                result = attempt(connection.cursor(), query)
                found[result] += 1
                connection.rollback()
                if result == WRONG:
                    bad += 1
                    print('FAILURE: it differs from its query\n%s;\n' % query, flush=True)
            except psycopg2.Error as e:
                lost = connection.closed or e.pgcode is None
                found['error ' + (e.pgcode or 'crash')[:2]] += 1
                if lost or e.pgcode[:2] in ('XX', '58', 'F0'):
                    bad += 1
                    print('FAILURE: %s: %s\n%s;\n' % (e.pgcode, str(e).strip(), query), flush=True)
                if lost:
                    connection = connect()
                else:
                    connection.rollback()
        if made == 0:
            sys.exit('smith.py: sqlsmith has made no query')
        batch += 1
    print('sqlsmith: %d queries, seed %d: %s; %d failures' % (
        done, args.seed, ', '.join('%s %d' % kv for kv in found.most_common()), bad))
    sys.exit(bad > 0)


main()
