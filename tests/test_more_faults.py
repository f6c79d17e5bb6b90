"""Faults of disk, database, memory and models, and clients that send twice: seen from outside."""

import shutil
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.servers import PostgresServer, wait_until
from tests.stacks import RunningStack, running_stack

ROOT = Path(__file__).resolve().parent.parent
BODY = {"model": "noop", "input": {"prompt": "x"}}


def catalog(folder: Path, *, batch: int = 4) -> Path:
    """A catalog folder with a `noop` that batches, in place of the shipped one."""
    folder.mkdir()
    text = (ROOT / "models" / "shelf" / "noop.toml").read_text()
    (folder / "noop.toml").write_text(text.replace("max = 1\n", f"max = {batch}\n"))
    return folder


def test_a_client_that_marks_its_retries_but_sends_no_key_makes_one_job(stack: RunningStack) -> None:
    def send(count: int, seed: int) -> httpx.Response:
        body = {"model": "noop", "input": {"prompt": "resend", "seed": seed}}
        return stack.http.post("/v1/jobs", json=body, headers={"x-stainless-retry-count": str(count)})

    seed = time.time_ns() % (1 << 40)
    first, again, third = (send(count, seed) for count in (0, 1, 2))
    assert first.json()["id"] == again.json()["id"] == third.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert send(1, seed + 1).json()["id"] != first.json()["id"], "another body is another wish"
    anew = send(0, seed)
    assert anew.json()["id"] != first.json()["id"], "a first sending is a new wish"
    assert send(1, seed).json()["id"] == anew.json()["id"]


def test_ten_thousand_posts_with_a_hundred_keys_make_a_hundred_jobs(stack: RunningStack) -> None:
    started = time.time_ns()

    def client(_: int) -> set[str]:
        with httpx.Client(base_url=stack.url, timeout=60) as http:
            answers = [
                http.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": f"{started}-{number % 100}"})
                for number in range(500)
            ]
        assert {answer.status_code for answer in answers} == {202}
        return {answer.json()["id"] for answer in answers}

    with ThreadPoolExecutor(20) as pool:
        made = set().union(*pool.map(client, range(20)))
    assert len(made) == 100
    for job_id in made:
        assert stack.finished(job_id)["status"] == "succeeded"


def test_a_full_queue_refuses_before_it_accepts_and_says_when_to_come_back(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_MAX_QUEUED="5") as stack:
        held = stack.submit(duration_s=6.0)
        stack.until_running(held["id"])
        answers = [stack.http.post("/v1/jobs", json=BODY) for _ in range(20)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 10
        assert all(answer.headers["retry-after"].isdigit() for answer in refused)
        accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        assert {stack.finished(job_id)["status"] for job_id in accepted} == {"succeeded"}
        assert len(stack.http.get("/v1/jobs").json()["jobs"]) == 1 + len(accepted)
        wait_until(lambda: stack.http.post("/v1/jobs", json=BODY).status_code == 202, "there is room again")


def test_a_batch_too_large_for_the_memory_is_halved_and_only_the_culprit_fails(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_MODELS=str(catalog(tmp_path / "catalog"))) as stack:
        held = stack.submit(duration_s=1.5)
        jobs = [stack.submit(fail="oom" if number == 2 else None) for number in range(4)]
        stack.finished(held["id"])
        ended = [stack.finished(job["id"]) for job in jobs]
    assert [job["status"] for job in ended] == ["succeeded", "succeeded", "failed", "succeeded"]
    assert ended[2]["error"]["code"] == "out_of_memory"
    assert {job["attempt"] for job in ended if job["status"] == "succeeded"} == {1}


def test_a_poisonous_job_crashes_its_companions_once_at_most(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_MODELS=str(catalog(tmp_path / "catalog"))) as stack:
        held = stack.submit(duration_s=1.5)
        jobs = [stack.submit(fail="crash" if number == 1 else None) for number in range(4)]
        stack.finished(held["id"])
        ended = [stack.finished(job["id"], 180) for job in jobs]
        history = stack.http.get(f"/v1/jobs/{jobs[1]['id']}/attempts").json()["attempts"]
    assert [job["status"] for job in ended] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert {job["attempt"] for job in ended if job["status"] == "succeeded"} <= {1, 2}
    assert ended[1]["attempt"] == 3
    assert [attempt["error"]["code"] for attempt in history] == ["worker_lost"] * 3


def test_a_model_without_its_weights_opens_its_circuit_and_everything_else_runs(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    text = (ROOT / "models" / "shelf" / "scenes.toml").read_text()
    text = text.replace('name = "scenes"', 'name = "moved"').replace("../weights/scenes", "weights")
    (folder / "moved.toml").write_text(text)
    (folder / "unreadable.toml").write_text("name = ")
    settings = {"SAFELIGHT_MODELS": str(folder), "SAFELIGHT_CIRCUIT_OPEN_S": "3", "SAFELIGHT_MAX_ATTEMPTS": "20"}
    with running_stack(tmp_path / "data", **settings) as stack:
        job = stack.submit("moved", steps=1)
        wait_until(lambda: stack.http.get("/v1/models/moved").json()["circuit"] == "open", "the circuit opens")
        assert "model_index.json" in stack.http.get("/v1/models/moved").json()["fault"]
        assert stack.finished(stack.submit()["id"])["status"] == "succeeded"
        broken = stack.http.get("/v1/models").json()["broken"]
        assert [one["file"] for one in broken] == ["unreadable.toml"]
        shutil.copytree(ROOT / "models" / "weights" / "scenes", folder / "weights")
        assert stack.finished(job["id"], 120)["status"] == "succeeded"
        wait_until(lambda: stack.http.get("/v1/models/moved").json()["circuit"] == "closed", "a probe closed it")


def test_no_room_for_the_bytes_is_a_failure_that_passes_once_there_is_room(tmp_path: Path) -> None:
    blocked = tmp_path / "artifacts"
    blocked.write_text("a file stands where the folder should be")
    with running_stack(
        tmp_path / "data", SAFELIGHT_ARTIFACTS_URL=blocked.as_uri(), SAFELIGHT_MAX_ATTEMPTS="10"
    ) as stack:
        job = stack.submit()
        wait_until(lambda: (stack.get(job["id"])["error"] or {}).get("code") == "storage_full", "it failed to store")
        blocked.unlink()
        done = stack.finished(job["id"])
        assert done["status"] == "succeeded"
        assert stack.http.get(done["outputs"][0]["url"]).status_code == 200


def test_a_postgresql_that_restarts_under_load_is_answered_503_and_loses_nothing(tmp_path: Path) -> None:
    with PostgresServer() as server, running_stack(tmp_path / "data", SAFELIGHT_DATABASE_URL=server.url) as stack:
        accepted: list[str] = []
        seen: set[int] = set()
        stop = threading.Event()

        def load() -> None:
            with httpx.Client(base_url=stack.url, timeout=60) as http:
                while not stop.is_set():
                    answer = http.post("/v1/jobs", json=BODY)
                    seen.add(answer.status_code)
                    if answer.status_code == 202:
                        accepted.append(answer.json()["id"])
                    time.sleep(0.02)

        loaders = [threading.Thread(target=load) for _ in range(4)]
        for loader in loaders:
            loader.start()
        wait_until(lambda: len(accepted) > 20, "jobs are accepted")
        server.stop()
        wait_until(lambda: 503 in seen, "the gap is told")
        server.start()
        before = len(accepted)
        wait_until(lambda: len(accepted) > before + 20, "jobs are accepted again")
        stop.set()
        for loader in loaders:
            loader.join()
        assert seen <= {202, 503}
        assert {stack.finished(job_id, 180)["status"] for job_id in accepted} == {"succeeded"}


def test_a_busy_sqlite_makes_submits_wait_and_never_fail(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack, ThreadPoolExecutor(8) as pool:
        other = sqlite3.connect(stack.folder / "safelight.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers = [pool.submit(httpx.post, f"{stack.url}/v1/jobs", json=BODY, timeout=60) for _ in range(8)]
        time.sleep(2.0)  # how long the other writer takes
        assert not any(answer.done() for answer in answers)
        other.execute("ROLLBACK")
        other.close()
        assert {answer.result().status_code for answer in answers} == {202}


def test_a_job_whose_reaper_and_worker_die_together_still_ends(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_LEASE_S="3") as stack:
        job = stack.submit(duration_s=3.0, steps=30)
        stack.until_running(job["id"])
        for role in ("reaper", "worker", "api", "valkey-server"):
            stack.kill(role)
        wait_until(lambda: _answers(stack), "the API is back")
        assert stack.finished(job["id"])["status"] == "succeeded"


def test_the_error_history_is_shown_by_the_api(stack: RunningStack) -> None:
    job = stack.finished(stack.submit(fail="error", fail_times=1)["id"])
    attempts = stack.http.get(f"/v1/jobs/{job['id']}/attempts").json()["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["retry later", "succeed"]
    assert attempts[0]["error"]["code"] == "model_error"


def _answers(stack: RunningStack) -> bool:
    try:
        return stack.http.get("/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
def test_a_told_stack_stops_within_ten_seconds_with_exit_code_0(tmp_path: Path, signal_name: str) -> None:
    with running_stack(tmp_path / "data") as stack:
        stack.submit(duration_s=60.0, steps=1)
        started = time.monotonic()
        stack.process.send_signal(getattr(signal, signal_name))
        assert stack.process.wait(30) == 0
        assert time.monotonic() - started < 10
