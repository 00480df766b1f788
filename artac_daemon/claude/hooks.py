"""What Claude tells by its hooks: the settings that make it tell, and what each event means.

Measured with the CLI 2.1.330 and 2.1.197, as are the orders in `registry`: an event whose name a
Claude does not know makes it ask a person before it starts, so here are only those that both know.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from ..model.session import State

EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PermissionRequest",
    "PostToolUse",
    "PostToolUseFailure",
    "Notification",
    "Stop",
    "StopFailure",
)
# Not needed for a state: PreToolUse (the turn has begun already) and SessionEnd (also told at
# /clear; the keeper knows an end). Each hook costs a process.

_OPTION = "--settings"
_SECONDS = 5  # Claude's patience with one hook; ours gives up by itself before
_MAX_SETTINGS = 16 * 1024 * 1024


@dataclass(frozen=True)
class Hook:
    """One event of Claude's, as `keeper/hook.py` noted it; "" for what it did not say."""

    event: str
    at: float
    session_id: str = ""
    transcript_path: str = ""
    tool: str = ""
    prompt_id: str = ""
    notification: str = ""
    source: str = ""
    prompt_length: int | None = None  # in characters; None too for a prompt of more than 60 KB
    prompt_head: str = ""  # its first 200 characters


def read(line: bytes) -> Hook | None:
    """The event in a noted line; None for one that is none."""
    try:
        raw = json.loads(line)
        length = raw.get("prompt_length")
        return Hook(
            event=_text(raw, "hook_event_name"),
            at=float(raw["at"]),
            session_id=_text(raw, "session_id"),
            transcript_path=_text(raw, "transcript_path"),
            tool=_text(raw, "tool_name"),
            prompt_id=_text(raw, "prompt_id"),
            notification=_text(raw, "notification_type"),
            source=_text(raw, "source"),
            prompt_length=length if isinstance(length, int) else None,
            prompt_head=_text(raw, "prompt_head"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def next_state(state: State, hook: Hook) -> State:
    """The state after an event, by hooks alone.

    Nothing is told of an interrupt, of a refusal, and of an approval until the tool has ended.
    """
    if hook.event == "SessionStart":
        # A conversation that is compacted starts again in the middle of a turn.
        return state if hook.source == "compact" else State.IDLE
    if hook.event == "UserPromptSubmit":
        return State.WORKING
    if hook.event == "PermissionRequest":
        return State.NEEDS_PERMISSION
    if hook.event in ("PostToolUse", "PostToolUseFailure"):
        return State.WORKING if state is State.NEEDS_PERMISSION else state
    if hook.event in ("Stop", "StopFailure"):
        return State.IDLE
    if hook.event == "Notification":
        return {
            "permission_prompt": State.NEEDS_PERMISSION,
            "elicitation_dialog": State.NEEDS_PERMISSION,
            "idle_prompt": State.IDLE,
        }.get(hook.notification, state)
    return state


def settings(program: Sequence[str], users: dict[str, Any] | None = None) -> dict[str, Any]:
    """Claude's settings that run that command at each of the events, beside the user's own."""
    hook = {"type": "command", "command": shlex.join(program), "timeout": _SECONDS}
    merged = dict(users or {})
    theirs = merged.get("hooks") or {}
    if not isinstance(theirs, dict) or not all(isinstance(at, list) for at in theirs.values()):
        raise ArtacError(ErrorKind.USAGE, f"{_OPTION}: its hooks must be lists, one for each event")
    ours = {event: [{"hooks": [hook]}] for event in EVENTS}
    both = [*theirs, *(event for event in ours if event not in theirs)]
    merged["hooks"] = {event: [*theirs.get(event, []), *ours.get(event, [])] for event in both}
    return merged


def take_settings(args: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Those arguments without `--settings`, and what it said; of several Claude takes the last."""
    rest: list[str] = []
    found = None
    words = iter(args)
    for word in words:
        if word == _OPTION:
            found = next(words, "")
        elif word.startswith(_OPTION + "="):
            found = word.partition("=")[2]
        else:
            rest.append(word)
    return tuple(rest), found


def users_settings(value: str, cwd: str) -> dict[str, Any]:
    """What a user's `--settings FILE|JSON` says; ArtacError(USAGE) where Claude would refuse it."""
    text, place = value.strip(), f"{_OPTION} {value}"
    if text.startswith("{"):
        place = _OPTION
    else:
        try:
            fd = os.open(os.path.join(cwd, value), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, encoding="utf-8") as file:
                text = file.read(_MAX_SETTINGS)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise ArtacError(ErrorKind.USAGE, f"{place}: cannot be read: {why}") from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtacError(ErrorKind.USAGE, f"{place}: it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ArtacError(ErrorKind.USAGE, f"{place}: it must be a JSON object")
    return found


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""
