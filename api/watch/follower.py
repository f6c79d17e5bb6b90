"""The follower: one per API process. It reads the change feed onward, on a word from the bus and every
second, and offers each subscriber the present view of its jobs and groups. Waiting holds no thread and no database
connection."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Protocol

from api.watch.hearing import Hearing
from api.watch.views import AnyView, GroupView, Subject, View
from jobs.errors import StoreUnavailable
from jobs.groups import Group
from jobs.values import Job, Place, Progress
from storage.changes.feed import Entry, Feed
from storage.engine import Database
from storage.jobs.groups import GroupStore
from storage.jobs.store import JobStore

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_RECOVER_S = 0.5
_AT_ONCE = 500
_ENDED_MOST = 10_000
_WORTH_TELLING = 0.01  # so much further must a group be: it may have hundreds of members, each with its steps


class Subscriber(Protocol):
    """Somebody who watches jobs or groups: a socket, a stream, a waiting request."""

    tenant: str
    looks: bool  # a person may be looking: previews are worth making

    def offer(self, view: AnyView) -> None:
        """A job or group of yours looks like this now. Never waits; may be called with an older view than before."""

    def gone(self, subject: str) -> None:
        """A job or group of yours was deleted."""

    def leave(self) -> None:
        """This process is being stopped: wait no longer."""


class Follower:
    """Follows the feed and the bus for this process."""

    def __init__(self, database: Database, store: JobStore, hearing: Hearing) -> None:
        self._store = store
        self._groups = GroupStore(database)
        self._feed = Feed(database)
        self._hearing = hearing
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._watching_all: set[Subscriber] = set()
        self._views: dict[str, AnyView] = {}
        self._group_of: dict[str, str] = {}  # of members that are not over, where their group is watched
        self._ended: dict[str, int] = {}  # the `seq` of each end that was offered lately
        self._entries: list[Entry] = []  # read, and not handed on yet
        self._owed: dict[str, None] = {}  # jobs and groups that changed and were not offered yet
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

    def follow(self, subjects: Iterable[str], subscriber: Subscriber) -> None:
        """From now on the subscriber hears of every change of these jobs and groups. Then look at their present
        state, and nothing is missed."""
        for subject in subjects:
            self._subscribers.setdefault(subject, set()).add(subscriber)
        self._note_watching()

    def unfollow(self, subjects: Iterable[str], subscriber: Subscriber) -> None:
        for subject in subjects:
            following = self._subscribers.get(subject, set())
            following.discard(subscriber)
            if not following:
                self._subscribers.pop(subject, None)
                if not self._watching_all:
                    self._forget(subject)
        self._note_watching()

    def follow_all(self, subscriber: Subscriber) -> None:
        """From now on the subscriber hears of every change of its tenant's jobs and groups."""
        self._watching_all.add(subscriber)
        self._note_watching()
        self.joined.set()

    def unfollow_all(self, subscriber: Subscriber) -> None:
        if subscriber not in self._watching_all:  # most sockets that close never did
            return
        self._watching_all.discard(subscriber)
        self._note_watching()
        if not self._watching_all:
            for subject in self._views.keys() - self._subscribers.keys():
                self._forget(subject)

    @contextmanager
    def following(self, subject: str, subscriber: Subscriber) -> Iterator[None]:
        self.follow([subject], subscriber)
        try:
            yield
        finally:
            self.unfollow([subject], subscriber)

    def view(self, job: Job) -> View:
        """This job as we can show it now."""
        view = View(job, self._hearing.progress_of(job.id), self._places.get(job.id))
        self._keep(view)
        return view

    def group_view(self, group: Group) -> GroupView:
        """This group as we can show it now."""
        view = GroupView(group, self._hearing.progress_of)
        if self._keep(view):
            self._group_of.update((member.job_id, group.id) for member in group.members if not member.over)
        return view

    def show(self, subject: Subject) -> AnyView:
        return self.group_view(subject) if isinstance(subject, Group) else self.view(subject)

    def watched(self) -> list[View]:
        """The unfinished jobs that somebody here watches, as far as they were seen."""
        return [view for view in self._views.values() if isinstance(view, View) and not view.job.final]

    def known(self, job_id: str) -> View | None:
        """The latest view of a job that is watched here."""
        view = self._views.get(job_id)
        return view if isinstance(view, View) else None

    def looked_at(self, most: int) -> list[str]:
        """Unfinished jobs that somebody looks at, `most` of them."""
        looked = (one for one, some in self._subscribers.items() if any(each.looks for each in some))
        return list(islice((job_id for job_id in looked if self.known(job_id)), most))

    @property
    def watches_all(self) -> bool:
        return bool(self._watching_all)

    def take_places(self, places: dict[str, Place], told: Iterable[str]) -> None:
        """A new forecast; the jobs in `told` are worth telling about."""
        self._places = places
        for job_id in told:
            if view := self.known(job_id):
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
        for one in told:
            if subject := found.get(one):
                self._offer(self.show(subject))
            else:
                self._offer_gone(one)

    def _read(self) -> dict[str, Subject]:
        """In a thread. Should the second query fail, what the first one found stays owed."""
        entries = self._feed.read()
        self._entries += entries
        self._owed.update(dict.fromkeys(entry.job_id for entry in entries if self._is_watched(entry.job_id)))
        if self._feed.missed:
            self._owed.update(dict.fromkeys([*self._subscribers, *self._views]))
        owed = list(self._owed)
        found: dict[str, Subject] = {}
        for start in range(0, len(owed), _AT_ONCE):
            some = owed[start : start + _AT_ONCE]
            found.update((job.id, job) for job in self._store.get_many(some))
            others = [one for one in some if one not in found]
            found.update((group.id, group) for group in (self._groups.get_many(others) if others else ()))
        return found

    def _is_watched(self, subject: str) -> bool:
        return subject in self._subscribers or bool(self._watching_all)

    def _keep(self, view: AnyView) -> bool:
        """Remember what is watched; says whether this view is the latest."""
        subject = view.subject
        if not self._is_watched(subject.id) or subject.final or subject.seq <= self._ended.get(subject.id, 0):
            return False
        known = self._views.get(subject.id)
        if known is not None and known.rank >= view.rank:
            return False
        self._views[subject.id] = view
        if known is None:
            self.joined.set()
        return True

    def _offer(self, view: AnyView) -> None:
        subject = view.subject
        if subject.final and self._ended.get(subject.id) == subject.seq:
            return  # a read that came late: whoever followed before was told, whoever followed since has looked
        for subscriber in tuple(self._subscribers.get(subject.id, ())):
            subscriber.offer(view)
        if isinstance(subject, Job) and subject.lineage.shadow_of:
            return  # heard of by who asks for it alone
        for subscriber in tuple(self._watching_all):
            if subscriber.tenant == subject.tenant:
                subscriber.offer(view)
        if subject.final:
            self._forget(subject.id)
            self._remember_end(subject)

    def _remember_end(self, subject: Subject) -> None:
        """Whoever read it before its end and shows it after that must not bring it back to the watched ones."""
        self._ended.pop(subject.id, None)
        self._ended[subject.id] = subject.seq
        if len(self._ended) > _ENDED_MOST:
            del self._ended[next(iter(self._ended))]

    def _offer_gone(self, subject: str) -> None:
        self._forget(subject)
        for subscriber in tuple(self._subscribers.get(subject, ())):
            subscriber.gone(subject)

    def _offer_progress(self, progress: Progress) -> None:
        view = self.known(progress.job_id)
        if view and view.job.seq == progress.seq and not view.job.final:
            self._offer(self.view(view.job))
        group = self._views.get(self._group_of.get(progress.job_id, ""))
        if isinstance(group, GroupView):
            further = GroupView(group.group, self._hearing.progress_of)
            if further.fraction >= group.fraction + _WORTH_TELLING and self._keep(further):
                self._offer(further)

    def _forget(self, subject: str) -> None:
        view = self._views.pop(subject, None)
        for member in view.group.members if isinstance(view, GroupView) else ():
            self._group_of.pop(member.job_id, None)
