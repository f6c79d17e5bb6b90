"""A courier's desk, a client and a worker at one database, for tests of batches without processes."""

import json
import threading
from pathlib import Path
from typing import Any

from config.settings import read_settings
from jobs import lifecycle
from jobs.batches import Batch
from jobs.files import BATCH_INPUT
from jobs.identity import new_file_id
from jobs.values import Fault, Job, Output
from models.catalog import read_catalog
from storage.batches.file_folder import FileFolder
from storage.batches.files import Files
from storage.batches.store import Batches, Wanted
from storage.bus import Bus, Errands
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.store import JobStore
from workers.batches.desk import BatchDesk
from workers.queue import Doorbell, build_celery

TENANT = "default"
BROKEN = Fault("model_error", "It broke.", retryable=False)


def line(number: int, **given: Any) -> dict[str, Any]:
    body = {"model": "noop", "input": {"prompt": f"line {number}", **given}}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/jobs", "body": body}


class House:
    """Who has to do with batches. Nobody hears the bell: tests look by themselves."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.database = database
        self.settings = read_settings(
            data_dir=folder,
            database_url=database.url,
            broker_url="redis://127.0.0.1:1/0",
            diagnostics=True,
            **settings,
        )
        self.files = Files(database)
        self.folder = FileFolder(self.settings.files_folder)
        self.batches = Batches(database)
        self.store = JobStore(database)
        self.claims = Claims(database)
        errands = Errands("errands")
        doorbell = Doorbell(build_celery(self.settings), errands)
        catalog = read_catalog(diagnostics=True)
        bus = Bus(self.settings.broker_url, errands)
        self.desk = BatchDesk(self.settings, database, catalog, doorbell, bus, threading.Event())

    def bring(self, text: bytes, purpose: str = BATCH_INPUT) -> str:
        """A file of these bytes; its id."""
        file_id = new_file_id()
        with self.folder.draft() as draft:
            draft.write(text)
            draft.publish(file_id)
        return self.files.add(file_id, TENANT, purpose, "lines.jsonl", len(text), None).id

    def begin(self, lines: list[Any] | bytes, **given: Any) -> Batch:
        text = lines if isinstance(lines, bytes) else b"".join(json.dumps(one).encode() + b"\n" for one in lines)
        values = {
            "tenant": TENANT,
            "endpoint": "/v1/jobs",
            "input_file_id": self.bring(text),
            "completion_window": "24h",
            "window_s": 86_400,
            "metadata": {},
            "keep_s": None,
            "origin": "http://here",
            "body_hash": "hash",
        }
        return self.batches.create(Wanted(**values | given))

    def look(self, batch: Batch) -> Batch:
        return self.batches.get(batch.id, TENANT)

    def turn(self) -> bool:
        """A courier's turn, without the pause before it, and without that for a courier who died."""
        with self.database.writing() as connection:
            due = "UPDATE batches SET due_at = created_at, lease_until = NULL WHERE due_at IS NOT NULL"
            connection.exec_driver_sql(due)
        return self.desk.turn()

    def work(self, most: int = 10_000) -> list[Job]:
        """A worker's day: jobs are done, those that say so fail."""
        jobs = self.claims.claim("default", "w", 60.0, lambda _: 0)
        done: list[Job] = []
        while jobs and len(done) < most:
            done += [job for job in self.claims.conclude([_ending(job) for job in jobs]) if job]
            jobs = self.claims.claim("default", "w", 60.0, lambda _: 0) if len(done) < most else []
        return done

    def run(self, batch: Batch) -> Batch:
        """Turns and work until it has ended."""
        for _ in range(200):
            batch = self.look(batch)
            if batch.final:
                return batch
            self.turn()
            self.work()
        raise AssertionError(f"never ends: {batch}")

    def answers(self, file_id: str | None) -> list[dict[str, Any]]:
        """The lines of a file of results."""
        if file_id is None:
            return []
        path = self.folder.find(file_id)
        assert path, "the bytes of a file are there when its row is"
        assert path.stat().st_size == self.files.get(file_id, TENANT).bytes
        return [json.loads(raw) for raw in path.read_bytes().splitlines()]


def _ending(job: Job) -> Ending:
    if job.input.get("fail"):
        return Ending(job.id, job.fence, lambda current, now: lifecycle.fail(current, BROKEN, now))
    output = Output(f"{'ab' * 32}.png", "ab" * 32, "image/png", 7, 8, 8, None, 1)
    return Ending(job.id, job.fence, lambda current, now: lifecycle.succeed(current, [output], now))
