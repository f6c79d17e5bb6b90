"""The reaper: looks, every second, for what nobody looks after. Expired leases, jobs that wait in silence,
deadlines, ticks of schedules, watched folders, webhooks and fetches that are due, bytes that no job lists. Any number
may run, one leads; and should two ever believe that they do, each thing they do is guarded by itself."""

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable

import kombu.exceptions

from config.failpoints import arm
from config.settings import Settings
from forms.desk import open_desk
from jobs.errors import StoreUnavailable
from jobs.values import Job
from models.catalog import read_catalog
from storage.automation.aliases import Routing
from storage.batches.file_folder import FileFolder
from storage.batches.files import Files, sweep
from storage.batches.store import Batches
from storage.bus import BROKER_FAULTS, Bus, Errands, connect
from storage.changes.consequences import Consequences
from storage.changes.feed import trim_feed
from storage.changes.results import trim_results
from storage.claiming.claims import Claims
from storage.claiming.leadership import Leadership
from storage.engine import Database
from storage.jobs.groups import GroupStore
from storage.jobs.orphans import Orphans
from storage.jobs.store import JobStore
from storage.media.artifacts import SHELVES, ArtifactStore
from storage.media.uploads import Uploads
from storage.webhooks.deliveries import Deliveries
from workers.automation.folders import FolderWatch, Lookout
from workers.automation.timetable import Timetable
from workers.narrator import Narrator
from workers.queue import COURIER, DELIVER, ENOUGH, FETCH, FOLLOW, WORK_OFF, Doorbell, build_celery

log = logging.getLogger(__name__)

_HOUSEKEEPING_EVERY_S = 60.0
_LEAD_ROUNDS = 4  # a leader that is not heard of for so many rounds has lost the lead
_ORPHAN_GRACE_S = 3600.0  # far longer than a worker may need between storing bytes and the row that lists them


class Reaper:
    """One round does every duty once; a duty that fails does not keep the others from being done."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = Database(settings.database)
        self._claims = Claims(self._database)
        self._groups = GroupStore(self._database)
        self._deliveries = Deliveries(self._database)
        self._batches = Batches(self._database)
        self._files = Files(self._database)
        self._folder = FileFolder(settings.files_folder)
        self._consequences = Consequences(self._database)
        self._bells = (
            self.ring_for_silent,
            self.ring_for_deliveries,
            self.ring_for_consequences,
            self.ring_for_batches,
            self.ring_for_fetches,
        )
        self._uploads = Uploads(self._database)
        self._orphans = Orphans(JobStore(self._database), ArtifactStore(settings.artifacts_folder))
        catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
        desk = open_desk(settings, catalog, Routing(self._database).recent)
        self._timetable = Timetable(self._database, desk, settings.max_queued)
        watch = FolderWatch(settings, self._database, desk)
        self._lookout = Lookout(watch, self._told)
        self._errands = Errands("errands")
        self._bus = Bus(settings.broker_url, self._errands)
        self._broker = connect(settings.broker_url)
        app = build_celery(settings)
        self._doorbell = Doorbell(app, self._errands)
        self._narrator = Narrator(app)
        self._kept_house_at = time.monotonic()
        self._shelf = 0
        holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._leadership = Leadership(self._database, "reaper", holder, _LEAD_ROUNDS * settings.reap_every_s)

    def round(self) -> None:
        """Every duty once, by whoever leads; the others stand by."""
        if not self._leads():
            return
        looks = (self.lose_expired, self.expire_overdue, self.fire_schedules, self._lookout.wake)
        for duty in (*looks, *self._bells, self._keep_house):
            self._do(duty)

    def lose_expired(self) -> None:
        """Jobs whose worker died or froze run again, or fail at their last attempt."""
        for job in self._told(self._claims.lose_expired()):
            log.warning("job %s: lease of %s ran out, now %s", job.id, job.worker, job.status)
            self._narrator.ended(job, 0.0)

    def expire_overdue(self) -> None:
        self._told(self._claims.expire_overdue())

    def fire_schedules(self) -> None:
        """Jobs of the ticks that have come; the bells for them are rung with those for all that wait."""
        self._told(self._timetable.fire_due())

    def ring_for_silent(self) -> None:
        """As many doorbells as there are claimable jobs, less those that already wait in the queue."""
        for queue in self._claims.queues():
            waiting = int(self._broker.llen(queue))
            if waiting >= ENOUGH:
                continue
            silent = self._claims.claimable(queue, ENOUGH)[waiting:]
            if silent:
                self._doorbell.ring_now([(job_id, queue) for job_id in silent])

    def ring_for_deliveries(self) -> None:
        """The same for webhooks: those whose next try is due, and those whose bell was lost."""
        waiting = int(self._broker.llen(COURIER))
        due = self._deliveries.due(ENOUGH)[waiting:] if waiting < ENOUGH else []
        if due:
            self._doorbell.ring_now([(delivery_id, COURIER) for delivery_id in due], DELIVER)

    def ring_for_consequences(self) -> None:
        """Those whose bell was lost. One bell is enough: who hears it works off all there are."""
        if (silent := self._consequences.waiting(1)) and int(self._broker.llen(COURIER)) < ENOUGH:
            self._doorbell.ring_now([(silent[0], COURIER)], FOLLOW)

    def ring_for_batches(self) -> None:
        """A turn ends when nothing moves for a moment; this begins the next one."""
        due = self._batches.due(ENOUGH)
        if due and int(self._broker.llen(COURIER)) < ENOUGH:
            self._doorbell.ring_now([(batch_id, COURIER) for batch_id in due], WORK_OFF)

    def ring_for_fetches(self) -> None:
        """Inputs whose next try is due, and those whose bell was lost."""
        waiting = int(self._broker.llen(COURIER))
        due = self._uploads.due(ENOUGH)[waiting:] if waiting < ENOUGH else []
        if due:
            self._doorbell.ring_now([(upload_id, COURIER) for upload_id in due], FETCH)

    def sweep_files(self, shelf: int, grace_s: float = _ORPHAN_GRACE_S) -> None:
        """Files whose time is over, and bytes that no row names."""
        sweep(self._files, self._folder, shelf, grace_s)

    def sweep_artifacts(self, shelf: int, grace_s: float = _ORPHAN_GRACE_S) -> None:
        """Of one shelf, what no job lists is set aside; what was aside long enough is deleted."""
        self._orphans.sweep(shelf, grace_s)
        self._orphans.clear(grace_s)

    def close(self) -> None:
        self._do(self._leadership.resign)
        self._narrator.close()
        self._errands.close()
        self._database.close()

    def _keep_house(self) -> None:
        if time.monotonic() - self._kept_house_at < _HOUSEKEEPING_EVERY_S:
            return
        self._kept_house_at = time.monotonic()
        trim_feed(self._database)
        if self._settings.retention_s:
            self._groups.retire(self._settings.retention_s)
            self._claims.retire(self._settings.retention_s)
        trim_results(self._database, self._settings.result_cache_bytes, self._settings.result_cache_ttl_s)
        self._deliveries.retire(self._settings.webhook_retention_s)
        self._batches.retire(self._settings.batch_retention_s)
        self.sweep_files(self._shelf)
        self._uploads.retire(self._settings.upload_retention_s)
        self.sweep_artifacts(self._shelf)
        self._shelf = (self._shelf + 1) % SHELVES

    def _leads(self) -> bool:
        try:
            return self._leadership.hold()
        except StoreUnavailable as fault:
            log.warning("nobody knows who leads: %s", fault)
            return False

    def _told(self, changed: list[Job]) -> list[Job]:
        if changed:
            self._bus.changed()
            self._doorbell.ring_courier(changed)
        return changed

    def _do(self, duty: Callable[[], None]) -> None:
        try:
            duty()
        except (StoreUnavailable, kombu.exceptions.KombuError, *BROKER_FAULTS) as fault:
            log.warning("%s waits for the next round: %s", duty.__name__.strip("_"), fault)
        except Exception:  # the other duties must be done whatever happens to this one
            log.exception("%s stumbled", duty.__name__.strip("_"))


def run_reaper(settings: Settings) -> None:
    """Reap until told to stop."""
    arm(settings.dying_points, settings.freezing_points, settings.data_dir)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    reaper = Reaper(settings)
    while not stopping.wait(settings.reap_every_s):
        reaper.round()
    reaper.close()
