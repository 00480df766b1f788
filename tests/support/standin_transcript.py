"""The stand-in's conversation file, like the real one's transcript."""

from __future__ import annotations

import json
import os
import time
from typing import Any

# How long what was said stays out of the file, as 2.1.197 does by about as much.
LAG = float(os.environ.get("STANDIN_LAG", "0.1"))


def new_uuid() -> str:
    h = os.urandom(16).hex()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(p["text"] for p in parts if isinstance(p, dict) and p.get("type") == "text")


class Transcript:
    """The conversation's JSONL; what is added reaches the disk after LAG."""

    def __init__(self, session: str) -> None:
        config = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude")
        folder = "".join(c if c.isalnum() else "-" for c in os.getcwd())
        self.path = os.path.join(config, "projects", folder, f"{session}.jsonl")
        self.session = session
        self.waiting: list[tuple[float, str]] = []
        self.uuids: set[str] = set()
        self.first = ""
        self.parent: str | None = None
        self.unanswered = ""  # the last prompt, where no text came after it

    def load(self) -> bool:
        if not os.path.exists(self.path):
            return False
        with open(self.path) as file:
            for entry in map(json.loads, file):
                self.parent = entry["uuid"]
                if entry["type"] == "user":
                    self.uuids.update(entry.get("promptIds", [entry["uuid"]]))
                    text = text_of(entry["message"]["content"])
                    self.first = self.first or text
                    if text and "promptIds" in entry:
                        self.unanswered = text
                elif text_of(entry["message"]["content"]):
                    self.unanswered = ""
        return True

    def add(self, event: dict[str, Any], prompts: list[str]) -> None:
        entry = {k: event[k] for k in ("type", "message", "uuid")}
        entry |= {"parentUuid": self.parent, "sessionId": self.session, "timestamp": now()}
        if prompts:
            entry["promptIds"] = prompts
        self.parent = event["uuid"]
        self.waiting.append((time.monotonic() + LAG, json.dumps(entry) + "\n"))

    def flush(self, until: float = float("inf")) -> None:
        due = [line for when, line in self.waiting if when <= until]
        if due:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            with open(self.path, "a") as file:
                file.write("".join(due))
            self.waiting = self.waiting[len(due) :]
