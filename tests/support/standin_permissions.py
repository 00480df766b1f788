"""How the stand-in asks before it uses a tool, and what it does with the answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import standin_shapes
from standin_transcript import new_uuid

if TYPE_CHECKING:
    from standin_session import Standin
    from standin_shapes import Turn

QUESTIONS = "AskUserQuestion"
NOBODY = "Claude requested permissions to use {}, but you haven't granted it yet."


def use(host: Standin, turn: Turn, rest: str) -> None:
    """Call a tool that needs a permission; it does nothing but say that it was run."""
    tool, _, command = rest.partition(" ")
    host.replay_turn(turn)
    turn.tool_id, turn.due, turn.count = f"toolu_{new_uuid()}", None, 1
    turn.input = json.loads(command) if tool == QUESTIONS else {"command": command}
    host.say(
        "assistant",
        [{"type": "tool_use", "id": turn.tool_id, "name": tool, "input": turn.input}],
    )
    turn.count = 2
    if tool in host.allowed:
        _go_on(host, turn, f"ran {command}", failed=False)
    elif not host.asks:
        denial = {"tool_name": tool, "tool_use_id": turn.tool_id, "tool_input": turn.input}
        turn.denials.append(denial)
        _go_on(host, turn, NOBODY.format(tool), failed=True)
    else:
        _ask(host, turn, tool)


def _ask(host: Standin, turn: Turn, tool: str) -> None:
    # The state comes first, as with the real one.
    host.state("requires_action")
    rule = {"type": "addRules", "rules": [{"toolName": tool}], "behavior": "allow"}
    asked = {"subtype": "can_use_tool", "tool_name": tool, "display_name": tool}
    asked |= {"input": turn.input, "tool_use_id": turn.tool_id}
    suggestions = [
        {**rule, "destination": "localSettings"},
        {"type": "setMode", "mode": "acceptEdits", "destination": "session"},
        {"type": "setMode", "mode": "bypassPermissions", "destination": "session"},
    ]
    request = {**asked, "permission_suggestions": suggestions}
    turn.asked = {"type": "control_request", "request_id": new_uuid(), "request": request}
    host.control_line(turn.asked)


def answered(host: Standin, event: dict[str, Any]) -> None:
    """An answer; one to nothing that is asked is passed over."""
    response, turn = event.get("response") or {}, host.turn
    if not turn or not turn.asked or response.get("request_id") != turn.asked["request_id"]:
        return
    tool, turn.asked = turn.asked["request"]["tool_name"], None
    if standin_shapes.LIFECYCLE:
        host.control_line(event)
        host.state("running")
    else:
        host.state("running")
        host.control_line(event)
    told = response.get("response") or {}
    if told.get("behavior") == "deny":
        if told.get("interrupt"):
            turn.refused = True
            host.interrupt()
        else:
            _go_on(host, turn, told["message"], failed=True)
    elif not standin_shapes.LIFECYCLE and not isinstance(told.get("updatedInput"), dict):
        _go_on(host, turn, "Tool permission request failed: ZodError", failed=True)
    else:
        for update in told.get("updatedPermissions", ()):
            # 2.1.197 does not follow a rule for localSettings in a directory it does not trust.
            if update["type"] == "addRules" and update["destination"] == "session":
                host.allowed.add(tool)
        _go_on(host, turn, _came_to(told["updatedInput"]), failed=False)


def _came_to(given: dict[str, Any]) -> str:
    if "questions" not in given:
        return f"ran {given['command']}"
    answers = given.get("answers") or {}
    told = ", ".join(f'"{question}"="{text}"' for question, text in answers.items())
    return f"answered: {told}" if told else "The user did not answer the questions."


def withdraw(host: Standin) -> None:
    """It was interrupted: what is asked is asked no more."""
    turn = host.turn
    if turn and turn.asked:
        request_id = turn.asked["request_id"]
        turn.asked, turn.refused = None, True
        host.control_line({"type": "control_cancel_request", "request_id": request_id})


def retry(host: Standin, turn: Turn, rest: str) -> None:
    """Fail as if the API did, and answer so many seconds later."""
    seconds, _, turn.answer = rest.partition(" ")
    turn.due = time.monotonic() + float(seconds)
    event = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10}
    event |= {"retry_delay_ms": float(seconds) * 1000}
    host.emit(event | {"error_status": 529, "error": "overloaded"})


def _go_on(host: Standin, turn: Turn, text: str, failed: bool) -> None:
    host.tool_result(turn, text, failed)
    turn.answer, turn.due = f"tool said: {text}", time.monotonic()
