"""Predictions by the `replicate` client."""

import asyncio
import io
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import replicate
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.helpers import FileOutput
from replicate.webhook import InvalidSignatureError, Webhooks

from tests.receivers import Receiver
from tests.servers import wait_until
from tests.stacks import RunningStack

LONG = {"prompt": "x", "duration_s": 60, "steps": 600}


def test_a_prediction_is_created_and_waited_for(stack: RunningStack, replicated: replicate.Client) -> None:
    prediction = replicated.predictions.create(
        version="noop@1", input={"prompt": "x", "duration_s": 1.0, "steps": 20}
    )
    assert (prediction.status, prediction.output, prediction.model) == ("starting", None, "safelight/noop")
    seen = []
    while prediction.status not in ("succeeded", "failed"):
        prediction.reload()
        seen.append(prediction.progress and prediction.progress.current)
        time.sleep(0.1)
    assert prediction.status == "succeeded"
    assert any(step and 0 < step < 20 for step in seen), seen
    assert prediction.progress
    assert (prediction.progress.percentage, prediction.progress.total) == (1.0, 20)
    assert prediction.metrics
    assert prediction.metrics["predict_time"] >= 1.0
    assert stack.get(prediction.id)["status"] == "succeeded"


@pytest.mark.parametrize("reference", ["safelight/noop", "anybody/noop:noop@1", "safelight/noop:noop@1"])
def test_run_gives_files(replicated: replicate.Client, reference: str) -> None:
    (output,) = replicated.run(reference, input={"prompt": "x", "seed": 5})
    assert isinstance(output, FileOutput)
    assert Image.open(io.BytesIO(output.read())).size == (8, 8)


def test_run_waits_on_when_its_first_wait_is_over(replicated: replicate.Client) -> None:
    outputs = replicated.run("safelight/noop", input={"prompt": "x", "duration_s": 2.5}, wait=1)
    assert len(outputs) == 1


def test_run_of_a_job_that_fails_raises(replicated: replicate.Client) -> None:
    with pytest.raises(ModelError, match="asked for it") as raised:
        replicated.run("safelight/noop", input={"prompt": "x", "fail": "error"})
    assert raised.value.prediction.status == "failed"


def test_a_prediction_is_canceled(stack: RunningStack, replicated: replicate.Client) -> None:
    prediction = replicated.models.predictions.create(model="safelight/noop", input=LONG)
    stack.until_running(prediction.id)
    prediction.reload()
    assert prediction.status == "processing"
    prediction.cancel()
    assert (prediction.status, prediction.error) == ("canceled", None)
    assert stack.get(prediction.id)["status"] == "canceled"


def test_files_are_sent_and_named_in_inputs(
    stack: RunningStack, replicated: replicate.Client, tmp_path: Path
) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (64, 32), "red").save(path)
    with path.open("rb") as file:
        (output,) = replicated.run("safelight/noop", input={"prompt": "x", "media": file})
    assert output.read() == path.read_bytes()
    created = replicated.files.create(path, metadata={"shot": 7})
    assert (created.name, created.content_type, created.metadata) == ("red.png", "image/png", {"shot": 7})
    assert created.size == len(path.read_bytes())
    assert created.id in [one.id for one in replicated.files.list()]
    assert replicated.files.get(created.id).urls == created.urls
    prediction = replicated.predictions.create(version="noop@1", input={"prompt": "x", "media": created.urls["get"]})
    prediction.wait()
    assert prediction.status == "succeeded"
    assert prediction.input == {"prompt": "x", "media": f"upload:{created.id}"}
    assert replicated.files.delete(created.id)
    with pytest.raises(ReplicateError):
        replicated.files.get(created.id)


def test_a_file_in_the_input_itself(replicated: replicate.Client, tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (64, 32), "red").save(path)
    (output,) = replicated.run(
        "safelight/noop", input={"prompt": "x", "media": path}, file_encoding_strategy="base64"
    )
    assert output.read() == path.read_bytes()


def test_an_output_is_the_input_of_the_next_prediction(replicated: replicate.Client) -> None:
    (small,) = replicated.run("safelight/scenes", input={"prompt": "a boat", "steps": 2})
    (large,) = replicated.run("safelight/enlarge", input={"image": small.url})
    assert Image.open(io.BytesIO(large.read())).size == (512, 512)


def test_an_alias_is_a_model_too(stack: RunningStack, replicated: replicate.Client, theirs: openai.OpenAI) -> None:
    said = {"name": "steady", "targets": [{"model": "noop@1"}]}
    assert stack.http.post("/v1/aliases", json=said).status_code in (200, 201)
    assert len(replicated.run("safelight/steady", input={"prompt": "x"})) == 1
    made = theirs.images.generate(model="steady", prompt="x")
    assert stack.get(made.job_id)["model"] == "noop"  # type: ignore[attr-defined]


def test_a_prediction_streams_its_log_its_output_and_its_end(replicated: replicate.Client) -> None:
    events = list(
        replicated.stream("safelight/noop", input={"prompt": "x", "duration_s": 1.0, "steps": 10, "seed": 3})
    )
    kinds = [event.event.value for event in events]
    assert kinds[-2:] == ["output", "done"]
    assert "logs" in kinds
    assert httpx.get(str(events[-2])).headers["content-type"] == "image/png"
    assert "100%|" in "".join(event.data for event in events if event.event.value == "logs")


def test_a_stream_of_a_job_that_fails_raises(replicated: replicate.Client) -> None:
    with pytest.raises(RuntimeError, match="asked for it"):
        list(replicated.stream("safelight/noop", input={"prompt": "x", "fail": "error"}))


def test_predictions_are_listed_page_by_page_whoever_made_them(
    stack: RunningStack, replicated: replicate.Client
) -> None:
    made = [stack.submit()["id"] for _ in range(101)]
    page = replicated.predictions.list()
    assert len(page) == 100
    assert page.next
    assert page.next.startswith(f"{stack.url}/replicate/v1/predictions?")
    following = replicated.predictions.list(page.next)
    listed = [prediction.id for prediction in [*page, *following]]
    assert listed[:101] == made[::-1]
    assert len(set(listed)) == len(listed)


def test_a_webhook_brings_the_prediction_and_is_validated(
    stack: RunningStack, replicated: replicate.Client, receiver: Receiver
) -> None:
    prediction = replicated.predictions.create(
        version="noop@1", input={"prompt": "ä"}, webhook=receiver.url, webhook_events_filter=["start", "completed"]
    )
    wait_until(lambda: len(receiver.received) == 2, "both deliveries")
    secret = replicated.webhooks.default.secret()
    bodies: list[dict[str, Any]] = []
    for received in receiver.received:
        body = received.body.decode()
        Webhooks.validate(headers=dict(received.headers), body=body, secret=secret, tolerance=300)
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=dict(received.headers), body=body.replace("ä", "b"), secret=secret)
        bodies.append(replicate.prediction.Prediction.parse_raw(body).dict())
    started, completed = sorted(bodies, key=lambda one: one["status"])
    prediction.wait()
    assert (started["status"], completed["status"]) == ("processing", "succeeded")
    assert completed["id"] == prediction.id
    assert completed["urls"]["get"] == f"{stack.url}/replicate/v1/predictions/{prediction.id}"
    assert completed["output"] == [stack.url + stack.get(prediction.id)["outputs"][0]["url"]]


def test_a_deployment_is_the_model_of_that_name(replicated: replicate.Client) -> None:
    deployment = replicated.deployments.get("safelight/noop")
    assert deployment.current_release
    assert deployment.current_release.version == "noop@1"
    prediction = deployment.predictions.create(input={"prompt": "x"})
    prediction.wait()
    assert (prediction.status, prediction.version) == ("succeeded", "noop@1")


def test_the_async_client_runs_too(stack: RunningStack) -> None:
    async def run() -> list[FileOutput]:
        client = replicate.Client(base_url=f"{stack.url}/replicate", api_token="any")
        async with client._async_client:
            outputs: list[FileOutput] = await client.async_run("safelight/noop", input={"prompt": "x"})
            return outputs

    assert len(asyncio.run(run())) == 1


def test_models_and_versions_are_described(replicated: replicate.Client) -> None:
    model = replicated.models.get("safelight/scenes")
    assert (model.id, model.visibility) == ("safelight/scenes", "public")
    assert model.latest_version
    assert [version.id for version in model.versions.list()] == ["scenes@1"]
    schema = model.versions.get("scenes@1").openapi_schema["components"]["schemas"]
    assert schema["Input"]["required"] == ["prompt"]
    assert schema["Input"]["properties"]["width"]["type"] == "integer"
    assert schema["Output"]["type"] == "array"
    assert "safelight/scenes" in [found.id for found in replicated.models.list()]
    assert [found.id for found in replicated.models.search("scenes LANDSCAPES")] == ["safelight/scenes"]
    assert replicated.accounts.current().username == "safelight"
    assert "default" in [hardware.sku for hardware in replicated.hardware.list()]
    assert len(replicated.collections.list()) == 0


@pytest.mark.parametrize(
    ("version", "given"),
    [("nowhere@1", {}), ("1", {}), ("noop@1", {"steps": 0}), ("safelight/noop:scenes@1", {}), ("noop@1", {"x": 0})],
)
def test_what_is_wrong_is_told_as_a_problem(
    replicated: replicate.Client, version: str, given: dict[str, Any]
) -> None:
    with pytest.raises(ReplicateError) as raised:
        replicated.predictions.create(version=version, input={"prompt": "x", **given})
    assert (raised.value.status, raised.value.title) == (422, "Unprocessable Entity")
    assert raised.value.detail


def test_a_prediction_that_is_not_there_is_not_found(replicated: replicate.Client) -> None:
    with pytest.raises(ReplicateError) as raised:
        replicated.predictions.get("nothing")
    assert raised.value.status == 404
