"""Webhooks when something dies, hangs or is away."""

import socket
import threading
from pathlib import Path

import httpx

from tests.hooks import SETTINGS, deliveries, settled, submit
from tests.receivers import Receiver, raw_receiver
from tests.servers import free_port, wait_until
from tests.stacks import RunningStack, running_stack


def test_a_receiver_that_never_answers_delays_nobody_else(tmp_path: Path, receiver: Receiver) -> None:
    def keep_silent(_: socket.socket, over: threading.Event) -> None:
        over.wait()

    settings = SETTINGS | {"SAFELIGHT_COURIER_THREADS": "2", "SAFELIGHT_WEBHOOK_TIMEOUT_S": "20"}
    with (
        running_stack(tmp_path / "data", **settings) as stack,
        raw_receiver(keep_silent, "127.0.0.2") as (silent, heard),
    ):
        stuck = [submit(stack, silent) for _ in range(4)]
        for job_id in stuck:
            stack.finished(job_id)
        wait_until(lambda: heard != [], "one of them is under way")
        settled(stack, submit(stack, receiver.url))
        assert len(heard) == 1
        assert all(deliveries(stack, job=job_id)[0]["status"] == "pending" for job_id in stuck)


def test_what_a_down_receiver_missed_arrives_once_it_is_back_although_the_api_was_killed(tmp_path: Path) -> None:
    receiver = Receiver(port=free_port())
    patient = SETTINGS | {"SAFELIGHT_WEBHOOK_WAITS_S": ",".join(["0.5"] * 500)}
    with running_stack(tmp_path / "data", **patient) as stack:
        job_id = submit(stack, receiver.url)
        stack.finished(job_id)
        wait_until(lambda: deliveries(stack, job=job_id)[0]["tries"] >= 2, "it was tried in vain")
        stack.kill("api")
        with receiver:
            wait_until(lambda: receiver.received != [], "it is delivered")
            wait_until(lambda: _answers(stack), "the API is back")
            delivery = settled(stack, job_id)
            assert [request.headers["webhook-id"] for request in receiver.received] == [delivery["id"]]


def test_a_courier_that_is_killed_in_the_middle_of_a_delivery_is_followed_by_another(tmp_path: Path) -> None:
    answering = threading.Event()

    def answer_late(connection: socket.socket, over: threading.Event) -> None:
        if answering.is_set():
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        over.wait()

    with (
        running_stack(tmp_path / "data", **SETTINGS) as stack,
        raw_receiver(answer_late) as (url, heard),
    ):
        job_id = submit(stack, url)
        wait_until(lambda: heard != [], "the first try is under way")
        stack.kill("courier")
        answering.set()
        delivery = settled(stack, job_id)
        assert delivery["tries"] == 2
        assert all(f"webhook-id: {delivery['id']}".encode() in request for request in heard)
        assert len(heard) == 2


def _answers(stack: RunningStack) -> bool:
    try:
        return stack.http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False
