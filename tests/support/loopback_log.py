"""What reached the loopback API, so that a test can say "exactly once"."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from tests.support.loopback_script import Asked


class RequestLog:
    """Every request without headers or keys; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[dict[str, Any]] = []
        self._failures: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, *, method: str, path: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"time": time.time(), "kind": kind, "method": method, "path": path}
        with self._lock:
            entry["number"] = len(self._entries) + 1
            self._entries.append(entry)
        return entry

    def describe(self, entry: dict[str, Any], asked: Asked, session: str, stream: bool) -> None:
        with self._lock:
            entry.update(
                kind=asked.kind,
                messages=asked.messages,
                text=asked.text,
                texts=list(asked.texts),
                session=session,
                stream=stream,
            )

    def outcome(self, entry: dict[str, Any], outcome: str) -> None:
        """`answered`, `error 429`, `cut` or `client gone`; absent while it is under way."""
        with self._lock:
            entry["outcome"] = outcome

    def failures(self, session: str, text: str) -> int:
        with self._lock:
            return self._failures[session, text]

    def add_failure(self, session: str, text: str) -> None:
        with self._lock:
            self._failures[session, text] += 1

    def entries(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(e) for e in self._entries]

    def counts(self) -> dict[str, int]:
        """How often each user text reached the model as a new prompt.

        The CLI joins queued prompts by newlines, so each line counts as well.
        """
        texts = (t for e in self.entries() if e["kind"] != "side" for t in e.get("texts", ()))
        return dict(Counter(part for text in texts for part in {text, *text.split("\n")}))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._failures.clear()
