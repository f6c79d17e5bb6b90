"""Counting after a storm, from outside: only by HTTP, as any client could."""

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.stacks import FINAL

CALM_S = 60.0  # when nothing has come to its end for so long, what is left is stuck
_UNANSWERED_S = 60.0

Document = dict[str, Any]


@dataclass
class Count:
    """What was found of the jobs that were promised."""

    jobs: dict[str, Document] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def attempts(self) -> int:
        return sum(job["attempt"] for job in self.jobs.values())

    @property
    def statuses(self) -> Counter[str]:
        return Counter(job["status"] for job in self.jobs.values())

    @property
    def stuck(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job["status"] not in FINAL]

    @property
    def wrong(self) -> list[str]:
        return [*self.lost, *self.duplicated, *self.stuck, *self.broken]


def settle(http: httpx.Client) -> float:
    """Wait until every job is final, or until none has come to its end for CALM_S; says how long it took."""
    started = moved_at = time.monotonic()
    left = set(unfinished(http))
    while left and time.monotonic() - moved_at < CALM_S:
        time.sleep(0.2)
        still = set(unfinished(http))
        if left - still:
            moved_at = time.monotonic()
        left = still
    return time.monotonic() - started


def unfinished(http: httpx.Client) -> Iterator[str]:
    return (job["id"] for job in every_job(http, status=["queued", "running"]))


def every_job(http: httpx.Client, **wanted: object) -> Iterator[Document]:
    """All jobs of the list, page after page."""
    cursor: str | None = None
    while True:
        where = {**wanted, "limit": 200, **({"cursor": cursor} if cursor else {})}
        page = ask(http, "/v1/jobs", **where).json()
        yield from page["jobs"]
        if (cursor := page["next_cursor"]) is None:
            return


def ask(http: httpx.Client, path: str, **parameters: object) -> httpx.Response:
    """The answer, once there is one: parts of the stack may still be starting again."""
    give_up_at = time.monotonic() + _UNANSWERED_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            answer = http.get(path, params=parameters)  # type: ignore[arg-type]
            if answer.status_code < 500:
                return answer
        assert time.monotonic() < give_up_at, f"no answer from {path} for {_UNANSWERED_S:.0f} s"
        time.sleep(0.2)


def count(http: httpx.Client, ids: Iterable[str]) -> Count:
    """Look at every job that was promised, at its attempts and at the bytes of its artifacts."""
    found = Count()
    for job_id in sorted(ids):
        _look(http, job_id, found)
    return found


def _look(http: httpx.Client, job_id: str, found: Count) -> None:
    while True:  # attempts and status belong together only if nothing happened between the looks
        before = ask(http, f"/v1/jobs/{job_id}")
        if before.status_code == 404:
            found.lost.append(job_id)
            return
        attempts = ask(http, f"/v1/jobs/{job_id}/attempts").json()["attempts"]
        job = ask(http, f"/v1/jobs/{job_id}").json()
        if job["seq"] == before.json()["seq"]:
            break
    found.jobs[job_id] = job
    published = sum(attempt["outcome"] == "succeed" for attempt in attempts)
    if published != (job["status"] == "succeeded") or bool(job["outputs"]) != (job["status"] == "succeeded"):
        found.duplicated.append(f"{job_id} is {job['status']} with {published} published results")
    found.broken += [
        f"{job_id}: {output['url']} does not hold its bytes" for output in job["outputs"] if not _served(http, output)
    ]


def _served(http: httpx.Client, output: Document) -> bool:
    answer = ask(http, output["url"])
    whole = len(answer.content) == output["bytes"] and hashlib.sha256(answer.content).hexdigest() == output["sha256"]
    return answer.status_code == 200 and whole


def changed_since(http: httpx.Client, found: Count) -> list[str]:
    """Jobs that were final at the count and have changed after it: the work of somebody who woke too late."""
    now = {job["id"]: (job["status"], job["seq"]) for job in every_job(http)}
    then = {job_id: (job["status"], job["seq"]) for job_id, job in found.jobs.items() if job["status"] in FINAL}
    return [f"{job_id} was {was}, is {now.get(job_id)}" for job_id, was in then.items() if now.get(job_id) != was]
