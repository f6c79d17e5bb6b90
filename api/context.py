"""What the handlers work with: opened in api.process, carried by the app, handed to each handler."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.admission import Admission
from api.audience import Audience
from api.figures import Figures
from api.follower import Follower
from api.forecast import Forecast
from api.hearing import Hearing
from api.intake import Intake
from api.lookup import Lookup
from api.queues import Queues
from api.rulebook import RuleBook
from api.tickets import Tickets
from config.settings import Settings
from forms.desk import Desk
from jobs.groups import Group
from jobs.values import Job
from models.catalog import Catalog
from storage.aliases import Routing
from storage.artifacts import ArtifactStore
from storage.batches import Batches
from storage.bus import Bus
from storage.deliveries import Deliveries
from storage.engine import Database
from storage.file_folder import FileFolder
from storage.files import Files
from storage.groups import GroupStore
from storage.jobs import JobStore
from storage.previews import PreviewReader
from storage.rules import Rules
from storage.schedules import Schedules
from storage.triggers import Triggers
from storage.uploads import Uploads
from storage.webhook_secrets import WebhookSecrets
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
