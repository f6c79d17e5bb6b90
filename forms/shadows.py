"""Shadow jobs: the same work on another version of a model, for comparison."""

from dataclasses import replace

from jobs.aliases import Alias, choose_shadows
from jobs.errors import InvalidInput, ModelNotFound
from jobs.identity import new_job_id
from jobs.values import IfNeedFails, Lineage, Priority, Submission
from models.catalog import Catalog
from models.entry import Entry


def shadows_of(first: Submission, alias: Alias, catalog: Catalog) -> tuple[Submission, ...]:
    """What an alias has done again of this job. Of a version that is not there, or cannot do it, nothing."""
    wanted = []
    for model in choose_shadows(alias, first.id):
        try:
            entry = catalog.find(model)
            entry.validate_input(first.input)
        except (ModelNotFound, InvalidInput):
            continue
        if (entry.name, entry.version) != (first.model, first.model_version):
            wanted.append(_shadow(first, alias, entry))
    return tuple(wanted)


def _shadow(first: Submission, alias: Alias, entry: Entry) -> Submission:
    """Waits until the first has succeeded, hurries nobody, tells nobody."""
    resolved = entry.resolve(first.input)
    return replace(
        first,
        id=new_job_id(),
        queue=entry.queue,
        model=entry.name,
        model_version=entry.version,
        priority=Priority.BATCH,
        metadata={},
        batch_key=entry.batch_key(resolved),
        units=entry.units(resolved),
        steps=entry.steps(resolved),
        work=entry.work(resolved),
        deadline=None,
        idempotency_key=None,
        body_hash="",
        resend=None,
        webhook=None,
        lineage=Lineage(alias=alias.name, shadow_of=first.id, if_need_fails=IfNeedFails.SKIP),
        needs=(first.id,),
        cache_key=None,
        consequential=True,
    )
