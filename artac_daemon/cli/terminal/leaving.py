"""What is said after an attach, and its exit code."""

from __future__ import annotations

import json
import os

from ...model.amounts import size
from ...model.end import EndFacts, exit_status
from ...model.errors import ArtacError, ErrorKind, TurnExit, printable

# What the daemon may take to learn of an end that we have just seen (seconds).
_END_WAIT = 2

DETACHED, STOLEN, ENDED, GONE, DAMAGED = "detached", "stolen", "ended", "gone", "damaged"
SUSPENDED = "suspended; fg comes back"


class Outcome:
    """How it came to an end; `message` is the keeper's last word as JSON, or what went wrong."""

    def __init__(self, kind: str, message: str = "") -> None:
        self.kind = kind
        self.message = message


def of_message(message: bytes) -> Outcome | None:
    """What a message of the keeper ends; None when it does not."""
    event = json.loads(message).get("event")
    if event == "ended":
        return Outcome(ENDED, message.decode())
    if event == "detached":
        return Outcome(STOLEN, message.decode())
    return None


def tell(
    outcome: Outcome,
    session: str,
    name: str,
    skipped: int,
    untyped: int = 0,
    paths: list[str] | None = None,
) -> int:
    """Say it in one line on standard error, and what got lost in others; the exit code.

    `skipped` of the output and `untyped` of the input (bytes). `paths` are the daemon's sockets.
    """
    shown = session if name in ("", session) else f"{session} ({name})"
    code, line = _told(outcome, session, shown, name or session, paths)
    if untyped:
        _say(f"{size(untyped)} of what was typed were not taken: the session does not read")
    if skipped:
        _say(f"{size(skipped)} of output were passed over; artac logs {name or session} has them, "
             "unless they are older than output_max keeps")  # fmt: skip
    _say(line)
    return code


def _say(line: str) -> None:
    try:
        # Not by sys.stderr, which would try once more at the interpreter's end, and fail it.
        os.write(2, f"[{printable(line)}]\n".encode(errors="replace"))
    except OSError:
        pass  # with the terminal, nobody is left to be told


def _told(
    outcome: Outcome, session: str, shown: str, reference: str, paths: list[str] | None
) -> tuple[int, str]:
    again = f"artac attach {reference} comes back"
    if outcome.kind == DETACHED:
        return 0, f"detached from {shown}; {again}"
    if outcome.kind == STOLEN:
        by = str(json.loads(outcome.message).get("by", "another client"))
        return 0, f"detached from {shown}: taken over by {by}; {again}"
    if outcome.kind == ENDED:
        return _ended(outcome.message, shown)
    if outcome.kind == GONE:
        if known := _known_end(session, paths):
            return _ended(known, shown)
        return TurnExit.SESSION_ENDED, (
            f"the keeper of {shown} is gone; artac why {reference} says what is known"
        )
    return ErrorKind.FAILED.exit_code, (
        f"detached from {shown}: what its keeper sends is not understood ({outcome.message})"
    )


def _known_end(session: str, paths: list[str] | None) -> str:
    """The end as the daemon has it: a client that was slow has not heard the keeper's last word."""
    from ..asking import candidates
    from ..client import Client, session_path, with_query

    try:
        asked = with_query(session_path(session, "wait"), wait=_END_WAIT)
        end = Client(paths or list(candidates())).get(asked, _END_WAIT + 3)["session"]["end"]
    except (ArtacError, OSError):
        return ""
    told = end and (end["exit_code"] is not None or end["signal"] is not None)
    return json.dumps({"end": end}) if told else ""


def _ended(message: str, shown: str) -> tuple[int, str]:
    try:
        facts = EndFacts.from_json(json.loads(message)["end"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return TurnExit.SESSION_ENDED, f"session {shown} ended"
    if facts.error:
        return ErrorKind.FAILED.exit_code, f"session {shown} ended: not started: {facts.error}"
    how = exit_status(facts)
    if facts.stop is not None:
        how = f"{how}, {facts.stop.why} by {facts.stop.by}"
    if facts.signal is not None:
        return 128 + facts.signal, f"session {shown} ended: {how}"
    if facts.exit_code is not None:
        return facts.exit_code, f"session {shown} ended: {how}"
    return TurnExit.SESSION_ENDED, f"session {shown} ended: {how}"
