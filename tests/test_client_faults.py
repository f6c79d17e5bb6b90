"""The Python clients when connections break, servers die and queues are full: real sockets, real kill -9."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight_client import Job, NotFound, Unavailable, Unreachable
from tests.clients import CLIENTS, Proxy
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

KINDS = pytest.mark.parametrize("kind", sorted(CLIENTS))
CHANNELS = pytest.mark.parametrize("without", [None, b"/events"], ids=["events", "long polls"])


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose API may be killed, and which has room for two jobs that wait."""
    folder = tmp_path_factory.mktemp("stack") / "data"
    with running_stack(folder, SAFELIGHT_MAX_QUEUED="2") as stack:
        yield stack


def watch_beside(client: Any, job: Job) -> tuple[list[Job], threading.Thread]:
    """Watch in a thread; the list fills as states come."""
    seen: list[Job] = []

    def watch() -> None:
        for state in client.watch(job):
            seen.append(state)

    thread = threading.Thread(target=watch)
    thread.start()
    return seen, thread


def assert_never_backwards(seen: list[Job]) -> None:
    marks = [(job.seq, job.progress) for job in seen]
    assert marks == sorted(marks)
    assert [job.final for job in seen] == [False] * (len(seen) - 1) + [True]


@KINDS
@CHANNELS
def test_a_watch_outlives_the_api_process(kind: str, without: bytes | None, own_stack: RunningStack) -> None:
    with Proxy(own_stack.url, without=without) as proxy, CLIENTS[kind](proxy.url) as client:
        job = client.submit("noop", prompt="x", input={"duration_s": 8.0, "steps": 40})
        seen, thread = watch_beside(client, job)
        wait_until(lambda: any(state.progress > 0.1 for state in seen), "it is under way")
        own_stack.kill("api")
        thread.join(120)
        assert seen[-1].succeeded
        assert_never_backwards(seen)
        polled = any(b"after=" in request for request in proxy.requests)
        assert polled == (without is not None)


@KINDS
def test_a_watch_goes_on_over_dropped_connections(kind: str, stack: RunningStack) -> None:
    with Proxy(stack.url) as proxy, CLIENTS[kind](proxy.url) as client:
        job = client.submit("noop", prompt="x", input={"duration_s": 6.0, "steps": 60})
        seen, thread = watch_beside(client, job)
        while thread.is_alive():
            heard = len(seen)
            wait_until(lambda heard=heard, thread=thread: len(seen) > heard or not thread.is_alive(), "it is heard")
            proxy.cut_all()
        streams = proxy.heads(f"GET /v1/jobs/{job.id}/events".encode())
        assert len(streams) > 3
        assert b"last-event-id: " in streams[-1].lower()
        assert_never_backwards(seen)
        assert seen[-1].succeeded


@KINDS
def test_a_wait_outlives_the_api_process(kind: str, own_stack: RunningStack) -> None:
    with CLIENTS[kind](own_stack.url) as client:
        job = client.submit("noop", prompt="x", input={"duration_s": 3.0, "steps": 6})
        killer = threading.Timer(1.0, own_stack.kill, ["api"])
        killer.start()
        assert client.wait(job).succeeded
        killer.join()


@KINDS
def test_a_submit_whose_answer_is_lost_is_sent_again_and_makes_one_job(kind: str, stack: RunningStack) -> None:
    mark = f"lost answers, {kind}, {time.time_ns()}"
    with Proxy(stack.url, cut=2) as proxy, CLIENTS[kind](proxy.url) as client:
        job = client.submit("noop", prompt=mark)
        sent = proxy.heads(b"POST /v1/jobs ")
        assert len(sent) == 3
        keys = {line for head in sent for line in head.lower().split(b"\r\n") if line.startswith(b"idempotency-key:")}
        assert len(keys) == 1
        assert client.wait(job).succeeded
        other = client.submit("noop", prompt=mark)
        assert other.id != job.id, "another submit is another job"
        client.wait(other)
        made = [job.id for job in client.list(since="5m", limit=50) if job.input.get("prompt") == mark]
    assert made == [other.id, job.id]


@KINDS
def test_a_refusal_for_now_is_waited_out(kind: str, own_stack: RunningStack) -> None:
    with CLIENTS[kind](own_stack.url) as client, CLIENTS[kind](own_stack.url, patience=0) as hasty:
        held = client.submit("noop", prompt="x", input={"duration_s": 6.0, "steps": 4})
        own_stack.until_running(held.id)
        jobs: list[Job] = []
        refused = None
        while refused is None or len(jobs) < 2:  # both places taken
            refused = submit_or_refusal(hasty, jobs)
        assert refused.retry_after
        late = client.submit("noop", prompt="x")
        assert late.created_at >= client.wait(held).finished_at, "accepted once there was room"
        assert all(client.wait(job).succeeded for job in [*jobs, late])


def submit_or_refusal(client: Any, jobs: list[Job]) -> Unavailable | None:
    try:
        jobs.append(client.submit("noop", prompt="x"))
    except Unavailable as refusal:
        return refusal
    return None


@KINDS
def test_a_retry_is_not_repeated_blindly_and_a_delete_is(kind: str, stack: RunningStack) -> None:
    def losing_one_answer(act: Callable[[Any], Any]) -> Any:
        with Proxy(stack.url, cut=1) as proxy, CLIENTS[kind](proxy.url) as client:
            return act(client)

    with CLIENTS[kind](stack.url) as client:
        job = client.run("noop", prompt="x", input={"fail": "oom", "fail_times": 3}, check=False)
        with pytest.raises(Unreachable):
            losing_one_answer(lambda client: client.retry(job))
        assert client.wait(job).succeeded, "it was done all the same, once"
        assert losing_one_answer(lambda client: client.delete(job)) is None
        with pytest.raises(NotFound):
            client.get(job)


@KINDS
def test_a_download_that_breaks_off_is_begun_again(kind: str, stack: RunningStack, tmp_path: Path) -> None:
    with CLIENTS[kind](stack.url) as client:
        (output,) = client.run("noop", prompt="x").outputs
        with Proxy(stack.url, cut=1) as proxy, CLIENTS[kind](proxy.url) as unlucky:
            unlucky.download(output, tmp_path / "out.png")
            assert len(proxy.heads(b"GET /v1/artifacts/")) == 2
        assert (tmp_path / "out.png").read_bytes() == client.download(output)
    assert [file.name for file in tmp_path.iterdir()] == ["out.png"]
