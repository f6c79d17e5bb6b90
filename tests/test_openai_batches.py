"""Files and batches by the official `openai` client, unmodified, over a real stack."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI

from jobs.files import FILE_BYTES_MOST
from tests.desks import line
from tests.servers import wait_until
from tests.stacks import RunningStack

pytestmark = pytest.mark.slow

ENDED = {"completed", "failed", "cancelled", "expired"}


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{stack.url}/openai/v1", api_key="any") as client:
        yield client


def jsonl(lines: list[Any]) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)


def begin(client: OpenAI, lines: list[Any], **given: Any) -> Any:
    file = client.files.create(file=("lines.jsonl", jsonl(lines)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        **{"endpoint": "/v1/jobs", "completion_window": "24h"} | given,  # type: ignore[arg-type]
    )


def ended(client: OpenAI, batch_id: str) -> Any:
    give_up_at = time.monotonic() + 90
    while (batch := client.batches.retrieve(batch_id)).status not in ENDED:
        assert time.monotonic() < give_up_at, batch
        time.sleep(0.1)
    return batch


def answers(client: OpenAI, file_id: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in client.files.content(file_id).text.splitlines()]


def test_a_batch_of_ten_lines_with_two_bad_ones(client: OpenAI, stack: RunningStack) -> None:
    lines = [line(number) for number in range(10)]
    lines[3]["body"]["model"] = "nobody"
    lines[7]["body"]["input"] = {}
    begun = begin(client, lines, metadata={"mine": "yes"})
    assert (begun.object, begun.status, begun.metadata) == ("batch", "validating", {"mine": "yes"})
    batch = ended(client, begun.id)
    assert batch.status == "completed"
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (10, 8, 2)
    output, errors = answers(client, batch.output_file_id), answers(client, batch.error_file_id)
    assert [one["custom_id"] for one in output] == [f"r{number}" for number in range(10) if number not in (3, 7)]
    assert [one["custom_id"] for one in errors] == ["r3", "r7"]
    assert [one["response"]["body"]["error"]["param"] for one in errors] == ["model", "input.prompt"]
    job = output[0]["response"]["body"]
    assert stack.get(job["id"])["outputs"] == job["outputs"]
    assert stack.http.get(job["outputs"][0]["url"]).status_code == 200
    assert [batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at] == sorted(
        [batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at]
    )
    assert batch.id in [one.id for one in client.batches.list(limit=1)], "pages are followed"
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"


def test_a_batch_of_images_answers_as_the_call_itself_would(client: OpenAI, stack: RunningStack) -> None:
    lines: list[dict[str, Any]] = [
        {"prompt": "x", "seed": 5},
        {"prompt": "x", "response_format": "url", "output_format": "jpeg"},
        {"prompt": "x", "response_format": "b64_json"},
        {"prompt": "x", "n": 50},
        {"prompt": "x", "stream": True},
        {"prompt": "x", "steps": 0},
    ]
    asked = [{"custom_id": f"i{n}", "body": {"model": "noop", **body}} for n, body in enumerate(lines)]
    batch = ended(client, begin(client, asked, endpoint="/v1/images/generations").id)
    first, second, third = (one["response"]["body"]["data"][0] for one in answers(client, batch.output_file_id))
    directly = client.images.generate(model="noop", prompt="x", extra_body={"seed": 5}).data
    assert directly
    assert (first["b64_json"], first["url"]) == (directly[0].b64_json, directly[0].url)
    assert "b64_json" not in second
    assert stack.http.get(second["url"]).headers["content-type"] == "image/jpeg"
    assert third.keys() == {"seed", "b64_json"}
    errors = {one["custom_id"]: one["response"]["body"]["error"] for one in answers(client, batch.error_file_id)}
    assert {name: error["param"] for name, error in errors.items()} == {"i3": "n", "i4": "stream", "i5": "steps"}


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_a_batch_of_videos_names_films_that_can_be_fetched(client: OpenAI) -> None:
    asked = [{"custom_id": "v", "url": "/v1/videos", "body": {"model": "noop", "prompt": "x"}}]
    batch = ended(client, begin(client, asked, endpoint="/v1/videos").id)
    (video,) = (one["response"]["body"] for one in answers(client, batch.output_file_id))
    assert (video["object"], video["status"]) == ("video", "completed")
    assert client.videos.download_content(video["id"]).read()


def test_a_batch_is_cancelled_and_keeps_what_is_done(client: OpenAI) -> None:
    begun = begin(client, [line(1), *(line(number, duration_s=30, steps=300) for number in range(2, 6))])
    give_up_at = time.monotonic() + 60
    while client.batches.retrieve(begun.id).request_counts.completed < 1:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)
    assert client.batches.cancel(begun.id).status == "cancelling"
    batch = ended(client, begun.id)
    assert batch.status == "cancelled"
    assert [one["custom_id"] for one in answers(client, batch.output_file_id)] == ["r1"]
    errors = answers(client, batch.error_file_id)
    assert {one["custom_id"]: one["error"]["code"] for one in errors} == {
        f"r{number}": "batch_cancelled" for number in range(2, 6)
    }


def test_a_file_that_is_wrong_as_a_whole_fails_its_batch_and_says_where(client: OpenAI) -> None:
    batch = ended(client, begin(client, [line(1), line(2), line(1)]).id)
    assert batch.status == "failed"
    (error,) = batch.errors.data
    assert (error.code, error.line, error.param) == ("duplicate_custom_id", 3, "custom_id")


def test_files_are_kept_listed_read_in_ranges_and_deleted(
    client: OpenAI, stack: RunningStack, tmp_path: Path
) -> None:
    path = tmp_path / "größe.bin"
    path.write_bytes(bytes(range(256)) * 16_384)
    with path.open("rb") as content:
        file = client.files.create(
            file=content, purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3_600}
        )
    assert (file.bytes, file.filename, file.status) == (1 << 22, "größe.bin", "processed")
    assert file.expires_at == file.created_at + 3_600
    assert client.files.content(file.id).read() == path.read_bytes()
    part = stack.http.get(f"/openai/v1/files/{file.id}/content", headers={"Range": "bytes=256-259"})
    assert (part.status_code, part.content) == (206, b"\x00\x01\x02\x03")
    assert file.id in [one.id for one in client.files.list(purpose="user_data", limit=1)]
    assert client.files.wait_for_processing(file.id).id == file.id
    assert client.files.delete(file.id).deleted
    with pytest.raises(NotFoundError):
        client.files.content(file.id)


def test_what_is_wrong_with_a_request_is_said_in_the_shape_this_client_reads(client: OpenAI) -> None:
    batch = begin(client, [line(1, duration_s=2)])
    with pytest.raises(ConflictError):
        client.files.delete(batch.input_file_id)
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"endpoint": "/v1/chat/completions"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
    ]
    for wrong, param in wrongs:
        body = {"input_file_id": batch.input_file_id, "endpoint": "/v1/jobs", "completion_window": "24h"}
        with pytest.raises(BadRequestError) as refused:
            client.batches.create(**body | wrong)  # type: ignore[arg-type]
        assert refused.value.param == param
    for missing in ("batch_1", "batch_" + "0" * 32, "ä"):
        with pytest.raises(NotFoundError):
            client.batches.retrieve(missing)
    with pytest.raises(BadRequestError) as refused:
        client.files.create(file=b"x", purpose="gossip")  # type: ignore[arg-type]
    assert refused.value.param == "purpose"
    client.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc",
        ),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data", b"--x--\r\n"),
        ("application/json", b"{}"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n',
        ),
    ],
)
def test_a_form_that_is_none_is_refused_and_leaves_nothing(
    stack: RunningStack, content_type: str, body: bytes
) -> None:
    answer = stack.http.post("/openai/v1/files", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400, answer.text
    folder = stack.folder / "artifacts" / "files"
    wait_until(lambda: not list(folder.glob("*.part")), "nothing half-written is left; others may write meanwhile")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(stack: RunningStack) -> None:
    there = stack.http.base_url
    connection = http.client.HTTPConnection(there.host, there.port or 80, timeout=30)
    connection.putrequest("POST", "/openai/v1/files")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(FILE_BYTES_MOST * 2))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert list((stack.folder / "artifacts" / "files").glob("*.part")) == []
