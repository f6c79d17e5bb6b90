"""The broker dies, freezes, is full, forgets, or rings twice: submits do not wait for it, and every job runs once."""

import time
from pathlib import Path

import pytest

from config.settings import read_settings
from storage.bus import Errands
from tests.faults.stacks import attempts_of, broker_of, frozen, usual_submit_s
from tests.servers import Broker, wait_until
from tests.stacks import RunningStack, running_stack
from workers.queue import Doorbell, build_celery

pytestmark = pytest.mark.slow

MORE_S = 0.05  # what a submit may take longer than usual


def test_a_broker_frozen_for_20_seconds_delays_no_submit_and_the_doorbell_follows(tough_stack: RunningStack) -> None:
    usual_s, _ = usual_submit_s(tough_stack)
    (broker,) = tough_stack.processes("valkey-server")
    with frozen(broker):
        thaws_at = time.monotonic() + 20
        jobs: list[str] = []
        while time.monotonic() < thaws_at:
            taken_s, ids = usual_submit_s(tough_stack)
            assert taken_s < usual_s + MORE_S
            jobs += ids
            time.sleep(1.0)
    assert {tough_stack.finished(job_id)["status"] for job_id in jobs} == {"succeeded"}


def test_a_full_broker_delays_no_submit_and_the_doorbell_follows_once_it_has_room(tough_stack: RunningStack) -> None:
    usual_s, _ = usual_submit_s(tough_stack)
    with broker_of(tough_stack) as broker:
        broker.config_set("maxmemory", "1")
        try:
            taken_s, jobs = usual_submit_s(tough_stack)
        finally:
            broker.config_set("maxmemory", "0")
    assert taken_s < usual_s + MORE_S
    assert {tough_stack.finished(job_id)["status"] for job_id in jobs} == {"succeeded"}


def test_a_broker_that_is_down_delays_no_submit_and_the_jobs_run_when_it_starts(
    broker: Broker, tmp_path: Path
) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_BROKER_URL=broker.url) as stack:
        usual_s, _ = usual_submit_s(stack)
        broker.stop()
        wait_until(lambda: stack.http.get("/readyz").json()["parts"]["broker"]["status"] == "down", "it is seen")
        ready = stack.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        taken_s, jobs = usual_submit_s(stack)
        assert taken_s < usual_s + MORE_S
        assert stack.get(jobs[-1])["status"] == "queued"
        broker.start()
        assert {stack.finished(job_id)["status"] for job_id in jobs} == {"succeeded"}


def test_a_broker_that_dies_and_forgets_everything_loses_no_job(tough_stack: RunningStack) -> None:
    held = tough_stack.submit(duration_s=2.0)
    jobs = [tough_stack.submit() for _ in range(5)]
    tough_stack.kill("valkey-server")
    assert {tough_stack.finished(job["id"])["status"] for job in [held, *jobs]} == {"succeeded"}


def test_a_broker_that_is_wiped_loses_no_job_and_the_reaper_rings_as_often_as_jobs_wait(
    tough_stack: RunningStack,
) -> None:
    held = tough_stack.submit(duration_s=4.0, steps=4)
    tough_stack.until_running(held["id"])
    jobs = [tough_stack.submit() for _ in range(5)]
    with broker_of(tough_stack) as broker:
        wait_until(lambda: broker.llen("default") > 0, "the doorbells wait")
        broker.flushall()
        wait_until(lambda: broker.llen("default") > 0, "the reaper rings again")
        assert broker.llen("default") <= 5, "and not more often than jobs wait"
    assert {tough_stack.finished(job["id"])["status"] for job in [held, *jobs]} == {"succeeded"}


def test_no_bell_is_noted_as_unacknowledged_so_a_broker_that_freezes_makes_no_worker_deaf(
    tough_stack: RunningStack,
) -> None:
    """Celery would wait for ever for what it could not acknowledge, and ask for no message more."""
    with broker_of(tough_stack) as broker, broker.monitor() as monitor:
        tough_stack.finished(tough_stack.submit()["id"])
        broker.publish("the end", "")
        said = []
        while not said or "the end" not in said[-1]:
            said.append(monitor.next_command()["command"])
    assert [one for one in said if one.startswith("BRPOP default")]
    assert not [one for one in said if one.startswith("HSET unacked ")]


def test_a_doorbell_that_is_rung_many_times_runs_its_job_once(tough_stack: RunningStack) -> None:
    held = tough_stack.submit(duration_s=1.0)
    job = tough_stack.submit()
    app = build_celery(read_settings(data_dir=tough_stack.folder))
    Doorbell(app, Errands("errands")).ring_now([(job["id"], "default")] * 20)
    app.close()
    for one in (held, job):
        tough_stack.finished(one["id"])
    with broker_of(tough_stack) as broker:
        wait_until(lambda: broker.llen("default") == 0, "every bell was heard")
    assert tough_stack.finished(tough_stack.submit()["id"])["status"] == "succeeded"
    assert [attempt["outcome"] for attempt in attempts_of(tough_stack, job["id"])] == ["succeed"]
