"""What the stand-in's larger events hold, and one turn of its conversation."""

from __future__ import annotations

import os
import time
from typing import Any

VERSION = os.environ.get("STANDIN_VERSION", "2.1.330")
# Since some version after 2.1.197 results name their messages and messages have a lifecycle.
LIFECYCLE = tuple(int(n) for n in VERSION.split(".")) >= (2, 1, 330)

# Cumulative in the real one.
USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "cacheReadInputTokens": 100,
    "cacheCreationInputTokens": 0,
    "contextWindow": 200000,
}


class Turn:
    def __init__(self, prompts: list[tuple[str, str]]) -> None:
        self.members = prompts
        self.absorbed: list[tuple[str, str]] = []
        self.text = "\n".join(text for _, text in prompts)
        self.replayed = self.hung = False
        self.count = 1
        self.started = time.monotonic()
        self.due: float | None = self.started
        self.length = 0.0
        self.answer = f"echo: {self.text}"
        self.tool = self.tool_out = -1
        self.tool_id = ""
        self.input: dict[str, Any] = {}
        self.asked: dict[str, Any] | None = None
        self.refused = False
        self.denials: list[dict[str, Any]] = []
        self.output = b""


def key_source() -> str:
    return "ANTHROPIC_API_KEY" if "ANTHROPIC_API_KEY" in os.environ else "none"


def greeting(idle: bool) -> dict[str, Any]:
    account = {"tokenSource": "none", "apiKeySource": key_source(), "apiProvider": "firstParty"}
    if account["apiKeySource"] == "none":
        del account["apiKeySource"]
    answer: dict[str, Any] = {
        "commands": [],
        "agents": [],
        "output_style": "default",
        "available_output_styles": ["default"],
        "models": [{"value": "default", "displayName": "stand-in, no model"}],
        "account": account,
        "pid": os.getpid(),
    }
    if LIFECYCLE:
        answer["claude_code_version"] = VERSION
        answer["session_state"] = "idle" if idle else "running"
    return answer


def init(uuids: list[str]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "system",
        "subtype": "init",
        "cwd": os.getcwd(),
        "tools": ["Bash"],
        "mcp_servers": [],
        "model": "standin",
        "permissionMode": "default",
        "slash_commands": [],
        "apiKeySource": key_source(),
        "claude_code_version": VERSION,
        "output_style": "default",
        "agents": [],
        "skills": [],
        "plugins": [],
        "fast_mode_state": "off",
    }
    if LIFECYCLE:
        event["user_message_uuids"] = uuids
    return event


def next_of(queue: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The messages of the next turn, and the rest: a command (`/cost`) is not merged."""
    first = next((n for n, (_, text) in enumerate(queue) if text.startswith("/")), len(queue))
    split = max(1, first)
    return queue[:split], queue[split:]
