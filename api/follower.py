"""The follower: one per API process. It reads the change feed onward, on a word from the bus and every
second, and offers each subscriber the present view of its jobs. Waiting holds no thread and no database
connection."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Protocol

from api.hearing import Hearing
from api.views import View
from jobs.errors import StoreUnavailable
from jobs.values import Job, Place, Progress
from storage.engine import Database
from storage.feed import Entry, Feed
from storage.jobs import JobStore

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_RECOVER_S = 0.5
_JOBS_A_QUERY = 500
_ENDED_MOST = 10_000


class Subscriber(Protocol):
    """Somebody who watches jobs: a socket, a stream, a waiting request."""

    tenant: str
    looks: bool  # a person may be looking: previews are worth making

    def offer(self, view: View) -> None:
        """A job of yours looks like this now. Never waits; may be called with an older view than before."""

    def gone(self, job_id: str) -> None:
        """A job of yours was deleted."""

    def leave(self) -> None:
        """This process is being stopped: wait no longer."""


class Follower:
    """Follows the feed and the bus for this process."""

    def __init__(self, database: Database, store: JobStore, hearing: Hearing) -> None:
        self._store = store
        self._feed = Feed(database)
        self._hearing = hearing
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._watching_all: set[Subscriber] = set()
        self._views: dict[str, View] = {}
        self._ended: dict[str, int] = {}  # the `seq` of each end that was offered lately
        self._entries: list[Entry] = []  # read, and not handed on yet
        self._owed: dict[str, None] = {}  # jobs that changed and were not offered yet
        self._places: dict[str, Place] = {}
        self._task: asyncio.Task[None] | None = None
        self._watching = asyncio.Event()  # somebody is subscribed
        self.draining = False
        self.joined = asyncio.Event()  # somebody watches what nobody watched before
        self.on_entries: Callable[[Sequence[Entry]], None] = lambda _entries: None

    def start(self) -> None:
        self._hearing.on_progress = self._offer_progress
        self._task = asyncio.create_task(self._read_onward(), name="feed")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def drain(self) -> None:
        """Let everybody go who waits."""
        self.draining = True
        for subscriber in {*self._watching_all, *(one for some in self._subscribers.values() for one in some)}:
            subscriber.leave()

    def follow(self, job_ids: Iterable[str], subscriber: Subscriber) -> None:
        """From now on the subscriber hears of every change of these jobs. Then look at their present state,
        and nothing is missed."""
        for job_id in job_ids:
            self._subscribers.setdefault(job_id, set()).add(subscriber)
        self._note_watching()

    def unfollow(self, job_ids: Iterable[str], subscriber: Subscriber) -> None:
        for job_id in job_ids:
            following = self._subscribers.get(job_id, set())
            following.discard(subscriber)
            if not following:
                self._subscribers.pop(job_id, None)
                self._forget_unwatched(job_id)
        self._note_watching()

    def follow_all(self, subscriber: Subscriber) -> None:
        """From now on the subscriber hears of every change of its tenant's jobs."""
        self._watching_all.add(subscriber)
        self._note_watching()
        self.joined.set()

    def unfollow_all(self, subscriber: Subscriber) -> None:
        if subscriber not in self._watching_all:  # most sockets that close never did
            return
        self._watching_all.discard(subscriber)
        self._note_watching()
        if not self._watching_all:
            self._views = {job_id: view for job_id, view in self._views.items() if job_id in self._subscribers}

    @contextmanager
    def following(self, job_id: str, subscriber: Subscriber) -> Iterator[None]:
        self.follow([job_id], subscriber)
        try:
            yield
        finally:
            self.unfollow([job_id], subscriber)

    def view(self, job: Job) -> View:
        """This job as we can show it now."""
        view = View(job, self._hearing.progress_of(job.id), self._places.get(job.id))
        if self._is_watched(job.id) and not job.final and job.seq > self._ended.get(job.id, 0):
            known = self._views.get(job.id)
            if known is None or known.rank < view.rank:
                self._views[job.id] = view
                if known is None:
                    self.joined.set()
        return view

    def watched(self) -> list[View]:
        """The unfinished jobs that somebody here watches, as far as they were seen."""
        return [view for view in self._views.values() if not view.job.final]

    def known(self, job_id: str) -> View | None:
        """The latest view of a job that is watched here."""
        return self._views.get(job_id)

    def looked_at(self, most: int) -> list[str]:
        """Unfinished jobs that somebody looks at, `most` of them."""
        looked = (one for one, some in self._subscribers.items() if any(each.looks for each in some))
        return list(islice((job_id for job_id in looked if job_id in self._views), most))

    @property
    def watches_all(self) -> bool:
        return bool(self._watching_all)

    def take_places(self, places: dict[str, Place], told: Iterable[str]) -> None:
        """A new forecast; the jobs in `told` are worth telling about."""
        self._places = places
        for job_id in told:
            if view := self._views.get(job_id):
                self._offer(self.view(view.job))

    async def _read_onward(self) -> None:
        while True:
            if not self._feed.behind:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._worth_looking(), _LOOK_EVERY_S)
            self._hearing.changed.clear()
            try:
                await self._look()
            except StoreUnavailable as fault:
                log.warning("the feed waits: %s", fault)
                await asyncio.sleep(_RECOVER_S)
            except Exception:  # the follower of a whole process must outlive any one fault
                log.exception("the feed stumbled")
                await asyncio.sleep(_RECOVER_S)

    async def _worth_looking(self) -> None:
        """While nobody watches, a look now and then is enough."""
        await self._watching.wait()
        await self._hearing.changed.wait()

    def _note_watching(self) -> None:
        if self._subscribers or self._watching_all:
            self._watching.set()
        else:
            self._watching.clear()

    async def _look(self) -> None:
        found = await asyncio.to_thread(self._read)
        entries, self._entries = self._entries, []
        self.on_entries(entries)
        told, self._owed = self._owed, {}
        for job_id in told:
            if job := found.get(job_id):
                self._offer(self.view(job))
            else:
                self._offer_gone(job_id)

    def _read(self) -> dict[str, Job]:
        """In a thread. Should the second query fail, what the first one found stays owed."""
        entries = self._feed.read()
        self._entries += entries
        self._owed.update(dict.fromkeys(entry.job_id for entry in entries if self._is_watched(entry.job_id)))
        if self._feed.missed:
            self._owed.update(dict.fromkeys([*self._subscribers, *self._views]))
        owed = list(self._owed)
        found: dict[str, Job] = {}
        for start in range(0, len(owed), _JOBS_A_QUERY):
            jobs = self._store.get_many(owed[start : start + _JOBS_A_QUERY])
            found.update((job.id, job) for job in jobs)
        return found

    def _is_watched(self, job_id: str) -> bool:
        return job_id in self._subscribers or bool(self._watching_all)

    def _offer(self, view: View) -> None:
        for subscriber in tuple(self._subscribers.get(view.job.id, ())):
            subscriber.offer(view)
        for subscriber in tuple(self._watching_all):
            if subscriber.tenant == view.job.tenant:
                subscriber.offer(view)
        if view.job.final:
            self._views.pop(view.job.id, None)
            self._remember_end(view.job)

    def _remember_end(self, job: Job) -> None:
        """Whoever read the job before its end and shows it after that must not bring it back to the watched ones."""
        self._ended.pop(job.id, None)
        self._ended[job.id] = job.seq
        if len(self._ended) > _ENDED_MOST:
            del self._ended[next(iter(self._ended))]

    def _offer_gone(self, job_id: str) -> None:
        self._views.pop(job_id, None)
        for subscriber in tuple(self._subscribers.get(job_id, ())):
            subscriber.gone(job_id)

    def _offer_progress(self, progress: Progress) -> None:
        view = self._views.get(progress.job_id)
        if view and view.job.seq == progress.seq and not view.job.final:
            self._offer(self.view(view.job))

    def _forget_unwatched(self, job_id: str) -> None:
        if not self._watching_all:
            self._views.pop(job_id, None)
