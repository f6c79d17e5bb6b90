"""A turn at a batch, in steps: look at its file ► take lines in ► settle what has ended ► write the results. Each
step is committed by itself, so a turn may end, or die, after any of them. Called from the courier's threads."""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from config.failpoints import failpoint
from config.settings import Settings
from forms.batch_bodies import job_body
from forms.batches import LineFault, fault_of, read_line
from forms.offer import Offer
from forms.requests import submission_of
from jobs import batches
from jobs.batches import Batch, BatchStatus
from jobs.errors import InvalidInput, StorageFull, StoreUnavailable
from jobs.files import BATCH_OUTPUT, File
from jobs.identity import new_file_id
from jobs.values import Job, Status
from models.catalog import Catalog
from storage.automation.aliases import Routing
from storage.batches.file_folder import Draft, FileFolder
from storage.batches.turns import BatchTurns, Taken, TurnOver
from storage.bus import Bus
from storage.engine import Database
from storage.jobs.store import JobStore
from storage.media.artifacts import ArtifactStore
from workers.batches.answers import Answers
from workers.batches.reading import RawLine, raw_lines, survey
from workers.batches.results import Results, write_all
from workers.queue import Doorbell

log = logging.getLogger(__name__)

_TURN_S = 5.0  # then another batch has its turn
_AT_ONCE_LINES = 200  # in one transaction,
_AT_ONCE_BYTES = 1 << 20  # or as soon as they are so large


class BatchDesk:
    """Works batches off. No more than `batch_outstanding` jobs of a batch are under way at a time, so that neither
    the queue nor anybody's memory grows with its file."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        catalog: Catalog,
        doorbell: Doorbell,
        bus: Bus,
        draining: threading.Event,
    ) -> None:
        self._settings = settings
        self._turns = BatchTurns(database, settings.lease_s)
        self._jobs = JobStore(database)
        self._folder = FileFolder(settings.files_folder)
        self._artifacts = ArtifactStore(settings.artifacts_folder)
        self._catalog = catalog
        self._doorbell = doorbell
        self._bus = bus
        self._draining = draining
        self._routing = Routing(database)

    def turn(self) -> bool:
        """Take what has been due for longest, and go on with it for as long as something moves; False when nothing is
        due.

        Raises:
            StoreUnavailable: the lease runs out, and another turn goes on where this one was.
        """
        batch = self._turns.claim()
        if batch is None:
            return False
        until, began, again = time.monotonic() + _TURN_S, batch, True
        with contextlib.suppress(TurnOver):
            while again and not batch.final and time.monotonic() < until and not self._draining.is_set():
                batch, again = self._step(batch)
        if not batch.final:
            self._turns.release(batch, moved=again or _moved(began, batch))
        return True

    def _step(self, batch: Batch) -> tuple[Batch, bool]:
        """One step, and whether another is worth it at once. A fault that will not go away ends the batch."""
        try:
            if batch.status is BatchStatus.VALIDATING:
                return self._look(batch), True
            if batch.status is BatchStatus.IN_PROGRESS:
                return self._go_on(batch)
            return self._wind_up(batch)
        except FileNotFoundError:
            error = {"code": "input_file_missing", "message": "The input file is gone.", "param": None, "line": None}
            return self._turns.change(batch, batches.break_off([error], self._turns.now())), True
        except StorageFull as fault:
            log.warning("batch %s waits for room on the disk: %s", batch.id, fault)
            return batch, False

    def _look(self, batch: Batch) -> Batch:
        """Is the file as a whole good?"""
        if self._turns.now() >= batch.expires_at:
            return self._turns.change(batch, batches.expire(self._turns.now()))
        with self._input(batch) as file:
            found = survey(file, batch.endpoint, self._heartbeat(batch))
        now = self._turns.now()
        if found.errors:
            return self._turns.change(batch, batches.refuse(found.errors, now))
        return self._turns.change(batch, batches.begin(found.total, found.size, now))

    def _go_on(self, batch: Batch) -> tuple[Batch, bool]:
        """Settle, then take in as many lines as there is room for."""
        now = self._turns.now()
        if now >= batch.expires_at:
            return self._turns.change(batch, batches.expire(now)), True
        batch, ended = self._turns.settle(batch)
        some = min(_AT_ONCE_LINES, self._settings.batch_outstanding)  # fewer are not worth a transaction
        room = self._settings.batch_outstanding - batch.outstanding
        if not batch.taken_in and room >= some and self._queue_has_room():
            return self._take_in(batch, some), True
        if batch.taken_in and not batch.outstanding:
            return self._turns.change(batch, batches.complete(now)), True
        return batch, ended >= some

    def _take_in(self, batch: Batch, most: int) -> Batch:
        with self._input(batch) as file:
            lines = _some(raw_lines(file, batch.line, batch.position), most)
        if not lines:
            raise FileNotFoundError(batch.input_file_id)  # it is shorter than it was
        batch, jobs = self._commit(batch, lines, [self._taken(batch, line) for line in lines if line.raw != b""])
        self._announce(jobs)
        return batch

    def _commit(self, batch: Batch, lines: Sequence[RawLine], taken: Sequence[Taken]) -> tuple[Batch, list[Job]]:
        """All of them together; should the database refuse that, one by one: a line must not take its neighbours with
        it, nor hold the batch up for ever."""
        try:
            return self._turns.take_in(batch, taken, lines[-1].number, lines[-1].end)
        except (StoreUnavailable, TurnOver):
            raise
        except Exception:
            log.exception("batch %s: lines %d to %d are refused", batch.id, lines[0].number, lines[-1].number)
            if len(lines) == 1:
                error = {"code": "internal_error", "message": "The line could not be stored."}
                refused = [Taken(one.line, one.custom_id, None, error) for one in taken]
                return self._turns.take_in(batch, refused, lines[-1].number, lines[-1].end)
        jobs: list[Job] = []
        for line in lines:
            batch, made = self._commit(batch, [line], [one for one in taken if one.line == line.number])
            jobs += made
        return batch, jobs

    def _taken(self, batch: Batch, raw: RawLine) -> Taken:
        """The job that a line makes, or what is wrong with it."""
        try:
            line = read_line(raw.raw, batch.endpoint)
            routes = self._routing.recent()
            try:
                submission = submission_of(
                    job_body(batch.endpoint, line.body, Offer(self._catalog, routes, batch.tenant)),
                    self._catalog,
                    tenant=batch.tenant,
                    max_attempts=self._settings.max_attempts,
                    idempotency_key=None,
                    callable_networks=self._settings.webhook_networks,
                    fresh=not self._settings.result_cache,
                    routes=routes,
                )
            except InvalidInput as wrong:
                raise fault_of(wrong, line.custom_id, batch.endpoint) from wrong
            return Taken(raw.number, line.custom_id, submission)
        except LineFault as fault:
            return Taken(raw.number, fault.custom_id, None, fault.error)

    def _wind_up(self, batch: Batch) -> tuple[Batch, bool]:
        """Stop what is not wanted any more, wait until nothing is under way, write the results."""
        stopped = []
        if batch.ending is not BatchStatus.COMPLETED:
            stopped = self._turns.stop(batch)
            self._tell_stopped(stopped)
        batch, ended = self._turns.settle(batch)
        if batch.outstanding:
            return batch, bool(stopped or ended)
        return self._write(batch), True

    def _write(self, batch: Batch) -> Batch:
        with self._folder.draft() as output, self._folder.draft() as errors:
            results = Results(batch, Answers(batch, self._artifacts), output, errors)
            with self._all_lines(batch) as lines:
                write_all(results, self._turns.ended(batch), lines, self._heartbeat(batch))
            now = self._turns.now()
            files = [self._publish(batch, name, draft) for name, draft in (("output", output), ("error", errors))]
            failpoint("batch:written")
            known = [file.id if file else None for file in files]
            done = batches.finish(batch, known[0], known[1], results.completed, results.failed, now)
            return self._turns.finish(batch, done, [file for file in files if file])

    def _publish(self, batch: Batch, name: str, draft: Draft) -> File | None:
        """None when there is nothing to say."""
        if not draft.bytes:
            return None
        now = self._turns.now()
        file_id = new_file_id()
        draft.publish(file_id)
        expires_at = None if batch.keep_s is None else batches.expiry(now, batch.keep_s)
        return File(file_id, batch.tenant, BATCH_OUTPUT, f"{batch.id}_{name}.jsonl", draft.bytes, now, expires_at)

    @contextlib.contextmanager
    def _all_lines(self, batch: Batch) -> Iterator[Iterator[RawLine]]:
        """Of the input; none if it was never found good, or is gone."""
        if not batch.total or self._path(batch) is None:
            yield iter(())
            return
        with self._input(batch) as file:
            yield raw_lines(file, 0, 0)

    @contextlib.contextmanager
    def _input(self, batch: Batch) -> Iterator[IO[bytes]]:
        """Raises: FileNotFoundError."""
        path = self._path(batch)
        if path is None:
            raise FileNotFoundError(batch.input_file_id)
        with path.open("rb") as file:
            yield file

    def _heartbeat(self, batch: Batch) -> Callable[[], None]:
        """Prolongs the lease, however often it is called, often enough and no more."""
        last = time.monotonic()

        def beat() -> None:
            nonlocal last
            if time.monotonic() - last > self._settings.lease_s / 4:
                self._turns.renew(batch)
                last = time.monotonic()

        return beat

    def _path(self, batch: Batch) -> Path | None:
        return self._folder.find(batch.input_file_id)

    def _queue_has_room(self) -> bool:
        """Half of what a queue may hold is left to those who wait for an answer."""
        most = max(1, self._settings.max_queued // 2)
        return self._jobs.queued(most) < most

    def _announce(self, jobs: Sequence[Job]) -> None:
        if jobs:
            self._doorbell.ring_for(jobs)
            self._bus.changed()

    def _tell_stopped(self, jobs: Sequence[Job]) -> None:
        if jobs:
            self._bus.changed()
            self._doorbell.ring_courier(jobs)
            for job in jobs:
                if job.status is Status.RUNNING:
                    self._bus.cancel(job.id)


def _moved(before: Batch, after: Batch) -> bool:
    counts = [(batch.status, batch.position, batch.completed, batch.failed) for batch in (before, after)]
    return counts[0] != counts[1]


def _some(lines: Iterator[RawLine], most: int) -> list[RawLine]:
    """So many, or fewer when they are large; at least one."""
    taken: list[RawLine] = []
    size = 0
    for line in itertools.islice(lines, most):
        taken.append(line)
        size += len(line.raw or b"")
        if size >= _AT_ONCE_BYTES:
            break
    return taken
