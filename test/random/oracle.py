#!/usr/bin/env python3
"""Random oracle: after every refresh a stream table equals its query.

A case is a schema with two to five tables, some stream tables over them and a
list of operations: changes in several interleaved sessions, refreshes, checks.
It is made completely before it runs, from "<seed>/<case number>" and the options
alone, so it can be run again and shrunk by leaving parts out.

A step is one refresh and one comparison.  The driver is sequential and the
comparison follows the refresh in a snapshot in which nothing that the refresh
did not see is visible; hence every difference is a wrong answer.

Comparison: as multisets.  By text image where the query determines the image;
by the type's own "=" where SQL lets any of several equal values stand for a
group (numeric, float, citext, jsonb, interval: keys, min, max);
sums of floats with a relative tolerance of 1e-9.
"""
import argparse
import copy
import os
import random
import sys
import time

from cases import CaseMaker
from queries import DIFFERENTIAL_CONSTRUCTS, OTHER_CONSTRUCTS
from runner import Failure, Runner
from shrink import Shrinker, script


def main():
    ap = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    ap.add_argument('--steps', type=int, default=20000)
    ap.add_argument('--minutes', type=float, default=0, help='stop after so many minutes')
    ap.add_argument('--seed', default=None)
    ap.add_argument('--case', type=int, default=None, help='run this case of the seed only')
    ap.add_argument('--case-steps', type=int, default=90, help='steps of one case')
    ap.add_argument('--failures', type=int, default=1, help='stop after so many failures')
    ap.add_argument('--shrink', type=float, default=60, help='seconds to shrink a failure')
    ap.add_argument('--min-counted', type=float, default=0.6,
                    help='least share of steps that must count')
    ap.add_argument('--build', default=os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                    '..', '..', 'build'))
    ap.add_argument('--core', type=float, default=0.5,
                    help='share of the cases that stay within the operators of the core')
    ap.add_argument('--polled', type=float, default=0.15,
                    help='share of the cases that read materialized views')
    ap.add_argument('--heirs', type=float, default=0.1,
                    help='share of the tables that others inherit from')
    ap.add_argument('--net-first', type=float, default=0.1,
                    help='share of the cases whose joins are netted first')
    ap.add_argument('--enable', default='', metavar='A,B',
                    help='constructs that must have a rule, in addition to those that '
                    'queries.py enables; all for every one')
    ap.add_argument('--disable', default='', metavar='A,B', help='the opposite')
    ap.add_argument('--need', default='', metavar='A,B',
                    help='every query beyond the core has one of these constructs')
    ap.add_argument('--constructs', action='store_true',
                    help='print how often each construct was made, and how often it counts')
    ap.add_argument('--test-generator', action='store_true',
                    help='look for queries whose result is not determined by their tables')
    ap.add_argument('--quiet', action='store_true')
    args = ap.parse_args()
    choose(args)
    seed = args.seed or str(random.SystemRandom().randrange(10 ** 9))
    print('random oracle: seed %s' % seed, flush=True)
    runner = Runner(test_generator=args.test_generator)
    start = last = time.time()
    no = args.case if args.case is not None else 0
    failures = 0
    while True:
        if args.case is not None and no > args.case:
            break
        if runner.stats['steps'] >= args.steps:
            break
        if args.minutes and time.time() - start > args.minutes * 60:
            break
        case = CaseMaker('%s/%d' % (seed, no), args.case_steps, runner.citext,
                         args.core, words(args.need), args.polled, args.heirs,
                         args.net_first).make()
        try:
            runner.run(case)
        except Failure as f:
            failures += 1
            report(runner, args, seed, no, case, f, failures)
            if failures >= args.failures:
                break
        no += 1
        runner.cases += 1
        if runner.cases % 100 == 0:
            runner.vacuum()
        if time.time() - last > 20 and not args.quiet:
            last = time.time()
            print('  %d steps, %d cases, %.0f steps/s' % (
                runner.stats['steps'], no, runner.stats['steps'] / (last - start)), flush=True)
    seconds = time.time() - start
    st = runner.stats
    share = st['counted'] / max(1, st['steps'])
    print('random oracle: seed %s: %d steps in %.0f s (%.0f/s), %d cases, %d stream tables; '
          '%.0f %% of the steps count (the query had rows and its result changed); '
          '%d changes, %d rejected; %d refreshes skipped for locks; %d queries invalid, %d heavy; '
          'AUTO: %d differential, %d full; %d refused, %d slow; %d failures'
          % (seed, st['steps'], seconds, st['steps'] / max(seconds, 0.001), runner.cases,
             st['stcases'], 100 * share, st['changes'], st['rejected'], st['skipped'],
             st['invalid'], st['heavy'], st['auto_diff'], st['auto_full'],
             st['refused'], st['slow'], failures))
    print('  counted by kind: ' + ', '.join('%s %d/%d' % (k, v[1], v[0])
                                            for k, v in sorted(runner.kinds.items())))
    if args.constructs:
        table(runner.constructs)
    if failures:
        return 1
    if st['slow'] > 2 + st['steps'] / 500:
        print('random oracle: too many refreshes were cancelled for taking seconds')
        return 1
    if args.case is None and st['steps'] > 2000 and share < args.min_counted:
        print('random oracle: too few steps count')
        return 1
    return 0


def words(text):
    known = DIFFERENTIAL_CONSTRUCTS | OTHER_CONSTRUCTS
    out = [w.strip() for w in text.split(',') if w.strip()]
    if out == ['all']:
        return sorted(known)
    for w in out:
        if w not in known:
            sys.exit('no such construct: %s; there are: %s' % (w, ', '.join(sorted(known))))
    return out


def choose(args):
    DIFFERENTIAL_CONSTRUCTS.update(words(args.enable))
    DIFFERENTIAL_CONSTRUCTS.difference_update(words(args.disable))
    words(args.need)


def table(constructs):
    print('  %-42s %8s %8s %8s  %s' % ('construct', 'made', 'counts', 'by delta', 'mode'))
    for c in sorted(DIFFERENTIAL_CONSTRUCTS | OTHER_CONSTRUCTS):
        print('  %-42s %8d %8d %8d  %s' % ((c,) + tuple(constructs.get(c, (0, 0, 0))) + (
            'DIFFERENTIAL' if c in DIFFERENTIAL_CONSTRUCTS else 'AUTO',)))


def report(runner, args, seed, no, case, failure, n):
    again = ['--seed', seed, '--case', str(no), '--case-steps', str(args.case_steps)]
    for name in ('core', 'polled', 'heirs', 'net_first', 'enable', 'disable', 'need'):
        again += ['--' + name.replace('_', '-'), "'%s'" % getattr(args, name)] if getattr(args, name) != '' else []
    head = ['random oracle: run.sh ' + ' '.join(again)]
    print('FAILURE seed %s case %d: %s: %s' % (seed, no, failure.kind, failure), flush=True)
    if failure.st:
        print('  %s: %s' % (failure.st.mode, failure.st.query.render()))
    small = case
    if args.shrink > 0:
        shrinker = Shrinker(runner, case, failure, args.shrink)
        kept = copy.deepcopy((runner.stats, runner.kinds, runner.constructs))
        result = shrinker.run()
        runner.stats, runner.kinds, runner.constructs = kept
        if result is None:
            print('  it does not repeat')
            head.append('did not repeat when run again')
        else:
            small, failure = result, shrinker.failure
    os.makedirs(args.build, exist_ok=True)
    suffix = '' if n == 1 else '-%d' % n
    path = os.path.join(args.build, 'random-failure-%s%s.sql' % (seed, suffix))
    text = script(small, failure, head)
    with open(path, 'w') as f:
        f.write(text)
    print(text)
    print('  written to %s' % os.path.normpath(path), flush=True)


if __name__ == '__main__':
    sys.exit(main())
