"""Reading a batch's file: line by line from wherever the last turn ended, never more than one line in memory; and the
first look at the whole of it, which finds what no line could tell by itself."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from forms.batches import LINE_BYTES_MOST, LineFault, read_line
from jobs.batches import FAULTS_MOST, LINES_MOST

_BOM = b"\xef\xbb\xbf"  # some editors begin a file with it

Error = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line as it lies in the file. `raw` is None when it is too long to be read, empty when nothing is on it."""

    number: int  # from 1
    raw: bytes | None
    end: int  # where the next one begins


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first look found: how many lines have something on them, where the file ends, what is wrong with the
    whole of it."""

    total: int
    size: int
    errors: list[Error]


def raw_lines(file: IO[bytes], number: int, position: int) -> Iterator[RawLine]:
    """The lines after line `number`, which ended at `position`."""
    file.seek(position)
    while raw := file.readline(LINE_BYTES_MOST + 1):
        mark = _BOM if number == 0 and raw.startswith(_BOM) else b""
        number += 1
        position += len(raw)
        whole = raw.endswith(b"\n") or len(raw) <= LINE_BYTES_MOST
        rest = raw
        while not rest.endswith(b"\n") and (rest := file.readline(LINE_BYTES_MOST)):
            position += len(rest)
            whole = False
        yield RawLine(number, raw.removeprefix(mark).strip() if whole else None, position)


def survey(file: IO[bytes], endpoint: str, beat: Callable[[], object]) -> Survey:
    """Look at every line once, without running anything. `beat` is called at each, for the lease."""
    total = good = size = 0
    seen: dict[bytes, int] = {}  # digests: custom ids may be long
    errors: list[Error] = []
    bad: list[Error] = []
    for line in raw_lines(file, 0, 0):
        size = line.end
        if line.raw == b"":
            continue
        total += 1
        if total > LINES_MOST:
            return Survey(
                total, size, [_error("too_many_lines", f"A batch may have {LINES_MOST} lines.", line.number)]
            )
        beat()
        custom_id, error = _look(line, endpoint)
        good += error is None
        if error and len(bad) < FAULTS_MOST:
            bad.append(error)
        first = seen.setdefault(_digest(custom_id), line.number) if custom_id else line.number
        if first != line.number and len(errors) < FAULTS_MOST:
            message = f"Line {first} has this custom_id too."
            errors.append(_error("duplicate_custom_id", message, line.number, "custom_id"))
    if not total:
        errors.append(_error("empty_file", "No line of the file says anything.", None))
    return Survey(total, size, errors or ([] if good else bad))


def _look(line: RawLine, endpoint: str) -> tuple[str | None, Error | None]:
    """Its custom id, if it has one, and what is wrong with it."""
    try:
        return read_line(line.raw, endpoint).custom_id, None
    except LineFault as fault:
        return fault.custom_id, fault.error | {"line": line.number}


def _digest(custom_id: str) -> bytes:
    return hashlib.blake2b(custom_id.encode(), digest_size=12).digest()


def _error(code: str, message: str, line: int | None, param: str | None = None) -> Error:
    return {"code": code, "message": message, "param": param, "line": line}
