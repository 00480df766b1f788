"""Messages and their turns: handing one over exactly once, and waiting for how it went."""

from __future__ import annotations

import select
import sys
from typing import Any

from ..client import turns
from ..client.steps import Ask
from ..client.turns import MARGIN, new_uuid
from ..model.errors import ArtacError, ErrorKind, TurnExit
from .client import PATIENCE, Call, Client, ConnectionLost, note, session_path, with_query
from .escapes import harmless_text

__all__ = ("await_turn", "exit_code", "hand_over", "new_uuid", "offset_of", "read_text", "tell")

# How long a message whose fate is not known waits for the daemon before its sender is told so.
_RETRY = 10.0

_EXITS = {
    "success": TurnExit.SUCCESS,
    "failed": TurnExit.FAILED,
    "interrupted": TurnExit.INTERRUPTED,
    "session-ended": TurnExit.SESSION_ENDED,
    "cancelled": TurnExit.CANCELLED,
}


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
    try:
        return client.carry_out(turns.hand_over(reference, text, message_uuid, _RETRY))
    except ConnectionLost as lost:
        raise ArtacError(
            ErrorKind.UNAVAILABLE,
            f"{lost.message}: whether the message was accepted is not known. It is safe to send it "
            f"again as the same one: artac send --uuid {message_uuid} {reference} TEXT",
        ) from None
    except ArtacError as error:
        if error.kind is not ErrorKind.TIMEOUT:
            raise
        raise ArtacError(
            ErrorKind.TIMEOUT,
            f"{error.message}. To go on with it: artac send --uuid {message_uuid} {reference} TEXT",
        ) from None


def offset_of(client: Client, accepted: dict[str, Any]) -> int:
    """Where in the output to look for the turn of a message that was accepted."""
    return client.carry_out(turns.offset_of(accepted, PATIENCE))


def await_turn(
    client: Client, session_id: str, message_uuid: str, offset: int, seconds: float | None
) -> dict[str, Any]:
    """How the turn of a message went, over restarts of the daemon.

    ArtacError(TIMEOUT) when it has no result within so many seconds; None waits for ever.
    """
    asks = _Asks(client.candidates, session_id)
    asks.met = client.met
    return asks.carry_out(turns.await_turn(session_id, message_uuid, offset, seconds, PATIENCE))


class _Asks(Client):
    """Tells, once, that the session waits for a permission: nothing else would say why."""

    def __init__(self, candidates: list[str], session_id: str) -> None:
        super().__init__(candidates)
        self._id = session_id
        self._told = False

    def ask(self, request: Ask) -> dict[str, Any]:
        call = self.begin(request.method, request.target, request.body, request.seconds)
        if not self._told and not _ready(call):
            self._watch(call, request.seconds or MARGIN)
        return call.answer()

    def _watch(self, call: Call, seconds: float) -> None:
        query: dict[str, str | float] = {"for": "needs-permission", "wait": seconds - MARGIN}
        target = with_query(session_path(self._id, "wait"), **query)
        try:
            watch = self.begin("GET", target, seconds=seconds)
        except ArtacError:
            return  # the call itself will tell
        if select.select([call, watch], [], [], seconds)[0] != [watch]:
            watch.abandon()
            return
        try:
            waits = watch.answer()["session"]["state"] == "needs-permission"
        except ArtacError:  # too many readers: it is only a word on the way
            return
        if waits:
            self._told = True
            note(f"it asks for a permission and waits: artac permissions {self._id}")


def _ready(call: Call) -> bool:
    return bool(select.select([call], [], [], 0)[0])


def tell(turn: dict[str, Any], session_id: str) -> int:
    """Print what the turn said, say on standard error what was wrong; the exit code for it."""
    outcome, text = str(turn["outcome"]), str(turn["text"])
    if outcome == "success":
        if text:
            shown = harmless_text(text) if sys.stdout.isatty() else text
            print(shown, end="" if shown.endswith("\n") else "\n")
    elif outcome == "session-ended":
        never = turn.get("message") == "undelivered"
        when = "Claude had begun with the message" if never else "a result"
        note(f"session {session_id} ended before {when}, see `artac status {session_id}`")
    elif outcome == "cancelled":
        note("the message was cancelled before Claude had begun with it")
    else:
        note(f"the turn {'was interrupted' if outcome == 'interrupted' else 'failed'}"
             + (f": {text}" if text and outcome == "failed" else ""))  # fmt: skip
    return exit_code(turn)


def exit_code(turn: dict[str, Any]) -> int:
    """The exit code of a turn's outcome."""
    return _EXITS.get(str(turn["outcome"]), TurnExit.FAILED)
