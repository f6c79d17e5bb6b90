"""From words to pictures, and what can be done with them."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.studio.conftest import Enter
from tests.studio.visits import PATIENCE_MS, Visit

SHARP = "image => image.complete && image.naturalWidth"


def test_a_prompt_becomes_a_visible_picture(visit: Visit) -> None:
    visit.choose("scenes")
    visit.page.get_by_label("Prompt", exact=True).fill("a lighthouse on the right in a stormy night")
    with visit.expect_job() as answered:
        visit.page.keyboard.press("Control+Enter")
    job_id = answered.value.json()["id"]
    visit.until(job_id, "succeeded")
    image = visit.card(job_id).get_by_role("img")
    expect(image).to_be_visible()
    image.evaluate("image => image.decode()")
    assert image.evaluate(SHARP) == 256
    visit.card(job_id).locator(".print").click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("a lighthouse on the right in a stormy night")
    job = visit.stack.get(job_id)
    facts = dialog.locator(".facts")
    expect(facts).to_contain_text(str(job["outputs"][0]["seed"]))
    expect(facts).to_contain_text(job["outputs"][0]["sha256"][:12])
    expect(facts).to_contain_text("attempt 1", timeout=PATIENCE_MS)
    expect(dialog.locator(".timings")).to_contain_text("total")


def test_what_is_copied_makes_the_same_picture_again(enter: Enter, visit: Visit, tmp_path: Path) -> None:
    prompt = 'it\'s a "quiet" $HOME \\ at dusk; `échoes`'
    made = visit.stack.finished(visit.stack.submit("scenes", prompt=prompt, steps=3)["id"])
    reader = enter(visit.stack, f"/#job/{made['id']}", permissions=["clipboard-read", "clipboard-write"])
    for button, command in (("Copy as curl", ["bash"]), ("Copy as Python", [sys.executable, "-"])):
        reader.page.get_by_role("button", name=button).click()
        reader.page.wait_for_function("word => document.body.innerText.includes(word)", arg="is on the clipboard")
        script = reader.page.evaluate("navigator.clipboard.readText()")
        done = subprocess.run(command, input=script, capture_output=True, text=True, cwd=tmp_path, timeout=90)
        assert done.returncode == 0, done.stderr
        assert made["outputs"][0]["sha256"] in done.stdout, f"{script}\n{done.stdout}"


def test_variations_are_jobs_of_their_own_with_neighbouring_seeds_even_beyond_what_javascript_counts(
    visit: Visit,
) -> None:
    visit.choose("noop")
    visit.page.get_by_label("Prompt", exact=True).fill("three of a kind")
    visit.page.get_by_label("Seed", exact=True).fill("9007199254740993")
    for _ in range(2):
        visit.page.get_by_role("button", name="One variation more").click()
    visit.page.get_by_role("button", name="Develop 3").click()
    cards = visit.page.locator(".card", has_text="three of a kind")
    expect(cards).to_have_count(3, timeout=PATIENCE_MS)
    ids = [card.get_attribute("data-id") or "" for card in cards.all()]
    seeds = sorted(visit.stack.finished(job_id)["outputs"][0]["seed"] for job_id in ids)
    assert seeds == [9007199254740993, 9007199254740994, 9007199254740995]
    newest = visit.stack.get(ids[0])["outputs"][0]["seed"]
    visit.card(ids[0]).locator(".print").click()
    expect(visit.page.locator(".facts")).to_contain_text(str(newest))
    visit.page.get_by_role("button", name="Use these settings").click()
    expect(visit.page.get_by_label("Seed", exact=True)).to_have_value(str(newest))


def test_again_with_another_seed_makes_another_picture(visit: Visit) -> None:
    first = visit.submit("once more, differently")
    visit.until(first, "succeeded")
    visit.card(first).hover()
    with visit.expect_job() as answered:
        visit.card(first).get_by_role("button", name="Again with another seed").click()
    second = answered.value.json()["id"]
    visit.until(second, "succeeded")
    jobs = [visit.stack.get(job_id) for job_id in (first, second)]
    assert jobs[0]["outputs"][0]["seed"] != jobs[1]["outputs"][0]["seed"]
    assert jobs[0]["input"] == jobs[1]["input"]


def test_the_form_is_made_of_the_models_own_parameters_and_sends_only_what_was_changed(visit: Visit) -> None:
    visit.choose("scenes")
    steps = visit.page.get_by_label("Denoising steps", exact=True)
    expect(steps).to_have_attribute("max", "50")
    steps.fill("2")
    visit.page.get_by_text("More", exact=False).first.click()
    visit.page.get_by_role("switch", name="Exact").check()
    expect(visit.page.get_by_label("Width in pixels", exact=True)).to_have_attribute("step", "32")
    job_id = visit.submit("a tent in the desert", model="scenes")
    assert visit.stack.get(job_id)["input"] == {"prompt": "a tent in the desert", "steps": 2, "exact": True}


def test_what_is_being_typed_stays_whatever_happens_on_the_wall_meanwhile(visit: Visit) -> None:
    visit.choose("scenes")
    steps = visit.page.get_by_label("Denoising steps", exact=True)
    steps.fill("2")
    other = visit.stack.submit()["id"]
    visit.until(other, "succeeded")  # the page was drawn again, several times
    expect(steps).to_have_value("2")
    job_id = visit.submit("typed in peace", model="scenes")
    assert visit.stack.get(job_id)["input"] == {"prompt": "typed in peace", "steps": 2}


def test_a_wrong_value_is_explained_at_its_field(visit: Visit) -> None:
    visit.choose("scenes")
    visit.page.get_by_label("Denoising steps", exact=True).fill("2000")
    visit.page.get_by_label("Prompt", exact=True).fill("too much")
    visit.page.locator(".develop").click()
    expect(visit.page.locator('[data-field="steps"] .fault')).to_contain_text("50")


@pytest.mark.parametrize("close", ["Escape", "Back"])
def test_the_arrows_move_between_pictures_and_escape_or_back_returns_to_the_wall(visit: Visit, close: str) -> None:
    older, newer = visit.submit("an older one"), visit.submit("a newer one")
    visit.until(newer, "succeeded")
    visit.card(newer).locator(".print").click()
    heading = visit.page.get_by_role("dialog").get_by_role("heading")
    expect(heading).to_have_text("a newer one")
    visit.page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("an older one")
    assert older in visit.page.url
    visit.page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("a newer one")
    if close == "Back":
        visit.page.go_back()
    else:
        visit.page.keyboard.press(close)
    expect(visit.page.get_by_role("dialog")).to_be_hidden()
    visit.page.wait_for_function("() => !location.hash.includes('job')")
