"""The browser's client, `/studio/safelight.js`, as other pages use it."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.stacks import RunningStack
from tests.studio.visits import Visit

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-from-a-browser.md"
IMPORT = "const { Safelight, Problem, isLater } = await import('/studio/safelight.js');"


def run(page: Page, script: str, **given: Any) -> Any:
    return page.evaluate(f"async (given) => {{ {IMPORT} const safelight = new Safelight(); {script} }}", given)


def test_the_example_of_the_guide_shows_a_picture(visit: Visit) -> None:
    [example] = re.findall(r"```js\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    body = example.replace('import { Safelight } from "/studio/safelight.js";', "").replace('"scenes"', '"noop"')
    visit.page.evaluate(f"async () => {{ {IMPORT} {body} await picture.decode(); }}")
    assert visit.page.evaluate("[...document.images].at(-1).naturalWidth") > 0


def test_a_listener_hears_every_job_in_order_and_the_last_word(visit: Visit) -> None:
    heard = run(
        visit.page,
        """
        const heard = [];
        const job = await safelight.submit({ model: "noop", input: { prompt: "listen", duration_s: 1, steps: 10 } });
        await safelight.wait(job.id, (job) => heard.push([job.seq, job.progress, job.status]));
        safelight.close();
        return heard;
        """,
    )
    assert [one[:2] for one in heard] == sorted(one[:2] for one in heard)
    assert len({one[1] for one in heard}) > 3
    assert heard[-1][2] == "succeeded"


def test_one_socket_carries_many_watches(visit: Visit, stack: RunningStack) -> None:
    sockets: list[str] = []
    visit.page.on("websocket", lambda socket: sockets.append(socket.url))
    ids = [stack.submit(prompt=f"watched {n}")["id"] for n in range(30)]
    script = """
        const jobs = await Promise.all(given.ids.map((id) => safelight.wait(id)));
        safelight.close();
        return jobs.map((job) => job.status);
        """
    assert run(visit.page, script, ids=ids) == ["succeeded"] * 30
    assert len(sockets) == 1


def test_waiting_for_a_job_that_is_deleted_or_never_was_is_refused(visit: Visit, stack: RunningStack) -> None:
    job_id = stack.finished(stack.submit(prompt="short-lived")["id"])["id"]
    stack.http.delete(f"/v1/jobs/{job_id}")
    script = "return safelight.wait(given.id).catch((fault) => [fault instanceof Problem, fault.status])"
    assert run(visit.page, script, id=job_id) == [True, 404]


def test_a_submit_whose_answer_was_lost_is_one_job(visit: Visit) -> None:
    lost: list[str] = []

    def lose_the_first(route: Any) -> None:
        route.fetch()  # it reaches the server
        lost.append(route.request.headers["idempotency-key"])
        if len(lost) == 1:
            route.abort()
        else:
            route.continue_()

    visit.page.route("**/v1/jobs", lose_the_first)
    script = """return (await safelight.submit({ model: "noop", input: { prompt: "answered late" } })).id"""
    job_id = run(visit.page, script)
    visit.page.unroute("**/v1/jobs")
    assert len(lost) == 2
    assert lost[0] == lost[1]
    jobs = visit.stack.http.get("/v1/jobs").json()["jobs"]
    found = [job["id"] for job in jobs if "late" in job["input"].get("prompt", "")]  # some models take no words
    assert found == [job_id]


def test_what_the_server_refuses_names_each_wrong_field(visit: Visit) -> None:
    script = """return safelight.submit({ model: "scenes", input: { prompt: "x", steps: 0, width: 7 } })
        .catch((fault) => [fault.status, [...new Set(fault.errors.map((one) => one.field))].sort()])"""
    assert run(visit.page, script) == [422, ["input.steps", "input.width"]]


@pytest.mark.parametrize(
    ("known", "following", "later"),
    [
        ((1, 0.0), (2, 0.0), True),
        ((2, 0.0), (1, 0.9), False),
        ((2, 0.4), (2, 0.5), True),
        ((2, 0.5), (2, 0.4), False),
        ((2, 0.9), (3, 0.0), True),
    ],
)
def test_what_is_later_is_told_by_seq_and_under_one_seq_by_progress(
    visit: Visit, known: tuple[int, float], following: tuple[int, float], later: bool
) -> None:
    script = "const job = ([seq, progress]) => ({ seq, progress }); return isLater(job(given.a), job(given.b))"
    assert run(visit.page, script, a=known, b=following) is later


def test_long_integers_keep_their_digits_and_texts_are_left_alone(visit: Visit) -> None:
    text = '{"a":9223372036854775807,"b":[-9007199254740993,1,0.1234567890123456],"c":"9223372036854775807 \\" 1"}'
    script = """const { parse, stringify } = await import("/studio/numbers.js");
        const value = parse(given.text);
        return [stringify(value), typeof value.a, typeof value.b[2], value.c]"""
    written, kind, fraction, words = run(visit.page, script, text=text)
    assert written == text
    assert (kind, fraction, words) == ("bigint", "number", '9223372036854775807 " 1')
