"""Draws docs/lifecycle.md from the code: `python -m docs.chart`. A test holds the file to it."""

from pathlib import Path

from jobs.lifecycle import TRANSITIONS
from jobs.values import FINAL

_FILE = Path(__file__).with_name("lifecycle.md")

_PAGE = """# The life of a job

Generated from `jobs/lifecycle.py` by `python -m docs.chart`; a test holds it to the code. Every arrow is a
constructor of a `Change`, applied by one guarded UPDATE; each counts `seq` up by one.

{chart}

`claim` also counts `attempt` and `fence` up. What a worker writes (`succeed`, `fail`, `retry later`,
`hand back`, `stop`) is guarded by the fence of its claim: a worker whose lease has passed on writes nothing.
The reaper, or a supervisor that saw a worker die, writes `lose`, and `give up` at the last attempt, under the same
guard. `hand back` and `retry` raise `max_attempts` by one, so that being stopped, or asked again, costs no attempt.
"""


def draw_lifecycle() -> str:
    """The chart in Mermaid."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> queued: submit"]
    lines += [f"    {before} --> {after}: {verb}" for verb, before, after in TRANSITIONS]
    lines += [f"    {status} --> [*]" for status in sorted(FINAL)]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    _FILE.write_text(_PAGE.format(chart=draw_lifecycle()), "utf-8")
