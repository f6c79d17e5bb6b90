"""What the service asks of its database costs the same however many jobs are finished."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from jobs.identity import first_id_since, new_id, new_job_id
from jobs.references import MediaInput, UploadReference, UrlReference
from jobs.uploads import Content
from jobs.values import Resend, Status
from storage.changes.consequences import Consequences
from storage.changes.feed import Feed, trim_feed
from storage.claiming.backlog import read_backlog
from storage.claiming.circuits import Circuits
from storage.claiming.claims import Claims
from storage.claiming.depths import read_deliveries_depth, read_depths
from storage.engine import Database
from storage.jobs.mending import Choice, Mending
from storage.jobs.needs import meet_needs
from storage.jobs.store import JobStore
from storage.media.uploads import Uploads
from storage.migrations import upgrade
from storage.tables import (
    CHANGES,
    JOBS,
)
from storage.webhooks.deliveries import Deliveries
from tests.batches import submission, success
from tests.crowds import FINISHED, LONG_AGO, NOW, crowd
from tests.query_plans import costs_of
from tests.servers import new_postgres_database
from workers.errands.aftermath import FOLLOW

TOUCHED_MOST = 2_500  # a walk over the finished ones touches them all


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with many finished jobs, and a few that are not."""
    if request.param == "postgresql":
        database = Database(new_postgres_database(request.getfixturevalue("postgres")))
    else:
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('crowded') / 'jobs.db'}")
        upgrade(database)
    crowd(database)
    yield database
    database.close()


def _turn_over(database: Database) -> None:
    claims = Claims(database)
    jobs = claims.claim("gpu", "w", 60.0, lambda _: 7)
    assert len(jobs) == 8
    claims.renew({job.id: job.fence for job in jobs}, 60.0)
    claims.conclude([success(job.id, job.fence) for job in jobs])


def _submit(database: Database) -> None:
    store, marked = JobStore(database), Resend("marked", retry=True)
    wanted = [submission(idempotency_key=f"key-{number}", body_hash="h") for number in range(1_000, 13_800, 100)]
    assert all(answer.replayed for answer in store.submit(wanted))
    store.submit([submission(idempotency_key=new_id()), submission(resend=marked)])


def _share(database: Database) -> None:
    """Most were done before, one is to be done, and the others wait for it; then it is."""
    store, claims = JobStore(database), Claims(database)
    known = [submission(cache_key=f"work-{number}") for number in range(1_010, 7_410, 100)]
    work = new_id()
    fresh = [submission(cache_key=work, queue="shared") for _ in range(16)]
    statuses = [done.job.status for done in store.submit([*known, *fresh]) if done.job]
    assert statuses == [Status.SUCCEEDED] * 64 + [Status.QUEUED] + [Status.WAITING] * 15
    (job,) = claims.claim("shared", "w", 60.0, lambda _: 0)
    claims.conclude([success(job.id, job.fence)])
    while Consequences(database, FOLLOW).work_off()[0]:
        pass
    assert {job.status for job in store.get_many([one.id for one in fresh])} == {Status.SUCCEEDED}


def _follow(database: Database) -> None:
    need = submission(queue="first")
    JobStore(database).submit([need, submission(queue="then", needs=(need.id,))])
    (job,) = Claims(database).claim("first", "w", 60.0, lambda _: 0)
    Claims(database).conclude([success(job.id, job.fence)])
    consequences = Consequences(database, [meet_needs])
    assert need.id in consequences.waiting(10)
    _, released = consequences.work_off()
    assert [one.queue for one in released] == ["then"]


def _fetch(database: Database) -> None:
    uploads, store = Uploads(database), JobStore(database)
    content = Content("new.png", "ab", 7, "image/png")
    here = uploads.add("t", None, content, 60.0)
    url = MediaInput("b", UrlReference("http://x/a"), ("image/png",))
    both = submission(queue="media", media=(MediaInput("a", UploadReference(here.id), ("image/png",)), url))
    store.submit([both, submission(queue="media", media=(url,))])
    assert uploads.due(10)
    fetched = uploads.claim(60.0, ["elsewhere"])
    assert fetched
    uploads.conclude(fetched, content, (), 1.0, 60.0)
    assert Consequences(database, [meet_needs]).work_off()[1]
    assert uploads.find(store.get(both.id), url.reference) == content
    assert len(uploads.list("t", before_id=new_id())) == 50


def _read_feed(database: Database) -> None:
    feed = Feed(database)
    feed.read()
    gap = FINISHED - 50
    with database.writing() as connection:
        rows = connection.execute(select(CHANGES.c.job_id).where(CHANGES.c.position == gap)).one()
        connection.execute(delete(CHANGES).where(CHANGES.c.position == gap))
    feed = Feed(database)
    feed._gaps = {gap: 1e12}
    feed._position = FINISHED
    with database.writing() as connection:
        connection.execute(insert(CHANGES), {"position": gap, "job_id": rows.job_id, "verb": "", "model": ""})
    assert feed.read()[0].job_id == rows.job_id


def _store(act: Callable[[JobStore], Any]) -> Callable[[Database], Any]:
    return lambda database: act(JobStore(database))


def _claims(act: Callable[[Claims], Any]) -> Callable[[Database], Any]:
    return lambda database: act(Claims(database))


def _deliveries(act: Callable[[Deliveries], Any]) -> Callable[[Database], Any]:
    return lambda database: act(Deliveries(database))


def _listed(**given: Any) -> Callable[[Database], Any]:
    return lambda database: JobStore(database).list("t", **given)


def _forget(store: JobStore) -> None:
    (oldest,) = store.list("t", statuses=[Status.FAILED], model="rare", limit=1)
    assert store.attempts(oldest.id)
    store.retry(oldest.id)
    store.cancel(oldest.id)
    store.delete(oldest.id)


def _mend(database: Database) -> None:
    for model in (None, "rare"):
        choice = Choice("t", (Status.FAILED, Status.EXPIRED), model, since=LONG_AGO, before=NOW)
        assert Mending(database).count(choice, "", 10).count


DUTIES: dict[str, Callable[[Database], Any]] = {
    "claim with companions, renew, conclude": _turn_over,
    "claim with a preference": _claims(lambda claims: claims.claim("gpu", "w", 60.0, lambda _: 0, warm=["rare@1"])),
    "claim of an empty queue": _claims(lambda claims: claims.claim("nowhere", "w", 60.0, lambda _: 7)),
    "lose_expired": _claims(lambda claims: claims.lose_expired()),
    "expire_overdue": _claims(lambda claims: claims.expire_overdue()),
    "claimable": _claims(lambda claims: claims.claimable("gpu", 64)),
    "queues": _claims(lambda claims: claims.queues()),
    "holders": _claims(lambda claims: claims.holders()),
    "release": _claims(lambda claims: claims.release("busy")),
    "retire": _claims(lambda claims: claims.retire(864_000.0, 20)),
    "submit": _submit,
    "share results": _share,
    "consequences and needs": _follow,
    "get_many": _store(lambda store: store.get_many([new_job_id() for _ in range(128)])),
    "queued": _store(lambda store: store.queued(100_000)),
    "unfinished": _store(lambda store: store.unfinished("t", 1000)),
    "attempts, retry, cancel, delete": _store(_forget),
    "artifacts of many keys": _store(lambda store: store.listed([f"{number}.png" for number in range(1_000, 1_050)])),
    "artifact of a tenant": _store(lambda store: store.lists_artifact("19000.png", "t")),
    "list": _listed(),
    "list by a common status": _listed(statuses=[Status.SUCCEEDED]),
    "list by a rare status": _listed(statuses=[Status.FAILED]),
    "list by statuses": _listed(statuses=[Status.QUEUED, Status.RUNNING, Status.FAILED]),
    "list by a status nobody has": _listed(statuses=[Status.CANCELED]),
    "list by a common model": _listed(model="m"),
    "list by a rare model": _listed(model="rare"),
    "list by no model": _listed(model="none"),
    "list by model and status": _listed(model="rare", statuses=[Status.FAILED, Status.CANCELED]),
    "list since": _listed(since=NOW),
    "list since, by model": _listed(since=NOW, model="rare"),
    "list onward": lambda database: JobStore(database).list("t", before_id=JobStore(database).list("t")[-1].id),
    "list onward by model": _listed(before_id=new_job_id(), model="rare", statuses=[Status.FAILED]),
    "list oldest first, by model": _listed(after_id=first_id_since(LONG_AGO), model="rare", oldest_first=True),
    "list of another tenant": lambda database: JobStore(database).list("nobody", statuses=[Status.FAILED]),
    "mend": _mend,
    "depths": read_depths,
    "depth of deliveries": read_deliveries_depth,
    "backlog": lambda database: read_backlog(database, 5_000),
    "feed": _read_feed,
    "trim the feed": trim_feed,
    "circuits": lambda database: Circuits(database, failures=3, window_s=60, open_s=60).all(),
    "deliveries due": _deliveries(lambda deliveries: deliveries.due(64)),
    "claim a delivery": _deliveries(lambda deliveries: deliveries.claim(60.0, ["elsewhere"])),
    "list deliveries": _deliveries(lambda deliveries: deliveries.list("t")),
    "uploads and fetches": _fetch,
    "retire uploads": lambda database: Uploads(database).retire(60.0, 20),
    "artifact of an upload": _store(lambda store: store.lists_artifact("up-19000.png", "t")),
    "retire deliveries": _deliveries(lambda deliveries: deliveries.retire(864_000.0, 20)),
}


@pytest.mark.parametrize("duty", DUTIES.values(), ids=DUTIES)
def test_no_duty_reads_finished_jobs_that_it_does_not_want(
    crowded: Database, duty: Callable[[Database], Any]
) -> None:
    with costs_of(crowded) as costs:
        duty(crowded)
    assert costs, "nothing was asked"
    dear = [str(cost) for cost in costs if cost.scans or cost.touched > TOUCHED_MOST]
    assert not dear, "\n".join(dear)


def test_a_statement_that_does_read_them_is_found_out(crowded: Database) -> None:
    with costs_of(crowded) as costs, crowded.reading() as connection:
        connection.execute(select(JOBS.c.id).where(JOBS.c.worker == "nobody")).all()
    assert costs[0].scans
    assert costs[0].touched >= FINISHED * 0.9
