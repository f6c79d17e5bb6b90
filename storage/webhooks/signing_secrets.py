"""The secrets that webhooks are signed with: one that was made here and kept, so that every courier signs alike,
or those that the operator configured."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from jobs.errors import Conflict
from jobs.identity import new_id
from storage.engine import Database
from storage.tables import WEBHOOK_SECRETS

_PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A secret as Standard Webhooks has them."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


class WebhookSecrets:
    """The valid secrets of each tenant. `configured` ones, newest first, stand for all of them.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database, configured: Sequence[str] = ()) -> None:
        self._database = database
        self._configured = list(configured)

    def valid(self, tenant: str) -> list[str]:
        """Newest first, never empty: a tenant that has none gets one."""
        if self._configured:
            return self._configured
        with self._database.reading() as connection:
            found = _valid(connection, tenant, self._database.now(connection))
        return found or self._make_first(tenant)

    def rotate(self, tenant: str, keep_s: float) -> str:
        """Make a new one; the one before stays valid for so long, and what was before that no longer.

        Raises:
            Conflict: they are configured, so a new one must be as well.
        """
        if self._configured:
            raise Conflict("The secrets are set by SAFELIGHT_WEBHOOK_SECRETS: put the new one in front there.")
        try:
            return self._rotate(tenant, keep_s)
        except IntegrityError:  # another process rotated in the same moment
            return self._rotate(tenant, keep_s)

    def _rotate(self, tenant: str, keep_s: float) -> str:
        mine, made = WEBHOOK_SECRETS.c.tenant == tenant, new_secret()
        with self._database.writing() as connection:
            now = self._database.now(connection)
            connection.execute(delete(WEBHOOK_SECRETS).where(mine, WEBHOOK_SECRETS.c.valid_until.is_not(None)))
            ending = {"valid_until": now + timedelta(seconds=keep_s)}
            connection.execute(update(WEBHOOK_SECRETS).where(mine).values(ending))
            _insert(connection, tenant, made, now)
        return made

    def _make_first(self, tenant: str) -> list[str]:
        try:
            with self._database.writing() as connection:
                now = self._database.now(connection)
                if not _valid(connection, tenant, now):
                    _insert(connection, tenant, new_secret(), now)
        except IntegrityError:  # another process made one in the same moment
            pass
        with self._database.reading() as connection:
            return _valid(connection, tenant, self._database.now(connection))


def _valid(connection: Connection, tenant: str, now: datetime) -> list[str]:
    until = WEBHOOK_SECRETS.c.valid_until
    query = select(WEBHOOK_SECRETS.c.secret).where(WEBHOOK_SECRETS.c.tenant == tenant)
    query = query.where(or_(until.is_(None), until > now)).order_by(until.is_(None).desc(), until.desc())
    return list(connection.execute(query).scalars())


def _insert(connection: Connection, tenant: str, secret: str, now: datetime) -> None:
    row = {"id": new_id(), "tenant": tenant, "secret": secret, "created_at": now}
    connection.execute(insert(WEBHOOK_SECRETS), row)
