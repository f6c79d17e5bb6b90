"""One call and its answer, sent again where that is safe and may help."""

from typing import Any

import httpx

from safelight_client.calls import Call
from safelight_client.errors import Problem, UnexpectedAnswer, Unreachable, problem_of
from safelight_client.patience import Patience
from safelight_client.steps import Pause, Send, Steps
from safelight_client.values import Group, Job, group_of, job_of

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_MAY_PASS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
_NOT_DONE = frozenset({429, 503})  # said before anything was done
_PERHAPS_DONE = frozenset({502, 504})  # a proxy lost the answer


def exchange(call: Call, patience: Patience) -> Steps[httpx.Response]:
    """The successful answer to a call.

    Raises:
        Problem: the server refused, and went on to refuse where asking again makes sense.
        Unreachable: no answer came.
    """
    while True:
        try:
            answer: httpx.Response = yield Send(call)
        except httpx.RequestError as fault:
            yield from pause_after(fault, call, patience)
            continue
        if answer.is_success:
            return answer
        yield from pause_after_problem(problem_of(answer), call, patience)


def pause_after(fault: httpx.RequestError, call: Call, patience: Patience) -> Steps[None]:
    """Wait before the next try. Raises: Unreachable, if there is to be none."""
    safe = call.repeatable or isinstance(fault, _NEVER_SENT)
    pause = patience.pause() if safe and isinstance(fault, _MAY_PASS) else None
    if pause is None:
        raise Unreachable(f"no answer from {call.url}: {fault or type(fault).__name__}") from fault
    yield Pause(pause)


def pause_after_problem(problem: Problem, call: Call, patience: Patience) -> Steps[None]:
    """Wait before the next try. Raises: the problem, if there is to be none."""
    passing = problem.status in _NOT_DONE or (problem.status in _PERHAPS_DONE and call.repeatable)
    pause = patience.pause(problem.retry_after) if passing else None
    if pause is None:
        raise problem
    yield Pause(pause)


def ask_for_document(call: Call, patience: Patience) -> Steps[dict[str, Any]]:
    """The JSON object in the answer. Raises: as `exchange`, or UnexpectedAnswer."""
    answer = yield from exchange(call, patience)
    try:
        document = answer.json()
    except ValueError as fault:
        raise UnexpectedAnswer(f"{call.url} did not answer with JSON") from fault
    if not isinstance(document, dict):
        raise UnexpectedAnswer(f"{call.url} did not answer with a JSON object")
    return document


def ask_for_job(call: Call, patience: Patience) -> Steps[Job]:
    """The job in the answer. Raises: as `ask_for_document`."""
    return read_job((yield from ask_for_document(call, patience)))


def ask_for_group(call: Call, patience: Patience) -> Steps[Group]:
    """The group in the answer. Raises: as `ask_for_document`."""
    document = yield from ask_for_document(call, patience)
    try:
        return group_of(document)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UnexpectedAnswer(f"this is no group: {fault!r}") from fault


def read_job(document: Any) -> Job:
    """Raises: UnexpectedAnswer, when it is no job."""
    try:
        return job_of(document)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UnexpectedAnswer(f"this is no job: {fault!r}") from fault
