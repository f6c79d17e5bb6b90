"""`safelight api --workers N`: a supervisor of several API processes that share one port."""

import signal
import threading
import time

from api.gate.exposure import check_exposure
from cli.crew import api_roles
from cli.keeper import Keeper
from cli.ports import choose_port
from config.settings import Settings

_POLL_S = 0.1
_STOP_PATIENCE_S = 8.0


def serve_several(settings: Settings, host: str, port: int, workers: int) -> None:
    """Keep so many of them serving until SIGTERM or SIGINT.

    Raises:
        SettingsError: without keys, the API is offered to nobody but this machine.
        StackError: somebody else has the port.
    """
    check_exposure(settings, host)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    roles = api_roles(host, choose_port(host, port), workers)
    keeper = Keeper(dict)
    try:
        for role in roles:
            keeper.start(role)
        while not stopping.wait(_POLL_S):
            keeper.revive(roles)
    finally:
        keeper.stop(roles, time.monotonic() + _STOP_PATIENCE_S)
