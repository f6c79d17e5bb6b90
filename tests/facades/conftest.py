"""One stack for all of these tests, and the two clients."""

from collections.abc import Iterator

import openai
import pytest
import replicate

from tests.hooks import SETTINGS
from tests.stacks import RunningStack, running_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("facades") / "data", **SETTINGS) as stack:
        yield stack


@pytest.fixture
def theirs(stack: RunningStack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.url}/openai/v1", api_key="any", timeout=120) as client:
        yield client


@pytest.fixture
def replicated(stack: RunningStack) -> Iterator[replicate.Client]:
    client = replicate.Client(base_url=f"{stack.url}/replicate", api_token="any")
    yield client
    client._client.close()
