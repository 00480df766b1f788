"""Messages and their turns: handing one over exactly once, and waiting for how it went."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind, TurnExit
from .client import Client, ConnectionLost, NoDaemon, note, session_path, with_query
from .escapes import harmless_text

# One long poll; a command that waits longer asks again.
_POLL = 300.0
# What the daemon may take beyond the poll before it counts as not answering.
_MARGIN = 30.0
# How long a message whose fate is not known waits for the daemon before its sender is told so.
_RETRY = 10.0

_EXITS = {
    "success": TurnExit.SUCCESS,
    "failed": TurnExit.FAILED,
    "interrupted": TurnExit.INTERRUPTED,
    "session-ended": TurnExit.SESSION_ENDED,
}


def new_uuid() -> str:
    """A random UUID (version 4), without the import that the standard library's would be."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def read_text(given: str) -> str:
    """A prompt or message as given; "-" is standard input. ArtacError(USAGE) for an empty one."""
    if given == "-":
        try:
            given = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError:
            raise ArtacError(ErrorKind.USAGE, "standard input is not UTF-8 text") from None
    if not given.strip():
        raise ArtacError(ErrorKind.USAGE, "the text to send is empty")
    return given


def hand_over(client: Client, reference: str, text: str, message_uuid: str) -> dict[str, Any]:
    """Send a message; a connection that breaks is no reason to lose it or to send it twice.

    ArtacError(UNAVAILABLE) when it stays unknown whether it was accepted.
    """
    target = session_path(reference, "messages")
    body = {"text": text, "uuid": message_uuid}
    try:
        return client.post(target, body)
    except ConnectionLost as lost:
        unknown = ArtacError(
            ErrorKind.UNAVAILABLE,
            f"{lost.message}: whether the message was accepted is not known. It is safe to send it "
            f"again as the same one: artac send --uuid {message_uuid} {reference} TEXT",
        )
        client.outlast(unknown, _RETRY)
    try:
        return client.post(target, body)
    except (ConnectionLost, NoDaemon):
        raise unknown from None


def offset_of(client: Client, accepted: dict[str, Any]) -> int:
    """Where in the output to look for the turn of a message that was accepted."""
    if not accepted.get("duplicate"):
        return int(accepted["offset"])
    # Accepted earlier, perhaps by another daemon: its turn may be anywhere in what is still there.
    found = client.get(session_path(accepted["session"]))
    return int(found["session"]["output"]["first"])


def await_turn(
    client: Client, session_id: str, message_uuid: str, offset: int, seconds: float | None
) -> dict[str, Any]:
    """How the turn of a message went, over restarts of the daemon.

    ArtacError(TIMEOUT) when it has no result within so many seconds; None waits for ever.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    target = session_path(session_id, "turns", message_uuid)
    while True:
        rest = _POLL if deadline is None else max(0.0, min(_POLL, deadline - time.monotonic()))
        try:
            return client.get(with_query(target, offset=offset, wait=rest), rest + _MARGIN)
        except (ConnectionLost, NoDaemon) as lost:
            client.outlast(lost)
        except ArtacError as error:
            if error.kind is not ErrorKind.TIMEOUT:
                raise
        if deadline is not None and time.monotonic() >= deadline:
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"no result within {seconds:g}s; the turn goes on: artac logs -f {session_id}",
            )


def tell(turn: dict[str, Any], session_id: str) -> int:
    """Print what the turn said, say on standard error what was wrong; the exit code for it."""
    outcome, text = str(turn["outcome"]), str(turn["text"])
    if outcome == "success":
        if text:
            shown = harmless_text(text) if sys.stdout.isatty() else text
            print(shown, end="" if shown.endswith("\n") else "\n")
    elif outcome == "session-ended":
        note(f"session {session_id} ended before a result, see `artac status {session_id}`")
    else:
        note(f"the turn {'was interrupted' if outcome == 'interrupted' else 'failed'}"
             + (f": {text}" if text and outcome == "failed" else ""))  # fmt: skip
    return exit_code(turn)


def exit_code(turn: dict[str, Any]) -> int:
    """The exit code of a turn's outcome."""
    return _EXITS.get(str(turn["outcome"]), TurnExit.FAILED)
