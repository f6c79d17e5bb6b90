"""Two API processes on one port: whichever answers, everything is the same."""

import contextlib
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.servers import free_port, new_postgres_database, wait_until
from tests.sockets import client as open_socket
from tests.stacks import SAFELIGHT, RunningStack, running_stack

BODY = {"model": "noop", "input": {"prompt": "x"}}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with two API processes, on each database."""
    given = {}
    if request.param == "postgresql":
        given["SAFELIGHT_DATABASE_URL"] = new_postgres_database(request.getfixturevalue("postgres"))
    folder = tmp_path_factory.mktemp("pair") / "data"
    with running_stack(folder, "--api-workers", "2", **given) as stack:
        wait_until(lambda: len(listening(stack)) == 2, "both listen")
        yield stack


def listening(stack: RunningStack) -> set[int]:
    """Which API processes listen on the stack's port."""
    port = int(stack.url.rsplit(":", 1)[1])
    found = set()
    for process in stack.processes("api"):
        with contextlib.suppress(psutil.Error):
            sockets = process.net_connections("tcp")
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets):
                found.add(process.pid)
    return found


def holder(stack: RunningStack, port: int) -> int:
    """The process at the other end of the connection from this local port."""
    for process in stack.processes("api"):
        if any(one.raddr and one.raddr.port == port for one in process.net_connections("tcp")):
            return process.pid
    raise AssertionError("nobody holds it")


@contextlib.contextmanager
def one_at_each(stack: RunningStack) -> Iterator[list[httpx.Client]]:
    """Two clients, each with a connection to a process of its own."""
    with contextlib.ExitStack() as opened:
        held: dict[int, httpx.Client] = {}
        for _ in range(100):
            client = opened.enter_context(httpx.Client(base_url=stack.url, timeout=70))
            answer = client.get("/healthz")
            _, port = answer.extensions["network_stream"].get_extra_info("client_addr")
            held.setdefault(holder(stack, port), client)
            if len(held) == 2:
                yield list(held.values())
                return
        raise AssertionError("a hundred connections went to one process")


def test_each_process_has_its_own_command_line_and_connections_go_to_both(pair: RunningStack) -> None:
    assert [process.cmdline()[2] for process in pair.processes("api")] == ["api", "api"]
    with one_at_each(pair) as clients:
        for client in clients:
            wait_until(lambda c=client: c.get("/readyz").json()["status"] == "ok", "it has heard of a worker")


def test_a_key_makes_one_job_however_its_duplicates_are_spread_over_the_processes(pair: RunningStack) -> None:
    def post(number: int) -> tuple[str, str, int]:
        key = f"several-{number % 20}"
        with httpx.Client(base_url=pair.url, timeout=70) as client:
            answers = [client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": key}) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
        ids = {answer.json()["id"] for answer in answers}
        replayed = sum("idempotency-replayed" in answer.headers for answer in answers)
        return key, ids.pop() if len(ids) == 1 else "several", replayed

    with ThreadPoolExecutor(24) as pool:
        told = list(pool.map(post, range(200)))
    assert len({(key, job_id) for key, job_id, _ in told}) == 20 == len({job_id for _, job_id, _ in told})
    assert sum(replayed for *_, replayed in told) == 2_000 - 20


@pytest.mark.anyio
async def test_a_socket_at_one_process_hears_of_jobs_posted_to_the_other(pair: RunningStack) -> None:
    with one_at_each(pair) as clients:
        async with open_socket(pair.url) as socket:
            await socket.say(type="subscribe", all=True)
            await socket.say(type="ping")
            await socket.until(lambda frame: frame["type"] == "pong")
            ids = {client.post("/v1/jobs", json=BODY).json()["id"] for client in clients}
            while not ids <= socket.final():
                await socket.hear()


def test_a_stream_and_a_long_poll_at_one_process_follow_a_job_posted_to_the_other(pair: RunningStack) -> None:
    with one_at_each(pair) as (here, there):
        job_id = here.post("/v1/jobs", json=BODY | {"input": {"prompt": "x", "duration_s": 0.5}}).json()["id"]
        with there.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
            told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        assert told[-1]["status"] == "succeeded"
        second = here.post("/v1/jobs", json=BODY).json()["id"]
        assert there.get(f"/v1/jobs/{second}", params={"wait": 30}).json()["status"] == "succeeded"
        waited = there.post("/v1/jobs", json=BODY, headers={"Prefer": "wait=30"})
        assert (waited.status_code, waited.json()["status"]) == (200, "succeeded")


def test_both_processes_tell_the_same_figures_and_serve_the_same_artifacts(pair: RunningStack) -> None:
    with one_at_each(pair) as clients:
        time.sleep(2.0)  # while nobody watches, a process reads what happened once a second
        before = [client.get("/v1/stats").json()["finished"]["succeeded"] for client in clients]
        job = clients[0].post("/v1/jobs", json=BODY, headers={"Prefer": "wait=30"}).json()

        def grown() -> bool:
            now = [client.get("/v1/stats").json()["finished"]["succeeded"] for client in clients]
            return [after - earlier for earlier, after in zip(before, now, strict=True)] == [1, 1]

        wait_until(grown, "both have counted it")
        pictures = [client.get(job["outputs"][0]["url"]).content for client in clients]
        assert pictures[0] == pictures[1] != b""


def test_a_preview_of_a_running_job_is_served_by_both(pair: RunningStack) -> None:
    with one_at_each(pair) as clients:
        wanted: dict[str, Any] = {"model": "scenes", "input": {"prompt": "a boat", "steps": 40}}

        def shown() -> bool:
            job = clients[0].post("/v1/jobs", json=wanted).json()
            statuses: Counter[int] = Counter()
            while clients[0].get(f"/v1/jobs/{job['id']}").json()["status"] in ("queued", "running"):
                some = [client.get(f"/v1/jobs/{job['id']}/preview").status_code for client in clients]
                if some == [200, 200]:
                    return True
                statuses.update(some)
                time.sleep(0.02)
            return False

        wait_until(shown, "both showed a preview")


def test_killing_one_leaves_the_other_serving_on_the_same_port_until_it_is_back(pair: RunningStack) -> None:
    before = listening(pair)
    victim, survivor = sorted(before)
    psutil.Process(victim).kill()
    wait_until(lambda: not psutil.pid_exists(victim), "the victim is gone, and its connections with it")
    for _ in range(20):
        answer = httpx.post(f"{pair.url}/v1/jobs", json=BODY, timeout=30)
        assert answer.status_code == 202
        pair.finished(answer.json()["id"])
    assert survivor in listening(pair)
    wait_until(lambda: len(listening(pair)) == 2, "the other is back")
    assert survivor in listening(pair)


def test_api_alone_serves_with_several_processes_and_refuses_a_port_that_is_taken(tmp_path: Path) -> None:
    port = free_port()
    environment = os.environ | {"SAFELIGHT_DATA_DIR": str(tmp_path), "SAFELIGHT_BROKER_URL": "redis://127.0.0.1:1/0"}
    subprocess.run([SAFELIGHT, "db", "upgrade"], env=environment, check=True, stdout=subprocess.DEVNULL)
    command = [SAFELIGHT, "api", "--port", str(port), "--workers", "2"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            stack = RunningStack(process, f"http://127.0.0.1:{port}", tmp_path)  # type: ignore[arg-type]
            wait_until(lambda: len(listening(stack)) == 2, "both listen")
            again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert (again.returncode, str(port) in again.stderr) == (1, True), again
            stack.processes("api")[0].kill()
            assert httpx.get(f"{stack.url}/healthz", timeout=30).status_code == 200
            wait_until(lambda: len(listening(stack)) == 2, "the other is back")
            children = stack.processes("api")
        finally:
            process.terminate()
        assert process.wait(20) == 0
    assert not any(child.is_running() for child in children)
