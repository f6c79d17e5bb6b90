"""Videos by the `openai` client. Where no film is needed the diagnostic model stands in: what it makes is a picture,
on the same way."""

import io

import av
import openai
import pytest
from PIL import Image

from tests.receivers import Receiver
from tests.servers import wait_until
from tests.stacks import RunningStack

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


def test_a_video_is_created_polled_downloaded_and_deleted(stack: RunningStack, theirs: openai.OpenAI) -> None:
    video = theirs.videos.create_and_poll(
        model="noop", prompt="a walk", seconds="4", size="720x1280", extra_body={"duration_s": 0.5, "steps": 5}
    )
    assert (video.status, video.progress, video.prompt) == ("completed", 100, "a walk")
    job = stack.get(video.id)
    assert job["input"] == {"prompt": "a walk", "duration_s": 0.5, "steps": 5}
    downloaded = theirs.videos.download_content(video.id).read()
    assert downloaded == stack.http.get(job["outputs"][0]["url"]).content
    assert theirs.videos.delete(video.id).deleted
    with pytest.raises(openai.NotFoundError):
        theirs.videos.retrieve(video.id)


def test_a_script_that_knows_only_openais_names_gets_a_film_and_its_webhook(
    stack: RunningStack, theirs: openai.OpenAI, receiver: Receiver
) -> None:
    video = theirs.videos.create_and_poll(
        model="sora-2",
        prompt="the sea at dawn",
        seconds="1",  # type: ignore[arg-type]
        size="64x64",  # type: ignore[arg-type]
        extra_body={"fps": 6, "steps": 4, "webhook": {"url": receiver.url}},
    )
    assert (video.status, video.model, video.seconds, video.size) == ("completed", "scenes-walk", "1", "64x64")
    film = theirs.videos.download_content(video.id).read()
    with av.open(io.BytesIO(film)) as container:
        assert len(list(container.decode(video=0))) == 6
    still = Image.open(io.BytesIO(theirs.videos.download_content(video.id, variant="thumbnail").read()))
    sheet = Image.open(io.BytesIO(theirs.videos.download_content(video.id, variant="spritesheet").read()))
    assert (still.format, still.size, sheet.format) == ("WEBP", (64, 64), "JPEG")
    assert [one.id for one in theirs.videos.list(limit=1)] == [video.id]
    assert [one.id for one in theirs.videos.list(order="asc")] == [video.id]
    wait_until(lambda: bool(receiver.received), "the webhook")
    secret = stack.http.get("/v1/webhooks/default/secret").json()["key"]
    (received,) = receiver.received
    event = theirs.webhooks.unwrap(received.body, dict(received.headers), secret=secret)
    assert (event.type, event.data.id) == ("video.completed", video.id)  # type: ignore[comparison-overlap, union-attr]


def test_a_video_may_begin_with_a_picture(stack: RunningStack, theirs: openai.OpenAI) -> None:
    data = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(data, "PNG")
    video = theirs.videos.create_and_poll(
        model="noop", prompt="a walk", input_reference=("a.png", data.getvalue(), "image/png")
    )
    assert theirs.videos.download_content(video.id).read() == data.getvalue()
    assert stack.get(video.id)["input"]["media"].startswith("upload:")


def test_a_canceled_video_has_failed_and_says_why(stack: RunningStack, theirs: openai.OpenAI) -> None:
    video = theirs.videos.create(model="noop", prompt="stopped", extra_body={"duration_s": 60, "steps": 600})
    assert video.status in ("queued", "in_progress")
    with pytest.raises(openai.ConflictError):
        theirs.videos.download_content(video.id)
    assert stack.http.post(f"/openai/v1/videos/{video.id}/cancel").status_code == 200
    stack.finished(video.id)
    ended = theirs.videos.retrieve(video.id)
    assert ended.status == "failed"
    assert ended.error
    assert ended.error.code == "cancelled"


def test_a_form_that_is_wrong_is_refused(stack: RunningStack, theirs: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        theirs.videos.create(model="noop", prompt="x", extra_body={"steps": "many"})
    assert raised.value.param == "steps"
    with pytest.raises(openai.InternalServerError) as refused:
        theirs.videos.remix("any", prompt="x")
    assert (refused.value.status_code, refused.value.code) == (501, "not_implemented")
    for kind, body in [
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nnothing"),
        ("multipart/form-data", b"--x--"),
        ("application/x-www-form-urlencoded", b"prompt=a&prompt=b"),
        ("application/x-www-form-urlencoded", b"prompt=%00"),
        ("application/x-www-form-urlencoded", b"a=1&a[b]=2"),
        ("application/json", b"[]"),
    ]:
        answer = stack.http.post("/openai/v1/videos", content=body, headers={"content-type": kind})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["type"] == "invalid_request_error"
