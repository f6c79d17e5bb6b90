"""The results of a batch: two files in the order of the input's lines, one of what was done, one of what was not.
Written as they are read, line by line."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from forms.batches import LineFault, read_line
from jobs.batches import Batch, BatchStatus, LineState, line_id
from jobs.document import job_document
from jobs.values import Job
from storage.batch_turns import Ended
from storage.file_folder import Draft
from workers.batch_reading import RawLine

_DROPPED = {
    BatchStatus.CANCELLED: ("batch_cancelled", "The batch was cancelled before this line was done."),
    BatchStatus.EXPIRED: ("batch_expired", "The batch's time was over before this line was done."),
    BatchStatus.FAILED: ("batch_failed", "The batch could not go on."),
}


@dataclass(slots=True)
class Results:
    """Where the lines go, and how many went there."""

    output: Draft
    errors: Draft
    completed: int = 0
    failed: int = 0

    def add(self, batch: Batch, line: Ended) -> None:
        if line.state is LineState.COMPLETED and line.job is not None:
            self.completed += 1
            self.output.write(_text(batch, line.line, line.custom_id, _response(line.job), None))
        elif line.state is LineState.DROPPED:
            self.add_dropped(batch, line.line, line.custom_id)
        else:
            self.failed += 1
            self.errors.write(_failed(batch, line))

    def add_dropped(self, batch: Batch, line: int, custom_id: str | None) -> None:
        code, message = _DROPPED[batch.ending or BatchStatus.FAILED]
        self.errors.write(_text(batch, line, custom_id, None, {"code": code, "message": message}))


def write_all(batch: Batch, results: Results, ended: Iterable[Ended], not_begun: Iterable[RawLine]) -> None:
    """Every line of the input once: those that were taken in, then those that were not."""
    for line in ended:
        results.add(batch, line)
    for raw, custom_id in _named(batch, not_begun):
        results.add_dropped(batch, raw.number, custom_id)


def _named(batch: Batch, lines: Iterable[RawLine]) -> Iterator[tuple[RawLine, str | None]]:
    for line in lines:
        if line.raw != b"":
            try:
                yield line, read_line(line.raw, batch.endpoint).custom_id
            except LineFault as fault:
                yield line, fault.custom_id


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


def _response(job: Job) -> dict[str, Any]:
    moment = job.finished_at or job.created_at
    return {"status_code": 200, "request_id": job.id, "body": job_document(job, now=moment)}


def _text(batch: Batch, line: int, custom_id: str | None, response: Any, error: Any) -> bytes:
    said = {
        "id": line_id(batch.id, line),
        "custom_id": custom_id,
        "response": response,
        "error": error,
        "line": line,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
