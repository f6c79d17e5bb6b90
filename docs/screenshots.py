"""Takes the pictures of docs/studio.md: `python -m docs.screenshots`. Starts a stack, does what a visitor would
do, and writes docs/images/studio-*.jpg. Needs chromium."""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.stacks import RunningStack, running_stack

IMAGES = Path(__file__).with_name("images")
PATIENCE_MS = 180_000
DESK = {"viewport": {"width": 1360, "height": 850}}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
QUALITY = 84
FIRST = (
    ("a red sun over purple mountains by the sea at dusk, a sailing boat on the left", 3),
    ("a pyramid in the desert under a crescent moon", 5),
    ("a lighthouse on the right in a stormy night", 2),
    ("a red house in the snow under a full moon", 7),
    ("a tent in the desert at dawn", 11),
    ("a green hill with a tree on the left at noon", 4),
)
THEN = (
    ("a white house by the sea at dawn", 21),
    ("snowy mountains under a full moon", 22),
    ("a sailing boat on the right at dusk", 23),
)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        running_stack(Path(folder) / "data", SAFELIGHT_DIAGNOSTICS="0") as stack,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = enter(browser, stack, **DESK)
        expect(page.locator(".starters button").first).to_be_visible()
        save(page, "empty")
        show_work(page, stack)
        show_picture(page)
        phone = enter(browser, stack, **PHONE)
        phone.locator(".card").nth(1).scroll_into_view_if_needed()
        save(phone, "phone")
        show_daylight(browser, stack)
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        running_stack(Path(folder) / "data") as stack,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        show_failures(browser, stack)


def enter(browser: Browser, stack: RunningStack, path: str = "/", **options: Any) -> Page:
    page = browser.new_context(**{"color_scheme": "dark", **options}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(stack.url + path)
    expect(page.locator(".health .link")).to_have_text("Live", timeout=PATIENCE_MS)
    return page


def show_work(page: Page, stack: RunningStack) -> None:
    for prompt, seed in FIRST:
        stack.finished(stack.submit("scenes", prompt=prompt, seed=seed, steps=20)["id"])
    page.locator("#prompt").fill(THEN[0][0])
    for prompt, seed in THEN:
        stack.submit("scenes", prompt=prompt, seed=seed, steps=20)
    for prompt in ("a castle on a hill in the mist", "a lake at night"):
        stack.submit("scenes", prompt=prompt, steps=12)
    page.wait_for_function("() => document.querySelectorAll('.card[data-status=running] [data-come]').length >= 2")
    page.wait_for_function("() => Number(document.querySelector('.card [role=progressbar]').ariaValueNow) >= 40")
    save(page, "working")
    expect(page.locator(".card[data-status=succeeded]")).to_have_count(len(FIRST) + len(THEN) + 2, timeout=PATIENCE_MS)


def show_picture(page: Page) -> None:
    page.locator(".card", has_text=FIRST[0][0]).locator(".print").click()
    expect(page.locator(".facts")).to_contain_text("worker-0")
    save(page, "finished")
    page.keyboard.press("Escape")


def show_daylight(browser: Browser, stack: RunningStack) -> None:
    page = enter(browser, stack, color_scheme="light", **DESK)
    page.locator("#prompt").fill(FIRST[1][0])
    expect(page.locator(".card").first).to_be_visible()
    save(page, "daylight")


def show_failures(browser: Browser, stack: RunningStack) -> None:
    for prompt in ("a picture that was not to be", "a storm in a teacup"):
        stack.finished(stack.submit(prompt=prompt, fail="error")["id"])
    page = enter(browser, stack, "/#failed", **DESK)
    page.locator(".row summary").first.click()
    expect(page.locator(".attempts > li")).to_have_count(3)
    save(page, "failed")


def save(page: Page, name: str) -> None:
    page.wait_for_timeout(2500)  # for pictures that are still coming out of the developer
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(IMAGES / f"studio-{name}.jpg", quality=QUALITY, subsampling=0, optimize=True)


if __name__ == "__main__":
    main()
