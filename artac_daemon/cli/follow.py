"""A session's output, and on standard error what of it is no longer there."""

from __future__ import annotations

from collections.abc import Iterator

from ..client import reading
from ..client.event_stream import Event
from .client import PATIENCE, Client, note


def events(client: Client, session_id: str, offset: int, follow: bool) -> Iterator[list[Event]]:
    """The session's events from an offset on, in batches as they come; following, to its end."""
    for batch in client.read_along(reading.claude_events(session_id, offset, follow, PATIENCE)):
        for event in batch:
            if dropped := reading.dropped(event):
                _tell_dropped(dropped, event.offset)
        yield [event for event in batch if not event.kind]


def output(
    client: Client, session_id: str, stream: str, offset: int, follow: bool
) -> Iterator[bytes]:
    """The bytes of `output` or `stderr` from an offset on (from its end when negative)."""
    parts = client.read_along(reading.output(session_id, stream, offset, follow, PATIENCE))
    for start, piece, dropped in parts:
        if dropped:
            _tell_dropped(dropped, start)
        if piece:
            yield piece


def tail(client: Client, session_id: str, stream: str, lines: int) -> tuple[int, bytes]:
    """The last lines that are there, and the offset at which they start."""
    window = 64 * 1024
    while True:
        held_now = reading.output(session_id, stream, -window, False, PATIENCE)
        parts = list(client.read_along(held_now))
        start, held = parts[0][0], b"".join(piece for _, piece, _ in parts)
        if lines == 0:
            return start + len(held), b""
        at = len(held.removesuffix(b"\n"))
        for _ in range(lines):
            at = held.rfind(b"\n", 0, at)
            if at < 0:
                break
        # A punched head is shorter than asked for, and then there is no more to be had.
        if at >= 0 or start == 0 or len(held) < window:
            return start + at + 1, held[at + 1 :]
        window *= 8


def _tell_dropped(count: int, offset: int) -> None:
    note(f"{count} bytes of output before offset {offset} are no longer there")
