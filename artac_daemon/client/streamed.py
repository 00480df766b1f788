"""What the API tells as it happens, as objects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from .event_stream import Event as _Sent
from .reading import dropped as _dropped
from .results import Raw


@dataclass(frozen=True)
class Event:
    """Something that happened to a session, or to the daemon: see docs/observability.md.

    `cursor` is what to come back with. The event `dropped` says that older ones are gone.
    """

    event: str
    cursor: str
    at: float | None
    session: str | None
    name: str | None  # the session's
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Event:
        return cls(
            event=raw["event"],
            cursor=raw["cursor"],
            at=raw.get("at"),
            session=raw.get("session"),
            name=raw.get("name"),
            raw=raw,
        )


@dataclass(frozen=True)
class ClaudeEvent:
    """A line of a headless Claude's output. `offset` is behind it: where to go on.

    `raw` is empty for a line that is no JSON object. `dropped` bytes before it are no longer there;
    an item that says so has no line.
    """

    offset: int
    line: str
    dropped: int
    raw: Raw = field(repr=False, compare=False)

    @property
    def type(self) -> str:
        """Claude's name for it; "" where it has none."""
        return str(self.raw.get("type", ""))


@dataclass(frozen=True)
class Output:
    """Bytes of an output, from `offset` on. `dropped` bytes before them are no longer there."""

    offset: int
    data: bytes
    dropped: int

    @property
    def end(self) -> int:
        """Where to go on."""
        return self.offset + len(self.data)


def happened(batch: Iterable[_Sent]) -> list[Event]:
    """The events of all sessions in what was sent."""
    return [Event.of(json.loads(sent.data)) for sent in batch if sent.kind != "start"]


def told_by_claude(batch: Iterable[_Sent]) -> list[ClaudeEvent]:
    """The lines of Claude in what was sent."""
    return [_line(sent) for sent in batch if sent.kind in ("", "dropped")]


def written(part: tuple[int, bytes, int]) -> list[Output]:
    """A piece of an output, or the word that what was before is no longer there."""
    found = Output(*part)
    return [found] if found.data or found.dropped else []


def _line(sent: _Sent) -> ClaudeEvent:
    if sent.kind == "dropped":
        return ClaudeEvent(sent.offset, "", _dropped(sent), {})
    line = sent.data.decode("utf-8", "replace")
    return ClaudeEvent(sent.offset, line, 0, _object(line))


def _object(line: str) -> Raw:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
