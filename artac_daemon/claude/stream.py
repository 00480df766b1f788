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

from ..model.permission import Outcome, PermissionRequest
from ..model.progress import NO_USAGE, Retry, Said, Usage
from ..model.session import State
from . import permissions, progress

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
    b'"type": "result"',
    b'"isReplay": true',
    b'"assistant"',
    b'"tool_result"',
    b'"control_request"',
    b'"control_response"',
    b'"control_cancel_request"',
    b'"api_retry"',
    b'"init"',
    b'"command_lifecycle"',
)
# Pieces of messages that come whole as well: nearly all of a busy session's lines, if it has them.
_PIECE = b'{"type":"stream_event"'


@dataclass(frozen=True)
class Result:
    """How a turn ended. Claude says subtype "success" for some errors, so `failed` counts."""

    failed: bool
    interrupted: bool
    text: str
    cost_usd: float | None
    turns: int | None
    message_uuids: frozenset[str] | None  # whose turn it was; None from a Claude that does not say
    usage: Usage = NO_USAGE
    denied: tuple[str, ...] = ()  # the tools that were not permitted, one for each refusal

    @property
    def outcome(self) -> str:
        """success, failed or interrupted."""
        return "interrupted" if self.interrupted else "failed" if self.failed else "success"


@dataclass(frozen=True)
class Answer:
    """Claude's answer to a control request."""

    request_id: str
    cancelled: bool | None = None  # of one that takes a message back
    error: str = ""  # it refuses or does not know such a request


@dataclass(frozen=True)
class Seen:
    """What one line of output means to a host; every field may be empty."""

    state: State | None = None
    replayed: str = ""  # the uuid of a user message that Claude has taken up
    turn_begins: bool = False
    begun: tuple[str, ...] = ()  # uuids of messages whose turn begins
    dropped: str = ""  # the uuid of one that will have no turn, or whose turn was interrupted
    answer: Answer | None = None
    result: Result | None = None
    initialized: bool = False
    asked: tuple[PermissionRequest, ...] = ()  # new ones, or known ones again
    answered: str = ""  # the id of a request that does not wait any more
    outcome: Outcome | None = None  # of that; None: Claude has taken it back
    retry: Retry | None = None
    model: str = ""
    said: Said | None = None
    tools_done: frozenset[str] = frozenset()  # tool uses with a result


NOTHING = Seen()
GOES_ON = Seen(said=Said())  # Claude is at work, and that is all


def new_uuid() -> str:
    return str(uuid.uuid4())


def user_message(text: str, message_uuid: str) -> str:
    """One input line. The uuid is Claude's idempotency key: a second time is no second turn."""
    message = {"role": "user", "content": text}
    return _line({"type": "user", "message": message, "uuid": message_uuid})


def initialize() -> str:
    """Makes Claude answer before the first message: without it nothing is printed until then."""
    return _control(INITIALIZE_ID, "initialize")


def initialize_again(request_id: str) -> str:
    """Makes a Claude that runs say, among much else, which permission requests wait."""
    return _control(request_id, "initialize")


def response(request_id: str, content: dict[str, Any]) -> str:
    """The answer to a control request of Claude's."""
    told = {"subtype": "success", "request_id": request_id, "response": content}
    return _line({"type": "control_response", "response": told})


def interrupt(request_id: str) -> str:
    """Ends the running turn and its tools; the session goes on."""
    return _control(request_id, "interrupt")


def read(line: bytes) -> Seen:
    """What a line of Claude's output means; a line that means nothing to us is NOTHING."""
    if line.startswith(_PIECE):
        return NOTHING
    if not any(mark in line for mark in _MARKS):
        return NOTHING
    if b'"tool_result"' in line and (done := progress.tools_done(line)):
        return Seen(tools_done=done)  # of which there are large ones, so it is not parsed
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return NOTHING
    return _meaning(event) if isinstance(event, dict) else NOTHING


def is_piece(line: bytes) -> bool:
    """Whether a line is a piece of a message, and so a sign that Claude is at it."""
    return line.startswith(_PIECE)


def _meaning(event: dict[str, Any]) -> Seen:
    kind = event.get("type")
    if kind == "system":
        return _system(event)
    if kind == "user" and event.get("isReplay") is True:
        return Seen(replayed=str(event.get("uuid") or ""))
    if kind == "assistant":
        return Seen(said=progress.said(event))
    if kind == "result":
        return Seen(result=_result(event))
    if kind == "control_request" and (asked := permissions.request(event)):
        return Seen(asked=(asked,))
    if kind == "control_cancel_request":
        return Seen(answered=str(event.get("request_id") or ""))
    if kind == "control_response":
        return _response(event.get("response"))
    if kind == "command_lifecycle":
        return _lifecycle(str(event.get("state")), str(event.get("command_uuid") or ""))
    return NOTHING


def _system(event: dict[str, Any]) -> Seen:
    subtype = event.get("subtype")
    if subtype == "session_state_changed":
        return Seen(state=_STATES.get(str(event.get("state"))))
    if subtype == "api_retry":
        return Seen(retry=progress.retry(event))
    if subtype == "init":
        begun = event.get("user_message_uuids")
        uuids = tuple(map(str, begun)) if isinstance(begun, list) else ()
        return Seen(model=str(event.get("model") or ""), begun=uuids, turn_begins=True)
    return NOTHING


def _response(response: object) -> Seen:
    if not isinstance(response, dict):
        return NOTHING
    request_id = str(response.get("request_id") or "")
    if (outcome := permissions.outcome(response)) is not None:
        return Seen(answered=request_id, outcome=outcome)
    content, error = response.get("response"), response.get("error")
    cancelled = content.get("cancelled") if isinstance(content, dict) else None
    answer = Answer(
        request_id,
        cancelled if isinstance(cancelled, bool) else None,
        str(error or "refused") if response.get("subtype") == "error" else "",
    )
    pending = permissions.pending(response)
    return Seen(initialized=request_id == INITIALIZE_ID, asked=pending, answer=answer)


def _lifecycle(state: str, message_uuid: str) -> Seen:
    if state == "started":
        return Seen(begun=(message_uuid,))
    return Seen(dropped=message_uuid) if state == "cancelled" else NOTHING


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
        usage=progress.usage(event),
        denied=_denied(event.get("permission_denials")),
    )


def _denied(denials: object) -> tuple[str, ...]:
    if not isinstance(denials, list):
        return ()
    return tuple(str(item.get("tool_name") or "?") for item in denials if isinstance(item, dict))


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
