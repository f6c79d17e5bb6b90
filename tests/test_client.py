"""The Python clients against a real stack. Every test runs on the blocking and on the async one."""

import asyncio
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import safelight_client
from api.shapes.documents import JobDocument
from safelight_client import Conflict, CorruptDownload, InvalidInput, JobFailed, NotFound, Problem, WaitTimeout
from tests.clients import CLIENTS
from tests.pictures import picture
from tests.servers import free_port
from tests.stacks import RunningStack

README = Path(__file__).parent.parent / "client" / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture(params=sorted(CLIENTS))
def client(request: pytest.FixtureRequest, stack: RunningStack) -> Iterator[Any]:
    with CLIENTS[request.param](stack.url) as client:
        yield client


def test_a_submitted_job_is_awaited_and_its_output_fetched(client: Any) -> None:
    accepted = client.submit("noop", prompt="x", input={"seed": 7}, metadata={"shot": 1}, priority="batch")
    assert (accepted.status, accepted.seq, accepted.final) == ("queued", 1, False)
    job = client.wait(accepted)
    assert (job.id, job.status, job.progress) == (accepted.id, "succeeded", 1.0)
    assert (job.metadata, job.priority, job.input) == ({"shot": 1}, "batch", {"prompt": "x", "seed": 7})
    (output,) = job.outputs
    data = client.download(output)
    assert (hashlib.sha256(data).hexdigest(), len(data), output.seed) == (output.sha256, output.bytes, 7)


def test_a_job_has_every_field_of_the_contract_and_keeps_what_it_does_not_know(client: Any) -> None:
    job = client.run("noop", prompt="x")
    assert set(JobDocument.model_fields) <= {*safelight_client.Job.__dataclass_fields__}
    assert job.created_at.tzinfo is not None
    assert job.created_at <= job.started_at <= job.finished_at
    assert job.timings.total_s == job.raw["timings"]["total_s"]
    newer = safelight_client.values.job_of(
        {**job.raw, "mood": "calm", "outputs": [{**job.raw["outputs"][0], "x": 1}]}
    )
    assert ({newer}, newer.raw["mood"]) == ({job}, "calm")


def test_a_group_is_submitted_awaited_and_canceled(client: Any) -> None:
    body = {"fan_out": {"input": {"prompt": "x"}, "models": ["noop"], "seeds": [1, 2]}, "metadata": {"mine": 1}}
    group = client.submit_group(body, idempotency_key=f"group-{datetime.now(UTC)}")
    done = client.wait_group(group)
    assert (done.id, done.status, done.succeeded, len(done.outputs)) == (group.id, "succeeded", True, 2)
    assert [client.get(member.id).group for member in done.members] == [group.id] * 2
    slow = {"members": [{"model": "noop", "input": {"prompt": "x", "duration_s": 20, "steps": 200}}]}
    group = client.submit_group(slow)
    with pytest.raises(WaitTimeout):
        client.wait_group(group, timeout=0.1)
    client.cancel_group(group)
    assert client.wait_group(client.get_group(group)).status == "canceled"
    with pytest.raises(InvalidInput):
        client.submit_group({"members": []})


def test_what_is_uploaded_goes_into_the_input_of_a_job(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    for source in (file, str(file), picture()):
        reference = client.upload(source)
        job = client.run("noop", prompt="x", input={"media": reference})
        assert client.download(job.outputs[0]) == picture()
    with pytest.raises(InvalidInput):
        client.upload(b"no picture")


def test_an_output_is_saved_under_its_name_and_nothing_half_done_is_left(client: Any, tmp_path: Path) -> None:
    (output,) = client.run("noop", prompt="x").outputs
    assert client.download(output, tmp_path / "out.png") == tmp_path / "out.png"
    inside = client.download(output, tmp_path)
    assert inside.name == f"{output.sha256}.png"
    assert inside.read_bytes() == (tmp_path / "out.png").read_bytes()
    other = client.run("noop", prompt="x", input={"seed": 5}).outputs[0]
    forged = safelight_client.Output(**{**vars(output), "url": other.url})
    with pytest.raises(CorruptDownload):
        client.download(forged, tmp_path / "forged.png")
    assert {file.name for file in tmp_path.iterdir()} == {"out.png", inside.name}


def test_watching_shows_every_change_up_to_the_final_state(client: Any) -> None:
    job = client.submit("noop", prompt="x\u2028y", input={"duration_s": 1.5, "steps": 6})
    seen = list(client.watch(job))
    marks = [(job.seq, job.progress) for job in seen]
    assert marks == sorted(marks)
    assert [seq for seq, _ in dict(marks).items()][-2:] == [2, 3]  # it may run before the watch begins
    assert [job.status for job in seen][-1] == "succeeded"
    assert len({progress for _, progress in marks}) >= 3, "progress is shown too"
    assert seen[-1].input["prompt"] == "x\u2028y"


def test_watching_a_finished_job_shows_it_and_ends(client: Any) -> None:
    job = client.run("noop", prompt="x")
    assert list(client.watch(job)) == list(client.watch(job.id)) == [job]


def test_one_client_watches_more_jobs_than_a_pool_of_connections_would_hold(stack: RunningStack) -> None:
    async def watch_many() -> list[str]:
        async with safelight_client.AsyncSafelight(stack.url) as client, asyncio.timeout(120):
            job = await client.submit("noop", prompt="x", input={"duration_s": 600, "steps": 6000})
            watching: set[int] = set()

            async def last_status(number: int) -> str:
                async for state in client.watch(job):  # noqa: B007
                    watching.add(number)
                    if len(watching) == 150 and number == min(watching):
                        await client.cancel(job)
                return state.status

            return await asyncio.gather(*map(last_status, range(150)))

    assert asyncio.run(watch_many()) == ["canceled"] * 150


def test_a_watch_that_is_given_up_leaves_the_client_usable(client: Any) -> None:
    job = client.submit("noop", prompt="x", input={"duration_s": 1.0, "steps": 4})
    for _ in client.watch(job):
        break
    assert client.wait(job).succeeded


def test_running_a_job_that_fails_raises_it_unless_told_not_to(client: Any) -> None:
    with pytest.raises(JobFailed) as failed:
        client.run("noop", prompt="x", input={"fail": "error", "fail_times": 3})
    assert failed.value.job.error.code in str(failed.value)
    job = client.run("noop", prompt="x", input={"fail": "error", "fail_times": 3}, check=False)
    assert (job.status, job.succeeded) == ("failed", False)
    again = client.retry(job)
    assert again.seq > job.seq
    assert client.wait(again).succeeded


def test_waiting_ends_with_a_timeout_and_the_job_goes_on(client: Any) -> None:
    job = client.submit("noop", prompt="x", input={"duration_s": 60, "steps": 600})
    with pytest.raises(TimeoutError) as late:
        client.wait(job, timeout=0.5)
    assert isinstance(late.value, WaitTimeout)
    assert late.value.job.id == job.id
    client.cancel(job)
    assert client.wait(job.id).status == "canceled"


def test_jobs_are_listed_page_by_page_and_deleted(client: Any) -> None:
    made = [client.submit("noop", prompt="x").id for _ in range(5)]
    for job_id in made:
        client.wait(job_id)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    listed = [job.id for job in client.list(status=["succeeded", "failed"], model="noop", since=an_hour_ago)]
    assert listed[:5] == made[::-1]
    assert [job.id for job in client.list(limit=3)] == made[:1:-1]
    client.delete(made[0])
    with pytest.raises(NotFound):
        client.get(made[0])
    with pytest.raises(NotFound):
        client.delete(made[0])
    with pytest.raises(NotFound):
        list(client.watch(made[0]))


def test_refusals_are_typed_and_name_the_wrong_fields(client: Any) -> None:
    with pytest.raises(InvalidInput) as wrong:
        client.submit("noop", prompt="x", input={"steps": 0, "mood": 1})
    assert {fault.field for fault in wrong.value.errors} == {"input.steps", "input.mood"}
    assert (wrong.value.status, wrong.value.type) == (422, "about:blank")
    with pytest.raises(Conflict):
        client.retry(client.run("noop", prompt="x"))
    key = f"client-{datetime.now(UTC)}"
    client.submit("noop", prompt="a", idempotency_key=key)
    with pytest.raises(Conflict):
        client.submit("noop", prompt="b", idempotency_key=key)
    with pytest.raises(ValueError, match="twice"):
        client.submit("noop", prompt="a", input={"prompt": "b"})
    with pytest.raises(ValueError, match="time zone"):
        client.submit("noop", prompt="a", deadline=datetime(2030, 1, 1))


def test_models_are_listed_with_their_schemas_and_the_server_with_its_figures(client: Any) -> None:
    models = {model.name: model for model in client.models()}
    assert models["scenes"].default
    assert models["scenes"].media_kind == "image"
    assert "prompt" in models["noop"].input_schema["properties"]
    assert client.stats()["workers"] == 1


@pytest.mark.parametrize("kind", sorted(CLIENTS))
def test_a_server_that_is_not_there_is_given_up_when_patience_ends(kind: str) -> None:
    with CLIENTS[kind](f"http://127.0.0.1:{free_port()}", patience=0.5, reconnect=0.5) as client:
        for attempt in (lambda: client.submit("noop", prompt="x"), lambda: list(client.watch("x")), client.models):
            with pytest.raises(safelight_client.Unreachable):
                attempt()


def test_url_and_key_come_from_the_environment(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_URL", stack.url + "/")
    monkeypatch.setenv("SAFELIGHT_API_KEY", "secret")
    with safelight_client.Safelight() as client:
        assert client.run("noop", prompt="x").succeeded
        assert "secret" not in repr(vars(client))
    with pytest.raises(ValueError, match="http"):
        safelight_client.Safelight("localhost:8000")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[-2].strip()[:40])
def test_the_examples_of_the_readme_run(example: str, stack: RunningStack, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env={"SAFELIGHT_URL": stack.url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_every_fault_of_the_client_has_one_base_class() -> None:
    faults = [
        kind for kind in vars(safelight_client).values() if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(faults) > 10
    assert all(issubclass(kind, safelight_client.SafelightError) for kind in faults)
    assert issubclass(NotFound, Problem)
