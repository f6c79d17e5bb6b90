"""What the page shows is what is so: in every tab, after every cut, whatever the channel."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.servers import wait_until
from tests.stacks import RunningStack, running_stack
from tests.studio.conftest import Enter
from tests.studio.visits import PATIENCE_MS, Visit

SLOW = {"duration_s": 6, "steps": 60}
NOTE_PROGRESS = """() => {
  window.shown = [];
  new MutationObserver(() => {
    const card = [...document.querySelectorAll(".card")].find((one) => one.innerText.includes("step by step"));
    const bar = card?.querySelector("[role=progressbar]");
    if (bar) shown.push(Number(bar.ariaValueNow));
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path / "data") as stack:
        yield stack


def test_two_tabs_see_the_same_job_move(enter: Enter, stack: RunningStack) -> None:
    tabs = [enter(stack), enter(stack)]
    for tab in tabs:
        tab.until_connected()
    job_id = stack.submit(prompt="seen by two", **SLOW)["id"]
    for tab in tabs:
        tab.until(job_id, "running", "succeeded")
        expect(tab.card(job_id)).to_contain_text("seen by two")
    for tab in tabs:
        tab.until(job_id, "succeeded")


def test_a_running_job_shows_its_steps_and_never_goes_back(enter: Enter, stack: RunningStack) -> None:
    visit = enter(stack)
    visit.until_connected()
    visit.page.evaluate(NOTE_PROGRESS)
    job_id = stack.submit(prompt="step by step", **SLOW)["id"]
    visit.until(job_id, "succeeded")
    shown = visit.page.evaluate("shown")
    assert shown == sorted(shown)
    assert len(set(shown)) > 5, shown


def test_after_a_cut_of_the_network_the_final_state_appears(enter: Enter, stack: RunningStack) -> None:
    visit = enter(stack)
    visit.until_connected()
    running = stack.submit(prompt="cut off", **SLOW)["id"]
    visit.until(running, "running")
    visit.context.set_offline(True)
    visit.until_connected("Server away")
    unseen = stack.submit(prompt="begun and ended unseen")["id"]
    stack.finished(running)
    stack.finished(unseen)
    visit.context.set_offline(False)
    visit.until(running, "succeeded")
    visit.until(unseen, "succeeded")
    visit.until_connected()


def test_while_sockets_are_refused_the_page_polls_and_later_returns_to_its_socket(
    enter: Enter, stack: RunningStack
) -> None:
    refused: list[str] = []

    def answer(socket: WebSocketRoute) -> None:
        if len(refused) < 5:
            refused.append(socket.url)
            socket.close()
        else:
            socket.connect_to_server()

    visit = enter(stack)
    visit.page.route_web_socket("**/v1/ws", answer)
    visit.page.reload()
    visit.until_connected("Polling")
    job_id = stack.submit(prompt="without a socket", **SLOW)["id"]
    visit.until(job_id, "running")
    visit.until(job_id, "succeeded")
    visit.until_connected("Live")


def test_an_old_frame_that_comes_late_changes_nothing(enter: Enter, stack: RunningStack) -> None:
    visit = enter(stack)
    sockets: list[WebSocketRoute] = []

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        server = socket.connect_to_server()
        server.on_message(socket.send)

    visit.page.route_web_socket("**/v1/ws", connect)
    visit.page.reload()
    visit.until_connected()
    job_id = visit.submit("told twice")
    visit.until(job_id, "succeeded")
    job = stack.get(job_id)
    marker = job | {"id": "01ffffff-0000-7000-8000-000000000000"}
    for frame in (job | {"progress": 0.5}, job | {"status": "running", "seq": job["seq"] - 1}, marker):
        sockets[-1].send(json.dumps({"type": "job", "job": frame}))
    expect(visit.card(marker["id"])).to_be_visible(timeout=PATIENCE_MS)  # so the ones before it were heard
    expect(visit.card(job_id)).to_have_attribute("data-status", "succeeded")


def test_the_api_may_die_and_the_page_finds_it_again(enter: Enter, own_stack: RunningStack) -> None:
    visit = enter(own_stack)
    expect(visit.page.get_by_role("button", name="Develop this")).to_have_count(3)
    job_id = visit.submit("older than the process that took it")
    visit.until(job_id, "succeeded")
    running = own_stack.submit(prompt="through the storm", **SLOW)["id"]
    visit.until(running, "running")
    own_stack.kill("api")
    visit.until(running, "succeeded")
    visit.until_connected()
    visit.until(visit.submit("afterwards"), "succeeded")


def test_a_submit_while_the_api_is_away_is_one_job(enter: Enter, own_stack: RunningStack) -> None:
    visit = enter(own_stack)
    visit.choose("noop")
    visit.page.get_by_label("Prompt", exact=True).fill("sent again and again")
    own_stack.kill("api")
    visit.page.locator(".develop").click()
    cards = visit.page.locator(".card", has_text="sent again and again")
    expect(cards).to_have_count(1, timeout=PATIENCE_MS)
    wait_until(lambda: len(own_stack.http.get("/v1/jobs").json()["jobs"]) == 1, "there is one job")


def test_cancel_stops_a_running_job(visit: Visit) -> None:
    visit.until_connected()
    job_id = visit.stack.submit(prompt="not needed any more", duration_s=120, steps=1200)["id"]
    visit.until(job_id, "running")
    visit.card(job_id).hover()
    visit.card(job_id).get_by_role("button", name="Cancel").click()
    visit.until(job_id, "canceled")
    assert visit.stack.get(job_id)["status"] == "canceled"
