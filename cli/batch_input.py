"""What people write into batches: JSONL in three shapes, or CSV; each line as the API wants it. One line in memory at
a time. What is wrong with a line the server says, so that there is one judge; it is passed on as it stands."""

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cli.client import Document, Refused
from jobs.batches import LINES_MOST
from jobs.files import FILE_BYTES_MOST

ENDPOINT = "/v1/jobs"

_CELL_CHARACTERS = 1 << 20


class Plan:
    """How lines become requests: the model and the inputs of those that name none. `types_of` tells the JSON types
    that a model wants of each of its inputs, for the cells of a table."""

    def __init__(self, model: str, inputs: Document, types_of: Callable[[str], dict[str, list[str]]]) -> None:
        self.model = model
        self.inputs = inputs
        self.types_of = types_of

    def request(self, number: int, said: Document) -> Document:
        """A line as the API wants it, of `{"custom_id", "body": {job}}`, of a job, or of a job's input alone."""
        custom_id = said.get("custom_id")
        rest = {name: value for name, value in said.items() if name != "custom_id"}
        body = rest["body"] if isinstance(rest.get("body"), dict) else rest
        if not isinstance(body.get("input"), dict):
            model = {"model": body["model"]} if "model" in body else {}
            body = {**model, "input": {name: value for name, value in body.items() if name != "model"}}
        body = {"model": self.model, **body, "input": {**self.inputs, **body["input"]}}
        named = str(custom_id) if custom_id not in (None, "") else f"line-{number:06d}"
        return {"custom_id": named, "method": "POST", "url": ENDPOINT, "body": body}


def write_requests(source: Path, plan: Plan, target: Path) -> None:
    """Write the source's lines to the target as the API wants them.

    Raises:
        Refused: it is no such source, or too large.
    """
    with target.open("wb") as file:
        file.writelines(_requests(source, plan))


def digest_requests(source: Path, plan: Plan) -> str:
    """Of what would be written. Raises: Refused."""
    digest = hashlib.sha256()
    for line in _requests(source, plan):
        digest.update(line)
    return digest.hexdigest()


def _requests(source: Path, plan: Plan) -> Iterator[bytes]:
    lines = _from_csv(source, plan) if source.suffix.lower() == ".csv" else _from_jsonl(source, plan)
    size = 0
    for number, line in enumerate(lines, 1):
        size += len(line)
        if number > LINES_MOST or size > FILE_BYTES_MOST:
            raise Refused(f"a batch may have {LINES_MOST} lines and {FILE_BYTES_MOST} bytes: split {source}")
        yield line


def _from_jsonl(source: Path, plan: Plan) -> Iterator[bytes]:
    with source.open("rb") as file:
        for number, raw in enumerate(file, 1):
            text = raw.strip().removeprefix(b"\xef\xbb\xbf")
            try:
                said = json.loads(text) if text else None
            except (ValueError, RecursionError):
                said = None
            yield line_of(plan.request(number, said)) if isinstance(said, dict) else text + b"\n"


def _from_csv(source: Path, plan: Plan) -> Iterator[bytes]:
    csv.field_size_limit(min(_CELL_CHARACTERS, sys.maxsize))
    with source.open(encoding="utf-8-sig", newline="") as file:
        try:
            for number, row in enumerate(csv.DictReader(file, restkey="", strict=True), 1):
                yield line_of(plan.request(number, _cells(row, plan)))
        except (csv.Error, UnicodeDecodeError) as fault:
            raise Refused(f"{source} is not CSV in UTF-8: {fault}") from fault


def _cells(row: dict[str, Any], plan: Plan) -> Document:
    """A row of a table; empty cells say nothing, the others what the model's schema makes of them."""
    given = {name: text for name, text in row.items() if text not in (None, "")}
    types = plan.types_of(str(given.get("model", plan.model)))
    return {name: _value(text, types.get(name, [])) for name, text in given.items()}


def _value(text: Any, types: list[str]) -> Any:
    if not isinstance(text, str) or not types or "string" in types:
        return text
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


def line_of(request: Document) -> bytes:
    """The request as a line of a file."""
    try:
        return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair: the server says so
        return json.dumps(request, separators=(",", ":")).encode() + b"\n"
