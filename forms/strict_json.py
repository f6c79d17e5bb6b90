"""JSON from strangers, strictly: UTF-8, without the parts that databases and other people's parsers disagree about
(NaN, NUL, lone surrogates, huge integers, a name given twice)."""

import hashlib
import json
import math
from typing import Any, NoReturn

from jobs.errors import FieldFault, InvalidInput

_MAX_DEPTH = 32
_INT64 = range(-(1 << 63), 1 << 63)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in these bytes. Raises: InvalidInput."""
    try:
        found = _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as fault:
        raise InvalidInput("The body is not UTF-8.") from fault
    except RecursionError as fault:
        raise InvalidInput("The body is nested too deeply.") from fault
    except json.JSONDecodeError as fault:
        raise InvalidInput(f"The body is not JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise InvalidInput("The body must be a JSON object.")
    if b"\\" in raw or raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH:
        check_texts(found)  # what is bad in UTF-8 text comes as an escape, and so flat a body is not deep
    return found


def check_texts(value: Any) -> None:
    """Raises: InvalidInput, for a text in it that a database would refuse."""
    _check_texts(value, "", 0)


def fingerprint(body: Any) -> str:
    """The same for every way of writing the same JSON."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


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


def _check_texts(value: Any, path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidInput("The body is nested too deeply.")
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
