"""Watched folders: a file that stays as it is from one look to the next fires its trigger, once. Called by the reaper
that leads, in a thread of its own: a folder may lie on a disk that does not answer."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from forms.desk import Desk, Order
from forms.folders import check_folder
from jobs.errors import InvalidInput, StoreUnavailable
from jobs.templates import uses
from jobs.triggers import Stamp, Trigger, file_key, file_values, wants
from jobs.values import Job
from storage.automation.placing import Wanted
from storage.automation.triggers import Triggers
from storage.engine import Database
from storage.jobs.store import JobStore
from workers.automation.file_uploads import FileChanged, FileUploads

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0
_FILES_MOST = 10_000  # in one folder
_FIRED_MOST = 200  # in one look, by one trigger
_CANNOT_LOOK = "The folder cannot be watched"
_CANNOT_READ = "There is no reading"

Files = dict[str, Stamp]


class FolderWatch:
    """What lies in the watched folders, as far as it has not fired yet. Owned by one thread at a time."""

    def __init__(self, settings: Settings, database: Database, desk: Desk) -> None:
        self._triggers = Triggers(database)
        self._store = JobStore(database)
        self._uploads = FileUploads(settings, database)
        self._desk = desk
        self._roots = settings.watched_roots
        self._max_queued = settings.max_queued
        self._before: dict[str, Files] = {}  # by trigger, what the last look found that has not fired
        self._done: dict[str, Files] = {}  # by trigger, what is known to have fired

    def look(self) -> list[Job]:
        """One look at every folder. The new jobs.

        Raises:
            StoreUnavailable: some files may have fired.
        """
        watching = self._triggers.watching() if self._roots else []
        self._forget({trigger.id for trigger in watching})
        return [job for trigger in watching for job in self._look(trigger)]

    def _look(self, trigger: Trigger) -> Sequence[Job]:
        try:
            found = dict(_files(trigger, self._roots))
        except OSError as fault:
            self._tell(trigger, f"{_CANNOT_LOOK}: {fault.strerror or fault}")
            return []
        if trigger.last_error and trigger.last_error.startswith(_CANNOT_LOOK):
            self._triggers.tell(trigger, None)
        fresh = self._fresh(trigger, found)
        before = self._before.get(trigger.id, {})
        self._before[trigger.id] = fresh
        stable = [name for name, stamp in fresh.items() if before.get(name) == stamp]
        if not stable or self._store.queued(self._max_queued) >= self._max_queued:
            return []
        some = sorted(stable)[:_FIRED_MOST]
        return [job for name in some for job in self._fire(trigger, name, fresh.pop(name))]

    def _fresh(self, trigger: Trigger, found: Files) -> Files:
        """Those that have not fired. The database is asked only about what this process does not know."""
        done = {name: stamp for name, stamp in self._done.get(trigger.id, {}).items() if found.get(name) == stamp}
        unknown = [name for name in found if name not in done]
        seen = self._triggers.seen(trigger.id, unknown) if unknown else {}
        done |= {name: stamp for name, stamp in seen.items() if found[name] == stamp}
        self._done[trigger.id] = done
        return {name: stamp for name, stamp in found.items() if name not in done}

    def _fire(self, trigger: Trigger, name: str, stamp: Stamp) -> Sequence[Job]:
        try:
            return self._triggers.fire(trigger, name, stamp, self._order(trigger, name, stamp), None)
        except InvalidInput as fault:
            error = f"{name}: {fault.told}"[:1000]
            log.warning("trigger %s (%s): %s", trigger.id, trigger.name, error)
            return self._triggers.fire(trigger, name, stamp, None, error)
        except FileChanged:
            return []
        except OSError as fault:
            self._tell(trigger, f"{_CANNOT_READ} {name}: {fault.strerror or fault}")
            return []

    def _order(self, trigger: Trigger, name: str, stamp: Stamp) -> Wanted:
        """Raises: InvalidInput, FileChanged, OSError."""
        values = file_values(trigger, name, stamp)
        if uses(trigger.template, "file.upload"):
            path = check_folder(trigger.folder or "", self._roots) / name
            values["file"]["upload"] = self._uploads.bring(trigger.tenant, path, stamp)
        order = Order(trigger.tenant, file_key(trigger, name, stamp), f"trigger:{trigger.id}")
        return self._desk.order(trigger.template, values, order)

    def _tell(self, trigger: Trigger, error: str) -> None:
        if trigger.last_error != error:
            log.warning("trigger %s (%s): %s", trigger.id, trigger.name, error)
            self._triggers.tell(trigger, error)

    def _forget(self, watching: set[str]) -> None:
        for known in (self._before, self._done):
            for trigger_id in known.keys() - watching:
                del known[trigger_id]


class Lookout:
    """Looks every few seconds, while somebody wakes it; in a thread that nobody waits for."""

    def __init__(self, watch: FolderWatch, tell: Callable[[list[Job]], object]) -> None:
        self._watch = watch
        self._tell = tell
        self._thread: threading.Thread | None = None
        self._looked_at = 0.0

    def wake(self) -> None:
        """Have it look, unless it is looking, or has just done so."""
        due = time.monotonic() - self._looked_at >= _LOOK_EVERY_S
        if due and (self._thread is None or not self._thread.is_alive()):
            self._looked_at = time.monotonic()
            self._thread = threading.Thread(target=self._look, name="lookout", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        try:
            self._tell(self._watch.look())
        except StoreUnavailable as fault:
            log.warning("watched folders wait for the next look: %s", fault)
        except Exception:  # the next look must be made whatever happened to this one
            log.exception("a look at the watched folders stumbled")


def _files(trigger: Trigger, roots: Sequence[Path]) -> Iterator[tuple[str, Stamp]]:
    """The regular files with something in them that are for the trigger. Links are not followed: they could lead
    out of the folder. Raises: OSError."""
    found = 0
    with os.scandir(check_folder(trigger.folder or "", roots)) as entries:
        for entry in entries:
            if not wants(trigger, entry.name) or not _is_text(entry.name):
                continue
            with suppress(FileNotFoundError):  # gone again
                if entry.is_file(follow_symlinks=False) and (status := entry.stat(follow_symlinks=False)).st_size:
                    yield entry.name, Stamp(status.st_size, status.st_mtime_ns)
                    found += 1
            if found == _FILES_MOST:
                raise OSError(None, f"there are more than {_FILES_MOST:,} files in it")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
