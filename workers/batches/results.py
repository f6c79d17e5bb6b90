"""The results of a batch: two files in the order of the input's lines, one of what was done, one of what was not.
Written as they are read, line by line."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from forms.batches import LineFault, read_line
from jobs.batches import Batch, BatchStatus, LineState, line_id
from storage.batches.file_folder import Draft
from storage.batches.turns import Ended
from workers.batches.answers import Answers, OutputGone
from workers.batches.reading import RawLine

_DROPPED = {
    BatchStatus.CANCELLED: ("batch_cancelled", "The batch was cancelled before this line was done."),
    BatchStatus.EXPIRED: ("batch_expired", "The batch's time was over before this line was done."),
    BatchStatus.FAILED: ("batch_failed", "The batch could not go on."),
}


@dataclass(slots=True)
class Results:
    """Where the lines go, and how many went there."""

    batch: Batch
    answers: Answers
    output: Draft
    errors: Draft
    completed: int = 0
    failed: int = 0

    def add(self, line: Ended, raw: bytes | None) -> None:
        """A line that was taken in; `raw` is what it said, if that can still be read."""
        if line.state is LineState.DROPPED:
            self.add_dropped(line.line, line.custom_id)
            return
        response = self._response(line, raw)
        if response:
            self.completed += 1
            self.output.write(_text(self.batch, line.line, line.custom_id, response, None))
        else:
            self.failed += 1
            self.errors.write(_failed(self.batch, line))

    def add_dropped(self, line: int, custom_id: str | None) -> None:
        code, message = _DROPPED[self.batch.ending or BatchStatus.FAILED]
        self.errors.write(_text(self.batch, line, custom_id, None, {"code": code, "message": message}))

    def _response(self, line: Ended, raw: bytes | None) -> dict[str, Any] | None:
        if line.state is not LineState.COMPLETED or line.job is None:
            return None
        try:
            return {"status_code": 200, "request_id": line.job.id, "body": self.answers.answer(line.job, raw)}
        except OutputGone:
            return None


def write_all(results: Results, ended: Iterable[Ended], lines: Iterable[RawLine], beat: Callable[[], object]) -> None:
    """Every line of the input once: those that were taken in, and those that were not. `lines` are all there are, or
    none, if the input cannot be read any more. `beat` is called at each, for the lease."""
    raw_of = iter(line for line in lines if line.raw != b"")
    for line in ended:
        raw = next((raw.raw for raw in raw_of if raw.number == line.line), None)
        results.add(line, raw)
        beat()
    for left in raw_of:
        results.add_dropped(left.number, _custom_id(left, results.batch))
        beat()


def _custom_id(line: RawLine, batch: Batch) -> str | None:
    try:
        return read_line(line.raw, batch.endpoint).custom_id
    except LineFault as fault:
        return fault.custom_id


def _failed(batch: Batch, line: Ended) -> bytes:
    """What was wrong with the request is told as the answer it would have got; so is a job that failed."""
    error = line.error or {"code": "job_deleted", "message": "The job was deleted before its result was read."}
    if line.custom_id is None:
        return _text(batch, line.line, None, None, error)
    mine = line.job is None and line.error is not None and "param" in line.error
    status, kind = (400, "invalid_request_error") if mine else (500, "server_error")
    body = {"error": {"message": None, "type": kind, "param": None, "code": None, **error}}
    response = {"status_code": status, "request_id": line.job.id if line.job else None, "body": body}
    return _text(batch, line.line, line.custom_id, response, None)


def _text(batch: Batch, line: int, custom_id: str | None, response: Any, error: Any) -> bytes:
    said = {
        "id": line_id(batch.id, line),
        "custom_id": custom_id,
        "response": response,
        "error": error,
        "line": line,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
