"""Looking jobs up: requests that arrive together share one query and one thread, however many clients poll."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from jobs.errors import JobNotFound
from jobs.values import Job
from storage.jobs import JobStore

_BATCH_MOST = 128

_Asked = tuple[str, "asyncio.Future[Job | None]"]


class Lookup:
    """Reads by primary key. One query at a time: while it runs, the next batch gathers by itself. Every query begins
    after its requests came, so each sees what was committed before."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._asked: list[_Asked] = []
        self._reader = ThreadPoolExecutor(1, "lookup")
        self._task: asyncio.Task[None] | None = None

    async def get(self, job_id: str, tenant: str | None = None) -> Job:
        """The job as it stands.

        Raises:
            JobNotFound: also when the job belongs to another tenant.
            StoreUnavailable: the database does not answer.
        """
        answer: asyncio.Future[Job | None] = asyncio.get_running_loop().create_future()
        self._asked.append((job_id, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._read_all(), name="lookup")
        job = await answer
        if job is None or tenant not in (None, job.tenant):
            raise JobNotFound(f"There is no job {job_id}.")
        return job

    def close(self) -> None:
        self._reader.shutdown(wait=False)

    async def _read_all(self) -> None:
        try:
            while self._asked:
                batch, self._asked = self._asked[:_BATCH_MOST], self._asked[_BATCH_MOST:]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        ids = list({job_id: None for job_id, _ in batch})
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._reader, self._read, ids)
        except Exception as fault:  # whoever asked must be answered
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(fault)
            return
        for job_id, answer in batch:
            if not answer.done():
                answer.set_result(found.get(job_id))

    def _read(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        return {job.id: job for job in self._store.get_many(job_ids)}
