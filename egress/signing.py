"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com), by its own library."""

from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook


def sign(message_id: str, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers that let a receiver trust a body: one signature for each valid secret."""
    signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
