"""What the state of its members means for a group: a table of cases, and what holds of every group."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.group_document import group_document, group_progress, join_document, join_of
from jobs.groups import ALL, ANY, DELETED, Group, GroupStatus, Join, Member, OnFailure, judge, measure
from jobs.values import Output, Progress, Status

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TWO = Join(first=2)
FASTEST = Join(metric="timings.run_s", least=True)
STATES = [*map(str, Status), DELETED]


def group(*statuses: str, join: Join = ALL, on_failure: OnFailure | None = None, **given: object) -> Group:
    """Its members ended in their order, the first after one second; their metric is their distance from the third."""
    members = tuple(
        Member(
            position=position,
            name=f"m{position}",
            job_id=f"job-{position}",
            status=status,
            seq=3,
            begun=status in ("running", "succeeded"),
            finished_at=NOW + timedelta(seconds=position + 1) if status == "succeeded" else None,
            metric=abs(position - 2.0) if join.metric and status == "succeeded" else None,
            outputs=(Output(f"{position}.png", "ab", "image/png", 7),) if status == "succeeded" else (),
        )
        for position, status in enumerate(statuses)
    )
    policy = on_failure or (OnFailure.FAIL_FAST if join == ALL else OnFailure.CONTINUE)
    plain = Group(
        id="g",
        tenant="t",
        status=GroupStatus.RUNNING,
        join=join,
        on_failure=policy,
        deadline=None,
        metadata={},
        webhook=None,
        cancel_requested=False,
        chosen=(),
        error=None,
        seq=1,
        created_at=NOW,
        finished_at=None,
        members=members,
    )
    return replace(plain, **given)  # type: ignore[arg-type]


S, F, C, Q, R, W = "succeeded", "failed", "canceled", "queued", "running", "waiting"
GO_ON = OnFailure.CONTINUE
FAST = OnFailure.FAIL_FAST

CASES: list[tuple[str, Group, GroupStatus, tuple[int, ...], bool]] = [
    ("nobody has begun", group(Q, W), GroupStatus.WAITING, (), False),
    ("one runs", group(R, Q), GroupStatus.RUNNING, (), False),
    ("all have succeeded", group(S, S), GroupStatus.SUCCEEDED, (0, 1), False),
    ("one of all has failed", group(S, F, R), GroupStatus.RUNNING, (), True),
    ("one of all has failed, the others are over", group(S, F, C), GroupStatus.FAILED, (), False),
    ("one of all has failed, and the others go on", group(S, F, R, on_failure=GO_ON), GroupStatus.RUNNING, (), False),
    ("some of all have succeeded", group(S, F, S, on_failure=GO_ON), GroupStatus.PARTIAL, (0, 2), False),
    ("none of all has succeeded", group(F, "expired", on_failure=GO_ON), GroupStatus.FAILED, (), False),
    ("all were canceled one by one", group(C, C), GroupStatus.CANCELED, (), False),
    ("a member was deleted", group(S, DELETED), GroupStatus.FAILED, (), False),
    ("any: nobody yet", group(F, R, join=ANY), GroupStatus.RUNNING, (), False),
    ("any: there it is", group(F, R, S, join=ANY), GroupStatus.RUNNING, (2,), True),
    ("first 2: one is there", group(S, R, Q, Q, join=TWO), GroupStatus.RUNNING, (), False),
    ("first 2: two are there", group(R, S, S, Q, join=TWO), GroupStatus.RUNNING, (1, 2), True),
    ("first 2: the others are over", group(C, S, S, C, join=TWO), GroupStatus.SUCCEEDED, (1, 2), False),
    ("first 2: three came at once", group(S, S, S, join=TWO), GroupStatus.SUCCEEDED, (0, 1), False),
    ("first 2: only one came", group(F, S, F, join=TWO), GroupStatus.PARTIAL, (1,), False),
    ("first 2: failing fast", group(F, S, R, join=TWO, on_failure=FAST), GroupStatus.RUNNING, (), True),
    ("best: one still runs", group(S, S, R, join=FASTEST), GroupStatus.RUNNING, (), False),
    ("best: the smallest", group(S, S, S, join=FASTEST), GroupStatus.SUCCEEDED, (2,), False),
    ("best: the largest", group(S, S, F, join=Join(metric="cost")), GroupStatus.SUCCEEDED, (0,), False),
    ("best of none", group(F, F, join=FASTEST), GroupStatus.FAILED, (), False),
    ("a cancel is under way", group(R, C, cancel_requested=True), GroupStatus.RUNNING, (), True),
    ("canceled", group(S, C, cancel_requested=True), GroupStatus.CANCELED, (), False),
    ("the cancel came too late", group(S, S, cancel_requested=True), GroupStatus.SUCCEEDED, (0, 1), False),
]


@pytest.mark.parametrize(("one", "status", "chosen", "stop"), [pytest.param(*rest, id=name) for name, *rest in CASES])
def test_a_group_is_what_its_members_make_it(
    one: Group, status: GroupStatus, chosen: tuple[int, ...], stop: bool
) -> None:
    verdict = judge(one)
    assert (verdict.status, verdict.chosen, verdict.stop) == (status, chosen, stop)
    assert (verdict.error is not None) == (status in (GroupStatus.FAILED, GroupStatus.PARTIAL))


def test_what_is_decided_stays_decided_though_another_succeeds_all_the_same() -> None:
    decided = group(C, S, S, S, join=TWO, chosen=(2, 3))
    assert judge(decided).chosen == (2, 3)


def test_members_without_the_number_that_is_asked_for_are_not_the_best() -> None:
    numberless = group(S, S, join=FASTEST)
    numberless = replace(numberless, members=tuple(replace(one, metric=None) for one in numberless.members))
    verdict = judge(numberless)
    assert (verdict.status, verdict.error and verdict.error.code) == (GroupStatus.FAILED, "metric_missing")


def test_a_group_that_ended_cancels_nobody_who_was_retried_by_itself() -> None:
    ended = group(F, Q, status=GroupStatus.FAILED)
    assert judge(ended).status is GroupStatus.FAILED
    assert not judge(ended).stop
    assert judge(group(S, S, status=GroupStatus.FAILED)).status is GroupStatus.SUCCEEDED
    assert not judge(group(S, Q, S, join=TWO, status=GroupStatus.SUCCEEDED, chosen=(0, 2))).stop


JOINS = st.one_of(
    st.just(ALL),
    st.integers(1, 6).map(lambda first: Join(first=first)),
    st.builds(Join, first=st.none(), metric=st.just("cost"), least=st.booleans()),
)


@given(
    statuses=st.lists(st.sampled_from(STATES), min_size=1, max_size=6),
    join=JOINS,
    policy=st.sampled_from(OnFailure),
    canceled=st.booleans(),
)
def test_of_every_group(statuses: list[str], join: Join, policy: OnFailure, canceled: bool) -> None:
    one = group(*statuses, join=join, on_failure=policy, cancel_requested=canceled)
    verdict = judge(one)
    over = all(member.over for member in one.members)
    ended = verdict.status in (GroupStatus.SUCCEEDED, GroupStatus.PARTIAL, GroupStatus.FAILED, GroupStatus.CANCELED)
    assert ended == over, "it ends with its last member, and not before"
    assert not (verdict.stop and over), "nobody is left to be stopped"
    assert all(one.members[position].succeeded for position in verdict.chosen)
    assert list(verdict.chosen) == sorted(set(verdict.chosen))
    if join.first:
        assert len(verdict.chosen) <= join.first or verdict.status is GroupStatus.PARTIAL
    again = replace(one, status=verdict.status, chosen=verdict.chosen, error=verdict.error)
    assert judge(again).status is verdict.status, "who looks twice sees the same"
    assert judge(again).chosen == verdict.chosen
    assert join_of(join_document(join)) == join
    assert 0.0 <= group_document(again)["progress"] <= 1.0


def test_progress_is_of_those_that_are_wanted() -> None:
    def seen(job_id: str) -> Progress | None:
        return Progress(job_id, 3, 1, 4) if job_id == "job-1" else None

    assert group_progress(group(S, R, Q, Q), seen) == (1 + 0.25) / 4
    assert group_progress(group(S, R, Q, Q, join=TWO), seen) == (1 + 0.25) / 2
    assert group_progress(group(F, R, Q, Q, join=ANY), seen) == 0.25


def test_the_document_joins_the_outputs_in_the_order_of_members() -> None:
    shown = group_document(group(C, S, S, C, join=TWO, chosen=(1, 2), status=GroupStatus.SUCCEEDED))
    assert [output["url"] for output in shown["outputs"]] == ["/v1/artifacts/1.png", "/v1/artifacts/2.png"]
    assert (shown["join"], shown["counts"]["canceled"]) == ({"first": 2}, 2)
    assert [member["joined"] for member in shown["members"]] == [False, True, True, False]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("timings.run_s", 1.5),
        ("outputs.0.bytes", 7.0),
        ("outputs.1.bytes", None),
        ("outputs.x", None),
        ("cached", None),
        ("model.name", None),
        ("nothing.at.all", None),
    ],
)
def test_a_metric_is_a_number_in_the_document(path: str, number: float | None) -> None:
    document = {"timings": {"run_s": 1.5}, "outputs": [{"bytes": 7}], "cached": True, "model": "scenes"}
    assert measure(document, path) == number
