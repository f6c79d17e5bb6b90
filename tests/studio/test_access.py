"""For everybody: by keyboard, on a phone, in the dark and by day."""

import pytest
from playwright.sync_api import Page, expect

from tests.stacks import RunningStack
from tests.studio.conftest import Enter
from tests.studio.visits import Visit

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
TEXTS = (
    ".brand", "nav a", ".health dt", ".health dd", ".health .link", ".flower", ".prompt textarea", ".chips button",
    ".composer label", ".composer .about", ".develop", ".wall-head h1", ".caption .words", ".caption .state",
    ".status", ".notes h2", ".notes .state", ".facts dt", ".facts dd", ".actions .first", ".actions button",
    ".timings dt", ".row .words", ".row .fault", ".row .about", ".row summary", ".attempts p", "nav b",
)  # fmt: skip

# WCAG's ratio for every text that is there, against the nearest ground that is painted.
RATIOS = """selectors => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    throw new Error("nothing is painted");
  };
  return selectors.flatMap((selector) => [...document.querySelectorAll(selector)].slice(0, 5).map((element) => {
    const text = luminance(channels(getComputedStyle(element).color).slice(0, 3));
    const below = luminance(ground(element).slice(0, 3));
    return [selector, (Math.max(text, below) + 0.05) / (Math.min(text, below) + 0.05)];
  }));
}"""


def low_contrasts(page: Page) -> list[tuple[str, float]]:
    ratios = page.evaluate(RATIOS, list(TEXTS))
    assert len({selector for selector, _ in ratios}) > 10
    return [(selector, ratio) for selector, ratio in ratios if ratio < 4.5]


@pytest.fixture(scope="module")
def failed_id(stack: RunningStack) -> str:
    return str(stack.finished(stack.submit(prompt="a failure to be read", fail="error")["id"])["id"])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_all_text_stands_out_from_its_ground(enter: Enter, stack: RunningStack, failed_id: str, scheme: str) -> None:
    visit = enter(stack, "/#failed", color_scheme=scheme)
    visit.row(failed_id).locator("summary").click()
    expect(visit.row(failed_id).locator(".attempts > li").first).to_be_visible()
    assert low_contrasts(visit.page) == []
    visit.page.get_by_role("link", name="Wall", exact=True).click()
    job_id = visit.submit("readable")
    visit.until(job_id, "succeeded")
    visit.card(job_id).locator(".print").click()
    expect(visit.page.locator(".facts")).to_be_visible()
    assert low_contrasts(visit.page) == []


def test_the_light_can_be_turned_and_stays_so(enter: Enter, stack: RunningStack) -> None:
    visit = enter(stack, color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = visit.page.evaluate(ground)
    visit.page.get_by_role("button", name="Switch between dark and light").click()
    light = visit.page.evaluate(ground)
    assert light != dark
    visit.page.reload()
    assert visit.page.evaluate(ground) == light


@pytest.mark.parametrize("path", ["/", "/#failed", "/#job"])
def test_on_a_phone_nothing_is_wider_than_the_screen(
    enter: Enter, stack: RunningStack, failed_id: str, path: str
) -> None:
    long_id = stack.submit(prompt="W" * 300)["id"]
    stack.finished(long_id)
    visit = enter(stack, f"/#job/{long_id}" if path == "/#job" else path, **PHONE)
    expect(visit.page.locator({"/": ".card", "/#failed": ".row", "/#job": ".facts"}[path]).first).to_be_visible()
    if path == "/#failed":
        visit.row(failed_id).locator("summary").click()
        expect(visit.row(failed_id).locator(".attempts")).to_be_visible()
    widths = "[...document.querySelectorAll('html, dialog[open]')].map((one) => one.scrollWidth)"
    assert max(visit.page.evaluate(widths)) <= 360


def test_a_picture_is_made_looked_at_and_deleted_by_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    press_until(page, "Tab", "document.activeElement.id === 'prompt'")
    page.keyboard.type("made without a mouse")
    press_until(page, "Tab", "document.activeElement.id === 'model'")
    page.keyboard.type("noop")
    press_until(page, "Tab", "document.activeElement.classList.contains('develop')")
    page.keyboard.press("Enter")
    card = page.locator(".card", has_text="made without a mouse")
    expect(card.locator(".status")).to_have_text("Done")
    press_until(page, "Tab", "document.activeElement.classList.contains('print')")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    heading = page.get_by_role("dialog").get_by_role("heading")
    expect(heading).to_have_text("made without a mouse")
    press_until(page, "Tab", "document.activeElement.innerText === 'Delete'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Really delete").last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(card).to_have_count(0)


def test_what_happens_is_said_aloud(visit: Visit) -> None:
    visit.until_connected()
    job_id = visit.submit("heard, not seen")
    visit.until(job_id, "succeeded")
    expect(visit.page.locator("[aria-live=polite]").last).to_contain_text("heard, not seen is done")


def test_nothing_moves_for_those_who_do_not_want_it(enter: Enter, stack: RunningStack) -> None:
    visit = enter(stack, reduced_motion="reduce")
    visit.until(visit.submit("at rest"), "succeeded")
    moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert visit.page.evaluate(moving) == 0


def press_until(page: Page, key: str, condition: str, most: int = 80) -> None:
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate(condition):
            return
    raise AssertionError(f"{most} times {key}, and never {condition}")
