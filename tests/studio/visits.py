"""A visit to the Studio: one browser window, which keeps account of all that a good page never does."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from tests.stacks import RunningStack

PATIENCE_MS = 90_000
_SUBMIT = ("POST", "/v1/jobs")

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective}: ${event.blockedURI || event.sample}`);
});
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
}).observe({ type: "longtask", buffered: true });
"""


class Visit:
    """A page of the Studio, and what it did."""

    def __init__(self, context: BrowserContext, stack: RunningStack) -> None:
        self.stack = stack
        self.context = context
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(_WATCH)
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str = "/") -> "Visit":
        with self.page.expect_response("**/v1/jobs?*"):
            self.page.goto(self.stack.url + path)
        expect(self.page.locator(".develop")).to_be_visible(timeout=PATIENCE_MS)
        return self

    def choose(self, model: str) -> None:
        self.page.get_by_label("Model", exact=True).select_option(model)

    def submit(self, prompt: str, model: str = "noop") -> str:
        """Write a prompt, press the button; the id of the newest job."""
        self.choose(model)
        self.page.get_by_label("Prompt", exact=True).fill(prompt)
        with self.expect_job() as answered:
            self.page.locator(".develop").click()
        job: dict[str, Any] = answered.value.json()
        expect(self.card(job["id"])).to_be_visible(timeout=PATIENCE_MS)
        return str(job["id"])

    def expect_job(self) -> Any:
        """A context in which the page submits a job: its answer. By POST it asks for tickets as well."""
        return self.page.expect_response(lambda answer: (answer.request.method, _path(answer.url)) == _SUBMIT)

    def card(self, job_id: str) -> Locator:
        return self.page.locator(f'.card[data-id="{job_id}"]')

    def row(self, job_id: str) -> Locator:
        return self.page.locator(f'.row[data-id="{job_id}"]')

    def until(self, job_id: str, *statuses: str) -> None:
        """Wait until the card shows one of these states."""
        wanted = ", ".join(f'.card[data-id="{job_id}"][data-status="{status}"]' for status in statuses)
        expect(self.page.locator(wanted)).to_have_count(1, timeout=PATIENCE_MS)

    def until_connected(self, word: str = "Live") -> None:
        expect(self.page.locator(".health .link")).to_have_text(word, timeout=PATIENCE_MS)

    def longest_task_ms(self) -> float:
        return float(self.page.evaluate("longest"))

    def misdeeds(self) -> list[str]:
        """Requests to elsewhere, breaches of the page's own policy, errors."""
        here = urlsplit(self.stack.url).netloc
        foreign = [url for url in self.requests if urlsplit(url).netloc != here]
        return [*foreign, *self.page.evaluate("violations"), *self.complaints]

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        """What the browser itself says of a server that was away, and of previews that are over, is no fault."""
        about_network = message.text.startswith(("Failed to load resource", "WebSocket connection to"))
        if message.type in ("error", "warning") and not about_network:
            self.complaints.append(message.text)


def _path(url: str) -> str:
    return urlsplit(url).path
