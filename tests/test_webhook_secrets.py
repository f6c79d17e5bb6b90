"""The secrets of webhooks on both databases, and signatures that the library of Standard Webhooks accepts."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from config.settings import SettingsError, read_settings
from egress.signing import sign
from jobs.errors import Conflict
from storage.engine import Database
from storage.webhooks.signing_secrets import WebhookSecrets, new_secret
from tests.servers import wait_until

BODY = '{"type":"job.completed","data":{"prompt":"ä"}}'


@pytest.fixture
def houses(database: Database) -> Iterator[list[WebhookSecrets]]:
    """What several processes at one database have of it."""
    databases = [Database(database.url) for _ in range(4)]
    yield [WebhookSecrets(one) for one in databases]
    for one in databases:
        one.close()


def test_one_is_made_when_it_is_first_asked_for_and_every_process_has_the_same(houses: list[WebhookSecrets]) -> None:
    answers: list[list[str]] = []
    for number in range(20):
        start = Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(partial(_asked, f"tenant-{number}", start), houses))
        assert len(answers[0]) == 1
        assert answers == [answers[0]] * 4
    assert houses[0].valid("other") != answers[0], "each tenant has its own"
    key = base64.b64decode(answers[0][0].removeprefix("whsec_"), validate=True)
    assert answers[0][0].startswith("whsec_")
    assert 24 <= len(key) <= 64


def _asked(tenant: str, start: Barrier, house: WebhookSecrets) -> list[str]:
    start.wait()
    return house.valid(tenant)


def test_a_rotation_keeps_the_one_before_for_a_while(houses: list[WebhookSecrets]) -> None:
    (first,) = houses[0].valid("default")
    second = houses[0].rotate("default", 3600.0)
    assert houses[1].valid("default") == [second, first]
    third = houses[1].rotate("default", 3600.0)
    assert houses[2].valid("default") == [third, second], "two at the most"
    assert houses[2].rotate("default", 3.0) != third
    assert len(houses[3].valid("default")) == 2
    wait_until(lambda: len(houses[3].valid("default")) == 1, "the one before has had its time")


def test_rotations_at_the_same_moment_leave_one_newest(houses: list[WebhookSecrets]) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda house: house.rotate("default", 3600.0), houses[:2]))
    newest = houses[2].valid("default")
    assert newest[0] in made
    assert len(newest) == 2


def test_a_rotation_that_keeps_nothing_ends_a_secret_that_leaked(houses: list[WebhookSecrets]) -> None:
    (leaked,) = houses[0].valid("default")
    fresh = houses[0].rotate("default", 0.0)
    assert houses[1].valid("default") == [fresh] != [leaked]


def test_configured_secrets_stand_for_every_tenant_and_are_rotated_where_they_are_configured(
    database: Database,
) -> None:
    old, new = new_secret(), new_secret()
    secrets = WebhookSecrets(database, read_settings(webhook_secrets=f"{new}, {old}").webhook_keys)
    assert secrets.valid("default") == secrets.valid("other") == [new, old]
    with pytest.raises(Conflict, match="SAFELIGHT_WEBHOOK_SECRETS"):
        secrets.rotate("default", 3600.0)


@pytest.mark.parametrize(
    "wrong",
    [
        "hush",
        "whsec_=",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),
        base64.b64encode(b"x" * 32).decode(),
        "whsec_" + base64.b64encode(b"x" * 32).decode() + ",whsec_short",
    ],
)
def test_a_configured_secret_that_is_none_is_refused_and_not_repeated_in_the_complaint(wrong: str) -> None:
    with pytest.raises(SettingsError, match="SAFELIGHT_WEBHOOK_SECRETS: ") as refused:
        read_settings(webhook_secrets=wrong)
    assert wrong not in str(refused.value)


def test_a_signature_is_accepted_by_the_library_of_standard_webhooks() -> None:
    secret = new_secret()
    headers = sign("an-id", BODY, [secret], datetime.now(UTC))
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert Webhook(secret).verify(BODY.encode(), headers)["type"] == "job.completed"


def test_another_body_id_moment_or_secret_is_not() -> None:
    secret, now = new_secret(), datetime.now(UTC)
    headers = sign("an-id", BODY, [secret], now)
    later = str(int((now + timedelta(seconds=1)).timestamp()))
    for body, changed, key in (
        (BODY + " ", {}, secret),
        (BODY, {"webhook-id": "another"}, secret),
        (BODY, {"webhook-timestamp": later}, secret),
        (BODY, {}, new_secret()),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, headers | changed)


def test_with_two_valid_secrets_either_one_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = sign("an-id", BODY, [new, old], datetime.now(UTC))
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
