"""Previews of running jobs, and who watches them: small, short-lived, in Redis. No truth: with the broker
away there are none, and nothing else is different."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from storage.bus import BROKER_FAULTS, Errands, connect

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
WATCH_TTL_S = 10  # who watches says so again before this is over

_TTL_S = 120  # outlasts a slow denoising step
_FADE_S = 10  # once the job has ended: for those who were just told of its last preview
_PATIENCE_S = 0.5
_CONNECTIONS = 16
_EVERYTHING = "*"

# A pipeline of a thousand SETs keeps the event loop for 14 ms, this for 1 ms.
_WATCH = "for _, key in ipairs(KEYS) do redis.call('SET', key, 1, 'EX', ARGV[1]) end"


class PreviewWriter:
    """The worker's side. Every call is an errand in the background: nothing here waits or raises."""

    def __init__(self, broker_url: str, errands: Errands) -> None:
        self._client = connect(broker_url)
        self._errands = errands

    def ask(self, job_ids: Collection[str], answer: Callable[[set[str]], None]) -> None:
        """Which of the jobs does somebody watch? `answer` is called from another thread, or never."""
        self._errands.add(lambda: answer(self._watched(job_ids)))

    def put(self, job_id: str, jpeg: bytes) -> None:
        """The newest preview of a job, in place of the one before."""
        if len(jpeg) > MOST_BYTES:
            log.warning("a preview of %d bytes is dropped: %d are allowed", len(jpeg), MOST_BYTES)
            return
        self._errands.add(lambda: self._client.set(_preview_key(job_id), jpeg, ex=_TTL_S))

    def fade(self, job_ids: Collection[str]) -> None:
        """These jobs get no more previews from this attempt: keep the last ones for a moment only, so that
        the broker holds as many as jobs run, however many finish."""
        self._errands.add(lambda: self._fade(job_ids))

    def _watched(self, job_ids: Collection[str]) -> set[str]:
        everything, *each = self._client.mget([_watch_key(_EVERYTHING), *map(_watch_key, job_ids)])
        return {job_id for job_id, watched in zip(job_ids, each, strict=True) if watched or everything}

    def _fade(self, job_ids: Collection[str]) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.expire(_preview_key(job_id), _FADE_S)
            pipeline.execute()


class PreviewReader:
    """The API's side. Waits half a second at most and never raises: no answer is no preview."""

    def __init__(self, broker_url: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            broker_url,
            max_connections=_CONNECTIONS,
            timeout=_PATIENCE_S,
            socket_timeout=_PATIENCE_S,
            socket_connect_timeout=_PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._client = redis.asyncio.Redis.from_pool(pool)

    async def want(self, job_ids: Collection[str]) -> None:
        """Somebody watches these jobs for the next `WATCH_TTL_S` seconds. One command, however many they are."""
        if job_ids:
            keys = map(_watch_key, job_ids)
            await self._patiently(self._client.eval(_WATCH, len(job_ids), *keys, str(WATCH_TTL_S)))

    async def want_all(self) -> None:
        """Somebody watches every job for the next `WATCH_TTL_S` seconds."""
        await self.want([_EVERYTHING])

    async def get(self, job_id: str) -> bytes | None:
        """The newest preview of a job. Who asks for it watches the job, so that the next one will be made."""
        async with self._client.pipeline(transaction=False) as pipeline:
            pipeline.set(_watch_key(job_id), 1, ex=WATCH_TTL_S)
            pipeline.get(_preview_key(job_id))
            answers = await self._patiently(pipeline.execute(raise_on_error=False))
        return answers[1] if answers and isinstance(answers[1], bytes) else None

    async def close(self) -> None:
        await self._client.aclose()

    async def _patiently(self, answer: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await answer
        except (*BROKER_FAULTS, TimeoutError) as fault:
            log.debug("no previews while the broker is away: %s", fault)
            return None


def _preview_key(job_id: str) -> str:
    return f"safelight:preview:{job_id}"


def _watch_key(job_id: str) -> str:
    return f"safelight:watched:{job_id}"
