"""A claimed batch through its model: in parts that the device is known to bear, filled up to the model's batch
sizes, and in smaller ones when the memory does not suffice after all."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from jobs.errors import OutOfMemory
from jobs.identity import seed_of
from jobs.values import Job
from models.entry import Entry
from models.runner import Request, Result, Runner
from workers.attempts.attachments import NO_MEDIA, Attached
from workers.attempts.bench import Bench
from workers.attempts.lease import Lease
from workers.attempts.steps import Steps

log = logging.getLogger(__name__)

Kind = tuple[str, tuple[int, ...]]


class Made(NamedTuple):
    """A job's result, and in what circumstances it was made."""

    result: Result
    context: Mapping[str, Any]


def generate(
    bench: Bench,
    entry: Entry,
    runner: Runner,
    jobs: Sequence[Job],
    lease: Lease,
    attached: Mapping[str, Attached] = NO_MEDIA,
) -> dict[str, Made]:
    """Results by job. When the device's memory does not suffice, other models make room, and then the batch is
    divided, until each job has had its try alone. What was learnt bounds the batches after it."""
    kind = kind_of(entry, jobs[0])
    parts = list(_parts(jobs, bench.capacities.most(kind)))
    if len(parts) > 1:
        some = (generate(bench, entry, runner, part, lease, attached) for part in parts)
        return {job_id: result for results in some for job_id, result in results.items()}
    outputs = sum(job.units for job in jobs)
    rows = _rows(entry, jobs[0], outputs, bench.capacities.most(kind))
    try:
        with Steps(bench.bus, bench.previews, jobs, lease) as steps:
            results = runner.generate([request_of(entry, job, attached.get(job.id, {})) for job in jobs], steps, rows)
        bench.capacities.note_worked(kind, rows)
        context = bench.models.context(entry, rows)
        return {job.id: Made(result, context) for job, result in zip(jobs, results, strict=True)}
    except OutOfMemory as fault:
        if not bench.models.keep_only(entry):
            bench.capacities.note_failed(kind, rows)
            if len(jobs) == 1 and rows == outputs:
                return {jobs[0].id: Made(fault, {})}
        log.warning("out of memory with %d output(s) of %s: trying with less", rows, entry.full_name)
    return generate(bench, entry, runner, jobs, lease, attached)


def kind_of(entry: Entry, job: Job) -> Kind:
    """What batches of this job have in common, as far as memory goes."""
    return entry.full_name, entry.shape(entry.resolve(job.input))


def request_of(entry: Entry, job: Job, media: Attached) -> Request:
    resolved = entry.resolve(job.input)
    seed = resolved.get("seed")
    seed = seed_of(job.lineage.original or job.id) if seed is None else int(seed)
    return Request(resolved, seed, job.attempt, media)


def _parts(jobs: Sequence[Job], most: int | None) -> Iterator[Sequence[Job]]:
    """In order, each of so many outputs at most, or of one job that has more."""
    first = 0
    while first < len(jobs):
        outputs = accumulate(job.units for job in jobs[first:])
        taken = sum(1 for total in outputs if most is None or total <= most)
        yield jobs[first : first + max(1, taken)]
        first += max(1, taken)


def _rows(entry: Entry, lead: Job, outputs: int, most: int | None) -> int:
    """Filled up, to as many as a replay wants, unless the memory is known not to suffice for that."""
    rows = max(outputs, lead.lineage.rows or entry.batch.padded(outputs))
    return rows if most is None or rows <= most else outputs
