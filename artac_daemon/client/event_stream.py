"""Server-sent events, out of the bytes they come in."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """`kind` is "" for a line of Claude's; `offset` is where to go on behind it."""

    kind: str
    offset: int
    data: bytes


class EventReader:
    """Takes bytes as they come and gives the events that are complete."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. ValueError for an `id` that is no offset."""
        searched = max(0, len(self._rest) - 1)
        self._rest += data
        found = []
        start = 0
        while (end := self._rest.find(b"\n\n", max(start, searched))) >= 0:
            found.append(_event(bytes(self._rest[start:end])))
            start = end + 2
        del self._rest[:start]
        return found


def _event(block: bytes) -> Event:
    kind, offset, data = "", 0, []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
        elif name == b"id":
            offset = int(value)
    return Event(kind, offset, b"\n".join(data))
