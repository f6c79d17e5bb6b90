"""Who shares a batch: how many companions a job may have, and whether to wait a moment for more of them."""

import logging
from collections.abc import Sequence

from jobs.errors import ModelNotFound, StoreUnavailable
from jobs.values import Job
from workers.attempts.bench import Bench
from workers.attempts.generation import kind_of

log = logging.getLogger(__name__)


def room(bench: Bench, lead: Job) -> int:
    """How many companions the lead may have, all of as many outputs as itself: what its model allows, and what
    this device was found to bear."""
    try:
        entry = bench.catalog.find(f"{lead.model}@{lead.model_version}")
    except ModelNotFound:
        return 0
    learnt = bench.capacities.most(kind_of(entry, lead))
    most = entry.batch.max if learnt is None else min(entry.batch.max, learnt)
    return most // max(1, lead.units) - 1


def gather(bench: Bench, jobs: Sequence[Job]) -> list[Job]:
    """Companions that arrive for claimed jobs within their model's `max_wait_ms`. Nobody waits whose batch is
    full, who must run alone, or who came alone."""
    bench.arrivals.note(jobs)
    lead, missing = jobs[0], room(bench, jobs[0]) + 1 - len(jobs)
    if missing <= 0 or lead.batch_key is None or lead.strikes or lead.started_at is None:
        return []
    wait_ms = bench.catalog.find(f"{lead.model}@{lead.model_version}").batch.max_wait_ms
    if not wait_ms or not bench.arrivals.continue_for(lead.batch_key, lead.started_at):
        return []
    if bench.draining.wait(wait_ms / 1000):
        return []
    try:
        late = bench.claims.join(lead, bench.name, bench.lease_s, missing)
    except StoreUnavailable as fault:
        log.warning("no companions: %s", fault)
        return []
    bench.arrivals.note(late)
    return late
