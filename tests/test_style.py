"""The house style, where a machine can see it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "api",
    "cli",
    "config",
    "egress",
    "forms",
    "jobs",
    "models",
    "storage",
    "workers",
    "client",
    "bench",
    "tests",
)
FILES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
NAMES_THAT_SAY_NOTHING = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "core",
    "base",
    "manager",
    "service",
}
MODULE_LINES = 300
FUNCTION_LINES = 40


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without its docstring and without blank lines in between."""
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_is_a_room_with_a_name_a_purpose_and_a_size(file: Path) -> None:
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    assert file.stem not in NAMES_THAT_SAY_NOTHING
    assert ast.get_docstring(tree), "a module says in its docstring what it owns"
    assert len(text.splitlines()) <= MODULE_LINES, "split it by verb"
    long = [function.name for function in functions(tree) if lines_of(function) > FUNCTION_LINES]
    assert not long, f"functions longer than {FUNCTION_LINES} lines: {long}"
    left = re.search(r"\b(TO" "DO|FIX" "ME|XX" "X|HA" "CK)\\b", text)
    assert left is None, f"unfinished: {left}"


def test_alembic_is_never_a_package_of_ours() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists(), "it would shadow the library"


def test_only_one_place_writes_a_status() -> None:
    """`storage.changes.changing.change_all` applies every change; nobody else updates the jobs table's status. Claims
    prolong leases, the outbox marks whose end others wait for."""
    writers = [
        file.relative_to(ROOT).as_posix()
        for file in FILES
        if file.parts[len(ROOT.parts)] != "tests" and re.search(r"update\(JOBS\)", file.read_text("utf-8"))
    ]
    assert sorted(writers) == [
        "storage/changes/changing.py",
        "storage/changes/outbox.py",
        "storage/claiming/claims.py",
    ]


def test_the_lifecycle_chart_in_the_docs_is_the_one_the_code_draws() -> None:
    from docs.chart import draw_lifecycle

    assert draw_lifecycle() in (ROOT / "docs" / "lifecycle.md").read_text("utf-8"), "run `python -m docs.chart`"
