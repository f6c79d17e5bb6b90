"""When will it be finished? The queue played forward, as the workers would run it. Pure: no clock."""

import heapq
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from jobs.values import Place

Pace = tuple[float, float, float]  # seconds for each part of a batch's measure


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job, as far as a forecast needs it."""

    job_id: str
    model: str  # name@version
    work: float
    steps: int
    batch_key: str | None
    units: int


@dataclass(frozen=True, slots=True)
class Running:
    """A running job. `elapsed_s` since its claim; `fraction` of its steps that are done, under its present `seq`."""

    job_id: str
    seq: int
    model: str
    work: float
    steps: int
    worker: str
    elapsed_s: float
    fraction: float


def measure(works: Sequence[float], steps: Sequence[int]) -> tuple[float, float, float]:
    """What the time of a batch depends on: all its work, its denoising steps, and that it is a batch at all."""
    return sum(works), float(max(steps)), 1.0


def forecast(
    waiting: Sequence[Waiting],
    running: Sequence[Running],
    workers: Sequence[str],
    paces: Mapping[str, Pace],
    batch_most: Mapping[str, int],
) -> dict[str, Place]:
    """The place of every job of one queue.

    Args:
        waiting: in claim order.
        workers: names of those that serve the queue.
        paces: by model; of a model without one nobody can tell, nor of what comes after it.
        batch_most: outputs that fit into one batch, by model.
    """
    places, free_at = _running_places(running, paces)
    clock = [free_at.get(worker, 0.0) for worker in workers]
    heapq.heapify(clock)
    etas: dict[str, float | None] = {}
    companions = _by_batch_key(waiting)
    known = bool(clock)
    for lead in waiting:
        if lead.job_id in etas:
            continue
        batch = [lead, *_companions(lead, companions, etas, batch_most.get(lead.model, 1))]
        seconds = _seconds(batch, paces)
        known = known and seconds is not None
        eta_s = clock[0] + seconds if known and seconds is not None else None
        if eta_s is not None:
            heapq.heapreplace(clock, eta_s)
        etas.update((job.job_id, eta_s) for job in batch)
    places.update((job.job_id, Place(position, etas[job.job_id])) for position, job in enumerate(waiting, 1))
    return places


def _running_places(
    running: Sequence[Running], paces: Mapping[str, Pace]
) -> tuple[dict[str, Place], dict[str, float]]:
    """Places of what runs, and when each worker is free."""
    batches: dict[str, list[Running]] = {}
    for job in running:
        batches.setdefault(job.worker, []).append(job)
    places: dict[str, Place] = {}
    free_at: dict[str, float] = {}
    for worker, batch in batches.items():
        seconds = _seconds(batch, paces)
        left = None if seconds is None else _left(seconds, batch[0])
        free_at[worker] = left or 0.0
        places.update((job.job_id, Place(None, left)) for job in batch)
    return places, free_at


def _left(seconds: float, job: Running) -> float:
    """What is still to do: by its steps once some are done, until then by the clock."""
    if job.fraction > 0:
        return seconds * (1.0 - job.fraction)
    return max(0.0, seconds - job.elapsed_s)


def _seconds(batch: Sequence[Waiting] | Sequence[Running], paces: Mapping[str, Pace]) -> float | None:
    pace = paces.get(batch[0].model)
    if pace is None:
        return None
    parts = measure([job.work for job in batch], [job.steps for job in batch])
    return sum(seconds * part for seconds, part in zip(pace, parts, strict=True))


def _by_batch_key(waiting: Sequence[Waiting]) -> dict[str, list[Waiting]]:
    grouped: dict[str, list[Waiting]] = {}
    for job in reversed(waiting):  # so that the best is at the end, and taken first
        if job.batch_key is not None:
            grouped.setdefault(job.batch_key, []).append(job)
    return grouped


def _companions(
    lead: Waiting, grouped: Mapping[str, list[Waiting]], taken: Container[str], most: int
) -> list[Waiting]:
    wanted = most // max(1, lead.units) - 1
    same = grouped.get(lead.batch_key or "", [])
    found: list[Waiting] = []
    while same and len(found) < wanted:
        job = same.pop()
        if job.job_id != lead.job_id and job.job_id not in taken:
            found.append(job)
    return found
