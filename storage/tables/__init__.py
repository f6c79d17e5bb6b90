"""The tables, a module for each concern. Alembic's migrations must agree with them: `safelight db check` compares."""

from storage.tables.aliases import ALIASES, COMPARISONS
from storage.tables.automation import RULES, SCHEDULES, SEEN_FILES, TRIGGERS
from storage.tables.batches import BATCH_LINES, BATCHES, FILES
from storage.tables.consequences import CONSEQUENCES, NEEDS
from storage.tables.feed import CHANGES
from storage.tables.groups import GROUPS, MEMBERS
from storage.tables.jobs import ARTIFACTS, ATTEMPTS, IDEMPOTENCY, JOBS
from storage.tables.operation import CIRCUITS, LEADERS
from storage.tables.parts import METADATA
from storage.tables.results import RESULTS, TWINS
from storage.tables.uploads import UPLOAD_USES, UPLOADS
from storage.tables.webhooks import DELIVERIES, WEBHOOK_SECRETS

__all__ = [
    "ALIASES",
    "ARTIFACTS",
    "ATTEMPTS",
    "BATCHES",
    "BATCH_LINES",
    "CHANGES",
    "CIRCUITS",
    "COMPARISONS",
    "CONSEQUENCES",
    "DELIVERIES",
    "FILES",
    "GROUPS",
    "IDEMPOTENCY",
    "JOBS",
    "LEADERS",
    "MEMBERS",
    "METADATA",
    "NEEDS",
    "RESULTS",
    "RULES",
    "SCHEDULES",
    "SEEN_FILES",
    "TRIGGERS",
    "TWINS",
    "UPLOADS",
    "UPLOAD_USES",
    "WEBHOOK_SECRETS",
]
