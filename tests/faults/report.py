"""The report of storms: tables of Markdown between two marks of a document, so that the prose around them stays."""

import os
import platform
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.toll import Toll

BEGIN, END = "<!-- storms: written by make chaos -->", "<!-- storms: end -->"


def marked_file(path: str) -> Path:
    """The file of that path. Raises: ArgumentTypeError when it has no place for a report."""
    file = Path(path)
    if not file.is_file() or BEGIN not in (text := file.read_text("utf-8")) or END not in text:
        raise ArgumentTypeError(f"{file} lacks the marks {BEGIN} and {END}")
    return file


def write_report(file: Path, tolls: Sequence[Toll], seconds: float) -> None:
    """Put the tables between the marks of that file."""
    before, _, rest = file.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    tables = "\n".join(_tables(tolls, seconds))
    file.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", "utf-8")


def _tables(tolls: Sequence[Toll], seconds: float) -> Iterator[str]:
    yield f"\n{_today()}: storms of {seconds:.0f} s each on one machine with {os.cpu_count()} cores,"
    yield f"{platform.system()}, Python {platform.python_version()}; load, faults, servers and count all on it.\n"
    yield "| storm | jobs | attempts | kills | freezes | other | lost | duplicated | stuck | broken | drained in |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    yield from map(_row, tolls)
    yield _sum(tolls)
    yield "\n| fault | times |\n|---|--:|"
    every = sum((toll.deeds for toll in tolls), Counter())
    yield from (f"| {deed} | {times} |" for deed, times in sorted(every.items()))
    yield "\n| the jobs' ends | |\n|---|--:|"
    ends = sum((toll.statuses for toll in tolls), Counter())
    yield from (f"| {status} | {number} |" for status, number in ends.most_common())
    yield ""


def _row(toll: Toll) -> str:
    name = f"{toll.database}, seed {toll.seed}"
    return _cells(name, *_figures(toll), f"{toll.drain_s:.1f} s")


def _sum(tolls: Sequence[Toll]) -> str:
    return _cells("**all**", *map(sum, zip(*map(_figures, tolls), strict=True)), "")


def _figures(toll: Toll) -> tuple[int, ...]:
    verbs: Counter[str] = Counter()
    for deed, times in toll.deeds.items():
        verbs[deed.split()[0]] += times
    other = verbs.total() - verbs["kill"] - verbs["freeze"]
    wrong = map(len, (toll.lost, toll.duplicated, toll.stuck, toll.broken))
    return (toll.jobs, toll.attempts, verbs["kill"], verbs["freeze"], other, *wrong)


def _cells(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
