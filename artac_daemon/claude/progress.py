"""What Claude's events tell of its progress; whatever is missing or strange in one is left out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..model.progress import NO_USAGE, Retry, Said, ToolUse, Usage

# Within a text of a tool every quote is escaped, so that this finds keys only.
_DONE = re.compile(rb'"tool_use_id"\s*:\s*"([^"\\]{1,200})"')
_IS_USER = re.compile(rb'^\s*\{\s*"type"\s*:\s*"user"')


def tools_done(line: bytes) -> frozenset[str]:
    """The tool uses whose results are in a line of output; none for a line of another kind."""
    if not _IS_USER.match(line):
        return frozenset()
    return frozenset(found.decode("ascii", "replace") for found in _DONE.findall(line))


def retry(event: Mapping[str, Any]) -> Retry:
    """The retry that a system/api_retry announces."""
    delay = _number(event.get("retry_delay_ms"))
    return Retry(
        attempt=_count(event.get("attempt")),
        most=_count(event.get("max_retries")),
        delay=None if delay is None else delay / 1000,
        status=_count(event.get("error_status")),
        reason=str(event.get("error") or "")[:200],
    )


def said(event: Mapping[str, Any]) -> Said:
    """What an assistant event holds."""
    message = event.get("message")
    if not isinstance(message, dict):
        return Said()
    content = message.get("content")
    blocks = [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []
    texts = [
        b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str)
    ]
    return Said(
        text="\n".join(text for text in texts if isinstance(text, str)),
        tools=tuple(_tool(block) for block in blocks if block.get("type") == "tool_use"),
        context_tokens=_context(message.get("usage")),
        nested=bool(event.get("parent_tool_use_id")),
    )


def usage(event: Mapping[str, Any]) -> Usage:
    """The tokens that a result tells, summed up over the models."""
    told = event.get("modelUsage")
    models = [m for m in told.values() if isinstance(m, dict)] if isinstance(told, dict) else []
    if not models:
        return NO_USAGE

    def total(key: str) -> int | None:
        counts = [count for model in models if (count := _count(model.get(key))) is not None]
        return sum(counts) if counts else None

    main = max(models, key=lambda model: _count(model.get("outputTokens")) or 0)
    return Usage(
        input=total("inputTokens"),
        output=total("outputTokens"),
        cache_read=total("cacheReadInputTokens"),
        cache_creation=total("cacheCreationInputTokens"),
        context_window=_count(main.get("contextWindow")) or None,
    )


def _tool(block: Mapping[str, Any]) -> ToolUse:
    given = block.get("input")
    return ToolUse(
        id=str(block.get("id") or ""),
        name=str(block.get("name") or "?"),
        input=given if isinstance(given, dict) else {},
    )


def _context(told: object) -> int | None:
    if not isinstance(told, dict):
        return None
    keys = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = [count for key in (*keys, "output_tokens") if (count := _count(told.get(key)))]
    return sum(counts) if counts else None


def _count(value: object) -> int | None:
    # What is larger is no count, and JSON readers of others could not take it.
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def _number(value: object) -> float | None:
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
