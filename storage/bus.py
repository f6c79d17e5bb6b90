"""The bus: short-lived words between processes over Redis. Nothing on it is a truth, so nothing waits for
it: a word is handed to a background thread and lost when the broker is away."""

import json
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.values import Progress

log = logging.getLogger(__name__)

CHANGED = "safelight:changed"  # something was committed: read the feed
PROGRESS = "safelight:progress"  # a JSON list: an object for each job of a batch that took a step
CANCEL = "safelight:cancel"  # a running job was asked to stop: its id
PRESENCE = "safelight:presence"  # a worker says that it is there, and which models it has warm

_TIMEOUT_S = 2.0
_BACKLOG = 2_000

# An error of these kinds says that the broker is away; anything else is a fault of ours.
BROKER_FAULTS = (redis.RedisError, OSError)


def connect(url: str, timeout_s: float = _TIMEOUT_S) -> "redis.Redis":
    """A synchronous client that never waits long and never retries by itself."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


class Errands:
    """A background thread that runs small errands at the broker in order. When the broker is frozen and the
    backlog full, new errands are dropped: every word on the bus is repeated by somebody's next look."""

    def __init__(self, name: str) -> None:
        self._waiting: queue.Queue[Callable[[], object] | None] = queue.Queue(_BACKLOG)
        self._quiet = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, errand: Callable[[], object]) -> None:
        """Never blocks, never raises."""
        try:
            self._waiting.put_nowait(errand)
        except queue.Full:
            self._complain("the backlog is full")

    def close(self, timeout_s: float = 2.0) -> None:
        """Run what waits, for a little while."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (errand := self._waiting.get()) is not None:
            try:
                errand()
                self._quiet = False
            except Exception as fault:  # an announcement must never undo what was committed
                self._complain(str(fault) or type(fault).__name__)

    def _complain(self, reason: str) -> None:
        """Once for each outage, not once for each word."""
        level = logging.DEBUG if self._quiet else logging.WARNING
        self._quiet = True
        log.log(level, "%s: broker errand dropped: %s", self._thread.name, reason)


class Bus:
    """Says words on the bus without waiting."""

    def __init__(self, url: str, errands: Errands) -> None:
        self._client = connect(url)
        self._errands = errands

    def changed(self) -> None:
        self._say(CHANGED, "")

    def cancel(self, job_id: str) -> None:
        self._say(CANCEL, job_id)

    def progress(self, batch: Sequence[Progress]) -> None:
        self._say(PROGRESS, json.dumps([asdict(one) for one in batch]))

    def presence(self, word: dict[str, Any]) -> None:
        self._say(PRESENCE, json.dumps(word))

    def _say(self, channel: str, text: str) -> None:
        self._errands.add(lambda: self._client.publish(channel, text))
