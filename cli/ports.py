"""Which ports a stack listens on."""

import socket
from dataclasses import dataclass


class StackError(Exception):
    """The stack could not be started."""


@dataclass(frozen=True, slots=True)
class Ports:
    api: int
    flower: int
    broker: int


def choose_ports(host: str, port: int, flower_port: int | None) -> Ports:
    """The asked ports, checked; 0 means any free one, and so does Flower's usual port when it is taken.

    Raises:
        StackError: an asked port is taken.
    """
    api = choose_port(host, port)
    if flower_port is None:
        flower_port = 0 if port == 0 or not _is_free("127.0.0.1", 5555) else 5555
    return Ports(api=api, flower=choose_port("127.0.0.1", flower_port), broker=choose_port("127.0.0.1", 0))


def choose_port(host: str, port: int) -> int:
    """This port, or any free one for 0. Raises: StackError, it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise StackError(f"port {port} on {host} cannot be used: {fault.strerror}") from fault
        chosen: int = probe.getsockname()[1]
        return chosen


def _is_free(host: str, port: int) -> bool:
    try:
        choose_port(host, port)
    except StackError:
        return False
    return True
