"""The clients of a storm: each submits job after job, with a key of its own for each, until it is answered."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.faults.ledger import Ledger

_CLIENTS = 3
_PAUSE_MOST_S = 0.5
_PATIENCE_S = 120.0  # then a client gives up: it was promised nothing


@contextlib.contextmanager
def submitting(url: str, seed: int) -> Iterator[Ledger]:
    """Clients that submit while the block runs; then each finishes what it began."""
    ledger, over = Ledger(), threading.Event()
    clients = [
        threading.Thread(target=_submit_all, args=(url, f"{seed}-{number}", ledger, over), daemon=True)
        for number in range(_CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        yield ledger
    finally:
        over.set()
        for client in clients:
            client.join()


def _submit_all(url: str, name: str, ledger: Ledger, over: threading.Event) -> None:
    chance = random.Random(name)
    with httpx.Client(base_url=url, timeout=10) as http:
        number = 0
        while not over.is_set():
            _insist(http, ledger, chance, f"{name}-{number}", _draw(chance, f"{name}-{number}"))
            number += 1
            time.sleep(chance.random() * _PAUSE_MOST_S)


def _draw(chance: random.Random, key: str) -> dict[str, Any]:
    """A job: mostly short ones of the diagnostic model, some of which fail or crash at first, and some pictures."""
    priority = "batch" if chance.random() < 0.3 else "interactive"
    if chance.random() < 1 / 60:
        return {"model": "scenes", "priority": priority, "input": {"prompt": key, "steps": 2}}
    given: dict[str, Any] = {"prompt": key, "duration_s": chance.choice((0, 0, 0, 0.1, 0.3)), "steps": 5}
    if chance.random() < 0.05:
        given |= {"fail": chance.choice(("error", "crash")), "fail_times": 1}
    return {"model": "noop", "priority": priority, "input": given}


def _insist(http: httpx.Client, ledger: Ledger, chance: random.Random, key: str, body: dict[str, Any]) -> None:
    """Send until a 202 comes; now and then do not believe the first one; now and then want it canceled."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up_at:
        with contextlib.suppress(httpx.HTTPError):
            answer = http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
            if answer.status_code == 202:
                ledger.note(key, answer.json()["id"])
                if chance.random() < 0.1:
                    continue
                if chance.random() < 0.03:
                    http.post(f"/v1/jobs/{answer.json()['id']}/cancel")
                return
            if answer.status_code != 503:
                ledger.unexpected.append(f"{answer.status_code} {answer.text[:200]}")
        time.sleep(0.1)
