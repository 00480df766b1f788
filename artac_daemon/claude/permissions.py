"""How Claude asks for permission over stream-json, and how it wants to be answered.

Seen with 2.1.197 and 2.1.330: an answer is repeated on stdout; a second one, or one to a request
that is gone, is passed over; 2.1.197 takes no permission without `updatedInput`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..model.permission import BYPASS, Outcome, PermissionRequest

_NO_REASON = "The user has denied this."


def request(event: Mapping[str, Any]) -> PermissionRequest | None:
    """The request that a control_request is; None for another kind, or a damaged one."""
    asked, request_id = event.get("request"), event.get("request_id")
    if not isinstance(asked, dict) or not isinstance(request_id, str) or not request_id:
        return None
    if asked.get("subtype") != "can_use_tool":
        return None
    given, suggestions = asked.get("input"), asked.get("permission_suggestions")
    return PermissionRequest(
        request_id=request_id,
        tool=str(asked.get("tool_name") or "?"),
        input=given if isinstance(given, dict) else {},
        suggestions=tuple(
            item
            for item in (suggestions if isinstance(suggestions, list) else ())
            if isinstance(item, dict)
        ),
        tool_use_id=str(asked.get("tool_use_id") or ""),
        blocked_path=str(asked.get("blocked_path") or ""),
    )


def pending(response: Mapping[str, Any]) -> tuple[PermissionRequest, ...]:
    """The requests that wait, from the response to an `initialize` in the middle of a session."""
    listed = response.get("pending_permission_requests")
    events = listed if isinstance(listed, list) else ()
    found = (request(event) for event in events if isinstance(event, dict))
    return tuple(item for item in found if item is not None)


def outcome(response: Mapping[str, Any]) -> Outcome | None:
    """What an answer that Claude repeats said."""
    given = response.get("response")
    behavior = given.get("behavior") if isinstance(given, dict) else None
    return {"allow": Outcome.ALLOWED, "deny": Outcome.DENIED}.get(str(behavior))


def allow(given: Mapping[str, Any], always: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer that lets the tool run with that input, and takes over those suggestions."""
    answer: dict[str, Any] = {"behavior": "allow", "updatedInput": dict(given)}
    if updates := [update for item in always for update in _in_session_too(item)]:
        answer["updatedPermissions"] = updates
    return answer


def deny(reason: str, interrupt: bool) -> dict[str, Any]:
    """The answer that lets it not run. Claude tells the model the reason, unless interrupted."""
    answer: dict[str, Any] = {"behavior": "deny", "message": reason or _NO_REASON}
    return {**answer, "interrupt": True} if interrupt else answer


def bypasses(suggestion: Mapping[str, Any]) -> bool:
    """Whether it would end all asking."""
    return suggestion.get("type") == "setMode" and suggestion.get("mode") == BYPASS


def _in_session_too(suggestion: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # 2.1.197 writes a rule for `localSettings` down and, where the directory was never trusted in
    # a terminal, does not follow it: it would ask again at once.
    if suggestion.get("destination") in (None, "session"):
        return [suggestion]
    return [suggestion, {**suggestion, "destination": "session"}]
