"""How fast this worker is with each model: what forecasts are made of. Learnt from its own batches, the newest
counting most: a busy machine is slower."""

from collections.abc import Sequence

from jobs.forecast import Pace, measure
from jobs.values import Job

_MEMORY = 0.85  # what a batch still counts when the next one is done
_SWEEPS = 40

Seen = tuple[Sequence[Sequence[float]], Sequence[float]]

_NOTHING: Seen = ([[0.0] * 3 for _ in range(3)], [0.0] * 3)


class Paces:
    """By model, least squares over the measures of its batches, with no coefficient below zero."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def note(self, model: str, jobs: Sequence[Job], seconds: float) -> None:
        """A batch of these jobs took so long from its claim to its conclusion, loading left out."""
        x = measure([job.work for job in jobs], [job.steps for job in jobs])
        squares, products = self._seen.get(model, _NOTHING)
        self._seen[model] = (
            [[_MEMORY * squares[i][j] + x[i] * x[j] for j in range(3)] for i in range(3)],
            [_MEMORY * products[i] + x[i] * seconds for i in range(3)],
        )

    def word(self) -> dict[str, Pace]:
        """As it is told to others, now and then. From any thread."""
        return {model: _solve(*seen) for model, seen in self._seen.copy().items()}


def _solve(squares: Sequence[Sequence[float]], products: Sequence[float]) -> Pace:
    """By coordinate descent from zero, the work first: while all batches look alike, it explains them alone."""
    found = [0.0, 0.0, 0.0]
    for _ in range(_SWEEPS):
        for i in range(3):
            rest = sum(squares[i][j] * found[j] for j in range(3) if j != i)
            if squares[i][i] > 0:
                found[i] = max(0.0, (products[i] - rest) / squares[i][i])
    return round(found[0], 9), round(found[1], 9), round(found[2], 9)
