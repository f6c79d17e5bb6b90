"""Files on both databases, and their bytes on disk."""

from pathlib import Path

import pytest

from jobs.errors import FileMissing, StorageFull
from jobs.identity import new_file_id
from storage.batches.file_folder import SHELVES, FileFolder
from storage.batches.files import Files, sweep
from storage.engine import Database


def add(files: Files, tenant: str = "t", purpose: str = "batch", keep_s: int | None = None) -> str:
    return files.add(new_file_id(), tenant, purpose, "a.jsonl", 3, keep_s).id


def test_files_are_listed_by_creation_page_by_page_each_tenant_its_own(database: Database) -> None:
    files = Files(database)
    mine = [add(files) for _ in range(3)]
    theirs, vision = add(files, "other"), add(files, purpose="vision")

    def listed(**given: object) -> list[str]:
        return [file.id for file in files.page("t", **{"purpose": None, "after": None, "limit": 10} | given)]

    assert listed() == [vision, *reversed(mine)]
    assert listed(oldest_first=True, purpose="batch") == mine
    assert listed(after=mine[2], limit=1) == [mine[1]]
    assert listed(after=mine[0], limit=1, oldest_first=True) == [mine[1]]
    with pytest.raises(FileMissing):
        files.get(theirs, "t")
    with pytest.raises(FileMissing):
        files.delete(theirs, "t")
    files.delete(mine[0], "t")
    assert listed(purpose="batch") == [mine[2], mine[1]]


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, file_id = FileFolder(tmp_path / "files"), new_file_id()
    with folder.draft() as draft:
        draft.write(b"half of")
    assert list((tmp_path / "files").iterdir()) == []
    with folder.draft() as draft:
        draft.write(b"all ")
        draft.write(b"of it")
        assert folder.find(file_id) is None
        draft.publish(file_id)
    path = folder.find(file_id)
    assert path
    assert path.read_bytes() == b"all of it"
    assert [folder.find(text) for text in ("", "..", "file-", "../" + file_id, file_id.upper())] == [None] * 5


def test_a_disk_that_is_full_is_said_as_such(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(StorageFull):
        FileFolder(tmp_path / "files").draft().open()


def test_the_sweep_takes_what_has_no_row_and_what_is_out_of_date(database: Database, tmp_path: Path) -> None:
    files, folder = Files(database), FileFolder(tmp_path / "files")
    kept, expired = add(files, keep_s=3_600), add(files, keep_s=-1)
    orphan = new_file_id()
    for file_id in (kept, expired, orphan):
        with folder.draft() as draft:
            draft.publish(file_id)
    abandoned = folder.draft()
    abandoned.open()
    for shelf in range(SHELVES):
        sweep(files, folder, shelf, grace_s=3_600.0)
    assert folder.find(orphan), "its row may be about to be written"
    for shelf in range(SHELVES):
        sweep(files, folder, shelf, grace_s=-1.0)
    assert [bool(folder.find(file_id)) for file_id in (kept, expired, orphan)] == [True, False, False]
    assert [path.name for path in (tmp_path / "files").glob("*.part")] == []
    abandoned.close()
