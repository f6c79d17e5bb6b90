"""The follower: one per API process. It reads the change feed onward, on a word from the bus and every
second, and hands each watcher the state of its job. Waiting holds no thread and no database connection."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio

from jobs.errors import JobNotFound, StoreUnavailable
from jobs.values import Job, Progress
from storage.bus import BROKER_FAULTS, CHANGED, PRESENCE, PROGRESS
from storage.engine import Database
from storage.feed import Feed
from storage.jobs import JobStore

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_RECONNECT_S = 0.5
_STALE_PROGRESS_S = 120.0
_STALE_WORKER_S = 5.0
_SILENCE_S = 2.5


@dataclass(eq=False, slots=True)
class Watcher:
    """One waiting request: the latest known state of its job, and a flag that it changed."""

    job_id: str
    job: Job | None = None
    gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Follower:
    """Follows the feed and the bus for this process."""

    def __init__(self, database: Database, store: JobStore, broker_url: str) -> None:
        self._store = store
        self._feed = Feed(database)
        self._broker_url = broker_url
        self._word = asyncio.Event()
        self._watchers: dict[str, set[Watcher]] = {}
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._workers: dict[str, tuple[dict[str, Any], float]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.broker_up = False

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._read_onward(), name="feed"),
            asyncio.create_task(self._listen(), name="bus"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def progress_of(self, job_id: str) -> Progress | None:
        known = self._progress.get(job_id)
        return known[0] if known else None

    def workers(self) -> list[dict[str, Any]]:
        """What the workers said of themselves in the last few seconds."""
        fresh = time.monotonic() - _STALE_WORKER_S
        return [word for word, at in self._workers.values() if at > fresh]

    @contextmanager
    def watching(self, job_id: str) -> Iterator[Watcher]:
        """Watch a job from now on: register first, then read its present state, and nothing is missed."""
        watcher = Watcher(job_id)
        self._watchers.setdefault(job_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            watching = self._watchers[job_id]
            watching.discard(watcher)
            if not watching:
                del self._watchers[job_id]

    async def wait_beyond(self, job: Job, seq: int | None, seconds: float) -> Job:
        """The job once its `seq` is beyond the given one (None: once it is final), or as it stands when the
        seconds are over.

        Raises:
            JobNotFound: it was deleted meanwhile.
        """
        give_up_at = time.monotonic() + seconds
        with self.watching(job.id) as watcher:
            current = await asyncio.to_thread(self._store.get, job.id)
            while not (current.final if seq is None else current.seq > seq):
                left = give_up_at - time.monotonic()
                if left <= 0:
                    return await asyncio.to_thread(self._store.get, job.id)
                with suppress(TimeoutError):
                    await asyncio.wait_for(watcher.changed.wait(), left)
                watcher.changed.clear()
                if watcher.gone:
                    raise JobNotFound(f"There is no job {job.id} any more.")
                if watcher.job and watcher.job.seq > current.seq:
                    current = watcher.job
        return current

    async def _read_onward(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._word.wait(), _LOOK_EVERY_S)
            self._word.clear()
            try:
                await self._look()
            except StoreUnavailable as fault:
                log.warning("the feed waits: %s", fault)
                await asyncio.sleep(_RECONNECT_S)
            except Exception:  # the follower of a whole process must outlive any one fault
                log.exception("the feed stumbled")
                await asyncio.sleep(_RECONNECT_S)

    async def _look(self) -> None:
        changed = list(dict.fromkeys(entry.job_id for entry in await asyncio.to_thread(self._feed.read)))
        self._forget_stale()
        watched = [job_id for job_id in changed if job_id in self._watchers]
        if not watched:
            return
        found = {job.id: job for job in await asyncio.to_thread(self._store.get_many, watched)}
        for job_id in watched:
            for watcher in self._watchers.get(job_id, ()):
                watcher.job = found.get(job_id)
                watcher.gone = watcher.job is None
                watcher.changed.set()

    async def _listen(self) -> None:
        while True:
            client = redis.asyncio.Redis.from_url(self._broker_url, decode_responses=True, socket_connect_timeout=2)
            try:
                async with client.pubsub() as channels:
                    await channels.subscribe(CHANGED, PROGRESS, PRESENCE)
                    self.broker_up = True
                    self._word.set()  # whatever was said while we were not listening
                    await self._hear_all(channels)
            except (*BROKER_FAULTS, TimeoutError) as fault:
                if self.broker_up:
                    log.warning("the bus is away: %s", fault)
                self.broker_up = False
            finally:
                with suppress(Exception):
                    await asyncio.wait_for(client.aclose(), 1.0)
            await asyncio.sleep(_RECONNECT_S)

    async def _hear_all(self, channels: Any) -> None:
        """Raises: TimeoutError when the broker is silent even when asked."""
        asked = False
        while True:
            message = await channels.get_message(timeout=_SILENCE_S)
            if message is None and asked:
                raise TimeoutError("the broker does not answer")
            asked = message is None
            if message is None:
                await asyncio.wait_for(channels.ping(), _SILENCE_S)
            elif message["type"] == "message":
                self._hear(message["channel"], message["data"])

    def _hear(self, channel: str, text: str) -> None:
        if channel == CHANGED:
            self._word.set()
            return
        try:
            word = json.loads(text)
            if channel == PROGRESS:
                self._note(Progress(**word))
            elif channel == PRESENCE:
                self._workers[word["worker"]] = (word, time.monotonic())
        except (ValueError, TypeError, KeyError):
            log.warning("not understood on %s: %.100r", channel, text)

    def _note(self, progress: Progress) -> None:
        """Under one `seq` progress only grows, also when a batch begins anew in halves."""
        known = self.progress_of(progress.job_id)
        if known is None or (known.seq, known.fraction) <= (progress.seq, progress.fraction):
            self._progress[progress.job_id] = (progress, time.monotonic())

    def _forget_stale(self) -> None:
        now = time.monotonic()
        self._progress = {k: v for k, v in self._progress.items() if v[1] > now - _STALE_PROGRESS_S}
        self._workers = {k: v for k, v in self._workers.items() if v[1] > now - _STALE_WORKER_S}
