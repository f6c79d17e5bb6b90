"""A batch whose courier, API and worker are killed on the way: each line once in the output, and memory flat."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.stacks import batching_catalog, serves
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow

LINES = 400
FAILING = 100  # every so-manyth line
POINTS = ("batch:taking", "batch:settling", "batch:written")
GROWTH_MOST = 20_000_000  # bytes


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose courier dies once at each of these points, and takes lines in a few at a time."""
    folder = tmp_path_factory.mktemp("mined-batches")
    settings = {
        "SAFELIGHT_MODELS": str(batching_catalog(folder / "catalog", most=8)),
        "SAFELIGHT_DIE_AT": ",".join(POINTS),
        "SAFELIGHT_LEASE_S": "2",
        "SAFELIGHT_BATCH_OUTSTANDING": "60",
    }
    with running_stack(folder / "data", **settings) as stack:
        yield stack


def lines() -> bytes:
    said = []
    for number in range(LINES):
        given = {"prompt": "x", "seed": number} | ({"fail": "error"} if number % FAILING == 0 else {})
        said.append({"custom_id": f"r{number}", "body": {"model": "noop", "input": given}})
    return b"".join(json.dumps(one).encode() + b"\n" for one in said)


def insist(stack: RunningStack, method: str, path: str, **options: Any) -> httpx.Response:
    """What a client does that got no answer: the same again."""
    answers: list[httpx.Response] = []

    def answered() -> bool:
        try:
            answers.append(stack.http.request(method, f"/openai/v1{path}", **options))
        except httpx.HTTPError:
            return False
        return answers[-1].status_code < 500

    wait_until(answered, f"{path} is answered")
    return answers[-1]


def resident(stack: RunningStack, role: str) -> int:
    (process,) = stack.processes(role)
    size: int = process.memory_info().rss
    return size


def test_every_line_of_a_batch_is_in_the_output_once_whoever_is_killed(mined: RunningStack) -> None:
    file = insist(mined, "POST", "/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", lines())}).json()
    body = {"input_file_id": file["id"], "endpoint": "/v1/jobs", "completion_window": "24h"}
    batch = insist(mined, "POST", "/batches", json=body, headers={"Idempotency-Key": "k"}).json()

    def counted() -> int:
        nonlocal batch
        batch = insist(mined, "GET", f"/batches/{batch['id']}").json()
        counts: dict[str, int] = batch["request_counts"]
        return counts["completed"] + counts["failed"]

    for share, role in ((0.2, "api"), (0.4, "worker"), (0.6, "courier")):
        wait_until(lambda share=share: counted() >= share * LINES, f"{share:.0%} is done", 180)  # type: ignore[misc]
        mined.kill(role)
    wait_until(lambda: counted() == LINES and batch["status"] == "completed", "the batch is completed", 180)
    assert [Path(mined.folder / f"died-at-{point}").exists() for point in POINTS] == [True] * 3
    assert insist(mined, "POST", "/batches", json=body, headers={"Idempotency-Key": "k"}).json()["id"] == batch["id"]
    found = [
        [json.loads(text) for text in insist(mined, "GET", f"/files/{batch[name]}/content").text.splitlines()]
        for name in ("output_file_id", "error_file_id")
    ]
    expected = [f"r{number}" for number in range(LINES)]
    assert [one["custom_id"] for one in found[0]] == [one for n, one in enumerate(expected) if n % FAILING]
    assert [one["custom_id"] for one in found[1]] == expected[::FAILING]
    assert len({one["response"]["request_id"] for one in found[0] + found[1]}) == LINES, "a job each"


def test_memory_does_not_grow_with_a_batch(mined: RunningStack) -> None:
    wait_until(lambda: serves(mined), "the stack has recovered")
    before = {role: resident(mined, role) for role in ("courier", "api")}
    big = b"".join(
        json.dumps({"custom_id": f"b{n}", "body": {"model": "none", "input": {"prompt": "x" * 1_500}}}).encode()
        + b"\n"
        for n in range(20_000)
    )
    file = insist(mined, "POST", "/files", data={"purpose": "batch"}, files={"file": ("b.jsonl", big)}).json()
    assert file["bytes"] == len(big) > 30_000_000
    body = {"input_file_id": file["id"], "endpoint": "/v1/jobs", "completion_window": "24h"}
    batch = insist(mined, "POST", "/batches", json=body).json()
    most = dict(before)

    def ended() -> bool:
        for role in most:
            most[role] = max(most[role], resident(mined, role))
        status: str = insist(mined, "GET", f"/batches/{batch['id']}").json()["status"]
        return status == "completed"

    wait_until(ended, "the batch is completed", 180)
    grown = {role: most[role] - before[role] for role in most}
    assert all(size < GROWTH_MOST for size in grown.values()), grown
