"""JSON from strangers, strictly: UTF-8, without the parts that databases and other people's parsers disagree about
(NaN, NUL, lone surrogates, huge integers, a name given twice)."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from jobs.errors import FieldFault, InvalidInput

_MAX_DEPTH = 32
_INT64 = range(-(1 << 63), 1 << 63)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises: InvalidInput, naming the field, or `body`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise _refusal("The body is not UTF-8.") from fault
    try:
        found = _DECODER.decode(text)
    except RecursionError as fault:
        raise _refusal("The body is nested too deeply.") from fault
    except json.JSONDecodeError as fault:
        raise _refusal(f"The body is not JSON: {fault}") from fault
    except InvalidInput as fault:
        raise _refusal(str(fault), _place_of_refused(text)) from fault
    if not isinstance(found, dict):
        raise _refusal("The body must be a JSON object.")
    if b"\\" in raw or raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH:
        check_texts(found)  # what is bad in UTF-8 text comes as an escape, and so flat a body is not deep
    return found


def fit_member(text: str, name: str) -> Any:
    """A member of an object that parse_object refuses; None where it is not there, or is itself not fit."""
    try:
        found = _MARKER.decode(text)
        member = found.get(name) if isinstance(found, dict) else None
        check_texts(member)
    except (json.JSONDecodeError, RecursionError, InvalidInput):
        return None
    return member


def check_texts(value: Any) -> None:
    """Raises: InvalidInput, for a text in it that a database would refuse."""
    _check_texts(value, "", 0)


def fingerprint(body: Any) -> str:
    """The same for every way of writing the same JSON."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _refusal(detail: str, path: str = "") -> InvalidInput:
    return InvalidInput(detail, [FieldFault(path or "body", detail)])


def _whole_number(text: str) -> int:
    if len(text) > 20 or int(text) not in _INT64:
        raise InvalidInput(f"The integer {text[:24]} does not fit into 64 bits.")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidInput(f"The number {text[:24]} is too large.")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidInput(f"{text} is not JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidInput(f"The name {twice[:64]!r} stands twice in one object.")
    return made


_DECODER = json.JSONDecoder(
    parse_int=_whole_number, parse_float=_number, parse_constant=_refuse_constant, object_pairs_hook=_object
)


class _Refused:
    """Stands where a value was that is refused: a decoder does not say where it stumbled."""


def _marking(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def mark(found: Any) -> Any:
        try:
            return hook(found)
        except InvalidInput:
            return _Refused()

    return mark


_MARKER = json.JSONDecoder(
    parse_int=_marking(_whole_number),
    parse_float=_marking(_number),
    parse_constant=_marking(_refuse_constant),
    object_pairs_hook=_marking(_object),
)


def _place_of_refused(text: str) -> str:
    """The path of the first value that is refused; nothing where the text is no JSON besides."""
    try:
        return next(_refused_places(_MARKER.decode(text), ""), "")
    except (json.JSONDecodeError, RecursionError):
        return ""


def _refused_places(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Refused):
        yield path
    elif isinstance(value, dict | list):
        for name, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _refused_places(member, f"{path}.{name}" if path else str(name))


def _check_texts(value: Any, path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _refusal("The body is nested too deeply.")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            inner = f"{path}.{name}" if path else name
            _check_text(name, path or "body")
            _check_texts(member, inner, depth + 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_texts(member, f"{path}.{index}", depth + 1)


def _check_text(text: str, path: str) -> None:
    fault = None
    if "\0" in text:
        fault = "The NUL character is not allowed in text."
    elif not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            fault = "Half of a surrogate pair is not text."
    if fault:
        raise InvalidInput(fault, [FieldFault(path, fault)])
