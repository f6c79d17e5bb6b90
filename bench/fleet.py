"""A fleet in small: many workers on one PostgreSQL and one Valkey, real code from claim to conclusion, `noop` asleep
in place of each GPU. How long jobs wait, who waits, and what the fleet costs its database and its broker.

A worker is a thread here with everything of its own that a process would have (database, broker connections, lease),
but for Celery's consumer: it looks for work again when it has found none, where a real one waits for a bell."""

import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from sqlalchemy import create_engine, event, text

from config.settings import Settings, read_settings
from forms.requests import submission_of
from models.catalog import read_catalog
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.faults.stacks import batching_catalog
from tests.servers import PostgresServer, running_broker
from workers.reaper import Reaper

_BATCH = 4
_GPU_S = 0.4  # of one batch
_LOAD = 0.8  # of what the GPUs could bear
_THREADS = 8  # workers that share a process
_TICK_S = 0.05
_TENANTS = {"heavy": 0.9, "light": 0.1}
_INTERACTIVE = 0.2
_IDLE_S = 0.05

_WAITS = """
    SELECT tenant, priority, count(*) AS jobs,
           percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
               ORDER BY extract(epoch FROM started_at - created_at)) AS waits
    FROM jobs GROUP BY tenant, priority ORDER BY priority, tenant"""
_WHOLE = """
    SELECT count(*) AS jobs, extract(epoch FROM max(finished_at) - min(created_at)) AS seconds,
           (SELECT count(DISTINCT (worker, started_at)) FROM attempts) AS claims,
           (SELECT count(*) FROM attempts) AS attempts
    FROM jobs WHERE status = 'succeeded'"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Scale:
    workers: int
    jobs: int


SMALL, FULL = Scale(16, 5_000), Scale(64, 100_000)


@dataclass(slots=True)
class Load:
    """What the fleet asked of others, before and after."""

    commits: int = 0
    commands: int = 0
    database_cpu_s: float = 0.0
    connections: int = 0
    workers: dict[str, float] = field(default_factory=dict)


def _allow_connections(server: PostgresServer) -> None:
    """As docs/scaling.md says for so many workers: a busy one has three, and the usual hundred are not enough."""
    engine = create_engine(server.server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET max_connections = 300"))
    engine.dispose()
    server.stop()
    server.start()


def run(full: bool = False) -> None:
    """Print what came of it."""
    scale = FULL if full else SMALL
    with tempfile.TemporaryDirectory() as name, PostgresServer() as server:
        folder = Path(name)
        _allow_connections(server)
        with running_broker("valkey", folder) as broker:
            settings = read_settings(
                data_dir=folder,
                diagnostics=True,
                database_url=server.url,
                broker_url=broker.url,
                models=str(batching_catalog(folder / "catalog", most=_BATCH)),
            )
            database = Database(settings.database)
            _measure(scale, settings, database, psutil.Process(server.pid))
            database.close()


def _measure(scale: Scale, settings: Settings, database: Database, server: psutil.Process) -> None:
    with _crews(scale, settings) as told, _reaping(settings):
        before = _look(settings, database, server)
        _submit(scale, settings, JobStore(database))
        after = _look(settings, database, server)
        while _unfinished(database):
            time.sleep(0.2)
            after.connections = max(after.connections, _number(database, _CONNECTIONS))
        connections, after = after.connections, _look(settings, database, server)
        after.connections = max(connections, after.connections)
    for word in iter(told.get, None):
        for name, value in word.items():
            after.workers[name] = after.workers.get(name, 0.0) + value
    _tell(scale, database, before, after)


def _submit(scale: Scale, settings: Settings, store: JobStore) -> None:
    """At a steady rate, in small groups as the API's group commit makes them."""
    catalog = read_catalog(settings.models, diagnostics=True)
    chance, rate = random.Random(5), _LOAD * scale.workers * _BATCH / _GPU_S
    began, sent = time.monotonic(), 0
    while sent < scale.jobs:
        due = min(scale.jobs, int((time.monotonic() - began) * rate))
        some = [_order(chance) for _ in range(min(128, due - sent))]
        if some:
            store.submit(
                [
                    submission_of(body, catalog, tenant=tenant, max_attempts=3, idempotency_key=None)
                    for tenant, body in some
                ]
            )
            sent += len(some)
        else:
            time.sleep(_TICK_S)


def _order(chance: random.Random) -> tuple[str, dict[str, Any]]:
    (tenant,) = chance.choices(list(_TENANTS), list(_TENANTS.values()))
    priority = "interactive" if chance.random() < _INTERACTIVE else "batch"
    given = {"prompt": "a fleet", "duration_s": _GPU_S, "steps": 4}
    return tenant, {"model": "noop", "input": given, "priority": priority}


@contextmanager
def _crews(scale: Scale, settings: Settings) -> Iterator[Any]:
    """The workers, in processes; what they did can be read from the queue afterwards, and ends with None."""
    context = multiprocessing.get_context("spawn")
    stopping, ready, told = context.Event(), context.Semaphore(0), context.Queue()
    crews = [
        context.Process(target=work, args=(settings, number, min(_THREADS, scale.workers), stopping, ready, told))
        for number in range(max(1, scale.workers // _THREADS))
    ]
    for crew in crews:
        crew.start()
    for _ in crews:
        assert ready.acquire(timeout=120), "a crew did not come up"
    try:
        yield told
    finally:
        stopping.set()
        for crew in crews:
            crew.join(60)
        told.put(None)


def work(settings: Settings, number: int, threads: int, stopping: Any, ready: Any, told: Any) -> None:
    """One process: so many workers."""
    from workers.process import Worker

    statements = [0] * threads
    workers = [Worker(settings, ["default"], f"worker-{number}-{one}", None) for one in range(threads)]
    for index, worker in enumerate(workers):
        event.listen(worker.database.engine, "before_cursor_execute", _counter(statements, index))
    crew = [threading.Thread(target=_toil, args=(worker, stopping)) for worker in workers]
    for thread in crew:
        thread.start()
    ready.release()
    began = time.process_time()
    for thread in crew:
        thread.join()
    told.put({"statements": float(sum(statements)), "cpu_s": time.process_time() - began})


def _toil(worker: Any, stopping: Any) -> None:
    from workers.attempts.attempt import work_off

    while not stopping.is_set():
        if not work_off(worker.bench, "default"):
            stopping.wait(_IDLE_S)
    worker.errands.close()
    worker.database.close()


def _counter(statements: list[int], index: int) -> Any:
    def count(*_: object) -> None:
        statements[index] += 1

    return count


@contextmanager
def _reaping(settings: Settings) -> Iterator[None]:
    stopping, reaper = threading.Event(), Reaper(settings)

    def reap() -> None:
        while not stopping.wait(settings.reap_every_s):
            reaper.round()

    thread = threading.Thread(target=reap)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        reaper.close()


def _look(settings: Settings, database: Database, server: psutil.Process) -> Load:
    with redis.Redis.from_url(settings.broker_url) as client:
        commands = int(client.info("stats")["total_commands_processed"])
    return Load(_number(database, _COMMITS), commands, _cpu_s(server), _number(database, _CONNECTIONS))


def _cpu_s(server: psutil.Process) -> float:
    """Of the server and all its backends, those that have ended too."""
    times = [process.cpu_times() for process in (server, *server.children())]
    return sum(one.user + one.system for one in times) + times[0].children_user + times[0].children_system


def _unfinished(database: Database) -> int:
    return _number(database, "SELECT count(*) FROM jobs WHERE status IN ('queued', 'running')")


def _number(database: Database, query: str) -> int:
    with database.reading() as connection:
        return int(connection.execute(text(query)).scalar_one())


def _rows(database: Database, query: str) -> list[Mapping[str, Any]]:
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def _tell(scale: Scale, database: Database, before: Load, after: Load) -> None:
    (whole,) = _rows(database, _WHOLE)
    jobs, seconds, claims = int(whole["jobs"]), float(whole["seconds"]), int(whole["claims"])
    commits = after.commits - before.commits
    assert jobs == scale.jobs == whole["attempts"], whole
    busy = claims * _GPU_S / (seconds * scale.workers)
    offered = _LOAD * scale.workers * _BATCH / _GPU_S
    print(f"  {scale.workers} workers, {jobs} jobs in {seconds:.1f} s, each run once: {jobs / seconds:.0f} jobs/s")
    print(f"    offered {offered:.0f}/s; GPUs busy {busy:.0%}; {jobs / claims:.2f} of {_BATCH} jobs a batch")
    for row in _rows(database, _WAITS):
        waits = "  ".join(
            f"{name} {wait:6.2f} s" for name, wait in zip(("p50", "p95", "p99"), row["waits"], strict=True)
        )
        kind = "interactive" if row["priority"] == 0 else "batch"
        print(f"    wait  {kind:<12}{row['tenant']:<6} {row['jobs']:>6} jobs  {waits}")
    print(f"    claims {claims / seconds:.0f}/s  commits {commits / seconds:.0f}/s  connections {after.connections}")
    print(
        f"    a job: {after.workers['statements'] / jobs:.2f} statements of its worker, {commits / jobs:.2f} commits"
    )
    print(f"    a job: {(after.commands - before.commands) / jobs:.1f} commands of Valkey", end="")
    print(f", CPU: database {(after.database_cpu_s - before.database_cpu_s) / jobs * 1e6:.0f} us", end="")
    print(f", workers {after.workers['cpu_s'] / jobs * 1e6:.0f} us")
