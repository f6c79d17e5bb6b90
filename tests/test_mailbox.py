"""The mailbox of a socket, as a machine of states: whatever comes in whatever order, nothing goes backwards."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, tuples

from api.watch.mailbox import Mailbox, MailboxFull
from api.watch.views import View
from jobs import lifecycle
from jobs.values import Job, Priority, Progress, Submission

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = lifecycle.submit(
    Submission("a", "t", "default", "noop", "1", Priority.INTERACTIVE, {"prompt": "x"}, {}, None, 1, 8, 3), NOW
)


def view(seq: int, step: int = 0, job_id: str = "a") -> View:
    job: Job = replace(JOB, id=job_id, seq=seq)
    return View(job, Progress(job_id, seq, step, 8) if step else None)


def taken(mailbox: Mailbox) -> list[str | View]:
    found: list[str | View] = []
    while (one := mailbox.take()) is not None:
        found.append(one)
    return found


def test_only_the_latest_view_of_a_job_is_kept() -> None:
    mailbox = Mailbox()
    views = [view(1), view(2), view(2, 3)]
    for one in views:
        mailbox.offer(one)
    assert taken(mailbox) == [views[-1]]
    assert not mailbox.ready.is_set()


@given(lists(tuples(integers(1, 4), integers(0, 8)), min_size=1, max_size=30), integers(0, 3))
def test_what_is_taken_never_goes_backwards(offers: list[tuple[int, int]], pause: int) -> None:
    mailbox = Mailbox()
    told: list[View] = []
    for number, offer in enumerate(offers):
        mailbox.offer(view(*offer))
        if number % (pause + 1) == 0:
            told += [one for one in taken(mailbox) if isinstance(one, View)]
    told += [one for one in taken(mailbox) if isinstance(one, View)]
    ranks = [one.rank for one in told]
    assert ranks == sorted(ranks)
    assert ranks[-1][:2] == max((seq, step / 8 if step else 0.0) for seq, step in offers)


def test_answers_come_first_and_in_order() -> None:
    mailbox = Mailbox()
    mailbox.offer(view(1))
    mailbox.answer("one")
    mailbox.answer("two")
    assert taken(mailbox)[:2] == ["one", "two"]


def test_a_held_job_is_told_only_after_it_was_let_go() -> None:
    mailbox = Mailbox()
    mailbox.hold("a")
    mailbox.offer(held := view(1))
    mailbox.offer(other := view(1, job_id="b"))
    assert taken(mailbox) == [other]
    assert not mailbox.ready.is_set()
    mailbox.let_go("a")
    assert mailbox.ready.is_set()
    assert taken(mailbox) == [held]


def test_a_client_that_never_reads_its_answers_fills_its_mailbox() -> None:
    mailbox = Mailbox()
    for _ in range(2_000):
        mailbox.answer("pong")
    with pytest.raises(MailboxFull):
        mailbox.answer("pong")
