"""The composition root of the API: opens what it needs, serves, closes it in order."""

import logging

import uvicorn

from api.admission import Admission
from api.app import create_app
from api.context import Context
from api.exposure import check_exposure
from api.follower import Follower
from api.intake import Intake
from config.settings import Settings
from models.catalog import read_catalog
from storage.artifacts import ArtifactStore
from storage.bus import Bus, Errands
from storage.engine import Database
from storage.jobs import JobStore
from workers.breakers import open_circuits
from workers.queue import Doorbell, build_celery

log = logging.getLogger(__name__)

_DRAIN_S = 5


def run_api(settings: Settings, *, host: str, port: int) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError: without keys, the API is offered to nobody but this machine.
    """
    check_exposure(settings, host)
    errands = Errands("errands")
    context = open_context(settings, errands)
    config = uvicorn.Config(
        create_app(context),
        host=host,
        port=port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
        timeout_keep_alive=30,
    )
    try:
        uvicorn.Server(config).run()
    finally:
        errands.close()
        context.database.close()


def open_context(settings: Settings, errands: Errands) -> Context:
    database = Database(settings.database)
    store = JobStore(database)
    catalog = read_catalog(settings.models, diagnostics=settings.diagnostics)
    for broken in catalog.broken:
        log.warning("catalog: %s is left out: %s", broken.file, broken.reason)
    bus = Bus(settings.broker_url, errands)
    doorbell = Doorbell(build_celery(settings, catalog.queues()), errands)
    return Context(
        settings=settings,
        database=database,
        store=store,
        artifacts=ArtifactStore(settings.artifacts_folder),
        catalog=catalog,
        bus=bus,
        doorbell=doorbell,
        intake=Intake(store, doorbell, bus),
        follower=Follower(database, store, settings.broker_url),
        admission=Admission(settings, store, open_circuits(database, settings)),
    )
