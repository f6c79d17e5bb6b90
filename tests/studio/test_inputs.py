"""Media as inputs: a file from the disk, and a picture that is there already."""

from pathlib import Path

from playwright.sync_api import expect

from tests.pictures import picture
from tests.studio.visits import PATIENCE_MS, Visit

SHARP = "image => image.decode().then(() => image.naturalWidth)"


def test_a_file_is_sent_shown_and_given_to_the_model(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "blue.png"
    file.write_bytes(picture(40, 30))
    visit.choose("noop")
    visit.page.get_by_label("Media: choose a file").set_input_files(file)
    look = visit.page.get_by_alt_text("Media, as chosen")
    expect(look).to_be_visible(timeout=PATIENCE_MS)
    assert look.evaluate(SHARP) == 40
    reference = visit.page.get_by_label("Media", exact=True).input_value()
    job_id = visit.submit("a file of mine")
    visit.until(job_id, "succeeded")
    job = visit.stack.get(job_id)
    assert job["input"]["media"] == reference
    assert visit.stack.http.get(job["outputs"][0]["url"]).content == picture(40, 30)


def test_a_file_that_is_no_picture_is_refused_in_words_beside_its_field(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "lie.png"
    file.write_bytes(b"no picture")
    visit.choose("noop")
    visit.page.get_by_label("Media: choose a file").set_input_files(file)
    expect(visit.page.locator("[data-field=media] .fault")).to_have_text(
        "It does not begin as image/png does.", timeout=PATIENCE_MS
    )
    visit.page.get_by_label("Media", exact=True).fill("job:nothing")
    visit.page.get_by_label("Prompt", exact=True).fill("a reference to nothing")
    visit.page.locator(".develop").click()
    expect(visit.page.locator("[data-field=media] .fault")).to_contain_text("is not the id", timeout=PATIENCE_MS)


def test_a_picture_on_the_wall_becomes_the_input_of_the_next(visit: Visit) -> None:
    first = visit.submit("the first of two")
    visit.until(first, "succeeded")
    visit.card(first).locator(".print").click()
    visit.page.get_by_role("button", name="Use as input").click()
    expect(visit.page.get_by_label("Media", exact=True)).to_have_value(f"job:{first}#0")
    expect(visit.page.get_by_alt_text("Media, as chosen")).to_be_visible()
    second = visit.submit("the second of two")
    visit.until(second, "succeeded")
    made = [visit.stack.get(job_id)["outputs"][0]["sha256"] for job_id in (first, second)]
    assert made[0] == made[1]
