"""Errors as RFC 9457 problem documents: the one place where an error becomes an HTTP answer."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from jobs.errors import (
    Conflict,
    FieldFault,
    InvalidInput,
    JobNotFound,
    ModelNotFound,
    SafelightError,
    StoreUnavailable,
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


_STATUS: dict[type[SafelightError], HTTPStatus] = {
    JobNotFound: HTTPStatus.NOT_FOUND,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    CircuitOpen: HTTPStatus.SERVICE_UNAVAILABLE,
}


def install(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""
    app.add_exception_handler(SafelightError, _on_safelight_error)
    app.add_exception_handler(RequestValidationError, _on_bad_parameters)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_bug)


def problem(
    status: int,
    detail: str,
    faults: Sequence[FieldFault] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
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
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def _pointer(field: str) -> str:
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in field.split("."))


async def _on_safelight_error(_request: Request, error: Exception) -> Response:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        return await _on_bug(_request, error)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("503: %s", error)
        return problem(status, _outward(error), headers={"Retry-After": str(_RETRY_AFTER_S)})
    faults = error.faults if isinstance(error, InvalidInput) else ()
    return problem(status, str(error), faults)


def _outward(error: Exception) -> str:
    """A driver's message may name hosts and users: clients read the class's own sentence."""
    return (type(error).__doc__ or "").strip()


async def _on_bad_parameters(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [FieldFault(".".join(map(str, fault["loc"][1:])), str(fault["msg"])) for fault in error.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is not valid.", faults)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _on_bug(_request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side; it is in the log.")
