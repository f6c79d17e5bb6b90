"""Watched folders on both databases: a file fires once, when it has stopped changing, whoever looks."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from config.settings import Settings, read_settings
from forms.desk import Desk
from jobs.identity import new_id
from jobs.triggers import Kind, Stamp, Trigger
from jobs.values import Job
from models.catalog import read_catalog
from storage.automation.triggers import Triggers
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.media.uploads import Uploads
from workers.automation.file_uploads import FileChanged, FileUploads
from workers.automation.folders import FolderWatch, Lookout

JOB = {"model": "noop", "input": {"prompt": "${file.name}"}, "metadata": {"file": "${file}"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


@pytest.fixture
def desk() -> Desk:
    return Desk(read_catalog(diagnostics=True), 3, ())


Open = Callable[[], FolderWatch]


@pytest.fixture
def open_watch(database: Database, desk: Desk, tmp_path: Path) -> Open:
    return lambda: FolderWatch(watching(tmp_path), database, desk)


def watching(root: Path) -> Settings:
    return read_settings(watch_roots=str(root), data_dir=root / "data")


def trigger(folder: Path, **given: Any) -> Trigger:
    values: dict[str, Any] = {
        "id": new_id(),
        "tenant": "t",
        "name": "inbox",
        "kind": Kind.FOLDER,
        "enabled": True,
        "template": {"job": JOB},
        "secret": None,
        "folder": str(folder),
        "pattern": "*.png",
        "last_at": None,
        "last_made_id": None,
        "last_error": None,
        "created_at": datetime.now(UTC),
    }
    return Trigger(**values | given)


def names(jobs: list[Job]) -> list[str]:
    return sorted(str(job.input["prompt"]) for job in jobs)


def test_a_file_fires_once_when_two_looks_have_found_it_the_same(
    database: Database, open_watch: Open, folder: Path
) -> None:
    made, watch = Triggers(database).create(trigger(folder)), open_watch()
    (folder / "a.png").write_bytes(b"half")
    (folder / "a.txt").write_bytes(b"not asked for")
    assert watch.look() == []
    (folder / "a.png").write_bytes(b"half, and the other half")
    assert watch.look() == [], "it was still being written"
    (job,) = watch.look()
    assert job.input == {"prompt": "a.png"}
    assert job.metadata["file"]["bytes"] == 24
    assert job.metadata["file"]["path"] == str(folder / "a.png")
    told = Triggers(database).get(made.id, "t")
    assert (told.last_made_id, told.last_error) == (job.id, None)
    assert [watch.look() for _ in range(3)] == [[], [], []]
    assert [look for watch in (open_watch(),) for look in (watch.look(), watch.look())] == [[], []], "nor another's"


def test_a_file_that_replaces_another_fires_again(database: Database, open_watch: Open, folder: Path) -> None:
    Triggers(database).create(trigger(folder))
    watch = open_watch()
    for content in (b"one", b"another"):
        (folder / "a.png").write_bytes(content)
        watch.look()
        assert names(watch.look()) == ["a.png"]
    os.utime(folder / "a.png", (1, 1))
    watch.look()
    assert names(watch.look()) == ["a.png"], "of the same size, but written at another time"


def test_several_who_look_at_once_fire_each_file_once(database: Database, desk: Desk, folder: Path) -> None:
    Triggers(database).create(trigger(folder))
    for number in range(12):
        (folder / f"{number:02}.png").write_bytes(b"x")
    databases = [Database(database.url) for _ in range(4)]
    watches = [FolderWatch(watching(folder.parent), one, desk) for one in databases]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            fired = [job for jobs in pool.map(lambda watch: watch.look(), watches) for job in jobs]
    for one in databases:
        one.close()
    assert names(fired) == [f"{number:02}.png" for number in range(12)]
    assert len(JobStore(database).list("t", limit=100)) == 12


def test_hidden_empty_linked_and_unreadable_names_are_left_alone(
    database: Database, open_watch: Open, folder: Path, tmp_path: Path
) -> None:
    Triggers(database).create(trigger(folder, pattern="*"))
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    (folder / "link.png").symlink_to(secret)
    (folder / "inner.png").mkdir()
    (folder / "empty.png").touch()
    (folder / ".hidden.png").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(b"x")
    (folder / "ä name.png").write_bytes(b"x")
    watch = open_watch()
    watch.look()
    assert names(watch.look()) == ["ä name.png"]


def test_a_folder_that_is_gone_or_leads_out_of_the_roots_is_told_and_the_others_are_looked_at(
    database: Database, open_watch: Open, folder: Path
) -> None:
    triggers = Triggers(database)
    outside = folder / "link"
    outside.symlink_to("/")
    gone = triggers.create(trigger(folder / "gone", name="gone"))
    out = triggers.create(trigger(outside, name="out"))
    triggers.create(trigger(folder))
    (folder / "a.png").write_bytes(b"x")
    watch = open_watch()
    watch.look()
    assert names(watch.look()) == ["a.png"]
    assert "No such file" in (triggers.get(gone.id).last_error or "")
    assert "SAFELIGHT_WATCH_ROOTS" in (triggers.get(out.id).last_error or "")
    (folder / "gone").mkdir()
    watch.look()
    assert triggers.get(gone.id).last_error is None


def test_a_file_whose_job_does_not_fit_is_told_and_not_tried_for_ever(
    database: Database, open_watch: Open, folder: Path
) -> None:
    made = Triggers(database).create(trigger(folder, template={"job": JOB | {"model": "${file.stem}"}}))
    (folder / "nowhere.png").write_bytes(b"x")
    watch = open_watch()
    assert [watch.look() for _ in range(3)] == [[], [], []]
    told = Triggers(database).get(made.id)
    assert "nowhere.png" in (told.last_error or "")
    (folder / "noop.png").write_bytes(b"x")
    watch.look()
    assert names(watch.look()) == ["noop.png"]
    assert Triggers(database).get(made.id).last_error is None


def test_a_trigger_that_is_disabled_or_deleted_fires_no_more(
    database: Database, open_watch: Open, folder: Path
) -> None:
    triggers, watch = Triggers(database), open_watch()
    made = triggers.create(trigger(folder))
    (folder / "a.png").write_bytes(b"x")
    watch.look()
    triggers.change(made.id, "t", {"enabled": False})
    assert [watch.look(), watch.look()] == [[], []]
    triggers.change(made.id, "t", {"enabled": True})
    watch.look()
    triggers.delete(made.id, "t")
    assert [watch.look(), watch.look()] == [[], []]


def test_a_file_can_be_an_input_of_its_job(database: Database, open_watch: Open, folder: Path) -> None:
    job = {"model": "noop", "input": {"prompt": "${file.name}", "media": "${file.upload}"}}
    made = Triggers(database).create(trigger(folder, template={"job": job}))
    Image.new("RGB", (16, 8), "red").save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    watch = open_watch()
    watch.look()
    (fired,) = watch.look()
    (upload,) = Uploads(database).list("t")
    assert fired.input["media"] == f"upload:{upload.id}"
    assert (upload.filename, upload.media_type, upload.bytes) == (
        "a.png",
        "image/png",
        (folder / "a.png").stat().st_size,
    )
    assert "c.png" in (Triggers(database).get(made.id).last_error or "")
    assert watch.look() == []


def test_a_file_that_is_swapped_for_a_link_at_the_last_moment_is_not_followed(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (16, 8), "red").save(secret)
    stamp = Stamp(secret.stat().st_size, secret.stat().st_mtime_ns)
    (folder / "a.png").symlink_to(secret)
    os.mkfifo(folder / "pipe.png")
    uploads = FileUploads(watching(tmp_path), database)
    with pytest.raises(OSError, match="symbolic"):
        uploads.bring("t", folder / "a.png", stamp)
    for other in (folder / "pipe.png", secret):
        with pytest.raises(FileChanged):
            uploads.bring("t", other, Stamp(stamp.bytes, 7))
    assert Uploads(database).list("t") == []


class _Stuck:
    """A watch whose disk does not answer."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> list[Job]:
        self.looks += 1
        time.sleep(5)
        return []


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.automation.folders._LOOK_EVERY_S", 0.0)
    stuck = _Stuck()
    lookout = Lookout(stuck, lambda jobs: None)  # type: ignore[arg-type]
    began = time.monotonic()
    for _ in range(3):
        lookout.wake()
    assert time.monotonic() - began < 4
    assert stuck.looks == 1
