"""A process dies at each commit point of submit, claim and conclude: over a real stack, and once each."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from config.failpoints import POINTS
from config.settings import SettingsError, read_settings
from tests.faults.counting import count
from tests.faults.stacks import attempts_of, serves
from tests.origins import Origin
from tests.pictures import picture
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow

# At how many attempts a job has succeeded whose worker or API died at this point.
ATTEMPTS = {
    "submit:committing": 1,
    "submit:committed": 1,
    "submit:announcing": 1,
    "submit:announced": 1,
    "claim:committing": 1,
    "claim:committed": 2,
    "generate:done": 2,
    "store:done": 2,
    "conclude:committing": 2,
    "conclude:committed": 1,
}


@pytest.fixture(scope="module")
def mined_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with all points armed, at each of which somebody seems to have died already."""
    folder = tmp_path_factory.mktemp("mined") / "data"
    folder.mkdir()
    for point in POINTS:
        grave(folder, point).touch()
    inbox(folder).mkdir()
    environment = {
        "SAFELIGHT_DIE_AT": ",".join(POINTS),
        "SAFELIGHT_WATCH_ROOTS": str(inbox(folder)),
        "SAFELIGHT_WEBHOOK_ALLOW": "127.0.0.1/32",
        "SAFELIGHT_FETCH_TIMEOUT_S": "2",
    }
    with running_stack(folder, **environment) as stack:
        yield stack


def inbox(folder: Path) -> Path:
    return folder / "inbox"


def grave(folder: Path, point: str) -> Path:
    return folder / f"died-at-{point}"


def arm_again(stack: RunningStack, point: str) -> Path:
    """The next process that comes by dies there. Returns the file that says so."""
    wait_until(lambda: serves(stack), "the stack has recovered from the test before")
    died = grave(stack.folder, point)
    died.unlink()
    return died


def insist(stack: RunningStack, key: str) -> httpx.Response:
    """What a client does that got no answer: the same again, with the same key."""
    body = {"model": "noop", "input": {"prompt": key, "duration_s": 0.3, "steps": 3}}
    give_up_at = time.monotonic() + 60
    while True:
        try:
            return stack.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
        except httpx.HTTPError:
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


@pytest.mark.parametrize("point", ATTEMPTS)
def test_a_death_at_this_point_loses_no_job_and_publishes_one_result(mined_stack: RunningStack, point: str) -> None:
    died = arm_again(mined_stack, point)
    answer = insist(mined_stack, key := f"{point}-{time.time_ns()}")
    wait_until(died.exists, f"somebody died at {point}")
    assert answer.status_code == 202
    job = mined_stack.finished(answer.json()["id"])
    assert (job["status"], job["attempt"]) == ("succeeded", ATTEMPTS[point])
    assert count(mined_stack.http, [job["id"]]).wrong == []
    assert insist(mined_stack, key).json()["id"] == job["id"]
    made = mined_stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    assert [one["id"] for one in made if one["input"]["prompt"] == key] == [job["id"]], "one key made one job"


@pytest.mark.parametrize("point", ["fetch:stored", "fetch:committed"])
def test_a_courier_that_dies_with_an_input_in_its_hands_leaves_nobody_waiting(
    mined_stack: RunningStack, point: str
) -> None:
    died = arm_again(mined_stack, point)
    with Origin() as origin:
        origin.pages["/a.png"] = picture()
        job = mined_stack.submit(media=f"{origin.url}/a.png")
        done = mined_stack.finished(job["id"])
        assert died.exists()
        assert (done["status"], done["attempt"]) == ("succeeded", 1)
        assert len(origin.asked) == (2 if point == "fetch:stored" else 1)
    (upload_id,) = done["depends_on"]
    assert mined_stack.http.get(f"/v1/uploads/{upload_id}").json()["sha256"] == done["outputs"][0]["sha256"]


@pytest.mark.parametrize("point", ["schedule:committing", "schedule:committed"])
def test_a_reaper_that_dies_at_a_tick_runs_each_tick_once(mined_stack: RunningStack, point: str) -> None:
    job = {"model": "noop", "input": {"prompt": point}, "metadata": {"tick": "${schedule.tick}"}}
    wanted = {"name": point, "cron": "* * * * * *", "catch_up": "all", "job": job}
    died = arm_again(mined_stack, point)
    path = mined_stack.http.post("/v1/schedules", json=wanted).json()["urls"]["self"]

    def ticks() -> list[datetime]:
        made = mined_stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        return sorted(
            datetime.fromisoformat(one["metadata"]["tick"]) for one in made if one["input"]["prompt"] == point
        )

    wait_until(died.exists, f"the reaper died at {point}")
    before = len(ticks())
    wait_until(lambda: len(ticks()) > before + 3, "another reaper leads")
    mined_stack.http.delete(path)
    found = ticks()
    assert found == [found[0] + timedelta(seconds=number) for number in range(len(found))]


@pytest.mark.parametrize("point", ["file:committing", "file:committed"])
def test_a_reaper_that_dies_at_a_file_makes_one_job_of_it(mined_stack: RunningStack, point: str) -> None:
    job = {"model": "noop", "input": {"prompt": f"{point} ${{file.name}}"}}
    wanted = {"name": point, "kind": "folder", "path": str(inbox(mined_stack.folder)), "job": job}
    path = mined_stack.http.post("/v1/triggers", json=wanted).json()["urls"]["self"]
    died = arm_again(mined_stack, point)
    (inbox(mined_stack.folder) / point).write_bytes(b"x")
    wait_until(died.exists, f"the reaper died at {point}")
    (inbox(mined_stack.folder) / "next").write_bytes(b"x")

    def made() -> list[str]:
        jobs = mined_stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        return sorted(one["input"]["prompt"] for one in jobs if one["input"]["prompt"].startswith(point))

    wait_until(lambda: f"{point} next" in made(), "another reaper looks")
    mined_stack.http.delete(path)
    for file in inbox(mined_stack.folder).iterdir():
        file.unlink()
    assert made() == [f"{point} {point}", f"{point} next"]


def test_a_death_between_a_commit_and_its_announcement_leaves_no_watcher_untold(mined_stack: RunningStack) -> None:
    died = arm_again(mined_stack, "conclude:committed")
    with ThreadPoolExecutor(1) as pool:
        job_id = insist(mined_stack, f"watched-{time.time_ns()}").json()["id"]
        watcher = pool.submit(mined_stack.http.get, f"/v1/jobs/{job_id}", params={"wait": 60})
        assert watcher.result().json()["status"] == "succeeded", "told long before its sixty seconds were over"
    assert died.exists()
    assert attempts_of(mined_stack, job_id)[-1]["outcome"] == "succeed"


@pytest.mark.parametrize("point", ["claim:committing", "submit:committing"])
def test_a_process_that_freezes_with_sqlites_write_lock_is_ended_and_stops_nobody_for_long(
    tmp_path: Path, point: str
) -> None:
    with running_stack(tmp_path / "data", SAFELIGHT_FREEZE_AT=point) as stack:
        answer = insist(stack, point)
        assert answer.status_code == 202
        assert stack.finished(answer.json()["id"])["status"] == "succeeded"
        assert (tmp_path / "data" / f"froze-at-{point}").exists()


def test_points_are_armed_only_with_diagnostics_and_a_misspelt_one_is_refused() -> None:
    assert read_settings(die_at="claim:committed", diagnostics=False).dying_points == []
    assert read_settings(die_at="claim:committed", diagnostics=True).dying_points == ["claim:committed"]
    with pytest.raises(SettingsError, match=r"SAFELIGHT_DIE_AT: .*claim:commited is none of submit:committing"):
        read_settings(die_at="claim:commited")
