"""What a batch's jobs have among their inputs that is media, resolved to files just before it runs."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jobs.errors import InputGone, InputUnfit, ModelFault
from jobs.references import parse_reference
from jobs.values import Job
from models.entry import Entry
from models.runner import Attachment
from workers.attempts.bench import Bench

Attached = Mapping[str, Attachment]  # by the name of the input
NO_MEDIA: Mapping[str, Attached] = MappingProxyType({})  # of any job


def attach(bench: Bench, entry: Entry, jobs: Sequence[Job]) -> tuple[dict[str, Attached], dict[str, ModelFault]]:
    """By job: its files, or the fault that is its own and not its neighbours'. Raises: StoreUnavailable."""
    attached: dict[str, Attached] = {}
    faults: dict[str, ModelFault] = {}
    for job in jobs:
        try:
            attached[job.id] = _attach(bench, entry, job)
        except ModelFault as fault:
            faults[job.id] = fault
    return attached, faults


def _attach(bench: Bench, entry: Entry, job: Job) -> Attached:
    named = [name for name in entry.media_inputs if job.input.get(name) is not None]
    return {name: _find(bench, job, name, entry.media_inputs[name]) for name in named}


def _find(bench: Bench, job: Job, name: str, accepts: Sequence[str]) -> Attachment:
    text = str(job.input[name])
    try:
        content = bench.uploads.find(job, parse_reference(text))
    except ValueError:  # the model's schema has changed since the submit
        content = None
    path = bench.artifacts.find(content.key) if content else None
    if content is None or path is None:
        raise InputGone(f"input.{name}: {text[:200]} is not there any more.")
    if content.media_type not in accepts:
        raise InputUnfit(f"input.{name}: this is {content.media_type}; the model takes {', '.join(accepts)}.")
    return Attachment(path, content.media_type)
