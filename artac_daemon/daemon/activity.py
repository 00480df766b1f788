"""What a session is at: kept from its output as it comes, nothing is asked for it."""

from __future__ import annotations

from typing import Any

from ..claude import stream
from ..model.progress import NO_USAGE, Retry, ToolUse
from ..model.session import State
from ..model.tool_input import in_one_line

# Of the last message so much is kept, and of a tool's input.
_LONGEST_TEXT, _LONGEST_INPUT = 2000, 500
# Tools whose result was never seen, as after output that was dropped.
_MOST_TOOLS = 100


class Activity:
    """Empty where this backend has seen nothing of it."""

    def __init__(self) -> None:
        self.model = ""
        self.usage = NO_USAGE
        self.context_tokens: int | None = None
        self.last_message = ""
        self.retry: Retry | None = None
        self.retry_at: float | None = None  # when the API will be asked again
        self._tools: dict[str, tuple[ToolUse, float]] = {}

    def take(self, seen: stream.Seen, at: float) -> None:
        """Take in what a line of output said at that time."""
        self.model = seen.model or self.model
        self.retry, self.retry_at = seen.retry, None
        if seen.retry is not None and seen.retry.delay is not None:
            self.retry_at = at + seen.retry.delay
        for done in seen.tools_done:
            self._tools.pop(done, None)
        if seen.result is not None or seen.state is State.IDLE:
            self._tools.clear()
        if seen.result is not None and seen.result.usage != NO_USAGE:
            self.usage = seen.result.usage
        if seen.said is None:
            return
        for tool in seen.said.tools:
            self._tools[tool.id] = tool, at
        while len(self._tools) > _MOST_TOOLS:
            del self._tools[next(iter(self._tools))]
        if not seen.said.nested:
            self.last_message = seen.said.text[:_LONGEST_TEXT] or self.last_message
            self.context_tokens = seen.said.context_tokens or self.context_tokens

    def to_json(self) -> dict[str, Any]:
        """The API's form; null where nothing was told."""
        usage = self.usage
        return {
            "model_in_use": self.model or None,
            "tokens": {
                "input": usage.input,
                "output": usage.output,
                "cache_read": usage.cache_read,
                "cache_creation": usage.cache_creation,
            }
            if usage != NO_USAGE
            else None,
            "context": {"tokens": self.context_tokens, "window": usage.context_window}
            if self.context_tokens is not None
            else None,
            "tool": self._tool(),
            "last_message": self.last_message or None,
            "retry": self._retry(),
        }

    def _tool(self) -> dict[str, Any] | None:
        if not self._tools:
            return None
        tool, since = list(self._tools.values())[-1]
        told = in_one_line(tool.input, _LONGEST_INPUT)
        return {"name": tool.name, "input": told, "since": since, "running": len(self._tools)}

    def _retry(self) -> dict[str, Any] | None:
        if self.retry is None:
            return None
        return {
            "sentence": self.retry.sentence,
            "status": self.retry.status,
            "reason": self.retry.reason or None,
            "attempt": self.retry.attempt,
            "max_retries": self.retry.most,
            "until": self.retry_at,
        }
