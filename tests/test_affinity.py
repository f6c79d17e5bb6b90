"""Affinity for models in memory, on both databases: fewer loads, and nobody waits for long because of it."""

import pytest

from jobs.values import Job, Priority
from storage.claiming.claims import Claims
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.batches import submission, success
from workers.choosing.affinity import Affinity

WARM = ("sea@1",)


class Line:
    """One queue, and a worker with room for one model."""

    def __init__(self, database: Database) -> None:
        self.store, self.claims = JobStore(database), Claims(database)
        self.warm: tuple[str, ...] = ()
        self.loads = 0

    def ask(self, *models: str, **given: object) -> list[str]:
        wanted = [submission(model=model, batch_key=None, **given) for model in models]
        return [done.job.id for done in self.store.submit(wanted) if done.job]

    def claim(self, *warm: str) -> Job | None:
        jobs = self.claims.claim("gpu", "w", 60.0, lambda _: 0, warm=warm)
        return jobs[0] if jobs else None

    def work_off(self, affinity: Affinity) -> list[str]:
        """Models in the order in which they ran."""
        ran: list[str] = []
        while job := self.claim(*affinity.look("gpu", self.warm)):
            self.loads += f"{job.model}@1" not in self.warm
            self.warm = (f"{job.model}@1",)
            self.claims.conclude([success(job.id, job.fence)])
            ran.append(job.model)
        return ran


@pytest.fixture
def line(database: Database) -> Line:
    return Line(database)


def test_a_worker_takes_a_job_of_a_warm_model_before_an_older_one_of_another(line: Line) -> None:
    older, mine = line.ask("night", "sea")
    assert [job and job.id for job in (line.claim(*WARM), line.claim(*WARM), line.claim(*WARM))] == [
        mine,
        older,
        None,
    ]


def test_without_a_preference_the_oldest_comes_first(line: Line) -> None:
    older, _ = line.ask("night", "sea")
    job = line.claim()
    assert job is not None
    assert job.id == older


def test_nobody_of_lower_priority_another_version_or_another_queue_is_preferred(line: Line) -> None:
    (urgent,) = line.ask("night", priority=Priority.INTERACTIVE)
    line.ask("sea")
    line.ask("sea", priority=Priority.INTERACTIVE, queue="cpu")
    line.ask("sea", priority=Priority.INTERACTIVE, model_version="2")
    job = line.claim(*WARM)
    assert job is not None
    assert job.id == urgent


def test_a_worker_does_not_look_far_ahead(line: Line) -> None:
    older = line.ask(*["night"] * 200)[0]
    line.ask("sea")
    job = line.claim(*WARM)
    assert job is not None
    assert job.id == older


def test_two_models_by_turns_are_loaded_far_less_often_and_neither_starves(line: Line) -> None:
    asked = ["sea", "night"] * 12
    line.ask(*asked)
    assert line.work_off(Affinity(looks=0, seconds=60)) == asked
    assert line.loads == 24

    line.loads, line.warm = 0, ()
    line.ask(*asked)
    ran = line.work_off(Affinity(looks=4, seconds=60))
    assert sorted(ran) == sorted(asked)
    assert line.loads <= 6
    longest = max(
        len(run) for run in "".join(model[0] for model in ran).replace("sn", "s n").replace("ns", "n s").split()
    )
    assert longest <= 6, "the other model had its turn"


def test_after_so_many_looks_or_seconds_it_is_the_others_turn() -> None:
    now = [0.0]
    affinity = Affinity(looks=2, seconds=10.0, clock=lambda: now[0])
    assert [affinity.look("gpu", WARM) for _ in range(6)] == [WARM, WARM, (), WARM, WARM, ()]
    assert affinity.look("gpu", WARM) == WARM
    now[0] = 10.0
    assert affinity.look("gpu", WARM) == ()
    assert affinity.look("cpu", WARM) == WARM, "each queue for itself"
    assert affinity.look("gpu", ()) == (), "nothing is in memory yet"
