"""A real Chromium, where there is one."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import lacking
from tests.stacks import RunningStack
from tests.studio.visits import Visit

Enter = Callable[..., Visit]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        lacking("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def enter(chromium: Browser) -> Iterator[Enter]:
    """Opens windows, each with its own storage; afterwards none of them may have done what a good page never
    does."""
    visits: list[Visit] = []

    def _enter(stack: RunningStack, path: str = "/", **options: Any) -> Visit:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        visits.append(Visit(context, stack))
        return visits[-1].open(path)

    yield _enter
    misdeeds = [misdeed for visit in visits for misdeed in visit.misdeeds()]
    for visit in visits:
        visit.context.close()
    assert not misdeeds


@pytest.fixture
def visit(enter: Enter, stack: RunningStack) -> Visit:
    return enter(stack)
