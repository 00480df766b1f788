"""What a session is at, in Claude's own words: what it said, its tools, its tokens, its retries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Retry:
    """The model's API has failed and Claude will ask it again."""

    attempt: int | None
    most: int | None
    delay: float | None  # seconds from when it was said
    status: int | None  # HTTP; None: the connection broke
    reason: str

    @property
    def sentence(self) -> str:
        """Why, and which attempt it will be."""
        why = f"the API answered {self.status}" if self.status else "the API did not answer"
        reason = "" if self.reason in ("", "unknown") else f" ({self.reason})"
        of = f" of {self.most}" if self.most else ""
        return f"{why}{reason}" + (f", attempt {self.attempt}{of}" if self.attempt else "")


@dataclass(frozen=True)
class ToolUse:
    """A tool that Claude has called."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What one message of the model held. Those of subagents are `nested`."""

    text: str = ""
    tools: tuple[ToolUse, ...] = ()
    context_tokens: int | None = None  # what the model had before it, and what it said
    nested: bool = False


@dataclass(frozen=True)
class Usage:
    """Tokens of all models since Claude was started; None where a result does not tell."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_creation: int | None = None
    context_window: int | None = None  # of the model that was used most


NO_USAGE = Usage()
