"""Writes the model card from the judge's report, so that no number in it is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = {
    "time": "time of day",
    "ground": "ground",
    "mountains": "mountains and their colour",
    "body": "sun or moon, and which",
    "body_colour": "its colour",
    "body_place": "its place",
    "subject": "subject",
    "subject_colour": "its colour",
    "subject_place": "its place",
    "every attribute named": "**every attribute named**",
    "all right": "**all of a prompt right**",
}
TEMPLATE = Path(__file__).with_name("card_template.md")


def format_rows(report: dict[str, Any]) -> str:
    names = (
        "template captions",
        "template captions, another seed",
        "free wording",
        "drawings, the eye's own limit",
    )
    columns = [report[name] for name in names]
    cells = [
        [label, *(f"{100 * column[field]:.1f} %" if field in column else "-" for column in columns)]
        for field, label in ROWS.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def write_card(folder: Path, report_path: Path) -> None:
    report = json.loads(report_path.read_text())
    text = TEMPLATE.read_text().format(
        megabytes=f"{report['megabytes']:.1f}", steps=report["steps"], guidance=report["guidance"],
        captions=report["template captions"]["captions"], free=report["free wording"]["captions"],
        rows=format_rows(report), psnr=report["decoder dB"], halved=report["decoder dB at 128 px"],
        seconds=report["seconds a picture, one core"],
    )  # fmt: skip
    (folder / "README.md").write_text(text)
