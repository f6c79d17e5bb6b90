"""What the handlers work with: opened in api.process, carried by the app, handed to each handler."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.gate.admission import Admission
from api.gate.intake import Intake
from api.gate.rulebook import RuleBook
from api.gate.tickets import Tickets
from api.watch.audience import Audience
from api.watch.figures import Figures
from api.watch.follower import Follower
from api.watch.forecast import Forecast
from api.watch.hearing import Hearing
from api.watch.lookup import Lookup
from api.watch.queues import Queues
from config.settings import Settings
from forms.desk import Desk
from jobs.groups import Group
from jobs.values import Job
from models.catalog import Catalog
from storage.automation.aliases import Routing
from storage.automation.rules import Rules
from storage.automation.schedules import Schedules
from storage.automation.triggers import Triggers
from storage.batches.file_folder import FileFolder
from storage.batches.files import Files
from storage.batches.store import Batches
from storage.bus import Bus
from storage.engine import Database
from storage.jobs.groups import GroupStore
from storage.jobs.store import JobStore
from storage.media.artifacts import ArtifactStore
from storage.media.previews import PreviewReader
from storage.media.uploads import Uploads
from storage.webhooks.deliveries import Deliveries
from storage.webhooks.signing_secrets import WebhookSecrets
from workers.queue import Doorbell

TENANT = "default"  # whose jobs a request sees while nobody has a key


@dataclass(frozen=True, slots=True)
class Automation:
    """What makes jobs by itself, or makes other jobs of them."""

    desk: Desk
    schedules: Schedules
    triggers: Triggers
    rules: Rules
    rulebook: RuleBook


@dataclass(frozen=True, slots=True)
class Context:
    """The open parts of one API process."""

    settings: Settings
    routing: Routing
    database: Database
    store: JobStore
    artifacts: ArtifactStore
    catalog: Catalog
    bus: Bus
    doorbell: Doorbell
    intake: Intake
    lookup: Lookup[Job]
    groups: GroupStore
    group_lookup: Lookup[Group]
    hearing: Hearing
    follower: Follower
    forecast: Forecast
    audience: Audience
    previews: PreviewReader
    tickets: Tickets
    admission: Admission
    figures: Figures
    queues: Queues
    deliveries: Deliveries
    webhook_secrets: WebhookSecrets
    files: Files
    file_folder: FileFolder
    batches: Batches
    uploads: Uploads
    automation: Automation


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def _depend(request: Request) -> Context:
    """Async, or it would be called in a thread, for every request."""
    return context_of(request)


Ctx = Annotated[Context, Depends(_depend)]
