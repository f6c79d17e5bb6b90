"""The composition root of the worker: opens what a worker needs, wires Celery to it, and lets go of its
jobs in order when the process is told to stop."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

from config.failpoints import arm
from config.settings import Settings
from jobs import lifecycle
from jobs.errors import JobNotFound, StoreUnavailable
from jobs.values import Status
from models.capacity import Capacities
from models.catalog import read_catalog
from models.loading import LoadedModels
from storage.bus import BROKER_FAULTS, CANCEL, Bus, Errands, connect
from storage.claiming.claims import Claims, Ending
from storage.engine import Database
from storage.jobs.orphans import Orphans
from storage.jobs.store import JobStore
from storage.media.artifacts import ArtifactStore
from storage.media.previews import PreviewWriter
from storage.media.uploads import Uploads
from workers.attempts.attempt import work_off
from workers.attempts.bench import Bench
from workers.attempts.hands import Hands
from workers.attempts.preloading import choose, preload
from workers.breakers import open_circuits
from workers.choosing.affinity import Affinity
from workers.choosing.arrivals import Arrivals
from workers.choosing.pace import Paces
from workers.choosing.shares import Shares
from workers.narrator import Narrator, celery_name
from workers.pool import WakingThreads
from workers.queue import Doorbell, build_celery
from workers.tasks import answer_revoke, define_look

log = logging.getLogger(__name__)

_PRESENCE_EVERY_S = 1.0
_RECONNECT_S = 1.0


def run_worker(
    settings: Settings,
    *,
    queues: Sequence[str] = (),
    name: str | None = None,
    device_index: int | None = None,
) -> None:
    """Work until told to stop. `name` is given by a supervisor that guarantees there is no second worker
    of that name: whatever the last one held is free at once. `device_index` picks one of several GPUs."""
    arm(settings.dying_points, settings.freezing_points, settings.data_dir)
    worker = Worker(settings, queues, name, device_index)
    if name:
        worker.free_predecessor()
    worker.run()


class Worker:
    """One worker process: one model runner, one job (or batch) at a time."""

    def __init__(self, settings: Settings, queues: Sequence[str], name: str | None, device_index: int | None) -> None:
        self.settings = settings
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
        self.queues = list(queues) or self.catalog.queues()
        self.database = Database(settings.database)
        self.jobs = JobStore(self.database)
        self.claims = Claims(self.database)
        self.errands = Errands("errands")
        self.bus = Bus(settings.broker_url, self.errands)
        self.models = LoadedModels(settings.device, device_index, settings.loaded_models, settings.torch_threads)
        self.draining = threading.Event()
        self.warm = threading.Event()
        self.app = self._build_app()
        self.doorbell = Doorbell(self.app, self.errands)
        artifacts = ArtifactStore(settings.artifacts_folder)
        self.bench = Bench(
            name=self.name,
            claims=self.claims,
            circuits=open_circuits(self.database, settings),
            artifacts=artifacts,
            orphans=Orphans(self.jobs, artifacts),
            uploads=Uploads(self.database),
            bus=self.bus,
            previews=PreviewWriter(settings.broker_url, self.errands),
            doorbell=self.doorbell,
            narrator=Narrator(self.app),
            catalog=self.catalog,
            models=self.models,
            capacities=Capacities(),
            affinity=Affinity(settings.affinity_looks, settings.affinity_s),
            arrivals=Arrivals(),
            paces=Paces(),
            shares=Shares(settings.batch_share),
            lease_s=settings.lease_s,
            heartbeat_s=settings.heartbeat_s,
            draining=self.draining,
            hands=Hands(),
        )

    def free_predecessor(self) -> None:
        """Nobody of this name lives but us: what the name still holds can run again at once."""
        freed = self.claims.release(self.name)
        if freed:
            log.warning("freed %d job(s) of the worker that died before this one", len(freed))
            self.bus.changed()
            self.doorbell.ring_for(freed)
            for job in freed:
                self.bench.narrator.ended(job, 0.0)

    def run(self) -> None:
        worker_shutting_down.connect(self._drain, weak=False)
        worker_ready.connect(self._start_threads, weak=False)
        answer_revoke(self._cancel)
        self._preload()
        self.app.Worker(
            hostname=celery_name(self.name),
            pool=WakingThreads,
            concurrency=1,
            queues=self.queues,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            task_events=True,
        ).start()
        self.bench.narrator.close()

    def _preload(self) -> None:
        """Meanwhile others hear that there is a worker, which is not warm yet: their jobs wait for it."""
        chosen = choose(self.bench, self.settings.preloaded_models, self.queues, self.settings.loaded_models)
        if chosen:
            self._start_threads()
            preload(self.bench, chosen)
        self.warm.set()

    def _build_app(self) -> Celery:
        app = build_celery(self.settings, self.queues)
        define_look(app, self._look)
        return app

    def _look(self, queue: str) -> int:
        try:
            return work_off(self.bench, queue)
        except StoreUnavailable as fault:
            log.warning("nothing claimed or concluded, the reaper will ring again: %s", fault)
            return 0

    def _cancel(self, job_id: str) -> None:
        try:
            job = self.jobs.cancel(job_id)
        except (JobNotFound, StoreUnavailable):
            return
        self.bus.changed()
        self.doorbell.ring_courier([job])
        if job.status is Status.RUNNING:
            self.bus.cancel(job_id)

    def _start_threads(self, **_: object) -> None:
        worker_ready.disconnect(self._start_threads)
        for work in (self._show_presence, self._listen_for_cancels):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()

    def _show_presence(self) -> None:
        while not self.draining.is_set():
            word = {
                "worker": self.name,
                "queues": self.queues,
                "warm": self.models.names if self.warm.is_set() else [],
                "paces": self.bench.paces.word(),
            }
            self.bus.presence(word)
            time.sleep(_PRESENCE_EVERY_S)

    def _listen_for_cancels(self) -> None:
        client = connect(self.settings.broker_url, timeout_s=30.0)
        while not self.draining.is_set():
            try:
                with client.pubsub(  # type: ignore[no-untyped-call]
                    ignore_subscribe_messages=True
                ) as channel:
                    channel.subscribe(CANCEL)
                    while True:
                        message = channel.get_message(timeout=10.0)
                        if message:
                            self.bench.hands.look_now(message["data"])
            except BROKER_FAULTS:
                time.sleep(_RECONNECT_S)  # meanwhile the heartbeat sees cancels, a second later

    def _drain(self, **_: object) -> None:
        """Told to stop: claim nothing more, and hand back what is in hand within the grace. A step that
        outlasts it is left alone with its process: the fence keeps it from writing."""
        self.draining.set()
        threading.Thread(target=self._hand_back_late, name="drain", daemon=True).start()

    def _hand_back_late(self) -> None:
        give_up_at = time.monotonic() + self.settings.drain_grace_s
        while not self.bench.hands.empty:
            if time.monotonic() > give_up_at:
                self._hand_back_and_end()
            time.sleep(0.05)

    def _hand_back_and_end(self) -> None:
        log.warning("a step outlasts the grace: its jobs are handed back, this process ends")
        try:
            if held := self.bench.hands.fences:
                self.claims.conclude([Ending(*one, lifecycle.hand_back) for one in held.items()])
                self.bus.changed()
                self.bench.narrator.close()
                self.errands.close()
        except StoreUnavailable as fault:
            log.warning("not handed back, the leases will run out: %s", fault)
        finally:
            os._exit(0)
