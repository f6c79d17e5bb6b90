"""Writing a measured value back into a model's TOML, comments and all else as they were."""

import os
import tempfile
import tomllib
from pathlib import Path

import tomlkit

from models.entry import Entry


def find_file(entry: Entry) -> Path:
    """The TOML that an entry of the catalog was read from.

    Raises:
        FileNotFoundError: it is not there any more.
    """
    for file in sorted(entry.folder.glob("*.toml"), reverse=True):  # of equals, the last one read counts
        try:
            document = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if (document.get("name"), document.get("version")) == (entry.name, entry.version):
            return file
    raise FileNotFoundError(f"there is no TOML of {entry.full_name} in {entry.folder}")


def write_batch_max(file: Path, most: int) -> None:
    """Set `[batch] max`. Whoever reads meanwhile sees the file before or after.

    Raises:
        OSError: it cannot be written.
    """
    document = tomlkit.parse(file.read_text("utf-8"))
    document.setdefault("batch", tomlkit.table())["max"] = most
    sizes = document["batch"].get("sizes")
    if sizes and sizes[-1] < most:
        sizes.append(most)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as part:
        part.write(tomlkit.dumps(document))
    os.chmod(part.name, file.stat().st_mode)
    os.replace(part.name, file)
