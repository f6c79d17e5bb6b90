"""The members of a group as a client lists them: each a job's body with a name, by which others may depend on it or
take its outputs. Here names become ids; that a body is a good job is checked elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.errors import FieldFault, InvalidInput
from jobs.identity import new_job_id, parse_job_id

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_OUTPUT = re.compile(r"job:([A-Za-z][A-Za-z0-9_-]{0,63})(#\d{1,9})?")


@dataclass(frozen=True, slots=True)
class Draft:
    """A member before its body is checked. `path` says where the client wrote it."""

    path: str
    name: str
    job_id: str
    body: dict[str, Any]


def draft_members(listed: Sequence[Mapping[str, Any]]) -> list[Draft]:
    """Named members have their names, the others their positions.

    Raises:
        InvalidInput: a name is no good or stands twice, or members wait for each other in a circle.
    """
    names = [body.get("name", str(position)) for position, body in enumerate(listed)]
    _check_names(listed)
    ids = {name: new_job_id() for name in names}
    named = {name: ids[name] for name, body in zip(names, listed, strict=True) if "name" in body}
    needs = {name: _needs(body, named) for name, body in zip(names, listed, strict=True)}
    _refuse_circles(names, needs)
    return [
        Draft(f"members.{position}", name, ids[name], _resolved(body, named, needs[name]))
        for position, (name, body) in enumerate(zip(names, listed, strict=True))
    ]


def _check_names(listed: Sequence[Mapping[str, Any]]) -> None:
    faults: list[FieldFault] = []
    seen: set[str] = set()
    for position, body in enumerate(listed):
        if "name" not in body:
            continue
        name = body["name"]
        if not isinstance(name, str) or not _NAME.fullmatch(name) or parse_job_id(name):
            detail = "A name begins with a letter, and has 64 letters, digits, - and _ at most."
            faults.append(FieldFault(f"members.{position}.name", detail))
        elif name in seen:
            faults.append(FieldFault(f"members.{position}.name", f"Another member has the name {name}."))
        else:
            seen.add(name)
    if faults:
        raise InvalidInput("The group is not valid.", faults)


def _needs(body: Mapping[str, Any], named: Mapping[str, str]) -> list[str]:
    """The names of members whose end, or output, this one waits for."""
    listed = body.get("depends_on")
    waited = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    given = body.get("input")
    used = [found[1] for value in _texts(given) if (found := _OUTPUT.fullmatch(value))]
    return [name for name in dict.fromkeys([*waited, *used]) if name in named]


def _texts(given: Any) -> list[str]:
    return [value for value in given.values() if isinstance(value, str)] if isinstance(given, dict) else []


def _resolved(body: Mapping[str, Any], named: Mapping[str, str], needs: Sequence[str]) -> dict[str, Any]:
    """The body of the job: without its name, and ids in the place of others' names."""
    job = {key: value for key, value in body.items() if key != "name"}
    if isinstance(given := job.get("input"), dict):
        job["input"] = {key: _with_id(value, named) for key, value in given.items()}
    listed = job.get("depends_on", [])
    if needs and isinstance(listed, list):
        others = [one for one in listed if not (isinstance(one, str) and one in named)]
        job["depends_on"] = [*others, *(named[name] for name in needs)]
    return job


def _with_id(value: Any, named: Mapping[str, str]) -> Any:
    found = _OUTPUT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] not in named:
        return value
    return f"job:{named[found[1]]}{found[2] or ''}"


def _refuse_circles(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> None:
    """Take away whoever waits for nobody that is left; who is left at the end waits in a circle, or for one."""
    left = dict(needs)
    while free := [name for name, waited in left.items() if not any(need in left for need in waited)]:
        for name in free:
            del left[name]
    if left:
        position = next(index for index, name in enumerate(names) if name in left)
        detail = f"These members wait for each other: {', '.join(list(left)[:10])}."
        raise InvalidInput("The group is not valid.", [FieldFault(f"members.{position}.depends_on", detail)])
