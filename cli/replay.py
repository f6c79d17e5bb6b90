"""`safelight replay`: do a job again as it was done, and say whether the same came out."""

import json
from typing import Any

import click

from cli.client import Api, Document, Refused
from cli.options import show, with_api
from cli.watching import follow


@click.command("replay")
@click.argument("job_id", metavar="ID")
@with_api
def replay_command(api: Api, as_json: bool, job_id: str) -> None:
    """Do a job again: the same version, the same seed, a batch of the same size. Compare the outputs bit by bit.
    Exit 1 when they differ."""
    again = follow(api, api.post(f"/v1/jobs/{job_id}/replay"), quiet=as_json)
    if again["status"] != "succeeded":
        error = again["error"] or {"code": again["status"], "message": ""}
        raise Refused(f"the replay {again['id']} {again['status']}: {error['code']}: {error['message']}")
    verdict = compare(api.get(f"/v1/jobs/{again['replay_of']}"), again)
    show(verdict, as_json, lambda: _words(verdict))
    if not verdict["bit_equal"]:
        raise SystemExit(1)


def compare(original: Document, again: Document) -> Document:
    """Whether the same came out, and what was not as it was."""
    outputs = [
        {"original": one["sha256"], "replay": other["sha256"], "bit_equal": one["sha256"] == other["sha256"]}
        for one, other in zip(original["outputs"], again["outputs"], strict=False)
    ]
    as_many = len(original["outputs"]) == len(again["outputs"])
    return {
        "bit_equal": as_many and all(output["bit_equal"] for output in outputs),
        "original": original["id"],
        "replay": again["id"],
        "outputs": outputs,
        "context": again["context"],
        "differences": _differences(original["context"] or {}, again["context"] or {}),
    }


def _differences(was: Any, now: Any, path: str = "") -> list[Document]:
    """Leaf by leaf."""
    if isinstance(was, dict) and isinstance(now, dict):
        names = sorted(was.keys() | now.keys())
        return [one for name in names for one in _differences(was.get(name), now.get(name), f"{path}.{name}")]
    return [] if was == now else [{"field": path.lstrip("."), "original": was, "replay": now}]


def _words(verdict: Document) -> str:
    same = "bit-equal" if verdict["bit_equal"] else "NOT bit-equal"
    lines = [f"{same}: {verdict['replay']} replays {verdict['original']}"]
    for output in verdict["outputs"]:
        sign = "=" if output["bit_equal"] else "≠"
        lines.append(f"  {output['original'][:16]}… {sign} {output['replay'][:16]}…")
    context = verdict["context"] or {}
    if not verdict["differences"]:
        lines.append(f"  the same circumstances: {json.dumps(context, ensure_ascii=False)}")
    lines += [f"  {one['field']}: was {one['original']}, is {one['replay']}" for one in verdict["differences"]]
    return "\n".join(lines)
