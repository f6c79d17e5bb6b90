"""Who is measured: Safelight and the recipes it is held against, each as real processes with a database and a broker
of its own. And the ceiling, a FastAPI POST that does nothing."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine, create_engine, text

from bench.processes import Measured
from bench.results import OURS
from models.catalog import SHIPPED
from tests.servers import PostgresServer, free_port, new_postgres_database, running_broker
from tests.stacks import SAFELIGHT

_POOLS = {"naive": (), "tuned": ("--pool", "threads", "--without-gossip", "--without-mingle")}

# The recipes store no result. So Safelight's jobs all give the same bytes, stored once; or, to be told apart, each
# gives its own, synced to the disk.
_SAME = json.dumps({"model": "noop", "input": {"prompt": "a bench", "seed": 7}}).encode()
OWN_BYTES = json.dumps({"model": "noop", "input": {"prompt": "a bench"}}).encode()
STORING = f"{OURS}, storing each picture"

SQLITE, POSTGRESQL = DATABASES = ("SQLite", "PostgreSQL")


class Contestant(Protocol):
    """Something that takes POSTs."""

    url: str  # to POST to
    body: bytes
    api: Measured

    def open(self) -> None: ...

    def stop(self) -> None: ...


One = TypeVar("One", bound=Contestant)


class Queued:
    """A contestant that writes what it was given into a table, and has workers."""

    table: str

    def __init__(self, folder: Path, database_url: str, broker_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.broker_url = broker_url
        self.port = free_port()
        self.engine: Engine = create_engine(database_url)
        self.body = _SAME
        self.parts: list[Measured] = []

    def start(self, command: list[str], **environment: str) -> Measured:
        self.parts.append(Measured(command, environment))
        return self.parts[-1]

    def until_drained(self) -> None:
        """Wait until every job is finished."""
        one = f"EXISTS (SELECT 1 FROM {self.table} WHERE status ="
        while self._first(f"SELECT 1 WHERE {one} 'queued') OR {one} 'running')") is not None:
            time.sleep(0.02)

    def stop(self) -> None:
        for part in reversed(self.parts):
            part.stop()
        self.engine.dispose()

    def _first(self, query: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(query)).first()


class Safelight(Queued):
    """API, reaper and worker as `safelight ROLE` starts them, at their defaults."""

    table = "jobs"

    def __init__(self, folder: Path, database_url: str, broker_url: str, *, batch: int = 1) -> None:
        super().__init__(folder, database_url, broker_url)
        self._environment = {
            "SAFELIGHT_DATA_DIR": str(folder),
            "SAFELIGHT_DATABASE_URL": database_url,
            "SAFELIGHT_BROKER_URL": broker_url,
            "SAFELIGHT_DIAGNOSTICS": "1",
            "SAFELIGHT_MAX_QUEUED": "100000000",  # nobody works them off: the bound on the queue would be reached
            "SAFELIGHT_MODELS": str(_shelf(folder, batch)),
        }

    def open(self) -> None:
        command = [SAFELIGHT, "db", "upgrade"]
        subprocess.run(command, env=os.environ | self._environment, check=True, stdout=subprocess.DEVNULL)
        self.api = self.role("api", "--port", str(self.port))
        self.api.until_listening(self.port)
        self.url = f"http://127.0.0.1:{self.port}/v1/jobs"

    def start_worker(self) -> Measured:
        self.role("reaper")
        return self.role("worker")

    def role(self, *words: str) -> Measured:
        return self.start([SAFELIGHT, *words], **self._environment)


class Recipe(Queued):
    """`bench.recipes.naive` or `bench.recipes.tuned`: uvicorn and a Celery worker."""

    table = "recipejob"

    def __init__(self, name: str, folder: Path, database_url: str, broker_url: str) -> None:
        super().__init__(folder, database_url, broker_url)
        self._name = name
        self._environment = {"RECIPE_DATABASE_URL": database_url, "RECIPE_BROKER_URL": broker_url}

    def open(self) -> None:
        quiet = ("--log-level", "critical", "--no-access-log")
        served = (f"bench.recipes.{self._name}:app", "--port", str(self.port), *quiet)
        self.api = self.start([sys.executable, "-m", "uvicorn", *served], **self._environment)
        self.api.until_listening(self.port)
        self.url = f"http://127.0.0.1:{self.port}/jobs"

    def start_worker(self) -> Measured:
        options = ("worker", "--concurrency", "1", "--loglevel", "WARNING", *_POOLS[self._name])
        command = [sys.executable, "-m", "celery", "-A", f"bench.recipes.{self._name}:celery", *options]
        return self.start(command, **self._environment)


class Nothing:
    """The ceiling: FastAPI and uvicorn, and no work at all."""

    body = b"{}"

    def open(self) -> None:
        port = free_port()
        self.api = Measured([sys.executable, "-m", "bench.nothing", str(port)])
        self.api.until_listening(port)
        self.url = f"http://127.0.0.1:{port}/"

    def stop(self) -> None:
        self.api.stop()


@contextlib.contextmanager
def place(server: PostgresServer | None) -> Iterator[tuple[Path, str, str]]:
    """A folder, a database and a broker of one's own: the folder, and the URLs of the two."""
    with tempfile.TemporaryDirectory() as name, running_broker("valkey", Path(name)) as broker:
        url = new_postgres_database(server.server_url) if server else f"sqlite:///{name}/bench.db"
        yield Path(name), url, broker.url


@contextlib.contextmanager
def running(one: One) -> Iterator[One]:
    """Its API, and what else it starts; all ended afterwards."""
    try:
        one.open()
        yield one
    finally:
        one.stop()


@contextlib.contextmanager
def safelight_and_recipes(kind: str, *, batch: int = 1) -> Iterator[dict[str, Safelight | Recipe]]:
    """All three at once, each with databases of this kind; the diagnostic model takes so many jobs at once."""
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(PostgresServer()) if kind == POSTGRESQL else None
        ours, naive, tuned = (opened.enter_context(place(server)) for _ in range(3))
        yield {
            OURS: opened.enter_context(running(Safelight(*ours, batch=batch))),
            "naive": opened.enter_context(running(Recipe("naive", *naive))),
            "tuned": opened.enter_context(running(Recipe("tuned", *tuned))),
        }


def _shelf(folder: Path, batch: int) -> Path:
    """A catalog folder in which the diagnostic model takes so many jobs at once."""
    shelf = folder / "shelf"
    shelf.mkdir()
    words = (SHIPPED / "noop.toml").read_text()
    assert "max = 1\n" in words
    (shelf / "noop.toml").write_text(words.replace("max = 1\n", f"max = {batch}\n"))
    return shelf
