"""`safelight batch`: many jobs from one file, worked off in the background."""

import uuid
from pathlib import Path
from typing import Any

import click

from cli.batch_folder import ResultsFolder
from cli.batch_input import ENDPOINT, Plan, digest_requests, write_requests
from cli.batch_media import MediaFolder
from cli.batch_watching import ENDED, follow_batch, patiently, told
from cli.client import Api, Document, Refused
from cli.generate import default_model, parse_input
from cli.options import show, with_api


@click.group("batch")
def batch_command() -> None:
    """Run a file of jobs; list, show, cancel such batches."""


@batch_command.command("run")
@click.argument("source", metavar="FILE", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--output", "-o", default="results", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--model", "-m", help="Of lines that name none; default: the catalog's default.")
@click.option("--input", "-i", "inputs", multiple=True, metavar="KEY=VALUE", help="Of lines that do not say it.")
@click.option("--within", default="24h", show_default=True, help="What has not ended by then is dropped.")
@with_api
def run_command(
    api: Api, as_json: bool, source: Path, output: Path, model: str | None, inputs: tuple[str, ...], within: str
) -> None:
    """Run every line of FILE (JSONL or CSV; or every picture of a folder), and put the results into a folder. Stopped
    and started again it goes on with the same batch. Exit 1 when a line failed."""
    api.get("/healthz")  # from here on, whoever does not answer is waited for
    folder = ResultsFolder(output)
    plan = Plan(model or default_model(api), dict(map(parse_input, inputs)), _Types(api).of)
    batch = patiently(lambda: _begun(api, folder, _source(api, source, plan), within))
    try:
        batch = follow_batch(api, batch, quiet=as_json)
    except KeyboardInterrupt:
        raise Refused(
            f"batch {batch['id']} goes on without us; the same command again picks it up, "
            f"`safelight batch cancel {batch['id']}` ends it"
        ) from None
    patiently(lambda: folder.fetch_answers(api, batch))
    files = patiently(lambda: folder.fetch_artifacts(api))
    folder.requests.unlink(missing_ok=True)
    if batch["status"] == "failed" and not batch["request_counts"]["completed"]:
        folder.forget()  # nothing ran: mended, it may run into the same folder
    names = {"results": str(folder.results), "errors": str(folder.errors), "files": files}
    show({**batch, **names}, as_json, lambda: f"{told(batch)}\n{files} file(s) in {output}")
    _complain(batch, folder)


@batch_command.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100))
@with_api
def list_command(api: Api, as_json: bool, limit: int) -> None:
    """Newest first."""
    page = api.get("/openai/v1/batches", limit=limit)
    show({"batches": page["data"]}, as_json, lambda: "\n".join(map(told, page["data"])) or "no batches")


@batch_command.command("show")
@click.argument("batch_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, batch_id: str) -> None:
    """One batch, whole."""
    batch = api.get(f"/openai/v1/batches/{batch_id}")
    show(batch, as_json, lambda: _page(batch))


@batch_command.command("cancel")
@click.argument("batch_id", metavar="ID")
@with_api
def cancel_command(api: Api, as_json: bool, batch_id: str) -> None:
    """Begin no more of its lines; what is done is kept."""
    batch = api.post(f"/openai/v1/batches/{batch_id}/cancel")
    show(batch, as_json, lambda: told(batch))


class _Types:
    """Of each model's inputs, the JSON types that its schema wants."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, list[str]]] = {}

    def of(self, model: str) -> dict[str, list[str]]:
        if model not in self._known:
            self._known[model] = self._ask(model)
        return self._known[model]

    def _ask(self, model: str) -> dict[str, list[str]]:
        try:
            schema = self._api.get(f"/v1/models/{model}")["input_schema"]
        except Refused:
            return {}  # a line that names no model the server knows: it will say so
        rules: dict[str, Any] = schema.get("properties", {})
        return {
            name: [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", [])
            for name, rule in rules.items()
        }


class _Lines:
    """A file of lines."""

    def __init__(self, source: Path, plan: Plan) -> None:
        self._source = source
        self._plan = plan

    def digest(self) -> str:
        return digest_requests(self._source, self._plan)

    def write_requests(self, folder: ResultsFolder) -> None:
        write_requests(self._source, self._plan, folder.requests)


def _source(api: Api, source: Path, plan: Plan) -> _Lines | MediaFolder:
    return MediaFolder(api, source, plan) if source.is_dir() else _Lines(source, plan)


def _begun(api: Api, folder: ResultsFolder, source: _Lines | MediaFolder, within: str) -> Document:
    """The batch of this source: the one this folder knows, or a new one. Its key is written down before it is made,
    so that a command that dies in between finds it again."""
    digest = source.digest()
    state = folder.state()
    if state and state.get("digest") != digest:
        raise Refused(
            f"{folder.folder} belongs to another input (batch {state.get('batch_id')}): choose another folder"
        )
    if "batch_id" in state:
        return api.get(f"/openai/v1/batches/{state['batch_id']}")
    state = state or {"digest": digest, "key": f"batch-run-{uuid.uuid4()}"}
    folder.remember(state)
    if "file_id" not in state:
        source.write_requests(folder)
        state["file_id"] = api.upload("/openai/v1/files", {"purpose": "batch"}, folder.requests)["id"]
        folder.remember(state)
    body = {"input_file_id": state["file_id"], "endpoint": ENDPOINT, "completion_window": within}
    batch = api.post("/openai/v1/batches", body, {"Idempotency-Key": state["key"]})
    folder.remember(state | {"batch_id": batch["id"]})
    return batch


def _complain(batch: Document, folder: ResultsFolder) -> None:
    """Raises: Refused, unless every line succeeded."""
    counts = batch["request_counts"]
    if batch["status"] != "completed":
        faults = batch.get("errors", {}).get("data", [])
        lines = [f"  line {fault['line']}: {fault['message']}" for fault in faults[:10]]
        raise Refused("\n".join([f"batch {batch['id']} {batch['status']}", *lines]))
    if counts["failed"]:
        raise Refused(f"{counts['failed']} of {counts['total']} lines failed: {folder.errors}")


def _page(batch: Document) -> str:
    lines = [told(batch), f"  endpoint  {batch['endpoint']}, within {batch['completion_window']}"]
    lines += [f"  {name:<9} {batch[field]}" for name, field in _FILES.items() if batch.get(field)]
    faults = batch.get("errors", {}).get("data", [])
    lines += [f"  line {fault['line']}: {fault['message']}" for fault in faults]
    if batch["status"] not in ENDED:
        lines.append(f"  to end it: safelight batch cancel {batch['id']}")
    return "\n".join(lines)


_FILES = {"input": "input_file_id", "output": "output_file_id", "errors": "error_file_id"}
