"""Event patterns, in the language of Amazon EventBridge, which people know: an object with the fields of an event,
and at each of them an array of what may stand there. Pure.

    {"model": ["scenes"], "metadata": {"shot": [{"numeric": [">", 3]}]}, "$or": [{"priority": ["batch"]}, …]}
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobs.errors import FieldFault, InvalidInput

_OR = "$or"
_DEPTH_MOST = 16
_LEAVES_MOST = 500
_WILDCARDS_MOST = 10
_ABSENT = object()

Pattern = Mapping[str, Any]


def matches(pattern: Pattern, event: Any) -> bool:
    """Does every field of the pattern find in the event what may stand there? Of an array in the event, one of its
    members is enough. The pattern is one that `check_pattern` passed."""
    fields = event if isinstance(event, Mapping) else {}
    return all(
        any(matches(choice, event) for choice in wanted) if name == _OR else _finds(wanted, fields.get(name, _ABSENT))
        for name, wanted in pattern.items()
    )


def check_pattern(pattern: Any, field: str = "pattern") -> None:
    """Raises: InvalidInput, naming each part that is no pattern."""
    faults = list(_faults(pattern, field, 0))
    if not faults and _leaves(pattern) > _LEAVES_MOST:
        faults = [FieldFault(field, f"A pattern may have {_LEAVES_MOST} alternatives.")]
    if faults:
        raise InvalidInput("The pattern is not valid.", faults)


def _finds(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        if isinstance(value, list | tuple):
            return any(matches(wanted, member) for member in value)
        return matches(wanted, value)
    return any(_allows(one, value) for one in wanted)


def _allows(matcher: Any, value: Any) -> bool:
    """One alternative against what stands in the event."""
    if isinstance(matcher, Mapping):
        ((kind, given),) = matcher.items()
        if kind == "exists":
            return bool(given) == (value is not _ABSENT)
        test = _MATCHERS[kind]
        return any(test(given, one) for one in _members(value))
    return any(_equal(matcher, one) for one in _members(value))


def _members(value: Any) -> tuple[Any, ...]:
    """Of an array its members, else the value itself; of an absent field nothing."""
    if value is _ABSENT:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _equal(one: Any, other: Any) -> bool:
    """As in JSON: true is no number, and 1 is 1.0."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _numeric(given: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return all(_COMPARISONS[sign](value, bound) for sign, bound in _pairs(given))


def _anything_but(given: Any, value: Any) -> bool:
    if isinstance(given, Mapping):
        ((kind, inner),) = given.items()
        return not any(_MATCHERS[kind](one, value) for one in _listed(inner))
    return not any(_equal(one, value) for one in _listed(given))


def _wildcard(given: str, value: Any) -> bool:
    """`*` stands for any text. Each part is looked for after the one before: once through the text, and no more."""
    if not isinstance(value, str):
        return False
    first, *rest = given.split("*")
    if not rest:
        return value == first
    last = rest.pop()
    if not value.startswith(first) or not value.endswith(last) or len(value) < len(first) + len(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in rest:
        at = value.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def ask(given: Any, value: Any) -> bool:
        if isinstance(given, Mapping):
            return isinstance(value, str) and test(given["equals-ignore-case"].casefold(), value.casefold())
        return isinstance(value, str) and test(given, value)

    return ask


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}

_MATCHERS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _text(lambda given, value: value.startswith(given)),
    "suffix": _text(lambda given, value: value.endswith(given)),
    "equals-ignore-case": _text(lambda given, value: value.casefold() == given.casefold()),
    "wildcard": _wildcard,
    "numeric": _numeric,
    "anything-but": _anything_but,
}

_TEXTS = ("prefix", "suffix", "equals-ignore-case", "wildcard")


def _faults(pattern: Any, field: str, depth: int) -> Iterator[FieldFault]:
    if not isinstance(pattern, Mapping) or not pattern:
        yield FieldFault(field, "Must be an object with at least one field.")
        return
    if depth > _DEPTH_MOST:
        yield FieldFault(field, f"A pattern may be nested {_DEPTH_MOST} deep.")
        return
    for name, wanted in pattern.items():
        inner = f"{field}.{name}"
        if name == _OR:
            yield from _faults_of_or(wanted, inner, depth)
        elif isinstance(wanted, Mapping):
            yield from _faults(wanted, inner, depth + 1)
        elif isinstance(wanted, list) and wanted:
            for index, one in enumerate(wanted):
                yield from _faults_of_matcher(one, f"{inner}.{index}")
        else:
            yield FieldFault(inner, 'Must be an array of what may stand here, such as ["scenes"].')


def _faults_of_or(wanted: Any, field: str, depth: int) -> Iterator[FieldFault]:
    if not isinstance(wanted, list) or len(wanted) < 2:
        yield FieldFault(field, "Must be an array of at least two patterns.")
        return
    for index, choice in enumerate(wanted):
        yield from _faults(choice, f"{field}.{index}", depth + 1)


def _faults_of_matcher(matcher: Any, field: str) -> Iterator[FieldFault]:
    if isinstance(matcher, list):
        yield FieldFault(field, 'Must be a value or an object such as {"prefix": "a"}.')
    elif isinstance(matcher, Mapping):
        kind, given = next(iter(matcher.items()), ("", None))
        if len(matcher) != 1 or (kind not in _MATCHERS and kind != "exists"):
            yield FieldFault(field, f"Must be one of {', '.join([*_MATCHERS, 'exists'])}.")
        elif complaint := _complaint(kind, given):
            yield FieldFault(f"{field}.{kind}", complaint)


def _complaint(kind: str, given: Any) -> str | None:
    """What is wrong with what a matcher of this kind is given."""
    if kind == "exists":
        return None if isinstance(given, bool) else "Must be true or false."
    if kind == "numeric":
        return None if _is_numeric(given) else 'Must be an array such as [">", 0, "<=", 5].'
    if kind == "anything-but":
        return _complaint_of_but(given)
    if kind in ("prefix", "suffix") and isinstance(given, Mapping):
        given = given.get("equals-ignore-case") if set(given) == {"equals-ignore-case"} else None
    if not isinstance(given, str):
        return "Must be text."
    if kind == "wildcard" and (given.count("*") > _WILDCARDS_MOST or "**" in given):
        return f"May have {_WILDCARDS_MOST} asterisks, none beside another."
    return None


def _complaint_of_but(given: Any) -> str | None:
    if isinstance(given, Mapping):
        kind, inner = next(iter(given.items()), ("", None))
        if len(given) != 1 or kind not in _TEXTS or not _listed(inner):
            return f"Must be one of {', '.join(_TEXTS)}."
        return next(filter(None, (_complaint(kind, one) for one in _listed(inner))), None)
    plain = all(isinstance(one, str | int | float) for one in _listed(given))
    return None if _listed(given) and plain else "Must be text, a number, or an array of some."


def _is_numeric(given: Any) -> bool:
    if not isinstance(given, list) or len(given) not in (2, 4):
        return False
    return all(
        isinstance(sign, str)
        and sign in _COMPARISONS
        and isinstance(bound, int | float)
        and not isinstance(bound, bool)
        for sign, bound in _pairs(given)
    )


def _pairs(given: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(given[::2], given[1::2], strict=True)


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _leaves(pattern: Any) -> int:
    if isinstance(pattern, Mapping):
        return sum(map(_leaves, pattern.values()))
    return sum(map(_leaves, pattern)) if isinstance(pattern, list) else 1
