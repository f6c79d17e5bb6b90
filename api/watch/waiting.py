"""Waiting for one job or group, without a thread or a database connection: what long polls, `Prefer: wait` and event
streams are made of."""

import asyncio
import re
import time
from contextlib import suppress
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from api.watch.follower import Follower
from api.watch.lookup import Found, Lookup
from api.watch.views import AnyView, GroupView, View
from jobs.errors import JobNotFound

WAIT_MOST_S = 60
POLL_AFTER_S = 1  # what pollers are told

_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait(?:=(\d{1,9}))?(?=$|[,;\s])")

Seen = TypeVar("Seen", View, GroupView, default=View)


class Watcher(Generic[Seen]):
    """A subscriber to one job, or one group, that keeps only the latest view."""

    def __init__(self, tenant: str, *, looks: bool = False) -> None:
        self.tenant = tenant
        self.looks = looks
        self.view: Seen | None = None
        self._gone = False
        self._news = asyncio.Event()

    def offer(self, view: AnyView) -> None:
        if self.view is None or view.rank > self.view.rank:
            self.view = cast(Seen, view)  # it follows one subject, of one kind
            self._news.set()

    def gone(self, subject: str) -> None:
        self._gone = True
        self._news.set()

    def leave(self) -> None:
        self._news.set()

    async def news(self, seconds: float) -> bool:
        """Wait for another view; False when none came within the seconds.

        Raises:
            JobNotFound: it was deleted.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        came = self._news.is_set()
        self._news.clear()
        if self._gone:
            raise JobNotFound("It was deleted meanwhile.")
        return came


async def wait_beyond(
    follower: Follower, lookup: Lookup[Found], subject: Found, seq: int | None, seconds: float
) -> Found:
    """The job, or the group, once its `seq` is beyond the given one (None: once it is final), or as it stands when
    the seconds are over.

    Raises:
        JobNotFound: it was deleted meanwhile.
    """
    give_up_at = time.monotonic() + seconds
    watcher: Watcher[Any] = Watcher(subject.tenant)
    with follower.following(subject.id, watcher):
        current = await lookup.get(subject.id)
        while not (current.final if seq is None else current.seq > seq):
            left = give_up_at - time.monotonic()
            if left <= 0 or follower.draining:
                return await lookup.get(subject.id)
            await watcher.news(left)
            if watcher.view and watcher.view.subject.seq > current.seq:
                current = watcher.view.subject
    return current


def preferred_wait(prefer: str | None) -> int | None:
    """Seconds of `Prefer: wait=N`, at most 60; a bare `wait` means as long as we may."""
    found = _PREFER_WAIT.search(prefer) if prefer else None
    if found is None:
        return None
    return min(int(found[1]), WAIT_MOST_S) if found[1] else WAIT_MOST_S
