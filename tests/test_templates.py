"""Templates: places are filled with values of any kind, and what cannot be filled is named."""

from typing import Any

import pytest

from forms.desk import Desk, Order
from jobs.errors import InvalidInput
from jobs.templates import PLACES_MOST, check_places, fill
from models.catalog import read_catalog

EVENT = {"body": {"seed": 7, "who": {"name": "Ada"}, "tags": ["a", "b"], "none": None, "": 1}}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("${body.seed}", 7),
        ("${body.who}", {"name": "Ada"}),
        ("${body.tags.1}", "b"),
        ("${body.none}", None),
        ("seed ${body.seed} for ${body.who.name}", "seed 7 for Ada"),
        ("${body.seed}${body.seed}", "77"),
        ("tags: ${body.tags}", 'tags: ["a", "b"]'),
        ("$ {body.seed} ${ body", "$ {body.seed} ${ body"),
        ({"a": ["${body.seed}", 1, None, True]}, {"a": [7, 1, None, True]}),
        ({"${body.seed}": "names are no places"}, {"${body.seed}": "names are no places"}),
    ],
)
def test_a_place_alone_becomes_the_value_and_in_a_text_its_text(template: Any, filled: Any) -> None:
    assert fill(template, EVENT) == filled


@pytest.mark.parametrize("path", ["body.nothing", "body.tags.2", "body.tags.-1", "body.tags.x", "body.seed.0", "b"])
def test_what_has_no_value_is_named(path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        fill({"input": {"prompt": f"a ${{{path}}}"}, "fine": "${body.seed}"}, EVENT)
    (fault,) = refused.value.faults
    assert fault.field == "input.prompt"
    assert path in fault.detail


def test_a_value_is_never_taken_for_a_template() -> None:
    assert fill("${body.a}", {"body": {"a": "${body.b}", "b": "secret"}}) == "${body.b}"


@pytest.mark.parametrize("place", ["${other.x}", "${}", "${body..x}", "${body.x y}", "${__class__}", "${body.}"])
def test_a_place_that_can_never_be_filled_is_refused_when_the_template_is_written(place: str) -> None:
    check_places({"a": ["${body.x}"]}, ("body",))
    with pytest.raises(InvalidInput) as refused:
        check_places({"a": ["fine", place]}, ("body",))
    assert refused.value.faults[0].field == "a.1"
    with pytest.raises(InvalidInput):
        check_places("${body.x}" * (PLACES_MOST + 1), ("body",))


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(read_catalog(diagnostics=True), 3, ())


def noop(**given: Any) -> dict[str, Any]:
    return {"job": {"model": "noop", "input": {"prompt": "x", **given}}}


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"job": {"input": {"prompt": "x"}}}, "job.model"),
        ({"job": {"model": "nowhere", "input": {}}}, "job.model"),
        ({"job": {"model": "noop", "input": {}}}, "job.input.prompt"),
        (noop(steps="many"), "job.input.steps"),
        (noop(colour="red"), "job.input.colour"),
        (noop(prompt="${file.x}"), "job.input.prompt"),
        ({"job": noop()["job"] | {"webhook": {"url": "http://127.0.0.1/"}}}, "job.webhook.url"),
        (noop(prompt="x" * 70_000), "job"),
        (noop(media="data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="), "job.input.media"),
    ],
)
def test_a_template_is_checked_as_a_submit_would_be(desk: Desk, template: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        desk.check_template(template, ("body",))
    assert [fault.field for fault in refused.value.faults] == [field]


def test_what_depends_on_a_place_is_checked_when_it_is_filled(desk: Desk) -> None:
    template = noop(steps="${body.seed}", seed="${body.seed}")
    desk.check_template(template, ("body",))
    assert desk.order(template, EVENT, Order("t", "key", "rule:x")).input["steps"] == 7
    with pytest.raises(InvalidInput) as refused:
        desk.order(noop(steps="${body.who}"), EVENT, Order("t", "key", "rule:x"))
    assert [fault.field for fault in refused.value.faults] == ["input.steps"]


def test_a_filled_webhook_may_not_lead_where_a_client_may_not(desk: Desk) -> None:
    template = {"job": noop()["job"] | {"webhook": {"url": "${body.url}"}}}
    desk.check_template(template, ("body",))
    with pytest.raises(InvalidInput):
        desk.order(template, {"body": {"url": "http://169.254.169.254/"}}, Order("t", "key", "rule:x"))


def test_what_becomes_too_deep_by_being_filled_is_refused(desk: Desk) -> None:
    """A row that is nested ever deeper, by rules that follow each other, could be written and not be read."""
    inner: dict[str, Any] = {}
    for _ in range(20):
        inner = {"a": inner}
    template = {"job": {"model": "noop", "input": {"prompt": "a"}, "metadata": {"a": "${body}"}}}
    assert desk.order(template, {"body": {}}, Order("default", "", ""))
    assert desk.order(template, {"body": inner}, Order("default", "", ""))
    deeper = {"job": {**template["job"], "metadata": {"a": [[[[[[[[[[[["${body}"]]]]]]]]]]]]}}}
    with pytest.raises(InvalidInput, match="too deeply"):
        desk.order(deeper, {"body": inner}, Order("default", "", ""))
