"""Server-sent events, decoded from bytes as they come. Lines end at CR, LF or both and nowhere else: text
may hold U+2028 and its like, at which Python's own line readers would break it."""

import re
from dataclasses import dataclass

_END_OF_LINE = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    data: str
    id: str


class EventDecoder:
    """Remembers the last event id; a new connection begins with `restart`."""

    def __init__(self) -> None:
        self.last_id = ""
        self.restart()

    def restart(self) -> None:
        """Forget what a broken connection left half-sent."""
        self._rest = b""
        self._name = ""
        self._id = self.last_id
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that these bytes complete."""
        received = self._rest + piece
        *lines, self._rest = _END_OF_LINE.split(received)
        if received.endswith(b"\r"):  # LF may follow: wait for it
            self._rest = lines.pop() + b"\r"
        return [event for line in lines if (event := self._read(line.decode("utf-8", "replace")))]

    def _read(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        self.last_id = self._id
        name, data = self._name, self._data
        self._name, self._data = "", []
        return Event(name or "message", "\n".join(data), self.last_id) if data else None
