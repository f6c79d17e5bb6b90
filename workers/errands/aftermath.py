"""The aftermath of changes: has their consequences worked off, and tells whom they concern. The composition of what
follows from what: a new kind of consequence is one more function here."""

from collections.abc import Sequence

from celery import Celery

from config.settings import Settings
from forms.desk import open_desk
from jobs.groups import Group
from jobs.values import Job, Status
from models.catalog import read_catalog
from storage.automation.aliases import Routing
from storage.automation.comparing import compare_shadows
from storage.bus import Bus, Errands
from storage.changes.consequences import Consequences, Follow
from storage.engine import Database
from storage.jobs.needs import meet_needs
from storage.jobs.settling import settle_groups
from storage.jobs.twins import answer_twins
from workers.automation.rules import RuleFollower
from workers.queue import Doorbell

# Groups are locked before any job.
FOLLOW: Sequence[Follow] = (settle_groups, answer_twins, meet_needs, compare_shadows)


class Aftermath:
    """Owned by one process; its methods may be called from several threads."""

    def __init__(self, settings: Settings, database: Database, app: Celery) -> None:
        catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
        desk = open_desk(settings, catalog, Routing(database).recent)
        errands = Errands("aftermath")
        self._consequences = Consequences(database, (*FOLLOW, RuleFollower(desk)))
        self._bus = Bus(settings.broker_url, errands)
        self._doorbell = Doorbell(app, errands)

    def work_off(self) -> int:
        """Some of what waits; says how much it was. Raises: StoreUnavailable."""
        count, changed = self._consequences.work_off()
        if changed:
            self._announce([one for one in changed if isinstance(one, Job)])
            for group in changed:
                if isinstance(group, Group) and group.final and group.webhook:
                    self._doorbell.ring_delivery(group.id)
        return count

    def _announce(self, changed: Sequence[Job]) -> None:
        self._bus.changed()
        self._doorbell.ring_for(changed)
        for job in changed:
            if job.status is Status.RUNNING and job.cancel_requested:
                self._bus.cancel(job.id)
