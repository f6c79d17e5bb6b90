"""`safelight bench`: measure what this machine can do, without the stack. The only command that loads models."""

import dataclasses
import json
from typing import Any

import click

from cli.client import Refused
from config.settings import read_settings
from jobs.errors import SafelightError


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, separated by commas."""

    name = "N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            numbers = sorted({int(part) for part in value.split(",")})
        except ValueError:
            numbers = []
        if not numbers or numbers[0] < 1 or numbers[-1] > 1024:
            self.fail(f"{value!r} is not a list of numbers from 1 to 1024, such as 1,2,4", param, ctx)
        return tuple(numbers)


@click.group("bench")
def bench_command() -> None:
    """Measure what this machine can do."""


@bench_command.command("model")
@click.argument("name")
@click.option("--steps", type=Numbers(), help="Denoising steps; default: the model's own.")
@click.option("--sizes", type=Numbers(), help="Batch sizes; default: 1, 2, 4, … while it gets better, and fits.")
@click.option("--device", help="auto, cpu, cuda:0, …")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100), help="The quickest counts.")
@click.option(
    "--by",
    default="wall",
    show_default=True,
    type=click.Choice(["wall", "cpu"]),
    help="The time that decides; cpu on a machine that is busy with other things.",
)
@click.option("--write", is_flag=True, help="Write the best size into the model's TOML as [batch] max.")
@click.option("--force", is_flag=True, help="With --write: even into a TOML that ships.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def model_command(name: str, write: bool, force: bool, as_json: bool, **how: Any) -> None:
    """Seconds per output by batch size and steps, memory, and the best batch size."""
    from models.catalog import SHIPPED, read_catalog
    from models.rewriting import find_file, write_batch_max

    settings = read_settings(device=how.pop("device"))
    entry = read_catalog(settings.models, diagnostics=settings.diagnostics).find(name)
    if write and entry.folder == SHIPPED and not force:
        raise Refused(f"{entry.full_name} ships with Safelight: copy its TOML into a folder of yours, or --force")
    found = _measure(settings, entry, **how)
    if write:
        try:
            found["written"] = str(file := find_file(entry))
            write_batch_max(file, found["best"])
        except OSError as fault:
            raise Refused(f"nothing was written: {fault}") from fault
    click.echo(json.dumps(found) if as_json else _table(found))


def _measure(settings: Any, entry: Any, *, steps: Any, sizes: Any, rounds: int, by: Any) -> dict[str, Any]:
    from models.loading import LoadedModels
    from models.measuring import measure

    models = LoadedModels(settings.device, torch_threads=settings.torch_threads)
    try:
        runner, load_s = models.take(entry)
        steps = steps or (int(entry.resolve({}).get("steps", 1)),)
        report = measure(entry, runner, models.device, steps=steps, sizes=sizes or (), rounds=rounds, clock=by)
    except SafelightError as fault:
        raise Refused(str(fault)) from fault
    return {
        "model": entry.full_name,
        "device": models.device,
        "load_s": round(load_s, 3),
        "by": by,
        "max": entry.batch.max,
        **dataclasses.asdict(report),
    }


def _table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['model']} on {found['device']}, loaded in {found['load_s']:.1f} s; seconds per output, the quickest",
        f"{'steps':>6} {'batch':>6} {'wall':>9} {'cpu':>9} {'peak MB':>9}",
    ]
    for one in sorted(found["measures"], key=lambda one: (one["steps"], one["size"])):
        figures = f"{one['wall_s']:>9.4f} {one['cpu_s']:>9.4f} {one['peak_bytes'] / 1e6:>9.0f}"
        lines.append(f"{one['steps']:>6} {one['size']:>6} {figures}")
    if found["too_large"]:
        lines.append(f"out of memory with {found['too_large']}")
    lines.append(f"best: {found['best']} by {found['by']} time; its TOML says max = {found['max']}")
    if "written" in found:
        lines.append(f"written to {found['written']}")
    return "\n".join(lines)
