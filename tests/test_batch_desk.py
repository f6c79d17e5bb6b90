"""Batches at the courier's desk, on both databases: every line once, in order, whoever dies in between."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import storage.batches.turns
import workers.batches.desk
from jobs.batches import Batch, BatchStatus
from jobs.errors import Conflict
from jobs.values import Priority, Status
from storage.batches.file_folder import SHELVES
from storage.batches.files import sweep
from storage.engine import Database
from tests.desks import TENANT, House, line


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "data")


def ids(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["custom_id"] for answer in answers]


def test_a_batch_ends_with_every_line_once_in_the_order_of_its_file(house: House) -> None:
    batch = house.begin([line(1), line(2, fail="error"), {"custom_id": "r3"}, line(4, steps=0), line(5)])
    assert batch.status is BatchStatus.VALIDATING
    batch = house.run(batch)
    assert (batch.status, batch.total, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 5, 2, 3)
    output, errors = house.answers(batch.output_file_id), house.answers(batch.error_file_id)
    assert (ids(output), ids(errors)) == (["r1", "r5"], ["r2", "r3", "r4"])
    assert [answer["response"]["body"]["input"]["prompt"] for answer in output] == ["line 1", "line 5"]
    assert [answer["response"]["status_code"] for answer in errors] == [500, 400, 400]
    told = [answer["response"]["body"]["error"] for answer in errors]
    assert [error["code"] for error in told] == ["model_error", "invalid_request", "invalid_value"]
    assert [error["param"] for error in told] == [None, "body", "input.steps"]
    assert len({answer["id"] for answer in output + errors}) == 5


def test_its_jobs_are_of_batch_priority_whatever_they_say(house: House) -> None:
    asked = line(1)
    asked["body"]["priority"] = "interactive"
    house.begin([asked])
    house.turn()
    assert [job.priority for job in house.store.list(TENANT)] == [Priority.BATCH]


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        (b"", "empty_file", None),
        (b"\n \n", "empty_file", None),
        (b"not JSON\n{", "invalid_json_line", 1),
        (
            b'{"custom_id": "a", "body": {}}\n{"custom_id": "b", "body": {}}\n{"custom_id": "a"}',
            "duplicate_custom_id",
            3,
        ),
        (b"\xff\xfe", "invalid_json_line", 1),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_runs_nothing(house: House, text: bytes, code: str, number: int) -> None:
    batch = house.run(house.begin(text))
    assert batch.status is BatchStatus.FAILED
    assert (batch.errors[0]["code"], batch.errors[0]["line"]) == (code, number)
    assert house.store.list(TENANT) == []


def test_more_lines_than_a_batch_may_have_run_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.batches.reading.LINES_MOST", 3)
    batch = house.run(house.begin([line(number) for number in range(4)]))
    assert (batch.status, batch.errors[0]["code"]) == (BatchStatus.FAILED, "too_many_lines")


def test_bad_lines_among_good_ones_cost_only_themselves(house: House) -> None:
    huge = b'{"custom_id": "huge", "body": {"model": "' + b"x" * (1 << 20) + b'"}}'
    good = b'{"custom_id": "%s", "body": {"model": "noop", "input": {"prompt": "x"}}}'
    elsewhere = b'{"custom_id": "elsewhere", "url": "/v1/images/generations", "body": {}}'
    lines = [
        b"\xef\xbb\xbf" + good % b"first",
        huge,
        b"",
        b"{",
        b'{"custom_id": "nul\\u0000", "body": {}}',
        elsewhere,
    ]
    batch = house.run(house.begin(b"\r\n".join([*lines, good % b"last"])))
    assert ids(house.answers(batch.output_file_id)) == ["first", "last"]
    errors = house.answers(batch.error_file_id)
    assert [error["line"] for error in errors] == [2, 4, 5, 6]
    assert [error["error"]["code"] for error in errors[:3]] == ["line_too_long", *["invalid_json_line"] * 2]
    assert errors[3]["response"]["body"]["error"]["code"] == "mismatched_url"
    assert (batch.total, batch.completed, batch.failed) == (6, 2, 4)


def test_no_more_jobs_are_under_way_than_allowed_and_they_are_topped_up(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path / "data", batch_outstanding=10)
    batch = house.begin([line(number) for number in range(35)])
    most = 0
    while not house.look(batch).final:
        house.turn()
        most = max(most, house.store.queued(100))
        house.work(4)
    assert most == 10
    assert house.look(batch).completed == 35


def test_a_queue_that_is_half_full_takes_no_lines_in(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path / "data", max_queued=20)
    batches = [house.begin([line(number) for number in range(12)]) for _ in range(2)]
    for _ in range(4):
        house.turn()
    assert house.store.queued(100) == 12, "half of the queue is for those who wait for an answer"
    for batch in batches:
        assert house.run(batch).completed == 12


class Died(BaseException):
    """As a kill -9 would: nothing runs after it."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Die at the nth failure point that is passed; the points that were passed are kept."""
    passed: list[str] = []
    wanted = [0]

    def point(name: str) -> None:
        passed.append(name)
        if len(passed) == wanted[0]:
            raise Died

    def die_at(number: int) -> list[str]:
        passed.clear()
        wanted[0] = number
        return passed

    monkeypatch.setattr(storage.batches.turns, "failpoint", point)
    monkeypatch.setattr(workers.batches.desk, "failpoint", point)
    monkeypatch.setattr(workers.batches.desk, "_AT_ONCE_LINES", 2)
    return die_at


def test_whenever_the_courier_dies_no_line_is_lost_or_doubled(
    database: Database, tmp_path: Path, dying: Callable[[int], list[str]]
) -> None:
    house = House(database, tmp_path / "data", batch_outstanding=4)
    lines = [line(number, **({"fail": "error"} if number == 3 else {})) for number in range(7)]
    passed = dying(0)
    house.run(house.begin(lines))
    assert set(passed) == {
        f"batch:{word}" for word in ("taking", "taken", "settling", "written", "finishing", "finished")
    }
    deaths = len(passed)
    for number in range(1, deaths + 1):
        dying(number)
        batch = house.begin(lines)
        with pytest.raises(Died):
            house.run(batch)
        batch = house.run(batch)
        assert (batch.status, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 6, 1), passed
        assert ids(house.answers(batch.output_file_id)) == ["r0", "r1", "r2", "r4", "r5", "r6"]
        assert ids(house.answers(batch.error_file_id)) == ["r3"]
    assert len(house.store.list(TENANT, limit=1_000)) == 7 * (deaths + 1), "no job twice"
    _sweep_all(house)
    assert len(list(house.settings.files_folder.glob("*/*"))) == 3 * (deaths + 1), "no bytes without a row"


def test_a_courier_whose_lease_passed_on_writes_nothing(house: House) -> None:
    batch = house.begin([line(1), line(2)])
    turns = storage.batches.turns.BatchTurns(house.database, -1.0)
    zombie = turns.claim()
    holder = turns.claim()
    assert zombie
    assert holder
    assert holder.fence == zombie.fence + 1
    with pytest.raises(storage.batches.turns.TurnOver):
        turns.settle(zombie)
    turns.release(zombie, moved=True)
    assert house.look(batch).lease_until is not None, "the holder's"
    turns.settle(holder)


def test_a_cancel_keeps_what_is_done_and_names_the_rest(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path / "data", batch_outstanding=4)
    batch = house.begin([line(number) for number in range(10)])
    house.turn()
    house.work(3)
    (running,) = house.claims.claim("default", "w", 60.0, lambda _: 0)
    assert house.batches.cancel(batch.id, TENANT).status is BatchStatus.CANCELLING
    assert house.batches.cancel(batch.id, TENANT).status is BatchStatus.CANCELLING, "asked twice"
    house.turn()
    assert house.look(batch).status is BatchStatus.CANCELLING, "one still runs"
    assert house.store.get(running.id).cancel_requested
    house.claims.release("w")
    batch = house.run(batch)
    assert (batch.status, batch.completed, batch.failed) == (BatchStatus.CANCELLED, 3, 0)
    assert ids(house.answers(batch.output_file_id)) == ["r0", "r1", "r2"]
    errors = house.answers(batch.error_file_id)
    assert ids(errors) == [f"r{number}" for number in range(3, 10)]
    assert {error["error"]["code"] for error in errors} == {"batch_cancelled"}
    assert house.store.list(TENANT, statuses=[Status.QUEUED, Status.RUNNING]) == []
    assert house.batches.cancel(batch.id, TENANT).status is BatchStatus.CANCELLED


def test_a_batch_whose_window_is_over_expires_and_keeps_what_is_done(house: House) -> None:
    batch = house.begin([line(1), line(2)])
    house.turn()
    house.work(1)
    _rewrite(house, "UPDATE batches SET expires_at = created_at")
    batch = house.run(batch)
    assert (batch.status, batch.completed) == (BatchStatus.EXPIRED, 1)
    (error,) = house.answers(batch.error_file_id)
    assert (error["custom_id"], error["response"], error["error"]["code"]) == ("r2", None, "batch_expired")
    with pytest.raises(Conflict):
        house.batches.cancel(batch.id, TENANT)


def test_a_batch_whose_file_vanishes_breaks_off_and_keeps_what_is_done(database: Database, tmp_path: Path) -> None:
    house = House(database, tmp_path / "data", batch_outstanding=1)
    batch = house.begin([line(1), line(2)])
    house.turn()
    house.folder.discard(batch.input_file_id)
    batch = house.run(batch)
    assert (batch.status, batch.completed) == (BatchStatus.FAILED, 1)
    assert batch.errors[0]["code"] == "input_file_missing"
    assert ids(house.answers(batch.output_file_id)) == ["r1"]


def test_a_job_that_is_deleted_meanwhile_is_a_line_that_failed(house: House) -> None:
    batch = house.begin([line(1), line(2)])
    house.turn()
    for job in house.work():
        if job.input["prompt"] == "line 1":
            house.store.delete(job.id)
    batch = house.run(batch)
    assert (batch.completed, batch.failed) == (1, 1)
    (error,) = house.answers(batch.error_file_id)
    assert (error["custom_id"], error["response"]["body"]["error"]["code"]) == ("r1", "job_deleted")


def test_a_line_the_database_refuses_takes_no_neighbour_with_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = storage.batches.turns.insert_submissions

    def refuse(connection: Any, wanted: Any, now: Any) -> Any:
        if any(one.input["prompt"] == "line 2" for one in wanted):
            raise ValueError("not this one")
        return real(connection, wanted, now)

    monkeypatch.setattr(storage.batches.turns, "insert_submissions", refuse)
    batch = house.run(house.begin([line(number) for number in range(4)]))
    assert (batch.completed, batch.failed) == (3, 1)
    (error,) = house.answers(batch.error_file_id)
    assert (error["custom_id"], error["response"]["body"]["error"]["code"]) == ("r2", "internal_error")


@pytest.fixture(autouse=True)
def _generous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.batches.desk, "_TURN_S", 600.0)


def _rewrite(house: House, statement: str) -> None:
    with house.database.writing() as connection:
        connection.exec_driver_sql(statement)


def _sweep_all(house: House) -> None:
    for shelf in range(SHELVES):
        sweep(house.files, house.folder, shelf, grace_s=-1.0)


def test_a_step_that_takes_long_keeps_its_lease(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[str] = []
    real = storage.batches.turns.BatchTurns.renew

    def renew(turns: storage.batches.turns.BatchTurns, batch: Batch) -> Batch:
        renewed.append(batch.status.value)
        return real(turns, batch)

    monkeypatch.setattr(storage.batches.turns.BatchTurns, "renew", renew)
    clock = iter(range(0, 1_000_000, 100))
    monkeypatch.setattr(workers.batches.desk, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(workers.batches.desk, "_TURN_S", 1e9)
    batch = house.run(house.begin([line(1), line(2)]))
    assert batch.completed == 2
    assert renewed == ["validating"] * 2 + ["finalizing"] * 2
