"""What previews cost a batch: the same pictures drawn for jobs that somebody watches and for jobs that nobody
does, in turn, with everything that stands between the pipeline and the broker. On one thread of torch, so that
CPU seconds of the process tell what the clock on a busy machine hides."""

import asyncio
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from jobs.identity import new_job_id
from jobs.values import Job, Priority, Submission
from models.catalog import read_catalog
from models.loading import LoadedModels
from models.runner import NO_PREVIEWS, Previews, Request, Runner
from storage.bus import Bus, Errands
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.media.previews import PreviewReader, PreviewWriter
from storage.migrations import upgrade
from tests.servers import running_broker
from workers.attempts.lease import Lease
from workers.attempts.steps import Steps

_SETTINGS = ((1, 8, 40), (1, 50, 10), (8, 8, 12))  # pictures in the batch, denoising steps, rounds
_PROMPT = "a red sun over purple mountains by the sea at dusk"


def run() -> None:
    """Print the median of each pair's ratio, over pairs in random order."""
    with tempfile.TemporaryDirectory() as folder, running_broker("valkey", Path(folder)) as broker:
        database = Database(f"sqlite:///{folder}/jobs.db")
        upgrade(database)
        entry = read_catalog().find("scenes")
        runner, _ = LoadedModels("cpu", torch_threads=1).take(entry)
        for batch, steps, rounds in _SETTINGS:
            requests = [Request(entry.resolve({"prompt": _PROMPT, "steps": steps}), seed, 1) for seed in range(batch)]
            house = _House(database, broker.url, runner, requests)
            print(f"  batch of {batch}, {steps} steps: {house.compare(rounds)}")
        database.close()


class _Counted(Steps):
    made = 0

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        self.made += len(previews)
        super().step(step, steps, previews)


class _House:
    """Two batches of the same requests, claimed: one that is watched and one that is not."""

    def __init__(self, database: Database, broker_url: str, runner: Runner, requests: Sequence[Request]) -> None:
        self._claims = Claims(database)
        self._url = broker_url
        self._runner = runner
        self._requests = requests
        self._errands = Errands("bench")
        self._bus = Bus(broker_url, self._errands)
        self._previews = PreviewWriter(broker_url, self._errands)
        self._made = 0
        self._watched, self._unwatched = ([self._claim(JobStore(database)) for _ in requests] for _ in range(2))

    def compare(self, rounds: int) -> str:
        self._time(self._watched)
        self._time(self._unwatched)
        self._made = 0
        ratios = []
        for _ in range(rounds):
            pair = [self._watched, self._unwatched]
            random.shuffle(pair)
            took = {id(jobs): self._time(jobs) for jobs in pair}
            (watched_s, watched_cpu), (clock_s, cpu) = took[id(self._watched)], took[id(self._unwatched)]
            ratios.append((watched_s / clock_s, watched_cpu / cpu, clock_s))
        self._errands.close()
        clock, cpu, alone = (statistics.median(each) for each in zip(*ratios, strict=True))
        made = self._made / rounds
        return f"watched ÷ unwatched {clock:.3f} by the clock ({alone:.2f} s), {cpu:.3f} in CPU, {made:.1f} previews"

    def _time(self, jobs: Sequence[Job]) -> tuple[float, float]:
        """Seconds by the clock, and in CPU with what the background did for it."""
        if jobs is self._watched:
            asyncio.run(self._want())
        lease = Lease(self._claims, jobs, lease_s=3600, heartbeat_s=1, draining=threading.Event())
        with lease, _Counted(self._bus, self._previews, jobs, lease) as steps:
            started, cpu = time.perf_counter(), time.process_time()
            self._runner.generate(self._requests, steps)
            took = time.perf_counter() - started
            self._wait_for_errands()
            cpu = time.process_time() - cpu
        self._made += steps.made
        return took, cpu

    def _wait_for_errands(self) -> None:
        done = threading.Event()
        self._errands.add(done.set)
        done.wait(10)

    async def _want(self) -> None:
        reader = PreviewReader(self._url)
        await reader.want([job.id for job in self._watched])
        await reader.close()

    def _claim(self, store: JobStore) -> Job:
        which = (new_job_id(), "default", "default", "scenes", "1", Priority.INTERACTIVE)
        store.submit([Submission(*which, {"prompt": _PROMPT}, {}, None, 1, 8, 3)])
        (job,) = self._claims.claim("default", "bench", 3600, lambda _: 0)
        return job
