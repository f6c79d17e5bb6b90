"""Bytes that no job lists: what a worker stored in vain goes soon, and never what another job may list."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Settings
from jobs import lifecycle
from jobs.identity import new_job_id
from jobs.uploads import Content
from jobs.values import Job, Output, Priority, Submission
from models.runner import Media
from storage.claiming.claims import Claims, Ending
from storage.jobs.orphans import Orphans
from tests.servers import Broker, running_broker, wait_until
from workers.attempts.attempt import Work, conclude
from workers.attempts.lease import Lease
from workers.process import Worker
from workers.reaper import Reaper

PICTURE = b"\x89PNG, or so"


class House:
    """A worker opened by its own composition root, whose process is not started, and what it shares with others."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.worker = Worker(settings, [], "worker", None)
        self.store, self.artifacts = self.worker.jobs, self.worker.bench.artifacts
        self.orphans = Orphans(self.store, self.artifacts)

    def claim(self) -> tuple[Job, Lease]:
        """A job in this worker's hand, with the lease as it learnt of it."""
        which = (new_job_id(), "default", "default", "noop", "1", Priority.INTERACTIVE)
        self.store.submit([Submission(*which, {"prompt": "a"}, {}, None, 1, 1, 3)])
        (job,) = Claims(self.worker.database).claim("default", "worker", 60.0, lambda _: 0)
        lease = Lease(self.worker.claims, [job], lease_s=60.0, heartbeat_s=1.0, draining=threading.Event())
        return job, lease

    def conclude(self, job: Job, lease: Lease, data: bytes = PICTURE) -> str:
        """This worker's word on the job: its result, stored and published if it may. Gives the key of the bytes."""
        work = Work({job.id: [Media(data, "image/png")]}, 0.0, 0.1, "", {})
        conclude(self.worker.bench, [job], work, lease)
        return key_of(data)

    def succeed_elsewhere(self, job: Job, data: bytes) -> None:
        """Another worker takes the job, which this one has lost, and publishes these bytes."""
        Claims(self.worker.database).release("worker")
        (again,) = Claims(self.worker.database).claim("default", "other", 60.0, lambda _: 0)
        assert again.id == job.id
        stored = self.artifacts.put(data, "image/png")
        output = Output(stored.key, stored.sha256, "image/png", stored.bytes)
        ending = Ending(job.id, again.fence, lambda one, now: lifecycle.succeed(one, [output], now))
        assert Claims(self.worker.database).conclude([ending])[0]

    def close(self) -> None:
        self.worker.errands.close()
        self.worker.database.close()


@pytest.fixture(scope="module")
def bell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker("valkey", tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def house(database_url: str, bell: Broker, tmp_path: Path) -> Iterator[House]:
    opened = House(
        Settings(data_dir=tmp_path / "data", database_url=database_url, broker_url=bell.url, diagnostics=True)
    )
    yield opened
    opened.close()


def key_of(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()}.png"


def is_aside(house: House, key: str) -> bool:
    return key in {path.name for path in house.artifacts.aside(-1)}


def test_bytes_of_a_refused_conclusion_are_set_aside_at_once_and_gone_after_the_grace(house: House) -> None:
    job, lease = house.claim()
    house.succeed_elsewhere(job, b"another picture")
    key = house.conclude(job, lease)
    assert is_aside(house, key)
    house.orphans.clear(3600)
    assert house.artifacts.find(key), "somebody may be about to list them"
    house.orphans.clear(-1)
    assert house.artifacts.find(key) is None
    assert house.artifacts.find(key_of(b"another picture"))


def test_bytes_of_a_refused_conclusion_that_the_winner_lists_stay_where_they_are(house: House) -> None:
    """The same seed makes the same picture: this is the usual case."""
    job, lease = house.claim()
    house.succeed_elsewhere(job, PICTURE)
    key = house.conclude(job, lease)
    assert not is_aside(house, key)
    house.orphans.clear(-1)
    assert house.artifacts.find(key)


def test_bytes_that_another_job_lists_after_they_were_set_aside_are_put_back(house: House) -> None:
    """It had stored them just before, and concludes just after."""
    first, lease = house.claim()
    Claims(house.worker.database).release("worker")
    house.store.cancel(first.id)
    second, _ = house.claim()
    house.artifacts.put(PICTURE, "image/png")
    key = house.conclude(first, lease)
    assert is_aside(house, key)
    output = Output(key, key.removesuffix(".png"), "image/png", len(PICTURE))
    ending = Ending(second.id, second.fence, lambda one, now: lifecycle.succeed(one, [output], now))
    assert house.worker.claims.conclude([ending])[0]
    assert house.artifacts.find(key), "it is served meanwhile"
    house.orphans.clear(-1)
    assert not is_aside(house, key)
    assert house.artifacts.find(key)


def test_a_conclusion_that_is_accepted_sets_nothing_aside(house: House) -> None:
    key = house.conclude(*house.claim())
    assert not is_aside(house, key)
    assert house.store.lists_artifact(key)


def test_a_worker_that_knows_that_it_lost_the_job_stores_nothing(house: House) -> None:
    job, lease = house.claim()
    house.succeed_elsewhere(job, b"another picture")
    with lease:
        lease.look_now(job.id)
        wait_until(lambda: not lease.wants(job.id), "the heartbeat says so")
    assert house.artifacts.find(house.conclude(job, lease)) is None


def test_the_sweep_finds_what_nobody_set_aside_and_takes_nothing_that_is_young_or_listed(house: House) -> None:
    """A worker that was killed between storing and concluding, and one killed while it wrote."""
    listed = house.conclude(*house.claim())
    stored = house.artifacts.put(b"never listed", "image/png").key
    young = house.artifacts.put(b"young", "image/png").key
    part = house.artifacts.folder / stored[:2] / "abandoned.part"
    part.write_bytes(b"half")
    for path in (house.artifacts.find(listed), house.artifacts.find(stored), part):
        assert path is not None
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    reaper = Reaper(house.settings)
    for shelf in range(256):
        reaper.sweep_artifacts(shelf)
    assert is_aside(house, stored)
    assert not part.exists()
    assert not is_aside(house, listed)
    assert not is_aside(house, young)
    reaper.sweep_artifacts(0)
    assert house.artifacts.find(stored), "its grace begins when it is set aside"
    aside = house.artifacts.find(stored)
    assert aside is not None
    os.utime(aside, (time.time() - 7200, time.time() - 7200))
    reaper.sweep_artifacts(0)
    assert house.artifacts.find(stored) is None
    assert house.artifacts.find(listed)
    reaper.close()


def test_what_an_upload_lists_is_swept_once_the_upload_is_gone(house: House) -> None:
    stored = house.artifacts.put(PICTURE, "image/png")
    uploads = house.worker.bench.uploads
    upload = uploads.add("default", None, Content(stored.key, stored.sha256, stored.bytes, "image/png"), 60.0)
    house.orphans.set_aside([stored.key])
    assert not is_aside(house, stored.key)
    uploads.delete(upload.id, "default")
    house.orphans.set_aside([stored.key])
    assert is_aside(house, stored.key)
