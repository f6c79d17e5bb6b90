"""A prediction as a stream: its log as it grows, its outputs, its end. Their client knows four events and stops at
the first other one."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from api.context import Context
from api.desk.company import STILL_HERE, views_of
from api.watch.views import View
from jobs.prediction import log_lines, prediction_document
from jobs.values import Status


async def prediction_frames(context: Context, job_id: str, origin: str) -> AsyncGenerator[str]:
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
                for frame in _end(view, origin):
                    yield frame


def _end(view: View, origin: str) -> list[str]:
    """Outputs are addresses, also where answers carry them inline: who prints an event as its page shows it would
    stumble over a file."""
    shown = prediction_document(view.job, origin)
    if view.job.status is Status.SUCCEEDED:
        return [*(_frame("output", output, view) for output in shown["output"]), _frame("done", "{}", view)]
    if view.job.status is Status.FAILED:
        return [_frame("error", str(shown["error"]), view), _frame("done", '{"reason": "error"}', view)]
    return [_frame("done", '{"reason": "canceled"}', view)]


def _frame(event: str, data: str, view: View) -> str:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {event}\nid: {view.job.seq}\n{lines}\n"
