"""The folder that a batch's results go to: what is known of the batch, so that the same command goes on where it was
stopped, and a file for each result, whole or not there."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cli.client import Api, Document, Refused

_STATE = "batch.json"
_NAME_BYTES = 180
_AT_A_TIME = 4


class ResultsFolder:
    """One batch's folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.requests = folder / ".requests.jsonl"
        self.media = folder / ".media.jsonl"  # what was brought, of a folder of media
        self.results = folder / "results.jsonl"
        self.errors = folder / "errors.jsonl"

    def state(self) -> Document:
        """What is known of the batch; empty at first. Raises: Refused."""
        try:
            known: Document = json.loads((self.folder / _STATE).read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as fault:
            raise Refused(f"{self.folder / _STATE} cannot be read: {fault}") from fault
        return known

    def remember(self, state: Document) -> None:
        part = self.folder / f"{_STATE}.part"
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(state))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / _STATE)

    def forget(self) -> None:
        (self.folder / _STATE).unlink(missing_ok=True)

    def fetch_answers(self, api: Api, batch: Document) -> None:
        """results.jsonl and errors.jsonl, empty when there is nothing to say."""
        for file, file_id in ((self.results, "output_file_id"), (self.errors, "error_file_id")):
            if batch.get(file_id):
                api.save(f"/openai/v1/files/{batch[file_id]}/content", file)
            else:
                file.write_bytes(b"")

    def fetch_artifacts(self, api: Api) -> int:
        """A file for each output that is not here yet, named by its line's custom id; how many there are."""
        count = 0
        wanted = self._wanted()
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            while some := list(islice(wanted, 100)):
                count += len(some)
                missing = [(url, path) for url, path, size in some if not _is_there(path, size)]
                list(pool.map(lambda one: api.save(*one), missing))
        return count

    def _wanted(self) -> Iterator[tuple[str, Path, int]]:
        with self.results.open("rb") as file:
            for raw in file:
                line = json.loads(raw)
                for index, output in enumerate(_outputs(line)):
                    suffix = Path(urlsplit(output["url"]).path).suffix
                    more = f"+{index}" if index else ""
                    yield (
                        output["url"],
                        self.folder / f"{file_name(line['custom_id'])}{more}{suffix}",
                        output["bytes"],
                    )


def file_name(custom_id: str) -> str:
    """A name on any disk, another for every custom id: what is no letter or digit is written as %XX."""
    name = quote(custom_id, safe=" ()=,@")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) <= _NAME_BYTES:
        return name
    return f"{name[: _NAME_BYTES - 17]}~{hashlib.sha256(custom_id.encode()).hexdigest()[:16]}"


def _outputs(line: Document) -> Sequence[Document]:
    body: Any = (line.get("response") or {}).get("body") or {}
    outputs: Sequence[Document] = body.get("outputs") or ()
    return outputs


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
