"""Claude's stream-json: the lines that artac writes, and what it reads in those of Claude.

Lines are looked at by a few byte patterns before they are parsed: a busy session's output is
mostly text that nobody here needs to understand.
"""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from typing import Any

from ..model.session import State

INITIALIZE_ID = "artac-initialize"

_STATES = {
    "running": State.WORKING,
    "idle": State.IDLE,
    "requires_action": State.NEEDS_PERMISSION,
}
_MARKS = (
    b'"session_state_changed"',
    b'"type":"result"',
    b'"isReplay":true',
    b'"artac-initialize"',
    b'"type": "result"',
    b'"isReplay": true',
)


@dataclass(frozen=True)
class Result:
    """How a turn ended. Claude says subtype "success" for some errors, so `failed` counts."""

    failed: bool
    interrupted: bool
    text: str
    cost_usd: float | None
    turns: int | None
    message_uuids: frozenset[str] | None  # whose turn it was; None from a Claude that does not say


@dataclass(frozen=True)
class Seen:
    """What one line of output means to a host; every field may be empty."""

    state: State | None = None
    replayed: str = ""  # the uuid of a user message that Claude has taken up
    result: Result | None = None
    initialized: bool = False


NOTHING = Seen()


def new_uuid() -> str:
    return str(uuid.uuid4())


def user_message(text: str, message_uuid: str) -> str:
    """One input line. The uuid is Claude's idempotency key: a second time is no second turn."""
    message = {"role": "user", "content": text}
    return _line({"type": "user", "message": message, "uuid": message_uuid})


def initialize() -> str:
    """Makes Claude answer before the first message: without it nothing is printed until then."""
    return _control(INITIALIZE_ID, "initialize")


def interrupt(request_id: str) -> str:
    """Ends the running turn and its tools; the session goes on."""
    return _control(request_id, "interrupt")


def read(line: bytes) -> Seen:
    """What a line of Claude's output means; a line that means nothing to us is NOTHING."""
    if not any(mark in line for mark in _MARKS):
        return NOTHING
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return NOTHING
    if not isinstance(event, dict):
        return NOTHING
    kind = event.get("type")
    if kind == "system" and event.get("subtype") == "session_state_changed":
        return Seen(state=_STATES.get(str(event.get("state"))))
    if kind == "user" and event.get("isReplay") is True:
        return Seen(replayed=str(event.get("uuid") or ""))
    if kind == "result":
        return Seen(result=_result(event))
    if kind == "control_response":
        response = event.get("response")
        if isinstance(response, dict) and response.get("request_id") == INITIALIZE_ID:
            return Seen(initialized=True)
    return NOTHING


def _result(event: dict[str, Any]) -> Result:
    subtype = event.get("subtype")
    reason = str(event.get("terminal_reason") or "")
    text = event.get("result")
    if not isinstance(text, str):
        errors = event.get("errors")
        text = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    cost, turns = event.get("total_cost_usd"), event.get("num_turns")
    uuids = event.get("user_message_uuids")
    return Result(
        failed=bool(event.get("is_error")) or subtype != "success",
        interrupted=reason.startswith("aborted"),
        text=text,
        cost_usd=_finite(cost),
        turns=turns if isinstance(turns, int) else None,
        message_uuids=frozenset(map(str, uuids)) if isinstance(uuids, list) else None,
    )


def _finite(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def cancel(request_id: str, message_uuid: str) -> str:
    """Takes a message back that Claude has not begun with."""
    return _control(request_id, "cancel_async_message", message_uuid=message_uuid)


def _control(request_id: str, subtype: str, **content: str) -> str:
    request = {"subtype": subtype, **content}
    return _line({"type": "control_request", "request_id": request_id, "request": request})


def _line(event: dict[str, Any]) -> str:
    # json escapes every line break and, as ASCII, the separators that are none to Claude.
    return json.dumps(event, separators=(",", ":")) + "\n"
