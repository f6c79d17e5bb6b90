"""The job API as a client uses it, against a real stack."""

import contextlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from api.shapes.documents import JobDocument, JobListDocument, ModelListDocument, StatsDocument
from tests.servers import wait_until
from tests.stacks import RunningStack


def body(**given: Any) -> dict[str, Any]:
    return {"model": "noop", "input": {"prompt": "x", **given}}


def test_a_submit_is_answered_202_with_its_location_and_the_whole_job(stack: RunningStack) -> None:
    answer = stack.http.post("/v1/jobs", json=body() | {"metadata": {"shot": 7}})
    assert answer.status_code == 202
    job = JobDocument.model_validate(answer.json())
    assert answer.headers["location"] == f"/v1/jobs/{job.id}" == job.urls.self
    assert answer.headers["retry-after"].isdigit()
    assert (job.status, job.seq, job.attempt, job.metadata) == ("queued", 1, 0, {"shot": 7})


def test_prefer_wait_answers_200_when_finished_and_202_when_time_is_up(stack: RunningStack) -> None:
    done = stack.http.post("/v1/jobs", json=body(), headers={"Prefer": "wait=30"})
    assert (done.status_code, done.json()["status"]) == (200, "succeeded")
    late = stack.http.post("/v1/jobs", json=body(duration_s=4), headers={"Prefer": "respond-async, wait=1"})
    assert late.status_code == 202
    assert late.json()["status"] in ("queued", "running")
    stack.finished(late.json()["id"])


def test_a_long_poll_answers_as_soon_as_the_job_changes(stack: RunningStack) -> None:
    job = stack.submit(duration_s=1.0)
    seen = [job["seq"]]
    while job["status"] not in ("succeeded", "failed"):
        job = stack.http.get(f"/v1/jobs/{job['id']}", params={"wait": 30, "after": seen[-1]}).json()
        seen.append(job["seq"])
    assert seen == [1, 2, 3]


def test_a_long_poll_returns_when_nothing_changes(stack: RunningStack) -> None:
    job = stack.finished(stack.submit()["id"])
    started = time.monotonic()
    again = stack.http.get(f"/v1/jobs/{job['id']}", params={"wait": 1, "after": job["seq"]}).json()
    assert 0.9 <= time.monotonic() - started < 20
    assert again["seq"] == job["seq"]


def test_many_long_polls_wait_at_once(stack: RunningStack) -> None:
    job = stack.submit(duration_s=3.0)

    def wait(_: int) -> str:
        status: str = httpx.get(f"{stack.url}/v1/jobs/{job['id']}", params={"wait": 60}, timeout=70).json()["status"]
        return status

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(wait, range(64))) == {"succeeded"}


def test_an_unchanged_job_is_answered_304(stack: RunningStack) -> None:
    job = stack.finished(stack.submit()["id"])
    first = stack.http.get(f"/v1/jobs/{job['id']}")
    again = stack.http.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert str(job["seq"]) in first.headers["etag"]


def test_the_same_key_and_body_make_one_job_however_many_ask_at_once(stack: RunningStack) -> None:
    headers = {"Idempotency-Key": f"key-{time.time_ns()}"}

    def post(_: int) -> httpx.Response:
        return httpx.post(f"{stack.url}/v1/jobs", json=body(), headers=headers, timeout=30)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(64)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replays = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert replays.count(None) == 1
    assert replays.count("true") == 63
    other = stack.http.post("/v1/jobs", json=body(seed=1), headers=headers)
    assert other.status_code == 409


def test_a_queued_job_is_canceled_at_once_and_a_running_one_at_its_next_step(stack: RunningStack) -> None:
    running = stack.submit(duration_s=60, steps=600)
    queued = stack.submit()
    stack.until_running(running["id"])
    assert stack.http.post(f"/v1/jobs/{queued['id']}/cancel").json()["status"] == "canceled"
    asked = stack.http.post(f"/v1/jobs/{running['id']}/cancel").json()
    assert asked["status"] in ("running", "canceled")
    ended = stack.finished(running["id"])
    assert (ended["status"], ended["outputs"]) == ("canceled", [])
    assert stack.finished(stack.submit()["id"])["status"] == "succeeded", "the device is free"


def test_one_member_of_a_batch_is_canceled_and_the_others_are_not_disturbed(stack: RunningStack) -> None:
    held = stack.submit(duration_s=1.5)
    members = [stack.submit("scenes", seed=seed, steps=50, width=96, height=96) for seed in range(3)]
    stack.finished(held["id"])
    stack.until_running(members[1]["id"])
    stack.http.post(f"/v1/jobs/{members[1]['id']}/cancel")
    ended = [stack.finished(member["id"]) for member in members]
    assert [job["status"] for job in ended] == ["succeeded", "canceled", "succeeded"]
    assert len({job["started_at"] for job in ended}) == 1, "they ran as one batch"


def test_a_canceled_job_can_be_retried_under_its_id_and_a_succeeded_one_cannot(stack: RunningStack) -> None:
    held = stack.submit(duration_s=1.0)
    job = stack.submit()
    stack.http.post(f"/v1/jobs/{job['id']}/cancel")
    answer = stack.http.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["max_attempts"]) == (200, "queued", 4)
    done = stack.finished(job["id"])
    assert (done["status"], done["id"]) == ("succeeded", job["id"])
    assert stack.http.post(f"/v1/jobs/{job['id']}/retry").status_code == 409
    stack.finished(held["id"])


def test_a_job_that_is_not_started_by_its_deadline_expires_and_a_retry_clears_it(stack: RunningStack) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
    held = stack.submit(duration_s=3.0)
    stack.until_running(held["id"])
    job = stack.http.post("/v1/jobs", json=body() | {"deadline": soon}).json()
    expired = stack.finished(job["id"])
    assert (expired["status"], expired["error"]["code"]) == ("expired", "deadline_exceeded")
    stack.http.post(f"/v1/jobs/{job['id']}/retry")
    assert stack.finished(job["id"])["status"] == "succeeded"


def test_lists_are_newest_first_and_page_without_gap_or_repeat(stack: RunningStack) -> None:
    made = [stack.submit()["id"] for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 7:
        page = stack.http.get("/v1/jobs", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        JobListDocument.model_validate(page)
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen[:7] == made[::-1]
    for job_id in made:
        stack.finished(job_id)
    listed = stack.http.get("/v1/jobs", params={"status": "succeeded", "model": "noop", "since": "1h"}).json()
    assert set(made) <= {job["id"] for job in listed["jobs"]}
    assert stack.http.get("/v1/jobs", params={"since": "2999-01-01T00:00:00Z"}).json()["jobs"] == []


def test_a_deleted_job_is_gone_and_its_artifact_too_unless_another_lists_it(stack: RunningStack) -> None:
    first, second = (stack.finished(stack.submit(seed=77)["id"]) for _ in range(2))
    url = first["outputs"][0]["url"]
    assert second["outputs"][0]["url"] == url
    assert stack.http.delete(f"/v1/jobs/{first['id']}").status_code == 204
    assert stack.http.get(f"/v1/jobs/{first['id']}").status_code == 404
    assert stack.http.get(url).status_code == 200
    assert stack.http.delete(f"/v1/jobs/{second['id']}").status_code == 204
    assert stack.http.get(url).status_code == 404
    running = stack.submit(duration_s=30, steps=300)
    assert stack.http.delete(f"/v1/jobs/{running['id']}").status_code == 409
    stack.http.post(f"/v1/jobs/{running['id']}/cancel")
    stack.finished(running["id"])


def test_an_artifact_has_an_etag_ranges_and_lives_in_caches_for_ever(stack: RunningStack) -> None:
    output = stack.finished(stack.submit()["id"])["outputs"][0]
    whole = stack.http.get(output["url"])
    assert (whole.headers["content-type"], len(whole.content)) == (output["media_type"], output["bytes"])
    assert "immutable" in whole.headers["cache-control"]
    part = stack.http.get(output["url"], headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    unchanged = stack.http.get(output["url"], headers={"If-None-Match": whole.headers["etag"]})
    assert unchanged.status_code == 304
    head = stack.http.head(output["url"])
    assert (head.status_code, head.headers["content-length"]) == (200, str(output["bytes"]))
    beyond = stack.http.get(output["url"], headers={"Range": "bytes=999999-"})
    assert (beyond.status_code, beyond.headers["content-type"]) == (416, "application/problem+json")
    assert beyond.headers["content-range"] == f"bytes */{output['bytes']}"
    for no_range in ("bytes=x", "items=1-2", "bytes"):
        answer = stack.http.get(output["url"], headers={"Range": no_range})
        assert (answer.status_code, answer.content) == (200, whole.content)


def test_models_are_listed_with_the_schema_of_their_input(stack: RunningStack) -> None:
    listed = stack.http.get("/v1/models").json()
    ModelListDocument.model_validate(listed)
    models = {model["name"]: model for model in listed["models"]}
    assert models["scenes"]["default"]
    assert models["noop"]["media_kind"] == "none"
    assert models["scenes"]["input_schema"]["properties"]["width"]["multipleOf"] == 32
    stack.finished(stack.submit()["id"])
    wait_until(lambda: stack.http.get("/v1/models/noop").json()["warm"], "a worker says that noop is warm")


def test_health_readiness_metrics_and_openapi_answer(stack: RunningStack) -> None:
    assert stack.http.get("/healthz").status_code == 200
    ready = stack.http.get("/readyz").json()
    assert ready["status"] == "ok"
    assert ready["parts"]["workers"]["count"] == 1
    metrics = stack.http.get("/metrics").text
    assert "safelight_workers 1.0" in metrics
    assert "safelight_database_up 1.0" in metrics
    assert 'safelight_queue_depth{queue="default"}' in metrics
    assert 'safelight_api_responses_total{code="200"}' in metrics
    StatsDocument.model_validate(stack.http.get("/v1/stats").json())
    paths = stack.http.get("/openapi.json").json()["paths"]
    assert {"/v1/jobs", "/v1/jobs/{job_id}", "/v1/models", "/v1/artifacts/{key}"} <= set(paths)


def test_every_reference_of_the_description_leads_somewhere(stack: RunningStack) -> None:
    document = stack.http.get("/openapi.json").json()
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    group = document["paths"]["/v1/groups"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert group["properties"]["fan_out"]["anyOf"][0]["properties"]["seeds"]["type"] == "array"


def test_a_client_that_leaves_while_it_waits_disturbs_nobody(stack: RunningStack) -> None:
    job = stack.submit(duration_s=2.0)

    def leave() -> None:
        with httpx.Client(timeout=0.3) as client, contextlib.suppress(httpx.TimeoutException):
            client.get(f"{stack.url}/v1/jobs/{job['id']}", params={"wait": 60})

    leavers = [threading.Thread(target=leave) for _ in range(20)]
    for leaver in leavers:
        leaver.start()
    for leaver in leavers:
        leaver.join()
    assert stack.finished(job["id"])["status"] == "succeeded"
