"""Deliveries of webhooks: an outbox. A row is written in the transaction that makes its event true; couriers
claim it under a lease, and their word on it is guarded by its fence. The Celery message is only a doorbell."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from jobs.deliveries import (
    Answer,
    Delivery,
    DeliveryStatus,
    announce,
    announce_group,
    deliver_again,
    event_of,
    settle,
)
from jobs.errors import DeliveryNotFound
from jobs.groups import Group
from jobs.identity import first_id_since, new_id
from jobs.values import Event, Job
from storage.engine import Database
from storage.statuses import PENDING
from storage.tables import DELIVERIES

_COLUMNS = tuple(DELIVERIES.c[field.name] for field in fields(Delivery))


def record_events(connection: Connection, changed: Sequence[Job]) -> None:
    """Write down whom these jobs, whose status has just changed, want told. Costs nothing without webhooks."""
    told = [job for job in changed if job.webhook and event_of(job) in job.webhook.events]
    rows = [_row(announce(job, event, new_id())) for job in told if (event := event_of(job))]
    if rows:
        connection.execute(insert(DELIVERIES), rows)


def record_group(connection: Connection, group: Group) -> None:
    """The same of a group that has just ended."""
    if group.webhook:
        connection.execute(insert(DELIVERIES), _row(announce_group(group, new_id())))


def record_delivery(connection: Connection, job: Job, event: Event, now: datetime) -> None:
    """Write down that the job's webhook shall be told of this event, whatever it wants told by itself."""
    connection.execute(insert(DELIVERIES), _row(announce(job, event, new_id(), now)))


def forget_deliveries(connection: Connection, job_id: str) -> None:
    """With a job that its client deletes goes what was to be said of it."""
    connection.execute(delete(DELIVERIES).where(DELIVERIES.c.job_id == job_id))


class Deliveries:
    """The deliveries in the database. Synchronous; every method is one transaction.

    Raises:
        StoreUnavailable: from every method, when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, lease_s: float, without: Collection[str] = ()) -> Delivery | None:
        """Take what has been due for longest, but nothing for the hosts in `without`; None when there is none.
        Two couriers never hold the same delivery."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            query = select(DELIVERIES.c.id).where(*_due(now), DELIVERIES.c.host.not_in(list(without)))
            query = query.order_by(DELIVERIES.c.next_try_at).limit(1).with_for_update(skip_locked=True)
            delivery_id = connection.execute(query).scalar()
            if delivery_id is None:
                return None
            values = {
                "tries": DELIVERIES.c.tries + 1,
                "fence": DELIVERIES.c.fence + 1,
                "lease_until": now + timedelta(seconds=lease_s),
                "last_tried_at": now,
            }
            claimed = update(DELIVERIES).where(DELIVERIES.c.id == delivery_id).values(values)
            return _delivery(connection.execute(claimed.returning(*_COLUMNS)).one())

    def conclude(self, delivery: Delivery, answer: Answer, waits: Sequence[float], spread: float) -> bool:
        """Write down how a try went; False when the lease had passed on, or the delivery is gone."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            settled = (
                update(DELIVERIES)
                .where(DELIVERIES.c.id == delivery.id, DELIVERIES.c.fence == delivery.fence)
                .values(settle(delivery, answer, waits, spread, now))
            )
            return connection.execute(settled).rowcount > 0

    def due(self, limit: int) -> list[str]:
        """Ids of what a courier could take now, longest due first."""
        with self._database.reading() as connection:
            query = select(DELIVERIES.c.id).where(*_due(self._database.now(connection)))
            return list(connection.execute(query.order_by(DELIVERIES.c.next_try_at).limit(limit)).scalars())

    def get(self, delivery_id: str, tenant: str) -> Delivery:
        """Raises: DeliveryNotFound, also when it belongs to another tenant."""
        with self._database.reading() as connection:
            query = select(*_COLUMNS).where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.tenant == tenant)
            row = connection.execute(query).first()
        if row is None:
            raise DeliveryNotFound(f"There is no delivery {delivery_id}.")
        return _delivery(row)

    def list(
        self,
        tenant: str,
        *,
        status: DeliveryStatus | None = None,
        job_id: str | None = None,
        since: datetime | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Delivery]:
        """Newest first: ids sort by time of creation."""
        query = select(*_COLUMNS).where(*_chosen(tenant, status, job_id, since))
        if before_id:
            query = query.where(DELIVERIES.c.id < before_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(DELIVERIES.c.id.desc()).limit(limit))
            return [_delivery(row) for row in rows]

    def redeliver(self, delivery_id: str, tenant: str) -> Delivery:
        """Due at once, whatever became of it; one that is just being tried is not tried twice at a time.

        Raises:
            DeliveryNotFound: there is none of that id, or it belongs to another tenant.
        """
        with self._database.writing() as connection:
            again = update(DELIVERIES).where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.tenant == tenant)
            again = again.values(deliver_again(self._database.now(connection)))
            row = connection.execute(again.returning(*_COLUMNS)).first()
        if row is None:
            raise DeliveryNotFound(f"There is no delivery {delivery_id}.")
        return _delivery(row)

    def redeliver_all(
        self, tenant: str, *, status: DeliveryStatus, job_id: str | None, since: datetime | None, dry_run: bool
    ) -> int:
        """The same for all that a filter chooses; says how many."""
        chosen = _chosen(tenant, status, job_id, since)
        with self._database.writing() as connection:
            if dry_run:
                return connection.execute(select(func.count()).select_from(DELIVERIES).where(*chosen)).scalar_one()
            again = deliver_again(self._database.now(connection))
            return connection.execute(update(DELIVERIES).where(*chosen).values(again)).rowcount

    def retire(self, age_s: float, limit: int = 5_000) -> int:
        """Forget what was delivered, or given up, so long ago; says how many, `limit` at the most."""
        with self._database.writing() as connection:
            before = self._database.now(connection) - timedelta(seconds=age_s)
            old = select(DELIVERIES.c.id).where(DELIVERIES.c.finished_at < before).limit(limit)
            ids = connection.execute(old.order_by(DELIVERIES.c.finished_at)).scalars().all()
            if ids:
                connection.execute(delete(DELIVERIES).where(DELIVERIES.c.id.in_(ids)))
            return len(ids)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(DELIVERIES.c.lease_until.is_(None), DELIVERIES.c.lease_until < now)
    return (PENDING, DELIVERIES.c.next_try_at <= now, free)


def _chosen(
    tenant: str, status: DeliveryStatus | None, job_id: str | None, since: datetime | None
) -> list[ColumnElement[bool]]:
    chosen = [DELIVERIES.c.tenant == tenant]
    if status:
        chosen.append(DELIVERIES.c.status == status.value)
    if job_id:
        chosen.append(DELIVERIES.c.job_id == job_id)
    if since:
        chosen += [DELIVERIES.c.created_at >= since, DELIVERIES.c.id >= first_id_since(since)]
    return chosen


def _row(delivery: Delivery) -> dict[str, Any]:
    return asdict(delivery) | {"event": delivery.event.value, "status": delivery.status.value}


def _delivery(row: Sequence[Any]) -> Delivery:
    cells = dict(zip((field.name for field in fields(Delivery)), row, strict=True))
    return Delivery(**cells | {"event": Event(cells["event"]), "status": DeliveryStatus(cells["status"])})
