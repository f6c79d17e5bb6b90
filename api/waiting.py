"""Waiting for one job, without a thread or a database connection: what long polls, `Prefer: wait` and event
streams are made of."""

import asyncio
import re
import time
from contextlib import suppress

from api.follower import Follower
from api.lookup import Lookup
from api.views import View
from jobs.errors import JobNotFound
from jobs.values import Job

WAIT_MOST_S = 60
POLL_AFTER_S = 1  # what pollers are told

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait(?:=(\d{1,9}))?(?=$|[,;\s])")


class Watcher:
    """A subscriber to one job that keeps only the latest view."""

    def __init__(self, tenant: str, *, looks: bool = False) -> None:
        self.tenant = tenant
        self.looks = looks
        self.view: View | None = None
        self._gone = False
        self._news = asyncio.Event()

    def offer(self, view: View) -> None:
        if self.view is None or view.rank > self.view.rank:
            self.view = view
            self._news.set()

    def gone(self, job_id: str) -> None:
        self._gone = True
        self._news.set()

    def leave(self) -> None:
        self._news.set()

    async def news(self, seconds: float) -> bool:
        """Wait for another view; False when none came within the seconds.

        Raises:
            JobNotFound: the job was deleted.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        came = self._news.is_set()
        self._news.clear()
        if self._gone:
            raise JobNotFound("The job was deleted.")
        return came


async def wait_beyond(follower: Follower, lookup: Lookup, job: Job, seq: int | None, seconds: float) -> Job:
    """The job once its `seq` is beyond the given one (None: once it is final), or as it stands when the
    seconds are over.

    Raises:
        JobNotFound: it was deleted meanwhile.
    """
    give_up_at = time.monotonic() + seconds
    watcher = Watcher(job.tenant)
    with follower.following(job.id, watcher):
        current = await lookup.get(job.id)
        while not (current.final if seq is None else current.seq > seq):
            left = give_up_at - time.monotonic()
            if left <= 0 or follower.draining:
                return await lookup.get(job.id)
            await watcher.news(left)
            if watcher.view and watcher.view.job.seq > current.seq:
                current = watcher.view.job
    return current


def preferred_wait(prefer: str | None) -> int | None:
    """Seconds of `Prefer: wait=N`, at most 60; a bare `wait` means as long as we may."""
    found = _PREFER_WAIT.search(prefer) if prefer else None
    if found is None:
        return None
    return min(int(found[1]), WAIT_MOST_S) if found[1] else WAIT_MOST_S
