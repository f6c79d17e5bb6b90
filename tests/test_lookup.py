"""Status reads: shared queries, the truth of the moment, and no document where nothing has changed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api.watch.lookup import Lookup
from api.watch.views import View
from jobs import lifecycle
from jobs.errors import JobNotFound, StoreUnavailable
from jobs.identity import new_job_id
from jobs.values import Progress, Status
from storage.engine import Database
from storage.jobs.store import JobStore
from tests.batches import submission
from tests.query_plans import statements_of
from tests.stacks import RunningStack

pytestmark = pytest.mark.anyio


async def test_reads_that_arrive_together_share_queries(database: Database) -> None:
    store = JobStore(database)
    ids = [done.job.id for done in store.submit([submission() for _ in range(100)]) if done.job]
    lookup = Lookup(store)
    with statements_of(database) as statements:
        found = await asyncio.gather(*(lookup.get(job_id, "t") for job_id in ids * 10))
    lookup.close()
    assert [job.id for job in found] == ids * 10
    assert len(statements) <= 1 + 1_000 // 128


async def test_a_read_sees_what_was_committed_before_it_was_asked(database: Database) -> None:
    store = JobStore(database)
    (done,) = store.submit([submission()])
    assert done.job
    lookup = Lookup(store)
    for turn in range(20):
        others = [asyncio.create_task(lookup.get(done.job.id)) for _ in range(5)]
        await asyncio.sleep(0)  # a query is under way
        changed = store.retry(done.job.id) if turn % 2 else store.cancel(done.job.id)
        assert (await lookup.get(done.job.id)).seq == changed.seq
        await asyncio.gather(*others)
    lookup.close()


async def test_what_is_not_there_or_not_yours_is_not_found_and_harms_no_neighbour(database: Database) -> None:
    store = JobStore(database)
    (done,) = store.submit([submission(tenant="mine")])
    assert done.job
    lookup = Lookup(store)
    asked = (lookup.get(done.job.id, "mine"), lookup.get(done.job.id, "yours"), lookup.get(new_job_id(), "mine"))
    mine, yours, nobody = await asyncio.gather(*asked, return_exceptions=True)
    lookup.close()
    assert mine == done.job
    assert (type(yours), type(nobody)) == (JobNotFound, JobNotFound)


async def test_a_database_that_is_away_is_told_to_everybody_and_asked_again_afterwards(database: Database) -> None:
    class Away(JobStore):
        away = True

        def get_many(self, job_ids):  # type: ignore[no-untyped-def]
            if self.away:
                raise StoreUnavailable
            return super().get_many(job_ids)

    store = Away(database)
    (done,) = store.submit([submission()])
    assert done.job
    lookup = Lookup(store)
    told = await asyncio.gather(*(lookup.get(done.job.id) for _ in range(3)), return_exceptions=True)
    assert [type(fault) for fault in told] == [StoreUnavailable] * 3
    store.away = False
    assert (await lookup.get(done.job.id)).id == done.job.id
    lookup.close()


async def test_who_gives_up_waiting_takes_nobodys_answer_away(database: Database) -> None:
    store = JobStore(database)
    (done,) = store.submit([submission()])
    assert done.job
    lookup = Lookup(store)
    hasty, patient = (asyncio.create_task(lookup.get(done.job.id)) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).id == done.job.id
    lookup.close()


@pytest.mark.parametrize("status", list(Status))
async def test_the_etag_tells_seq_and_progress_as_the_document_does(status: Status) -> None:
    job = replace(lifecycle.submit(submission(), datetime.now(UTC)), status=status, seq=3)
    for progress in (None, Progress(job.id, 3, 2, 8), Progress(job.id, 2, 7, 8)):
        view = View(job, progress)
        etag = view.etag
        assert "document" not in vars(view), "it was written to be thrown away"
        assert etag == f'"3-{view.document["progress"]:.4f}"'


async def test_parameters_of_a_poll_are_described_and_checked_as_everywhere(stack: RunningStack) -> None:
    described = stack.http.get("/openapi.json").json()["paths"]["/v1/jobs/{job_id}"]["get"]
    assert {given["name"] for given in described["parameters"]} == {"job_id", "wait", "after", "if-none-match"}
    assert {"200", "304", "404", "422", "503"} <= described["responses"].keys()
    job = stack.submit()
    answer = stack.http.get(f"/v1/jobs/{job['id']}", params={"wait": "soon", "after": "-1", "unknown": "x"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "field": "wait",
            "pointer": "#/wait",
            "detail": "Input should be a valid number, unable to parse string as a number",
        },
        {"field": "after", "pointer": "#/after", "detail": "Input should be greater than or equal to 0"},
    ]
    assert stack.http.get(f"/v1/jobs/{job['id']}", params={"unknown": "x"}).status_code == 200
