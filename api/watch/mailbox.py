"""The mailbox of one socket: what it has still to be told. Answers keep their order; of a job only the latest
view is kept, so a slow reader is told less often, never late truths and never an older one."""

import asyncio
from collections import deque

from api.watch.views import AnyView, Rank

_ANSWERS_MOST = 2_000
_TOLD_MOST = 20_000


class MailboxFull(Exception):
    """The client asks faster than it reads the answers."""


class Mailbox:
    """Filled by the follower and the session, emptied by the sender."""

    __slots__ = ("_answers", "_held", "_told", "_views", "ready")

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self._answers: deque[str] = deque()
        self._views: dict[str, AnyView] = {}
        self._told: dict[str, Rank] = {}
        self._held: set[str] = set()

    def answer(self, text: str) -> None:
        """Raises: MailboxFull."""
        if len(self._answers) >= _ANSWERS_MOST:
            raise MailboxFull
        self._answers.append(text)
        self.ready.set()

    def offer(self, view: AnyView) -> None:
        """A view of a job or a group; dropped when a later one was told or waits to be told."""
        subject, rank = view.subject.id, view.rank
        waiting = self._views.get(subject)
        if (waiting and waiting.rank >= rank) or (subject in self._told and self._told[subject] >= rank):
            return
        self._views[subject] = view
        self.ready.set()

    def hold(self, job_id: str) -> None:
        """Nothing of this job may be told until it is let go: its `accepted` comes first."""
        self._held.add(job_id)

    def let_go(self, job_id: str) -> None:
        self._held.discard(job_id)
        if job_id in self._views:
            self.ready.set()

    def told(self, view: AnyView) -> None:
        """The client was shown this view in an answer."""
        subject = view.subject.id
        self._told[subject] = max(view.rank, self._told.get(subject, view.rank))

    def take(self) -> str | AnyView | None:
        """What to tell next, an answer's text or a view; None when there is nothing, and `ready` is cleared."""
        if self._answers:
            return self._answers.popleft()
        for job_id in self._views:
            if job_id not in self._held:
                view = self._views.pop(job_id)
                self._remember(view)
                return view
        self.ready.clear()
        return None

    def _remember(self, view: AnyView) -> None:
        self._told.pop(view.subject.id, None)
        self._told[view.subject.id] = view.rank
        if len(self._told) > _TOLD_MOST:
            del self._told[next(iter(self._told))]
