"""What results look like: on the terminal, and in docs/performance.md, where every number and figure comes from what
a run saved."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.charts import Group, draw_bars, show
from bench.goals import judge
from bench.results import OURS, Key, Results, Spread, read_results

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_PAGE = _DOCS / "performance.md"

_COLUMNS = {
    "rate": "per second",
    "submits": "submits/s",
    "claims": "claims/s",
    "submit_cpu_ms": "CPU ms a submit",
    "claim_cpu_ms": "CPU ms a claim",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "cpu_ms": "CPU ms each",
    "cpu_s": "CPU s",
    "rss_mb": "RSS MB",
    "kib": "KiB each",
    "refused": "refused",
}
_RATIO_OF = {"submits": "rate", "latency": "p50_ms", "drain": "rate", "pictures": "rate", "push": "p50_ms"}
_CPU = "cpu_ms"
_CHARTS = {  # file: (bench, figure, title, logarithmic)
    "submits": ("submits", "rate", "Submits accepted per second (logarithmic)", True),
    "submit-p99": ("submits", "p99_ms", "p99 of submits, ms (logarithmic)", True),
    "latency": ("latency", "p50_ms", "POST to done seen by a subscriber, p50 ms", False),
    "drain": ("drain", "rate", "Jobs without work per second, one worker process", False),
    "pictures": ("pictures", "rate", "Pictures per second", False),
    "rows": ("rows", "claims", "Claims per second, by rows in the table", False),
}


def print_report(results: Results, bench: str) -> None:
    """The bench's table, and how it stands to the goals."""
    rows = _table(results, bench)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for row in judge(results, bench):
        print(f"  {row.what}: {row.found} (goal {row.goal}) {row.verdict}")


def write_documents() -> None:
    """Draw the figures, and fill in the tables of docs/performance.md."""
    results = read_results()
    for name, chart in draw_charts(results).items():
        (_DOCS / "images" / name).write_text(chart)
    _PAGE.write_text(fill_in(_PAGE.read_text("utf-8"), results), "utf-8")


def fill_in(page: str, results: Results) -> str:
    """The page with what stands between its markers made anew: `<!-- bench NAME -->` … `<!-- end -->`."""

    def made(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- bench {name} -->\n\n{_markdown(results, name)}\n\n<!-- end -->"

    return re.sub(r"<!-- bench (\w+) -->.*?<!-- end -->", made, page, flags=re.DOTALL)


def draw_charts(results: Results) -> dict[str, str]:
    """SVG by file name; none for what was not measured yet."""
    charts = {}
    for name, (bench, figure, title, log) in _CHARTS.items():
        groups = _groups(results, bench, figure)
        if groups:
            charts[f"bench-{name}.svg"] = draw_bars(title, groups, log=log)
    return charts


def _groups(results: Results, bench: str, figure: str) -> list[Group]:
    groups: dict[str, dict[str, Spread]] = {}
    for key in results.keys(bench):
        spread = results.spread(key, figure)
        if spread:
            groups.setdefault(f"{key[1]}, {key[2]}", {})[key[3]] = spread
    return list(groups.items())


def _markdown(results: Results, name: str) -> str:
    if name == "goals":
        judged = [[row.what, row.goal, row.found, row.verdict] for row in judge(results)]
        return _lines([["what", "goal", "measured: median (least–most)", ""], *judged])
    if name == "machine":
        machines: dict[str, list[str]] = {}
        for bench, machine in results.machines.items():
            machines.setdefault(machine, []).append(bench)
        return "\n".join(f"- {', '.join(benches)}: {machine}" for machine, benches in machines.items())
    if not results.keys(name):
        return "Not measured yet."
    return _lines(_table(results, name))


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def _table(results: Results, bench: str) -> list[list[str]]:
    keys = results.keys(bench)
    names = _names(results, keys)
    ratio = _RATIO_OF.get(bench)
    ratios = {ratio: f"{OURS} ÷ this"} if ratio else {}
    if ratio and any(_CPU in results.figures[key] and key[3] != OURS for key in keys):
        ratios[_CPU] = "in CPU"
    head = ["database", "case", "who", *(_COLUMNS[name] for name in names), *ratios.values()]
    return [head, *(_row(results, key, names, ratios) for key in keys)]


def _row(results: Results, key: Key, names: Iterable[str], ratios: Iterable[str]) -> list[str]:
    cells = [tell(results.spread(key, name)) for name in names]
    ours = (*key[:3], OURS)
    against = ["" if key == ours else tell(results.ratio(ours, name, key[3])) for name in ratios]
    return [*key[1:], *cells, *against]


def _names(results: Results, keys: Iterable[Key]) -> list[str]:
    known = dict.fromkeys(name for key in keys for name in results.figures[key])
    refused = any(any(results.figures[key].get("refused", ())) for key in keys)
    return [name for name in known if name != "refused" or refused]


def tell(spread: Spread | None) -> str:
    """The median, and in brackets the least and the most of all rounds."""
    return f"{show(spread.median)} ({show(spread.least)}–{show(spread.most)})" if spread else ""


if __name__ == "__main__":
    write_documents()
