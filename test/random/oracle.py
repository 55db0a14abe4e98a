#!/usr/bin/env python3
"""Random oracle: after every refresh a stream table equals its query.

A case is a schema with two to five tables, some stream tables over them and a
list of operations: changes in several interleaved sessions, refreshes, checks.
It is made completely before it runs, from "<seed>/<case number>" alone, so it
can be run again and shrunk by leaving parts out.

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
    ap.add_argument('--quiet', action='store_true')
    args = ap.parse_args()
    seed = args.seed or str(random.SystemRandom().randrange(10 ** 9))
    print('random oracle: seed %s' % seed, flush=True)
    runner = Runner()
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
        case = CaseMaker('%s/%d' % (seed, no), args.case_steps, runner.citext).make()
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
             st['invalid'], st['heavy'], st['auto_diff'], st['auto_full'], st['refused'], st['slow'], failures))
    print('  counted by kind: ' + ', '.join('%s %d/%d' % (k, v[1], v[0])
                                            for k, v in sorted(runner.kinds.items())))
    if failures:
        return 1
    if st['slow'] > 2 + st['steps'] / 500:
        print('random oracle: too many refreshes were cancelled for taking seconds')
        return 1
    if args.case is None and st['steps'] > 2000 and share < args.min_counted:
        print('random oracle: too few steps count')
        return 1
    return 0


def report(runner, args, seed, no, case, failure, n):
    head = ['random oracle, seed %s, case %d (run.sh --seed %s --case %d)' % (seed, no, seed, no)]
    print('FAILURE seed %s case %d: %s: %s' % (seed, no, failure.kind, failure), flush=True)
    if failure.st:
        print('  %s: %s' % (failure.st.mode, failure.st.query.render()))
    small = case
    if args.shrink > 0:
        shrinker = Shrinker(runner, case, failure, args.shrink)
        kept = copy.deepcopy((runner.stats, runner.kinds))
        result = shrinker.run()
        runner.stats, runner.kinds = kept
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
