"""What follows from rules: in the transaction that works a job's consequences off, the jobs and the deliveries that
its tenant's rules want. So each rule follows each event once, whoever dies."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from forms.desk import Desk, Order
from jobs.document import Document
from jobs.errors import InvalidInput
from jobs.rules import DEPTH_MOST, Rule, concerns, job_event, rule_values
from jobs.values import Event, Job, Webhook
from storage.automation.placing import Wanted, place
from storage.automation.rules import complain, following
from storage.changes.outbox import Consequence
from storage.changes.rows import JOB_COLUMNS, job_of
from storage.tables import JOBS
from storage.webhooks.deliveries import record_delivery

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and the event of a job that it follows."""

    rule: Rule
    happened: Consequence
    event: Event
    job: Job
    seen: Document


class RuleFollower:
    """A kind of consequence, as storage.changes.consequences has them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, connection: Connection, happened: Sequence[Consequence], now: datetime) -> list[Job]:
        """The jobs that were made."""
        return [
            job
            for match in _matches(connection, [one for one in happened if one.event])
            for job in self._follow(connection, match, now)
        ]

    def _follow(self, connection: Connection, match: Match, now: datetime) -> list[Job]:
        made: list[Job] = []
        for index, target in enumerate(match.rule.targets):
            if "webhook" in target:
                told = replace(match.job, webhook=Webhook(target["webhook"]["url"], (match.event,)))
                record_delivery(connection, told, match.event, now)
            elif "route" not in target and (wanted := self._order(connection, match, index)):
                placed = place(connection, wanted, now)
                if placed.refusal:
                    _complain(connection, match, placed.refusal)
                made += placed.jobs
        return made

    def _order(self, connection: Connection, match: Match, index: int) -> Wanted | None:
        rule, depth = match.rule, match.job.lineage.depth + 1
        if depth > DEPTH_MOST:
            _complain(connection, match, f"{DEPTH_MOST} rules stand before this one already.")
            return None
        key = f"rule:{rule.id}:{index}:{match.job.id}:{match.happened.id}"
        try:
            order = Order(rule.tenant, key, f"rule:{rule.id}", depth)
            return self._desk.order(rule.targets[index], rule_values(rule, match.seen), order)
        except InvalidInput as fault:
            _complain(connection, match, fault.told)
            return None


def _matches(connection: Connection, happened: Sequence[Consequence]) -> list[Match]:
    """In the order in which it happened."""
    if not happened:
        return []
    ids = {one.subject for one in happened}
    rows = connection.execute(select(*JOB_COLUMNS).where(JOBS.c.id.in_(ids)))
    jobs = {job.id: job for job in map(job_of, rows)}
    rules = following(connection, sorted({job.tenant for job in jobs.values()}))
    found = []
    for one in happened:
        if rules and (job := jobs.get(one.subject)) and not _is_repeated(job):
            seen = job_event(job, one.status)
            event = Event(one.event or "")
            found += [Match(rule, one, event, job, seen) for rule in rules if concerns(rule, job.tenant, event, seen)]
    return found


def _is_repeated(job: Job) -> bool:
    """Is it for comparison with another job, which rules have followed already?"""
    return bool(job.lineage.shadow_of or job.lineage.replay_of)


def _complain(connection: Connection, match: Match, reason: str) -> None:
    log.warning("rule %s (%s) at job %s: %s", match.rule.id, match.rule.name, match.job.id, reason)
    complain(connection, match.rule, f"at job {match.job.id}: {reason}")
