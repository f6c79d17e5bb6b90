"""One try at a delivery, in four steps: claim ► sign ► post ► conclude. Called from the courier's threads."""

import logging
import random
import threading
from collections import Counter
from datetime import UTC, datetime

from config.settings import Settings
from egress.calls import Caller, CallFailed
from egress.signing import sign
from jobs.deliveries import Answer, Delivery
from storage.engine import Database
from storage.webhooks.deliveries import Deliveries
from storage.webhooks.signing_secrets import WebhookSecrets

log = logging.getLogger(__name__)

_LEASE_MARGIN_S = 5.0  # for what a try takes besides the call itself
_SPREAD = 0.1
_HEADERS = {"Content-Type": "application/json", "User-Agent": "Safelight"}


class Dispatch:
    """Delivers what is due. A receiver that is slow keeps half of the threads busy at the most."""

    def __init__(self, settings: Settings, database: Database, caller: Caller | None = None) -> None:
        self._deliveries = Deliveries(database)
        self._secrets = WebhookSecrets(database, settings.webhook_keys)
        self._caller = caller or Caller(settings.webhook_networks)
        self._timeout_s = settings.webhook_timeout_s
        self._waits = settings.webhook_waits
        self._most_for_a_host = max(1, settings.courier_threads // 2)
        self._under_way: Counter[str] = Counter()
        self._claiming = threading.Lock()

    def deliver_next(self) -> Delivery | None:
        """Try what has been due for longest; None when nothing is due.

        Raises:
            StoreUnavailable: at the claim, nothing was sent; at the conclusion, the lease runs out and it is
                sent again, under the same webhook-id.
        """
        delivery = self._claim()
        if delivery is None:
            return None
        try:
            answer = self._post(delivery)
            spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)
            self._deliveries.conclude(delivery, answer, self._waits, spread)
        finally:
            self._let_go(delivery)
        log.info("delivery %s to %s: %s", delivery.id, delivery.host, answer.status_code or answer.error)
        return delivery

    def _claim(self) -> Delivery | None:
        with self._claiming:
            full = [host for host, calls in self._under_way.items() if calls >= self._most_for_a_host]
            delivery = self._deliveries.claim(self._timeout_s + _LEASE_MARGIN_S, without=full)
            if delivery:
                self._under_way[delivery.host] += 1
        return delivery

    def _let_go(self, delivery: Delivery) -> None:
        with self._claiming:
            self._under_way[delivery.host] -= 1
            self._under_way += Counter()  # forgets hosts at zero

    def _post(self, delivery: Delivery) -> Answer:
        signed = sign(delivery.id, delivery.body, self._secrets.valid(delivery.tenant), datetime.now(UTC))
        try:
            status = self._caller.post(delivery.url, delivery.body.encode(), _HEADERS | signed, self._timeout_s)
            return Answer(status)
        except CallFailed as fault:
            return Answer(None, str(fault))
        except Exception as fault:  # a try must conclude, or it would be tried for ever without a pause
            log.exception("delivery %s failed unexpectedly", delivery.id)
            return Answer(None, f"{type(fault).__name__}: {fault}")
