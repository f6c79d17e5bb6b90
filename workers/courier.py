"""The composition root of the courier: Celery for light work, which waits for others more than it computes. Never
imports torch. It delivers webhooks, works off consequences, does batches, and fetches inputs that a URL names."""

import logging
import os
import socket
import threading
import time

from celery.signals import worker_shutting_down

from config.failpoints import arm
from config.settings import Settings
from jobs.errors import StoreUnavailable
from models.catalog import read_catalog
from storage.bus import Bus, Errands
from storage.engine import Database
from workers.batches.desk import BatchDesk
from workers.errands.aftermath import Aftermath
from workers.errands.delivery import Dispatch
from workers.errands.fetching import Fetcher
from workers.pool import WakingThreads
from workers.queue import COURIER, Doorbell, build_celery
from workers.tasks import define_deliver, define_fetch, define_follow, define_work_off

log = logging.getLogger(__name__)

_IN_A_ROW = 20  # then whatever else waits in the queue has its turn


def run_courier(settings: Settings) -> None:
    """Carry until told to stop."""
    arm(settings.dying_points, settings.freezing_points, settings.data_dir)
    Courier(settings).run()


class Courier:
    """One courier process: a pool of threads at one Celery queue."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._draining = threading.Event()
        self._app = build_celery(settings, [COURIER])
        database, errands = Database(settings.database), Errands("errands")
        catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
        doorbell, bus = Doorbell(self._app, errands), Bus(settings.broker_url, errands)
        self._dispatch = Dispatch(settings, database)
        self._aftermath = Aftermath(settings, database, self._app)
        self._desk = BatchDesk(settings, database, catalog, doorbell, bus, self._draining)
        self._fetcher = Fetcher(settings, database, self._draining)
        define_deliver(self._app, self._deliver)
        define_follow(self._app, self._follow)
        define_work_off(self._app, self._work_off)
        define_fetch(self._app, self._fetch)

    def run(self) -> None:
        worker_shutting_down.connect(self._drain, weak=False)
        self._app.Worker(
            hostname=f"courier@{socket.gethostname()}-{os.getpid()}",
            pool=WakingThreads,
            concurrency=self._settings.courier_threads,
            queues=[COURIER],
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            task_events=True,
        ).start()

    def _deliver(self) -> None:
        """One bell, several deliveries: after an outage there is more to do than there are bells."""
        try:
            for _ in range(_IN_A_ROW):
                if self._draining.is_set() or self._dispatch.deliver_next() is None:
                    return
        except StoreUnavailable as fault:
            log.warning("not delivered or not written down, the reaper will ring again: %s", fault)

    def _follow(self) -> None:
        try:
            while not self._draining.is_set() and self._aftermath.work_off():
                pass
        except StoreUnavailable as fault:
            log.warning("consequences wait, the reaper will ring again: %s", fault)

    def _work_off(self) -> None:
        """One bell, one turn; what is due then, the reaper rings for."""
        try:
            if not self._draining.is_set():
                self._desk.turn()
        except StoreUnavailable as fault:
            log.warning("a batch waits for the database, the reaper will ring again: %s", fault)

    def _fetch(self) -> None:
        """Those that wait for what was fetched go on at once."""
        try:
            for _ in range(_IN_A_ROW):
                if self._draining.is_set() or self._fetcher.fetch_next() is None:
                    return
                self._follow()
        except StoreUnavailable as fault:
            log.warning("not fetched or not written down, the reaper will ring again: %s", fault)

    def _drain(self, **_: object) -> None:
        """Told to stop: begin nothing more, and leave at the end of the grace what is still under way. Its lease
        runs out, and another courier tries it again."""
        self._draining.set()
        threading.Thread(target=self._leave_late, name="drain", daemon=True).start()

    def _leave_late(self) -> None:
        time.sleep(self._settings.drain_grace_s)
        log.warning("a receiver outlasts the grace: this process ends")
        os._exit(0)
