"""Files: rows that say which there are, for whom, until when. The bytes lie in a `FileFolder`; they are there before
the row, and go after it."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import timedelta

from sqlalchemy import Connection, delete, exists, insert, select

from jobs.errors import Conflict, FileMissing
from jobs.files import File
from storage.batches.file_folder import FileFolder
from storage.engine import Database
from storage.tables import BATCHES, FILES

_COLUMNS = tuple(FILES.c[field.name] for field in fields(File))
_READ = exists().where(BATCHES.c.input_file_id == FILES.c.id, BATCHES.c.due_at.is_not(None))  # by a living batch


def insert_files(connection: Connection, files: Sequence[File]) -> None:
    """In the transaction that makes them known. Their bytes must be there."""
    if files:
        connection.execute(insert(FILES), [asdict(file) for file in files])


class Files:
    """The files in the database. Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, file_id: str, tenant: str, purpose: str, filename: str, size: int, keep_s: int | None) -> File:
        """From here on the file is there. `keep_s`: it is forgotten after so many seconds; None: never."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            expires_at = None if keep_s is None else now + timedelta(seconds=keep_s)
            file = File(file_id, tenant, purpose, filename, size, now, expires_at)
            insert_files(connection, [file])
            return file

    def get(self, file_id: str, tenant: str) -> File:
        """Raises: FileMissing, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(FILES.c.id == file_id, FILES.c.tenant == tenant)).first()
        if row is None:
            raise FileMissing(f"There is no file {file_id[:64]}.")
        return File(*row)

    def page(
        self, tenant: str, *, purpose: str | None, after: str | None, limit: int, oldest_first: bool = False
    ) -> list[File]:
        """By creation, newest first unless otherwise asked; `after` is the last id of the page before."""
        query = select(*_COLUMNS).where(FILES.c.tenant == tenant)
        if purpose:
            query = query.where(FILES.c.purpose == purpose)
        if after:
            query = query.where(FILES.c.id > after if oldest_first else FILES.c.id < after)
        order = FILES.c.id if oldest_first else FILES.c.id.desc()
        with self._database.reading() as connection:
            return [File(*row) for row in connection.execute(query.order_by(order).limit(limit))]

    def delete(self, file_id: str, tenant: str) -> None:
        """Forget a file; then its bytes may go.

        Raises:
            FileMissing: there is none of that id, or it belongs to another tenant.
            Conflict: a batch still reads it.
        """
        mine = (FILES.c.id == file_id, FILES.c.tenant == tenant)
        with self._database.writing() as connection:
            if connection.execute(select(FILES.c.id).where(*mine).with_for_update()).first() is None:
                raise FileMissing(f"There is no file {file_id[:64]}.")
            if not connection.execute(delete(FILES).where(*mine, ~_READ)).rowcount:
                raise Conflict("A batch still reads this file: wait for it, or cancel it.")

    def expire(self, limit: int = 500) -> Sequence[str]:
        """Forget files whose time is over and that no batch reads; says which, `limit` at the most."""
        with self._database.writing() as connection:
            over = select(FILES.c.id).where(FILES.c.expires_at <= self._database.now(connection), ~_READ)
            ids = connection.execute(over.order_by(FILES.c.expires_at).limit(limit).with_for_update()).scalars().all()
            if not ids:
                return []
            gone = delete(FILES).where(
                FILES.c.id.in_(ids), ~_READ
            )  # a batch may have begun while we waited for locks
            return connection.execute(gone.returning(FILES.c.id)).scalars().all()

    def known(self, file_ids: Collection[str]) -> set[str]:
        """Those of the ids that have a row."""
        with self._database.reading() as connection:
            return set(connection.execute(select(FILES.c.id).where(FILES.c.id.in_(file_ids))).scalars())


def sweep(files: Files, folder: FileFolder, shelf: int, grace_s: float) -> None:
    """The net under all of this: the bytes of files whose time is over and, of one shelf, bytes that have had no row
    for so long. Raises: StoreUnavailable, OSError; what was not done is found by a later sweep."""
    for file_id in files.expire():
        folder.discard(file_id)
    old = folder.older_than(grace_s, shelf)
    for file_id in set(old) - files.known(old):
        folder.discard(file_id)
    folder.clear_drafts(grace_s)
