"""A folder of pictures, sounds or films as a batch: each file is brought to the server, and is the input of a line of
its own. What was brought is noted, so that a command that is started again does not bring it twice."""

import hashlib
import json
import mimetypes
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cli.batch_folder import ResultsFolder
from cli.batch_input import Plan, line_of
from cli.client import Api, Document, Refused

_PIECE = 1 << 20

mimetypes.add_type("image/webp", ".webp")
mimetypes.add_type("audio/wav", ".wav")


class MediaFolder:
    """The files of a folder, and of folders in it, that a model's media input accepts."""

    def __init__(self, api: Api, source: Path, plan: Plan) -> None:
        self._api = api
        self._source = source
        self._plan = plan
        self._input, accepted = _media_input(api, plan.model)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        self._files = [path for path in files if mimetypes.guess_type(path.name)[0] in accepted]
        if not self._files:
            raise Refused(f"no file in {source} is any of {', '.join(accepted)}")

    def digest(self) -> str:
        """Of all that decides what will be asked for."""
        whole = hashlib.sha256(json.dumps([self._plan.model, self._plan.inputs], sort_keys=True).encode())
        for path in self._files:
            whole.update(f"{path.relative_to(self._source)}\0{_digest(path)}\n".encode())
        return whole.hexdigest()

    def write_requests(self, folder: ResultsFolder) -> None:
        """Bring each file, unless that was done before, and write its line."""
        known = dict(_noted(folder.media))
        names = Counter(path.relative_to(self._source).with_suffix("") for path in self._files)
        with folder.requests.open("wb") as requests, folder.media.open("a", encoding="utf-8") as notes:
            for path in self._files:
                content = _digest(path)
                if content not in known:
                    known[content] = self._api.upload("/v1/uploads", {}, path)["reference"]
                    notes.write(json.dumps([content, known[content]]) + "\n")
                    notes.flush()
                name = path.relative_to(self._source)
                plain = name.with_suffix("")
                custom_id = (plain if names[plain] == 1 else name).as_posix()
                requests.write(line_of(self._plan.request(0, {"custom_id": custom_id, self._input: known[content]})))


def _media_input(api: Api, model: str) -> tuple[str, list[str]]:
    """The input of the model that takes media, and which. Raises: Refused."""
    properties: Document = api.get(f"/v1/models/{model}")["input_schema"].get("properties", {})
    found = [(name, rule["x-media"]) for name, rule in properties.items() if rule.get("format") == "media"]
    if not found:
        raise Refused(f"the model {model} takes no files")
    return found[0]


def _noted(notes: Path) -> Iterator[tuple[str, str]]:
    """What was brought; of a note that breaks off, nothing."""
    try:
        lines = notes.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            content, reference = json.loads(line)
        except ValueError:
            continue
        yield content, reference


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()
