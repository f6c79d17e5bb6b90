"""Films and sounds on the wall and in the viewer, and the form of a model that takes a picture."""

import pytest
from playwright.sync_api import expect

from tests.studio.visits import PATIENCE_MS, Visit

LENGTH = """media => new Promise(done => {
  if (media.readyState) done(media.duration);
  else media.onloadedmetadata = () => done(media.duration);
})"""


def test_speech_is_heard_where_a_picture_is_seen(visit: Visit) -> None:
    visit.choose("speech")
    visit.page.get_by_label("Text", exact=True).fill("The sun has set.")
    with visit.expect_job() as answered:
        visit.page.locator(".develop").click()
    job_id = answered.value.json()["id"]
    visit.until(job_id, "succeeded")
    visit.card(job_id).locator(".print").click()
    audio = visit.page.get_by_role("dialog").locator("audio")
    expect(audio).to_be_visible(timeout=PATIENCE_MS)
    length = visit.stack.get(job_id)["outputs"][0]["duration_s"]
    assert audio.evaluate(LENGTH) == pytest.approx(length, abs=0.05)
    expect(visit.page.locator(".facts")).to_contain_text("Sound")


def test_a_film_is_shown(visit: Visit) -> None:
    small = {"seconds": 1, "fps": 6, "steps": 4, "width": 64, "height": 64}
    job = visit.stack.finished(visit.stack.submit("scenes-walk", prompt="a film", to="the sea", **small)["id"])
    assert job["status"] == "succeeded", job["error"]
    visit.until(job["id"], "succeeded")
    expect(visit.card(job["id"]).locator("video")).to_be_visible(timeout=PATIENCE_MS)
    visit.card(job["id"]).locator(".print").click()
    film = visit.page.get_by_role("dialog").locator("video")
    expect(film).to_be_visible(timeout=PATIENCE_MS)
    if film.evaluate("film => film.canPlayType('video/mp4; codecs=\"avc1.64000a\"')"):  # not in every build
        assert film.evaluate(LENGTH) == pytest.approx(1.0, abs=0.05)


def test_a_model_that_takes_a_picture_asks_for_a_reference_and_what_is_none_is_named(visit: Visit) -> None:
    visit.choose("enlarge")
    reference = visit.page.get_by_role("textbox", name="Picture")
    expect(reference).to_have_attribute("type", "text")
    expect(visit.page.get_by_label("Prompt", exact=True)).to_have_count(0)
    drawn = visit.stack.finished(visit.stack.submit()["id"])
    reference.fill(f"job:{drawn['id']}#0")
    with visit.expect_job() as answered:
        visit.page.locator(".develop").click()
    visit.until(answered.value.json()["id"], "succeeded")
    reference.fill("not a reference")
    visit.page.locator(".develop").click()
    expect(visit.page.locator('[data-field="image"] .fault')).to_be_visible(timeout=PATIENCE_MS)
    visit.complaints.clear()  # the browser's own word on the 422
