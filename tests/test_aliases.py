"""Aliases: who gets which version, revisions and the way back, and shadows, which only the operator hears of."""

import threading
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from forms.requests import submission_of
from jobs import lifecycle
from jobs.aliases import Alias, Shadow, Target, choose, choose_shadows
from jobs.errors import AliasNotFound, Conflict, StoreUnavailable
from jobs.values import Fault, Job, Output, Priority, Status
from models.catalog import SHIPPED, Catalog
from models.entry import Entry
from storage.automation.aliases import Aliases, Routing
from storage.changes.consequences import Consequences
from storage.claiming.claims import Ending
from storage.engine import Database
from tests.houses import House
from workers.errands.aftermath import FOLLOW

HOPELESS = Fault("model_unknown", "There is no such model.", retryable=False)
OLD, NEW = Target("sea@1", 90), Target("sea@2", 10)
USERS = [f"user-{number}" for number in range(2_000)]


def alias(*targets: Target, shadows: tuple[Shadow, ...] = ()) -> Alias:
    return Alias("t", "painter", 1, targets, shadows, None, datetime.now(UTC))


def shares(some: Alias) -> dict[str, str]:
    return {user: choose(some, user) for user in USERS}


def test_jobs_are_shared_out_by_weight_and_the_same_user_gets_the_same_version() -> None:
    given = shares(alias(OLD, NEW))
    assert given == shares(alias(OLD, NEW))
    assert 140 < Counter(given.values())["sea@2"] < 260
    assert set(shares(alias(Target("sea@1", 0), NEW)).values()) == {"sea@2"}, "no weight, no jobs"


def test_when_a_weight_grows_only_as_many_change_their_version_as_must() -> None:
    before, after = shares(alias(OLD, NEW)), shares(alias(Target("sea@1", 80), Target("sea@2", 20)))
    changed = [user for user in USERS if before[user] != after[user]]
    assert 140 < len(changed) < 260
    assert {after[user] for user in changed} == {"sea@2"}


def test_shadows_do_their_percentage_again_whoever_got_the_job() -> None:
    some = alias(OLD, shadows=(Shadow("sea@2", 25.0), Shadow("sea@3", 100.0)))
    drawn = Counter(model for user in USERS for model in choose_shadows(some, user))
    assert 400 < drawn["sea@2"] < 600
    assert drawn["sea@3"] == len(USERS)


@pytest.fixture
def aliases(database: Database) -> Aliases:
    return Aliases(database)


def weights(some: Alias) -> list[int]:
    return [target.weight for target in some.targets]


def test_each_change_is_a_revision_and_a_roll_back_goes_one_further_each_time(aliases: Aliases) -> None:
    for weight in (1, 2, 3):
        aliases.put("t", "painter", [Target("sea@1", weight)], [])
    back = aliases.roll_back("t", "painter")
    assert (back.revision, back.restores, weights(back)) == (4, 2, [2])
    further = aliases.roll_back("t", "painter")
    assert (further.revision, further.restores, weights(further)) == (5, 1, [1])
    with pytest.raises(Conflict):
        aliases.roll_back("t", "painter")
    assert weights(aliases.roll_back("t", "painter", to=3)) == [3]
    assert [one.revision for one in aliases.history("t", "painter")] == [6, 5, 4, 3, 2, 1]
    assert [weights(one) for one in aliases.all()] == [[3]], "one is in force"


def test_what_is_not_there_is_said_to_be_missing(aliases: Aliases) -> None:
    aliases.put("t", "painter", [OLD], [])
    with pytest.raises(Conflict):
        aliases.roll_back("t", "painter", to=7)
    for act in (aliases.history, aliases.roll_back, aliases.delete):
        with pytest.raises(AliasNotFound):
            act("another", "painter")
    aliases.delete("t", "painter")
    assert aliases.all() == []


def test_two_who_change_an_alias_in_the_same_moment_make_two_revisions(aliases: Aliases) -> None:
    for round_ in range(8):
        barrier = threading.Barrier(2, timeout=30)

        def put(weight: int, name: str = f"painter-{round_}", barrier: threading.Barrier = barrier) -> Alias:
            barrier.wait()
            return aliases.put("t", name, [Target("sea@1", weight)], [])

        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(put, (1, 2)))
        assert sorted(one.revision for one in made) == [1, 2]
        assert len(aliases.history("t", f"painter-{round_}")) == 2


def test_others_learn_of_an_alias_within_a_second(database: Database, aliases: Aliases) -> None:
    now = [0.0]
    routing = Routing(database, clock=lambda: now[0])
    with pytest.raises(StoreUnavailable):
        assert routing.routes is None, "a name must not be taken for another before"
    assert routing.recent() == routing.routes == {}
    aliases.put("t", "painter", [OLD], [])
    assert routing.recent() == {}
    now[0] = 1.5
    assert routing.recent()["t", "painter"].targets == (OLD,)


class Rehearsal(House):
    """A house with two versions of one model, and an alias whose shadow does every job again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.aliases = Aliases(database)
        self.consequences = Consequences(database, FOLLOW)
        noop = tomllib.loads((SHIPPED / "noop.toml").read_text())
        self.catalog = Catalog(Entry(**noop | {"version": version}) for version in "12")
        self.aliases.put("default", "painter", [Target("noop@1", 1)], [Shadow("noop@2", 100.0)])
        self.routes = Routing(database).look()

    def ask(self, **given: Any) -> Job:
        body = {"model": "painter", "input": {"prompt": "a sea"}, "metadata": {"mine": 1}, **given}
        terms: dict[str, Any] = {"tenant": "default", "max_attempts": 3, "idempotency_key": None}
        wanted = submission_of(body, self.catalog, **terms, routes=self.routes)
        (done,) = self.store.submit([wanted])
        assert done.job is not None
        return done.job

    def shadow(self, of: Job) -> Job:
        (found,) = [job for job in self.store.list("default", shadows=True) if job.lineage.shadow_of == of.id]
        return found

    def end(self, sha256: str | None, run_s: float = 0.0) -> Job:
        """Whoever is next: with such a picture, or in vain."""
        job = self.claim_one()

        def ending(current: Job, now: datetime) -> lifecycle.Change:
            if sha256 is None:
                return lifecycle.fail(current, HOPELESS, now)
            picture = Output(f"{sha256}.png", sha256, "image/png", 7, 16, 8)
            return lifecycle.succeed(current, [picture], now, run_s=run_s)

        self.claims.conclude([Ending(job.id, job.fence, ending)])
        while self.consequences.work_off()[0]:
            pass
        return job

    def compared(self) -> dict[str, Any]:
        (row,) = self.aliases.comparisons("default", "painter")
        return {name: row[name] for name in ("compared", "failed", "equal", "run_s", "shadow_run_s")}


@pytest.fixture
def rehearsal(database: Database) -> Rehearsal:
    return Rehearsal(database)


def test_a_shadow_runs_once_the_job_has_succeeded_and_is_compared_with_it(rehearsal: Rehearsal) -> None:
    job = rehearsal.ask(webhook={"url": "https://hooks.example/x"})
    assert (job.model, job.model_version, job.lineage.alias) == ("noop", "1", "painter")
    shadow = rehearsal.shadow(job)
    assert [one.id for one in rehearsal.store.list("default", model="noop")] == [job.id], "nobody is shown shadows"
    assert (shadow.status, shadow.model_version, shadow.priority) == (Status.WAITING, "2", Priority.BATCH)
    assert (shadow.webhook, shadow.metadata, shadow.input) == (None, {}, job.input)
    assert rehearsal.end("a", run_s=1.0).id == job.id
    assert rehearsal.end("a", run_s=0.5).id == shadow.id
    assert rehearsal.compared() == {"compared": 1, "failed": 0, "equal": 1, "run_s": 1.0, "shadow_run_s": 0.5}
    for of_shadow in ("b", None):
        rehearsal.ask()
        rehearsal.end("a")
        rehearsal.end(of_shadow)
    assert rehearsal.compared() == {"compared": 3, "failed": 1, "equal": 1, "run_s": 1.0, "shadow_run_s": 0.5}


def test_a_job_without_a_result_has_nothing_done_again(rehearsal: Rehearsal) -> None:
    job = rehearsal.ask()
    rehearsal.end(None)
    assert rehearsal.shadow(job).status is Status.CANCELED
    assert rehearsal.compared()["compared"] == 0


def test_a_shadow_that_is_not_there_any_more_is_left_out(rehearsal: Rehearsal) -> None:
    rehearsal.catalog = Catalog(entry for entry in rehearsal.catalog.entries() if entry.version == "1")
    rehearsal.ask()
    assert len(rehearsal.store.list("default", shadows=True)) == 1
