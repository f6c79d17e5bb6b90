"""The catalog: every model this installation knows, read from TOML files. Import-light: no torch."""

import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from jobs.errors import ModelNotFound
from models.entry import Entry

SHIPPED = Path(__file__).resolve().parent / "shelf"


@dataclass(frozen=True, slots=True)
class Broken:
    """A TOML that could not be read, and why. Everything else runs."""

    file: Path
    reason: str


class Catalog:
    """Entries by name, alias or name@version. Of several versions the last one read is the newest; folders
    are read in the order given, files by name."""

    def __init__(self, entries: Iterable[Entry], broken: Iterable[Broken] = ()) -> None:
        self._versions: dict[str, dict[str, Entry]] = {}
        self._aliases: dict[str, str] = {}
        self.broken = list(broken)
        for entry in entries:
            self._versions.setdefault(entry.name, {})[entry.version] = entry
            self._aliases.update(dict.fromkeys(entry.aliases, entry.name))

    def __iter__(self) -> Iterator[Entry]:
        """The newest version of each model."""
        return (next(reversed(versions.values())) for versions in self._versions.values())

    def entries(self) -> Iterator[Entry]:
        """Every version of each model."""
        return (entry for versions in self._versions.values() for entry in versions.values())

    def find(self, text: str) -> Entry:
        """The entry that a name, alias or name@version means.

        Raises:
            ModelNotFound: there is none.
        """
        name, _, version = text.partition("@")
        versions = self._versions.get(name) or self._versions.get(self._aliases.get(name, ""))
        if not versions or (version and version not in versions):
            raise ModelNotFound(f"There is no model {text!r} here.")
        return versions[version] if version else next(reversed(versions.values()))

    def versions(self, name: str) -> list[str]:
        """Oldest first."""
        return list(self._versions.get(name, ()))

    def default(self) -> Entry | None:
        """The model to offer first: the last one read that says so; a user's wins over ours."""
        entries = list(self)
        return next((entry for entry in reversed(entries) if entry.default), entries[0] if entries else None)

    def queues(self) -> list[str]:
        """Every queue that some model's jobs go to."""
        return sorted({entry.queue for entry in self.entries()} | {"default"})


def read_catalog(extra_folders: str = "", *, diagnostics: bool = False) -> Catalog:
    """The models that ship, then those of `extra_folders` (separated by the system's path separator)."""
    folders = [SHIPPED, *(Path(folder) for folder in extra_folders.split(os.pathsep) if folder)]
    entries: list[Entry] = []
    broken: list[Broken] = []
    for folder in folders:
        if not folder.is_dir():
            broken.append(Broken(folder, "there is no such folder"))
        for file in sorted(folder.glob("*.toml")):
            found = read_entry(file)
            if isinstance(found, Broken):
                broken.append(found)
            elif diagnostics or not found.diagnostic:
                entries.append(found)
    return Catalog(entries, broken)


def read_entry(file: Path) -> Entry | Broken:
    """The entry in a TOML file, or why there is none."""
    try:
        return Entry(**tomllib.loads(file.read_text("utf-8"))).placed(file.parent)
    except ValidationError as wrong:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}" for fault in wrong.errors())
        return Broken(file, "; ".join(faults))
    except (OSError, ValueError, TypeError) as wrong:
        return Broken(file, str(wrong))
