"""Figures over HTTP, from stacks of their own: told alike by every API process, also while the database is away."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers import PostgresServer, free_port, wait_until
from tests.stacks import SAFELIGHT, RunningStack, running_stack


def metric(url: str, series: str) -> float | None:
    """The value of one series, None when it is not told."""
    lines = httpx.get(f"{url}/metrics", timeout=30).text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{series} ")), None)


def ends(url: str) -> list[float | None]:
    """How many jobs of the diagnostic model succeeded, and failed."""
    return [
        metric(url, f'safelight_finished_total{{model="noop",status="{one}"}}') for one in ("succeeded", "failed")
    ]


@contextmanager
def another_api(stack: RunningStack) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {"SAFELIGHT_DATA_DIR": str(stack.folder)}
    process = subprocess.Popen([SAFELIGHT, "api", "--port", str(port)], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), "the other API answers")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").json()["status"] == "ok"
    except httpx.HTTPError:
        return False


def test_every_api_process_counts_jobs_that_it_never_saw(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack, another_api(stack) as other:
        for _ in range(3):
            stack.finished(stack.submit()["id"])
        for job in (stack.submit(fail="oom"), stack.submit(fail="error", fail_times=1)):
            stack.finished(job["id"])
        for url in (stack.url, other):
            wait_until(lambda url=url: ends(url) == [4, 1], "all ends are counted, and what came before them")
            assert metric(url, 'safelight_accepted_total{model="noop"}') == 5
            assert metric(url, 'safelight_attempts_total{model="noop"}') == 8
            assert metric(url, 'safelight_retries_total{model="noop"}') == 3
            assert metric(url, 'safelight_dead_letters_total{model="noop"}') == 1
            assert metric(url, 'safelight_lost_leases_total{model="noop"}') == 0
            assert metric(url, 'safelight_wait_seconds_count{model="noop"}') == 8
            stats = httpx.get(f"{url}/v1/stats").json()
            assert stats["finished"] == {"succeeded": 4, "failed": 1, "canceled": 0, "expired": 0}
            assert stats["wait_s"]["p95"] >= stats["wait_s"]["p50"] > 0


def test_what_waits_and_runs_is_told_by_queue(tmp_path: Path) -> None:
    with running_stack(tmp_path / "data") as stack:
        held = stack.submit(duration_s=30.0, steps=300)
        stack.until_running(held["id"])
        waiting = [stack.submit() for _ in range(3)]
        wait_until(lambda: metric(stack.url, 'safelight_queue_depth{queue="default"}') == 3, "three wait")
        assert metric(stack.url, 'safelight_jobs{queue="default",status="running"}') == 1
        oldest = 'safelight_oldest_queued_seconds{queue="default"}'
        wait_until(lambda: (metric(stack.url, oldest) or 0) > 1, "the oldest grows older")
        (queue,) = stack.http.get("/v1/stats").json()["queues"]
        assert (queue["name"], queue["queued"], queue["running"]) == ("default", 3, 1)
        assert queue["oldest_queued_s"] > 1
        stack.http.post(f"/v1/jobs/{held['id']}/cancel")
        for job in waiting:
            stack.finished(job["id"])
        wait_until(lambda: metric(stack.url, oldest) == 0, "nothing waits any more")


def test_metrics_say_that_the_database_is_away_instead_of_failing_with_it(tmp_path: Path) -> None:
    with PostgresServer() as server, running_stack(tmp_path / "data", SAFELIGHT_DATABASE_URL=server.url) as stack:
        stack.finished(stack.submit()["id"])
        server.stop()
        wait_until(lambda: metric(stack.url, "safelight_database_up") == 0, "its absence is told")
        assert metric(stack.url, 'safelight_accepted_total{model="noop"}') == 1
        assert metric(stack.url, 'safelight_queue_depth{queue="default"}') is None
        refused = stack.http.get("/v1/stats")
        assert (refused.status_code, refused.headers["retry-after"].isdigit()) == (503, True)
        server.start()
        wait_until(lambda: metric(stack.url, "safelight_database_up") == 1, "its return is told")
        wait_until(
            lambda: (metric(stack.url, 'safelight_api_responses_total{code="503"}') or 0) >= 1, "it is counted"
        )


def test_every_metric_that_the_operators_page_names_exists(stack: RunningStack) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "operations.md").read_text("utf-8")
    told = stack.http.get("/metrics").text
    named = set(re.findall(r"safelight_[a-z_]+", page))
    assert len(named) > 15
    assert not [name for name in named if name not in told]
