"""What schedules and triggers ask of the database costs the same however many files have fired."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert, text

from jobs.identity import new_id
from storage.automation.schedules import Schedules
from storage.automation.triggers import Triggers
from storage.engine import Database
from storage.tables import SEEN_FILES, TRIGGERS
from tests.query_plans import costs_of

FIRED = 20_000
TOUCHED_MOST = 2_000
INBOX = new_id()
TRIGGER = {"id": INBOX, "tenant": "t", "name": "inbox", "kind": "folder", "enabled": True, "template": {}}

DUTIES: dict[str, Callable[[Database], Any]] = {
    "schedules due": lambda database: Schedules(database).due(),
    "triggers that watch": lambda database: Triggers(database).watching(),
    "files that have fired": lambda database: Triggers(database).seen(INBOX, [f"{n}.png" for n in range(50)]),
}


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_no_duty_reads_files_that_have_fired(database: Database, duty: Callable[[Database], Any]) -> None:
    seen = {"trigger_id": INBOX, "bytes": 1, "modified_ns": 1}
    with database.writing() as connection:
        connection.execute(insert(TRIGGERS), TRIGGER | {"created_at": datetime.now(UTC)})
        connection.execute(insert(SEEN_FILES), [seen | {"name": f"{number}.png"} for number in range(FIRED)])
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))
    with costs_of(database) as costs:
        duty(database)
    assert costs, "nothing was asked"
    assert [str(cost) for cost in costs if cost.scans or cost.touched > TOUCHED_MOST] == []
