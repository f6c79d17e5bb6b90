"""A prediction as a stream: its log as it grows, its outputs, its end. Their client knows four events and stops at
the first other one."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Request

from api.company import STILL_HERE, views_of
from api.context import Context
from api.replicate.outputs import shown_outputs
from api.views import View
from jobs.prediction import log_lines, prediction_document
from jobs.values import Job, Status


async def prediction_frames(request: Request, context: Context, job_id: str) -> AsyncGenerator[str]:
    """Begins with what is known; each frame has an id, since the client asks for one."""
    logged: set[str] = set()
    async with aclosing(views_of(context, job_id)) as views:
        async for view in views:
            if view is None:
                yield STILL_HERE
                continue
            for line in log_lines(view.job, view.progress):
                if line not in logged:
                    logged.add(line)
                    yield _frame("logs", f"{line}\n", view)
            if view.job.final:
                for frame in await _end(request, context, view):
                    yield frame


async def _end(request: Request, context: Context, view: View) -> list[str]:
    job: Job = view.job
    if job.status is Status.SUCCEEDED:
        outputs = await shown_outputs(request, context, job)
        return [*(_frame("output", output, view) for output in outputs), _frame("done", "{}", view)]
    document = prediction_document(job, "")
    done = _frame("done", json.dumps({"reason": "canceled" if job.status is not Status.FAILED else "error"}), view)
    return [_frame("error", document["error"], view), done] if job.status is Status.FAILED else [done]


def _frame(event: str, data: str, view: View) -> str:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {event}\nid: {view.job.seq}\n{lines}\n"
