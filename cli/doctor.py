"""`safelight doctor`: look at every part, say in a sentence what is wrong, and in another how to mend it."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Literal

import click

from cli.client import Api, Refused
from config.settings import Settings, read_settings
from jobs.errors import StoreUnavailable
from models.catalog import Catalog, read_catalog
from models.entry import Entry

_WAL_SAFE = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, looked at."""

    part: str
    state: Literal["ok", "warning", "fault"]
    what: str
    mend: str = ""


@click.command("doctor")
@click.option("--url", help="Where the API is; default: SAFELIGHT_URL, or the stack here.")
@click.option("--json", "as_json", is_flag=True)
def doctor_command(url: str | None, as_json: bool) -> None:
    """Check every part; exit 1 when one has a fault."""
    findings = list(_examine(read_settings(url=url)))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.state:<8} {finding.part:<10} {finding.what}")
            if finding.mend:
                click.echo(f"{'':<19} mend: {finding.mend}")
    faults = sum(finding.state == "fault" for finding in findings)
    if faults:
        raise Refused(f"{faults} fault(s)")


def check_weights(entry: Entry) -> str | None:
    """What is wrong with an entry's weights on this machine, or None. Hub ids are looked for in the cache."""
    if entry.source is None:
        return None
    if entry.source.package:
        return _check_package(entry.source.package)
    folder = entry.weights_folder
    if folder is None:
        return _check_hub_cache(entry)
    index = folder / "model_index.json"
    if not index.is_file():
        return f"there is no {index}"
    try:
        parts = [name for name, value in json.loads(index.read_text()).items() if _is_loaded(name, value)]
    except ValueError as fault:
        return f"{index} is not JSON: {fault}"
    missing = [name for name in parts if not any((folder / name).glob("*"))]
    if missing:
        return f"these folders are missing or empty in {folder}: {', '.join(missing)}"
    unweighted = [
        name for name in parts if (folder / name / "config.json").is_file() and not _has_weights(folder / name)
    ]
    return f"no safetensors in {', '.join(str(folder / name) for name in unweighted)}" if unweighted else None


def _examine(settings: Settings) -> Iterator[Finding]:
    catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
    examinations: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _examine_database(settings),
        lambda: _examine_broker(settings),
        lambda: _examine_artifacts(settings),
        lambda: _examine_catalog(catalog),
        lambda: _examine_api(settings),
    )
    for examine in examinations:
        yield from examine()


def _examine_database(settings: Settings) -> Iterator[Finding]:
    from storage.engine import Database
    from storage.migrations import differences, revisions

    database = Database(settings.database)
    try:
        current, newest = revisions(database)
        differing = differences(database) if current == newest else []
    except StoreUnavailable as fault:
        yield Finding("database", "fault", str(fault), "start the database, or correct SAFELIGHT_DATABASE_URL")
        return
    if current != newest:
        what = f"a migration is missing: it is at {current or 'nothing'}, not at {newest}"
        yield Finding("database", "fault", what, "run `safelight db upgrade`")
    elif differing:
        mend = "restore the tables from a backup, or write a migration"
        yield Finding("database", "fault", f"it differs from the tables: {differing[0]}", mend)
    else:
        yield Finding("database", "ok", f"{database.engine.dialect.name} at revision {current}")
    if database.is_sqlite and sqlite3.sqlite_version_info < _WAL_SAFE:
        what = f"SQLite {sqlite3.sqlite_version} has a rare WAL-reset fault, mended in 3.51.3"
        yield Finding("database", "warning", what, "use a newer SQLite, or PostgreSQL, where data must last")


def _examine_broker(settings: Settings) -> Iterator[Finding]:
    from storage.bus import BROKER_FAULTS, connect

    try:
        client = connect(settings.broker_url)
        facts = client.info("memory")
        policy = facts["maxmemory_policy"]
    except (*BROKER_FAULTS, ValueError) as fault:
        what = f"unreachable at {settings.broker_url.rpartition('@')[2]}: {fault}"
        yield Finding("broker", "fault", what, "start Redis or Valkey there, or correct SAFELIGHT_BROKER_URL")
        return
    if policy != "noeviction":
        mend = "set `maxmemory-policy noeviction`"
        yield Finding("broker", "fault", f"its policy is {policy}: it would drop doorbells", mend)
    else:
        yield Finding("broker", "ok", "answers, and evicts nothing")


def _examine_artifacts(settings: Settings) -> Iterator[Finding]:
    from storage.media.artifacts import ArtifactStore

    folder = settings.artifacts_folder
    try:
        ArtifactStore(folder).check_writable()
    except OSError as fault:
        mend = "free space, or let this user write there, or set SAFELIGHT_ARTIFACTS_URL"
        yield Finding("artifacts", "fault", f"nothing can be stored in {folder}: {fault.strerror}", mend)
    else:
        yield Finding("artifacts", "ok", f"can be stored in {folder}")


def _examine_catalog(catalog: Catalog) -> Iterator[Finding]:
    for broken in catalog.broken:
        yield Finding("models", "fault", f"{broken.file} is left out: {broken.reason}", "correct that file")
    for entry in catalog:
        fault = check_weights(entry)
        if fault is None:
            yield Finding("models", "ok", f"{entry.full_name} is complete")
        elif entry.source and entry.source.package:
            yield Finding("models", "fault", f"{entry.full_name}: {fault}", f"pip install {entry.source.package}")
        elif entry.weights_folder:
            mend = "restore the folder (git checkout, or train it again), or correct the TOML's [source]"
            yield Finding("models", "fault", f"{entry.full_name}: a model file is missing: {fault}", mend)
        else:
            yield Finding("models", "warning", f"{entry.full_name}: {fault}", "a worker downloads it when first used")


def _examine_api(settings: Settings) -> Iterator[Finding]:
    try:
        ready = Api(settings.url, settings.api_key or None).get("/readyz")
    except Refused as fault:
        yield Finding(
            "api", "fault", fault.message.splitlines()[0], "start it with `safelight up`, or name its --url"
        )
        return
    yield Finding("api", "ok", f"answers at {settings.url}")
    if ready["parts"]["workers"]["status"] != "ok":
        mend = "start one with `safelight worker`; until then jobs wait"
        yield Finding("workers", "fault", "the API has heard of none in the last seconds", mend)
    else:
        yield Finding("workers", "ok", f"{ready['parts']['workers']['count']} at work")


def _check_package(name: str) -> str | None:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"the package {name} is not installed"
    return None


def _is_loaded(name: str, value: object) -> bool:
    """In model_index.json a part is [library, class]; an absent one is [null, null]."""
    return not name.startswith("_") and isinstance(value, list) and bool(value) and value[0] is not None


def _has_weights(folder: object) -> bool:
    from pathlib import Path

    assert isinstance(folder, Path)
    return any(folder.glob("*.safetensors")) or not (folder / "config.json").is_file()


def _check_hub_cache(entry: Entry) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    assert entry.source is not None
    assert entry.source.hub is not None
    found = try_to_load_from_cache(entry.source.hub, "model_index.json", revision=entry.source.revision)
    return None if isinstance(found, str) else f"{entry.source.hub} is not in this machine's cache yet"
