"""Messages and their turns: handing one over exactly once, and waiting for how it went."""

from __future__ import annotations

import os
import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .coming_back import outlast, persist
from .connection import QUICK
from .failures import ConnectionLost, NoDaemon
from .steps import Ask, Known, Procedure
from .targets import session_path, with_query

# One long poll; who waits longer asks again.
POLL = 300.0
# What the daemon may take beyond the poll before it counts as not answering.
MARGIN = 30.0
# Where a message is that has no result, for one who waits no longer.
_WHERE = {
    "queued": "the message is still queued, Claude was not given it yet",
    "delivered": "the message is with Claude, which has not begun with it",
    "taken": "the message is being worked on",
    "answered": "its result has just come",
}


def new_uuid() -> str:
    """A random UUID (version 4), without the import that the standard library's would be."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def hand_over(
    reference: str, text: str, message_uuid: str, patience: float
) -> Procedure[dict[str, Any]]:
    """Send a message; a connection that breaks is no reason to lose it or to send it twice.

    ConnectionLost when it stays unknown whether it was accepted.
    """
    asked = Ask("POST", session_path(reference, "messages"), {"text": text, "uuid": message_uuid})
    return persist(asked, patience, repeatable=True)


def offset_of(accepted: dict[str, Any], patience: float) -> Procedure[int]:
    """Where in the output to look for the turn of a message that was accepted."""
    if not accepted.get("duplicate"):
        return int(accepted["offset"])
    # Accepted earlier, perhaps by another daemon: its turn may be anywhere in what is still there.
    asked = Ask("GET", session_path(accepted["session"]), seconds=QUICK)
    found = yield from persist(asked, patience, repeatable=True)
    return int(found["session"]["output"]["first"])


def await_turn(
    reference: str,
    message_uuid: str,
    offset: int | None,
    seconds: float | None,
    patience: float,
) -> Procedure[dict[str, Any]]:
    """How the turn of a message went, over restarts of the daemon.

    `offset` is where in the output to look from; None: where it was accepted, if the daemon knows.
    ArtacError(TIMEOUT) when it has no result within so many seconds; None waits for ever.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    target = session_path(reference, "turns", message_uuid)
    while True:
        rest = poll_seconds(deadline)
        polled = with_query(target, offset=offset, wait=rest)
        try:
            turn: dict[str, Any] = yield Ask("GET", polled, seconds=rest + MARGIN)
            return turn
        except (ConnectionLost, NoDaemon) as lost:
            if isinstance(lost, NoDaemon) and not (yield Known()):
                raise
            yield from outlast(lost, patience)
        except ArtacError as error:
            if error.kind is not ErrorKind.TIMEOUT:
                raise
        if deadline is not None and time.monotonic() >= deadline:
            where = yield from _where(reference, message_uuid)
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"no result within {seconds:g}s; {where}: artac messages {reference}, "
                f"artac logs -f {reference}",
            )


def _where(reference: str, message_uuid: str) -> Procedure[str]:
    try:
        asked = Ask("GET", session_path(reference, "messages", message_uuid), seconds=QUICK)
        found = yield asked
        return _WHERE.get(str(found["message"]["state"]), "the turn goes on")
    except ArtacError:  # of a daemon that is away, or older than this
        return "the turn goes on"


def poll_seconds(deadline: float | None) -> float:
    """How long the next poll may last."""
    return POLL if deadline is None else max(0.0, min(POLL, deadline - time.monotonic()))
