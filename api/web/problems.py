"""Errors as RFC 9457 problem documents: the one place where an error becomes an HTTP answer."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from jobs.errors import (
    AliasNotFound,
    BatchNotFound,
    Conflict,
    DeliveryNotFound,
    FieldFault,
    FileMissing,
    GroupNotFound,
    InvalidInput,
    JobNotFound,
    ModelNotFound,
    RuleNotFound,
    SafelightError,
    ScheduleNotFound,
    StorageFull,
    StoreUnavailable,
    TriggerNotFound,
    UnsupportedMedia,
    UploadNotFound,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 2


class TooLarge(SafelightError):
    """The request is larger than this server accepts."""


class Overloaded(SafelightError):
    """Too many jobs are waiting; try again later."""


class CircuitOpen(SafelightError):
    """This model cannot be loaded at present; try again later."""


class Unsigned(SafelightError):
    """The event is not signed with this trigger's secret, or too long ago."""


class TooMany(SafelightError):
    """More than one client may have at a time."""


class NotServed(SafelightError):
    """This server does not serve this."""


class JobFailed(SafelightError):
    """The job failed."""

    def __init__(self, message: str | None = None, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NotFinished(SafelightError):
    """The job was not finished in time; it goes on."""


_STATUS: dict[type, HTTPStatus] = {
    JobNotFound: HTTPStatus.NOT_FOUND,
    GroupNotFound: HTTPStatus.NOT_FOUND,
    DeliveryNotFound: HTTPStatus.NOT_FOUND,
    UploadNotFound: HTTPStatus.NOT_FOUND,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    AliasNotFound: HTTPStatus.NOT_FOUND,
    FileMissing: HTTPStatus.NOT_FOUND,
    BatchNotFound: HTTPStatus.NOT_FOUND,
    RuleNotFound: HTTPStatus.NOT_FOUND,
    ScheduleNotFound: HTTPStatus.NOT_FOUND,
    TriggerNotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unsigned: HTTPStatus.UNAUTHORIZED,
    UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    NotServed: HTTPStatus.NOT_IMPLEMENTED,
    JobFailed: HTTPStatus.BAD_GATEWAY,
    NotFinished: HTTPStatus.GATEWAY_TIMEOUT,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    CircuitOpen: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageFull: HTTPStatus.INSUFFICIENT_STORAGE,
}


Answer = Callable[[Exception, dict[str, Any], dict[str, str]], Response]


def as_problem(_error: Exception, document: dict[str, Any], headers: dict[str, str]) -> Response:
    return JSONResponse(document, document["status"], headers, MEDIA_TYPE)


def install(app: FastAPI, answer: Answer = as_problem) -> None:
    """Have every error of the app answered as a problem; other people's clients want another shape of it."""

    async def on_error(_request: Request, error: Exception) -> Response:
        return answer(error, *problem_of(error))

    for kind in (SafelightError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)


def problem(
    status: int,
    detail: str,
    faults: Sequence[FieldFault] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The answer that carries a problem document."""
    return JSONResponse(problem_document(status, detail, faults), status, headers, MEDIA_TYPE)


def problem_document(status: int, detail: str, faults: Sequence[FieldFault] = ()) -> dict[str, Any]:
    """A problem document. `errors` names each wrong field, as a dotted path and as a JSON pointer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if faults:
        body["errors"] = [
            {"field": fault.field, "pointer": _pointer(fault.field), "detail": fault.detail} for fault in faults
        ]
    return body


def problem_of(error: Exception) -> tuple[dict[str, Any], dict[str, str]]:
    """The document of any error, and the headers that belong to it."""
    if isinstance(error, RequestValidationError):
        faults = [FieldFault(".".join(map(str, fault["loc"][1:])), str(fault["msg"])) for fault in error.errors()]
        return problem_document(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is not valid.", faults), {}
    if isinstance(error, HTTPException):
        return problem_document(error.status_code, str(error.detail)), dict(error.headers or {})
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        log.error("unexpected error", exc_info=error)
        detail = "Something went wrong on our side; it is in the log."
        return problem_document(HTTPStatus.INTERNAL_SERVER_ERROR, detail), {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("503: %s", error)
        return problem_document(status, _outward(error)), {"Retry-After": str(_RETRY_AFTER_S)}
    return problem_document(status, str(error), error.faults if isinstance(error, InvalidInput) else ()), {}


def _pointer(field: str) -> str:
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in field.split("."))


def _outward(error: Exception) -> str:
    """A driver's message may name hosts and users: clients read the class's own sentence."""
    return (type(error).__doc__ or "").strip()
