"""`make chaos`: jobs in a storm. While clients submit, roles are killed, frozen and thawed, and the broker is
wiped, at random but by a seed. In the end every job that was answered with 202 must have come to exactly one
final state, with at most one published result. Not a test of pytest: it takes minutes."""

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import redis

from tests.servers import PostgresServer
from tests.stacks import FINAL, RunningStack, running_stack

_ROLES = ("worker", "worker", "worker", "api", "reaper", "valkey-server", "flower")
_CLIENTS = 4
_CALM_S = 60.0  # when nothing comes to its end for this long, what is left is stuck


@dataclass
class Storm:
    """What the clients were promised, and what was done to the stack."""

    accepted: dict[str, str] = field(default_factory=dict)  # idempotency key -> job id
    doubled: set[str] = field(default_factory=set)  # keys that were answered with two ids
    deeds: dict[str, int] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def did(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


def rage(database: str, seed: int, seconds: float) -> bool:
    """One storm on a stack of its own; prints its toll and says whether nothing was lost, doubled or stuck."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as closing:
        settings = {"SAFELIGHT_LEASE_S": "4"}
        if database == "postgresql":
            settings["SAFELIGHT_DATABASE_URL"] = closing.enter_context(PostgresServer()).url
        stack = closing.enter_context(running_stack(Path(folder) / "data", "--workers", "2", **settings))
        storm = Storm()
        clients = [threading.Thread(target=_submit, args=(stack.url, storm, f"{seed}-{n}")) for n in range(_CLIENTS)]
        for client in clients:
            client.start()
        _ravage(stack, storm, random.Random(seed), seconds)
        storm.over.set()
        for client in clients:
            client.join()
        return _count(stack, storm, f"{database} seed {seed}")


def _submit(url: str, storm: Storm, name: str) -> None:
    """A client that repeats a submit, with the same key, until it is answered."""
    chance = random.Random(name)
    with httpx.Client(base_url=url, timeout=10) as http:
        for number in range(1_000_000):
            if storm.over.is_set():
                return
            key = f"{name}-{number}"
            given = {"prompt": key, "duration_s": chance.choice((0, 0, 0.1, 0.5)), "steps": 5}
            if chance.random() < 0.05:
                given |= {"fail": chance.choice(("error", "crash")), "fail_times": 1}
            _insist(http, storm, key, {"model": "noop", "input": given})
            time.sleep(chance.random() * 0.2)


def _insist(http: httpx.Client, storm: Storm, key: str, body: dict[str, object]) -> None:
    for _ in range(200):
        with contextlib.suppress(httpx.HTTPError):
            answer = http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
            if answer.status_code == 202:
                job_id = answer.json()["id"]
                if storm.accepted.setdefault(key, job_id) != job_id:
                    storm.doubled.add(key)
                if random.random() < 0.9:
                    return
                continue  # now and then a client does not believe the first answer
        time.sleep(0.1)


def _ravage(stack: RunningStack, storm: Storm, chance: random.Random, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.3, 2.0))
        role = chance.choice(_ROLES)
        processes = stack.processes(role)
        if not processes:
            continue
        victim = chance.choice(processes)
        with contextlib.suppress(psutil.NoSuchProcess, redis.RedisError):
            deed = chance.random()
            if deed < 0.55:
                victim.kill()
                storm.did(f"kill {role}")
            elif deed < 0.9:
                victim.suspend()
                time.sleep(chance.uniform(0.5, 6.0 if role == "worker" else 2.0))
                victim.resume()
                storm.did(f"freeze {role}")
            else:
                _wipe(stack)
                storm.did("wipe the broker")


def _wipe(stack: RunningStack) -> None:
    (broker,) = stack.processes("valkey-server")
    words = broker.cmdline()[0].rsplit(":", 1)
    redis.Redis(port=int(words[1]), socket_timeout=2).flushall()


def _count(stack: RunningStack, storm: Storm, name: str) -> bool:
    ids = set(storm.accepted.values())
    jobs = dict(_settle(stack, ids))
    lost = [job_id for job_id in ids if job_id not in jobs]
    stuck = [job_id for job_id, job in jobs.items() if job["status"] not in FINAL]
    twice = [job_id for job_id, job in jobs.items() if _published(stack, job_id) != (job["status"] == "succeeded")]
    duplicated = len(twice) + len(storm.doubled)
    attempts = sum(job["attempt"] for job in jobs.values())
    statuses = {status: sum(job["status"] == status for job in jobs.values()) for status in sorted(FINAL)}
    deeds = ", ".join(f"{deed} {times}" for deed, times in sorted(storm.deeds.items()))
    print(f"{name}: {len(ids)} jobs, {attempts} attempts, {statuses}\n  {deeds}")
    print(f"  lost={len(lost)} duplicated={duplicated} stuck={len(stuck)}", flush=True)
    return not (lost or duplicated or stuck)


def _settle(stack: RunningStack, ids: set[str]) -> Iterator[tuple[str, dict]]:
    for job_id in ids:
        give_up_at = time.monotonic() + _CALM_S  # from the last job that came to its end
        job: dict | None = None
        while job is None or (job["status"] not in FINAL and time.monotonic() < give_up_at):
            with contextlib.suppress(httpx.HTTPError):
                answer = stack.http.get(f"/v1/jobs/{job_id}", params={"wait": 5})
                if answer.status_code == 404:
                    break
                if answer.status_code == 200:
                    job = answer.json()
        if job is not None:
            yield job_id, job


def _published(stack: RunningStack, job_id: str) -> int:
    """How many attempts of the job published a result."""
    attempts = stack.http.get(f"/v1/jobs/{job_id}/attempts").json()["attempts"]
    return sum(attempt["outcome"] == "succeed" for attempt in attempts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=25.0)
    asked = parser.parse_args()
    outcomes = [rage(database, seed, asked.seconds) for database in asked.databases for seed in asked.seeds]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
