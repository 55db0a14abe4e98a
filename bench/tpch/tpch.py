#!/usr/bin/python3
"""TPC-H: refreshing stream tables against refreshing materialized views.

See README.md; bench/run.sh tpch starts a server and this.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

from suite import Change, arguments, main  # noqa: E402

# The bounds of a change: queries that are faster; median of the ratios; and
# milliseconds of the slowest.
BATCH = {"faster": (20, 22), "ratio": (5, 10)}
FEW = {"faster": (22, 22), "ratio": (100, 100), "slowest": (10, 2)}


def tpch():
    args = arguments(__doc__)
    few = Change("10 orders in and out", "CALL tpch.rf1(10); CALL tpch.rf2(10)", FEW)
    batch = Change(f"{100 * args.share:g} % changed", f"CALL tpch.batch({args.share})", BATCH)
    return FOLDER, args, {"foreign_keys": 1}, args.scale < 0.5, [few, batch]


if __name__ == "__main__":
    main(tpch)
