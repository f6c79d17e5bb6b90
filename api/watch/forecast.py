"""The forecast: positions and times of arrival of unfinished jobs, made anew at most once a second, and only
while somebody watches or asks."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.watch.follower import Follower
from api.watch.hearing import Hearing
from jobs.errors import StoreUnavailable
from jobs.forecast import Pace, Running, forecast
from jobs.values import Job, Place, Status
from models.catalog import Catalog
from storage.claiming.backlog import Backlog, read_backlog
from storage.engine import Database

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_WAITING_MOST = 5_000  # jobs further back than this have no place yet
_TOLD_MOST = 100  # of those that moved up, so many at the head of the queue are told
_WORTH_TELLING_S = 2.0
_CHEAP_S = 0.02  # a forecast for a job that is new in the queue is made at once while it costs no more,
_COST_SHARE = 20.0  # and else may take this part of the time


class Forecast:
    """Owned by one API process."""

    def __init__(self, database: Database, catalog: Catalog, hearing: Hearing, follower: Follower) -> None:
        self._database = database
        self._hearing = hearing
        self._follower = follower
        self._batch_most = {entry.full_name: entry.batch.max for entry in catalog.entries()}
        self._paces: dict[str, Pace] = {}
        self._places: dict[str, Place] = {}
        self._made_at = self._told_at = self._cost_s = 0.0
        self._making = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="forecast")

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, job: Job) -> None:
        """Have a place for this job, where there can be one."""
        age = time.monotonic() - self._made_at
        old = _EVERY_S if job.id in self._places else min(_EVERY_S, _COST_SHARE * max(0.0, self._cost_s - _CHEAP_S))
        if not job.final and age > old:
            await self._make()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            if any(view.job.status in (Status.QUEUED, Status.RUNNING) for view in self._follower.watched()):
                try:
                    await self._make()
                except Exception:  # one forecast that stumbles must not be the last one
                    log.exception("the forecast stumbled")

    async def _make(self) -> None:
        asked_at = time.monotonic()
        async with self._making:
            if self._made_at > asked_at:  # somebody made one while we waited
                return
            try:
                backlog = await asyncio.to_thread(read_backlog, self._database, _WAITING_MOST)
                places = await asyncio.to_thread(self._forecast, backlog, self._hearing.workers())
            except StoreUnavailable as fault:
                log.debug("no forecast: %s", fault)
                return
            self._made_at = time.monotonic()
            self._cost_s = self._made_at - asked_at
            self._tell(places)

    def _forecast(self, backlog: Mapping[str, Backlog], workers: Sequence[dict[str, Any]]) -> dict[str, Place]:
        for word in workers:
            self._paces.update({model: (pace[0], pace[1], pace[2]) for model, pace in word.get("paces", {}).items()})
        places: dict[str, Place] = {}
        for queue, jobs in backlog.items():
            crew = [word["worker"] for word in workers if queue in word["queues"]]
            running = [self._with_progress(job) for job in jobs.running]
            places |= forecast(jobs.waiting, running, crew, self._paces, self._batch_most)
        return places

    def _with_progress(self, job: Running) -> Running:
        progress = self._hearing.progress_of(job.job_id)
        return replace(job, fraction=progress.fraction) if progress and progress.seq == job.seq else job

    def _tell(self, places: dict[str, Place]) -> None:
        """Whoever moved up near the head of the queue is worth a frame, now and then."""
        told: list[str] = []
        if time.monotonic() - self._told_at >= _WORTH_TELLING_S:
            self._told_at = time.monotonic()
            told = [
                job_id
                for job_id, place in places.items()
                if place.position and place.position <= _TOLD_MOST and place.position != self._told_position(job_id)
            ]
        self._places = places
        self._follower.take_places(places, told)

    def _told_position(self, job_id: str) -> int | None:
        view = self._follower.known(job_id)
        return view.place.position if view and view.place else None
