"""The messages that wait for their turn, as Claude notes them in a conversation's transcript."""

from __future__ import annotations

import json


def queued(line: bytes) -> str | None:
    """The text of the message that a line says was queued; None for any other line."""
    if b'"queue-operation"' not in line or b'"enqueue"' not in line:
        return None
    try:
        raw = json.loads(line)
        content = raw.get("content")
    except (ValueError, AttributeError, RecursionError):
        return None
    if raw.get("type") != "queue-operation" or raw.get("operation") != "enqueue":
        return None
    return content if isinstance(content, str) else ""
