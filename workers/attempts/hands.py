"""What a worker has in hand: the lease of the batch that runs, and that of the one before, whose bytes are stored and
whose end is written down in a thread beside the next batch."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from workers.attempts.lease import Lease


class Hands:
    """Owned by one worker. Its leases may be asked for from any thread."""

    def __init__(self) -> None:
        self._leases: list[Lease] = []
        self._beside = ThreadPoolExecutor(1, "finishing")
        self._finishing: Future[None] | None = None

    @contextlib.contextmanager
    def holding(self, lease: Lease) -> Iterator[None]:
        self._leases.append(lease)
        try:
            with lease:
                yield
        finally:
            self._leases.remove(lease)

    @property
    def empty(self) -> bool:
        return not self._leases

    @property
    def fences(self) -> dict[str, int]:
        """The fence of each job in hand."""
        return {job_id: fence for lease in tuple(self._leases) for job_id, fence in lease.fences.items()}

    def look_now(self, job_id: str) -> None:
        """Somebody says that this job was canceled."""
        for lease in tuple(self._leases):
            lease.look_now(job_id)

    def finish_beside(self, finish: Callable[[], None]) -> None:
        """Run this, which raises nothing, in the other thread. There is one batch at most: who makes more than can be
        stored waits here."""
        self.rest()
        self._finishing = self._beside.submit(finish)

    def rest(self) -> None:
        """Wait until nothing is being finished."""
        if self._finishing is not None:
            self._finishing.result()
            self._finishing = None
