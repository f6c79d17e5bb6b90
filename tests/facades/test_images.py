"""Pictures by the `openai` client."""

import base64
import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from tests.servers import wait_until
from tests.stacks import RunningStack


def opened(encoded: str | None) -> Image.Image:
    assert encoded
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    image.load()
    return image


def jobs(stack: RunningStack, prompt: str) -> list[str]:
    """The jobs of that prompt, newest first."""
    listed = stack.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
    return [job["id"] for job in listed if job["input"].get("prompt") == prompt]


def test_a_script_that_knows_only_openais_names_gets_a_picture_of_the_size_it_says(
    stack: RunningStack, theirs: openai.OpenAI
) -> None:
    made = theirs.images.generate(
        model="gpt-image-1", prompt="a red sun over the sea", size="1024x1024", quality="high", user="somebody"
    )
    assert made.data
    picture = opened(made.data[0].b64_json)
    assert (picture.size, picture.format, made.size) == ((256, 256), "PNG", "256x256")
    job = stack.get(made.job_id)  # type: ignore[attr-defined]
    assert (job["model"], job["status"]) == ("scenes", "succeeded")
    assert job["metadata"]["openai"] == {"quality": "high", "size": "1024x1024", "user": "somebody"}
    assert made.data[0].url == f"{stack.url}{job['outputs'][0]['url']}"


def test_inputs_of_the_model_pass_through_and_n_pictures_are_one_job(
    stack: RunningStack, theirs: openai.OpenAI
) -> None:
    made = theirs.images.generate(
        model="scenes",
        prompt="a lighthouse",
        n=2,
        size="192x128",
        response_format="url",
        extra_body={"seed": 7, "steps": 2, "guidance": 2.5},
    )
    assert made.data
    assert [picture.b64_json for picture in made.data] == [None, None]
    for picture in made.data:
        fetched = httpx.get(picture.url or "")
        assert Image.open(io.BytesIO(fetched.content)).size == (192, 128)
    (job_id,) = jobs(stack, "a lighthouse")
    job = stack.get(job_id)
    assert [output["seed"] for output in job["outputs"]] == [7, 8]
    assert (job["input"]["steps"], job["input"]["guidance"]) == (2, 2.5)


def test_n_pictures_of_a_model_that_makes_one_at_a_time_are_n_jobs(
    stack: RunningStack, theirs: openai.OpenAI
) -> None:
    made = theirs.images.generate(model="noop", prompt="three", n=3, extra_body={"seed": 1})
    assert made.data
    assert len({picture.b64_json for picture in made.data}) == 3
    assert len(jobs(stack, "three")) == 3


@pytest.mark.parametrize(("wanted", "said"), [("webp", "WEBP"), ("jpeg", "JPEG"), ("png", "PNG")])
def test_a_picture_comes_in_the_format_that_was_asked_for(theirs: openai.OpenAI, wanted: str, said: str) -> None:
    made = theirs.images.generate(model="noop", prompt="a format", output_format=wanted, output_compression=80)  # type: ignore[arg-type]
    assert made.data
    assert (
        opened(made.data[0].b64_json).format
        == said
        == Image.open(io.BytesIO(httpx.get(made.data[0].url or "").content)).format
    )
    assert made.output_format == wanted


def test_a_stream_shows_partial_images_and_then_the_picture(theirs: openai.OpenAI) -> None:
    stream = theirs.images.generate(
        model="scenes", prompt="mountains", stream=True, partial_images=2, extra_body={"steps": 50, "count": 4}
    )
    events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[-4:] == ["image_generation.completed"] * 4
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    assert 1 <= len(partial) <= 2
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert max(opened(partial[0].b64_json).size) == 128
    assert opened(events[-1].b64_json).size == (256, 256)


def test_a_stream_of_a_job_that_fails_raises(theirs: openai.OpenAI) -> None:
    stream = theirs.images.generate(
        model="noop", prompt="a stream", stream=True, extra_body={"fail": "error", "duration_s": 0.2}
    )
    with pytest.raises(openai.APIError, match="asked for it"):
        list(stream)


def test_a_call_that_times_out_and_is_sent_again_makes_one_job(stack: RunningStack, theirs: openai.OpenAI) -> None:
    impatient = theirs.with_options(timeout=1.5, max_retries=5)
    made = impatient.images.generate(model="noop", prompt="once", extra_body={"duration_s": 4})
    assert made.data
    assert jobs(stack, "once") == [made.job_id]  # type: ignore[attr-defined]
    again = theirs.images.generate(model="noop", prompt="once", extra_body={"duration_s": 4})
    assert again.job_id != made.job_id  # type: ignore[attr-defined]


def test_a_call_outlives_the_process_that_heard_it_and_makes_one_job(
    stack: RunningStack, theirs: openai.OpenAI
) -> None:
    patient = theirs.with_options(max_retries=12)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(patient.images.generate, model="noop", prompt="outlived", extra_body={"duration_s": 2})
        wait_until(lambda: bool(jobs(stack, "outlived")), "the job is there")
        stack.kill("api")
        made = call.result(120)
    assert jobs(stack, "outlived") == [made.job_id]  # type: ignore[attr-defined]


def test_a_client_that_goes_away_takes_no_job_with_it(stack: RunningStack, theirs: openai.OpenAI) -> None:
    gone = theirs.with_options(timeout=0.5, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        gone.images.generate(model="noop", prompt="gone", extra_body={"duration_s": 1.5})
    (job_id,) = jobs(stack, "gone")
    assert stack.finished(job_id)["status"] == "succeeded"


def test_a_job_that_is_canceled_elsewhere_ends_the_call(stack: RunningStack, theirs: openai.OpenAI) -> None:
    def generate() -> None:
        theirs.images.generate(model="noop", prompt="stopped", extra_body={"duration_s": 60, "steps": 600})

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(generate)
        wait_until(lambda: bool(jobs(stack, "stopped")), "the job is there")
        (job_id,) = jobs(stack, "stopped")
        stack.http.post(f"/v1/jobs/{job_id}/cancel")
        with pytest.raises(openai.APIStatusError) as raised:
            call.result(60)
    assert raised.value.code == "cancelled"
    assert len(jobs(stack, "stopped")) == 1


def picture(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 32), colour).save(data, "PNG")
    return data.getvalue()


def test_an_edit_sends_its_picture_along(stack: RunningStack, theirs: openai.OpenAI) -> None:
    made = theirs.images.edit(
        model="noop",
        image=("a.png", picture()),
        prompt="edited",
        output_format="webp",
        output_compression=70,
        extra_body={"seed": 5, "duration_s": 0.1},
    )
    assert made.data
    assert (opened(made.data[0].b64_json).size, opened(made.data[0].b64_json).format) == ((64, 32), "WEBP")
    job = stack.get(made.job_id)  # type: ignore[attr-defined]
    assert (job["input"]["seed"], job["input"]["duration_s"]) == (5, 0.1)
    assert job["input"]["media"].startswith("upload:")


def test_an_edit_that_times_out_and_is_sent_again_makes_one_job(stack: RunningStack, theirs: openai.OpenAI) -> None:
    impatient = theirs.with_options(timeout=1.5, max_retries=5)
    made = impatient.images.edit(model="noop", image=[picture()], prompt="edited once", extra_body={"duration_s": 4})
    assert jobs(stack, "edited once") == [made.job_id]  # type: ignore[attr-defined]


def test_an_edit_streams(theirs: openai.OpenAI) -> None:
    early, last = theirs.images.edit(model="noop", image=picture(), prompt="x", stream=True, partial_images=1)
    assert (early.type, last.type) == ("image_edit.partial_image", "image_edit.completed")
    assert opened(last.b64_json).size == (64, 32)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"image": b"no picture"}, "file"),
        ({"image": [picture(), picture()]}, "image"),
        ({"image": picture(), "mask": picture()}, "mask"),
        ({"image": picture(), "n": 11}, "n"),
        ({"image": picture(), "extra_body": {"steps": "many"}}, "steps"),
    ],
)
def test_an_edit_that_is_wrong_is_refused(
    stack: RunningStack, theirs: openai.OpenAI, given: dict[str, Any], param: str
) -> None:
    before = stack.http.get("/v1/uploads").json()
    with pytest.raises(openai.BadRequestError) as raised:
        theirs.images.edit(model="noop", prompt="wrong", **given)
    assert raised.value.param == param
    assert jobs(stack, "wrong") == []
    assert stack.http.get("/v1/uploads").json() == before


Call = Callable[[openai.OpenAI], object]

REFUSALS: list[tuple[str, Call, type[openai.APIStatusError], str | None, str]] = [
    (
        "no such model",
        lambda c: c.images.generate(model="nowhere", prompt="x"),
        openai.NotFoundError,
        "model",
        "model_not_found",
    ),
    ("no prompt", lambda c: c.images.generate(prompt=openai.omit), openai.BadRequestError, "prompt", "invalid_value"),  # type: ignore[arg-type]
    (
        "a prompt too long",
        lambda c: c.images.generate(prompt="x" * 9000),
        openai.BadRequestError,
        "prompt",
        "invalid_value",
    ),
    ("too many", lambda c: c.images.generate(prompt="x", n=11), openai.BadRequestError, "n", "invalid_value"),
    ("no size", lambda c: c.images.generate(prompt="x", size="big"), openai.BadRequestError, "size", "invalid_value"),
    (
        "a format nobody makes",
        lambda c: c.images.generate(prompt="x", output_format="svg"),
        openai.BadRequestError,
        "output_format",
        "invalid_value",
    ),
    (
        "an unknown parameter",
        lambda c: c.images.generate(prompt="x", extra_body={"colour": 1}),
        openai.BadRequestError,
        "colour",
        "invalid_value",
    ),
    (
        "a wrong input",
        lambda c: c.images.generate(prompt="x", extra_body={"steps": 0}),
        openai.BadRequestError,
        "steps",
        "invalid_value",
    ),
    (
        "a body too large",
        lambda c: c.images.generate(prompt="x" * 2_000_000),
        openai.APIStatusError,
        None,
        "request_too_large",
    ),
    (
        "a job that fails",
        lambda c: c.images.generate(model="noop", prompt="x", extra_body={"fail": "error", "duration_s": 0.1}),
        openai.InternalServerError,
        None,
        "model_error",
    ),
]


@pytest.mark.parametrize(
    ("call", "kind", "param", "code"), [pytest.param(*rest, id=name) for name, *rest in REFUSALS]
)
def test_what_is_wrong_is_told_in_that_clients_own_shape_and_not_sent_again(
    theirs: openai.OpenAI, call: Call, kind: type[openai.APIStatusError], param: str | None, code: str
) -> None:
    started = time.monotonic()
    with pytest.raises(kind) as raised:
        call(theirs)
    fault = raised.value
    assert (fault.param, fault.code) == (param, code)
    assert fault.type in ("invalid_request_error", "server_error")
    assert fault.request_id
    assert fault.response.headers["x-should-retry"] == "false"
    assert fault.response.request.headers["x-stainless-retry-count"] == "0"
    assert time.monotonic() - started < 60


def test_models_are_listed_and_found(theirs: openai.OpenAI) -> None:
    assert {"scenes", "noop"} <= {model.id for model in theirs.models.list()}
    assert theirs.models.retrieve("scenes@1").id == "scenes"
    with pytest.raises(openai.NotFoundError):
        theirs.models.retrieve("nowhere")
