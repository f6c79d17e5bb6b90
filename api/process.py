"""The composition root of the API: opens what it needs, serves, closes it in order."""

import gc
import logging
import resource
import socket

import uvicorn

from api.app import create_app
from api.context import Automation, Context
from api.gate.admission import Admission
from api.gate.exposure import check_exposure
from api.gate.intake import Intake
from api.gate.rulebook import RuleBook
from api.gate.tickets import Tickets
from api.routes.stats import counting
from api.watch.audience import Audience
from api.watch.figures import Figures
from api.watch.follower import Follower
from api.watch.forecast import Forecast
from api.watch.hearing import Hearing
from api.watch.lookup import Lookup
from api.watch.queues import Queues
from api.web.body import MAX_BODY_BYTES
from api.web.wire import HttpWire, WebSocketWire
from config.failpoints import arm
from config.settings import Settings
from forms.desk import open_desk
from jobs.errors import GroupNotFound
from models.catalog import Catalog, read_catalog
from storage.automation.aliases import Routing
from storage.automation.rules import Rules
from storage.automation.schedules import Schedules
from storage.automation.triggers import Triggers
from storage.batches.file_folder import FileFolder
from storage.batches.files import Files
from storage.batches.store import Batches
from storage.bus import Bus, Errands
from storage.engine import Database
from storage.jobs.groups import GroupStore
from storage.jobs.store import JobStore
from storage.media.artifacts import ArtifactStore
from storage.media.previews import PreviewReader
from storage.media.uploads import Uploads
from storage.webhooks.deliveries import Deliveries
from storage.webhooks.signing_secrets import WebhookSecrets
from workers.breakers import open_circuits
from workers.queue import Doorbell, build_celery

log = logging.getLogger(__name__)

_DRAIN_S = 5
_FILES = 65_536
_GARBAGE = (10_000, 20, 20)  # requests die young and without cycles: the usual 700 looks for garbage at each tenth


def run_api(settings: Settings, *, host: str, port: int, share_port: bool = False) -> None:
    """Serve until told to stop. With `share_port`, other processes that say the same may listen there too.

    Raises:
        SettingsError: without keys, the API is offered to nobody but this machine.
    """
    check_exposure(settings, host)
    arm(settings.dying_points, settings.freezing_points, settings.data_dir)
    errands = Errands("errands")
    context = open_context(settings, errands)
    config = uvicorn.Config(
        counting(create_app(context), context.figures),
        host=host,
        port=port,
        http=HttpWire,
        ws=WebSocketWire,
        ws_ping_interval=10,
        ws_ping_timeout=10,
        ws_max_size=MAX_BODY_BYTES,
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
        timeout_keep_alive=30,
    )
    try:
        _raise_file_limit()
        gc.freeze()  # what lives as long as the process need not be looked at again: it made the slowest answers slow
        gc.set_threshold(*_GARBAGE)
        _Server(config, context.follower).run([_shared(host, port)] if share_port else None)
    finally:
        errands.close()
        context.database.close()


class _Server(uvicorn.Server):
    """Told to stop, it first lets go of everybody who waits, so that no stream outlasts the grace."""

    def __init__(self, config: uvicorn.Config, follower: Follower) -> None:
        super().__init__(config)
        self._follower = follower

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._follower.drain()
        await super().shutdown(sockets)


def _shared(host: str, port: int) -> socket.socket:
    """One of several sockets on this port: the kernel deals connections out to those that listen."""
    shared = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((host, port))
    return shared


def _raise_file_limit() -> None:
    """Each socket is an open file; the usual limit of 1,024 is for other programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_catalog(settings: Settings) -> Catalog:
    catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
    for broken in catalog.broken:
        log.warning("catalog: %s is left out: %s", broken.file, broken.reason)
    return catalog


def open_context(settings: Settings, errands: Errands) -> Context:
    database, catalog = Database(settings.database), _open_catalog(settings)
    store, groups, routing = JobStore(database), GroupStore(database), Routing(database)
    bus, hearing = Bus(settings.broker_url, errands), Hearing(settings.broker_url)
    doorbell = Doorbell(build_celery(settings, catalog.queues()), errands)
    follower = Follower(database, store, hearing)
    previews = PreviewReader(settings.broker_url)
    figures = Figures(sorted({entry.name for entry in catalog.entries()}))
    follower.on_entries = figures.note
    return Context(
        settings=settings,
        database=database,
        store=store,
        artifacts=ArtifactStore(settings.artifacts_folder),
        catalog=catalog,
        bus=bus,
        doorbell=doorbell,
        intake=Intake(store, doorbell, bus),
        lookup=Lookup(store),
        groups=groups,
        group_lookup=Lookup(groups, GroupNotFound),
        hearing=hearing,
        follower=follower,
        forecast=Forecast(database, catalog, hearing, follower),
        audience=Audience(follower, previews),
        previews=previews,
        tickets=Tickets(settings.broker_url),
        admission=Admission(settings, store, open_circuits(database, settings), routing),
        figures=figures,
        queues=Queues(database, catalog.queues()),
        deliveries=Deliveries(database),
        uploads=Uploads(database),
        webhook_secrets=WebhookSecrets(database, settings.webhook_keys),
        files=Files(database),
        file_folder=FileFolder(settings.files_folder),
        batches=Batches(database),
        routing=routing,
        automation=_open_automation(settings, database, catalog, routing),
    )


def _open_automation(settings: Settings, database: Database, catalog: Catalog, routing: Routing) -> Automation:
    rules, desk = Rules(database), open_desk(settings, catalog, lambda: routing.routes)
    return Automation(
        desk=desk,
        schedules=Schedules(database),
        triggers=Triggers(database),
        rules=rules,
        rulebook=RuleBook(rules, desk),
    )
