"""What the stand-in on a terminal tells of itself: hooks by its settings, its file in the registry.

In the order in which the real one was seen to do it. STANDIN_NO_REGISTRY=1 leaves the file out.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any


class Telling:
    def __init__(self, session: str, settings: str) -> None:
        self.session = session
        self.prompt = 0
        loaded: dict[str, Any] = {}
        if settings.startswith("{"):
            loaded = json.loads(settings)
        elif settings:
            with open(settings, encoding="utf-8") as file:
                loaded = json.load(file)
        self.hooks = {} if loaded.get("disableAllHooks") else loaded.get("hooks", {})
        config = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.environ["HOME"], ".claude")
        self.transcript = os.path.join(config, "projects", f"{session}.jsonl")
        self.file = os.path.join(config, "sessions", f"{os.getpid()}.json")
        self.registers = os.environ.get("STANDIN_NO_REGISTRY") != "1"
        if self.registers:
            os.makedirs(os.path.dirname(self.file), exist_ok=True)

    def status(self, status: str | None, waiting_for: str = "") -> None:
        if not self.registers:
            return
        with open("/proc/self/stat", "rb") as file:
            started = file.read().rpartition(b") ")[2].split()[19].decode()
        entry = {"pid": os.getpid(), "procStart": started, "kind": "interactive"}
        entry |= {"sessionId": self.session, "updatedAt": int(time.time() * 1000)}
        entry |= {"status": status} if status else {}
        entry |= {"waitingFor": waiting_for} if waiting_for else {}
        with open(self.file, "w", encoding="utf-8") as out:
            json.dump(entry, out)

    def hook(self, event: str, **content: object) -> None:
        told = {"session_id": self.session, "transcript_path": self.transcript}
        told |= {"cwd": os.getcwd(), "prompt_id": f"prompt-{self.prompt}"}
        text = json.dumps({**told, "hook_event_name": event, **content})
        for group in self.hooks.get(event, []):
            for hook in group["hooks"]:
                subprocess.run(
                    ["/bin/sh", "-c", hook["command"]],
                    input=text.encode(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )

    def started(self) -> None:
        self.status(None)
        self.hook("SessionStart", source="startup")
        self.status("idle")

    def submitted(self, prompt: str, queued: bool) -> None:
        self.prompt += 1
        if queued:  # at once: what is between the two turns is short
            self.status("busy")
        self.hook("UserPromptSubmit", prompt=prompt)
        if not queued:
            self.status("busy")

    def answered(self) -> None:
        self.hook("Stop")
        self.status("idle")

    def left(self) -> None:
        try:
            os.unlink(self.file)
        except OSError:
            pass
        self.hook("SessionEnd", reason="other")
