"""Fixtures that start real servers. What a machine lacks is skipped loudly at home and fails in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.engine import Database
from storage.migrations import upgrade
from tests.receivers import Receiver
from tests.servers import Broker, PostgresServer, broker_binary, new_postgres_database, running_broker
from tests.stacks import RunningStack, running_stack


def lacking(what: str) -> None:
    """Skip at home; fail in CI, where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"CI lacks {what}")
    pytest.skip(f"THIS MACHINE LACKS {what}: the test did not run")


@pytest.fixture
def anyio_backend() -> str:
    """What `async def` tests marked anyio run on."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with PostgresServer() as server:
        yield server.server_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database of each kind."""
    if request.param == "postgresql":
        return new_postgres_database(request.getfixturevalue("postgres"))
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    database = Database(url)
    upgrade(database)
    database.close()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(params=["valkey", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A broker of one's own, embedded Valkey and the machine's redis-server."""
    if broker_binary(request.param) is None:
        lacking("redis-server")
    with running_broker(request.param, tmp_path) as broker:
        yield broker


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests that leave it as they found it."""
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as stack:
        yield stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server on loopback that accepts everything and keeps it."""
    with Receiver() as receiver:
        yield receiver
