"""Templates: the body of a request with places in it, `${body.path}`, that values of an event are put into. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.errors import FieldFault, InvalidInput

PLACES_MOST = 100  # each may be given a long value: so many at the most

_PLACE = re.compile(r"\$\{([^{}]*)\}")
_PATH = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_ABSENT = object()

Values = Mapping[str, Any]


def check_places(template: Any, roots: tuple[str, ...]) -> None:
    """Whether every place could be filled from values of these names.

    Raises:
        InvalidInput: naming the fields that could not.
    """
    found = list(_places(template, ""))
    faults = [
        FieldFault(field, f"${{{path[:64]}}} is no place that can be filled here: begin it with {_words(roots)}.")
        for field, path in found
        if not _PATH.fullmatch(path) or path.split(".")[0] not in roots
    ]
    if len(found) > PLACES_MOST:
        faults.append(FieldFault(found[-1][0], f"A template may have {PLACES_MOST} places."))
    if faults:
        raise InvalidInput("The template is not valid.", faults)


def fill(template: Any, values: Values) -> Any:
    """The template with its places filled. Text that is nothing but a place becomes the value itself, of whatever
    kind; in longer text the value stands as text, or as JSON where it is none.

    Raises:
        InvalidInput: naming the fields for which there is no value.
    """
    faults: list[FieldFault] = []
    filled = _fill(template, values, "", faults)
    if faults:
        raise InvalidInput("The template cannot be filled.", faults)
    return filled


def places_in(template: Any, field: str) -> bool:
    """Has the template places at this field, or inside it? A dotted path."""
    inside = _at(template, field.split("."))
    return inside is not _ABSENT and next(_places(inside, ""), None) is not None


def uses(template: Any, path: str) -> bool:
    """Has the template a place for exactly this?"""
    return any(found == path for _, found in _places(template, ""))


def _places(template: Any, field: str) -> Iterator[tuple[str, str]]:
    """Every place: the field it stands in, and its path."""
    if isinstance(template, str):
        yield from ((field, found[1]) for found in _PLACE.finditer(template))
    elif isinstance(template, Mapping):
        for name, member in template.items():
            yield from _places(member, f"{field}.{name}" if field else str(name))
    elif isinstance(template, list):
        for index, member in enumerate(template):
            yield from _places(member, f"{field}.{index}" if field else str(index))


def _fill(template: Any, values: Values, field: str, faults: list[FieldFault]) -> Any:
    if isinstance(template, str):
        return _fill_text(template, values, field, faults)
    if isinstance(template, Mapping):
        return {
            name: _fill(member, values, f"{field}.{name}" if field else str(name), faults)
            for name, member in template.items()
        }
    if isinstance(template, list):
        return [_fill(member, values, f"{field}.{index}", faults) for index, member in enumerate(template)]
    return template


def _fill_text(text: str, values: Values, field: str, faults: list[FieldFault]) -> Any:
    def value(place: re.Match[str]) -> Any:
        found = _at(values, place[1].split("."))
        if found is _ABSENT:
            faults.append(FieldFault(field, f"The event has nothing for {place[0][:64]}."))
            return None
        return found

    whole = _PLACE.fullmatch(text)
    return value(whole) if whole else _PLACE.sub(lambda place: _text(value(place)), text)


def _at(value: Any, path: list[str]) -> Any:
    """What lies at a path of names and indexes."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list | tuple) and part.isascii() and part.isdigit():
            value = value[int(part)] if len(part) < 7 and int(part) < len(value) else _ABSENT
        else:
            return _ABSENT
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _words(roots: tuple[str, ...]) -> str:
    return " or ".join(f"`{root}`" for root in roots) if roots else "nothing: there is no event"
