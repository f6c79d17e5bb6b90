"""What a storm cost: how many jobs, which deeds, and what was broken."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Toll:
    """The outcome of one storm. All four lists of what went wrong must be empty."""

    database: str
    seed: int
    jobs: int
    attempts: int
    statuses: Counter[str]
    deeds: Counter[str]
    drain_s: float  # from the end of the storm to the end of the last job
    lost: Sequence[str]  # accepted, and gone
    duplicated: Sequence[str]  # one key with two ids, or another number of published results than there should be
    stuck: Sequence[str]  # not final though nothing moves any more
    broken: Sequence[str]  # any other sentence that should be true and is not

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.stuck or self.broken)

    def __str__(self) -> str:
        deeds = ", ".join(f"{deed} {times}" for deed, times in sorted(self.deeds.items()))
        statuses = ", ".join(f"{status} {number}" for status, number in sorted(self.statuses.items()))
        lines = [
            f"{self.database} seed {self.seed}: {self.jobs} jobs ({statuses}), {self.attempts} attempts",
            f"  {self.deeds.total()} faults: {deeds}",
            f"  lost={len(self.lost)} duplicated={len(self.duplicated)} stuck={len(self.stuck)} "
            f"broken={len(self.broken)}, drained in {self.drain_s:.1f} s",
        ]
        wrong = {"lost": self.lost, "duplicated": self.duplicated, "stuck": self.stuck, "broken": self.broken}
        return "\n".join(lines + [f"  {kind}: {one}" for kind, some in wrong.items() for one in some])
