"""The result cache: which job has made, or is to make, the result of some work, so that identical work is done once.
An entry names a job and holds no bytes: it is forgotten with its job. Never across tenants."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, update

from jobs import lifecycle
from jobs.values import Job, Status, Submission
from storage.changes.outbox import mark_consequential
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.engine import Database
from storage.tables import JOBS, RESULTS, TWINS

Key = tuple[str, str]  # tenant and cache key

_NOTED_EVERY = timedelta(minutes=1)  # a use is not written down more often
_ENTRIES_MOST = 100_000  # more would make counting their bytes dear
_AT_ONCE = 1_000


def find_makers(connection: Connection, wanted: Sequence[Submission]) -> dict[Key, Job]:
    """Who has made, or is to make, what these want. They stay as they are until the transaction ends, and so do all
    that these need: locked together, in the order of ids, as everybody does. Who ended without a result is
    forgotten."""
    keys = {key for submission in wanted if (key := _key(submission))}
    if not keys:
        return {}
    query = select(RESULTS.c.tenant, RESULTS.c.cache_key, RESULTS.c.job_id).where(_is_one_of(keys))
    named = {(row.tenant, row.cache_key): row.job_id for row in connection.execute(query)}
    if not named:
        return {}
    needed = {need for submission in wanted for need in submission.needs}
    locked = select(*JOB_COLUMNS).where(JOBS.c.id.in_(needed | set(named.values())))
    rows = connection.execute(locked.order_by(JOBS.c.id).with_for_update())
    jobs = {job.id: job for job in map(job_of, rows)}
    vain = [job_id for job_id in named.values() if job_id in jobs and _is_vain(jobs[job_id])]
    if vain:
        connection.execute(delete(RESULTS).where(RESULTS.c.job_id.in_(vain)))
    makers = {key: jobs[job_id] for key, job_id in named.items() if job_id in jobs}
    return {key: job for key, job in makers.items() if not _is_vain(job)}


def begin(wanted: Submission, makers: dict[Key, Job], now: datetime) -> Job:
    """The job as it is first committed: with the result of identical work, waiting for it, or to do that work, which
    the next one that wants it will find among the makers."""
    key = _key(wanted)
    maker = makers.get(key) if key else None
    if maker is not None and maker.status is Status.SUCCEEDED:
        return lifecycle.answer(wanted, maker, now)
    if maker is not None and _is_ahead(maker, wanted):
        return lifecycle.follow(wanted, now)
    job = lifecycle.submit(wanted, now)
    if key and maker is None:
        makers[key] = job
    return job


def record_sharing(connection: Connection, fresh: Sequence[Job], makers: Mapping[Key, Job], now: datetime) -> None:
    """Of new rows: who makes what, who waits for whom, and what was used again. Raises: IntegrityError, when another
    process has just begun the same work; the next look finds it."""
    shared = [(job, makers[key].id) for job in fresh if (key := _key(job)) and key in makers]
    making = sorted((job.tenant, job.cache_key or "", job.id) for job, maker in shared if job.id == maker)
    if making:
        columns = ("tenant", "cache_key", "job_id", "created_at", "last_used_at")
        connection.execute(insert(RESULTS), [dict(zip(columns, (*one, now, now), strict=True)) for one in making])
    if twins := [{"job_id": job.id, "maker_id": maker} for job, maker in shared if job.status is Status.WAITING]:
        connection.execute(insert(TWINS), twins)
        mark_consequential(connection, {twin["maker_id"] for twin in twins})
    if used := {maker for job, maker in shared if job.cached}:
        not_lately = RESULTS.c.last_used_at < now - _NOTED_EVERY
        connection.execute(update(RESULTS).where(RESULTS.c.job_id.in_(used), not_lately).values(last_used_at=now))


def keep_results(connection: Connection, succeeded: Sequence[Job]) -> None:
    """Their outputs are there: from now on whoever wants the same has them at once. Costs nothing for other jobs."""
    made = {job.id: sum(output.bytes for output in job.outputs) for job in succeeded if job.cache_key}
    if made:
        now = max(job.finished_at for job in succeeded if job.finished_at)
        values = {"bytes": case(made, value=RESULTS.c.job_id), "created_at": now, "last_used_at": now}
        connection.execute(update(RESULTS).where(RESULTS.c.job_id.in_(list(made))).values(**values))


def pass_on(connection: Connection, maker_id: str, successor_id: str) -> None:
    """Another job makes it in the place of one that will not."""
    connection.execute(update(RESULTS).where(RESULTS.c.job_id == maker_id).values(job_id=successor_id))


def trim_results(database: Database, most_bytes: int, ttl_s: float) -> None:
    """Forget entries that are older than allowed, and of the others those not used for longest, until the rest has
    so few bytes. No bytes are deleted: the jobs list them still."""
    with database.writing() as connection:
        expired = RESULTS.c.created_at < database.now(connection) - timedelta(seconds=ttl_s)
        _forget(connection, expired, RESULTS.c.created_at)
        unused = _last_used_beyond(connection, most_bytes)
        if unused is not None:
            _forget(connection, RESULTS.c.last_used_at <= unused, RESULTS.c.last_used_at)


def _last_used_beyond(connection: Connection, most_bytes: int) -> datetime | None:
    """When the first entry was last used that is one too many; None while all have room."""
    order = RESULTS.c.last_used_at.desc()
    total = func.sum(RESULTS.c.bytes).over(order_by=order, rows=(None, 0)).label("total")
    number = func.row_number().over(order_by=order).label("number")
    newest = select(RESULTS.c.last_used_at, total, number).order_by(order).limit(_ENTRIES_MOST + 1).subquery()
    beyond = or_(newest.c.total > most_bytes, newest.c.number > _ENTRIES_MOST)
    moment: datetime | None = connection.execute(select(func.max(newest.c.last_used_at)).where(beyond)).scalar()
    return moment


def _forget(connection: Connection, which: ColumnElement[bool], order: ColumnElement[datetime]) -> None:
    query = select(RESULTS.c.job_id).where(which).order_by(order).limit(_AT_ONCE).with_for_update(skip_locked=True)
    doomed = connection.execute(query).scalars().all()
    if doomed:
        connection.execute(delete(RESULTS).where(RESULTS.c.job_id.in_(doomed)))


def _key(work: Submission | Job) -> Key | None:
    """What waits for other things first is not looked up: nobody should wait with it. Who races shares neither: a
    result from elsewhere would win without being counted."""
    return (work.tenant, work.cache_key) if work.cache_key and not work.needs and not work.lineage.race else None


def _is_vain(maker: Job) -> bool:
    return maker.final and maker.status is not Status.SUCCEEDED


def _is_ahead(maker: Job, wanted: Submission) -> bool:
    """Would its result come no later than one's own? Nobody interactive waits for what batch has its time for."""
    wanted_still = not maker.cancel_requested
    return wanted_still and (maker.status is Status.RUNNING or maker.priority <= wanted.priority)


def _is_one_of(keys: set[Key]) -> ColumnElement[bool]:
    """By tenant, not as pairs: for pairs SQLite reads the whole table."""
    tenants = {tenant for tenant, _ in keys}
    return or_(
        *(
            and_(RESULTS.c.tenant == tenant, RESULTS.c.cache_key.in_([key for of, key in keys if of == tenant]))
            for tenant in tenants
        )
    )
