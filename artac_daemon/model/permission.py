"""What Claude may do: modes for a session, and requests of Claude that a person answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .session import ID_ALPHABET, ID_LENGTH


class PermissionMode(StrEnum):
    """What a session may do without asking; Claude Code's own names."""

    DEFAULT = "default"
    ACCEPT_EDITS = "acceptEdits"
    PLAN = "plan"
    DONT_ASK = "dontAsk"


# Everything without asking. No request and no setting but a root's policy can choose it.
BYPASS = "bypassPermissions"


class Outcome(StrEnum):
    """What became of a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"  # Claude does not ask any more: interrupted, or settled without us


@dataclass(frozen=True)
class PermissionRequest:
    """Claude asks before it uses a tool, and waits for the answer."""

    request_id: str  # Claude's own
    tool: str
    input: Mapping[str, Any]
    suggestions: tuple[Mapping[str, Any], ...]  # Claude's own, of what could be allowed for longer
    tool_use_id: str = ""
    blocked_path: str = ""


ALL_SUGGESTIONS = (0,)


@dataclass(frozen=True)
class Reply:
    """What a person answers.

    `always` are the numbers of suggestions to take over, from 1 on. `answers` are those to the
    questions of a tool that asks some, in their order.
    """

    allow: bool
    always: tuple[int, ...] = ()
    answers: tuple[str, ...] = ()
    reason: str = ""
    interrupt: bool = False


def short_id(session_id: str, request_id: str) -> str:
    """What people call a request: the same over all backends, and as good as never twice."""
    number = int.from_bytes(hashlib.sha256(f"{session_id}/{request_id}".encode()).digest()[:8])
    letters = []
    for _ in range(ID_LENGTH):
        number, index = divmod(number, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[index])
    return "".join(letters)
