"""Batches as the API makes them, on both databases: one for each wish, and the file that each reads."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

import storage.batches.turns
from jobs.errors import Conflict, FileMissing, IdempotencyConflict, InvalidInput
from storage.engine import Database
from storage.jobs.submissions import Submitted, insert_submissions
from tests.desks import TENANT, House, line


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "data")


def rewrite(house: House, statement: str) -> None:
    with house.database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_one_key_makes_one_batch_and_so_does_a_sending_that_is_repeated(house: House) -> None:
    first = house.begin([line(1)], idempotency_key="k")
    again = {"input_file_id": first.input_file_id, "idempotency_key": "k"}
    assert house.begin([], **again).id == first.id
    with pytest.raises(IdempotencyConflict):
        house.begin([], **again | {"body_hash": "other"})
    sent = house.begin([line(1)], body_hash="sent")
    assert house.begin([], body_hash="sent", resent=True).id == sent.id
    assert house.begin([line(1)], body_hash="sent").id != sent.id, "a first sending is a new wish"


def test_a_batch_needs_a_file_that_was_brought_for_it(house: House) -> None:
    with pytest.raises(FileMissing):
        house.begin([], input_file_id="file-" + "0" * 32)
    with pytest.raises(InvalidInput):
        house.begin([], input_file_id=house.bring(b"x", purpose="vision"))


def test_a_file_stays_while_a_batch_reads_it(house: House) -> None:
    batch = house.begin([line(1)])
    with pytest.raises(Conflict):
        house.files.delete(batch.input_file_id, TENANT)
    rewrite(house, "UPDATE files SET expires_at = created_at")
    assert house.files.expire() == []
    batch = house.run(batch)
    assert house.files.expire() == [batch.input_file_id]


def test_ended_batches_are_forgotten_with_their_lines(house: House) -> None:
    kept = house.begin([line(1)])
    gone = house.run(house.begin([line(1)]))
    kept = house.look(kept)
    assert house.batches.retire(3_600.0) == 0
    assert house.batches.retire(-1.0) == 1 + kept.final
    with house.database.reading() as connection:
        lines = connection.exec_driver_sql(f"SELECT COUNT(*) FROM batch_lines WHERE batch_id = '{gone.id}'")
        assert lines.scalar() == 0


def test_a_line_that_meets_a_process_that_began_the_same_work_is_no_failure(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[str] = []

    def meet(*given: Any) -> list[Submitted]:
        if not met:
            met.append("another")
            raise IntegrityError("results", {}, Exception("there is one"))
        return insert_submissions(*given)

    monkeypatch.setattr(storage.batches.turns, "insert_submissions", meet)
    ended = house.run(house.begin([line(1)]))
    assert (met, ended.completed, ended.failed) == (["another"], 1, 0)
