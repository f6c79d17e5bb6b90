"""Group commit: submits that arrive together share one transaction and one round of doorbells. A lone submit
does not wait; what cannot be written fast enough is refused, not hoarded."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from api.web.problems import Overloaded
from config.failpoints import failpoint
from jobs.errors import StoreUnavailable
from jobs.values import Job, Submission
from storage.bus import Bus
from storage.jobs.store import JobStore
from storage.jobs.submissions import Submitted
from workers.queue import Doorbell

log = logging.getLogger(__name__)

_BATCH_MOST = 128  # more rows a transaction gain nothing, and make its first member wait
_BACKLOG_MOST = 4_096
_CROWD = 8  # in one transaction: then others are on their way
_LOOKS, _TURNS = 8, 3  # at who has come, each after so many turns of the event loop: read, parsed, checked
_GATHER_S = 0.005
_WORD_S = 0.02

_Waiting = tuple[Submission, "asyncio.Future[Submitted]"]


class Intake:
    """The buffer between requests and the database. One transaction at a time; while it runs, the next
    batch gathers by itself."""

    def __init__(self, store: JobStore, doorbell: Doorbell, bus: Bus) -> None:
        self._store = store
        self._doorbell = doorbell
        self._bus = bus
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, "intake")
        self._task: asyncio.Task[None] | None = None
        self._unrung: list[Job] = []
        self._ringing: asyncio.TimerHandle | None = None
        self._word: asyncio.TimerHandle | None = None
        self._rang_at = 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="intake")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._ringing:
            self._ringing.cancel()
            self._ring()
        if self._word:
            self._word.cancel()
            self._bus.changed()
        self._writer.shutdown(wait=True)

    async def submit(self, submission: Submission) -> Submitted:
        """Returns once the job is committed.

        Raises:
            Overloaded: the database is so slow that too many submits wait already.
            StoreUnavailable: it does not answer.
        """
        if len(self._waiting) >= _BACKLOG_MOST:
            raise Overloaded
        answer: asyncio.Future[Submitted] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, answer))
        self._arrived.set()
        return await answer

    async def _run(self) -> None:
        crowded = False
        while True:
            await self._arrived.wait()
            if crowded:
                await self._gather()
            batch = [self._waiting.popleft() for _ in range(min(_BATCH_MOST, len(self._waiting)))]
            if not self._waiting:
                self._arrived.clear()
            crowded = len(batch) >= _CROWD
            await self._commit(batch)

    async def _gather(self) -> None:
        """Those whose requests lie in the sockets already come along: a transaction for twice as many hardly costs
        more. No clock is waited for, and nobody who has not been sent."""
        before = 0
        for _ in range(_LOOKS):
            if not before < len(self._waiting) < _BATCH_MOST:
                return
            before = len(self._waiting)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        wanted = [submission for submission, _ in batch]
        try:
            submitted = await self._write(wanted)
        except Exception as fault:
            if len(batch) == 1 or isinstance(fault, StoreUnavailable):
                _fail(batch, fault)
                return
            for one in batch:  # a row the database refuses must not take its neighbours with it
                await self._commit([one])
            return
        self._announce(submitted)
        for (_, answer), done in zip(batch, submitted, strict=True):
            if not answer.done():
                answer.set_result(done)

    async def _write(self, wanted: Sequence[Submission]) -> list[Submitted]:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._store.submit, wanted)

    def _announce(self, submitted: Sequence[Submitted]) -> None:
        """A lone submit rings at once. Where one follows another they ring together, a moment later."""
        self._unrung += [done.job for done in submitted if done.job and not done.replayed]
        if self._unrung and self._ringing is None:
            loop = asyncio.get_running_loop()
            wait_s = self._rang_at + _GATHER_S - loop.time()
            if wait_s > 0:
                self._ringing = loop.call_later(wait_s, self._ring)
            else:
                self._ring()

    def _ring(self) -> None:
        fresh, self._unrung, self._ringing = self._unrung, [], None
        loop = asyncio.get_running_loop()
        self._rang_at = loop.time()
        failpoint("submit:announcing")
        self._doorbell.ring_for(fresh)
        if self._word is None:  # who is claimed meanwhile is read only once
            self._word = loop.call_later(_WORD_S, self._say_changed)
        failpoint("submit:announced")

    def _say_changed(self) -> None:
        self._word = None
        self._bus.changed()


def _fail(batch: Sequence[_Waiting], fault: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(fault)
