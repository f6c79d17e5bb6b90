"""The change feed on both databases: every reader sees every change, in order, however late it commits."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, insert, select, text

from storage.changes.feed import Feed, trim_feed
from storage.engine import Database
from storage.tables import CHANGES


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def announce(database: Database, *job_ids: str) -> None:
    with database.writing() as connection:
        write(connection, job_ids)


def write(connection: Connection, job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        connection.execute(insert(CHANGES), {"job_id": job_id})


def ids_read_by(feed: Feed) -> list[str]:
    return [entry.job_id for entry in feed.read()]


def positions(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.execute(select(CHANGES.c.position).order_by(CHANGES.c.position)).scalars())


# SQLite has one writer at a time, so its positions are committed in order.
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_each_change_is_read_once_in_the_order_of_commits(database: Database) -> None:
    feed = Feed(database)
    assert ids_read_by(feed) == []
    announce(database, "a", "b")
    announce(database, "c")
    assert ids_read_by(feed) == ["a", "b", "c"]
    assert ids_read_by(feed) == []
    announce(database, "b")
    assert ids_read_by(feed) == ["b"]


def test_each_of_a_jobs_changes_is_an_entry_of_its_own(database: Database) -> None:
    feed = Feed(database)
    ids_read_by(feed)
    announce(database, "a", "b", "a", "a", "b")
    assert ids_read_by(feed) == ["a", "b", "a", "a", "b"]


def test_readers_do_not_take_from_each_other(database: Database) -> None:
    one, other = Feed(database), Feed(database)
    ids_read_by(one), ids_read_by(other)
    announce(database, "a")
    assert (ids_read_by(one), ids_read_by(other)) == (["a"], ["a"])


def test_a_new_reader_starts_near_the_end_and_misses_nothing_from_then_on(database: Database) -> None:
    announce(database, *(f"old-{number}" for number in range(300)))
    feed = Feed(database)
    assert "old-0" not in ids_read_by(feed), "history is no business of a new reader"
    announce(database, "new")
    assert ids_read_by(feed) == ["new"]


def test_more_changes_than_one_look_takes_are_read_by_the_next_looks_in_order(database: Database) -> None:
    feed = Feed(database)
    ids_read_by(feed)
    ids = [f"job-{number}" for number in range(5_300)]
    with database.writing() as connection:
        connection.execute(insert(CHANGES), [{"job_id": job_id} for job_id in ids])
    seen: list[str] = []
    while found := ids_read_by(feed):
        seen += found
    assert seen == ids


def test_what_is_rolled_back_is_never_announced(database: Database) -> None:
    feed = Feed(database)
    ids_read_by(feed)
    with database.writing() as connection:
        write(connection, ["undone"])
        connection.rollback()
    announce(database, "done")
    assert ids_read_by(feed) == ["done"]


@on_postgresql
def test_a_change_that_commits_after_a_later_one_was_read_is_still_seen(database: Database) -> None:
    """Two connections at once: the first takes the lower position and commits last."""
    feed = Feed(database)
    ids_read_by(feed)
    with database.writing() as slow:
        write(slow, ["slow", "slower"])
        announce(database, "quick")
        assert ids_read_by(feed) == ["quick"]
        announce(database, "quicker")
        assert ids_read_by(feed) == ["quicker"]
    assert ids_read_by(feed) == ["slow", "slower"]
    assert ids_read_by(feed) == []


@on_postgresql
def test_a_change_under_way_when_a_reader_starts_is_still_seen(database: Database) -> None:
    with database.writing() as slow:
        write(slow, ["slow"])
        announce(database, *(f"quick-{number}" for number in range(20)))
        feed = Feed(database)
        ids_read_by(feed)
    assert ids_read_by(feed) == ["slow"]


@on_postgresql
def test_a_gap_is_asked_for_until_no_transaction_can_fill_it_any_more(database: Database) -> None:
    clock = Clock()
    feed = Feed(database, clock)
    ids_read_by(feed)
    with database.writing() as slow, database.writing() as hopeless:
        write(slow, ["slow"])
        write(hopeless, ["never seen"])
        announce(database, "quick")
        assert ids_read_by(feed) == ["quick"]
        slow.commit()
        clock.seconds += 14
        assert ids_read_by(feed) == ["slow"]
        clock.seconds += 60
        assert ids_read_by(feed) == []
    assert ids_read_by(feed) == [], "its position was given up"
    announce(database, "next")
    assert ids_read_by(feed) == ["next"]


def test_trimming_forgets_what_is_long_past_and_keeps_what_readers_still_need(database: Database) -> None:
    announce(database, "old", "old")
    with database.writing() as connection:
        connection.execute(insert(CHANGES), [{"position": p, "job_id": "j"} for p in (5, 200_004, 200_005)])
    trim_feed(database)
    assert positions(database) == [200_004, 200_005]
    trim_feed(database)
    assert positions(database) == [200_004, 200_005]


def test_an_empty_feed_can_be_trimmed_and_positions_are_never_given_twice(database: Database) -> None:
    trim_feed(database)
    announce(database, "a", "b")
    feed = Feed(database)
    ids_read_by(feed)
    with database.writing() as connection:
        connection.execute(text("DELETE FROM changes"))
    announce(database, "c")
    assert positions(database) == [3]
    assert ids_read_by(feed) == ["c"]
