"""The Celery tasks, thin: a message says "look", SQL says at what. Also what Celery's own revoke means."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.worker.control import Panel

from workers.queue import DELIVER, FETCH, FOLLOW, LOOK, WORK_OFF


def define_look(app: Celery, look: Callable[[str], int]) -> None:
    """The workers' task. It sends no events: workers.narrator tells Flower about jobs, not messages."""

    @app.task(name=LOOK, bind=True, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_look(task: Any, *_args: Any, **_kwargs: Any) -> None:
        look((task.request.delivery_info or {}).get("routing_key") or "default")


def define_deliver(app: Celery, deliver: Callable[[], None]) -> None:
    """The courier's task. It sends no events either: which delivery it will find nobody knows beforehand."""

    @app.task(name=DELIVER, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_deliver(*_args: Any, **_kwargs: Any) -> None:
        deliver()


def define_follow(app: Celery, follow: Callable[[], None]) -> None:
    """The courier's other task."""

    @app.task(name=FOLLOW, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_follow(*_args: Any, **_kwargs: Any) -> None:
        follow()


def define_work_off(app: Celery, work_off: Callable[[], None]) -> None:
    """The courier's, for batches."""

    @app.task(name=WORK_OFF, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_work_off(*_args: Any, **_kwargs: Any) -> None:
        work_off()


def define_fetch(app: Celery, fetch: Callable[[], None]) -> None:
    """The courier's, for inputs that a URL names."""

    @app.task(name=FETCH, send_events=False, ignore_result=True, acks_late=False)  # type: ignore[untyped-decorator]
    def run_fetch(*_args: Any, **_kwargs: Any) -> None:
        fetch()


def answer_revoke(cancel: Callable[[str], None]) -> None:
    """Let Flower's Revoke button cancel the job. Celery's own revoke is not asked: terminating a thread does
    nothing, and it would remember the id for hours and drop the bells of a job that is retried."""

    def revoke(_state: Any, task_id: Any, **_options: Any) -> dict[str, str]:
        job_ids = [str(one) for one in (task_id if isinstance(task_id, list | tuple | set) else [task_id])]
        for job_id in job_ids:
            cancel(job_id)
        return {"ok": f"cancel asked for {', '.join(job_ids)}"}

    Panel.data["revoke"] = revoke
