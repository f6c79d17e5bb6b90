"""Flower, on our Celery app. It sees jobs, not messages: workers.narrator tells it."""

import os
import sys
from typing import Any
from urllib.parse import urlsplit

import flower.command
from flower.api import BaseApiHandler
from tornado.web import HTTPError

from config.settings import Settings, SettingsError
from workers.queue import build_celery

_FORGET_WORKERS_S = 300
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def run_flower(settings: Settings, *, host: str, port: int) -> None:
    """Serve Flower until told to stop. With a password, its pages and its API ask for it (/metrics and
    /healthcheck never do); without one, its API answers this machine only, and no other site's page."""
    arguments = ["flower", f"--address={host}", f"--port={port}", "--inspect_timeout=2000"]
    arguments.append(f"--purge_offline_workers={_FORGET_WORKERS_S}")  # every start of a worker has a name of its own
    if settings.flower_auth:
        arguments.append(f"--basic-auth={settings.flower_auth}")
    elif host in _LOOPBACK:
        BaseApiHandler.prepare = _admit_this_machine
    else:
        raise SettingsError(f"SAFELIGHT_FLOWER_AUTH: set user:password before Flower listens on {host}")
    flower.command.sigterm_handler = _leave
    sys.argv = ["flower", *arguments[1:]]  # Flower's option parser insists on reading it
    app = build_celery(settings)
    app.conf.broker_pool_limit = 64  # each of its inspections holds two; with few it locks itself out of events
    app.start(["--quiet", *arguments])


def _leave(*_: object) -> None:
    """Flower's own way out joins threads that may wait for the broker for ever; it has nothing to lose."""
    os._exit(0)


def _admit_this_machine(handler: Any) -> None:
    """Flower 2.2 would refuse its whole API without a password. On loopback what must be kept out is a page
    of another site in the operator's browser, also under a name that resolves to this machine."""
    headers = handler.request.headers
    asked = urlsplit(f"//{headers.get('Host', '')}")
    origin = headers.get("Origin")
    foreign = headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
    if asked.hostname not in _LOOPBACK or foreign or (origin and urlsplit(origin).netloc != asked.netloc):
        raise HTTPError(403, "Only this machine's own pages and programs may use this API.")
