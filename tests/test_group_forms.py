"""What a client says of a group, and the order that it becomes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from forms.groups import group_order_of
from forms.requests import submission_of
from jobs.aliases import Alias, Shadow, Target
from jobs.errors import InvalidInput
from jobs.groups import ALL, ANY, GroupOrder, OnFailure
from jobs.values import Priority
from models.catalog import read_catalog

CATALOG = read_catalog(diagnostics=True)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SHADOWED = Alias("t", "new", 1, (Target("noop@1", 100),), (Shadow("scenes@1", 100.0),), None, NOW)


def order(**body: Any) -> GroupOrder:
    def check(job: dict[str, Any], job_id: str) -> Any:
        return submission_of(
            job,
            CATALOG,
            tenant="t",
            max_attempts=3,
            idempotency_key=None,
            routes={("t", "new"): SHADOWED},
            job_id=job_id,
        )

    return group_order_of(body, check, tenant="t", idempotency_key="k")


def noop(**more: Any) -> dict[str, Any]:
    return {"model": "noop", "input": {"prompt": "x"}, **more}


def scenes(seed: int, **more: Any) -> dict[str, Any]:
    return {"model": "scenes", "input": {"prompt": "x", "seed": seed}, **more}


def test_names_become_ids_in_depends_on_and_in_inputs() -> None:
    wanted = order(
        members=[
            {"name": "large", "model": "enlarge", "input": {"image": "job:picture#0"}},
            scenes(1, name="picture"),
            noop(name="last", depends_on=["large", "picture"]),
        ]
    )
    large, picture, last = wanted.members
    assert (large.input["image"], large.needs) == (f"job:{picture.id}#0", (picture.id,))
    assert set(last.needs) == {large.id, picture.id}
    assert [member.lineage.member for member in wanted.members] == ["large", "picture", "last"]
    assert {member.lineage.group for member in wanted.members} == {wanted.id}
    assert (large.idempotency_key, picture.idempotency_key) == ("k", None)


def test_a_text_that_only_looks_like_an_output_of_nobody_stays_a_text() -> None:
    (member,) = order(members=[noop(name="a", input={"prompt": "job:b#0"})]).members
    assert (member.input, member.needs) == ({"prompt": "job:b#0"}, ())


def test_a_member_has_the_earlier_of_two_deadlines_and_its_own_priority() -> None:
    early, late = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"
    wanted = order(members=[noop(), noop(deadline=early, priority="interactive")], deadline=late, priority="batch")
    assert [member.deadline and member.deadline.day for member in wanted.members] == [2, 1]
    assert [member.priority for member in wanted.members] == [Priority.BATCH, Priority.INTERACTIVE]


def test_a_fan_out_is_every_model_with_every_seed() -> None:
    fan_out = {"input": {"prompt": "x"}, "models": ["scenes", "noop"], "seeds": [3, 4]}
    wanted = order(fan_out=fan_out)
    assert [(member.model, member.input["seed"]) for member in wanted.members] == [
        ("scenes", 3),
        ("scenes", 4),
        ("noop", 3),
        ("noop", 4),
    ]
    assert (wanted.join, wanted.on_failure) == (ALL, OnFailure.FAIL_FAST)


def test_of_those_who_race_no_more_share_a_batch_than_may_succeed() -> None:
    racing = order(members=[scenes(seed) for seed in range(5)], join={"first": 2}).members
    keys = [member.batch_key for member in racing]
    assert (keys[0], keys[2]) == (keys[1], keys[3])
    assert len(set(keys)) == 3
    assert [member.lineage.race is not None for member in racing] == [True] * 5
    together = order(members=[scenes(seed) for seed in range(5)]).members
    assert len({member.batch_key for member in together}) == 1
    assert together[0].batch_key not in keys
    assert order(members=[noop()], join="any").join == ANY


def test_a_shadow_of_a_member_waits_for_that_member() -> None:
    (member,) = order(members=[scenes(1, model="new")]).members
    (shadow,) = member.shadows
    assert (shadow.needs, shadow.lineage.shadow_of, shadow.lineage.group) == ((member.id,), member.id, None)


def test_the_faults_of_all_members_are_told() -> None:
    with pytest.raises(InvalidInput) as refused:
        order(members=[noop(input={}), noop(), noop(input={"prompt": 5})])
    fields = {fault.field for fault in refused.value.faults}
    assert fields == {"members.0.input.prompt", "members.2.input.prompt"}
