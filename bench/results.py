"""What runs came to: a figure for each round, by bench, database, case and contestant; kept as JSON."""

import json
import os
import platform
import sqlite3
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

SAVED = Path(__file__).resolve().parent / "results" / "saved.json"
OURS = "Safelight"

Key = tuple[str, str, str, str]  # bench, database, case, contestant


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int
    quick: bool
    databases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median and most of some rounds."""

    least: float
    median: float
    most: float


@dataclass
class Results:
    """Figures by key and name, in the order in which they came."""

    figures: dict[Key, dict[str, list[float]]] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)  # by bench: where and when

    def add(self, bench: str, database: str, case: str, who: str, **values: float) -> None:
        """One round's figures."""
        self.machines.setdefault(bench, describe_machine())
        known = self.figures.setdefault((bench, database, case, who), {})
        for name, value in values.items():
            known.setdefault(name, []).append(round(value, 4))

    def keys(self, bench: str) -> list[Key]:
        return [key for key in self.figures if key[0] == bench]

    def spread(self, key: Key, name: str) -> Spread | None:
        return _spread(self.figures.get(key, {}).get(name, []))

    def ratio(self, key: Key, name: str, against: str) -> Spread | None:
        """Of this contestant's figure to another's, round by round."""
        other = self.figures.get((*key[:3], against), {}).get(name, [])
        own = self.figures.get(key, {}).get(name, [])
        return _spread([a / b for a, b in zip(own, other, strict=False) if b])

    def save(self, file: Path = SAVED) -> None:
        """Into the file, in place of what it knew of these benches."""
        kept = read_results(file)
        fresh = {key[0] for key in self.figures}
        kept.figures = {key: known for key, known in kept.figures.items() if key[0] not in fresh} | self.figures
        kept.machines |= self.machines
        rows = [[*key, known] for key, known in kept.figures.items()]
        lines = ",\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows)
        file.parent.mkdir(exist_ok=True)
        machines = json.dumps(kept.machines, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        file.write_text(f'{{\n  "machines": {machines},\n  "figures": [\n    {lines}\n  ]\n}}\n')


def read_results(file: Path = SAVED) -> Results:
    """What was saved; nothing when there is no such file."""
    if not file.exists():
        return Results()
    known: dict[str, Any] = json.loads(file.read_text())
    figures: dict[Key, dict[str, list[float]]] = {(a, b, c, d): figures for a, b, c, d, figures in known["figures"]}
    return Results(figures, known["machines"])


def interleave(rounds: int, contestants: Mapping[str, Callable[[], None]]) -> None:
    """Each in turn, round by round; every other round backwards, so that nobody always comes first."""
    turns: Sequence[Callable[[], None]] = list(contestants.values())
    for number in range(rounds):
        for turn in turns if number % 2 == 0 else reversed(turns):
            turn()


def describe_machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    load, _, _ = os.getloadavg()
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, no GPU; {platform.system()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; {datetime.now(UTC):%Y-%m-%d}, "
        f"load {load:.1f} before"
    )


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(min(values), statistics.median(values), max(values)) if values else None
