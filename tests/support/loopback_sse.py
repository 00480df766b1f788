"""Shapes of the Messages API's answers: JSON messages, errors, server-sent events."""

from __future__ import annotations

import json
from typing import Any

# Whoever reads an answer or its log can see that no model wrote it.
MODEL = "artac-loopback-no-model"

_ERROR_TYPES = {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error"}


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def message(number: int, content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": f"msg_loopback_{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        },
    }


def bash_block(number: int, command: str) -> dict[str, Any]:
    # The longest time the tool allows, so that a long command is the test's to end.
    wanted = {"command": command, "description": "Run the command", "timeout": 600_000}
    return tool_block(number, "Bash", wanted)


def tool_block(number: int, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_loopback_{number:06d}",
        "name": name,
        "input": wanted,
    }


def opening(number: int, block: dict[str, Any]) -> bytes:
    return (
        event("message_start", message=message(number, [], None))
        + event("content_block_start", index=0, content_block=block)
        + event("ping")
    )


def text_delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def json_delta(value: Any) -> bytes:
    delta = {"type": "input_json_delta", "partial_json": json.dumps(value)}
    return event("content_block_delta", index=0, delta=delta)


def closing(stop_reason: str) -> bytes:
    return (
        event("content_block_stop", index=0)
        + event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": None},
            usage={"output_tokens": 1},
        )
        + event("message_stop")
    )


def error(status: int) -> dict[str, Any]:
    text = f"loopback API: scripted {status}"
    return {"type": "error", "error": {"type": _ERROR_TYPES[status], "message": text}}
