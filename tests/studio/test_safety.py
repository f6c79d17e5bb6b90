"""What others wrote stays text, and the page is allowed nothing that it does not need."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.stacks import RunningStack
from tests.studio.conftest import Enter
from tests.studio.visits import Visit

FILES = Path(__file__).resolve().parents[2] / "api" / "studio"
HOSTILE = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>${pwned=1}' onclick='pwned=1"


def test_hostile_words_are_shown_as_words(enter: Enter, stack: RunningStack) -> None:
    given = {"prompt": HOSTILE, "fail": "error", "fail_times": 9}
    job_id = stack.finished(stack.submit(**given)["id"])["id"]
    visit = enter(stack)
    expect(visit.card(job_id).locator(".words")).to_have_text(HOSTILE)
    visit.card(job_id).locator(".print").click()
    expect(visit.page.get_by_role("dialog").get_by_role("heading")).to_have_text(HOSTILE)
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("link", name=re.compile("^Failed")).click()
    expect(visit.row(job_id).locator(".words")).to_have_text(HOSTILE)
    assert visit.page.evaluate("window.pwned") is None


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/picture.png", "javascript:alert(1)", "//elsewhere.example/picture.png"]
)
def test_an_output_that_points_elsewhere_is_not_fetched(enter: Enter, stack: RunningStack, url: str) -> None:
    job = stack.finished(stack.submit(prompt="from elsewhere")["id"])
    job["outputs"][0]["url"] = url
    visit = enter(stack)

    def answer(route: Route) -> None:
        route.fulfill(json={"jobs": [job], "next_cursor": None})

    visit.page.route("**/v1/jobs?*", answer)
    visit.page.reload()
    expect(visit.card(job["id"])).to_be_visible()
    assert visit.card(job["id"]).get_by_role("img").count() == 0


def test_an_injected_script_does_not_run(visit: Visit) -> None:
    inject = (
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.pwned = 1'}))"
    )
    assert "TrustedScript" in visit.page.evaluate(f"() => {{ try {{ {inject} }} catch (e) {{ return e.message }} }}")
    assert visit.page.evaluate("window.pwned") is None
    assert len(visit.page.evaluate("violations.splice(0)")) >= 1  # it was noticed, so the other tests would notice
    visit.complaints.clear()


def test_every_file_comes_with_the_policy_and_nothing_outside_the_folder_comes_at_all(stack: RunningStack) -> None:
    files = [file.relative_to(FILES).as_posix() for file in FILES.rglob("*") if file.is_file()]
    assert "safelight.js" in files
    for path in ("/", *(f"/studio/{file}" for file in files)):
        answer = stack.http.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"]
    assert stack.http.get("/studio/safelight.js").headers["content-type"].startswith("text/javascript")
    for path in ("/studio/", "/studio/nothing.js", "/studio/../page.py", "/studio/%2e%2e/page.py"):
        assert stack.http.get(path).status_code == 404, path


def test_a_page_that_is_known_is_not_sent_again(stack: RunningStack) -> None:
    for path in ("/", "/studio/studio.js"):
        known = {"If-None-Match": stack.http.get(path).headers["etag"]}
        assert stack.http.get(path, headers=known).status_code == 304, path


def test_the_policy_names_the_sockets_of_the_host_that_was_asked_and_no_strange_one(stack: RunningStack) -> None:
    policy = stack.http.get("/", headers={"Host": "localhost:9"}).headers["content-security-policy"]
    assert "connect-src 'self' ws://localhost:9 wss://localhost:9;" in policy
    assert "ws:" not in stack.http.get("/", headers={"Host": "localhost:9; script-src *"}).text
