"""Errors in the shape that the `openai` client reads."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse, Response

from api.web.problems import CircuitOpen, JobFailed, NotFinished, NotServed, Overloaded, TooLarge
from jobs.errors import (
    BatchNotFound,
    Conflict,
    FileMissing,
    IdempotencyConflict,
    InvalidInput,
    JobNotFound,
    ModelNotFound,
    StorageFull,
    StoreUnavailable,
)

_FAULTS_SHOWN = 5

_CODES: dict[type, str] = {
    ModelNotFound: "model_not_found",
    JobNotFound: "not_found",
    FileMissing: "not_found",
    BatchNotFound: "not_found",
    StorageFull: "storage_full",
    IdempotencyConflict: "idempotency_key_in_use",
    Conflict: "conflict",
    InvalidInput: "invalid_value",
    TooLarge: "request_too_large",
    NotServed: "not_implemented",
    NotFinished: "timeout",
    CircuitOpen: "model_unavailable",
    Overloaded: "overloaded",
    StoreUnavailable: "unavailable",
}

_TYPES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


def answer(error: Exception, problem: dict[str, Any], headers: dict[str, str]) -> Response:
    """The answer to a request that failed: see `api.web.problems.install`. The client sends again what it thinks may
    succeed, 409 and all of 5xx among it; `x-should-retry` says where that is of no use."""
    status = HTTPStatus(problem["status"])
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST  # what scripts expect of a wrong parameter
    hopeless = isinstance(error, JobFailed | NotServed) or (status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS)
    extra = {"x-should-retry": "false"} if hopeless else {}
    return JSONResponse(error_document(error, problem), status, headers | extra)


def error_document(error: Exception, problem: dict[str, Any]) -> dict[str, Any]:
    """The body of an error, also for a frame of a stream. `param` is the first wrong field."""
    faults = problem.get("errors", [])
    shown = [f"{_parameter(fault['field'])}: {fault['detail']}" for fault in faults[:_FAULTS_SHOWN]]
    parameter = _parameter(faults[0]["field"]) if faults else None
    if isinstance(error, ModelNotFound):
        parameter = "model"
    return {
        "error": {
            "message": " ".join([problem["detail"], *shown]),
            "type": _type(problem["status"]),
            "param": parameter,
            "code": _code(error),
        }
    }


def _parameter(field: str) -> str:
    """Inputs of a model stand beside the other parameters here."""
    return field.removeprefix("input.")


def _type(status: int) -> str:
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _code(error: Exception) -> str | None:
    if isinstance(error, JobFailed):
        return error.code
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), None)
