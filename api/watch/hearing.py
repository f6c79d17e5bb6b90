"""Hearing: this process's one subscription to the bus. That something changed, how far running jobs are,
which workers are there."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis.asyncio

from jobs.values import Progress
from storage.bus import BROKER_FAULTS, CHANGED, PRESENCE, PROGRESS

log = logging.getLogger(__name__)

_RECONNECT_S = 0.5
_STALE_PROGRESS_S = 120.0
_STALE_WORKER_S = 5.0
_SILENCE_S = 2.5
_TIDY_EVERY_S = 10.0


class Hearing:
    """What was heard, and whether the broker is there at all."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._progress: dict[str, tuple[Progress, float]] = {}
        self._workers: dict[str, tuple[dict[str, Any], float]] = {}
        self._task: asyncio.Task[None] | None = None
        self._tidied_at = 0.0
        self.changed = asyncio.Event()  # something was committed somewhere
        self.on_progress: Callable[[Progress], None] = lambda _progress: None
        self.broker_up = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen(), name="bus")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def progress_of(self, job_id: str) -> Progress | None:
        known = self._progress.get(job_id)
        return known[0] if known else None

    def workers(self) -> list[dict[str, Any]]:
        """What the workers said of themselves in the last few seconds."""
        fresh = time.monotonic() - _STALE_WORKER_S
        return [word for word, at in self._workers.values() if at > fresh]

    async def _listen(self) -> None:
        while True:
            client = redis.asyncio.Redis.from_url(self._broker_url, decode_responses=True, socket_connect_timeout=2)
            try:
                async with client.pubsub() as channels:
                    await channels.subscribe(CHANGED, PROGRESS, PRESENCE)
                    self.broker_up = True
                    self.changed.set()  # whatever was said while we were not listening
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
            self._tidy()

    def _hear(self, channel: str, text: str) -> None:
        if channel == CHANGED:
            self.changed.set()
            return
        try:
            word = json.loads(text)
            if channel == PROGRESS:
                for one in word:
                    self._note(Progress(**one))
            elif channel == PRESENCE:
                self._workers[word["worker"]] = (word, time.monotonic())
        except (ValueError, TypeError, KeyError):
            log.warning("not understood on %s: %.100r", channel, text)

    def _note(self, progress: Progress) -> None:
        """Under one `seq` progress only grows, also when a batch begins anew in halves."""
        known = self.progress_of(progress.job_id)
        if known is None or (known.seq, known.fraction) <= (progress.seq, progress.fraction):
            self._progress[progress.job_id] = (progress, time.monotonic())
            self.on_progress(progress)

    def _tidy(self) -> None:
        now = time.monotonic()
        if now - self._tidied_at < _TIDY_EVERY_S:
            return
        self._tidied_at = now
        self._progress = {k: v for k, v in self._progress.items() if v[1] > now - _STALE_PROGRESS_S}
        self._workers = {k: v for k, v in self._workers.items() if v[1] > now - _STALE_WORKER_S}
