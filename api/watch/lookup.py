"""Looking jobs and groups up: requests that arrive together share one query and one thread, however many poll."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from jobs.errors import JobNotFound, SafelightError
from jobs.groups import Group
from jobs.values import Job

_BATCH_MOST = 128

Found = TypeVar("Found", Job, Group)
Read = TypeVar("Read", covariant=True)


class Reader(Protocol[Read]):
    """A store that reads by primary key."""

    def get_many(self, ids: Sequence[str], /) -> Sequence[Read]: ...


class Lookup(Generic[Found]):
    """Reads by primary key. One query at a time: while it runs, the next batch gathers by itself. Every query begins
    after its requests came, so each sees what was committed before."""

    def __init__(self, store: Reader[Found], absent: type[SafelightError] = JobNotFound) -> None:
        self._store: Reader[Found] = store
        self._absent = absent
        self._asked: list[tuple[str, asyncio.Future[Found | None]]] = []
        self._reader = ThreadPoolExecutor(1, "lookup")
        self._task: asyncio.Task[None] | None = None

    async def get(self, asked: str, tenant: str | None = None) -> Found:
        """The job, or the group, as it stands.

        Raises:
            JobNotFound, GroupNotFound: also when it belongs to another tenant.
            StoreUnavailable: the database does not answer.
        """
        answer: asyncio.Future[Found | None] = asyncio.get_running_loop().create_future()
        self._asked.append((asked, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._read_all(), name="lookup")
        found = await answer
        if found is None or tenant not in (None, found.tenant):
            raise self._absent(f"There is no {'job' if self._absent is JobNotFound else 'group'} {asked}.")
        return found

    def close(self) -> None:
        self._reader.shutdown(wait=False)

    async def _read_all(self) -> None:
        try:
            while self._asked:
                batch, self._asked = self._asked[:_BATCH_MOST], self._asked[_BATCH_MOST:]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: Sequence[tuple[str, asyncio.Future[Found | None]]]) -> None:
        ids = list(dict.fromkeys(asked for asked, _ in batch))
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._reader, self._read, ids)
        except Exception as fault:  # whoever asked must be answered
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(fault)
            return
        for asked, answer in batch:
            if not answer.done():
                answer.set_result(found.get(asked))

    def _read(self, ids: Sequence[str]) -> Mapping[str, Found]:
        return {one.id: one for one in self._store.get_many(ids)}
