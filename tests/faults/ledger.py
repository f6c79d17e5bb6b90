"""What the clients of a storm were promised."""

import threading
from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Written by many clients at once."""

    accepted: dict[str, str] = field(default_factory=dict)  # idempotency key -> the id it was answered with
    doubled: set[str] = field(default_factory=set)  # keys that were answered with two ids
    unexpected: list[str] = field(default_factory=list)  # answers that no client should ever see
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, key: str, job_id: str) -> None:
        """The key was answered 202 with this id."""
        with self._lock:
            if self.accepted.setdefault(key, job_id) != job_id:
                self.doubled.add(key)

    @property
    def ids(self) -> set[str]:
        return set(self.accepted.values())
