"""Where jobs are ordered without a client's request: templates of schedules, triggers and rules, checked when they
are written, filled and checked again when they fire."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from config.settings import Settings
from egress.addresses import Networks
from forms.groups import group_order_of
from forms.requests import submission_of
from forms.strict_json import check_texts
from jobs.aliases import NO_ROUTES, Routes
from jobs.errors import FieldFault, InvalidInput, ModelNotFound
from jobs.groups import GroupOrder
from jobs.references import DataReference
from jobs.templates import Values, check_places, fill, places_in
from jobs.values import Submission
from models.catalog import Catalog

_TEMPLATE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """What a filled template is ordered under."""

    tenant: str
    key: str  # makes it one job, however often it is ordered; "" for none
    made_by: str  # "schedule:ID", "trigger:ID", "rule:ID"
    depth: int = 0  # how many rules stand between a client's wish and this job


@dataclass(frozen=True, slots=True)
class Desk:
    """What this installation takes orders by."""

    catalog: Catalog
    max_attempts: int
    callable_networks: Networks
    fresh: bool = False  # results are never taken from the cache
    routes: Callable[[], Routes] = lambda: NO_ROUTES

    def check_template(self, template: Mapping[str, Any], roots: tuple[str, ...], tenant: str = "default") -> None:
        """As a submit would be checked, but for what depends on places that are not filled yet.

        Raises:
            InvalidInput: naming every field of the template that is wrong.
        """
        ((part, body),) = template.items()
        if len(json.dumps(body)) > _TEMPLATE_BYTES:
            raise InvalidInput("The template is not valid.", [FieldFault(part, "A template may have 64 KiB.")])
        check_places(template, roots)
        try:
            _check_media(self._wanted(template, Order(tenant, "", "")))
        except InvalidInput as wrong:
            faults = [FieldFault(f"{part}.{one.field}", one.detail) for one in wrong.faults]
            faults = [one for one in faults if not places_in(template, one.field)]
            if faults or not wrong.faults:
                raise InvalidInput(str(wrong), faults) from wrong

    def knows(self, tenant: str, model: str) -> bool:
        """Is there such a model, or such an alias of the tenant's?"""
        try:
            return (tenant, model) in self.routes() or bool(self.catalog.find(model))
        except ModelNotFound:
            return False

    def order(self, template: Mapping[str, Any], values: Values, order: Order) -> Submission | GroupOrder:
        """What a template, `{"job": …}` or `{"group": …}`, makes of these values.

        Raises:
            InvalidInput: it does not fit, or not any more.
        """
        filled = fill(template, values)
        check_texts(filled)  # values are nested as deep as a body may be, and so is what they are put into
        return self._wanted(filled, order)

    def _wanted(self, template: Mapping[str, Any], order: Order) -> Submission | GroupOrder:
        if "group" not in template:
            return self._submission(template["job"], order)
        member = replace(order, key="")
        return group_order_of(
            template["group"],
            lambda body, job_id: self._submission(body, member, job_id),
            tenant=order.tenant,
            idempotency_key=order.key or None,
            callable_networks=self.callable_networks,
        )

    def _submission(self, body: dict[str, Any], order: Order, job_id: str | None = None) -> Submission:
        wanted = submission_of(
            body,
            self.catalog,
            tenant=order.tenant,
            max_attempts=self.max_attempts,
            idempotency_key=order.key or None,
            callable_networks=self.callable_networks,
            fresh=self.fresh,
            routes=self.routes(),
            job_id=job_id,
        )
        return replace(wanted, lineage=replace(wanted.lineage, made_by=order.made_by, depth=order.depth))


def _check_media(wanted: Submission | GroupOrder) -> None:
    """Raises: InvalidInput, for bytes that stand in the template themselves: each job would bring them anew."""
    if isinstance(wanted, GroupOrder):
        members = {f"members.{position}.": member for position, member in enumerate(wanted.members)}
    else:
        members = {"": wanted}
    held = [
        f"{path}input.{media.name}"
        for path, member in members.items()
        for media in member.media
        if isinstance(media.reference, DataReference)
    ]
    if held:
        detail = "A template does not hold bytes: upload them, and name the upload."
        raise InvalidInput("The template is not valid.", [FieldFault(field, detail) for field in held])


def open_desk(settings: Settings, catalog: Catalog, routes: Callable[[], Routes]) -> Desk:
    return Desk(catalog, settings.max_attempts, settings.webhook_networks, not settings.result_cache, routes)
