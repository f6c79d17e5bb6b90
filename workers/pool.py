"""Celery's pool of threads, awake. With prefetch off, Celery's event loop asks for the next message only when
it next wakes, up to a second after a task ended in its thread [measured, 5.7.0]: so an ending wakes it."""

from collections.abc import Callable
from typing import Any

from celery.concurrency.thread import TaskPool
from kombu.asynchronous import get_event_loop


class WakingThreads(TaskPool):  # type: ignore[misc]
    """Threads whose every ending wakes the event loop."""

    def on_apply(
        self, target: Any, args: Any = None, kwargs: Any = None, callback: Any = None, **options: Any
    ) -> Any:
        return super().on_apply(target, args, kwargs, _then_wake(callback), **options)


def _then_wake(callback: Callable[..., Any] | None) -> Callable[..., Any]:
    def ended(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs) if callback else None
        finally:
            loop = get_event_loop()
            if loop is not None:
                loop.call_soon(lambda: None)

    return ended
