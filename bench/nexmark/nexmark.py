#!/usr/bin/python3
"""Nexmark: refreshing stream tables against refreshing materialized views.

See README.md; bench/run.sh nexmark starts a server and this.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(FOLDER))

from suite import Change, arguments, main  # noqa: E402


def nexmark():
    args = arguments(__doc__)
    few = Change("50 events", "CALL nexmark.append(50)", {})
    batch = Change(f"{100 * args.share:g} % changed", f"CALL nexmark.batch({args.share})", {})
    return FOLDER, args, {}, False, [few, batch]


if __name__ == "__main__":
    main(nexmark)
