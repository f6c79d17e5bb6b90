"""Takes the pictures of docs/studio.md: `python -m docs.screenshots`. Starts a stack, does what a visitor would
do, and writes docs/images/studio-*.png. Needs chromium."""

import io
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.stacks import RunningStack, running_stack

IMAGES = Path(__file__).with_name("images")
PATIENCE_MS = 180_000
DESK = {"viewport": {"width": 1240, "height": 780}}
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
BYTES_MOST = 195_000
KEPT_COLOURS = 48
HALF_WAY = """() => {
  const developing = document.querySelector(".card:has([data-come]) [role=progressbar]");
  return document.body.innerText.includes("next in line") && Number(developing?.ariaValueNow) >= 30;
}"""
FIRST = (
    "a lighthouse in a thunderstorm",
    "lonely tree at sunset",
    "a ship with yellow sails at night under a blue moon",
    "cactus on the left, red mountains, noon, big sun on the right",
    "sunrise over the desert with a pyramid on the left",
    "a red sun over purple mountains by the sea at dusk, a sailing boat on the left",
)
THEN = (
    "winter night, crescent moon, pine forest on the right",
    "a blue tent under the stars, full moon on the left",
)
LAST = ("a castle by the sea in the morning, yellow sun on the right",)
SEED = 7
SUNSET_SEED = 3


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
    for prompt in FIRST:
        seed = SUNSET_SEED if prompt == FIRST[-1] else SEED
        stack.finished(stack.submit("scenes", prompt=prompt, seed=seed, steps=20)["id"])
    page.get_by_label("Prompt", exact=True).fill(LAST[0])
    for prompt in THEN:
        stack.submit("scenes", prompt=prompt, seed=SEED, steps=50)
    for prompt in LAST:
        stack.submit("scenes", prompt=prompt, seed=SEED, steps=12)
    page.locator("h1").click()  # the form loses the focus
    page.wait_for_function(HALF_WAY)
    save(page, "working", after_ms=0)
    jobs = len(FIRST) + len(THEN) + len(LAST)
    expect(page.locator(".card[data-status=succeeded]")).to_have_count(jobs, timeout=PATIENCE_MS)


def show_picture(page: Page) -> None:
    page.evaluate("scrollTo(0, 0)")
    page.locator(".card", has_text=FIRST[-1]).locator(".print").click()
    expect(page.locator(".facts")).to_contain_text("attempt 1")
    save(page, "finished")
    page.keyboard.press("Escape")


def show_daylight(browser: Browser, stack: RunningStack) -> None:
    page = enter(browser, stack, color_scheme="light", **DESK)
    page.get_by_label("Prompt", exact=True).fill(FIRST[0])
    expect(page.locator(".card").first).to_be_visible()
    save(page, "daylight")


def show_failures(browser: Browser, stack: RunningStack) -> None:
    for prompt in ("a picture that was not to be", "a storm in a teacup"):
        stack.finished(stack.submit(prompt=prompt, fail="error")["id"])
    page = enter(browser, stack, "/#failed", **DESK)
    page.locator(".row summary").first.click()
    expect(page.locator(".attempts > li")).to_have_count(3)
    save(page, "failed")


def save(page: Page, name: str, after_ms: int = 2500) -> None:
    """Write the page as PNG: the commonest colours as they are, the others only as fine as the file's size allows."""
    page.wait_for_timeout(after_ms)  # for pictures that are still coming out of the developer
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, counts = np.unique(packed, return_counts=True)
    common = np.isin(packed, colours[np.argsort(counts)[-KEPT_COLOURS:]])[..., None]
    for grain in range(1, 16):
        coarse = np.clip((pixels + grain / 2) // grain * grain, 0, 255).astype(np.uint8)
        Image.fromarray(np.where(common, pixels, coarse)).save(data := io.BytesIO(), "PNG", optimize=True)
        if data.tell() <= BYTES_MOST:
            break
    (IMAGES / f"studio-{name}.png").write_bytes(data.getvalue())


if __name__ == "__main__":
    main()
