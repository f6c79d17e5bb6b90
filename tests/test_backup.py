"""Backup and restore as docs/operations.md tells an operator to do it: while the stack works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers import wait_until
from tests.stacks import running_stack

ROOT = Path(__file__).resolve().parent.parent


def backup_code() -> str:
    """The one line of Python that the page gives for a copy of SQLite."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    found = re.search(r"python -c '(import sqlite3; .*)'", page)
    assert found
    return found[1]


def test_a_backup_taken_at_work_brings_back_every_job_and_every_byte(tmp_path: Path) -> None:
    restored = tmp_path / "restored"
    with running_stack(tmp_path / "data") as stack:
        done = [stack.finished(stack.submit(seed=seed)["id"]) for seed in range(3)]
        running = stack.submit(duration_s=60.0, steps=600)
        stack.until_running(running["id"])
        waiting = stack.submit()
        command = [sys.executable, "-c", backup_code(), str(stack.folder / "safelight.db"), str(tmp_path / "copy.db")]
        subprocess.run(command, check=True)
        shutil.copytree(stack.folder / "artifacts", restored / "artifacts")
        for job in done:
            stack.http.delete(f"/v1/jobs/{job['id']}")
    shutil.move(tmp_path / "copy.db", restored / "safelight.db")
    with running_stack(restored) as stack:
        for job in done:
            assert stack.get(job["id"]) == job
            assert len(stack.http.get(job["outputs"][0]["url"]).content) == job["outputs"][0]["bytes"]
        wait_until(lambda: stack.get(running["id"])["attempt"] == 2, "its lease has run out")
        stack.http.post(f"/v1/jobs/{running['id']}/cancel")
        assert stack.finished(waiting["id"])["status"] == "succeeded"
