"""`safelight webhooks`: deliveries and secrets, through the API."""

import json
from collections.abc import Iterator

import click

from cli.client import Api, Document, Refused
from cli.options import agree, show, with_api

_STATUSES = ("pending", "delivered", "dead")


@click.group("webhooks")
def webhooks_command() -> None:
    """Deliveries of webhooks, and the secret they are signed with."""


@webhooks_command.command("list")
@click.option("--status", type=click.Choice(_STATUSES))
@click.option("--job", metavar="ID", help="Of this job.")
@click.option("--since", help="RFC 3339, or an age such as 1h.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@with_api
def list_command(api: Api, as_json: bool, status: str | None, job: str | None, since: str | None, limit: int) -> None:
    """Newest first."""
    deliveries = list(_all(api, status, job, since, limit))
    show({"deliveries": deliveries}, as_json, lambda: "\n".join(map(_line, deliveries)) or "no such deliveries")


@webhooks_command.command("show")
@click.argument("delivery_id", metavar="ID")
@with_api
def show_command(api: Api, as_json: bool, delivery_id: str) -> None:
    """One delivery, with its body."""
    delivery = api.get(f"/v1/webhooks/deliveries/{delivery_id}")
    show(delivery, as_json, lambda: _page(delivery))


@webhooks_command.command("redeliver")
@click.argument("delivery_ids", metavar="[ID...]", nargs=-1)
@click.option("--dead", is_flag=True, help="All that were given up, instead of ids.")
@click.option("--job", metavar="ID", help="With --dead: of this job.")
@click.option("--since", help="With --dead: created since; RFC 3339, or an age such as 1h.")
@click.option("--dry-run", is_flag=True, help="Only say how many.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_api
def redeliver_command(
    api: Api,
    as_json: bool,
    delivery_ids: tuple[str, ...],
    dead: bool,
    job: str | None,
    since: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Deliver again, under the same webhook-id."""
    if bool(delivery_ids) == dead or (delivery_ids and (job or since or dry_run)):
        raise click.UsageError("name ids, or --dead with a filter")
    if delivery_ids:
        _each(api, delivery_ids, as_json)
        return
    wanted = {"status": "dead", "job": job, "since": since}
    path = "/v1/webhooks/deliveries/redeliver"
    found = api.post(path, wanted | {"dry_run": True})
    if not dry_run and found["deliveries"]:
        agree(f"deliver {found['deliveries']} again?", yes, harmless=True)
        found = api.post(path, wanted)
    verb = "would be" if found["dry_run"] else "will be"
    show(found, as_json, lambda: f"{found['deliveries']} {verb} delivered again")


@webhooks_command.command("secret")
@with_api
def secret_command(api: Api, as_json: bool) -> None:
    """The newest secret, to verify signatures with."""
    secret = api.get("/v1/webhooks/default/secret")
    show(secret, as_json, lambda: str(secret["key"]))


@webhooks_command.command("rotate")
@click.option("--keep-h", default=24.0, show_default=True, type=click.FloatRange(0, 168), help="Hours.")
@with_api
def rotate_command(api: Api, as_json: bool, keep_h: float) -> None:
    """Make a new secret; the one before stays valid for a while, beside it."""
    secret = api.post(f"/v1/webhooks/default/secret/rotate?keep_s={keep_h * 3600:g}")
    show(secret, as_json, lambda: str(secret["key"]))


def _all(api: Api, status: str | None, job: str | None, since: str | None, most: int) -> Iterator[Document]:
    cursor = None
    while most > 0:
        page = api.get(
            "/v1/webhooks/deliveries", status=status, job=job, since=since, limit=min(200, most), cursor=cursor
        )
        yield from page["deliveries"]
        most -= len(page["deliveries"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _each(api: Api, delivery_ids: tuple[str, ...], as_json: bool) -> None:
    """Say of each how it went; exit 1 if one was refused."""
    refused = 0
    for delivery_id in delivery_ids:
        try:
            delivery = api.post(f"/v1/webhooks/deliveries/{delivery_id}/redeliver")
            show(delivery, as_json, lambda delivery=delivery: _line(delivery))  # type: ignore[misc]
        except Refused as fault:
            refused += 1
            complaint = json.dumps({"id": delivery_id, "error": fault.message})
            click.echo(complaint if as_json else f"{delivery_id}  {fault.message}")
    if refused:
        raise Refused(f"{refused} of {len(delivery_ids)} refused")


def _line(delivery: Document) -> str:
    outcome = delivery["last_error"] or delivery["last_status"] or ""
    place = delivery["url"].split("?")[0]
    return (
        f"{delivery['id']}  {delivery['status']:<9}  {delivery['event']:<9}  {delivery['tries']:>2} tries  "
        f"{place if len(place) <= 48 else place[:47] + '…'}  {outcome}"
    )


def _page(delivery: Document) -> str:
    facts = {name: value for name, value in delivery.items() if name not in ("id", "status", "urls", "body")}
    lines = [f"{delivery['id']}  {delivery['status']}"]
    lines += [f"  {name:<13}  {value}" for name, value in facts.items() if value is not None]
    return "\n".join([*lines, "", delivery["body"]])
