"""Event patterns: the language of EventBridge, against events of jobs."""

import time
from typing import Any

import pytest

from jobs.errors import InvalidInput
from jobs.patterns import check_pattern, matches

EVENT: dict[str, Any] = {
    "model": "scenes",
    "status": "succeeded",
    "priority": "batch",
    "media_type": ["image/png", "video/mp4"],
    "input": {"prompt": "a tent in the desert", "steps": 8, "guidance": 7.5, "exact": True, "to": None},
    "metadata": {"shot": {"number": 12}, "tags": ["night", "sea"], "file": "a.PNG", "list": [{"a": 1}, {"a": 2}]},
}

YES: list[dict[str, Any]] = [
    {"model": ["scenes"]},
    {"model": ["other", "scenes"]},
    {"media_type": ["video/mp4"]},
    {"metadata": {"tags": ["sea"]}},
    {"metadata": {"shot": {"number": [12]}}},
    {"metadata": {"shot": {"number": [12.0]}}},
    {"metadata": {"list": {"a": [2]}}},
    {"input": {"to": [None]}},
    {"input": {"exact": [True]}},
    {"model": [{"prefix": "sc"}], "status": ["succeeded"]},
    {"metadata": {"file": [{"suffix": ".PNG"}]}},
    {"metadata": {"file": [{"suffix": {"equals-ignore-case": ".png"}}]}},
    {"metadata": {"file": [{"equals-ignore-case": "A.png"}]}},
    {"input": {"prompt": [{"wildcard": "a *in*desert"}]}},
    {"input": {"prompt": [{"wildcard": "*"}]}},
    {"input": {"steps": [{"numeric": [">", 4, "<=", 8]}]}},
    {"input": {"guidance": [{"numeric": ["=", 7.5]}]}},
    {"model": [{"anything-but": "noop"}]},
    {"model": [{"anything-but": ["noop", "walk"]}]},
    {"model": [{"anything-but": {"prefix": "no"}}]},
    {"model": [{"anything-but": {"wildcard": ["*x*", "no*"]}}]},
    {"metadata": {"tags": [{"anything-but": "sea"}]}},
    {"metadata": {"shot": [{"exists": True}]}},
    {"metadata": {"colour": [{"exists": False}]}},
    {"nothing": {"inside": [{"exists": False}]}},
    {"input": {"to": [{"exists": True}]}},
    {"$or": [{"model": ["noop"]}, {"priority": ["batch"]}]},
    {"$or": [{"model": ["noop"]}, {"input": {"$or": [{"steps": [8]}, {"steps": [9]}]}}], "status": ["succeeded"]},
    {"model": ["noop", {"prefix": "sc"}]},
]

NO: list[dict[str, Any]] = [
    {"model": ["noop"]},
    {"model": ["Scenes"]},
    {"model": ["scenes"], "status": ["failed"]},
    {"metadata": {"shot": {"number": ["12"]}}},
    {"input": {"exact": [1]}},
    {"input": {"steps": [True]}},
    {"metadata": {"shot": [12]}},
    {"metadata": {"list": {"a": [3]}}},
    {"colour": ["red"]},
    {"colour": [None]},
    {"model": {"name": ["scenes"]}},
    {"input": {"steps": [{"prefix": "8"}]}},
    {"input": {"prompt": [{"wildcard": "a tent"}]}},
    {"input": {"prompt": [{"wildcard": "*tent*tent*"}]}},
    {"input": {"prompt": [{"numeric": [">", 0]}]}},
    {"input": {"exact": [{"numeric": [">", 0]}]}},
    {"input": {"steps": [{"numeric": [">", 8]}]}},
    {"model": [{"anything-but": "scenes"}]},
    {"model": [{"anything-but": {"prefix": "sc"}}]},
    {"colour": [{"anything-but": "red"}]},
    {"metadata": {"colour": [{"exists": True}]}},
    {"model": [{"exists": False}]},
    {"$or": [{"model": ["noop"]}, {"priority": ["interactive"]}]},
    {"$or": [{"model": ["scenes"]}, {"priority": ["batch"]}], "status": ["failed"]},
]


@pytest.mark.parametrize("pattern", YES, ids=str)
def test_a_pattern_that_fits_matches(pattern: dict[str, Any]) -> None:
    check_pattern(pattern)
    assert matches(pattern, EVENT)


@pytest.mark.parametrize("pattern", NO, ids=str)
def test_a_pattern_that_does_not_fit_does_not_match(pattern: dict[str, Any]) -> None:
    check_pattern(pattern)
    assert not matches(pattern, EVENT)


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else ["x"]


@pytest.mark.parametrize(
    ("pattern", "field"),
    [
        ({}, "pattern"),
        ([], "pattern"),
        ("scenes", "pattern"),
        ({"model": "scenes"}, "pattern.model"),
        ({"model": []}, "pattern.model"),
        ({"model": {}}, "pattern.model"),
        ({"model": [["scenes"]]}, "pattern.model.0"),
        ({"model": [{}]}, "pattern.model.0"),
        ({"model": [{"prefix": "a", "suffix": "b"}]}, "pattern.model.0"),
        ({"model": [{"regex": ".*"}]}, "pattern.model.0"),
        ({"model": ["a", {"prefix": 1}]}, "pattern.model.1.prefix"),
        ({"model": [{"prefix": {"suffix": "a"}}]}, "pattern.model.0.prefix"),
        ({"model": [{"exists": "yes"}]}, "pattern.model.0.exists"),
        ({"model": [{"numeric": [">"]}]}, "pattern.model.0.numeric"),
        ({"model": [{"numeric": ["!", 1]}]}, "pattern.model.0.numeric"),
        ({"model": [{"numeric": [">", "1"]}]}, "pattern.model.0.numeric"),
        ({"model": [{"numeric": [[">"], 1]}]}, "pattern.model.0.numeric"),
        ({"model": [{"anything-but": []}]}, "pattern.model.0.anything-but"),
        ({"model": [{"anything-but": {"numeric": [">", 1]}}]}, "pattern.model.0.anything-but"),
        ({"model": [{"anything-but": {"prefix": {}}}]}, "pattern.model.0.anything-but"),
        ({"model": [{"anything-but": None}]}, "pattern.model.0.anything-but"),
        ({"model": [{"wildcard": "a**b"}]}, "pattern.model.0.wildcard"),
        ({"model": [{"wildcard": "*a" * 20}]}, "pattern.model.0.wildcard"),
        ({"$or": [{"model": ["a"]}]}, "pattern.$or"),
        ({"$or": {"model": ["a"]}}, "pattern.$or"),
        ({"$or": [{"model": ["a"]}, "b"]}, "pattern.$or.1"),
        ({"a": deep(20)}, "pattern" + ".a" * 17),
        ({"model": ["x"] * 1_000}, "pattern"),
    ],
    ids=str,
)
def test_what_is_no_pattern_is_refused_by_field(pattern: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_pattern(pattern)
    assert [fault.field for fault in refused.value.faults] == [field]


def test_no_pattern_takes_long() -> None:
    pattern = {"input": {"prompt": [{"wildcard": "*a*a*a*a*a*a*a*a*a*b"}] * 100}}
    check_pattern(pattern)
    began = time.monotonic()
    assert not matches(pattern, {"input": {"prompt": "a" * 100_000}})
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("event", [None, [], "x", {"model": {"a": 1}}, {"model": [[]]}, {"input": 7}])
def test_whatever_an_event_is_made_of_it_can_be_asked(event: Any) -> None:
    for pattern in [*YES, *NO]:
        assert matches(pattern, event) in (True, False)
