"""What this process saw happen: counters since it started, for Prometheus, and the last minutes, for people. Fed
with every entry of the change feed, so that every API process tells of all jobs, whoever accepted or ran them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from math import ceil

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client import Counter as Total

from storage.changes.feed import Entry

WINDOW_S = 300
STATUS_OF_VERB = {
    "succeed": "succeeded",
    "reuse": "succeeded",
    "fail": "failed",
    "give up": "failed",
    "stop": "canceled",
    "cancel": "canceled",
    "expire": "expired",
    "miss": "failed",
    "skip": "canceled",
}
STATUSES = ("succeeded", "failed", "canceled", "expired")

_SAMPLES_MOST = 10_000
_VERSION_SAMPLES_MOST = 1_000  # of each version
_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

Percentiles = dict[str, float | None]


class Figures:
    """Owned by one API process. Its methods are called from the event loop."""

    def __init__(self, models: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self.window = Window(clock)
        self._clock = clock
        self._versions: dict[str, Window] = {}
        self._began = False
        ProcessCollector(registry=self.registry)
        self._accepted = self._total("accepted", "Jobs accepted")
        self._finished = self._total("finished", "Jobs that came to a final state", "status")
        self._attempts = self._total("attempts", "Claims by workers")
        self._retries = self._total("retries", "Failed attempts after which the job was queued again")
        self._lost = self._total("lost_leases", "Attempts whose worker died or froze")
        self._dead = self._total("dead_letters", "Jobs that failed for good")
        self._waits = self._histogram("wait", "From being claimable to being claimed")
        self._runs = self._histogram("run", "Generating, of jobs that succeeded")
        self._responses = Total(
            "safelight_api_responses", "HTTP responses of this process", ["code"], registry=self.registry
        )
        self._answers = {code: self._responses.labels(code) for code in (200, 202, 500, 503)}
        for model in models:
            self._begin(model)

    def note(self, entries: Sequence[Entry]) -> None:
        """Count what was read of the feed. Call it for every reading: the first one begins a little in the past,
        and what it brings is not counted."""
        if self._began:
            for model, number in Counter(entry.model for entry in entries if entry.verb == "submit").items():
                self._accepted.labels(model).inc(number)
            for entry in entries:
                self._count(entry)
        self._began = True

    def of_version(self, model: str) -> "Window":
        """The last minutes of one version (name@version)."""
        if model not in self._versions:
            self._versions[model] = Window(self._clock, _VERSION_SAMPLES_MOST)
        return self._versions[model]

    def answered(self, status_code: int) -> None:
        if (answers := self._answers.get(status_code)) is None:
            answers = self._answers[status_code] = self._responses.labels(status_code)
        answers.inc()

    def _count(self, entry: Entry) -> None:
        verb, model = entry.verb, entry.model
        if verb == "submit":
            return
        windows = (self.window, self.of_version(f"{model}@{entry.version}"))
        if verb == "claim":
            self._attempts.labels(model).inc()
            if entry.seconds is not None:
                self._waits.labels(model).observe(entry.seconds)
                for window in windows:
                    window.waited(entry.seconds)
        elif verb == "retry later":
            self._retries.labels(model).inc()
        elif verb == "succeed" and entry.seconds is not None:
            self._runs.labels(model).observe(entry.seconds)
            for window in windows:
                window.ran(entry.seconds)
        if verb in ("lose", "give up"):
            self._lost.labels(model).inc()
        if verb in ("fail", "give up"):
            self._dead.labels(model).inc()
        if status := STATUS_OF_VERB.get(verb):
            self._finished.labels(model, status).inc()
            for window in windows:
                window.finished(status)

    def _begin(self, model: str) -> None:
        """Every series from nought: Prometheus does not see the first event of one that begins at one."""
        for total in (self._accepted, self._attempts, self._retries, self._lost, self._dead):
            total.labels(model)
        for histogram in (self._waits, self._runs):
            histogram.labels(model)
        for status in STATUSES:
            self._finished.labels(model, status)

    def _total(self, name: str, what: str, *labels: str) -> Total:
        return Total(f"safelight_{name}", what, ["model", *labels], registry=self.registry)

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(f"safelight_{name}_seconds", what, ["model"], buckets=_BUCKETS_S, registry=self.registry)


class Window:
    """The last WINDOW_S seconds, bounded in memory however much happens: finished jobs are counted by the second,
    of waits and runs the latest samples are kept."""

    def __init__(self, clock: Callable[[], float], samples: int = _SAMPLES_MOST) -> None:
        self._clock = clock
        self._began_at = clock()
        self._finished: deque[tuple[int, Counter[str]]] = deque()
        self._waits: deque[tuple[float, float]] = deque(maxlen=samples)
        self._runs: deque[tuple[float, float]] = deque(maxlen=samples)

    def finished(self, status: str) -> None:
        second = int(self._clock())
        if not self._finished or self._finished[-1][0] != second:
            self._finished.append((second, Counter()))
            self._forget()
        self._finished[-1][1][status] += 1

    def waited(self, seconds: float) -> None:
        self._waits.append((self._clock(), seconds))

    def ran(self, seconds: float) -> None:
        self._runs.append((self._clock(), seconds))

    def count(self) -> dict[str, int]:
        """Finished jobs by status."""
        self._forget()
        total: Counter[str] = sum((counted for _, counted in self._finished), Counter())
        return {status: total[status] for status in STATUSES}

    def jobs_per_minute(self) -> float:
        """Of the window, or of the time since we began if that is shorter."""
        seconds = min(WINDOW_S, max(1.0, self._clock() - self._began_at))
        return sum(self.count().values()) * 60.0 / seconds

    def waits(self) -> Percentiles:
        return self._percentiles(self._waits)

    def runs(self) -> Percentiles:
        return self._percentiles(self._runs)

    def _percentiles(self, samples: deque[tuple[float, float]]) -> Percentiles:
        since = self._clock() - WINDOW_S
        seen = sorted(seconds for at, seconds in samples if at > since)
        return {"p50": _nearest_rank(seen, 0.50), "p95": _nearest_rank(seen, 0.95)}

    def _forget(self) -> None:
        since = self._clock() - WINDOW_S
        while self._finished and self._finished[0][0] < since:
            self._finished.popleft()


def _nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[ceil(share * len(ordered)) - 1] if ordered else None
