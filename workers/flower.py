"""Flower, on our Celery app. It sees jobs, not messages: workers.narrator tells it."""

import sys

from config.settings import Settings
from workers.queue import build_celery


def run_flower(settings: Settings, *, host: str, port: int) -> None:
    """Serve Flower until told to stop. Its own pages are protected by basic auth when a password is set;
    /metrics and /healthcheck never are, so bind it to loopback or a private network."""
    arguments = [
        "flower",
        f"--address={host}",
        f"--port={port}",
        "--inspect_timeout=2000",
        "--enable_events=True",
    ]
    if settings.flower_auth:
        arguments.append(f"--basic-auth={settings.flower_auth}")
    sys.argv = ["flower", *arguments[1:]]  # Flower's option parser insists on reading it
    app = build_celery(settings)
    app.start(["--quiet", *arguments])
