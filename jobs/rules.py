"""Rules: what shall follow when something happens to a job that fits a pattern. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.document import Document, timestamp
from jobs.patterns import Pattern, matches
from jobs.values import Event, Job, Priority

DEPTH_MOST = 5  # rules that may stand between a client's wish and a job: what makes itself again comes to an end
ROOTS = ("job", "rule")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its row stands. The comments say how each field moves over time."""

    id: str  # never changes
    tenant: str  # never changes
    name: str  # unique among the tenant's
    event: Event  # never changes
    pattern: Pattern
    targets: Sequence[Mapping[str, Any]]  # each {"job": …}, {"webhook": …} or {"route": …}
    enabled: bool
    follows: bool  # has targets that follow a change of a job, not only such that come before it
    last_error: str | None  # why the latest target could not be served
    created_at: datetime

    @property
    def routes(self) -> Sequence[Mapping[str, Any]]:
        return [target["route"] for target in self.targets if "route" in target]


def job_event(job: Job, status: str) -> Document:
    """The job as patterns match it and templates speak of it, `${job.…}`, when it had this status."""
    return {
        "id": job.id,
        "tenant": job.tenant,
        "model": job.model,
        "model_version": job.model_version,
        "priority": job.priority.word,
        "status": status,
        "input": job.input,
        "metadata": job.metadata,
        "media_type": sorted({output.media_type for output in job.outputs}),
        "outputs": [f"job:{job.id}#{index}" for index in range(len(job.outputs))],
        "output_urls": [f"/v1/artifacts/{output.key}" for output in job.outputs],
        "seeds": [output.seed for output in job.outputs],
        "error": {"code": job.error.code, "message": job.error.message} if job.error else None,
        "made_by": job.lineage.made_by,
        "depth": job.lineage.depth,
    }


def wish_event(tenant: str, body: Mapping[str, Any], model: tuple[str, str] | None) -> Document:
    """The same of what a client asks for, before there is a job. `model`: its name and version, if there is such."""
    name, version = model or (body.get("model"), None)
    return {
        "tenant": tenant,
        "model": name,
        "model_version": version,
        "priority": body.get("priority", Priority.INTERACTIVE.word),
        "status": "submitted",
        "input": body.get("input"),
        "metadata": body.get("metadata", {}),
    }


def concerns(rule: Rule, tenant: str, event: Event, seen: Document) -> bool:
    return rule.enabled and rule.tenant == tenant and rule.event is event and matches(rule.pattern, seen)


def rule_values(rule: Rule, seen: Document) -> Document:
    """What the rule's templates are filled with."""
    return {"job": seen, "rule": {"id": rule.id, "name": rule.name}}


def rule_document(rule: Rule) -> Document:
    return {
        "id": rule.id,
        "name": rule.name,
        "on": rule.event.value,
        "pattern": rule.pattern,
        "targets": list(rule.targets),
        "enabled": rule.enabled,
        "last_error": rule.last_error,
        "created_at": timestamp(rule.created_at),
        "urls": {"self": f"/v1/rules/{rule.id}"},
    }
