"""`make bench`: measures side by side, prints, and with --save writes the figures of docs/performance.md."""

import argparse
import importlib
import signal
import sys
import time

from bench.contestants import DATABASES
from bench.report import print_report, write_documents
from bench.results import Plan, Results

MEASURED = ("submits", "latency", "drain", "pictures", "rows", "push", "startup")
TOLD = ("previews", "arrivals", "recovery", "fleet")  # print for themselves; run when named


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    wanted = _arguments()
    plan = Plan(
        rounds=wanted.rounds or (2 if wanted.quick else 5),
        quick=wanted.quick,
        databases=tuple(wanted.database or DATABASES),
    )
    results = Results()
    began = time.monotonic()
    for name in wanted.benches or MEASURED:
        print(f"\n{name}", flush=True)
        bench = importlib.import_module(f"bench.{name}")
        if name == "fleet":
            bench.run(full=wanted.full)
        elif name in TOLD:
            bench.run()
        else:
            bench.run(plan, results)
            print_report(results, name)
        print(f"  ({time.monotonic() - began:.0f} s since the start)", flush=True)
    if wanted.save and results.figures:
        results.save()
        write_documents()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    names = f"of {', '.join(MEASURED)} (default: all of these), {', '.join(TOLD)}"
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=names)
    parser.add_argument("--rounds", type=int, help="of each contestant; default 5, with --quick 2")
    parser.add_argument("--quick", action="store_true", help="less of everything: to see whether it works")
    parser.add_argument("--database", action="append", choices=DATABASES, help="default: both")
    parser.add_argument("--save", action="store_true", help="write bench/results, and the figures of the docs")
    parser.add_argument("--full", action="store_true", help="of fleet: 64 workers and 100,000 jobs")
    wanted = parser.parse_args()
    unknown = set(wanted.benches) - {*MEASURED, *TOLD}
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}")
    return wanted


if __name__ == "__main__":
    main()
