"""`safelight api | worker | reaper | courier | flower`: one role each, for separate hosts and containers."""

import contextlib
import gc
import json
import os
from collections.abc import Iterator

import click

from cli.client import Refused
from cli.ports import StackError
from config.settings import read_settings


def _introduce(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(json.dumps({"role": context.info_name, "pid": os.getpid()}))


_introduced = click.option(
    "--json", is_flag=True, expose_value=False, callback=_introduce, help="Say first what runs, as a line of JSON."
)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Nobody looks for garbage meanwhile, nor ever in what is made now: importing makes objects by the hundred
    thousand, none of them is garbage, and looking through them took a sixth of a start [measured]."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.command("api")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes on this port.")
@click.option("--share-port", is_flag=True, help="Let other processes that say the same listen on this port too.")
@_introduced
def api_command(host: str, port: int, workers: int, share_port: bool) -> None:
    """Run the API alone, until told to stop."""
    if workers > 1:
        from cli.several import serve_several

        try:
            serve_several(read_settings(), host, port, workers)
        except StackError as fault:
            raise Refused(str(fault)) from fault
        return
    with importing():
        from api.process import run_api

    run_api(read_settings(), host=host, port=port, share_port=share_port)


@click.command("worker")
@click.option("--queues", default="", help="Separated by commas; default: every queue of the catalog.")
@click.option("--device", help="auto, cpu, cuda:0, …")
@click.option("--device-index", type=click.IntRange(0), help="With several GPUs: which one.")
@click.option("--name", help="Only for a supervisor that guarantees one living worker of this name.")
@_introduced
def worker_command(queues: str, device: str | None, device_index: int | None, name: str | None) -> None:
    """Run one worker, until told to stop."""
    with importing():
        from workers.process import run_worker

    settings = read_settings(device=device)
    wanted = [queue.strip() for queue in queues.split(",") if queue.strip()]
    run_worker(settings, queues=wanted, name=name, device_index=device_index)


@click.command("reaper")
@_introduced
def reaper_command() -> None:
    """Run the reaper, until told to stop."""
    with importing():
        from workers.reaper import run_reaper

    run_reaper(read_settings())


@click.command("courier")
@_introduced
def courier_command() -> None:
    """Run one courier, which does light work such as webhooks, until told to stop."""
    with importing():
        from workers.courier import run_courier

    run_courier(read_settings())


@click.command("flower")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5555, show_default=True, type=click.IntRange(1, 65535))
@_introduced
def flower_command(host: str, port: int) -> None:
    """Run Flower, until told to stop."""
    with importing():
        from workers.flower import run_flower

    run_flower(read_settings(), host=host, port=port)
