"""Counting after a storm, from inside: tables, bytes on disk, and what the roles said."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
from sqlalchemy import text

from config.settings import Settings
from storage.engine import Database
from storage.media.artifacts import SHELVES
from workers.reaper import Reaper

# Each query finds the jobs of which the sentence is true; there must be none.
_BROKEN = {
    "has a lease and does not run, or runs without": """
        SELECT id FROM jobs WHERE (status = 'running') <> (lease_until IS NOT NULL)""",
    "succeeded without exactly one attempt that published, or published without success": """
        SELECT jobs.id FROM jobs LEFT JOIN attempts ON attempts.job_id = jobs.id AND outcome = 'succeed'
        GROUP BY jobs.id, jobs.status
        HAVING COUNT(attempts.job_id) <> CASE WHEN jobs.status = 'succeeded' THEN 1 ELSE 0 END""",
    "has another number of attempts, or another last fence, than its history": """
        SELECT jobs.id FROM jobs LEFT JOIN attempts ON attempts.job_id = jobs.id
        GROUP BY jobs.id, jobs.attempt, jobs.fence
        HAVING COUNT(attempts.fence) <> jobs.attempt OR COALESCE(MAX(attempts.fence), 0) <> jobs.fence""",
    "has attempts whose fences do not rise with their numbers": """
        SELECT job_id FROM (
            SELECT job_id, number, LAG(number, 1, 0) OVER (PARTITION BY job_id ORDER BY fence) AS before FROM attempts
        ) AS numbered WHERE number <= before""",
    "has an attempt that never ended, and does not run": """
        SELECT job_id FROM attempts JOIN jobs ON jobs.id = job_id WHERE outcome IS NULL AND status <> 'running'""",
    "used more attempts than it was granted": "SELECT id FROM jobs WHERE attempt > max_attempts",
    "changed more often than the feed says": """
        SELECT jobs.id FROM jobs LEFT JOIN changes ON changes.job_id = jobs.id
        GROUP BY jobs.id, jobs.seq HAVING COUNT(changes.position) < jobs.seq""",
    "lists an artifact and did not succeed": """
        SELECT job_id FROM artifacts JOIN jobs ON jobs.id = job_id WHERE status <> 'succeeded'""",
}


def inspect(settings: Settings, http: httpx.Client) -> list[str]:
    """What is wrong, in sentences. Sweeps the artifacts: call it when nothing runs any more."""
    database = Database(settings.database)
    try:
        return [*_inspect_tables(database), *_inspect_bytes(database, settings, http), *_inspect_log(settings)]
    finally:
        database.close()


def _inspect_tables(database: Database) -> Iterator[str]:
    with database.reading() as connection:
        for sentence, query in _BROKEN.items():
            for job_id in connection.execute(text(query)).scalars():
                yield f"{job_id} {sentence}"


def _inspect_bytes(database: Database, settings: Settings, http: httpx.Client) -> Iterator[str]:
    with database.reading() as connection:
        listed = set(connection.execute(text("SELECT DISTINCT key FROM artifacts")).scalars())
    stored = {path.name: path for path in settings.artifacts_folder.glob("*/*")}
    for key in listed:
        if key not in stored or not _is_whole(stored[key]):
            yield f"{key} is listed, and its bytes are not there"
    for key in stored.keys() - listed:
        if http.get(f"/v1/artifacts/{key}").status_code != 404:
            yield f"{key} is served, and no job lists it"
    _sweep(settings)
    left = {path.name for path in settings.artifacts_folder.glob("*/*")}
    for key in left ^ listed:
        yield f"{key} was {'left' if key in left else 'taken'} by the sweep"


def _inspect_log(settings: Settings) -> set[str]:
    """Faults that no part of the stack had expected; it writes these words of nothing else."""
    text = (settings.data_dir / "stack.log").read_text("utf-8", "replace")
    return {line for line in text.splitlines() if line.endswith((" stumbled", "failed unexpectedly"))}


def _is_whole(path: Path) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def _sweep(settings: Settings) -> None:
    reaper = Reaper(settings)
    for shelf in range(SHELVES):
        reaper.sweep_artifacts(shelf, grace_s=-1)
    reaper.close()
