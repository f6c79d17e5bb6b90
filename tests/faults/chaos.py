"""`make chaos`: storms with several seeds on both databases, and the report of them."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.report import marked_file, write_report
from tests.faults.storm import rage
from tests.faults.toll import Toll


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=45.0, help="how long each storm lasts")
    parser.add_argument("--report", type=marked_file, help="replace the tables in this file: docs/reliability.md")
    asked = parser.parse_args()
    tolls = [_rage(database, seed, asked.seconds) for database in asked.databases for seed in asked.seeds]
    jobs, faults = sum(toll.jobs for toll in tolls), sum(toll.deeds.total() for toll in tolls)
    clean = all(toll.clean for toll in tolls)
    print(f"{len(tolls)} storms: {jobs} jobs, {faults} faults, {'nothing' if clean else 'SOMETHING'} broken")
    if asked.report:
        write_report(asked.report, tolls, asked.seconds)
    return 0 if clean else 1


def _rage(database: str, seed: int, seconds: float) -> Toll:
    """A storm that leaves its folder, with the stack's log, only when something was broken."""
    folder = Path(tempfile.mkdtemp(prefix="safelight-chaos-"))
    toll = rage(folder, database, seed, seconds)
    print(toll, flush=True)
    if toll.clean:
        shutil.rmtree(folder)
    else:
        print(f"  its folder: {folder}", flush=True)
    return toll


if __name__ == "__main__":
    sys.exit(main())
