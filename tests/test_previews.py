"""Previews on their way: from a real run over a real broker to who watches, and to nobody else."""

import asyncio
import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, TypeVar

import psutil
import pytest
import redis
from PIL import Image

from jobs.values import Job
from models.diffusion import DiffusersRunner
from models.runner import NO_PREVIEWS, Previews, Request, Result
from storage.bus import Bus, Errands
from storage.engine import Database
from storage.media.previews import MOST_BYTES, WATCH_TTL_S, PreviewReader, PreviewWriter
from storage.migrations import upgrade
from tests.houses import House
from tests.servers import Broker, running_broker, wait_until
from tests.test_pipeline import OTHER, PROMPT, shipped
from workers.attempts.lease import Lease
from workers.attempts.steps import Steps

AnySteps = TypeVar("AnySteps", bound=Steps)


class Bench:
    """A worker's way to the broker, with claimed jobs in hand; and a look into the broker from beside."""

    def __init__(self, broker: Broker, database: Database, runner: DiffusersRunner) -> None:
        self.broker = broker
        self.client = redis.Redis.from_url(broker.url)
        self.errands = Errands("test")
        self.previews = PreviewWriter(broker.url, self.errands)
        self.jobs = [self._claimed(House(database)) for _ in range(2)]
        self._bus = Bus(broker.url, self.errands)
        self._house = House(database)
        self._runner = runner

    def close(self) -> None:
        self.errands.close()
        self.client.close()

    def steps(self, kind: type[AnySteps] = Steps) -> AnySteps:
        lease = Lease(self._house.claims, self.jobs, lease_s=600.0, heartbeat_s=1.0, draining=threading.Event())
        return kind(self._bus, self.previews, self.jobs, lease)

    def run(self, steps: Steps, denoising_steps: int = 30) -> list[Result]:
        inputs = [{"prompt": prompt, "steps": denoising_steps} for prompt in (PROMPT, OTHER)]
        return self._runner.generate([Request(shipped().resolve(one), 7, 1) for one in inputs], steps)

    def ask(self, call: Callable[[PreviewReader], Coroutine[Any, Any, Any]]) -> Any:
        return on_reader(self.broker.url, call)

    def settle(self) -> None:
        """Wait until every errand so far is done."""
        done = threading.Event()
        self.errands.add(done.set)
        assert done.wait(60)

    def keys(self, kind: str) -> set[str]:
        return {key.decode().split(":")[-1] for key in self.client.scan_iter(f"safelight:{kind}:*")}

    def _claimed(self, house: House) -> Job:
        house.submit()
        return house.claim_one()


def on_reader(url: str, call: Callable[[PreviewReader], Coroutine[Any, Any, Any]]) -> Any:
    async def asked() -> Any:
        reader = PreviewReader(url)
        try:
            return await call(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())


@pytest.fixture(scope="module")
def runner() -> DiffusersRunner:
    return DiffusersRunner(shipped(), "cpu")


@pytest.fixture
def bench(tmp_path: Any, runner: DiffusersRunner) -> Iterator[Bench]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(database)
    with running_broker("valkey", tmp_path) as broker, contextlib.closing(Bench(broker, database, runner)) as bench:
        yield bench
    database.close()


def test_of_a_batch_only_the_member_that_is_watched_has_a_preview(bench: Bench) -> None:
    mine, theirs = (job.id for job in bench.jobs)
    bench.ask(lambda reader: reader.want([mine]))
    with bench.steps() as steps:
        bench.run(steps)
    bench.settle()
    assert bench.keys("preview") == {mine}
    assert_small_jpeg(bench.ask(lambda reader: reader.get(mine)))
    assert bench.ask(lambda reader: reader.get(theirs)) is None


def assert_small_jpeg(jpeg: bytes) -> None:
    with Image.open(io.BytesIO(jpeg)) as image:
        image.load()
        assert (image.format, image.size) == ("JPEG", (128, 128))
    assert len(jpeg) < 8192


def test_while_nobody_watches_the_broker_holds_no_preview_at_all(bench: Bench) -> None:
    with bench.steps() as steps:
        bench.run(steps)
    bench.settle()
    assert not bench.keys("preview")


def test_who_watches_everything_watches_every_member(bench: Bench) -> None:
    bench.ask(lambda reader: reader.want_all())
    with bench.steps() as steps:
        bench.run(steps)
    bench.settle()
    assert bench.keys("preview") == {job.id for job in bench.jobs}


def test_who_begins_to_watch_in_the_middle_is_noticed_and_who_leaves_is_forgotten(bench: Bench) -> None:
    with bench.steps() as steps:
        bench.settle()
        assert not steps.viewers()
        bench.ask(lambda reader: reader.want([bench.jobs[1].id]))
        wait_until(lambda: list(steps.viewers()) == [1], "the watcher is noticed")
        bench.client.flushall()
        wait_until(lambda: not steps.viewers(), "the watcher is forgotten")


def test_a_member_that_is_not_wanted_any_more_is_not_shown(bench: Bench) -> None:
    bench.ask(lambda reader: reader.want_all())
    with bench.steps() as steps:
        wait_until(lambda: list(steps.viewers()) == [0, 1], "the watcher is noticed")
        steps._lease._canceled.add(bench.jobs[0].id)
        assert list(steps.viewers()) == [1]


def test_a_preview_and_the_wish_for_it_are_kept_for_a_while_only(bench: Bench) -> None:
    job = bench.jobs[0].id
    bench.ask(lambda reader: reader.want([job]))
    assert 0 < bench.client.ttl(f"safelight:watched:{job}") <= WATCH_TTL_S
    bench.previews.put(job, b"a picture")
    bench.settle()
    assert 60 < bench.client.ttl(f"safelight:preview:{job}") <= 120
    bench.previews.fade([job])
    bench.settle()
    assert 0 < bench.client.ttl(f"safelight:preview:{job}") <= 10


def test_the_last_preview_of_an_attempt_fades_with_it(bench: Bench) -> None:
    bench.ask(lambda reader: reader.want_all())
    with bench.steps() as steps:
        steps.step(1, 9, {0: b"a picture"})
        bench.settle()
        assert bench.client.ttl(f"safelight:preview:{bench.jobs[0].id}") > 60
    bench.settle()
    assert bench.client.ttl(f"safelight:preview:{bench.jobs[0].id}") <= 10


def test_a_preview_that_is_too_large_is_dropped(bench: Bench) -> None:
    job = bench.jobs[0].id
    bench.previews.put(job, b"." * (MOST_BYTES + 1))
    bench.settle()
    assert not bench.keys("preview")


def test_progress_tells_of_the_newest_preview_also_at_the_steps_after_it(bench: Bench) -> None:
    first, other = (job.id for job in bench.jobs)
    with bench.client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("safelight:progress")
        with bench.steps() as steps:
            steps.step(1, 9)
            steps.step(2, 9, {0: b"a picture"})  # at once, however lately progress was told
            steps.step(9, 9)
        heard: list[dict[str, Any]] = []
        wait_until(lambda: len(hear(channel, heard)) == 6, "all progress is heard")
    told = {
        job: [(word["step"], word["preview"]) for word in heard if word["job_id"] == job] for job in (first, other)
    }
    assert told == {first: [(1, None), (2, 2), (9, 2)], other: [(1, None), (2, None), (9, None)]}


def hear(channel: Any, heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if message := channel.get_message(timeout=0.1):
        heard.extend(json.loads(message["data"]))
    return heard


def test_one_wish_for_a_thousand_jobs_is_one_command(bench: Bench) -> None:
    ids = [f"job-{number}" for number in range(1000)]
    before = commands(bench)
    bench.ask(lambda reader: reader.want(ids))
    assert commands(bench).get("eval", 0) - before.get("eval", 0) == 1
    assert bench.keys("watched") == set(ids)
    answers: list[set[str]] = []
    bench.previews.ask([*ids[:3], "another"], answers.append)
    bench.settle()
    assert answers == [set(ids[:3])]


def commands(bench: Bench) -> dict[str, int]:
    return {name.removeprefix("cmdstat_"): told["calls"] for name, told in bench.client.info("commandstats").items()}


class Timed(Steps):
    """Knows how long the denoising thread was ever kept."""

    longest_s = 0.0

    def viewers(self) -> Collection[int]:
        return self._noting(super().viewers)

    def step(self, step: int, steps: int, previews: Previews = NO_PREVIEWS) -> None:
        self._noting(lambda: super(Timed, self).step(step, steps, previews))

    def _noting(self, call: Callable[[], Any]) -> Any:
        began = time.monotonic()
        try:
            return call()
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began)


def test_a_broker_that_freezes_holds_up_no_step_and_ends_the_previews(bench: Bench) -> None:
    bench.ask(lambda reader: reader.want_all())
    with bench.steps(Timed) as steps:
        wait_until(lambda: list(steps.viewers()) == [0, 1], "the watcher is noticed")
        with frozen(bench.broker):
            bench.run(steps, 20)
            for step in range(3):  # a runner whose every step has previews to show
                steps.step(step, 1_000, dict.fromkeys((0, 1), b"." * 5_000))
            wait_until(lambda: not steps.viewers(), "nobody is known to watch")
    assert steps.longest_s < 1.0, "a single wait for the broker would have taken two seconds"


@contextlib.contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    assert broker.process
    server = psutil.Process(broker.process.pid)
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def test_a_reader_does_not_wait_for_a_broker_that_is_frozen_or_away(bench: Bench) -> None:
    async def ask_often(reader: PreviewReader) -> list[bytes | None]:
        await reader.want(["a"])
        return await asyncio.gather(*(reader.get("a") for _ in range(40)))

    with frozen(bench.broker):
        started = time.monotonic()
        assert bench.ask(ask_often) == [None] * 40
        assert time.monotonic() - started < 10
    bench.broker.stop()
    assert bench.ask(ask_often) == [None] * 40


def test_readers_and_writers_agree_on_any_broker(broker: Broker) -> None:
    errands = Errands("test")
    writer = PreviewWriter(broker.url, errands)
    answers: list[set[str]] = []
    writer.put("a", b"\xff\xd8\x00a picture")
    on_reader(broker.url, lambda reader: reader.want(["a", "b"]))
    writer.ask(["a", "b", "c"], answers.append)
    wait_until(lambda: answers == [{"a", "b"}], "the broker has answered")
    assert on_reader(broker.url, lambda reader: reader.get("a")) == b"\xff\xd8\x00a picture"
    assert on_reader(broker.url, lambda reader: reader.get("c")) is None
    writer.ask(["c"], answers.append)
    wait_until(lambda: answers == [{"a", "b"}, {"c"}], "who asks for a preview watches")
    errands.close()
