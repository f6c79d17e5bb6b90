"""Whether an event that was posted to us comes from somebody who has the secret: Standard Webhooks, by its own
library."""

from collections.abc import Mapping

from standardwebhooks import Webhook, WebhookVerificationError

from api.web.problems import Unsigned

_ID_CHARACTERS = 128


def check_signature(body: bytes, headers: Mapping[str, str], secret: str) -> str:
    """The event's id. Its time may be five minutes away from ours.

    Raises:
        Unsigned: the signature, its time or its id is not good.
    """
    message_id = headers.get("webhook-id", "")
    if not (message_id and len(message_id) <= _ID_CHARACTERS and message_id.isascii() and message_id.isprintable()):
        raise Unsigned(f"webhook-id must be 1 to {_ID_CHARACTERS} printable ASCII characters.")
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as fault:  # what it cannot parse is a ValueError
        raise Unsigned from fault
    return message_id
