"""The one Celery task, thin: a message says "look", SQL says at what. Also what Celery's own revoke means."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker.control import Panel

from workers.queue import LOOK


def define_look(app: Celery, look: Callable[[str], int]) -> None:
    """Define the task. It sends no events: workers.narrator tells Flower about jobs, not messages."""

    @app.task(name=LOOK, bind=True, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_look(task: Any, *_args: Any, **_kwargs: Any) -> None:
        look((task.request.delivery_info or {}).get("routing_key") or "default")


def answer_revoke(cancel: Callable[[str], None]) -> None:
    """Let Flower's Revoke button cancel the job. Terminating a thread does nothing."""
    original = Panel.data["revoke"]

    def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **kwargs: Any) -> Any:
        for job_id in task_id if isinstance(task_id, list | tuple | set) else [task_id]:
            cancel(str(job_id))
        return original(state, task_id, terminate=False, **kwargs)

    Panel.data["revoke"] = revoke
