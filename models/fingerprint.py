"""What names a model's weights: the same weights, the same name. Import-light: no torch."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from models.entry import Entry

_DECISIVE = frozenset({".safetensors", ".json", ".txt", ".model"})  # weights, configurations, vocabularies


def weights_of(entry: Entry) -> str | None:
    """ "sha256:…" of a folder, "ID@REVISION" of a hub id, "PACKAGE VERSION" of a package; None without weights.

    Raises:
        OSError: a file cannot be read.
        PackageNotFoundError: the package is not installed.
    """
    source = entry.source
    if source is None:
        return None
    if source.package:
        return f"{source.package} {metadata.version(source.package)}"
    folder = entry.weights_folder
    if folder is None:
        return f"{source.hub}@{source.revision}"
    return f"sha256:{source.sha256 or _hash(folder, _stamps(folder))}"


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file that counts."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in _DECISIVE and file.is_file())
    stats = ((file.relative_to(folder).as_posix(), file.stat()) for file in files)
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@lru_cache(maxsize=256)
def _hash(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Over the names and the digests of the files: once for as long as none of them changes."""
    whole = hashlib.sha256()
    for name, _, _ in stamps:
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name}\0{digest}\n".encode())
    return whole.hexdigest()
