"""Stacks that the tests of faults share: each test leaves its stack mended."""

from collections.abc import Iterator

import pytest

from tests.faults.stacks import batching_catalog, serves
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

QUICK_LEASE_S = 3


@pytest.fixture(scope="package")
def _plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("plain") / "data") as stack:
        yield stack


@pytest.fixture(scope="package")
def _two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("two-workers") / "data"
    with running_stack(folder, "--workers", "2", SAFELIGHT_LEASE_S=str(QUICK_LEASE_S)) as stack:
        yield stack


@pytest.fixture(scope="package")
def _batching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("batching")
    with running_stack(folder / "data", SAFELIGHT_MODELS=str(batching_catalog(folder / "catalog"))) as stack:
        yield stack


@pytest.fixture
def tough_stack(_plain: RunningStack) -> RunningStack:
    """One worker, and the settings that users have."""
    return _mended(_plain)


@pytest.fixture
def two_workers(_two_workers: RunningStack) -> RunningStack:
    """Two workers, and leases of QUICK_LEASE_S seconds."""
    return _mended(_two_workers)


@pytest.fixture
def batching_stack(_batching: RunningStack) -> RunningStack:
    """One worker, and a `noop` of which up to four run in one batch; a step of it hangs after six seconds."""
    return _mended(_batching)


def _mended(stack: RunningStack) -> RunningStack:
    wait_until(lambda: serves(stack), "the stack has recovered from the test before")
    return stack
