"""Bytes that find no room. What becomes of bytes that nobody wants any more: tests/test_orphans.py."""

from pathlib import Path

import pytest

from tests.servers import wait_until
from tests.stacks import running_stack

pytestmark = pytest.mark.slow


def test_no_room_for_the_bytes_is_a_failure_that_passes_once_there_is_room(tmp_path: Path) -> None:
    blocked = tmp_path / "artifacts"
    blocked.write_text("a file stands where the folder should be")
    settings = {"SAFELIGHT_ARTIFACTS_URL": blocked.as_uri(), "SAFELIGHT_MAX_ATTEMPTS": "10"}
    with running_stack(tmp_path / "data", **settings) as stack:
        job = stack.submit()
        wait_until(lambda: (stack.get(job["id"])["error"] or {}).get("code") == "storage_full", "it failed to store")
        assert stack.get(job["id"])["outputs"] == []
        blocked.unlink()
        done = stack.finished(job["id"])
        assert done["status"] == "succeeded"
        assert stack.http.get(done["outputs"][0]["url"]).status_code == 200
