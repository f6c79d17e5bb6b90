"""Media inputs over a whole stack: uploads, other jobs' outputs, URLs, data URIs. The diagnostic model gives its
media back as it is, so what comes out tells what went in."""

import base64
import hashlib
import http.server
import io
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from api.shapes.uploads import UploadDocument
from jobs.identity import new_id
from tests.origins import Origin, endless, one_byte_at_a_time, short
from tests.pictures import film, picture, sound
from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack

pytestmark = pytest.mark.slow

_MOST = 200_000


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """May fetch from 127.0.0.1, and from nowhere else on this machine."""
    environment = {
        "SAFELIGHT_WEBHOOK_ALLOW": "127.0.0.1/32",
        "SAFELIGHT_MAX_UPLOAD_BYTES": str(_MOST),
        "SAFELIGHT_FETCH_WAITS_S": "0.1",
        "SAFELIGHT_FETCH_TIMEOUT_S": "2",
    }
    with running_stack(tmp_path_factory.mktemp("media") / "data", **environment) as stack:
        yield stack


def upload(house: RunningStack, data: bytes, media_type: str) -> dict[str, Any]:
    answer = house.http.post("/v1/uploads", content=data, headers={"Content-Type": media_type})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert UploadDocument.model_validate(found)
    assert answer.headers["location"] == f"/v1/uploads/{found['id']}"
    return found


def refused(house: RunningStack, reference: str) -> str:
    """What is said of the field `media`."""
    answer = house.http.post("/v1/jobs", json={"model": "noop", "input": {"prompt": "a", "media": reference}})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["field"] == "input.media"
    detail: str = fault["detail"]
    return detail


def given_back(house: RunningStack, job: dict[str, Any]) -> bytes:
    done = house.finished(job["id"])
    assert done["status"] == "succeeded", done["error"]
    return house.http.get(done["outputs"][0]["url"]).content


@pytest.mark.parametrize(
    ("media_type", "data", "size"),
    [
        ("image/png", picture(30, 20), (30, 20)),
        ("image/jpeg", picture(30, 20, "JPEG"), (30, 20)),
        ("image/webp", picture(30, 20, "WEBP"), (30, 20)),
        ("audio/wav", sound(), (None, None)),
        ("video/mp4", film(), (None, None)),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_was_uploaded_reaches_the_model(
    house: RunningStack, media_type: str, data: bytes, size: tuple[int | None, int | None]
) -> None:
    found = upload(house, data, media_type)
    assert (found["media_type"], found["bytes"], found["width"], found["height"]) == (media_type, len(data), *size)
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    served = house.http.get(found["url"])
    assert (served.content, served.headers["content-type"]) == (data, media_type)
    assert given_back(house, house.submit(media=found["reference"])) == data


def test_a_form_may_carry_the_file_as_browsers_and_curl_send_it(house: RunningStack) -> None:
    answer = house.http.post("/v1/uploads", files={"file": ("../../a b.png", picture(), "image/png")})
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] == "a b.png"
    assert house.http.post("/v1/uploads", data={"file": "no file"}).status_code in (415, 422)


def test_an_upload_is_listed_and_deleted_and_then_its_bytes_are_gone(house: RunningStack) -> None:
    found = upload(house, picture(7, 7), "image/png")
    assert found in house.http.get("/v1/uploads").json()["uploads"]
    assert house.http.get(f"/v1/uploads/{found['id']}").json() == found
    assert house.http.delete(f"/v1/uploads/{found['id']}").status_code == 204
    assert house.http.get(f"/v1/uploads/{found['id']}").status_code == 404
    assert house.http.get(found["url"]).status_code == 404


def test_an_upload_that_lies_or_is_too_large_is_refused_and_nothing_is_left_of_it(house: RunningStack) -> None:
    before = len(house.http.get("/v1/uploads").json()["uploads"])
    png = {"Content-Type": "image/png"}
    assert house.http.post("/v1/uploads", content=picture(kind="JPEG"), headers=png).status_code == 422
    assert house.http.post("/v1/uploads", content=picture()[:20], headers=png).status_code == 422
    assert house.http.post("/v1/uploads", content=b"", headers=png).status_code == 422
    assert house.http.post("/v1/uploads", content=b"<svg/>").status_code == 422
    svg = {"Content-Type": "image/svg+xml"}
    assert house.http.post("/v1/uploads", content=b"<svg/>", headers=svg).status_code == 415
    large = picture() + b"\0" * _MOST
    assert house.http.post("/v1/uploads", content=large, headers=png).status_code == 413
    assert house.http.post("/v1/uploads", content=iter([large]), headers=png).status_code == 413, "of unknown length"
    assert house.http.post("/v1/uploads", files={"file": ("a.png", large)}).status_code == 413
    assert len(house.http.get("/v1/uploads").json()["uploads"]) == before
    assert not list((house.folder / "artifacts").rglob("*.part"))


def test_a_job_waits_for_the_output_that_it_takes_from_another(house: RunningStack) -> None:
    first = house.submit(duration_s=1)
    second = house.submit(media=f"job:{first['id']}#0")
    assert (second["status"], second["depends_on"]) == ("waiting", [first["id"]])
    third = house.submit(media=f"job:{second['id']}")
    data = given_back(house, third)
    done = house.finished(first["id"])
    assert hashlib.sha256(data).hexdigest() == done["outputs"][0]["sha256"]


def test_a_job_whose_input_is_deleted_before_it_runs_says_so(house: RunningStack) -> None:
    first = house.finished(house.submit()["id"])
    blocker = house.submit(duration_s=2)
    second = house.submit(media=f"job:{first['id']}")
    wait_until(lambda: house.get(second["id"])["status"] == "queued", "it is released")
    assert house.http.delete(f"/v1/jobs/{first['id']}").status_code == 204
    failed = house.finished(second["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "input_gone")
    assert house.finished(blocker["id"])["status"] == "succeeded"


def test_a_data_uri_becomes_an_upload_and_the_job_stays_small(house: RunningStack) -> None:
    data = picture(kind="WEBP")
    job = house.submit(media=f"data:image/webp;base64,{base64.b64encode(data).decode()}")
    assert job["input"]["media"].startswith("upload:")
    assert given_back(house, job) == data
    assert "does not begin" in refused(house, "data:image/png;base64," + base64.b64encode(data).decode())


def test_references_to_nothing_are_refused_by_name(house: RunningStack) -> None:
    assert "no upload:ID" in refused(house, "my picture")
    assert "no such upload" in refused(house, f"upload:{new_id()}")
    assert "no such job" in refused(house, f"job:{new_id()}#0")
    job = house.submit(duration_s=0.1)
    assert "1 output" in refused(house, f"job:{job['id']}#1")
    assert "this server" in refused(house, "http://127.0.0.2/a.png")
    assert "this server" in refused(house, "http://169.254.169.254/latest/meta-data")
    assert "not a URL" in refused(house, "http://[::1/")


def test_a_url_is_fetched_while_its_job_waits_and_once_for_all_that_wait(house: RunningStack, origin: Origin) -> None:
    data = picture(11, 13)

    def slowly(request: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        request.send_response(200)
        request.send_header("content-type", "application/octet-stream")
        request.end_headers()
        request.wfile.write(data)

    origin.pages["/slow.png"] = slowly
    jobs = [house.submit(media=f"{origin.url}/slow.png") for _ in range(3)]
    assert [job["status"] for job in jobs] == ["waiting"] * 3
    assert jobs[0]["input"]["media"] == f"{origin.url}/slow.png", "as the client gave it"
    assert {given_back(house, job) for job in jobs} == {data}
    assert origin.asked.count("/slow.png") == 1
    (upload_id,) = jobs[0]["depends_on"]
    fetched = house.http.get(f"/v1/uploads/{upload_id}").json()
    assert (fetched["status"], fetched["width"], fetched["height"]) == ("ready", 11, 13)


def test_a_server_that_stumbles_is_asked_again(house: RunningStack, origin: Origin) -> None:
    def stumble(request: http.server.BaseHTTPRequestHandler) -> None:
        origin.pages["/stumbles.png"] = picture()
        request.send_error(503)

    origin.pages["/stumbles.png"] = stumble
    assert given_back(house, house.submit(media=f"{origin.url}/stumbles.png")) == picture()
    assert origin.asked.count("/stumbles.png") == 2


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ((404, {}), "answered 404"),
        (b"<html>a page</html>", "none of image/png"),
        (picture()[:20], "breaks off"),
        ((302, {"location": "http://169.254.169.254/latest/meta-data"}), "redirected to what cannot be called"),
        ((302, {"location": "file:///etc/passwd"}), "redirected to what cannot be called"),
        ((302, {"location": "/again"}), "more than 3 times"),
        ((200, {"content-length": "999999999"}), "larger than"),
        ((200, {"content-encoding": "gzip"}), "compresses"),
        (endless, "larger than"),
        (one_byte_at_a_time, "not there within 2 s"),
        (short, "connection failed"),
    ],
    ids=lambda given: getattr(given, "__name__", None) or str(given)[:40],
)
def test_what_cannot_be_fetched_ends_its_job_with_the_reason(
    house: RunningStack, origin: Origin, page: Any, reason: str
) -> None:
    origin.pages["/bad"] = page
    origin.pages["/again"] = (302, {"location": "/again"})
    failed = house.finished(house.submit(media=f"{origin.url}/bad")["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "input_unavailable")
    assert reason in failed["error"]["message"]


def test_when_its_job_is_retried_what_could_not_be_fetched_is_fetched_again(
    house: RunningStack, origin: Origin
) -> None:
    job = house.submit(media=f"{origin.url}/late.png")
    assert house.finished(job["id"])["status"] == "failed"
    origin.pages["/late.png"] = picture()
    assert house.http.post(f"/v1/jobs/{job['id']}/retry").json()["status"] == "waiting"
    assert given_back(house, job) == picture()


def test_a_redirect_to_where_we_may_go_is_followed(house: RunningStack, origin: Origin) -> None:
    origin.pages["/old.png"] = (301, {"location": "/new.png"})
    origin.pages["/new.png"] = picture(9, 9)
    assert given_back(house, house.submit(media=f"{origin.url}/old.png")) == picture(9, 9)


def test_members_of_a_group_take_one_anothers_outputs(house: RunningStack) -> None:
    data = base64.b64encode(picture()).decode()
    first = {"name": "a", "model": "noop", "input": {"prompt": "a", "media": f"data:image/png;base64,{data}"}}
    then = {"name": "b", "model": "noop", "input": {"prompt": "b", "media": "job:a#0"}}
    answer = house.http.post("/v1/groups", json={"members": [first, then]})
    assert answer.status_code == 202, answer.text
    members = {member["name"]: house.get(member["id"]) for member in answer.json()["members"]}
    assert given_back(house, members["b"]) == picture()
    assert members["b"]["depends_on"] == [members["a"]["id"]]
    then["input"] = {"prompt": "b", "media": f"upload:{new_id()}"}
    refused = house.http.post("/v1/groups", json={"members": [first, then]})
    assert refused.status_code == 422
    assert [fault["field"] for fault in refused.json()["errors"]] == ["members.1.input.media"]


def test_a_replay_has_the_bytes_that_were_fetched_then(house: RunningStack, origin: Origin) -> None:
    origin.pages["/changes.png"] = picture(5, 5)
    job = house.submit(media=f"{origin.url}/changes.png")
    assert given_back(house, job) == picture(5, 5)
    origin.pages["/changes.png"] = picture(6, 6)
    answer = house.http.post(f"/v1/jobs/{job['id']}/replay")
    assert answer.status_code == 202, answer.text
    assert given_back(house, answer.json()) == picture(5, 5)
    (upload_id,) = job["depends_on"]
    assert house.http.delete(f"/v1/uploads/{upload_id}").status_code == 204
    assert house.http.post(f"/v1/jobs/{job['id']}/replay").status_code == 409


def test_models_that_take_pictures_get_them(house: RunningStack) -> None:
    words = {"prompt": "a lighthouse on the right in a stormy night", "seed": 7, "steps": 4}
    drawn = house.submit("scenes", **words)
    mine = upload(house, picture(300, 200), "image/png")["reference"]
    redrawn = house.submit("scenes-img2img", **words, image=mine)
    body = {"model": "enlarge", "input": {"image": f"job:{drawn['id']}#0", "factor": 2}}
    enlarged = house.http.post("/v1/jobs", json=body).json()
    sizes = [Image.open(io.BytesIO(given_back(house, job))).size for job in (drawn, redrawn, enlarged)]
    assert sizes == [(256, 256), (256, 256), (512, 512)]


def test_an_upload_that_is_used_stays_until_its_job_has_ended(house: RunningStack) -> None:
    found = upload(house, picture(3, 3), "image/png")
    job = house.submit(media=found["reference"], duration_s=60)
    assert house.http.delete(f"/v1/uploads/{found['id']}").status_code == 409
    house.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert house.finished(job["id"])["status"] == "canceled"
    assert house.http.delete(f"/v1/uploads/{found['id']}").status_code == 204


def test_a_sender_that_goes_away_halfway_leaves_nothing(house: RunningStack) -> None:
    before = len(house.http.get("/v1/uploads").json()["uploads"])
    address = urlsplit(house.url)
    for kind in ("image/png", "multipart/form-data; boundary=b"):
        with socket.create_connection((address.hostname, address.port)) as line:
            head = f"POST /v1/uploads HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {kind}\r\n"
            line.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + picture())
            time.sleep(0.3)
    wait_until(lambda: not list((house.folder / "artifacts").rglob("*.part")), "the halves are gone")
    assert len(house.http.get("/v1/uploads").json()["uploads"]) == before
