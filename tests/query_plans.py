"""What each statement costs a database: asked of the database itself, just before it runs the statement."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import pq
from sqlalchemy import event

from storage.engine import Database

_GROWING = (
    "jobs|idempotency_keys|attempts|artifacts|changes|deliveries|results|seen_files|files|batches|batch_lines|groups|"
    "members|uploads|upload_uses"
)
_ALIVE_ONLY = (
    "ix_jobs_claim|ix_jobs_batch|ix_jobs_waiting|ix_jobs_lease|ix_jobs_deadline|ix_deliveries_due|ix_batches_due"
    "|ix_uploads_due|ix_uploads_wanted"
)
_IDLE = pq.TransactionStatus.IDLE
_LOOKS_UP = re.compile(r"(SELECT|UPDATE|DELETE|WITH)\b(?!.*(INSERT INTO|BEGIN))", re.DOTALL)
_STEPS_A_ROW = 3  # of a walk over a table that does nothing with what it reads


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one statement. `touched`: the rows that PostgreSQL read; of SQLite, the rows that a bare walk would
    have read in as many steps."""

    statement: str
    touched: int
    scans: list[str]  # of whole tables that grow, or of whole indexes that finished rows are in

    def __str__(self) -> str:
        return f"{self.touched} touched, {self.scans or 'no scans'}: {' '.join(self.statement.split())[:300]}"


@contextlib.contextmanager
def costs_of(database: Database) -> Iterator[list[Cost]]:
    """The costs of every statement that is run meanwhile. Inserts look nothing up, and are left out."""
    costs: list[Cost] = []
    measure = _sqlite_cost if database.is_sqlite else _postgres_cost

    def before(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if (
            many
            or not re.match("(SELECT|UPDATE|DELETE|WITH) ", statement)
            or re.search("INSERT INTO|BEGIN", statement)
        ):
            return
        with contextlib.closing(cursor.connection.cursor()) as own:
            by_itself = not database.is_sqlite and own.connection.info.transaction_status == _IDLE  # it only reads
            if not by_itself:
                own.execute("SAVEPOINT measuring")
            costs.append(measure(own, statement, parameters))
            if not by_itself:
                own.execute("ROLLBACK TO SAVEPOINT measuring")

    event.listen(database.engine, "before_cursor_execute", before)
    try:
        yield costs
    finally:
        event.remove(database.engine, "before_cursor_execute", before)


@contextlib.contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Every statement that is run meanwhile, transactions' own aside."""
    seen: list[str] = []

    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "BEGIN" not in statement:
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", before)


def _postgres_cost(cursor: Any, statement: str, parameters: Any) -> Cost:
    cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
    told = cursor.fetchone()[0]
    nodes = list(_nodes((json.loads(told) if isinstance(told, str) else told)[0]["Plan"]))
    scans = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    touched = sum(_rows(node) for node in nodes if "Scan" in node["Node Type"])
    return Cost(statement, touched, [name for name in scans if re.fullmatch(_GROWING, name)])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


def _sqlite_cost(cursor: Any, statement: str, parameters: Any) -> Cost:
    plan = [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()]
    whole = [step for step in plan if re.match(rf"SCAN ({_GROWING})\b", step)]
    scans = [step for step in whole if not re.search(rf"USING (COVERING )?INDEX ({_ALIVE_ONLY})$", step)]
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    cursor.connection.set_progress_handler(count, _STEPS_A_ROW)
    cursor.execute(statement, parameters).fetchall()
    cursor.connection.set_progress_handler(None, 0)
    return Cost(statement, taken, scans)
