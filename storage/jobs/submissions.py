"""Accepting jobs: rows, idempotency keys and feed of many submissions in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select

from jobs import lifecycle
from jobs.errors import FieldFault
from jobs.values import Job, Status, Submission
from storage.changes.changing import listed
from storage.changes.feed import entry_of, said
from storage.changes.outbox import record_consequences
from storage.changes.results import Key, begin, find_makers, record_sharing
from storage.changes.rows import JOB_COLUMNS, job_of, row_of
from storage.inserting import Row, insert_rows
from storage.jobs.needs import await_needs, missing_needs
from storage.media.attaching import look_up_media, write_uses
from storage.tables import IDEMPOTENCY, JOBS
from storage.webhooks.deliveries import record_events

RESEND_WINDOW = timedelta(minutes=10)  # a marked retry that comes later is a new wish


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of one submission: a new job, the job its key made before, or none: the keys conflict, it needs
    what its tenant does not have, or has media among its inputs that cannot be."""

    job: Job | None
    replayed: bool = False
    missing: tuple[str, ...] = ()
    faults: tuple[FieldFault, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Why there is no job, for those who have no client to tell."""
        if self.job is not None:
            return None
        if self.faults:
            return "; ".join(map(str, self.faults))
        return f"It needs {', '.join(self.missing)}, which is not there." if self.missing else "Its key is taken."

    @property
    def conflict(self) -> bool:
        return self.job is None and not self.missing and not self.faults


def find_lacking(connection: Connection, wanted: Sequence[Submission], now: datetime) -> dict[str, Submitted]:
    """By submission, what those get that lack something. Writes nothing."""
    missing = missing_needs(connection, wanted)
    sources = look_up_media(connection, wanted, now)
    found = {one.id: Submitted(None, missing=missing.get(one.id, ()), faults=sources.faults(one)) for one in wanted}
    return {job_id: lacking for job_id, lacking in found.items() if lacking.missing or lacking.faults}


def insert_submissions(connection: Connection, wanted: Sequence[Submission], now: datetime) -> list[Submitted]:
    """Insert what is new; answer what is known. A key seen twice in one call makes one job."""
    known = _jobs_by_key(connection, wanted) | _jobs_by_resend(connection, wanted, now)
    makers = find_makers(connection, wanted)
    missing = missing_needs(connection, wanted)
    sources = look_up_media(connection, wanted, now)
    answers: list[Submitted] = []
    fresh: list[tuple[Submission, Job]] = []
    for submission in wanted:
        key = _key(submission)
        if key in known and _may_be_replayed(submission):
            body_hash, job = known[key]
            answers.append(Submitted(job, replayed=True) if body_hash == submission.body_hash else Submitted(None))
            continue
        faults = sources.faults(submission) if submission.media else ()
        if faults or submission.id in missing:
            answers.append(Submitted(None, missing=missing.get(submission.id, ()), faults=faults))
            continue
        job = begin(sources.settled(submission) if submission.media else submission, makers, now)
        fresh.append((submission, job))
        if job.status is Status.QUEUED or job.needs:  # whose work is done for itself
            fresh += [(shadow, lifecycle.submit(sources.settled(shadow), now)) for shadow in submission.shadows]
        answers.append(Submitted(job))
        if key[1]:
            known[key] = (submission.body_hash, job)
    _insert(connection, fresh, makers, now)
    write_uses(connection, sources, [submission for submission, _ in fresh])
    await_needs(connection, [job for _, job in fresh])
    return answers


def earlier(connection: Connection, wanted: Submission) -> Submitted | None:
    """What its key made before; None when it made nothing yet."""
    known = _jobs_by_key(connection, [wanted]).get(_key(wanted))
    if known is None:
        return None
    body_hash, job = known
    return Submitted(job, replayed=True) if body_hash == wanted.body_hash else Submitted(None)


def _insert(
    connection: Connection, fresh: Sequence[tuple[Submission, Job]], makers: Mapping[Key, Job], now: datetime
) -> None:
    if not fresh:
        return
    jobs = [job for _, job in fresh]
    keys = _keys_of(connection, fresh, now)
    entries = [entry_of(job, "submit") for job in jobs]
    insert_rows(connection, (JOBS, [row_of(job) for job in jobs]), said(entries), keys)
    if makers:
        _share(connection, jobs, makers, now)
    record_consequences(connection, jobs)


def _share(connection: Connection, jobs: Sequence[Job], makers: Mapping[Key, Job], now: datetime) -> None:
    """Of jobs whose result is shared; those that have one already are as finished as any."""
    record_sharing(connection, jobs, makers, now)
    answered = [job for job in jobs if job.cached]
    if answered:
        insert_rows(connection, said([entry_of(job, "reuse") for job in answered]), listed(answered))
        record_events(connection, answered)


def _keys_of(
    connection: Connection, fresh: Sequence[tuple[Submission, Job]], now: datetime
) -> tuple[Table, Sequence[Row]]:
    """Which key made which job. A key of the client's own is never forgotten by a later submit; one that only
    marks a resend always stands for the newest sending. In the order of keys, so that two
    processes with the same keys wait for each other instead of blocking each other."""
    rows: dict[tuple[str, str], Row] = {}
    for submission, job in fresh:
        tenant, key = _key(submission)
        if key:
            values = {"body_hash": submission.body_hash, "job_id": job.id, "created_at": now}
            rows[tenant, key] = {"tenant": tenant, "key": key, **values}
    sendings = [_key(submission) for submission, _ in fresh if not submission.idempotency_key and submission.resend]
    if sendings:
        connection.execute(delete(IDEMPOTENCY).where(_is_one_of(sendings)))
    return IDEMPOTENCY, [rows[key] for key in sorted(rows)]


def _may_be_replayed(submission: Submission) -> bool:
    """A first sending is a new wish, however much it looks like an earlier one."""
    return bool(submission.idempotency_key or (submission.resend and submission.resend.retry))


def _key(submission: Submission) -> tuple[str, str]:
    """The tenant, and the key that this submission goes by; "" for none."""
    marked = submission.resend.key if submission.resend else ""
    return submission.tenant, submission.idempotency_key or marked


def _jobs_by_resend(
    connection: Connection, wanted: Sequence[Submission], now: datetime
) -> dict[tuple[str, str], tuple[str, Job]]:
    retries = [s for s in wanted if not s.idempotency_key and s.resend and s.resend.retry]
    return _jobs_of(connection, [_key(s) for s in retries], now - RESEND_WINDOW)


def _jobs_by_key(connection: Connection, wanted: Sequence[Submission]) -> dict[tuple[str, str], tuple[str, Job]]:
    return _jobs_of(connection, [_key(s) for s in wanted if s.idempotency_key], None)


def _jobs_of(
    connection: Connection, keys: Sequence[tuple[str, str]], since: datetime | None
) -> dict[tuple[str, str], tuple[str, Job]]:
    if not keys:
        return {}
    query = select(IDEMPOTENCY).where(_is_one_of(keys))
    if since is not None:
        query = query.where(IDEMPOTENCY.c.created_at >= since)
    known = connection.execute(query).all()
    if not known:
        return {}
    query_jobs = select(*JOB_COLUMNS).where(JOBS.c.id.in_([row.job_id for row in known]))
    jobs = {job.id: job for job in map(job_of, connection.execute(query_jobs))}
    return {(row.tenant, row.key): (row.body_hash, jobs[row.job_id]) for row in known if row.job_id in jobs}


def _is_one_of(keys: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    """By tenant, not as pairs: for pairs SQLite reads the whole table."""
    tenants = {tenant for tenant, _ in keys}
    return or_(
        *(
            and_(IDEMPOTENCY.c.tenant == tenant, IDEMPOTENCY.c.key.in_([key for of, key in keys if of == tenant]))
            for tenant in tenants
        )
    )
