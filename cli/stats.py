"""`safelight stats`: how it goes, in figures."""

import click

from cli.client import Api, Document
from cli.options import show, with_api


@click.command("stats")
@with_api
def stats_command(api: Api, as_json: bool) -> None:
    """Queue depth, waits, throughput and errors of the last minutes."""
    stats = api.get("/v1/stats")
    show(stats, as_json, lambda: "\n".join(_lines(stats)))


def _lines(stats: Document) -> list[str]:
    lines = [f"{'queue':<16} {'queued':>8} {'running':>8} {'oldest':>10}"]
    lines += [
        f"{queue['name']:<16} {queue['queued']:>8} {queue['running']:>8} {_seconds(queue['oldest_queued_s']):>10}"
        for queue in stats["queues"]
    ]
    finished = stats["finished"]
    counts = ", ".join(f"{number} {status}" for status, number in finished.items())
    lines += [
        "",
        f"workers   {stats['workers']}",
        f"finished  {stats['jobs_per_minute']:.1f} a minute; in {stats['window_s']} s: {counts}",
        f"errors    {_error_rate(finished)}",
        f"waited    {_percentiles(stats['wait_s'])}",
        f"ran       {_percentiles(stats['run_s'])}",
    ]
    return lines + ([f"flower    {stats['flower_url']}"] if stats["flower_url"] else [])


def _error_rate(finished: Document) -> str:
    ran = finished["succeeded"] + finished["failed"]
    return f"{finished['failed'] / ran:.1%}" if ran else "-"


def _percentiles(found: Document) -> str:
    return f"p50 {_seconds(found['p50'])}, p95 {_seconds(found['p95'])}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
