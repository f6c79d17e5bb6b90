"""The lease of the jobs in hand: a heartbeat renews it, learns of cancels, and ends the process when a step
hangs. The attempt asks it at each step: "is it still mine?"."""

import logging
import os
import threading
import time
from collections.abc import Iterable

from jobs.errors import Interrupted, StoreUnavailable
from jobs.values import Job
from storage.claiming.claims import Claims

log = logging.getLogger(__name__)

HUNG_EXIT = 70  # the exit code of a worker that ended itself because a step hung


class Lease:
    """Held from claim to conclusion. Its thread is the only one that renews; every method may be called
    from any thread."""

    def __init__(
        self,
        claims: Claims,
        jobs: Iterable[Job],
        *,
        lease_s: float,
        heartbeat_s: float,
        draining: threading.Event,
    ) -> None:
        self._claims = claims
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._draining = draining
        self._fences = {job.id: job.fence for job in jobs}
        self._lost: set[str] = set()
        self._canceled: set[str] = set()
        self._look = threading.Event()
        self._over = threading.Event()
        self._renewed_at = self._alive_at = time.monotonic()
        self._patience_s = float("inf")
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._look.set()
        self._thread.join()

    @property
    def fences(self) -> dict[str, int]:
        """The fence of each job in hand."""
        return dict(self._fences)

    def look_now(self, job_id: str) -> None:
        """Somebody says that this job was canceled: do not wait for the next heartbeat to see."""
        if job_id in self._fences:
            self._look.set()

    def expect_sign_within(self, seconds: float) -> None:
        """From now on a silence of the model longer than this means that it hangs."""
        self._alive_at = time.monotonic()
        self._patience_s = seconds

    def confirm(self) -> None:
        """The model shows a sign of life; may it go on?

        Raises:
            Interrupted: no member of the batch is wanted from this worker any more.
        """
        self._alive_at = time.monotonic()
        if self._draining.is_set():
            raise Interrupted("This worker is being stopped.")
        if self._alive_at - self._renewed_at > self._lease_s:  # a frozen process wakes here first
            self._lost.update(self._fences)
        if self._lost | self._canceled >= self._fences.keys():
            raise Interrupted()

    def wants(self, job_id: str) -> bool:
        """Is this member's result still wanted from this worker?"""
        return job_id not in self._lost and job_id not in self._canceled

    def was_canceled(self, job_id: str) -> bool:
        return job_id in self._canceled and job_id not in self._lost

    def _beat(self) -> None:
        while not self._over.is_set():
            self._look.wait(self._heartbeat_s)
            self._look.clear()
            if self._over.is_set():
                return
            self._end_if_hung()
            self._renew()

    def _renew(self) -> None:
        mine = {job_id: fence for job_id, fence in self._fences.items() if job_id not in self._lost}
        asked_at = time.monotonic()
        try:
            holdings = self._claims.renew(mine, self._lease_s)
        except StoreUnavailable as fault:
            log.warning("heartbeat missed: %s", fault)
            return
        self._renewed_at = asked_at
        self._lost.update(job_id for job_id, holding in holdings.items() if not holding.held)
        self._canceled.update(job_id for job_id, holding in holdings.items() if holding.cancel_requested)

    def _end_if_hung(self) -> None:
        silence = time.monotonic() - self._alive_at
        if silence > self._patience_s:
            log.critical("a step hangs for %.0f s: ending this worker, its jobs will run again", silence)
            os._exit(HUNG_EXIT)
