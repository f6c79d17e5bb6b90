"""`safelight up`."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from cli.client import Refused
from cli.ports import StackError, choose_ports
from cli.stack import Stack, only_stack_in
from config.settings import STACK_FILE, read_settings


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="default: .safelight")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--api-workers", default=1, show_default=True, type=click.IntRange(1, 64), help="API processes")
@click.option("--flower-port", type=click.IntRange(0, 65535), help="default: 5555, or any free one")
@click.option("--json", "as_json", is_flag=True, help="Print the readiness line as JSON.")
def up_command(
    host: str,
    port: int,
    data_dir: Path | None,
    workers: int,
    api_workers: int,
    flower_port: int | None,
    as_json: bool,
) -> None:
    """Run the whole stack here until Ctrl-C or SIGTERM.

    Prints one line `ready http://HOST:PORT` once a job can be served. What the parts say goes to stderr.
    """
    folder = read_settings(data_dir=data_dir).data_dir.resolve()
    try:
        with only_stack_in(folder) as name:
            (folder / STACK_FILE).unlink(missing_ok=True)  # of a stack that was killed
            settings = read_settings(data_dir=folder)
            from api.gate.exposure import check_exposure

            check_exposure(settings, host)
            ports = choose_ports(host, port, flower_port)
            with _log(settings.data_dir) as log:
                crew = {"workers": workers, "api_workers": api_workers}
                stack = Stack(settings, name=name, host=host, ports=ports, **crew, log=log)
                stack.run(lambda: _announce(stack, as_json))
    except StackError as fault:
        raise Refused(str(fault)) from fault


def _announce(stack: Stack, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ready": stack.url, "flower": stack.flower_url}), flush=True)
        return
    print(f"ready {stack.url}", flush=True)
    print(f"safelight: Flower at {stack.flower_url}; Ctrl-C stops everything", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _log(folder: Path) -> Iterator[IO[bytes]]:
    """Where the roles' own words go: a file, so that a closed terminal stops nobody."""
    with (folder / "stack.log").open("ab", buffering=0) as file:
        yield file
