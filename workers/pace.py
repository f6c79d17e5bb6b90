"""How fast this worker is with each model: what forecasts are made of."""

from collections.abc import Sequence

from jobs.forecast import Pace
from jobs.values import Job

_WEIGHT = 0.3  # of the newest batch; the past keeps the rest


class Paces:
    """By model, the seconds a batch takes besides its work, and for each unit of work. Both move with what is
    seen: a busy machine is slower."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}

    def note(self, model: str, jobs: Sequence[Job], run_s: float, whole_s: float) -> None:
        """A batch ran for `run_s`; from its claim to its conclusion, loading left out, it took `whole_s`."""
        work = sum(job.work for job in jobs)
        before = self._paces.get(model)
        rate = run_s / work if work > 0 else (before[1] if before else 0.0)
        aside = whole_s - run_s if work > 0 else whole_s
        if before:
            aside = before[0] + _WEIGHT * (aside - before[0])
            rate = before[1] + _WEIGHT * (rate - before[1])
        self._paces[model] = (aside, rate)

    def word(self) -> dict[str, Pace]:
        """As it is told to others."""
        return {model: (round(aside, 6), round(rate, 6)) for model, (aside, rate) in self._paces.items()}
